"""One way to fit any of the simple models, to score sequences with it, and to cross-validate it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.examples import check_examples
from genebert.evaluation.metrics import check_predictions
from genebert.methods.features import fit_logistic, fit_trees
from genebert.motifs.jaspar import Motif

logger = logging.getLogger(__name__)
Tables = dict[str, pd.DataFrame]


class Model(Protocol):
    """What the fit of every simple model gives."""

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        """Return the probability of class 1 (float64 [n])."""


@dataclass(frozen=True)
class Baseline:
    """One kind of simple model.

    Attributes
    ----------
    fit : callable
        (tables, seed, motifs) -> model, settings for the record.
    deterministic : bool
        The seed changes nothing.
    packages : tuple of str
        Whose versions belong in the record.
    """

    fit: Callable[[Tables, int, list[Motif] | None], tuple[Model, dict[str, Any]]]
    deterministic: bool
    packages: tuple[str, ...]


def _fit_pwm(tables: Tables, seed: int, motifs: list[Motif] | None) -> tuple[Model, dict[str, Any]]:
    from genebert.methods.pwm import fit_pwm

    return fit_pwm(tables, motifs or [])


def _fit_logistic(tables: Tables, seed: int, motifs: list[Motif] | None) -> tuple[Model, dict[str, Any]]:
    return fit_logistic(tables)


def _fit_trees(tables: Tables, seed: int, motifs: list[Motif] | None) -> tuple[Model, dict[str, Any]]:
    return fit_trees(tables, seed)


def _fit_cnn(tables: Tables, seed: int, motifs: list[Motif] | None) -> tuple[Model, dict[str, Any]]:
    from genebert.methods.cnn import fit_cnn  # the other models need not wait for torch

    return fit_cnn(tables, seed)


BASELINES = {
    "pwm": Baseline(_fit_pwm, True, ("MOODS-python", "lightmotif", "scikit-learn", "numpy")),
    "kmer-logreg": Baseline(_fit_logistic, True, ("scikit-learn", "numpy")),
    "boosted-trees": Baseline(_fit_trees, False, ("scikit-learn", "numpy")),
    "cnn": Baseline(_fit_cnn, False, ("torch", "numpy")),
}


def find_baseline(name: str) -> Baseline:
    """Return the simple model of that name.

    Raises
    ------
    InputError
        There is none.
    """
    if name not in BASELINES:
        raise InputError(f"baseline: found {name!r}, expected one of {', '.join(BASELINES)}")
    return BASELINES[name]


@dataclass(frozen=True)
class Fitted:
    """A simple model after its fit.

    Attributes
    ----------
    name : str
    model : Model
    settings : dict
        Settings and choices of the fit, for the record.
    """

    name: str
    model: Model
    settings: dict[str, Any]

    def score(self, table: pd.DataFrame) -> np.ndarray:
        """Return the probability of class 1 of each sequence (float64 [n]); labels are not read.

        Raises
        ------
        InputError
            Sequences that the model cannot take: of another length where positions are features, or shorter than the
            matrix.
        """
        return self.model.predict(table)


def fit(name: str, tables: Tables, seed: int, motifs: list[Motif] | None = None) -> Fitted:
    """Fit a simple model.

    Parameters
    ----------
    name : str
        A key of `BASELINES`.
    tables : dict
        ``train`` and ``valid`` -> DataFrame with columns sequence, label; others are not read. ``valid`` chooses the
        penalty, the number of trees, the matrix or the epoch.
    seed : int
    motifs : list of Motif, optional
        The factor's matrices, for ``pwm``.

    Raises
    ------
    InputError
        Unknown name, tables without both classes, no matrix for ``pwm``, or sequences that do not fit the model.
    """
    baseline = find_baseline(name)
    used = {split: check_examples(tables[split], split) for split in ("train", "valid")}
    start = time.perf_counter()
    model, settings = baseline.fit(used, seed, motifs)
    logger.info(
        "%s, seed %d: %d training examples, fitted in %.1f s",
        name, seed, len(used["train"]), time.perf_counter() - start,
    )  # fmt: skip
    return Fitted(name, model, settings)


def fit_and_score(
    name: str,
    train: pd.DataFrame,
    valid: pd.DataFrame,
    test: pd.DataFrame,
    seed: int,
    motifs: list[Motif] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a simple model (:func:`fit`) and return its probabilities of the positive class.

    Returns
    -------
    valid_scores, test_scores : float64 [n]
    """
    fitted = fit(name, {"train": train, "valid": valid}, seed, motifs)
    return fitted.score(valid), fitted.score(test)


def cross_validate(
    name: str, table: pd.DataFrame, folds: int = 5, seed: int = 0, motifs: list[Motif] | None = None
) -> dict[str, Any]:
    """Return the AUC of stratified k-fold cross-validation.

    A tenth of each fold's training part serves as the validation set that the models need.

    Returns
    -------
    dict
        roc_auc (mean over folds), roc_auc_sd, roc_auc_folds, precision and recall (macro, threshold 0.5, pooled over
        folds), n, folds.
    """
    from sklearn.metrics import precision_recall_fscore_support, roc_auc_score
    from sklearn.model_selection import StratifiedKFold, train_test_split

    check_examples(table, name)
    label = table["label"].to_numpy()
    smallest = int(np.bincount(label, minlength=2).min())
    if not 2 <= folds <= smallest:
        raise InputError(f"folds: found {folds}, expected 2 to {smallest}, the size of the smaller class")
    score = np.empty(len(table))
    folds_auc = []
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(label, label):
        train, valid = train_test_split(train, test_size=0.1, stratify=label[train], random_state=seed)
        _, score[test] = fit_and_score(name, table.iloc[train], table.iloc[valid], table.iloc[test], seed, motifs)
        folds_auc.append(float(roc_auc_score(label[test], score[test])))
    check_predictions(label, score, name)
    precision, recall, _, _ = precision_recall_fscore_support(label, score >= 0.5, average="macro", zero_division=0)
    return {
        "roc_auc": float(np.mean(folds_auc)),
        "roc_auc_sd": float(np.std(folds_auc, ddof=1)),
        "roc_auc_folds": folds_auc,
        "precision": float(precision),
        "recall": float(recall),
        "n": len(table),
        "folds": folds,
    }
