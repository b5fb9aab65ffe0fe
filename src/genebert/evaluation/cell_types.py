"""How well a prediction of accessibility tells cell types apart: labels, their specific part, and measures.

A region that is open in many types is told by its composition; what is asked here is what is left of a label once the
region's mean over the types is known.
"""

from dataclasses import dataclass

import numpy as np

from genebert.errors import InputError

BINS = 20  # of the mean over types, at most; open or not has as many values as types

# What is predicted, in the order of tables.
ACCESSIBILITY, DEVIATION, SPECIFIC = TARGETS = ("accessibility", "deviation", "specific")


@dataclass(frozen=True)
class Given:
    """What each type's label is, on average, at a region's mean over types: a line, and steps from it between bins."""

    line: np.ndarray  # float64 [2, types]: slope and intercept
    means: np.ndarray  # float64 [bins], ascending
    steps: np.ndarray  # float64 [bins, types]: labels without the line; in between in straight lines

    def of(self, mean: np.ndarray) -> np.ndarray:
        """Return the labels (float64 [n, types]) that regions with such a mean [n] have on average."""
        steps = np.column_stack([np.interp(mean, self.means, column) for column in self.steps.T])
        return np.outer(mean, self.line[0]) + self.line[1] + steps


def given_mean(labels: np.ndarray) -> Given:
    """Fit :class:`Given` to the labels [n, types] of training regions.

    A mean with few values, as that of open or not, has a bin for each; else there are `BINS` of equal size.
    """
    mean = labels.mean(axis=1)
    values = np.unique(mean)
    line = (
        np.polyfit(mean, labels, 1) if len(values) > 1 else np.stack([np.zeros(labels.shape[1]), labels.mean(axis=0)])
    )
    left = labels - np.outer(mean, line[0]) - line[1]
    edges = values if len(values) <= BINS else np.unique(np.quantile(mean, np.arange(BINS) / BINS))
    owner = np.searchsorted(edges, mean, side="right") - 1
    size = np.bincount(owner, minlength=len(edges))
    steps = [np.bincount(owner, column, len(edges)) / size for column in left.T]
    return Given(line, np.bincount(owner, mean, len(edges)) / size, np.column_stack(steps))


def targets_of(labels: np.ndarray, train: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is predicted of regions, by name.

    Parameters
    ----------
    labels : float [n, types]
        Open (1) or not (0), or log counts per million.
    train : bool [n]
        Regions that the average at a mean is fitted on.

    Returns
    -------
    dict
        float64 [n, types] each. `accessibility`: the labels; `deviation`: without the region's mean over types;
        `specific`: without what the mean says on average of each type. The deviation alone still follows the mean: of
        a type with few open regions it is little else.
    """
    if labels.shape[1] < 2:
        raise InputError(f"cell_accessibility: found {labels.shape[1]} cell type, expected at least 2 to compare")
    mean = labels.mean(axis=1, keepdims=True)
    return {
        ACCESSIBILITY: labels,
        DEVIATION: labels - mean,
        SPECIFIC: labels - given_mean(labels[train]).of(mean[:, 0]),
    }


def others_mean(labels: np.ndarray) -> np.ndarray:
    """Return, for each type, the mean of a region's labels [n, types] in all other types (float64 [n, types])."""
    return (labels.sum(axis=1, keepdims=True) - labels) / (labels.shape[1] - 1)


def correlations(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of each column of two arrays [n, types]; NaN where one is constant."""
    whole = np.zeros(len(truth), np.int64)
    return Resampled.of(truth, found, whole).correlations(np.ones((1, 1)))[0]


@dataclass(frozen=True)
class Resampled:
    """Sums of each block of regions, which correlations of resampled blocks are made from."""

    sums: np.ndarray  # float64 [6, blocks, types]: number, x, y, x^2, y^2, xy

    @classmethod
    def of(cls, truth: np.ndarray, found: np.ndarray, block: np.ndarray) -> "Resampled":
        """Sum two arrays [n, types] over blocks, numbered from 0 [n]."""
        # Centred first: with large means the difference of squares would lose its digits.
        x, y = (values - values.mean(axis=0) for values in (np.float64(truth), np.float64(found)))
        parts = [np.ones_like(x), x, y, x * x, y * y, x * y]
        sums = np.zeros((len(parts), int(block.max()) + 1, x.shape[1]))
        for total, part in zip(sums, parts, strict=True):
            np.add.at(total, block, part)
        return cls(sums)

    def correlations(self, weights: np.ndarray) -> np.ndarray:
        """Return correlations [resamples, types] of blocks that count as often as `weights` [resamples, blocks] say."""
        n, x, y, xx, yy, xy = (weights @ part for part in self.sums)
        spread = (xx - x * x / n) * (yy - y * y / n)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(spread > 1e-12 * np.maximum(xx * yy, 1e-300), (xy - x * y / n) / np.sqrt(spread), np.nan)


def resampled_blocks(blocks: int, resamples: int, seed: int) -> np.ndarray:
    """Return how often each of some blocks is drawn, with replacement (float64 [resamples, blocks])."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples).astype(np.float64)


def mean_over_types(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis, types without a value left out; NaN where none has one."""
    known = np.isfinite(values)
    total, n = np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def average_precisions(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the area under the precision-recall curve of each type [n, types]; NaN where a type has one label only."""
    from sklearn.metrics import average_precision_score

    return np.array(
        [
            average_precision_score(truth, score) if 0 < truth.sum() < len(truth) else np.nan
            for truth, score in zip(labels.T, scores.T, strict=True)
        ]
    )
