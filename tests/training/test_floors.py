import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genebert.corpus.groups import Groups
from genebert.genome.kmers import UNK, kmer_ids
from genebert.genome.sequences import RegionSequences
from genebert.motifs.composition import composition
from genebert.training.objectives.genebert_floors import kmer_counts, mgm_floors, ngsp_floors


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


@given(lengths=st.lists(st.integers(0, 30), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_composition_equals_that_of_the_regions_one_by_one(lengths, seed):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    sequences = RegionSequences(rng.integers(0, 5, offsets[-1]).astype(np.uint8), offsets, "toy")
    shares = composition(sequences)
    for i, length in enumerate(lengths):
        codes = sequences[i].tolist()
        n = max(1, length)
        assert shares[i, 0] == pytest.approx(sum(code in (1, 2) for code in codes) / n)
        # a C at the very end may be followed by the next region's G: no more than that one differs
        inside = sum(pair == (1, 2) for pair in itertools.pairwise(codes))
        assert inside <= round(shares[i, 1] * n) <= inside + (codes[-1:] == [1])


def neighbourhoods(n_groups, spread, seed):
    """Groups of four regions of 100 bases; GC content is that of the group, which varies by `spread`."""
    rng = np.random.default_rng(seed)
    gc = np.repeat(0.5 + spread * (rng.random(n_groups) - 0.5), 4)
    codes = np.where(rng.random((len(gc), 100)) < gc[:, None], rng.integers(1, 3, (len(gc), 100)), 0).astype(np.uint8)
    sequences = RegionSequences(codes.ravel(), np.arange(len(gc) + 1) * 100, "toy")
    zeros = np.zeros(n_groups, dtype=np.int32)
    regions = np.arange(len(gc), dtype=np.int32).reshape(n_groups, 4)
    groups = Groups(regions, zeros.astype(np.int16), zeros, (np.arange(n_groups) >= n_groups // 2).astype(np.uint8))
    return sequences, groups.subset(0), groups.subset(1)


def test_segment_prediction_from_composition():
    sequences, train, valid = neighbourhoods(400, 0.8, 0)
    assert ngsp_floors(sequences, train, valid, 1)["ngsp_accuracy"] > 0.75
    sequences, train, valid = neighbourhoods(400, 0.0, 0)
    floors = ngsp_floors(sequences, train, valid, 1)
    assert floors["ngsp_accuracy"] == pytest.approx(0.5, abs=0.06)
    assert floors["ngsp"] == pytest.approx(np.log(2), abs=0.03)
    assert ngsp_floors(sequences, train, valid.subset(0), 1) == {}
