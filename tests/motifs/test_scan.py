"""The two scanners against raw MOODS."""

import MOODS.scan
import numpy as np
import pytest
from motif_reference import BACKGROUND, build, consensus_motif, make_sequences, raw_moods_hits

from genebert.genome.bases import decode
from genebert.motifs import scan as scan_module
from genebert.motifs.scan import BestScorer, HitScanner
from genebert.motifs.scoring import score_motifs


@pytest.fixture(scope="module")
def realistic(jaspar):
    """A tenth of JASPAR and random regions with N; 25 of them hold planted best words."""
    rng = np.random.default_rng(4)
    chosen = jaspar[::10]
    strings = [
        "".join(rng.choice(list("ACGTN"), p=[0.29, 0.2, 0.2, 0.29, 0.02], size=n)) for n in rng.integers(10, 600, 120)
    ]
    for motif in chosen[:25]:
        word = decode(motif.counts.argmax(axis=0).astype(np.uint8))
        strings.append("".join(rng.choice(list("ACGT"), size=30)) + word)
    return chosen, strings  # fmt: skip


def test_numbers_of_hits_against_raw_moods(realistic, tmp_path):
    chosen, strings = realistic
    assert min(motif.width for motif in chosen) < 7, "narrow motifs must be among them"
    expected = raw_moods_hits(strings, chosen, BACKGROUND, 1e-4, tmp_path)
    scoring = score_motifs(chosen, BACKGROUND, "counts", 1.0, 1e-4)
    assert len(expected) > 300
    counts = np.zeros((len(strings), len(chosen)), dtype=int)
    for region, motif, _, _ in expected:
        counts[region, motif] += 1
    some = np.array([*range(40, len(strings)), 3])
    np.testing.assert_array_equal(HitScanner(scoring).count(make_sequences(strings), some), counts[some])
    options = {"background": BACKGROUND, "p_value": 1e-4}
    np.testing.assert_array_equal(build(tmp_path / "c", strings, chosen, "counts", **options).values, counts)
    np.testing.assert_array_equal(build(tmp_path / "b", strings, chosen, "binary", **options).values, counts > 0)


def test_best_score_agrees_with_raw_moods(realistic, tmp_path):
    chosen, strings = realistic
    hits = raw_moods_hits(strings, chosen, BACKGROUND, 1e-3, tmp_path)
    best = np.full((len(strings), len(chosen)), -np.inf)
    for (region, motif, _, _), score in hits.items():
        best[region, motif] = max(best[region, motif], score)
    scoring = score_motifs(chosen, BACKGROUND, "counts", 1.0, 1e-3)
    scores = BestScorer(scoring).score(make_sequences(strings), np.arange(len(strings)))
    has_hit = best > -np.inf
    assert 0.05 < has_hit.mean() < 0.95
    np.testing.assert_allclose(scores[has_hit], best[has_hit], rtol=1e-5, atol=1e-5)
    border = np.abs(scores - scoring.thresholds) < 1e-5
    assert border.mean() < 0.001
    np.testing.assert_array_equal((scores >= scoring.thresholds)[~border], has_hit[~border])
    stored = build(tmp_path / "m", strings, chosen, "max_score", background=BACKGROUND, p_value=1e-3)
    np.testing.assert_array_equal(stored.values, scores.astype(np.float16))
    np.testing.assert_allclose(stored.table["share_hit"], has_hit.mean(axis=0), atol=1e-9 + border.mean())


def test_long_regions_are_scored_in_pieces(small_motifs, monkeypatch):
    rng = np.random.default_rng(6)
    strings = ["".join(rng.choice(list("ACGT"), size=n)) for n in (5000, 3, 2032, 2033, 61, 80, 4053, 12)]
    scoring = score_motifs(small_motifs, BACKGROUND, "counts", 1.0, 1e-4)
    sequences, everything = make_sequences(strings), np.arange(len(strings))
    usual = BestScorer(scoring).score(sequences, everything)
    monkeypatch.setattr(scan_module.BestScorer, "PIECE", 10_000)
    np.testing.assert_array_equal(BestScorer(scoring).score(sequences, everything), usual)
    monkeypatch.setattr(scan_module.BestScorer, "PIECE", 30)
    monkeypatch.setattr(scan_module.BestScorer, "ROWS", 64)
    np.testing.assert_array_equal(BestScorer(scoring).score(sequences, everything), usual)


def test_no_window_is_lost_between_pieces(monkeypatch):
    """The widest motif's best word at every offset of regions that are cut into pieces."""
    word = "GATTACAGGCATTGC"
    scoring = score_motifs([consensus_motif(word)], BACKGROUND, "counts", 1.0, 1e-4)
    monkeypatch.setattr(scan_module.BestScorer, "PIECE", 40)
    strings = ["T" * i + word + "T" * (110 - i) for i in range(111)]
    scores = BestScorer(scoring).score(make_sequences(strings), np.arange(111))
    np.testing.assert_allclose(scores[:, 0], scoring.max_possible[0], rtol=1e-6)


def test_moods_misses_the_last_window_of_narrow_motifs_and_we_do_not():
    """The reason for the second scanner of HitScanner; if this fails, MOODS has been repaired and it can go."""
    scoring = score_motifs([consensus_motif("ACGGTA")], BACKGROUND, "counts", 1.0, 1e-4)
    raw = MOODS.scan.Scanner(7)
    raw.set_motifs([scoring.matrices[0].tolist()], list(BACKGROUND), scoring.thresholds.tolist())
    assert [hit.pos for hit in raw.scan("TTTTACGGTAT")[0]] == [4]
    assert [hit.pos for hit in raw.scan("TTTTTACGGTA")[0]] == []
    counts = HitScanner(scoring).count(make_sequences(["TTTTACGGTAT", "TTTTTACGGTA", "TTTTTACGGT"]), np.arange(3))
    assert counts.tolist() == [[1], [1], [0]]
