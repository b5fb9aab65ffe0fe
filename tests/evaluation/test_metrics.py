"""Metrics against scikit-learn and by hand; score files."""

import json
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from genebert.errors import InputError
from genebert.evaluation.examples import check_examples, read_splits
from genebert.evaluation.metrics import (
    bootstrap_auc,
    classification_metrics,
    threshold_from_validation,
    threshold_metrics,
)
from genebert.evaluation.scores import read_score, write_score, write_unavailable
from genebert.files import sha256
from genebert.genome.bases import sequence_codes


def noisy(n: int, seed: int, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(n) % 2)
    return label, 1 / (1 + np.exp(-(strength * (label - 0.5) + rng.normal(size=n))))


@st.composite
def predictions(draw, levels: int = 12):
    """Labels of both classes and scores with ties."""
    label = draw(
        st.lists(st.integers(0, 1), min_size=2, max_size=40).filter(lambda values: 0 < sum(values) < len(values))
    )
    score = draw(st.lists(st.integers(0, levels), min_size=len(label), max_size=len(label)))
    return np.array(label), np.array(score) / levels


# ------------------------------------------------------------------------------------------------------ the metrics


@pytest.mark.parametrize("constant", [0.1, 0.9])
def test_constant_classifier_has_the_papers_signature(constant):
    """docs/facts.md 19: 0.250 / 0.500 on balanced data, 0.265 with a majority share of 0.53, 0.252 with 0.504."""
    for share, precision in ((0.5, 0.250), (0.53, 0.265), (0.504, 0.252)):
        majority = int(constant > 0.5)
        label = np.where(np.arange(1000) < 1000 * share, majority, 1 - majority)
        found = classification_metrics(label, np.full(1000, constant), n_bootstrap=10)
        assert found["precision"] == pytest.approx(precision)
        assert found["recall"] == 0.5
        assert found["roc_auc"] == 0.5 and found["mcc"] == 0 and found["collapsed"]
        assert found["roc_auc_interval"] == [0.5, 0.5]


def test_metrics_equal_scikit_learn():
    label, score = noisy(501, 1)
    for threshold in (0.3, 0.5, 0.8):
        found = classification_metrics(label, score, threshold, n_bootstrap=50)
        predicted = (score >= threshold).astype(int)
        assert found["precision"] == pytest.approx(reference.precision_score(label, predicted, average="macro"))
        assert found["recall"] == pytest.approx(reference.balanced_accuracy_score(label, predicted))
        assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(label, score))
        assert found["auprc"] == pytest.approx(reference.average_precision_score(label, score))
        assert found["mcc"] == pytest.approx(reference.matthews_corrcoef(label, predicted))
        assert found["accuracy"] == pytest.approx((label == predicted).mean())
        assert (found["n"], found["n_positive"]) == (501, int(label.sum()))
        assert found["threshold"] == threshold and found["collapsed"] is False
        json.dumps(found)  # plain numbers only


def test_metrics_by_hand():
    found = threshold_metrics(np.array([1, 1, 1, 0, 0]), np.array([0.9, 0.5, 0.1, 0.6, 0.2]), 0.5)
    # 0.5 counts as positive: TP 2, FN 1, FP 1, TN 1.
    assert found["precision"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["recall"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["mcc"] == pytest.approx((2 * 1 - 1 * 1) / np.sqrt(3 * 3 * 2 * 2))
    assert found["accuracy"] == pytest.approx(3 / 5)


def test_collapse_depends_on_the_threshold_only():
    label, score = noisy(200, 2, strength=3)
    assert classification_metrics(label, score / 3, n_bootstrap=10)["collapsed"]
    assert not classification_metrics(label, score, n_bootstrap=10)["collapsed"]


@given(predictions())
def test_auc_depends_on_order_only(example):
    label, score = example
    base = classification_metrics(label, score, n_bootstrap=1)["roc_auc"]
    assert classification_metrics(label, np.exp(3 * score) - 7, n_bootstrap=1)["roc_auc"] == pytest.approx(base)
    assert classification_metrics(label, -score, n_bootstrap=1)["roc_auc"] == pytest.approx(1 - base)
    assert classification_metrics(1 - label, score, n_bootstrap=1)["roc_auc"] == pytest.approx(1 - base)
    shuffled = np.random.default_rng(0).permutation(len(label))
    assert classification_metrics(label[shuffled], score[shuffled], n_bootstrap=1)["roc_auc"] == pytest.approx(base)


# ------------------------------------------------------------------------------------------------------ the interval


def test_bootstrap_equals_a_plain_loop():
    label, score = noisy(60, 3)
    score = np.round(score, 1)  # ties
    rng = np.random.default_rng(7)
    positives, negatives = score[label == 1], score[label == 0]
    drawn = [rng.integers(len(part), size=(300, len(part))) for part in (positives, negatives)]
    expected = [
        reference.roc_auc_score(label_, np.concatenate([positives[i], negatives[j]]))
        for i, j in zip(*drawn, strict=True)
        for label_ in [np.repeat([1, 0], [len(i), len(j)])]
    ]
    assert bootstrap_auc(label, score, 300, seed=7) == pytest.approx(tuple(np.quantile(expected, (0.025, 0.975))))


def test_bootstrap_has_the_known_width():
    """Against the standard error of DeLong's method, which needs no resampling."""
    label, score = noisy(2000, 4)
    low, high = bootstrap_auc(label, score, 1000)
    wins = (score[label == 1][:, None] > score[label == 0]).astype(float)
    error = np.sqrt(wins.mean(1).var(ddof=1) / len(wins) + wins.mean(0).var(ddof=1) / wins.shape[1])
    assert low < wins.mean() < high
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.1)


def test_bootstrap_is_a_function_of_the_seed_and_independent_of_the_block_size(monkeypatch):
    label, score = noisy(200, 5)
    assert bootstrap_auc(label, score, 200, seed=1) == bootstrap_auc(label, score, 200, seed=1)
    assert bootstrap_auc(label, score, 200, seed=1) != bootstrap_auc(label, score, 200, seed=2)
    whole = bootstrap_auc(label, score, 400)
    monkeypatch.setattr("genebert.evaluation.metrics.BLOCK", 1)
    assert bootstrap_auc(label, score, 400) == pytest.approx(whole, abs=0.02)


def test_bootstrap_is_fast():
    label, score = noisy(6000, 6)
    start = time.perf_counter()
    bootstrap_auc(label, score, 1000)
    assert time.perf_counter() - start < 5  # 0.3 s measured; a loop over scikit-learn takes several seconds


# ------------------------------------------------------------------------------------------------------ the threshold


@given(predictions())
def test_threshold_is_the_best_there_is(example):
    label, score = example
    found = threshold_metrics(label, score, threshold_from_validation(label, score))["mcc"]
    every = [threshold_metrics(label, score, value)["mcc"] for value in [*np.unique(score), 2.0]]
    assert found == pytest.approx(max(every))


def test_threshold_lies_between_the_classes():
    label, score = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.24, 0.3])
    assert threshold_from_validation(label, score) == pytest.approx(0.22)
    assert threshold_from_validation(label, np.full(4, 0.7)) == 0.7
    neighbours = np.array([0.5, 0.5, np.nextafter(0.5, 1), np.nextafter(0.5, 1)])
    assert threshold_metrics(label, neighbours, threshold_from_validation(label, neighbours))["mcc"] == 1


# ------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("label", "score", "message"),
    [
        ([0, 1, 1], [0.1, np.nan, np.inf], "2 of 3 scores are not finite, the first in row 1"),
        ([0, 1], [0.1, 0.2, 0.3], "two equally long lists"),
        ([0, 2], [0.1, 0.2], "label 2 found; expected 0 and 1"),
        ([1, 1], [0.1, 0.2], "2 positives and 0 negatives; expected both classes"),
        ([], [], "0 positives and 0 negatives"),
    ],
)
def test_bad_predictions(label, score, message):
    for function in (classification_metrics, threshold_from_validation, bootstrap_auc):
        with pytest.raises(InputError, match=message):
            function(np.array(label), np.array(score))


def test_bad_number_of_resamples():
    with pytest.raises(InputError, match="n_bootstrap: found 0, expected at least 1"):
        classification_metrics(np.array([0, 1]), np.array([0.1, 0.2]), n_bootstrap=0)


# ------------------------------------------------------------------------------------------------------ score files


def splits(folder, **replace):
    folder.mkdir(exist_ok=True)
    for name in ("train", "valid", "test"):
        table = pd.DataFrame({"sequence": ["ACGT", "GGCA", "TTTT"], "label": np.array([0, 1, 0], dtype=np.int8)})
        replace.get(name, table).to_parquet(folder / f"{name}.parquet")
    return folder


def test_splits_are_read_and_hashed(tmp_path):
    tables, hashes = read_splits(splits(tmp_path))
    assert list(tables) == ["train", "valid", "test"]
    assert tables["test"]["sequence"].tolist() == ["ACGT", "GGCA", "TTTT"]
    assert hashes["valid"] == sha256(tmp_path / "valid.parquet")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"sequence": ["A"]}), "has no column 'label'; expected sequence and label"),
        (pd.DataFrame({"sequence": ["AC", "GT"], "label": [1, 1]}), "2 positives and 0 negatives"),
        (pd.DataFrame({"sequence": ["AC", None, ""], "label": [1, 0, 1]}), "2 of 3 sequences are empty"),
        (pd.DataFrame({"sequence": ["AC", "GT"], "label": [1, 5]}), "label 5 found"),
    ],
)
def test_bad_splits(tmp_path, table, message):
    with pytest.raises(InputError, match=r"valid\.parquet: .*" + message):
        read_splits(splits(tmp_path, valid=table))
    with pytest.raises(InputError, match=message):
        check_examples(table, "here")


def test_missing_or_broken_split(tmp_path):
    splits(tmp_path)
    (tmp_path / "test.parquet").write_text("not parquet")
    with pytest.raises(InputError, match=r"test\.parquet: not a readable Parquet file"):
        read_splits(tmp_path)
    (tmp_path / "train.parquet").unlink()
    with pytest.raises(InputError, match=r"train\.parquet: not a readable Parquet file"):
        read_splits(tmp_path)


@given(st.lists(st.text("ACGTNacgt", max_size=9), max_size=6))
def test_sequence_codes(sequences):
    codes, lengths = sequence_codes(sequences)
    assert lengths.tolist() == [len(sequence) for sequence in sequences]
    for sequence, row in zip(sequences, codes, strict=True):
        padded = sequence.upper() + "N" * (codes.shape[1] - len(sequence))
        assert "".join("ACGTN"[code] for code in row) == padded


NAMES = {"task": "promoter", "dataset": "toy", "model": "m"}


def written(folder, **changes):
    label, score = noisy(80, 8)
    arguments = {
        "labels": {"valid": label, "test": label[::-1]},
        "scores": {"valid": score, "test": score[::-1] / 2},
        "deterministic": False,
        "provenance": {"settings": {"x": 1}, "data_sha256": {"test": "abc"}},
        "seconds": 1.26,
    } | changes
    return write_score(folder / "s.json", folder / "s.parquet", NAMES, 3, **arguments), arguments


def test_score_file_holds_metrics_at_both_thresholds_and_the_predictions(tmp_path):
    score, arguments = written(tmp_path)
    assert score == read_score(tmp_path / "s.json")
    test_label, test_score = arguments["labels"]["test"], arguments["scores"]["test"]
    assert score["metrics"] == classification_metrics(test_label, test_score)
    assert score["metrics"]["collapsed"]  # halved scores stay below 0.5
    threshold = threshold_from_validation(arguments["labels"]["valid"], arguments["scores"]["valid"])
    assert score["metrics_at_validation_threshold"] == threshold_metrics(test_label, test_score, threshold)
    assert {key: score[key] for key in ("task", "dataset", "model", "seed", "deterministic", "settings")} == {
        **NAMES, "seed": 3, "deterministic": False, "settings": {"x": 1}
    }  # fmt: skip
    table = pd.read_parquet(tmp_path / "s.parquet")
    assert table.dtypes.astype(str).to_dict() == {"label": "int8", "score": "float64"}
    assert table["score"].tolist() == test_score.tolist() and table["label"].tolist() == test_label.tolist()


def test_score_file_holds_the_wall_time_and_what_other_test_sets_gave(tmp_path):
    label, predicted = noisy(60, 9)
    score, _ = written(tmp_path)
    assert score["seconds"] == 1.3 and "transfer" not in score
    score, _ = written(
        tmp_path, transfer={"CTCF_BE(2)-C_CTCF_UW": (label, predicted, 7), "b": (1 - label, predicted, 0)}
    )
    assert score == read_score(tmp_path / "s.json")
    assert list(score["transfer"]) == ["CTCF_BE(2)-C_CTCF_UW", "b"]
    found = score["transfer"]["CTCF_BE(2)-C_CTCF_UW"]
    assert found == {"metrics": classification_metrics(label, predicted), "left_out": 7}
    assert score["transfer"]["b"]["metrics"]["roc_auc"] == pytest.approx(1 - found["metrics"]["roc_auc"])
    with pytest.raises(InputError, match="60 positives and 0 negatives"):
        written(tmp_path, transfer={"b": (np.ones(60), predicted, 0)})


def test_score_file_is_the_same_each_time(tmp_path):
    files = [tmp_path / "s.json", tmp_path / "s.parquet"]
    written(tmp_path)
    first = [path.read_bytes() for path in files]
    written(tmp_path)
    assert [path.read_bytes() for path in files] == first


def test_unfit_scores_leave_no_file(tmp_path):
    label, score = noisy(80, 8)
    score[4] = np.nan
    with pytest.raises(InputError, match="1 of 80 scores are not finite"):
        written(tmp_path, scores={"valid": label.astype(float), "test": score})
    assert not list(tmp_path.iterdir())


def test_unavailable_model(tmp_path):
    write_unavailable(tmp_path / "s.json", tmp_path / "s.parquet", NAMES, 0, "weights need a login")
    assert read_score(tmp_path / "s.json") == {**NAMES, "seed": 0, "unavailable": "weights need a login"}
    table = pd.read_parquet(tmp_path / "s.parquet")
    assert len(table) == 0 and table.columns.tolist() == ["label", "score"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a score file; expected an object"),
        ('{"task": "t", "dataset": "d", "model": "m"}', "the key 'seed' is missing"),
        ('{"task": "t", "dataset": "d", "model": "m", "seed": 0}', "the key 'deterministic' is missing"),
        (
            '{"task": "t", "dataset": "d", "model": "m", "seed": 0, "deterministic": true, "metrics": {}}',
            "the key 'metrics.n' is missing",
        ),
    ],
)
def test_bad_score_file(tmp_path, text, message):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_score(tmp_path / "s.json")
