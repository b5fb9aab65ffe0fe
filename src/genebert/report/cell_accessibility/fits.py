"""Fits of what is predicted in all cell types: ridge regressions, and boosted trees on motif rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from genebert.methods.features import TREES

# Of the squares of standardised features, per training region.
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


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

    found, errors = {}, {}
    for penalty in PENALTIES:
        model = Ridge(alpha=penalty * int(parts.train.sum()), solver="cholesky")
        model.fit(features[parts.train], target[parts.train])
        errors[penalty] = float(((model.predict(features[parts.valid]) - target[parts.valid]) ** 2).mean())
        found[penalty] = model
    best = min(errors, key=errors.get)
    return found[best].predict(features[parts.test]).reshape(-1, target.shape[1]), best


def trees(features: np.ndarray, target: np.ndarray, parts: Parts, seed: int) -> np.ndarray:
    """Fit boosted trees to each type, stopped by `valid`; return predictions of the test regions [n test, types]."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    columns: list[Any] = []
    for column in target.T:
        model = HistGradientBoostingRegressor(early_stopping=True, random_state=seed, **TREES)
        model.fit(features[parts.train], column[parts.train], X_val=features[parts.valid], y_val=column[parts.valid])
        columns.append(model.predict(features[parts.test]))
    return np.column_stack(columns)
