"""Backgrounds, and score thresholds against exact distributions."""

import itertools

import MOODS.tools
import numpy as np
import pytest
from motif_reference import BACKGROUND, build, make_sequences, random_motif, slow_log_odds, slow_scores

from genebert.genome.sequences import RegionSequences
from genebert.motifs.scan import HitScanner
from genebert.motifs.scoring import base_counts, chance_shares, gc_bins, score_motifs


@pytest.mark.parametrize("p_value", [1e-2, 1e-3, 5e-4])
@pytest.mark.parametrize("source", ["counts", "pwm"])
def test_threshold_against_the_exact_distribution(p_value, source):
    motif = random_motif(np.random.default_rng(8), 6, "M")
    scoring = score_motifs([motif], BACKGROUND, source, 1.0, p_value)
    counts = motif.counts / motif.counts.sum(axis=0) if source == "pwm" else motif.counts
    log_odds = slow_log_odds(counts, BACKGROUND, 1.0)
    np.testing.assert_allclose(scoring.matrices[0], log_odds, atol=1e-12)
    words = np.array(list(itertools.product(range(4), repeat=6)))
    scores = log_odds[words, np.arange(6)].sum(axis=1)
    chances = np.prod(np.array(BACKGROUND)[words], axis=1)
    threshold = scoring.thresholds[0]
    # MOODS rounds each position's score to 1/2000.
    slack = 6 / 2000
    assert chances[scores >= threshold + slack].sum() <= p_value < chances[scores >= threshold - slack].sum()
    assert scoring.min_p[0] == pytest.approx(chances[scores >= scores.max() - 1e-9].sum())
    assert scoring.max_possible[0] == pytest.approx(scores.max())


def test_thresholds_against_memelite(jaspar):
    """memelite computes p-values of base-2 log-odds under a uniform background by another program."""
    from memelite.fimo import _pwm_to_mapping

    uniform, bin_size = (0.25,) * 4, 0.002
    chosen = [motif for motif in jaspar[5::80] if motif.width > 7]
    scoring = score_motifs(chosen, uniform, "counts", 1.0, 1e-4)
    assert len(chosen) > 5 and (scoring.min_p < 1e-4).all()
    for motif, log_odds, threshold in zip(chosen, scoring.matrices, scoring.thresholds, strict=True):
        smallest, log_p = _pwm_to_mapping(log_odds / np.log(2), bin_size)
        # Both programs round each position's score: MOODS to 1/2000, memelite to half a bin of base-2 log-odds.
        slack = motif.width * (1 / 4000 / np.log(2) + bin_size / 2)
        bins = ((threshold / np.log(2) + np.array([slack, -slack])) / bin_size).round().astype(int) - smallest
        above, below = 2.0 ** log_p[bins]
        assert above <= 1e-4 <= below < 3e-4, motif.matrix_id


def test_short_motifs_cannot_reach_a_small_p_value(jaspar, tmp_path):
    scoring = score_motifs(jaspar, BACKGROUND, "counts", 1.0, 1e-7)
    reaches = scoring.min_p <= 1e-7
    widths = scoring.widths
    assert not reaches[widths <= 10].any() and reaches[widths >= 15].all()
    clipped = scoring.thresholds > scoring.max_possible - [
        1e-6 + MOODS.tools.min_delta(log_odds.tolist()) for log_odds in scoring.matrices
    ]
    assert clipped[~reaches].all()
    # The best word is a hit all the same, and no other word is.
    short = [motif for motif in jaspar if motif.width == 6][:3]
    own = score_motifs(short, BACKGROUND, "counts", 1.0, 1e-7)
    for motif, log_odds in zip(short, own.matrices, strict=True):
        words = ["".join(word) for word in itertools.product("ACGT", repeat=6)]
        found = build(tmp_path, words, [motif], "binary", background=BACKGROUND, p_value=1e-7)
        assert found.table["reaches_p"].tolist() == [False]
        best = [max(slow_scores(word, log_odds).values()) > log_odds.max(axis=0).sum() - 1e-9 for word in words]
        assert 0 < sum(best) < 20
        assert found.values[:, 0].astype(bool).tolist() == best


def test_background_of_both_strands_of_all_regions(small_motifs, tmp_path):
    strings = ["AAAC", "NNGa", "AAAA"]
    sequences = make_sequences(strings)
    assert base_counts(sequences).tolist() == [[3, 1, 0, 0], [1, 0, 1, 0], [4, 0, 0, 0]]
    found = build(tmp_path, strings, small_motifs, "max_score")
    assert found.info["backgrounds"][0]["background"] == pytest.approx([0.4, 0.1, 0.1, 0.4])
    uneven = build(tmp_path, strings, small_motifs, "max_score", background=[0.3, 0.1, 0.3, 0.3])
    assert uneven.info["backgrounds"][0]["background"] == pytest.approx([0.3, 0.2, 0.2, 0.3])


def test_base_counts_in_blocks(monkeypatch):
    rng = np.random.default_rng(9)
    strings = ["".join(rng.choice(list("ACGTN"), size=n)) for n in rng.integers(0, 50, 60)]
    expected = [[string.count(base) for base in "ACGT"] for string in strings]
    for block in (1, 33, 10**6):
        monkeypatch.setattr("genebert.motifs.scoring._BLOCK_BASES", block)
        assert base_counts(make_sequences(strings)).tolist() == expected


def test_gc_bins_of_equal_regions():
    edges, found = gc_bins(np.array([[1, 1, 1, 1]] * 5 + [[0, 0, 0, 0]]))
    assert edges.tolist() == [0.5]
    assert found.tolist() == [0] * 5 + [-1]


@pytest.mark.parametrize(("p_value", "length", "most"), [(1e-3, 51, 1.2), (1e-4, 505, 1.2), (1e-7, 505, 1.1)])
def test_chance_of_a_hit_in_random_sequence(jaspar, p_value, length, most):
    """Every length and p, also where short motifs cannot reach it (docs/facts.md 33)."""
    n = 200
    codes = np.random.default_rng(0).choice(4, n * length, p=BACKGROUND).astype(np.uint8)
    sequences = RegionSequences(codes, np.arange(n + 1) * length, "random")
    scoring = score_motifs(jaspar[::6], BACKGROUND, "counts", 1.0, p_value)
    found = (HitScanner(scoring).count(sequences, np.arange(n)) > 0).mean()
    chance = chance_shares(scoring, p_value, np.full(n, length))
    assert 0.9 < chance.mean() / found < most
    # of several lengths the mean; too short for the motif, none
    mixed = chance_shares(scoring, p_value, np.array([length, 4, 4, 4]))
    np.testing.assert_allclose(mixed, chance / 4)
