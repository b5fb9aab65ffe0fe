"""Overlap of downstream examples with pre-training regions, by place and by sequence, against brute force."""

from unittest import mock

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from genebert.corpus.groups import TRAIN, VALID, Groups, group_regions
from genebert.errors import InputError
from genebert.genome.bases import encode
from genebert.genome.sequences import RegionSequences
from genebert.report.card import leakage as lk

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def opposite(text):
    return text.translate(COMPLEMENT)[::-1]


def sequences_of(texts):
    offsets = np.concatenate(([0], np.cumsum([len(text) for text in texts]))).astype(np.int64)
    return RegionSequences(encode("".join(texts)), offsets, "toy")


def random_bases(rng, n, letters="ACGT"):
    return "".join(rng.choice(list(letters), n))


def examples(rows):
    """Rows of (sequence, label, source, chrom, start, end) as tasks write them."""
    frame = pd.DataFrame(rows, columns=["sequence", "label", "source", "chrom", "start", "end"])
    return frame.astype({"chrom": "string", "start": "Int64", "end": "Int64"})


intervals = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2", "chr3"]), st.integers(0, 60), st.integers(1, 20)), max_size=12
)


def as_frame(rows):
    table = pd.DataFrame(rows, columns=["chrom", "start", "size"])
    table["chrom"] = table["chrom"].astype(str)
    return table.assign(end=table["start"] + table["size"]).astype({"start": np.int64, "end": np.int64})


# ------------------------------------------------------------------------------------------------------------ by place


@given(wanted=intervals, regions=intervals)
def test_covered_bases_are_those_of_a_set_of_positions(wanted, regions):
    positions = {(chrom, i) for chrom, start, size in regions for i in range(start, start + size)}
    expected = [sum((chrom, i) in positions for i in range(start, start + size)) for chrom, start, size in wanted]
    assert lk.covered_bases(as_frame(wanted), as_frame(regions)).tolist() == expected


# --------------------------------------------------------------------------------------------------------- by sequence


@given(st.text("ACGTN", min_size=1, max_size=50), st.integers(1, 32))
def test_words_are_numbers_in_base_four(text, k):
    expected = [int(text[i : i + k].translate(str.maketrans("ACGTN", "01230")), 4) for i in range(len(text) - k + 1)]
    assert lk.kmer_words(encode(text), k).tolist() == expected


def brute_force(texts, regions):
    return {
        (t, r, i)
        for t, text in enumerate(texts)
        for r, region in enumerate(regions)
        for i in range(len(region) - len(text) + 1)
        if region[i : i + len(text)] in (text, opposite(text))
    }


@given(st.data())
def test_sequences_are_found_where_brute_force_finds_them(data):
    """Few letters, so that chance hits and repeats abound; pieces of regions and their opposites; tiny blocks."""
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    letters = data.draw(st.sampled_from(["AT", "ACGT", "ACGTN", "A"]))
    regions = [random_bases(rng, n, letters) for n in data.draw(st.lists(st.integers(1, 90), min_size=1, max_size=6))]
    texts = [random_bases(rng, n, letters) for n in data.draw(st.lists(st.integers(1, 40), max_size=4))]
    for region in regions:
        a, b = np.sort(rng.choice(len(region) + 1, 2, replace=False))
        texts.append(region[a:b] if rng.random() < 0.5 else opposite(region[a:b]))
    # A text across the border of two regions lies in none of them.
    joined = "".join(regions)
    texts.append(joined[: len(regions[0]) + 1] if len(regions) > 1 else joined)
    block, batch = data.draw(st.sampled_from([(7, 2), (1 << 17, 1 << 18)]))
    with mock.patch.multiple(lk, _BLOCK_BASES=block, _BATCH_TEXTS=batch):
        hits = lk.find_sequences(texts, sequences_of(regions))
    assert len(hits) == len(hits.drop_duplicates())
    assert set(map(tuple, hits.to_numpy().tolist())) == brute_force(texts, regions)


def test_one_wrong_base_behind_the_seed_is_noticed():
    rng = np.random.default_rng(4)
    region = random_bases(rng, 200)
    wrong = region[20:89] + ("A" if region[89] != "A" else "C")
    assert lk.find_sequences([wrong, wrong[:-1]], sequences_of([region]))[["text", "offset"]].to_numpy().tolist() == [
        [1, 20]
    ]


# --------------------------------------------------------------------------------------------------------- whole report


@pytest.fixture
def run():
    """Sixty regions of 100 bp on three chromosomes, all open in one type; chr3 held out, the last fifth for validation.

    Groups of two leave one region of chr1 and one of chr2 over.
    """
    rng = np.random.default_rng(0)
    chrom = np.repeat(["chr1", "chr2", "chr3"], [19, 21, 20])
    start = np.concatenate([1000 * np.arange(n, dtype=np.int64) for n in (19, 21, 20)])
    regions = pd.DataFrame({"chrom": chrom, "start": start, "end": start + 100})
    bases = [random_bases(rng, 100) for _ in range(60)]
    groups, _ = group_regions(sp.csr_matrix(np.ones((1, 60))), regions, ["a"], 2, ("chr3",), 0.2)
    return regions, bases, groups


def report(folder, run, rows, region_bp=None, holdout=("chr3",)):
    regions, bases, groups = run
    examples(rows).to_parquet(folder / "test.parquet", index=False)
    return lk.leakage(
        {"task/set": {"test": folder / "test.parquet"}}, regions, sequences_of(bases), groups, region_bp, holdout
    )


def test_a_planted_leak_by_place(run, tmp_path):
    regions, _, groups = run
    used = set(groups.subset(TRAIN).regions.ravel().tolist())
    valid = set(groups.subset(VALID).regions.ravel().tolist())
    left_over = set(range(40)) - used - valid
    assert {0, 1} <= used and valid and left_over
    v, x = min(valid), min(left_over)
    rows = [
        ("A" * 70, 1, "promoter", "chr1", 30, 100),  # wholly inside region 0
        ("A" * 70, 1, "promoter", "chr1", 99, 169),  # one base
        ("A" * 70, 0, "shuffle", "chr1", 100, 170),  # begins where region 0 ends
        ("A" * 70, 0, "shuffle", regions.chrom[v], int(regions.start[v]), int(regions.start[v]) + 70),
        ("A" * 70, 0, "shuffle", regions.chrom[x], int(regions.start[x]), int(regions.start[x]) + 70),
        ("A" * 70, 1, "promoter", "chr9", 0, 70),  # a chromosome that the run does not have
    ]
    found = report(tmp_path, run, rows)["data_sets"]["task/set"]["test"]
    assert found["training"]["placed"] == {
        "examples": 6, "overlapping": 2, "share": round(2 / 6, 6), "bases": 420, "bases_covered": 71,
        "share_of_bases": round(71 / 420, 6),
    }  # fmt: skip
    assert found["training"]["unplaced"] == {"examples": 0, "found": 0, "share": None}
    assert found["validation"]["placed"]["overlapping"] == 1
    assert found["validation"]["placed"]["bases_covered"] == 70
    assert found["by_label"]["1"]["training"]["placed"]["overlapping"] == 2
    assert found["by_label"]["0"]["training"]["placed"]["overlapping"] == 0
    assert found["by_source"]["promoter"]["examples"] == 3
    assert found["by_source"]["shuffle"]["validation"]["placed"]["overlapping"] == 1


def test_blocks_of_genes(run, tmp_path):
    """Labels of every base, no letters, and places of which only the transcript counts; alone and beside others."""
    regions, bases, groups = run
    table = pd.DataFrame(
        {
            "chrom": ["chr1", "chr1"], "start": [-30, 1020], "end": [70, 1120], "strand": "-", "gene": ["A", "B"],
            "inside_start": [10, 1020], "inside_end": [400, 1090], "label": [[0] * 100, [0] * 100],
        }
    )  # fmt: skip
    table.to_parquet(tmp_path / "blocks.parquet", index=False)
    examples([("A" * 70, 1, "promoter", "chr1", 30, 100)]).to_parquet(tmp_path / "test.parquet", index=False)
    sets = {"splicing/x": {"test": tmp_path / "blocks.parquet"}, "task/set": {"test": tmp_path / "test.parquet"}}
    for some in (sets, {"splicing/x": sets["splicing/x"]}):
        found = lk.leakage(some, regions, sequences_of(bases), groups)["data_sets"]
        test = found["splicing/x"]["test"]
        placed = test["training"]["placed"]
        assert (placed["bases"], placed["bases_covered"], placed["overlapping"]) == (60 + 70, 60 + 70, 2)
        assert test["by_label"] == test["by_source"] == {}
    (other,) = lk.leakage(sets, regions, sequences_of(bases), groups)["data_sets"]["task/set"].values()
    assert list(other["by_label"]) == ["1"]


@pytest.mark.parametrize("strand", [str, opposite])
def test_a_planted_leak_by_sequence(run, tmp_path, strand):
    _, bases, groups = run
    valid = int(groups.subset(VALID).regions[0, 0])
    rows = [
        (strand(bases[1][10:80]), 1, "k", None, None, None),
        (strand(bases[0][60:] + bases[1][:30]), 1, "k", None, None, None),  # across a border
        (strand(bases[valid][:70]), 0, "k", None, None, None),
        (strand(bases[45][:70]), 0, "k", None, None, None),  # chr3, held out
        ("ACGT" * 18, 0, "k", None, None, None),
    ]
    result = report(tmp_path, run, rows)
    found = result["data_sets"]["task/set"]["test"]
    assert found["training"]["unplaced"] == {"examples": 5, "found": 1, "share": 0.2}
    assert found["validation"]["unplaced"]["found"] == 1
    assert found["by_label"]["1"]["training"]["unplaced"] == {"examples": 2, "found": 1, "share": 0.5}
    assert found["by_label"]["0"]["training"]["unplaced"]["found"] == 0
    assert found["training"]["placed"]["share_of_bases"] is None


def test_examples_on_a_held_out_chromosome_never_overlap(run, tmp_path):
    """All of chr3 as examples: nothing, while with chr3 in pre-training all regions there are covered."""
    regions, bases, _ = run
    rows = [("A" * 100, i % 2, "x", "chr3", 100 * i, 100 * i + 100) for i in range(200)]
    found = report(tmp_path, run, rows)["data_sets"]["task/set"]["test"]
    assert found["on_holdout_chromosomes"] == 200
    for target in ("training", "validation"):
        assert found[target]["placed"]["overlapping"] == found[target]["placed"]["bases_covered"] == 0
    groups, _ = group_regions(sp.csr_matrix(np.ones((1, 60))), regions, ["a"], 2, (), 0.0)
    found = report(tmp_path, (regions, bases, groups), rows, holdout=())["data_sets"]["task/set"]["test"]
    assert found["training"]["placed"]["overlapping"] == 20
    assert found["on_holdout_chromosomes"] == 0


def test_cropped_regions_show_less(run, tmp_path):
    """Of 100 bp the middle 51 are shown: [24, 75), where RegionSequences.crop takes them."""
    _, bases, _ = run
    middle = sequences_of(bases).crop(51)[0]
    rows = [
        (bases[0][24:75], 1, "k", None, None, None),
        (bases[0][23:74], 1, "k", None, None, None),
        (bases[0][25:76], 1, "k", None, None, None),
        ("A", 0, "k", "chr1", 0, 24),
        ("A", 0, "k", "chr1", 0, 25),
    ]
    assert encode(rows[0][0]).tolist() == middle.tolist()
    result = report(tmp_path, run, rows, region_bp=51)
    found = result["data_sets"]["task/set"]["test"]
    assert (found["training"]["unplaced"]["found"], found["training_shown"]["unplaced"]["found"]) == (3, 1)
    assert (found["training"]["placed"]["bases_covered"], found["training_shown"]["placed"]["bases_covered"]) == (49, 1)
    targets = result["targets"]
    assert targets["training"]["bases"] == 100 * targets["training"]["regions"]
    assert targets["training_shown"] == {
        "regions": targets["training"]["regions"],
        "bases": 51 * targets["training"]["regions"],
    }
    assert "training_shown" not in report(tmp_path, run, rows)["targets"]


@settings(max_examples=12)
@given(seed=st.integers(0, 1000))
def test_a_mixed_set_against_brute_force(seed, tmp_path_factory):
    """Overlapping regions, examples with and without place, repeats among them, three splits of two data sets."""
    rng = np.random.default_rng(seed)
    genome = {chrom: random_bases(rng, 900) for chrom in ("chr1", "chr2")}
    places = sorted((chrom, int(s), int(s + n)) for chrom in genome for s, n in zip(rng.integers(0, 800, 12),
                    rng.integers(5, 90, 12), strict=True))  # fmt: skip
    regions = pd.DataFrame(places, columns=["chrom", "start", "end"])
    bases = [genome[chrom][start:end] for chrom, start, end in places]
    chosen = rng.permutation(24)
    groups = Groups(
        chosen[:20].reshape(5, 4).astype(np.int32), np.zeros(5, np.int16), np.zeros(5, np.int32),
        np.array([TRAIN, TRAIN, TRAIN, VALID, VALID], np.uint8),
    )  # fmt: skip
    folder, files, tables = tmp_path_factory.mktemp("tasks"), {}, {}
    for name in ("t/one", "t/two"):
        for split in ("train", "valid", "test"):
            rows = []
            for _ in range(10):
                chrom, start, n = rng.choice(list(genome)), int(rng.integers(0, 800)), int(rng.integers(4, 60))
                text = genome[chrom][start : start + n]
                text = opposite(text) if rng.random() < 0.5 else text
                place = (str(chrom), start, start + n) if rng.random() < 0.5 else (None, None, None)
                rows.append((text, int(rng.integers(2)), str(rng.choice(["x", "y"])), *place))
            rows += rows[:2]
            tables[name, split] = rows
            files.setdefault(name, {})[split] = folder / f"{name.replace('/', '.')}.{split}.parquet"
            examples(rows).to_parquet(files[name][split], index=False)
    result = lk.leakage(files, regions, sequences_of(bases), groups)
    used = {"training": chosen[:12].tolist(), "validation": chosen[12:20].tolist()}
    for (name, split), rows in tables.items():
        for column, values in (("label", (0, 1)), ("source", ("x", "y"))):
            for value in values:
                mine = [row for row in rows if row[1 if column == "label" else 2] == value]
                if not mine:
                    assert str(value) not in result["data_sets"][name][split][f"by_{column}"]
                    continue
                found = result["data_sets"][name][split][f"by_{column}"][str(value)]
                for target, numbers in used.items():
                    seen = {(places[r][0], i) for r in numbers for i in range(places[r][1], places[r][2])}
                    covered = [sum((row[3], i) in seen for i in range(row[4], row[5])) for row in mine if row[3]]
                    texts = [row[0] for row in mine if not row[3]]
                    whole = sum(any(t in bases[r] or opposite(t) in bases[r] for r in numbers) for t in texts)
                    placed, rest = found[target]["placed"], found[target]["unplaced"]
                    assert (placed["examples"], rest["examples"]) == (len(covered), len(texts))
                    assert placed["overlapping"] == sum(n > 0 for n in covered)
                    assert placed["bases_covered"] == sum(covered)
                    assert rest["found"] == whole


def test_no_data_set_at_all(run):
    regions, bases, groups = run
    assert lk.leakage({}, regions, sequences_of(bases), groups)["data_sets"] == {}


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([("A", 1, "x", "chr1", 5, 6), ("A", 1, "x", "chr1", 5, None)], "row 2 has only part of chrom, start and end"),
        ([("A", 1, "x", "chr1", 6, 6)], "row 1 has the place chr1:6-6; expected start < end"),
        ([("A", 1, "x", None, None, None), ("", 1, "x", None, None, None)], "row 2 has neither place nor sequence"),
    ],
)
def test_bad_examples(tmp_path, rows, sentence):
    examples(rows).to_parquet(tmp_path / "test.parquet")
    with pytest.raises(InputError, match=sentence) as error:
        lk.read_examples(tmp_path / "test.parquet")
    assert "test.parquet" in str(error.value)


def test_bad_files(tmp_path):
    with pytest.raises(InputError, match=r"none\.parquet: cannot be read as parquet"):
        lk.read_examples(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("sequence label")
    with pytest.raises(InputError, match=r"text\.parquet: cannot be read as parquet"):
        lk.read_examples(tmp_path / "text.parquet")
    pd.DataFrame({"sequence": ["A"], "label": [1], "chrom": ["chr1"]}).to_parquet(tmp_path / "few.parquet")
    with pytest.raises(InputError, match="has no column source, start, end; expected sequence, label, source"):
        lk.read_examples(tmp_path / "few.parquet")
