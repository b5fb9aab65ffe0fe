"""Fits of what is predicted in all cell types: linear regressions, and boosted trees on motif rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from genebert.methods.features import TREES

# Of the squares of standardised features, per training region.
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
# Of absolute weights: shares of a type's smallest penalty that leaves no column. One at least stays, for a constant
# has no correlation.
L1_PENALTIES = (0.9, 0.7, 0.5, 0.35, 0.25, 0.18, 0.13, 0.09, 0.06, 0.03, 0.01)


@dataclass(frozen=True)
class Parts:
    """Which regions are for what (bool [n] each)."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def standardised(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return features [n, some] with mean 0 and sd 1 over the training regions; NaN and constant ones become 0."""
    known = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    with np.errstate(invalid="ignore"):
        counted = np.maximum(np.isfinite(known[train]).sum(0), 1)
        mean = np.nansum(known[train], axis=0) / counted
        sd = np.sqrt(np.nansum((known[train] - mean) ** 2, axis=0) / counted)
    sd[sd < 1e-9 * np.maximum(1, np.abs(mean))] = np.inf
    return np.nan_to_num((known - mean) / sd, nan=0.0)


def ridge(features: np.ndarray, target: np.ndarray, parts: Parts) -> tuple[np.ndarray, float]:
    """Fit all types at once on `train`; the penalty is that with the smallest squared error on `valid`.

    Parameters
    ----------
    features : float [n, some]
        Standardised.
    target : float [n, types]

    Returns
    -------
    float64 [n test, types]
        Predictions of the test regions.
    float
        The chosen penalty.
    """
    from sklearn.linear_model import Ridge

    found = {}
    for penalty in PENALTIES:
        model = Ridge(alpha=penalty * int(parts.train.sum()), solver="cholesky")
        model.fit(features[parts.train], target[parts.train])
        found[penalty] = model.coef_.reshape(target.shape[1], -1).T, model.intercept_
    return _best(found, features, target, parts)


def lasso(features: np.ndarray, target: np.ndarray, parts: Parts) -> tuple[np.ndarray, float]:
    """Fit each type with an L1 penalty, of one share for all; else as :func:`ridge`."""
    from sklearn.linear_model import lasso_path

    given = np.asfortranarray(features[parts.train])
    mean = target[parts.train].mean(axis=0)
    products, left = given.T @ given, target[parts.train] - mean
    weights = np.zeros((len(L1_PENALTIES), features.shape[1], target.shape[1]))
    for i, column in enumerate(left.T):
        if largest := float(np.abs(given.T @ column).max() / len(column)):
            alphas = largest * np.array(L1_PENALTIES)
            # The defaults stop short of the optimum where columns are as alike as motifs are.
            path = lasso_path(given, column, alphas=alphas, precompute=products, max_iter=100_000, tol=1e-6)
            weights[:, :, i] = path[1].T
    found = {share: (one, mean) for share, one in zip(L1_PENALTIES, weights, strict=True)}
    return _best(found, features, target, parts)


def _best(
    found: Mapping[float, tuple[np.ndarray, np.ndarray]], features: np.ndarray, target: np.ndarray, parts: Parts
) -> tuple[np.ndarray, float]:
    """Return what the weights [some, types] and intercepts [types] closest on `valid` predict, and their penalty."""

    def predicted(penalty: float, rows: np.ndarray) -> np.ndarray:
        weights, intercept = found[penalty]
        return features[rows] @ weights + intercept

    best = min(found, key=lambda one: float(((predicted(one, parts.valid) - target[parts.valid]) ** 2).mean()))
    return predicted(best, parts.test), best


def trees(features: np.ndarray, target: np.ndarray, parts: Parts, seed: int) -> tuple[np.ndarray, None]:
    """Fit boosted trees to each type, stopped by `valid`; return predictions of the test regions [n test, types]."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    columns: list[Any] = []
    for column in target.T:
        model = HistGradientBoostingRegressor(early_stopping=True, random_state=seed, **TREES)
        model.fit(features[parts.train], column[parts.train], X_val=features[parts.valid], y_val=column[parts.valid])
        columns.append(model.predict(features[parts.test]))
    return np.column_stack(columns), None
