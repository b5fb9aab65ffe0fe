"""Metrics of two-class predictions, the same for every model.

Precision and recall are macro averages over both classes: the paper's 0.250 / 0.500 rows are what a constant
prediction on balanced data gives that way (docs/facts.md 19).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genebert.errors import InputError
from genebert.evaluation.intervals import middle_95

# Elements of one resampled block; keeps the bootstrap of a large test set within some tens of megabytes.
BLOCK = 1 << 22


def check_predictions(
    label: np.ndarray, score: np.ndarray, where: str = "predictions"
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as bool [n] and scores as float64 [n].

    Raises
    ------
    InputError
        Different lengths, labels other than 0 and 1, one class only, or scores that are not finite.
    """
    label, score = np.asarray(label), np.asarray(score, dtype=np.float64)
    if label.ndim != 1 or label.shape != score.shape:
        raise InputError(f"{where}: {label.shape} labels and {score.shape} scores; expected two equally long lists")
    odd = label[~np.isin(label, (0, 1))]
    if len(odd):
        raise InputError(f"{where}: label {odd[0]!s} found; expected 0 and 1 only")
    label = label.astype(bool)
    positives = label.sum()
    if not 0 < positives < len(label):
        raise InputError(
            f"{where}: {positives} positives and {len(label) - positives} negatives; expected both classes"
        )
    wrong = np.flatnonzero(~np.isfinite(score))
    if len(wrong):
        raise InputError(
            f"{where}: {len(wrong)} of {len(score)} scores are not finite, the first in row {wrong[0]}; expected "
            "numbers"
        )
    return label, score


def threshold_metrics(label: np.ndarray, score: np.ndarray, threshold: float) -> dict[str, Any]:
    """Return what depends on the decision "positive if score >= threshold".

    Parameters
    ----------
    label : [n] of 0 and 1
    score : float [n]
    threshold : float

    Returns
    -------
    dict
        threshold; precision and recall (macro; 0 where a class is never predicted); mcc (0 for a constant
        prediction); accuracy; collapsed (bool: all predictions are of one class).
    """
    from sklearn.metrics import accuracy_score, matthews_corrcoef, precision_recall_fscore_support

    label, score = check_predictions(label, score)
    predicted = score >= threshold
    precision, recall, _, _ = precision_recall_fscore_support(label, predicted, average="macro", zero_division=0)
    return {
        "threshold": float(threshold),
        "precision": float(precision),
        "recall": float(recall),
        "mcc": float(matthews_corrcoef(label, predicted)),
        "accuracy": float(accuracy_score(label, predicted)),
        "collapsed": bool(predicted.all() or not predicted.any()),
    }


def threshold_from_validation(label: np.ndarray, score: np.ndarray) -> float:
    """Return the threshold with the largest Matthews correlation on validation predictions.

    Candidates lie half-way between neighbouring scores; of equally good ones the highest is taken. Scores that are all
    equal give that score (every example is called positive).
    """
    label, score = check_predictions(label, score, "validation predictions")
    order = np.argsort(-score)
    score, label = score[order], label[order]
    last = np.flatnonzero(np.append(np.diff(score) != 0, True))  # last place of each run of equal scores
    tp = np.cumsum(label)[last].astype(np.float64)
    fp = last + 1 - tp
    n_positive, n_negative = tp[-1], fp[-1]
    spread = np.sqrt((tp + fp) * (len(label) - tp - fp) * n_positive * n_negative)
    # At the last place, where all are called positive, both are 0; elsewhere the spread is at least 1.
    mcc = (tp * n_negative - fp * n_positive) / np.maximum(spread, 1)
    best = int(np.argmax(mcc))
    cuts = np.append(score[last], np.inf)  # no score lies below the last
    middle = (cuts[best] + cuts[best + 1]) / 2
    # Half-way between two neighbouring floats may round to the lower one, which belongs to the other side.
    return float(middle if cuts[best + 1] < middle else cuts[best])


def bootstrap_auc(label: np.ndarray, score: np.ndarray, n_bootstrap: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Return the ends of the 95 % percentile interval of the ROC-AUC from so many resamples.

    Parameters
    ----------
    label : [n] of 0 and 1
        Positives and negatives are resampled separately.
    score : float [n]
    """
    return middle_95(_resampled_auc(label, score, n_bootstrap, np.random.default_rng(seed)))


def paired_auc_interval(label: np.ndarray, ours: list[np.ndarray], other: list[np.ndarray]) -> tuple[float, float]:
    """Return the ends of the 95 % interval of a difference of ROC-AUCs on one test set.

    Both sides are of the same examples, so that what makes one hard for both cancels out: DeLong, DeLong and
    Clarke-Pearson, Biometrics 44 (1988) 837. A bootstrap has the same interval but for the chance of its draws, which
    of a thousand moves its ends by some 4 % of their distance: enough for an end near 0 to change sides.

    Parameters
    ----------
    label : [n] of 0 and 1
    ours, other : list of float [n]
        Scores of the same examples, one array a fit; the mean of the fits' AUCs is compared.

    Raises
    ------
    InputError
        See :func:`check_predictions`.
    """
    placed = [np.mean([_placements(label, one) for one in scores], axis=0) for scores in (ours, other)]
    difference, positive = placed[0] - placed[1], np.asarray(label) == 1
    classes = difference[positive], difference[~positive]
    middle, half = float(np.mean(classes[0])), _half_width(classes)
    return middle - half, middle + half


@dataclass(frozen=True)
class Parts:
    """ROC-AUC of two parts of the positives, each against all negatives, and the 95 % interval of their difference."""

    first: list[float]  # a fit each
    second: list[float]
    difference: float  # first - second, mean over fits
    low: float
    high: float


def auc_of_parts(label: np.ndarray, scores: Sequence[np.ndarray], first: Sequence[int], second: Sequence[int]) -> Parts:
    """Compare the ROC-AUC of two parts of the positives, as :func:`paired_auc_interval` compares two sides.

    Parameters
    ----------
    label : [n] of 0 and 1
    scores : list of float [n]
        Scores of the same examples, one array a fit.
    first, second : lists of int
        Rows of positives, at least one each.

    Raises
    ------
    InputError
        See :func:`check_predictions`.
    """
    negative = np.asarray(label) == 0
    by_fit: list[list[float]] = [[], []]
    placed = []  # of each part: where its positives lie among all negatives, and negatives among its positives
    for values, part in zip(by_fit, (first, second), strict=True):
        rows = np.concatenate([np.asarray(part, dtype=np.int64), np.flatnonzero(negative)])
        own = [_placements(np.asarray(label)[rows], np.asarray(score)[rows]) for score in scores]
        values += [float(np.mean(one[: len(part)])) for one in own]
        mean = np.mean(own, axis=0)
        placed.append((mean[: len(part)], mean[len(part) :]))
    independent = [*(positives for positives, _ in placed), placed[0][1] - placed[1][1]]
    middle = float(np.mean(by_fit[0]) - np.mean(by_fit[1]))
    half = _half_width(independent)
    return Parts(*by_fit, middle, middle - half, middle + half)


def _half_width(independent: Sequence[np.ndarray]) -> float:
    """Return half the width of the 95 % interval of a sum of means of independent values."""
    from scipy.stats import norm

    return float(norm.ppf(0.975)) * math.sqrt(sum(float(np.var(one)) / max(1, len(one) - 1) for one in independent))


def _placements(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return (float64 [n]) which share of the other class lies on the right side of each example, ties half.

    The mean over either class is the ROC-AUC.
    """
    from scipy.stats import rankdata

    label, score = check_predictions(label, score)
    below, ranks = np.empty(len(label)), rankdata(score)
    for own in (label, ~label):
        below[own] = (ranks[own] - rankdata(score[own])) / np.count_nonzero(~own)
    return np.where(label, below, 1 - below)


def _resampled_auc(label: np.ndarray, score: np.ndarray, n_bootstrap: int, rng: np.random.Generator) -> np.ndarray:
    """Return the ROC-AUC (float64 [n_bootstrap]) of so many resamples, positives and negatives separately."""
    label, score = check_predictions(label, score)
    _, rank = np.unique(score, return_inverse=True)
    n_ranks = int(rank.max()) + 1
    classes = rank[label], rank[~label]
    auc = np.empty(n_bootstrap)
    step = max(1, BLOCK // len(label))
    for start in range(0, n_bootstrap, step):
        rows = min(step, n_bootstrap - start)
        counts = []
        for members in classes:
            drawn = members[rng.integers(len(members), size=(rows, len(members)))] + n_ranks * np.arange(rows)[:, None]
            counts.append(np.bincount(drawn.ravel(), minlength=rows * n_ranks).reshape(rows, n_ranks))
        positives, negatives = counts
        # A positive wins against every negative with a lower score and half of those with an equal one.
        beaten = np.cumsum(negatives, axis=1) - negatives / 2
        auc[start : start + rows] = (positives * beaten).sum(axis=1) / (len(classes[0]) * len(classes[1]))
    return auc


def classification_metrics(label: np.ndarray, score: np.ndarray, n_bootstrap: int = 1000) -> dict[str, Any]:
    """Return all metrics of a two-class prediction.

    Parameters
    ----------
    label : [n] of 0 and 1
    score : float [n]
        From 0.5 on an example is called positive.
    n_bootstrap : int
        Resamples for the interval of the AUC.

    Returns
    -------
    dict
        Those of :func:`threshold_metrics`; roc_auc; roc_auc_interval (95 %, two floats); auprc (average precision); n;
        n_positive.

    Raises
    ------
    InputError
        See :func:`check_predictions`.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    label, score = check_predictions(label, score)
    return {
        **threshold_metrics(label, score, 0.5),
        "roc_auc": float(roc_auc_score(label, score)),
        "roc_auc_interval": list(bootstrap_auc(label, score, n_bootstrap)),
        "auprc": float(average_precision_score(label, score)),
        "n": len(label),
        "n_positive": int(label.sum()),
    }


def fold_metrics(
    label: np.ndarray, score: np.ndarray, fold: np.ndarray, n_bootstrap: int = 1000, n_permutations: int = 1000
) -> dict[str, Any]:
    """Return all metrics of a cross-validated two-class prediction.

    Scores of different folds come from different fits, so that what depends on their order (roc_auc, auprc) is computed
    in each fold and averaged: of all folds together, scores that say nothing would seem to be wrong more often than
    right, for where a fold has more cases the fit on the others has seen fewer.

    Parameters
    ----------
    label : [n] of 0 and 1
    score : float [n]
        From 0.5 on an example is called positive.
    fold : int [n]
    n_bootstrap : int
        Resamples, of positives and of negatives of each fold, for the interval of the AUC.
    n_permutations : int
        Of the labels within folds, the scores as they are. All fits share training people, which neither these nor the
        interval count: of labels that mean nothing p is 0.05 or less about one time in ten (docs/disease.md).

    Returns
    -------
    dict
        As :func:`classification_metrics`, and: n_folds; roc_auc_folds (a number each); permutation_p, how often, of the
        permutations and what was found itself, the AUC is as high.

    Raises
    ------
    InputError
        See :func:`check_predictions`, for each fold.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    parts = [check_predictions(label[fold == one], score[fold == one], f"fold {one}") for one in np.unique(fold)]
    auc = [float(roc_auc_score(*part)) for part in parts]
    rng = np.random.default_rng(0)
    resampled = np.mean([_resampled_auc(*part, n_bootstrap, rng) for part in parts], axis=0)
    permuted = np.mean([_permuted_auc(*part, n_permutations, rng) for part in parts], axis=0)
    found = float(np.mean(auc))
    # A tenth of a difference between two ranks: sums of the same ranks differ in the last bits.
    as_high = int((permuted >= found - 0.1 / len(label) ** 2).sum())
    return {
        **threshold_metrics(label, score, 0.5),
        "roc_auc": found,
        "roc_auc_interval": list(middle_95(resampled)),
        "auprc": float(np.mean([average_precision_score(*part) for part in parts])),
        "n": len(label),
        "n_positive": int(np.sum(label)),
        "n_folds": len(parts),
        "roc_auc_folds": auc,
        "permutation_p": (as_high + 1) / (n_permutations + 1),
    }


def auc_of_ranks(total: np.ndarray, positives: int, negatives: int) -> np.ndarray:
    """Return the ROC-AUC that sums of the positives' ranks (from 1, equal scores the mean of theirs) mean."""
    return (total - positives * (positives + 1) / 2) / (positives * negatives)


def _permuted_auc(label: np.ndarray, score: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the ROC-AUC (float64 [n]) of the scores for so many permutations of the labels, from sums of ranks."""
    from scipy.stats import rankdata

    ranks, positives = rankdata(score), int(label.sum())
    step = max(1, BLOCK // len(ranks))
    blocks = (np.tile(ranks, (min(step, n - start), 1)) for start in range(0, n, step))
    drawn = np.concatenate([rng.permuted(block, axis=1)[:, :positives].sum(axis=1) for block in blocks])
    return auc_of_ranks(drawn, positives, len(label) - positives)
