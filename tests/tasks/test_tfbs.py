"""The TF-binding task as a whole: toy genome with planted peaks, and real CTCF peaks of chr20."""

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from genebert.errors import InputError
from genebert.genome.bases import decode, encode
from genebert.genome.fasta import Genome, prepare_genome
from genebert.motifs.jaspar import load_jaspar
from genebert.tasks.base import Sources
from genebert.tasks.tfbs import TASK

SPLITS = ("train", "valid", "test")


def read(folder):
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in SPLITS}


def everything(folder):
    return pd.concat([table.assign(split=name) for name, table in read(folder).items()], ignore_index=True)


LENGTHS = {"chr1": 150_000, "chr2": 90_000, "chr3": 90_000}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Three chromosomes with a known word at the summit of every peak."""
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(4)
    text, lines = [], []
    for chrom, length in LENGTHS.items():
        codes = rng.choice(4, length, p=[0.3, 0.2, 0.2, 0.3])
        bases = np.array(list("ACGT"))[codes]
        for summit in range(600, length - 600, 600 if chrom == "chr1" else 700):
            summit += int(rng.integers(-20, 20))
            bases[summit - 3 : summit + 4] = list("GGATCCA")
            start = summit - int(rng.integers(40, 90))
            end = summit + int(rng.integers(40, 90))
            fields = [chrom, start, end, ".", 0, ".", round(rng.gamma(2.0), 3), -1, -1, summit - start]
            lines.append("\t".join(map(str, fields)))
        bases[30_000:32_000] = "N"
        text.append(f">{chrom.removeprefix('chr')}\n{''.join(bases)}\n")
    (folder / "raw.fa").write_text("".join(text))
    prepare_genome(folder / "raw.fa", folder / "genome.fa", "toy", list(LENGTHS))
    rng.shuffle(lines)
    (folder / "p.narrowPeak").write_text("\n".join(lines) + "\n")
    extra = ["chr1\t0\t60\t.\t0\t.\t99\t-1\t-1\t20", "chr7\t5\t90\t.\t0\t.\t99\t-1\t-1\t9", lines[0]]
    (folder / "extra.narrowPeak").write_text("\n".join(lines + extra) + "\n")
    return folder


ABOUT = {"factor": "CTCF", "cell": "cell", "tissue": "lung"}


def build(toy, out, name="p.narrowPeak", chromosomes=tuple(LENGTHS), seed=42, **settings):
    sources = Sources({"peaks": toy / name}, toy / "genome.fa", list(chromosomes), seed)
    return TASK.build(ABOUT | settings, sources, out)


def check_pairs(frame):
    """Every peak's negative is in its split, and no sequence is in two."""
    own = frame["chrom"] + ":" + frame["start"].astype(str) + "-" + frame["end"].astype(str)
    assert (own == frame["parent"])[frame["label"] == 1].all()
    assert (frame.groupby("parent")["split"].nunique() == 1).all()
    assert (frame.groupby("parent")["label"].agg(list).map(sorted).map(tuple) == (0, 1)).all()
    assert (frame.groupby("sequence")["split"].nunique() == 1).all()


def test_shuffled_set(toy, tmp_path):
    card = build(toy, tmp_path)
    assert card == json.loads((tmp_path / "card.json").read_text())
    assert [card[name] for name in ("task", "factor", "cell", "tissue")] == ["tfbs", "CTCF", "cell", "lung"]
    frame = everything(tmp_path)
    check_pairs(frame)
    counts = card["peaks"]
    assert counts["ranked_by"] == "signal"
    assert counts["centred_on"] == "summit"
    n = counts["used"]
    listed = pd.read_csv(toy / "p.narrowPeak", sep="\t", header=None)
    assert counts["listed"] == len(listed) == n + counts["with_n"]
    assert counts["with_n"] > 5
    assert len(frame) == 2 * n
    # 101 bases with the planted word in the middle, as the genome has them.
    positives, negatives = frame[frame["label"] == 1], frame[frame["label"] == 0]
    assert (positives["sequence"].str[47:54] == "GGATCCA").all()
    genome = Genome(toy / "genome.fa")
    for row in positives.itertuples():
        assert row.sequence == decode(genome.codes(row.chrom, row.start, row.end))
    assert set(frame["sequence"].str.len()) == {101}
    assert set(positives["source"]) == {"peak"}
    assert set(negatives["source"]) == {"shuffled"}
    assert negatives[["chrom", "start", "end", "strand"]].isna().all(axis=None)
    peak, shuffle = (part.set_index("parent")["sequence"].sort_index() for part in (positives, negatives))
    for one, other in zip(peak, shuffle, strict=True):
        assert one != other
        assert sorted(map("".join, pairwise(one))) == sorted(map("".join, pairwise(other)))
    # The even ones of the strongest peaks are the test set.
    centre = listed[1] + listed[9]
    place = listed[0] + ":" + (centre - 50).astype(str) + "-" + (centre + 51).astype(str)
    known = (centre + 51 <= 30_000) | (centre - 50 >= 32_000)
    ranked = listed.assign(place=place)[known].sort_values([6, 0, 1], ascending=[False, True, True])["place"].tolist()
    assert set(ranked[1::2]) == set(positives.loc[positives["split"] == "test", "parent"])
    assert card["counts"]["valid"]["1"] == round(0.1 * (n - n // 2))
    assert card["class_balance"] == dict.fromkeys(SPLITS, 0.5)
    assert card["gc_content"]["0"] == card["gc_content"]["1"]
    assert card["test_overlapping_train"] == card["test_windows_overlapping_training"] == 0


def test_genomic_set(toy, tmp_path, caplog):
    with caplog.at_level("WARNING"):
        card = build(toy, tmp_path, "extra.narrowPeak", negatives="genomic")
    frame = everything(tmp_path)
    check_pairs(frame)
    negatives = frame[frame["label"] == 0]
    assert set(negatives["source"]) == {"genomic"}
    genome = Genome(toy / "genome.fa")
    for row in negatives.itertuples():
        assert row.sequence == decode(genome.codes(row.chrom, row.start, row.end))
    assert negatives["sequence"].str.fullmatch("[ACGT]{101}").all()
    assert (negatives["chrom"] == negatives["parent"].str.split(":").str[0]).all()
    # Outside all peaks, and none overlaps another.
    listed = pd.read_csv(toy / "extra.narrowPeak", sep="\t", header=None)
    for chrom, here in negatives.groupby("chrom"):
        peaks = listed[listed[0] == chrom]
        start, end = here["start"].to_numpy(int)[:, None], here["end"].to_numpy(int)[:, None]
        assert not ((start < peaks[2].to_numpy()) & (peaks[1].to_numpy() < end)).any()
        assert np.diff(np.sort(start[:, 0])).min() >= 101
    gc = frame["sequence"].str.count("[GC]").groupby([frame["parent"], frame["label"]]).first().unstack()
    off = (gc[0] - gc[1]).abs()
    assert card["negatives"]["gc_farther_off"] == (off > 1).sum()
    assert 0.9 < (off <= 1).mean() < 1  # the toy chromosomes are too small for all
    assert f"{(off > 1).sum()} of {len(off)} genomic negatives differ by more than 1 % in GC" in caplog.text
    assert card["test_overlapping_train"] == 0


def test_what_cannot_be_used_is_counted(toy, tmp_path):
    plain = build(toy, tmp_path / "a")["peaks"]
    counts = build(toy, tmp_path / "b", "extra.narrowPeak")["peaks"]
    assert counts["listed"] == plain["listed"] + 3
    assert counts["outside_chromosomes"] == 1
    assert counts["off_the_end"] == 1
    assert counts["same_window_as_a_better_peak"] == 1
    assert counts["used"] == plain["used"]
    for name in SPLITS:
        assert (tmp_path / "a" / f"{name}.parquet").read_bytes() == (tmp_path / "b" / f"{name}.parquet").read_bytes()


def test_bed_says_middle_and_random_order(toy, tmp_path):
    lines = (toy / "p.narrowPeak").read_text().splitlines()
    bed = ["\t".join(line.split("\t")[:3]) for line in lines]
    (tmp_path / "p.bed").write_text("\n".join(bed) + "\n")
    counts = build(toy, tmp_path / "out", tmp_path / "p.bed")["peaks"]
    assert counts["centred_on"] == "middle"
    assert counts["without_summit"] == counts["used"] > 0
    assert counts["ranked_by"] == "random order, the file has no signal"
    for row in everything(tmp_path / "out").dropna().itertuples():
        middle = row.start + 50
        assert any(middle == int(s) + (int(e) - int(s)) // 2 for c, s, e in map(str.split, bed) if c == row.chrom)
    some = [line if i % 2 else line.rsplit("\t", 1)[0] + "\t-1" for i, line in enumerate(lines)]
    (tmp_path / "p.narrowPeak").write_text("\n".join(some) + "\n")
    counts = build(toy, tmp_path / "out", tmp_path / "p.narrowPeak")["peaks"]
    assert counts["centred_on"] == "summit, middle where none"
    assert 0.4 < counts["without_summit"] / counts["used"] < 0.6
    assert counts["ranked_by"] == "signal"


@pytest.mark.parametrize("negatives", ["shuffle", "genomic"])
def test_split_by_chromosome(toy, tmp_path, negatives):
    card = build(
        toy, tmp_path, negatives=negatives, split="chromosome", test_chromosomes=("chr2",), valid_chromosomes=("chr3",)
    )
    frame = everything(tmp_path)
    check_pairs(frame)
    assert set(zip(frame["split"], frame["parent"].str.split(":").str[0], strict=True)) == {
        ("train", "chr1"), ("test", "chr2"), ("valid", "chr3")
    }  # fmt: skip
    assert card["settings"]["test_chromosomes"] == ["chr2"]


@pytest.mark.parametrize("negatives", ["shuffle", "genomic"])
def test_same_seed_same_files(toy, tmp_path, negatives):
    for name, seed in (("a", 42), ("b", 42), ("c", 43)):
        build(toy, tmp_path / name, negatives=negatives, seed=seed)
    for name in ("train.parquet", "valid.parquet", "test.parquet", "card.json"):
        first = (tmp_path / "a" / name).read_bytes()
        assert first == (tmp_path / "b" / name).read_bytes()
        assert first != (tmp_path / "c" / name).read_bytes()


@pytest.mark.parametrize("length", [20, 100, 201])
def test_other_lengths_are_centred_too(toy, tmp_path, length):
    build(toy, tmp_path, length=length)
    positives = everything(tmp_path).query("label == 1")
    assert set(positives["sequence"].str.len()) == {length}
    assert (positives["sequence"].str[length // 2 - 3 : length // 2 + 4] == "GGATCCA").all()


def test_overlap_of_test_and_training_is_counted(toy, tmp_path):
    lines = [f"chr1\t{s}\t{s + 200}\t.\t0\t.\t{5000 - s}\t-1\t-1\t100" for s in range(0, 4000, 40)]
    (tmp_path / "p.narrowPeak").write_text("\n".join(lines) + "\n")
    card = build(toy, tmp_path / "out", tmp_path / "p.narrowPeak", chromosomes=["chr1"])
    tables = read(tmp_path / "out")
    test = tables["test"].query("label == 1")
    expected = {}
    for names in (("train",), ("train", "valid")):
        other = pd.concat([tables[name] for name in names]).query("label == 1")["start"]
        expected[names] = sum((abs(other - start) < 101).any() for start in test["start"])
    assert card["test_overlapping_train"] == expected[("train",)] > 40
    assert card["test_windows_overlapping_training"] == expected[("train", "valid")] == 50


def test_bad_input_of_the_whole_set(toy, tmp_path):
    by = {"split": "chromosome", "test_chromosomes": ("chr2",), "valid_chromosomes": ("chr3",)}
    line = ".\t0\t.\t1\t-1\t-1"
    (tmp_path / "far").write_text(f"chr2\t99000\t99200\t{line}\t100\n")
    (tmp_path / "n").write_text(f"chr2\t31000\t31200\t{line}\t100\nchr2\t2\t40\t{line}\t5\n")
    (tmp_path / "few").write_text(f"chr2\t1000\t1200\t{line}\t100\nchr2\t2000\t2200\t{line}\t50\n")
    cases = [
        ({"chromosomes": ["chr9"]}, "none of its .* peaks lies on chr9; it has chr1, chr2, chr3"),
        ({**by, "test_chromosomes": ()}, "tasks.tfbs.split: found chromosome, but no test_chromosomes"),
        ({**by, "valid_chromosomes": ("chr2",)}, "tasks.tfbs.valid_chromosomes: chr2 is a test chromosome too"),
        ({**by, "chromosomes": ["chr2", "chr3"]}, "expected at least one left for training"),
        ({"name": tmp_path / "far"}, r"chr2:99000-99200 ends beyond chr2, which is 90000 bases long in toy \(1 of 1"),
        ({"name": tmp_path / "n"}, "the windows of all 2 peaks have N in or run out of"),
        ({"name": tmp_path / "few"}, "valid would hold 0 positives and 0 negatives of 4 examples"),
        ({"name": tmp_path / "missing"}, "cannot be read"),
    ]
    for change, words in cases:
        with pytest.raises(InputError, match=words) as error:
            build(toy, tmp_path / "out", **change)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "out").exists()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(f"chr9\t1000\t1200\t{line}\t100\n")
    with pytest.raises(InputError, match="has no chromosome chr9"):
        build(toy, tmp_path / "out", elsewhere, chromosomes=["chr9"])


# ---- real data


CTCF = {
    # cell: file, peaks listed, on chr20 (all of them can be used), peaks after the 500 for testing
    "A549": ("ChIPseq.A549.CTCF.conservative.train.narrowPeak.gz", 39576, 1443),
    "HepG2": ("ChIPseq.HepG2.CTCF.conservative.train.narrowPeak.gz", 51860, 2264),
    "IMR-90": ("ChIPseq.IMR-90.CTCF.conservative.train.narrowPeak.gz", 38144, 1206),
    "K562": ("ChIPseq.K562.CTCF.conservative.train.narrowPeak.gz", 47804, 1574),
    "GM12878": ("wgEncodeAwgTfbsBroadGm12878CtcfUniPk.ranges.bed.gz", 44982, 1242),
}


@pytest.fixture(scope="module")
def chr20(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chr20")
    prepare_genome(shared_data / "genome" / "chr20.fa.gz", folder / "genome.fa", "hg19", ["chr20"])
    return folder / "genome.fa"


def best_match(sequences):
    """Best score of CTCF's matrix over both strands, and how far from the middle it is centred."""
    motif = next(motif for motif in load_jaspar(release="JASPAR2018") if motif.matrix_id == "MA0139.1")
    weights = np.log2((motif.counts + 1) / (motif.counts + 1).sum(axis=0) / 0.25)
    codes = np.stack([encode(sequence) for sequence in sequences])
    starts = codes.shape[1] - motif.width + 1
    strands = [sum(w[codes[:, i : i + starts], i] for i in range(motif.width)) for w in (weights, weights[::-1, ::-1])]
    scores = np.maximum(*strands)
    return scores.max(axis=1), np.abs(scores.argmax(axis=1) + motif.width // 2 - codes.shape[1] // 2)


def auc(labels, scores):
    positive, negative = scores[labels == 1], scores[labels == 0]
    return (positive[:, None] > negative).mean() + (positive[:, None] == negative).mean() / 2


@pytest.mark.shared
@pytest.mark.parametrize("cell", list(CTCF))
def test_real_ctcf(shared_data, chr20, tmp_path, cell):
    name, listed, used = CTCF[cell]
    card = build(chr20.parent, tmp_path, shared_data / "tfbs" / name, ["chr20"], cell=cell)
    counts = card["peaks"]
    assert (counts["listed"], counts["used"], counts["outside_chromosomes"]) == (listed, used, listed - used)
    assert {name: n["1"] for name, n in card["counts"].items()} == {
        "test": 500, "valid": round(0.1 * (used - 500)), "train": used - 500 - round(0.1 * (used - 500))
    }  # fmt: skip
    frame = everything(tmp_path)
    check_pairs(frame)
    labels = frame["label"].to_numpy()
    scores, distance = best_match(frame["sequence"])
    near = [(distance[labels == label] <= 10).mean() for label in (0, 1)]
    assert near[0] < 0.33  # anywhere in the window would give 21 of 83 places, 0.25
    if cell == "GM12878":
        assert counts["centred_on"] == "middle"
        assert counts["ranked_by"] == "random order, the file has no signal"
        assert near[1] > 0.45
    else:
        assert counts["centred_on"] == "summit"
        assert counts["ranked_by"] == "signal"
        assert near[1] > 0.6
    test = (frame["split"] == "test").to_numpy()
    assert auc(labels[test], scores[test]) > 0.90


@pytest.mark.shared
def test_real_genomic_negatives_and_another_factor(shared_data, chr20, tmp_path):
    path = shared_data / "tfbs" / "wgEncodeAwgTfbsHaibA549Atf3V0422111Etoh02UniPk.narrowPeak.gz"
    card = build(chr20.parent, tmp_path, path, ["chr20"], negatives="genomic")
    assert card["peaks"]["used"] == 229
    assert card["counts"]["test"] == {"0": 114, "1": 114}
    assert card["negatives"]["gc_farther_off"] == 0
    assert abs(card["gc_content"]["0"] - card["gc_content"]["1"]) < 0.001
    check_pairs(everything(tmp_path))
    shuffled = build(chr20.parent, tmp_path, path, ["chr20"])
    assert shuffled["gc_content"]["0"] == shuffled["gc_content"]["1"]
