"""Splits and data cards, for any task."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genebert.errors import InputError
from genebert.genome.intervals import overlapping
from genebert.tasks.splits import chromosome_split, place_names, protect_test, stratified_split, write_task


def examples(n, seed=0):
    rng = np.random.default_rng(seed)
    sequences = ["".join(row) for row in rng.choice(list("ACGT"), (n, 30))]
    return pd.DataFrame({"sequence": sequences, "label": np.arange(n) % 2, "source": "made"})


@given(
    sizes=st.lists(st.integers(5, 60), min_size=1, max_size=4),
    test=st.floats(0.05, 0.5),
    valid=st.floats(0.05, 0.5),
    seed=st.integers(0, 1000),
)
def test_every_stratum_is_split_in_the_asked_shares(sizes, test, valid, seed):
    strata = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    split = stratified_split(strata, test, valid, seed)
    assert set(split) <= {"train", "valid", "test"}
    for stratum, size in enumerate(sizes):
        mine = split[strata == stratum]
        assert abs((mine == "test").sum() - test * size) <= 0.5
        assert abs((mine == "valid").sum() - valid * (size - (mine == "test").sum())) <= 0.5
    assert np.array_equal(split, stratified_split(strata, test, valid, seed))


def test_the_seed_changes_who_not_how_many():
    strata = np.repeat(["a", "b"], [300, 100])
    one, two = (stratified_split(strata, 0.1, 0.1, seed) for seed in (1, 2))
    assert (one != two).sum() > 50
    assert sorted(one) == sorted(two)


@given(
    st.lists(
        st.tuples(st.sampled_from("ABCDEFGH"), st.sampled_from(["train", "valid", "test"])), min_size=1, max_size=40
    )
)
def test_no_sequence_stays_in_two_splits(rows):
    sequences, split = pd.Series([row[0] for row in rows]), np.array([row[1] for row in rows])
    keep, removed = protect_test(sequences, split)
    assert keep[split == "test"].all()
    assert (~keep).sum() == sum(removed.values())
    left = {name: set(sequences[keep & (split == name)]) for name in ("train", "valid", "test")}
    assert not left["train"] & left["test"]
    assert not left["valid"] & left["test"]
    assert not left["train"] & left["valid"]
    # Nothing is dropped without need: every sequence is still somewhere.
    assert set.union(*left.values()) == set(sequences)


def test_files_and_card(tmp_path):
    frame = examples(200)
    frame.loc[1, "sequence"] = frame.loc[0, "sequence"]  # the same sequence with both labels
    frame.loc[7, "sequence"] = frame.loc[3, "sequence"]
    split = np.array(["train"] * 140 + ["valid"] * 30 + ["test"] * 30)
    frame.loc[175, "sequence"] = frame.loc[5, "sequence"]  # in test and train
    frame.loc[150, "sequence"] = frame.loc[6, "sequence"]  # in valid and train
    frame = frame.assign(chrom="chr1", start=np.arange(200.0), end=np.arange(200.0) + 30, strand="+")
    frame["parent"] = [f"chr1:{i}-{i + 30}" for i in range(200)]
    frame.loc[9, ["chrom", "start", "end", "strand", "parent"]] = None
    card = write_task(frame, split, tmp_path, {"task": "test"})
    assert card == json.loads((tmp_path / "card.json").read_text())
    tables = {name: pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("train", "valid", "test")}
    assert {name: len(table) for name, table in tables.items()} == {"train": 138, "valid": 30, "test": 30}
    assert list(tables["train"].columns) == [
        "sequence", "label", "source", "chrom", "start", "end", "strand", "parent",
    ]  # fmt: skip
    assert tables["train"]["label"].dtype == np.int8
    assert card["counts"] == {
        name: {str(i): int((t["label"] == i).sum()) for i in (0, 1)} for name, t in tables.items()
    }
    assert card["duplicates"] == {"repeated_sequences": 4, "sequences_with_both_labels": 1}
    assert card["removed_because_also_elsewhere"] == {"train_in_test": 1, "valid_in_test": 0, "train_in_valid": 1}
    row = tables["train"][tables["train"]["sequence"] == frame.loc[9, "sequence"]].iloc[0]
    assert pd.isna(row["start"])
    assert pd.isna(row["chrom"])
    assert pd.isna(row["parent"])
    assert tables["test"]["parent"].tolist() == [f"chr1:{i}-{i + 30}" for i in range(170, 200)]
    assert card["class_balance"] == {"train": 0.5, "valid": 0.5, "test": 0.5}
    # Training places end at 139 + 30 but for what was dropped; row 170 begins there.
    assert card["test_overlapping_train"] == 0
    assert write_task(frame.assign(start=frame["start"] - frame.index // 170 * 5), split, tmp_path / "b", {})[
        "test_overlapping_train"
    ] == sum(165 + i < 169 for i in range(30))
    assert tables["test"]["start"].tolist() == list(range(170, 200))
    first = (tmp_path / "train.parquet").read_bytes()
    write_task(frame, split, tmp_path, {"task": "test"})
    assert first == (tmp_path / "train.parquet").read_bytes()


def test_examples_without_places(tmp_path):
    card = write_task(examples(60), np.repeat(["train", "valid", "test"], 20), tmp_path, {})
    assert card["test_overlapping_train"] is None and card["kind"] == "two-class"
    table = pd.read_parquet(tmp_path / "test.parquet")
    assert table[["chrom", "start", "end", "strand", "parent"]].isna().all(axis=None)


places = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2", None]), st.integers(0, 60), st.integers(1, 12)), min_size=0, max_size=20
)


def table_of(rows):
    frame = pd.DataFrame(
        [(chrom, start if chrom else None, start + width if chrom else None) for chrom, start, width in rows],
        columns=["chrom", "start", "end"],
    )
    return frame.astype({"chrom": "string", "start": "Int64", "end": "Int64"})


@given(places, places)
def test_overlapping_equals_a_double_loop(rows, others):
    expected = [
        any(chrom and chrom == c and s < start + width and start < s + w for c, s, w in others)
        for chrom, start, width in rows
    ]
    assert overlapping(table_of(rows), table_of(others)).tolist() == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"), [(5, 10, False), (5, 11, True), (19, 25, True), (20, 25, False), (12, 13, True)]
)
def test_touching_is_not_overlapping(start, end, expected):
    others = table_of([("chr1", 10, 10), ("chr2", 0, 50)])
    assert overlapping(table_of([("chr1", start, end - start)]), others).tolist() == [expected]


def test_names_of_places():
    assert place_names(table_of([("chr1", 5, 101), ("chrX", 0, 1)])) == ["chr1:5-106", "chrX:0-1"]


RUN = ["chr1", "chr2", "chr8", "chr21"]


def test_split_by_chromosome():
    chroms = np.array(["chr8", "chr1", "chr21", "chr2", "chr8"])
    split = chromosome_split(chroms, ["8"], ("chr21",), RUN, "tasks.x")
    assert split.tolist() == ["test", "train", "valid", "train", "test"]


@pytest.mark.parametrize(
    ("test", "valid", "words"),
    [
        (["chr8", "chr9"], ["chr1"], "tasks.x.test_chromosomes: found chr9, expected chromosomes of the run: chr1"),
        (["chr8"], ["chr1", "chrx"], "tasks.x.valid_chromosomes: found chrX, expected chromosomes of the run"),
        (["chr8", "chr1"], ["1"], "tasks.x.valid_chromosomes: chr1 is a test chromosome too, expected others"),
        (["chr8", "chr1"], ["chr21", "chr2"], "all 4 chromosomes of the run, expected at least one left for training"),
    ],
)  # fmt: skip
def test_chromosome_lists_that_do_not_fit(test, valid, words):
    with pytest.raises(InputError, match=words) as error:
        chromosome_split(["chr1"], test, valid, RUN, "tasks.x")
    assert "\n" not in str(error.value)


def test_class_balance_is_the_share_of_positives(tmp_path):
    frame = examples(60).assign(label=np.arange(60) % 10 < [2] * 20 + [3] * 20 + [7] * 20)
    card = write_task(frame, np.repeat(["train", "valid", "test"], 20), tmp_path, {})
    assert card["class_balance"] == {"train": 0.2, "valid": 0.3, "test": 0.7}


def test_a_split_without_a_class(tmp_path):
    frame = examples(6)
    split = np.array(["train", "train", "valid", "valid", "test", "train"])
    with pytest.raises(InputError, match="test would hold 0 positives and 1 negatives of 6 examples"):
        write_task(frame, split, tmp_path / "out", {})
    assert not (tmp_path / "out").exists()
