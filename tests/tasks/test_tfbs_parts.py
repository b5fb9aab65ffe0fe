"""Parts of the TF-binding task: settings, ranks, DeepBind's split, shuffles, the choice of genomic negatives."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genebert.errors import InputError
from genebert.genome.bases import decode, encode
from genebert.genome.fasta import Genome, prepare_genome
from genebert.tasks.tfbs import TfbsSettings, rank_peaks, rank_split
from genebert.tasks.windows import genomic_windows, match_counts, shuffle_dinucleotides

# ---- settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"length": 19}, "tasks.tfbs.length: found 19, expected a whole number of at least 20"),
        ({"length": 101.0}, "tasks.tfbs.length: found 101.0"),
        ({"seed": -1}, "tasks.tfbs.seed: found -1, expected a whole number of at least 0"),
        ({"negatives": "random"}, "tasks.tfbs.negatives: found 'random', expected one of shuffle, genomic"),
        ({"split": "random"}, "tasks.tfbs.split: found 'random', expected one of ranks, chromosome"),
        ({"valid_fraction": 1.0}, "tasks.tfbs.valid_fraction: found 1.0, expected a number above 0 and below 1"),
    ],
)
def test_settings_out_of_range(change, words):
    with pytest.raises(InputError, match=words):
        TfbsSettings(**change)


# ---- ranks


def peaks_of(signal, starts=None):
    starts = np.arange(len(signal)) * 10 if starts is None else starts
    return pd.DataFrame(
        {"chrom": "chr1", "start": starts, "end": np.asarray(starts) + 5, "signal": np.asarray(signal, dtype=float)}
    )


def test_ranks_go_by_signal_then_place():
    peaks, ranked_by = rank_peaks(peaks_of([3, 9, 3, 1, 9], [50, 40, 30, 20, 10]), seed=0)
    assert peaks["start"].tolist() == [10, 40, 30, 50, 20]
    assert ranked_by == "signal"


@pytest.mark.parametrize(
    ("value", "ranked_by"),
    [(np.nan, "random order, the file has no signal"), (0, "random order, the signal of all peaks is 0")],
)
def test_without_signal_the_order_is_random_and_seeded(value, ranked_by):
    peaks = peaks_of([value] * 200)
    first, said = rank_peaks(peaks, seed=1)
    assert said == ranked_by
    assert sorted(first["start"]) == sorted(peaks["start"])
    assert abs(np.corrcoef(first["start"], np.arange(200))[0, 1]) < 0.2
    # Neither the order of the file nor chance changes it; the seed does.
    assert rank_peaks(peaks.sample(frac=1, random_state=5), seed=1)[0]["start"].equals(first["start"])
    assert not rank_peaks(peaks, seed=2)[0]["start"].equals(first["start"])


@given(st.integers(0, 3000), st.floats(0.01, 0.5), st.integers(0, 99))
def test_deepbinds_split(number, valid_fraction, seed):
    split = rank_split(number, valid_fraction, seed)
    for rank, name in enumerate(split, start=1):
        assert (name == "test") == (rank <= 1000 and rank % 2 == 0)
    n_test = min(number, 1000) // 2
    assert (split == "valid").sum() == round(valid_fraction * (number - n_test))
    assert np.array_equal(split, rank_split(number, valid_fraction, seed))


# ---- negatives


def dinucleotides(codes):
    pairs = codes[:, :-1].astype(int) * 4 + codes[:, 1:]
    return np.stack([(pairs == i).sum(axis=1) for i in range(16)], axis=1)


@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(20, 60)), elements=st.integers(0, 3)), st.integers(0))
def test_shuffles_keep_dinucleotides_and_ends(codes, seed):
    shuffled = shuffle_dinucleotides(codes, seed)
    assert shuffled.dtype == np.uint8
    assert np.array_equal(dinucleotides(shuffled), dinucleotides(codes))
    assert np.array_equal(shuffled[:, [0, -1]], codes[:, [0, -1]])
    assert np.array_equal(shuffled, shuffle_dinucleotides(codes, seed))


def test_shuffles_depend_on_the_set_and_the_seed_and_are_uniform():
    codes = np.random.default_rng(0).integers(0, 4, (300, 101), dtype=np.uint8)
    shuffled = shuffle_dinucleotides(codes, 7)
    order = np.random.default_rng(1).permutation(300)
    assert np.array_equal(shuffle_dinucleotides(codes[order], 7), shuffled[order])
    assert (shuffle_dinucleotides(codes, 8) != shuffled).any(axis=1).all()
    assert (shuffled == codes).mean() < 0.35  # hardly more than by chance
    # All 15 sequences with the dinucleotides and ends of ACAGACGCA come equally often.
    short = np.tile(encode("ACAGACGCA"), (15_000, 1))
    _, times = np.unique(shuffle_dinucleotides(short, 3), axis=0, return_counts=True)
    assert len(times) == 15
    assert np.abs(times - 1000).max() < 5 * np.sqrt(1000)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.lists(st.integers(0, 20), max_size=40), st.integers(0))
def test_counts_are_matched_once_each_and_nearest_first(wanted, more, seed):
    wanted, available = np.array(wanted), np.array(more + wanted[::-1] + more)
    chosen = match_counts(wanted, available, np.random.default_rng(seed))
    assert len(set(chosen)) == len(wanted)
    assert np.array_equal(available[chosen], wanted)  # every count is there, so none is off


def test_a_count_that_runs_out_takes_the_nearest():
    available = np.array([50, 40, 41, 60, 47, 50])
    chosen = match_counts(np.array([50, 50, 50, 42]), available, np.random.default_rng(0))
    assert sorted(available[chosen]) == [41, 47, 50, 50]
    assert available[chosen[3]] == 41


def test_genomic_negatives_come_from_what_is_free(tmp_path):
    rng = np.random.default_rng(0)
    text = "GC" * 5000 + decode(rng.integers(0, 4, 90_000))
    (tmp_path / "raw.fa").write_text(f">chr1\n{text}\n")
    prepare_genome(tmp_path / "raw.fa", tmp_path / "genome.fa", "toy", ["chr1"])
    genome, n = Genome(tmp_path / "genome.fa"), 50
    windows = pd.DataFrame({"chrom": ["chr1"] * n})
    taken = pd.DataFrame({"chrom": ["chr1"], "start": [0], "end": [10_100]})
    # No free window is all G and C: the richest ones are taken.
    places, codes = genomic_windows(genome, windows, np.full(n, 101), taken, 101, 0)
    assert places["start"].min() >= 10_100
    assert [decode(row) for row in codes] == [text[start : start + 101] for start in places["start"]]
    grid = range(places["start"].min() % 101, len(text) - 101, 101)
    gc = sorted(sum(map(text[i : i + 101].count, "GC")) for i in grid if i >= 10_100)
    assert sorted(sum(map(decode(row).count, "GC")) for row in codes) == gc[-n:]
    with pytest.raises(InputError, match="chr1 has 0 windows of 101 bases without N outside what is taken"):
        genomic_windows(genome, windows, np.full(n, 50), taken.assign(end=100_000), 101, 0)
