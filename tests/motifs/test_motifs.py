"""Motif matrices against slow references, raw MOODS and exact distributions."""

import gzip
import itertools
import logging

import MOODS.scan
import MOODS.tools
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motif_reference import (
    BACKGROUND,
    both_strand_background,
    build,
    consensus_motif,
    make_sequences,
    random_motif,
    raw_moods_hits,
    slow_log_odds,
    slow_matrix,
    slow_scores,
)

from genebert.genome.bases import decode, encode, reverse_complement
from genebert.genome.intervals import ranges
from genebert.genome.sequences import RegionSequences
from genebert.motifs import matrix as matrix_module
from genebert.motifs import scan as scan_module
from genebert.motifs.jaspar import load_jaspar
from genebert.motifs.matrix import KINDS
from genebert.motifs.scan import BestScorer, HitScanner
from genebert.motifs.scoring import base_counts, gc_bins, score_motifs

ALL_KINDS = tuple(KINDS)


@pytest.fixture(scope="module")
def small_motifs():
    rng = np.random.default_rng(1)
    return [random_motif(rng, width, f"M{i}") for i, width in enumerate((3, 5, 6, 7, 8, 12))]


@pytest.fixture(scope="module")
def jaspar():
    return load_jaspar()


# Pieces of random sequence with N and lower case; the second part makes sure every base occurs somewhere.
regions_strategy = st.lists(st.text("ACGTacgtN", min_size=1, max_size=60), min_size=1, max_size=8).map(
    lambda strings: [*strings, "ACGTTGCATTAC"]
)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_matrix_equals_window_by_window_reference(kind, small_motifs, tmp_path_factory):
    @settings(max_examples=25, deadline=None, database=None, derandomize=True)
    @given(regions_strategy, st.sampled_from([1e-2, 1e-3]), st.booleans())
    def check(strings, p_value, own_background):
        background = (0.3, 0.2, 0.2, 0.3) if own_background else both_strand_background(strings)
        folder = tmp_path_factory.mktemp("matrix")
        option = {"background": background} if own_background else {}
        found = build(folder, strings, small_motifs, kind, p_value=p_value, **option)
        p_used = 1e-7 if kind == "descartes" else p_value
        expected, doubt = slow_matrix(strings, small_motifs, kind, background, p_used)
        assert found.values.dtype == KINDS[kind]
        if kind == "max_score":
            np.testing.assert_allclose(found.values, expected, rtol=1e-3, atol=1e-4)
        else:
            np.testing.assert_array_equal(np.where(doubt, 0, found.values), np.where(doubt, 0, expected))

    check()


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_descartes_and_others_on_many_regions(kind, small_motifs, tmp_path):
    """Enough regions of different composition for many GC bins, and hits in most columns."""
    rng = np.random.default_rng(5)
    strings = ["N" * 30]
    for gc in rng.uniform(0.1, 0.9, 80):
        chances = [(0.98 - gc) / 2, gc / 2, gc / 2, (0.98 - gc) / 2, 0.02]
        strings.append("".join(rng.choice(list("ACGTN"), p=chances, size=rng.integers(2, 90))))
    found = build(tmp_path, strings, small_motifs, kind, p_value=1e-3)
    expected, doubt = slow_matrix(
        strings, small_motifs, kind, both_strand_background(strings), 1e-7 if kind == "descartes" else 1e-3
    )
    assert not doubt.any()
    np.testing.assert_allclose(found.values, expected, rtol=1e-3 if kind == "max_score" else 0)
    if kind != "max_score":
        assert 0.01 < (expected > 0).mean() < 0.9
    if kind == "descartes":
        parts = found.info["backgrounds"]
        assert 20 <= len(parts) <= 25
        assert sum(part["regions"] for part in parts) == 80, "the all-N region belongs to no bin"
        assert parts[0]["gc"][0] < parts[0]["gc"][1] == parts[1]["gc"][0]
        assert found.info["settings"]["p_value"] == 1e-7
        assert found.info["settings"]["source"] == "pwm"


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_same_bytes_for_any_cut_and_number_of_processes(kind, small_motifs, tmp_path):
    rng = np.random.default_rng(2)
    sequences = make_sequences(["".join(rng.choice(list("ACGTN"), size=n)) for n in rng.integers(1, 400, 150)])
    folders = []
    for processes, chunk_bases in ((1, 10**7), (1, 1), (1, 700), (2, 900), (3, 5000)):
        folders.append(tmp_path / f"{processes}-{chunk_bases}")
        build(folders[-1], sequences, small_motifs, kind, processes, chunk_bases=chunk_bases, p_value=1e-3)
    for name in ("matrix.npy", "motifs.tsv", "motifs.json"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1, name


def test_rows_do_not_depend_on_other_regions(small_motifs, tmp_path):
    rng = np.random.default_rng(3)
    strings = ["".join(rng.choice(list("ACGT"), size=80)) for _ in range(30)]
    for kind in ("max_score", "counts"):
        whole = build(tmp_path / "all", strings, small_motifs, kind, background=BACKGROUND, p_value=1e-3).values
        for i in (0, 7, 29):
            one = build(tmp_path / "one", [strings[i]], small_motifs, kind, background=BACKGROUND, p_value=1e-3).values
            np.testing.assert_array_equal(one[0], whole[i])


def test_no_window_crosses_a_border(tmp_path):
    chosen = [consensus_motif("ACGGTA"), consensus_motif("GATTACAGG", "M2")]
    halves = ["TTTTTTTACG", "GTATTTTTTT", "TTTTTGATTA", "CAGGTTTTTT"]
    joined = ["TTTTTTTACGGTATTTTTTT", "TTTTTGATTACAGGTTTTTT"]
    assert build(tmp_path / "a", halves, chosen, "counts", background=BACKGROUND).values.sum() == 0
    assert build(tmp_path / "b", joined, chosen, "counts", background=BACKGROUND).values.tolist() == [[1, 0], [0, 1]]
    best = build(tmp_path / "c", halves, chosen, "max_score", background=BACKGROUND)
    assert (best.values < best.table["max_possible"].to_numpy() - 2).all()


@pytest.mark.parametrize("word", ["CAG", "GATTAC", "GATTACA", "CATTGCAAG", "GATTACAGGCATTGC", "GATTACAGGCATTGCAAGTCC"])
@pytest.mark.parametrize("kind", ["max_score", "binary", "counts"])
def test_planted_at_first_and_last_base_on_both_strands(word, kind, tmp_path):
    reverse = decode(reverse_complement(encode(word)))
    filler = "T" * 40
    strings = [word + filler, filler + word, reverse + filler, filler + reverse, word, reverse, filler,
               filler + word[:-1], "N" + word + "N", filler + word[:-1] + "N", word.lower(),
               word[: len(word) // 2] + "N" + word[len(word) // 2 + 1 :]]  # fmt: skip
    expected = [1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 1, 0]
    p_value = min(1e-4, 0.9 * 0.2 ** len(word))
    found = build(tmp_path, strings, [consensus_motif(word)], kind, background=BACKGROUND, p_value=p_value)
    if kind == "max_score":
        best = found.table["max_possible"].item()
        assert (np.abs(found.values[:, 0].astype(float) - best) < 0.01 * best).astype(int).tolist() == expected
        assert np.isnan(found.values[-1, 0])
    else:
        assert found.values[:, 0].tolist() == expected


def test_palindrome_counts_on_both_strands(tmp_path):
    found = build(tmp_path, ["TTTACGTTTGCAAACGTATT"], [consensus_motif("AACGTT")], "counts", background=BACKGROUND)
    assert found.values.item() == 0
    found = build(tmp_path, ["TTGAACGTTGTT"], [consensus_motif("AACGTT")], "counts", background=BACKGROUND)
    assert found.values.item() == 2


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


def test_hit_by_hit_against_raw_moods(realistic, tmp_path):
    chosen, strings = realistic
    assert min(motif.width for motif in chosen) < 7, "narrow motifs must be among them"
    expected = raw_moods_hits(strings, chosen, BACKGROUND, 1e-4, tmp_path)
    scoring = score_motifs(chosen, BACKGROUND, "counts", 1.0, 1e-4)
    hits = HitScanner(scoring).find(make_sequences(strings), np.arange(len(strings)), scores=True)
    keys = zip(hits.region.tolist(), hits.motif.tolist(), hits.strand.tolist(), hits.position.tolist(), strict=True)
    found = dict(zip(keys, hits.score.tolist(), strict=True))
    assert len(found) == len(hits.region) > 300
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([found[key] for key in expected], list(expected.values()), rtol=0, atol=1e-9)
    counts = np.zeros((len(strings), len(chosen)), dtype=int)
    for region, motif, _, _ in expected:
        counts[region, motif] += 1
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
    hits = HitScanner(scoring).find(make_sequences(["TTTTACGGTAT", "TTTTTACGGTA"]), np.arange(2))
    assert hits.position.tolist() == [4, 5]


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


def test_table_and_record(small_motifs, tmp_path):
    strings = ["ACGTTGCATTACGGAT" * 3, "GATTACAGG" * 4, "AC", "N" * 40, "TTGACCATG" * 5]
    found = build(tmp_path, strings, small_motifs, "max_score", p_value=1e-3, release="JASPAR2018")
    values = found.values.astype(np.float64)
    assert np.isnan(values[[2, 3]]).all()
    np.testing.assert_allclose(found.table["mean"], np.nanmean(values, axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.table["sd"], np.nanstd(values, axis=0), rtol=1e-6)
    assert found.names == [motif.name for motif in small_motifs]
    assert found.table["width"].tolist() == [3, 5, 6, 7, 8, 12]
    assert found.kind == "max_score"
    assert found.info["settings"]["release"] == "JASPAR2018"
    assert isinstance(found.values, np.memmap)
    binary = build(tmp_path, strings, small_motifs, "binary", p_value=1e-2)
    np.testing.assert_allclose(binary.table["share_hit"], binary.values.mean(axis=0))
    np.testing.assert_allclose(binary.table["mean"], binary.values.mean(axis=0))
    assert 0 < binary.values.mean() < 1


def test_statistics_in_blocks_with_an_empty_column(monkeypatch):
    values = np.random.default_rng(10).normal(8, 2, (50, 4)).astype(np.float16)
    values[::7, 1] = np.nan
    values[:, 2] = np.nan
    monkeypatch.setattr(matrix_module, "_STATISTICS_ROWS", 8)
    mean, sd = matrix_module._mean_sd(values)
    keep = [0, 1, 3]
    np.testing.assert_allclose(mean[keep], np.nanmean(values[:, keep].astype(float), axis=0))
    np.testing.assert_allclose(sd[keep], np.nanstd(values[:, keep].astype(float), axis=0))
    assert np.isnan(mean[2]) and np.isnan(sd[2])


def test_progress_lines(small_motifs, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(matrix_module, "_LOG_SECONDS", 0)
    rng = np.random.default_rng(11)
    with caplog.at_level(logging.INFO, logger="genebert"):
        build(tmp_path, ["".join(rng.choice(list("ACGT"), size=100))] * 6, small_motifs, "max_score", chunk_bases=200)
    lines = [record.message for record in caplog.records if "Mbp/s" in record.message]
    assert len(lines) == 3
    assert "33 %" in lines[0] and "s left" in lines[0]
    assert lines[-1].startswith("max_score of 6 motifs") and "100 %" in lines[-1] and lines[-1].endswith(" 0 s left")


@pytest.fixture(scope="module")
def chr20(shared_data):
    with gzip.open(shared_data / "genome" / "chr20.fa.gz") as handle:
        handle.readline()
        return encode(handle.read().replace(b"\n", b""))


@pytest.mark.shared
def test_ctcf_in_gm12878_peaks(chr20, shared_data, jaspar, tmp_path):
    name = "wgEncodeAwgTfbsBroadGm12878CtcfUniPk.ranges.bed.gz"
    peaks = pd.read_csv(shared_data / "tfbs" / name, sep="\t", header=None, usecols=[0, 1, 2])
    peaks = peaks[peaks[0] == "chr20"]
    assert len(peaks) == 1242
    starts, lengths = peaks[1].to_numpy(), (peaks[2] - peaks[1]).to_numpy()

    def cut(starts, lengths):
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        return RegionSequences(chr20[ranges(starts, lengths)], offsets, "hg19")

    ctcf = [motif for motif in jaspar if motif.matrix_id == "MA0139.1"]
    peak_sequences = cut(starts, lengths)
    shares = [
        build(tmp_path, peak_sequences, ctcf, "binary", background=BACKGROUND, p_value=p).values.mean()
        for p in (1e-4, 1e-5, 1e-6)
    ]
    assert shares == pytest.approx([0.913, 0.705, 0.431], abs=0.0006)
    best = build(tmp_path, peak_sequences, ctcf, "max_score", background=BACKGROUND)
    assert best.table["share_hit"].item() == pytest.approx(shares[0], abs=1e-9)
    rng = np.random.default_rng(0)
    anywhere = rng.integers(0, len(chr20) - lengths.max(), 4 * len(peaks))
    windows = cut(anywhere, np.tile(lengths, 4))
    known = np.array([(windows[i] < 4).all() for i in range(len(windows))])
    hits = build(tmp_path, windows, ctcf, "binary", background=BACKGROUND).values[known, 0]
    assert hits.mean() == pytest.approx(0.156, abs=0.02)
