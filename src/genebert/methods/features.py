"""Features that are counted, not learned, and what is fitted on them with scikit-learn."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.genome.bases import BASES, N_CODE
from genebert.genome.kmers import SPECIALS, kmer_ids
from genebert.methods.base import Fitted


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


def count_features(examples: Examples, kmers: tuple[int, ...], length: int | None = None) -> np.ndarray:
    """Return float32 [n, features].

    Parameters
    ----------
    examples : Examples
    kmers : tuple of int
        k of the counted k-mers.
    length : int, optional
        With the one-hot base of every position: the one length that sequences must have.

    Raises
    ------
    InputError
        Sequences of another length.
    """
    lengths = [length or 0, *np.unique(examples.lengths)]
    if length is not None and min(lengths) < max(lengths):
        raise InputError(
            f"boosted-trees: sequences of {min(lengths)} to {max(lengths)} bases; expected one length, because "
            f"each position is a feature (the letters there are one-hot over {BASES[:N_CODE]})"
        )
    blocks = []
    for codes, _ in examples.blocks():
        parts = (
            [kmer_counts(codes, kmers)] if length is None else [positional_one_hot(codes), kmer_counts(codes, kmers)]
        )
        blocks.append(np.hstack(parts, dtype=np.float32))
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
        import joblib

        joblib.dump((self.classifier, self.features), folder / "model.joblib")

    @classmethod
    def read(cls, folder: Path, *about: Any) -> Self:
        """Read ``model.joblib``."""
        import joblib

        return cls(*about, *joblib.load(folder / "model.joblib"))
