"""What methods that stand on scikit-learn share: kept classifiers, the choice of a penalty, calibration."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from genebert.errors import InputError
from genebert.evaluation.metrics import auc_of_ranks

logger = logging.getLogger(__name__)
Strength = TypeVar("Strength")
FILE = "model.joblib"
# Inverse strengths of the L1 penalty, as multiples of the largest one that leaves no motif: the same range suits 50
# examples, where 2 to 4 are chosen, and thousands (prom-core: 64).
PENALTIES = (2, 4, 8, 16, 32, 64, 128)
# A calibration that falls with the score would turn the ranking round; instead it rises by this much a standard
# deviation, which leaves the ranking as it is and says about the same of every sequence.
LEAST_SLOPE = 1e-3


def write_parts(folder: Path, *parts: Any) -> None:
    """Write a classifier, and what it was fitted with, as a pickle."""
    import joblib

    joblib.dump(parts, folder / FILE)


def read_parts(folder: Path) -> tuple[Any, ...]:
    """Return what :func:`write_parts` wrote; InputError for a file that is damaged."""
    import joblib

    path = folder / FILE
    try:
        return tuple(joblib.load(path))
    except Exception as error:  # a damaged pickle makes the reader raise nearly anything
        raise InputError(f"{path}: cannot be read ({type(error).__name__}); expected a saved classifier") from error


def choose_penalty(
    penalties: Iterable[Strength], fit: Callable[[Strength], Any], valid: Any, labels: np.ndarray
) -> tuple[Strength, Any]:
    """Return the penalty with the smallest loss on validation features, and the classifier that `fit` gives for it.

    The loss, not the AUC: on a few hundred examples the AUC's noise hides the difference.
    """
    from sklearn.metrics import log_loss

    models = {penalty: fit(penalty) for penalty in penalties}
    best = min(models, key=lambda penalty: log_loss(labels, models[penalty].predict_proba(valid)))
    return best, models[best]


def aucs(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve of each column of scores [n, columns] (float64 [columns])."""
    from scipy.stats import rankdata

    positive = labels == 1
    total = rankdata(scores, axis=0)[positive].sum(axis=0)
    return auc_of_ranks(total, int(positive.sum()), int((~positive).sum()))


def least_l1(standardised: np.ndarray, labels: np.ndarray) -> float:
    """Return the inverse strength of the L1 penalty below which no weight of standardised features is left."""
    from sklearn.svm import l1_min_c

    return float(l1_min_c(standardised, labels, loss="log"))


def l1_classifier(inverse: float) -> Any:
    """Return a logistic regression with an L1 penalty of this inverse strength, not yet fitted."""
    from sklearn.linear_model import LogisticRegression

    # liblinear goes through the weights in a random order; one seed for all, for the optimum is the same.
    return LogisticRegression(C=inverse, l1_ratio=1, solver="liblinear", max_iter=1000, random_state=0)


def calibrate(score: np.ndarray, label: np.ndarray, falling: str) -> tuple[float, float]:
    """Return slope (above 0) and intercept of a logistic regression on the score; `falling` is said where it falls."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = float(score.mean()), float(score.std()) or 1.0
    model = LogisticRegression().fit(((score - mean) / spread)[:, None], label)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        logger.warning("%s; the probabilities say next to nothing", falling)
        slope, intercept = LEAST_SLOPE, float(np.log(label.mean() / (1 - label.mean())))
    return slope / spread, intercept - slope * mean / spread
