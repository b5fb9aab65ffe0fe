"""Motif matrices against slow references, raw MOODS and exact distributions."""

import gzip
import logging

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
    slow_matrix,
)

from genebert.genome.bases import decode, encode, reverse_complement
from genebert.genome.intervals import ranges
from genebert.genome.sequences import RegionSequences
from genebert.motifs import matrix as matrix_module
from genebert.motifs.matrix import KINDS

ALL_KINDS = tuple(KINDS)


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
def test_same_bytes_for_any_cut_and_number_of_processes(kind, small_motifs, tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    sequences = make_sequences(["".join(rng.choice(list("ACGTN"), size=n)) for n in rng.integers(1, 400, 150)])
    folders = []
    for processes, chunk_bases in ((1, 10**7), (1, 1), (1, 700), (2, 900), (3, 5000)):
        folders.append(tmp_path / f"{processes}-{chunk_bases}")
        monkeypatch.setattr(matrix_module, "_CHUNK_BASES", chunk_bases)
        build(folders[-1], sequences, small_motifs, kind, processes, p_value=1e-3)
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


def test_table_and_record(small_motifs, tmp_path):
    strings = ["ACGTTGCATTACGGAT" * 3, "GATTACAGG" * 4, "AC", "N" * 40, "TTGACCATG" * 5]
    found = build(tmp_path, strings, small_motifs, "max_score", p_value=1e-3, release="JASPAR2018")
    values = found.values.astype(np.float64)
    assert np.isnan(values[[2, 3]]).all()
    np.testing.assert_allclose(found.table["mean"], np.nanmean(values, axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.table["sd"], np.nanstd(values, axis=0), rtol=1e-6)
    assert found.table["name"].tolist() == [motif.name for motif in small_motifs]
    assert found.table["width"].tolist() == [3, 5, 6, 7, 8, 12]
    assert found.info["kind"] == "max_score"
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
    monkeypatch.setattr(matrix_module, "_CHUNK_BASES", 200)
    rng = np.random.default_rng(11)
    with caplog.at_level(logging.INFO, logger="genebert"):
        build(tmp_path, ["".join(rng.choice(list("ACGT"), size=100))] * 12, small_motifs, "max_score")
    lines = [record.message for record in caplog.records if "Mbp/s" in record.message]
    assert len(lines) == 6
    assert "17 %" in lines[0] and "s left" in lines[0]
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
