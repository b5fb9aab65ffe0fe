"""How well cell types are separated among embedded samples, and what chance alone gives.

Written out, and not by scikit-learn's silhouette and nearest neighbours (the tests compare with both), for two
reasons: hundreds of permutations of the labels are a few matrix products here, and equal distances are shared out.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genebert.evaluation.intervals import middle_95

_BLOCK = 1 << 21  # numbers in the products of some permutations at once
PerSample = dict[str, np.ndarray]
DISTANCES = ("within", "between")
MEASURED = ("purity", "silhouette", *DISTANCES)


@dataclass(frozen=True)
class Space:
    """Samples in a space, known by what lies how far from what."""

    distances: np.ndarray  # float32 [n, n]
    nearest: np.ndarray  # float32 [n, n]: how far one counts as a neighbour, with the sum k in each row


def neighbours(distances: np.ndarray, k: int) -> np.ndarray:
    """Return how far each sample counts as one of the `k` nearest of another: float32 [n, n], rows with the sum k.

    1 for those nearer than the k-th, 0 for those farther; samples as far as the k-th share the places that are left, as
    they would on average over all orders. A sample is no neighbour of its own.
    """
    far = np.array(distances, dtype=np.float64)
    np.fill_diagonal(far, np.inf)
    border = np.partition(far, k - 1, axis=1)[:, k - 1 : k]
    nearer, equal = far < border, far == border
    left = k - nearer.sum(1, keepdims=True)
    return (nearer + equal * (left / equal.sum(1, keepdims=True))).astype(np.float32)


def space_of(distances: np.ndarray, k: int) -> Space:
    """Return the space of distances (float [n, n], symmetric), with `k` neighbours each."""
    return Space(distances.astype(np.float32), neighbours(distances, k))


def per_sample(space: Space, labels: np.ndarray, names: Sequence[str] = MEASURED) -> PerSample:
    """Return what is measured of each sample, for one labelling or many; `names` are some of :data:`MEASURED`.

    Parameters
    ----------
    labels : int [n] or [m, n]
        Of each sample from 0 on, all of them at least twice.

    Returns
    -------
    dict
        Each float64, shaped as `labels`: ``purity``, the share of its neighbours with its label; ``within`` and
        ``between``, its mean distance to the others with its label, and to all with another; ``silhouette``, (b - a) /
        max(a, b), where a is `within` and b the mean distance to the samples of the nearest other label (Rousseeuw
        1987), 0 where both are 0.
    """
    many = np.atleast_2d(labels).T  # [n, m]
    n, m = many.shape
    n_labels = int(many.max()) + 1
    member = (many[:, :, None] == np.arange(n_labels)).astype(np.float32)
    counts = member.sum(0).astype(np.float64)  # [m, labels]
    near, total = (
        (matrix @ member.reshape(n, -1)).reshape(n, m, n_labels).astype(np.float64)
        for matrix in (space.nearest, space.distances)
    )
    own = many[:, :, None]
    inside = np.take_along_axis(total, own, 2)[:, :, 0]
    n_own = np.take_along_axis(np.broadcast_to(counts, near.shape), own, 2)[:, :, 0]
    within = inside / (n_own - 1)
    means = total / counts
    np.put_along_axis(means, own, np.inf, 2)
    other = means.min(2)
    largest = np.maximum(within, other)
    found = {
        "purity": np.take_along_axis(near, own, 2)[:, :, 0] / near.sum(2),
        "silhouette": np.divide(other - within, largest, out=np.zeros_like(within), where=largest > 0),
        "within": within,
        "between": (total.sum(2) - inside) / (n - n_own),
    }
    return {name: found[name].T.reshape(np.shape(labels)) for name in names}


def uniformity(distances: np.ndarray) -> float:
    """Return the logarithm of the mean of exp(-2 d^2) over pairs of samples, as vectors of length 1 that lie d apart.

    0 where all are the same, lower the more evenly they fill the sphere (Wang and Isola 2020, arXiv 2005.10242).
    `distances` (float [n, n]) are of cosines, so that d^2 is twice each.
    """
    n = len(distances)
    return float(np.log((np.exp(-4 * distances).sum() - np.exp(-4 * np.diagonal(distances)).sum()) / (n * (n - 1))))


def summary(values: Mapping[str, np.ndarray], weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return the measures of all samples: means over the last axis, and ``within_between``, the ratio of two of them.

    `values` are those of :func:`per_sample`, or some of them; `weights` (float [m, n], rows with the sum 1) stand for
    samples drawn again.
    """
    means = {name: value.mean(-1) if weights is None else weights @ value for name, value in values.items()}
    if "within" in means:
        means["within_between"] = means["within"] / means["between"]
    return means


def by_chance(
    space: Space, labels: np.ndarray, permutations: int, seed: int, names: Sequence[str] = MEASURED
) -> dict[str, np.ndarray]:
    """Return the measures of permuted labels: each float64 [permutations]; see :func:`summary`."""
    generator = np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {}
    step = max(1, _BLOCK // (len(labels) * (int(labels.max()) + 1)))
    for first in range(0, permutations, step):
        n = min(step, permutations - first)
        permuted = generator.permuted(np.tile(labels, (n, 1)), axis=1)
        for name, values in summary(per_sample(space, permuted, names)).items():
            found.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def interval(values: np.ndarray) -> dict[str, float]:
    """Return the middle 95 % of values as ``low`` and ``high``."""
    low, high = middle_95(values) or (math.nan, math.nan)
    return {"low": low, "high": high}


def differences(
    one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], resamples: int, seed: int
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield each measure of one space less that of another of the same samples, with a paired bootstrap interval.

    `one` and `other` are of :func:`per_sample` for one labelling. Samples are drawn again with what was measured of
    them in both spaces; their neighbours and the models stay.
    """
    n = len(next(iter(one.values())))
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples) / n
    whole, again = ((summary(one, w), summary(other, w)) for w in (None, weights))
    for name in whole[0]:
        apart = again[0][name] - again[1][name]
        yield name, {"value": float(whole[0][name] - whole[1][name]), **interval(apart)}
