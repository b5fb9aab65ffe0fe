"""Foreign test sets without what a model has seen."""

import numpy as np
import pandas as pd
import pytest

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.evaluation.transfer import foreign_tests
from genebert.tasks.splits import COLUMN_TYPES, place_names

COUNTER = iter(range(10**6))


def sequence():
    """Another one at each call."""
    return np.array(list("ACGT"))[np.random.default_rng(next(COUNTER)).integers(0, 4, 40)].tobytes().decode("utf-32")


def pair(start, chrom="chr1", negative=None, width=101):
    """A positive with its negative, which has a place of its own if `negative` is given."""
    place = {"chrom": chrom, "start": start, "end": start + width, "strand": "+"}
    parent = place_names(pd.DataFrame([place]))[0]
    other = {"chrom": chrom, "start": negative, "end": negative + width} if negative is not None else {}
    return [
        {"sequence": sequence(), "label": 1, "source": "peak", "parent": parent, **place},
        {"sequence": sequence(), "label": 0, "source": "negative", "parent": parent, **other},
    ]


def table(*pairs):
    frame = pd.DataFrame([row for rows in pairs for row in rows]).reindex(columns=list(COLUMN_TYPES))
    return frame.astype(COLUMN_TYPES)


def save(folder, frame):
    folder.mkdir(exist_ok=True)
    frame.to_parquet(folder / "test.parquet")
    return folder


def transfer(fitted: dict[str, pd.DataFrame], folders) -> dict[str, Examples]:
    train, valid = (Examples(fitted[split], split) for split in ("train", "valid"))
    return foreign_tests(train, valid, folders, TwoClass({}))


@pytest.fixture
def fitted():
    return {"train": table(pair(1000), pair(5000)), "valid": table(pair(9000, "chr2")), "test": table(pair(20_000))}


def test_places_seen_in_training_or_validation_are_left_out_with_their_negatives(fitted, tmp_path):
    rows = {
        "overlaps training by one base": (pair(1100), False),
        "begins where training ends": (pair(1101), True),
        "ends where training begins": (pair(4899), True),
        "overlaps by one base from before": (pair(4900), False),
        "the same": (pair(5000), False),
        "the same numbers on another chromosome": (pair(5000, "chr2"), True),
        "overlaps validation": (pair(9050, "chr2"), False),
        "overlaps only the test set": (pair(20_000), True),
    }
    foreign = table(*(pair_ for pair_, _ in rows.values()))
    result = transfer(fitted, {"other": save(tmp_path / "other", foreign)})["other"]
    expected = [row["sequence"] for pair_, kept in rows.values() if kept for row in pair_]
    assert result.table["sequence"].tolist() == expected
    assert result.table["label"].tolist() == [1, 0] * 4
    assert result.left_out == len(foreign) - len(expected) == 8


def test_a_negative_in_a_seen_place_takes_its_positive_along(fitted, tmp_path):
    foreign = table(pair(50_000, negative=1050), pair(60_000, negative=70_000))
    result = transfer(fitted, {"other": save(tmp_path / "other", foreign)})["other"]
    assert result.left_out == 2
    assert set(result.table["parent"]) == {"chr1:60000-60101"}


def test_a_negative_whose_positive_is_not_there_is_left_out_by_its_parent(fitted, tmp_path):
    """A promoter and its mosaic may be in different splits."""
    foreign = table(pair(1000)[1:], pair(40_000), pair(50_000)[1:])
    result = transfer(fitted, {"other": save(tmp_path / "other", foreign)})["other"]
    assert result.left_out == 1
    assert result.table["parent"].tolist() == ["chr1:40000-40101"] * 2 + ["chr1:50000-50101"]


def test_a_parent_of_a_training_negative_counts_as_seen(tmp_path):
    fitted = {"train": table(pair(1000)[1:], pair(5000)), "valid": table(pair(9000))}
    foreign = table(pair(1050), pair(40_000))
    result = transfer(fitted, {"other": save(tmp_path / "other", foreign)})["other"]
    assert set(result.table["parent"]) == {"chr1:40000-40101"}


def test_the_same_sequence_elsewhere_is_left_out(fitted, tmp_path):
    foreign = table(pair(40_000), pair(50_000))
    foreign.loc[0, "sequence"] = fitted["train"].loc[1, "sequence"]
    result = transfer(fitted, {"other": save(tmp_path / "other", foreign)})["other"]
    assert set(result.table["parent"]) == {"chr1:50000-50101"}
    assert result.left_out == 2


def test_examples_without_parent_or_place_stay_alone(fitted, tmp_path):
    free = [{"sequence": sequence(), "label": 0, "source": "genomic", "chrom": "chr1", "start": 5050, "end": 5120}]
    free += [{"sequence": sequence(), "label": 0, "source": "other"} for _ in range(2)]
    result = transfer(fitted, {"other": save(tmp_path / "other", table(pair(40_000), free))})["other"]
    assert result.left_out == 1
    assert len(result) == 4


def test_every_data_set_gets_its_own(fitted, tmp_path):
    folders = {
        "CTCF_BE(2)-C_CTCF_UW": save(tmp_path / "a(2)", table(pair(40_000))),
        "b": save(tmp_path / "b", table(pair(1000), pair(7000))),
    }
    result = transfer(fitted, folders)
    assert {name: (len(entry), entry.left_out) for name, entry in result.items()} == {
        "CTCF_BE(2)-C_CTCF_UW": (2, 0), "b": (2, 2)
    }  # fmt: skip


def test_a_test_set_of_which_too_little_is_left_is_not_used(fitted, tmp_path, caplog):
    folders = {
        "all seen": table(pair(1000), pair(5000)),
        "only negatives left": table(pair(1000), pair(40_000)[1:], pair(50_000)[1:]),
        "only a positive left": table(pair(5000), pair(40_000)[:1]),
        "kept": table(pair(1000), pair(40_000)),
    }
    folders = {name: save(tmp_path / name.replace(" ", "_"), frame) for name, frame in folders.items()}
    with caplog.at_level("WARNING", logger="genebert"):
        result = transfer(fitted, folders)
    assert list(result) == ["kept"]
    assert (len(result["kept"]), result["kept"].left_out) == (2, 2)
    assert [record.getMessage().split(" lie outside")[0] for record in caplog.records] == [
        f"{tmp_path}/all_seen: only 0 of 4 test examples",
        f"{tmp_path}/only_negatives_left: only 2 of 4 test examples",
        f"{tmp_path}/only_a_positive_left: only 1 of 3 test examples",
    ]
    for record in caplog.records:
        assert record.levelname == "WARNING" and "not tested" in record.getMessage()


def test_bad_input(fitted, tmp_path):
    other = save(tmp_path / "other", table(pair(40_000)))
    nowhere = {name: frame.assign(chrom=None, start=None, end=None, parent=None) for name, frame in fitted.items()}
    old = save(tmp_path / "old", table(pair(40_000)).drop(columns="parent"))
    cases = [
        (nowhere, {"x": other}, "transfer: the training examples have no places in a genome"),
        (fitted, {"x": old}, r"test\.parquet: has no column 'parent'"),
        (fitted, {"x": tmp_path / "missing"}, "not a readable Parquet file"),
    ]
    for tables, folders, words in cases:
        with pytest.raises(InputError, match=words):
            transfer(tables, folders)
