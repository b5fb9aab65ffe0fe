"""Metrics against scikit-learn and by hand."""

import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from genebert.errors import InputError
from genebert.evaluation.metrics import (
    auc_of_parts,
    bootstrap_auc,
    check_predictions,
    classification_metrics,
    paired_auc_interval,
    threshold_from_validation,
    threshold_metrics,
)


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
        found = classification_metrics(label, score, n_bootstrap=50) | threshold_metrics(label, score, threshold)
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


def test_the_interval_is_of_1000_resamples_with_seed_0():
    label, score = noisy(60, 3)
    expected = bootstrap_auc(label, score, 1000, seed=0)
    assert bootstrap_auc(label, score) == tuple(classification_metrics(label, score)["roc_auc_interval"]) == expected


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
    assert threshold_from_validation(np.array([1, 0]), np.array([0.1, 0.9])) == 0.1
    assert threshold_from_validation(label, -score) == -0.3  # the wrong way round: all are called positive
    # one positive above it, or both and a negative: 2 / sqrt(12) either way, and the higher one is taken
    assert threshold_from_validation(np.array([0, 1, 0, 1]), np.array([0.1, 0.3, 0.5, 0.9])) == pytest.approx(0.7)
    # MCC 0.61 above the first score (1 of 2 positives, no negative), 0.67 above the third (2 of 2, 1 of 3)
    assert threshold_from_validation(np.array([1, 0, 1, 0, 0]), np.arange(5)[::-1]) == 1.5
    neighbours = np.array([0.5, 0.5, np.nextafter(0.5, 1), np.nextafter(0.5, 1)])
    assert threshold_metrics(label, neighbours, threshold_from_validation(label, neighbours))["mcc"] == 1


# ------------------------------------------------------------------------------------------------------ input


def test_scores_are_computed_in_double_precision():
    label, score = check_predictions([0, 1], np.array([0.25, 0.5], np.float32))
    assert (label.dtype, score.dtype) == (bool, np.float64) and score.tolist() == [0.25, 0.5]


@pytest.mark.parametrize(
    ("label", "score", "message"),
    [
        ([0, 1, 1], [0.1, np.nan, np.inf], "2 of 3 scores are not finite, the first in row 1"),
        ([0, 1, 1], [0.1, 0.5, np.inf], "1 of 3 scores are not finite, the first in row 2"),
        ([0, 1, 1], [-np.inf, 0.5, 0.6], "1 of 3 scores are not finite, the first in row 0"),
        ([0, 1], [0.1, 0.2, 0.3], "two equally long lists"),
        ([[0, 1]], [[0.1, 0.2]], "two equally long lists"),
        ([0, 2], [0.1, 0.2], "label 2 found; expected 0 and 1"),
        ([1, 1], [0.1, 0.2], "2 positives and 0 negatives; expected both classes"),
        ([], [], "0 positives and 0 negatives"),
    ],
)
def test_bad_predictions(label, score, message):
    for function in (classification_metrics, threshold_from_validation, bootstrap_auc):
        with pytest.raises(InputError, match=message):
            function(np.array(label), np.array(score))


def won(label, score):
    """Return which negatives each positive is above, ties half: the mean is the AUC."""
    ahead = score[label == 1][:, None] - score[label == 0]
    wins = (np.sign(ahead) + 1) / 2
    assert wins.mean() == pytest.approx(reference.roc_auc_score(label, score))
    return wins


def mean_of(matrices):
    return np.mean(matrices, axis=0)


def test_the_interval_of_a_difference_is_that_of_a_plain_bootstrap():
    """Both classes drawn anew, 4,000 times."""
    rng = np.random.default_rng(3)
    label = np.repeat([0, 1], (90, 60))
    shared = rng.normal(size=150) + label
    ours = [np.round(shared + 0.7 * rng.normal(size=150), 1) for _ in range(2)]  # with ties
    other = [shared + rng.normal(size=150)]
    margin = mean_of([won(label, one) for one in ours]) - mean_of([won(label, one) for one in other])
    drawn = [margin[np.ix_(rng.choice(60, 60), rng.choice(90, 90))].mean() for _ in range(4000)]
    low, high = paired_auc_interval(label, ours, other)
    difference = np.mean([reference.roc_auc_score(label, one) for one in ours]) - reference.roc_auc_score(
        label, other[0]
    )
    assert (low + high) / 2 == pytest.approx(difference)
    assert high - low == pytest.approx(2 * 1.96 * np.std(drawn), rel=0.05)


def test_an_interval_of_one_example_a_class_has_no_width():
    assert paired_auc_interval(np.array([0, 1]), [np.array([0.1, 0.9])], [np.array([0.9, 0.1])]) == (1.0, 1.0)


def test_parts_of_the_positives_are_each_compared_with_all_negatives():
    rng = np.random.default_rng(0)
    label = np.repeat([1, 0], [60, 50])
    scores = [np.round(rng.normal(size=110) + label, 1) for _ in range(3)]  # rounded: there are ties
    first, second = list(range(0, 60, 3)), [row for row in range(60) if row % 3]
    found = auc_of_parts(label, scores, first, second)
    for values, part in ((found.first, first), (found.second, second)):
        rows = np.append(part, np.arange(60, 110))
        assert values == pytest.approx([reference.roc_auc_score(label[rows], one[rows]) for one in scores])
    assert found.difference == pytest.approx(np.mean(found.first) - np.mean(found.second))
    # A bootstrap that draws both parts and the negatives again, for all fits alike.
    wins = mean_of([won(label, one) for one in scores])
    drawn = []
    for _ in range(4000):
        negatives = rng.choice(50, 50)
        means = [wins[np.ix_(rng.choice(part, len(part)), negatives)].mean() for part in (first, second)]
        drawn.append(means[0] - means[1])
    ends = np.quantile(drawn, (0.025, 0.975))
    assert (found.low, found.high) == pytest.approx(ends, abs=0.15 * (ends[1] - ends[0]))
