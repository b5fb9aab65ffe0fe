"""Classifiers of scikit-learn on features that are counted, not learned."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.genome.bases import BASES, N_CODE
from genebert.genome.kmers import SPECIALS, kmer_ids
from genebert.methods.base import Fitted, Method, Unavailable
from genebert.methods.scikit import choose_penalty, read_parts, write_parts

# Inverse strengths of the L2 penalty; on 340 standardised counts the small ones win (prom-core: 0.845 at 0.001).
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
TREES = {"learning_rate": 0.05, "max_iter": 1000, "max_leaf_nodes": 15, "max_features": 0.2, "n_iter_no_change": 20}
# Examples that a leaf of trees holds at least: scikit-learn's; in `boosted-trees` two where there are fewer than twice
# as many, of which no tree would have a second leaf (20 of prom-core's labels: AUC 0.500, with leaves of two 0.704).
LEAF, LEAF_OF_FEW = 20, 2


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


def count_features(
    examples: Examples, kmers: tuple[int, ...], length: int | None = None, method: str = "boosted-trees"
) -> np.ndarray:
    """Return counts of k-mers and, with a `length`, before them the one-hot base of every position.

    `method` is named in messages.

    Returns
    -------
    float32 [n, features]

    Raises
    ------
    InputError
        Sequences of another length.
    """
    lengths = [length or 0, *np.unique(examples.lengths)]
    if length is not None and min(lengths) < max(lengths):
        raise InputError(
            f"{method}: sequences of {min(lengths)} to {max(lengths)} bases; expected one length, because "
            f"each position is a feature (the letters there are one-hot over {BASES[:N_CODE]})"
        )
    blocks = []
    for codes, _ in examples.blocks():
        places = [] if length is None else [positional_one_hot(codes)]
        blocks.append(np.hstack([*places, kmer_counts(codes, kmers)], dtype=np.float32))
    return np.concatenate(blocks)


@dataclass(frozen=True, eq=False)
class FeatureModel(Fitted):
    """A scikit-learn classifier, and the arguments of :func:`count_features` that it was fitted with."""

    classifier: Any
    features: dict[str, Any]

    def score(self, examples: Examples) -> np.ndarray:
        """Return the probability of class 1 (float64 [n])."""
        return self.classifier.predict_proba(count_features(examples, **self.features))[:, 1].astype(np.float64)

    def write(self, folder: Path) -> None:
        """Write ``model.joblib``."""
        write_parts(folder, self.classifier, self.features)

    @classmethod
    def read(cls, folder: Path, *about: Any) -> Self:
        """Read ``model.joblib``."""
        return cls(*about, *read_parts(folder))


class KmerLogreg(Method):
    """``kmer-logreg``: logistic regression on counts of all 1- to 4-mers, standardised, with an L2 penalty."""

    name = "kmer-logreg"
    fitted = FeatureModel
    kinds = ("two-class",)
    deterministic = True
    packages = ("scikit-learn", "numpy")

    def fit(self, train: Examples, valid: Examples, seed: int) -> FeatureModel:
        """Fit on `train`; the penalty is the one with the smallest loss on `valid`."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        features = {"kmers": (1, 2, 3, 4)}
        of_train, of_valid = count_features(train, **features), count_features(valid, **features)

        def fit(penalty: float) -> Any:
            model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=5000))
            return model.fit(of_train, train.labels)

        best, model = choose_penalty(PENALTIES, fit, of_valid, valid.labels)
        settings = {
            "kmers": list(features["kmers"]),
            "positional_one_hot": False,
            "inverse_penalties": list(PENALTIES),
            "chosen_inverse_penalty": best,
        }
        return FeatureModel(self.name, self.kind, self.record(settings), model, features)


class BoostedTrees(Method):
    """``boosted-trees``: histogram gradient boosting on the base of every position and the counts of 1- to 3-mers.

    Each split looks at a random fifth of the features, so seeds differ. Unavailable where sequences have several
    lengths: each position is a feature.
    """

    name = "boosted-trees"
    fitted = FeatureModel
    kinds = ("two-class",)
    packages = ("scikit-learn", "numpy")

    def __init__(self, *about: Any):
        super().__init__(*about)
        self._lengths: set[int] = set()

    def prepare(self, examples: Examples) -> None:
        """Note the lengths; Unavailable where there are several."""
        self._lengths |= set(examples.lengths.tolist())
        if len(self._lengths) > 1:
            raise Unavailable(
                f"sequences of {min(self._lengths)} to {max(self._lengths)} bases: each position is a feature, which "
                "takes one length"
            )

    def fit(self, train: Examples, valid: Examples, seed: int) -> FeatureModel:
        """Fit on `train`; the number of trees is where the loss on `valid` stops falling."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        features = {"kmers": (1, 2, 3), "length": int(train.lengths[0])}
        of_train, of_valid = count_features(train, **features), count_features(valid, **features)
        trees = {**TREES, "min_samples_leaf": LEAF if len(train) >= 2 * LEAF else LEAF_OF_FEW}
        model = HistGradientBoostingClassifier(early_stopping=True, random_state=seed, **trees)
        model.fit(of_train, train.labels, X_val=of_valid, y_val=valid.labels)
        kmers = list(features["kmers"])
        settings = {"kmers": kmers, "positional_one_hot": True, **trees, "trees": int(model.n_iter_)}
        return FeatureModel(self.name, self.kind, self.record(settings), model, features)
