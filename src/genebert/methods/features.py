"""Models on features that are counted, not learned: logistic regression and boosted trees.

``kmer-logreg``
    Counts of all 1- to 4-mers, standardised, L2-regularised logistic regression; the strength of the regularisation is
    the one with the smallest validation loss. Nothing in it is random.
``boosted-trees``
    Histogram gradient boosting on the one-hot base of every position and the counts of 1- to 3-mers; the number of
    trees is where the validation loss stops falling. Each split looks at a random fifth of the features, so seeds
    differ.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.bases import BASES, N_CODE, sequence_codes
from genebert.genome.kmers import SPECIALS, kmer_ids

LOGISTIC_KMERS = (1, 2, 3, 4)
TREE_KMERS = (1, 2, 3)
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


@dataclass(frozen=True)
class FeatureModel:
    """A fitted classifier and the features it was fitted on.

    Attributes
    ----------
    classifier : scikit-learn classifier
    kmers : tuple of int
        k of the counted k-mers.
    length : int or None
        With the one-hot base of every position: the one length that sequences must have.
    """

    classifier: Any
    kmers: tuple[int, ...]
    length: int | None = None

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        """Return the probability of class 1 (float64 [n])."""
        features = _features(table, self.kmers, self.length)
        return self.classifier.predict_proba(features)[:, 1].astype(np.float64)


def _features(table: pd.DataFrame, kmers: tuple[int, ...], length: int | None) -> np.ndarray:
    """Return float32 [n, features]."""
    if length is not None:
        lengths = [length, *table["sequence"].str.len().unique()]
        if min(lengths) < max(lengths):
            raise InputError(
                f"boosted-trees: sequences of {min(lengths)} to {max(lengths)} bases; expected one length, because "
                f"each position is a feature (the letters there are one-hot over {BASES[:N_CODE]})"
            )
    codes, _ = sequence_codes(table["sequence"].tolist())
    counts = kmer_counts(codes, kmers)
    return counts if length is None else np.hstack([positional_one_hot(codes), counts], dtype=np.float32)


def fit_logistic(tables: dict[str, pd.DataFrame]) -> tuple[FeatureModel, dict[str, Any]]:
    """Fit ``kmer-logreg`` on ``train``; ``valid`` chooses the penalty. Return the model and its settings."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = {split: _features(tables[split], LOGISTIC_KMERS, None) for split in ("train", "valid")}
    best, best_loss, best_penalty = None, np.inf, PENALTIES[0]
    for penalty in PENALTIES:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=5000))
        model.fit(features["train"], tables["train"]["label"])
        # The loss, not the AUC: on a few hundred examples the AUC's noise hides the difference.
        loss = log_loss(tables["valid"]["label"], model.predict_proba(features["valid"])[:, 1])
        if loss < best_loss:
            best, best_loss, best_penalty = model, loss, penalty
    settings = {
        "kmers": list(LOGISTIC_KMERS),
        "positional_one_hot": False,
        "inverse_penalties": list(PENALTIES),
        "chosen_inverse_penalty": best_penalty,
    }
    return FeatureModel(best, LOGISTIC_KMERS), settings


def fit_trees(tables: dict[str, pd.DataFrame], seed: int) -> tuple[FeatureModel, dict[str, Any]]:
    """Fit ``boosted-trees`` on ``train``; ``valid`` chooses the number of trees. Return the model and its settings.

    Raises
    ------
    InputError
        Sequences of different lengths.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    length = len(tables["train"]["sequence"].iloc[0])
    features = {split: _features(tables[split], TREE_KMERS, length) for split in ("train", "valid")}
    model = HistGradientBoostingClassifier(early_stopping=True, random_state=seed, **TREES)
    model.fit(features["train"], tables["train"]["label"], X_val=features["valid"], y_val=tables["valid"]["label"])
    settings = {"kmers": list(TREE_KMERS), "positional_one_hot": True, **TREES, "trees": int(model.n_iter_)}
    return FeatureModel(model, TREE_KMERS, length), settings
