"""Normalising alleles, beside `bcftools norm`."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pysam import bcftools
from variant_inputs import SEQUENCE, line, make_genome, quiet, variants, vcf_text

from genebert.genome.alleles import has_bases, normalise


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    return make_genome(tmp_path_factory.mktemp("genome"), SEQUENCE)


def applied(start, ref, alt):
    return SEQUENCE[:start] + alt + SEQUENCE[start + len(ref) :]


@given(st.lists(variants(), min_size=1, max_size=30))
@example([(0, "CAC", "C"), (0, "C", "CAC"), (0, "CA", "A"), (1, "ACA", "A"), (6, "CAG", "G"), (0, "C", "G")])
@example([(168, "ACAC", "AC"), (165, "CA", "CACA"), (len(SEQUENCE) - 1, "A", "AA"), (len(SEQUENCE) - 3, "GCA", "G")])
def test_as_bcftools_norm(genome, tmp_path_factory, found):
    path = tmp_path_factory.mktemp("norm") / "plain.vcf"
    found = sorted(found)
    records = [line(*one, contig="chr1", name=str(i)) for i, one in enumerate(found)]
    path.write_text(vcf_text(records, samples=[], contigs=["chr1"]))
    text = quiet(bcftools.norm, "-f", str(genome.path), str(path))
    rows = [row.split("\t") for row in text.splitlines() if not row.startswith("#")]
    theirs = {int(name): (int(pos) - 1, ref, alt) for _, pos, name, ref, alt, *_ in rows}
    ours = {i: normalise("chr1", *one, genome) for i, one in enumerate(found)}
    assert ours == theirs
    for i, one in enumerate(found):
        assert applied(*ours[i]) == applied(*one)


def test_by_hand(genome):
    assert normalise("chr1", 14, "TA", "A", genome) == (8, "GT", "G")
    assert normalise("chr1", 5, "ACAG", "ACTG", genome) == (7, "A", "T")
    assert normalise("chr1", 168, "ACAC", "AC", genome) == (31, "AAC", "A")


@pytest.mark.parametrize("allele", ["<DEL>", "*", "<*>", "G]17:198982]", ".A", "A.", "R", "", "AT "])
def test_without_bases(allele):
    assert not has_bases(allele)
    assert has_bases("ACGTN")
