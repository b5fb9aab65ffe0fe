"""FASTA files that are damaged behind what is read of them."""

import gzip

import numpy as np
import pytest

from genebert.errors import InputError
from genebert.genome.fasta import prepare_genome


def test_damage_shows_though_all_wanted_chromosomes_were_read_before(tmp_path):
    """Only the end of gzip data tells that a base in the middle has become another."""
    bases = np.random.default_rng(0).choice(list("ACGT"), (20_000, 60))
    text = ">chr1\nACGT\n>chr2\n" + "\n".join(map("".join, bases)) + "\n"
    whole = gzip.compress(text.encode(), mtime=0)
    (tmp_path / "x.fa.gz").write_bytes(whole)
    assert prepare_genome(tmp_path / "x.fa.gz", tmp_path / "genome.fa", "toy", ["chr1"])["lengths"] == {"chr1": 4}
    for damaged in (whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:], whole[:-9]):
        (tmp_path / "x.fa.gz").write_bytes(damaged)
        with pytest.raises(InputError, match=r"x\.fa\.gz: gzip data cut short or damaged"):
            prepare_genome(tmp_path / "x.fa.gz", tmp_path / "out" / "genome.fa", "toy", ["chr1"])
        assert not list((tmp_path / "out").iterdir())
