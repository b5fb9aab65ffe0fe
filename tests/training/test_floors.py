import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genebert.genome import RegionSequences
from genebert.kmers import UNK, kmer_ids
from genebert.training.floors import kmer_counts, mgm_floors


@given(lengths=st.lists(st.integers(0, 30), min_size=1, max_size=12), k=st.integers(3, 6), seed=st.integers(0, 99))
def test_counts_equal_those_of_the_regions_one_by_one(lengths, k, seed):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    codes = rng.integers(0, 5, offsets[-1]).astype(np.uint8)
    sequences = RegionSequences(codes, offsets, "toy")
    regions = np.flatnonzero(rng.random(len(lengths)) < 0.6)
    expected = np.zeros(4**k, dtype=np.int64)
    for region in regions:
        ids = kmer_ids(np.asarray(sequences[region]), k)
        np.add.at(expected, ids[ids != UNK] - 5, 1)
    assert np.array_equal(kmer_counts(sequences, regions, k), expected)


def test_floors_of_known_sources():
    uniform = mgm_floors(np.ones(4**4, dtype=np.int64))
    assert uniform == pytest.approx(dict.fromkeys(uniform, 4 * np.log(4)), abs=1e-4)
    rng = np.random.default_rng(0)
    # independent letters: all three floors are the same, up to the sample
    codes = rng.choice(4, 2_000_000, p=[0.4, 0.1, 0.1, 0.4]).astype(np.uint8)
    whole = RegionSequences(codes, np.array([0, len(codes)]), "toy")
    floors = mgm_floors(kmer_counts(whole, np.array([0]), 6))
    entropy = -6 * (np.array([0.4, 0.1, 0.1, 0.4]) * np.log([0.4, 0.1, 0.1, 0.4])).sum()
    assert floors == pytest.approx(dict.fromkeys(floors, entropy), abs=5e-3)
    # each letter follows from the two before it: nothing is left after them
    codes = np.resize(np.array([0, 0, 1, 2], dtype=np.uint8), 4000)
    floors = mgm_floors(kmer_counts(RegionSequences(codes, np.array([0, 4000]), "toy"), np.array([0]), 6))
    assert floors["base trigrams"] == pytest.approx(np.log(4), abs=1e-3)
    assert floors["k-mer frequencies"] == pytest.approx(np.log(4), abs=1e-3)
    assert floors["base frequencies"] > 6
