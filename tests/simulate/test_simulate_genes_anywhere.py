"""Genes laid on random ground with any settings: free places only, a readable table, the same every time."""

import time

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from genebert.errors import InputError
from genebert.genome.bases import N_CODE, encode, reverse_complement
from genebert.settings.data import SimulationSettings
from genebert.simulate.genes import plant_genes
from genebert.simulate.landscape import Sequence
from genebert.sources.splice_table import read_splice_table

NO_PROMOTERS = pd.DataFrame({"tss": np.array([], int), "strand": np.array([], str)})


def ground(rng, length, kept):
    """Return two chromosomes of random bases with N at their ends, and fixed pieces of 12 bases."""
    codes = rng.integers(0, 4, length).astype(np.uint8)
    middle = length // 3
    for start, end in ((0, 200), (middle - 200, middle + 200), (length - 200, length)):
        codes[start:end] = N_CODE
    fixed = codes == N_CODE
    for start in rng.integers(0, length - 12, int(length * kept / 12)):
        fixed[start : start + 12] = True
    return Sequence(codes, fixed, ["chr1", "chr2"], np.array([0, middle, length]))


@given(
    seed=st.integers(0, 2**32 - 1),
    kept=st.floats(0, 0.2),
    exons=st.floats(2, 5),
    exon=st.floats(30, 90),
    intron=st.floats(70, 150),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    decoys=st.floats(0, 3),
)
@settings(max_examples=25)
def test_any_settings_give_a_readable_table_of_free_places(
    tmp_path_factory, seed, kept, exons, exon, intron, shares, decoys
):
    chosen = SimulationSettings(
        n_genes=8, exons_per_gene=exons, exon_bp=exon, intron_bp=intron, gene_paralogs=shares[0],
        gene_overlaps=shares[1], splice_decoys=decoys,
    )  # fmt: skip
    sequence = ground(np.random.default_rng(seed), 90_000, kept)
    before = sequence.codes.copy()
    try:
        genes = plant_genes(chosen, sequence, NO_PROMOTERS, np.array([], int), np.random.default_rng(seed))
    except InputError as error:
        assert "room for" in str(error)
        return
    assert np.array_equal(sequence.codes[sequence.fixed], before[sequence.fixed])
    path = tmp_path_factory.mktemp("table") / "table.txt"
    path.write_text(genes.table.to_csv(sep="\t", header=False, index=False))
    read = read_splice_table(path, paired=True)
    assert len(read.genes) == 8 and int(read.jn_start.inside.sum()) == genes.truth["introns"]
    starts = dict(zip(sequence.chroms, sequence.offsets, strict=False))
    for row in genes.sites.itertuples():
        first = starts[row.chrom]
        codes = sequence.codes[first + row.start : first + row.end]
        codes = codes if row.strand == "+" else reverse_complement(codes)
        assert np.array_equal(codes, encode(row.sequence))
    for row in genes.table.itertuples():
        first = starts[row.chrom]
        assert (sequence.codes[first + row.tx_start - 1 : first + row.tx_end] != N_CODE).all()
    again = ground(np.random.default_rng(seed), 90_000, kept)
    same = plant_genes(chosen, again, NO_PROMOTERS, np.array([], int), np.random.default_rng(seed))
    assert np.array_equal(again.codes, sequence.codes) and same.table.equals(genes.table)


def test_no_genes_are_an_empty_table():
    sequence = ground(np.random.default_rng(0), 9_000, 0)
    before = sequence.codes.copy()
    genes = plant_genes(
        SimulationSettings(n_genes=0), sequence, NO_PROMOTERS, np.array([], int), np.random.default_rng(0)
    )
    assert genes.truth["genes"] == genes.truth["introns"] == 0 and np.array_equal(before, sequence.codes)
    assert genes.table.empty and not (genes.sites["gene"] != ".").any()


def test_genes_take_less_than_two_seconds():
    sequence = ground(np.random.default_rng(0), 3_000_000, 0.15)
    start = time.process_time()
    plant_genes(SimulationSettings(), sequence, NO_PROMOTERS, np.array([], int), np.random.default_rng(0))
    assert time.process_time() - start < 2
