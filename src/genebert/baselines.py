"""Simple models that belong beside every pre-trained one (FACTS D.3, M).

``kmer-logreg``
    Counts of all 1- to 4-mers, standardised, L2-regularised logistic regression; the strength of the regularisation is
    the one with the smallest validation loss. Nothing in it is random.
``boosted-trees``
    Histogram gradient boosting on the one-hot base of every position and the counts of 1- to 3-mers; the number of
    trees is where the validation loss stops falling. Each split looks at a random fifth of the features, so seeds
    differ.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome import BASES, N_CODE
from genebert.kmers import SPECIALS, kmer_ids
from genebert.metrics import check_predictions
from genebert.scores import check_examples, read_splits, sequence_codes, versions, write_score

logger = logging.getLogger(__name__)

# Inverse strengths of the L2 penalty; on 340 standardised counts the small ones win (prom-core: 0.845 at 0.001).
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
TREES = {
    "learning_rate": 0.05,
    "max_iter": 1000,
    "max_leaf_nodes": 15,
    "max_features": 0.2,
    "n_iter_no_change": 20,
}


def kmer_counts(codes: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """Return how often each k-mer occurs in each sequence.

    Parameters
    ----------
    codes : uint8 [n, length]
        k-mers with an N are not counted.
    sizes : tuple of int
        The values of k.

    Returns
    -------
    float32 [n, sum of 4 ** k]
        For each k in turn, in DNABERT's order of k-mers.
    """
    blocks = []
    for k in sizes:
        ids = kmer_ids(codes, k) - len(SPECIALS)
        rows, columns = np.nonzero(ids >= 0)
        flat = rows * 4**k + ids[rows, columns]
        blocks.append(np.bincount(flat, minlength=len(codes) * 4**k).reshape(len(codes), 4**k))
    return np.hstack(blocks).astype(np.float32)


def positional_one_hot(codes: np.ndarray) -> np.ndarray:
    """Return uint8 [n, length * 4]: at each position, which of A, C, G, T; all zero for N."""
    return (codes[:, :, None] == np.arange(N_CODE, dtype=np.uint8)).reshape(len(codes), -1).astype(np.uint8)


def _fit_logistic(features: dict[str, np.ndarray], labels: dict[str, np.ndarray], seed: int) -> tuple[Any, dict]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    del seed  # the solver starts from zero and ends in the one optimum
    best, best_loss, best_penalty = None, np.inf, PENALTIES[0]
    for penalty in PENALTIES:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=5000))
        model.fit(features["train"], labels["train"])
        # The loss, not the AUC: on a few hundred examples the AUC's noise hides the difference.
        loss = log_loss(labels["valid"], model.predict_proba(features["valid"])[:, 1])
        if loss < best_loss:
            best, best_loss, best_penalty = model, loss, penalty
    return best, {"inverse_penalties": list(PENALTIES), "chosen_inverse_penalty": best_penalty}


def _fit_trees(features: dict[str, np.ndarray], labels: dict[str, np.ndarray], seed: int) -> tuple[Any, dict]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(early_stopping=True, random_state=seed, **TREES)
    model.fit(features["train"], labels["train"], X_val=features["valid"], y_val=labels["valid"])
    return model, {**TREES, "trees": int(model.n_iter_)}


@dataclass(frozen=True)
class Baseline:
    """Features and fit of one simple model.

    Attributes
    ----------
    kmers : tuple of int
        k of the counted k-mers.
    positional : bool
        With the one-hot base of every position: all sequences must be equally long.
    fit : callable
        (features, labels, seed) -> model with `predict_proba`, settings for the record.
    deterministic : bool
        The seed changes nothing.
    """

    kmers: tuple[int, ...]
    positional: bool
    fit: Callable[[dict[str, np.ndarray], dict[str, np.ndarray], int], tuple[Any, dict]]
    deterministic: bool

    def features(self, codes: np.ndarray) -> np.ndarray:
        """Return float32 [n, features] of base codes uint8 [n, length]."""
        counts = kmer_counts(codes, self.kmers)
        return np.hstack([positional_one_hot(codes), counts], dtype=np.float32) if self.positional else counts


BASELINES = {
    "kmer-logreg": Baseline((1, 2, 3, 4), False, _fit_logistic, True),
    "boosted-trees": Baseline((1, 2, 3), True, _fit_trees, False),
}


def _baseline(name: str) -> Baseline:
    if name not in BASELINES:
        raise InputError(f"baseline: found {name!r}, expected one of {', '.join(BASELINES)}")
    return BASELINES[name]


def _features(baseline: Baseline, name: str, tables: dict[str, pd.DataFrame]) -> dict[str, np.ndarray]:
    """Return the features of each table."""
    if baseline.positional:
        lengths = np.unique(np.concatenate([table["sequence"].str.len().unique() for table in tables.values()]))
        if len(lengths) > 1:
            raise InputError(
                f"{name}: sequences of {lengths[0]} to {lengths[-1]} bases; expected one length, because each position "
                f"is a feature (the letters there are one-hot over {BASES[:N_CODE]})"
            )
    return {split: baseline.features(sequence_codes(table["sequence"].tolist())[0]) for split, table in tables.items()}


def _fit(
    name: str, tables: dict[str, pd.DataFrame], seed: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict]:
    """Return labels and scores of valid and test, and the fit's settings."""
    baseline = _baseline(name)
    for split in ("train", "valid"):
        check_examples(tables[split], split)
    features = _features(baseline, name, tables)
    labels = {split: table["label"].to_numpy() for split, table in tables.items()}
    start = time.perf_counter()
    model, settings = baseline.fit(features, labels, seed)
    scores = {split: model.predict_proba(features[split])[:, 1] for split in ("valid", "test")}
    logger.info(
        "%s, seed %d: %d features, %d training examples, fitted in %.1f s",
        name, seed, features["train"].shape[1], len(labels["train"]), time.perf_counter() - start,
    )  # fmt: skip
    return labels, scores, {"kmers": list(baseline.kmers), "positional_one_hot": baseline.positional, **settings}


def fit_and_score(
    name: str, train: pd.DataFrame, valid: pd.DataFrame, test: pd.DataFrame, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a simple model and return its probabilities of the positive class.

    Parameters
    ----------
    name : str
        A key of `BASELINES`.
    train, valid, test : DataFrame
        Columns sequence, label. `valid` chooses the penalty or the number of trees; labels of `test` are not read by
        the fit.
    seed : int

    Returns
    -------
    valid_scores, test_scores : float64 [n]

    Raises
    ------
    InputError
        Unknown name, tables without both classes, or sequences of different lengths where positions are features.
    """
    _, scores, _ = _fit(name, {"train": train, "valid": valid, "test": test}, seed)
    return scores["valid"], scores["test"]


def cross_validate(name: str, table: pd.DataFrame, folds: int = 5, seed: int = 0) -> dict[str, Any]:
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
        _, score[test] = fit_and_score(name, table.iloc[train], table.iloc[valid], table.iloc[test], seed)
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


def run_baseline(
    name: str,
    task_folder: str | Path,
    seed: int,
    out_json: str | Path,
    out_parquet: str | Path,
    names: dict[str, str],
) -> dict[str, Any]:
    """Fit a simple model on a task folder and write its score file.

    Parameters
    ----------
    name : str
        A key of `BASELINES`.
    task_folder : path
        Holds train, valid and test.parquet.
    seed : int
    out_json, out_parquet : path
    names : dict
        task, dataset, model, as the table will show them.

    Returns
    -------
    dict
        The content of the score file.
    """
    baseline = _baseline(name)
    tables, hashes = read_splits(task_folder)
    labels, scores, settings = _fit(name, tables, seed)
    provenance = {
        "method": {"kind": "baseline", "name": name},
        "settings": settings,
        "data_sha256": hashes,
        "n_train": len(tables["train"]),
        "versions": versions("scikit-learn", "numpy"),
    }
    score = write_score(
        out_json, out_parquet, names, seed, labels, scores, deterministic=baseline.deterministic, provenance=provenance
    )
    logger.info("%s, seed %d: test AUC %.4f", name, seed, score["metrics"]["roc_auc"])
    return score
