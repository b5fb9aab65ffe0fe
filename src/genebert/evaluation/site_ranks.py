"""Rare true positions among millions, ranked by score: top-k accuracy and average precision, with intervals over genes.

Only where true positions stand among all others matters. Positions are therefore never sorted: each is counted between
or at the scores of true ones, some blocks at a time, and both metrics follow from the counts, ties included.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genebert.evaluation.intervals import middle_95

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # loaded where it is needed: every plan loads the kinds of its tasks

TOP = {"top_half_k": 0.5, "top_k": 1.0, "top_2k": 2.0, "top_4k": 4.0}
METRICS = (*TOP, "auprc")
# Resamples of the genes. The ends of a 95 % interval are then the 13th value from either side; with 200 it would be the
# 5th, which moves by a fifth of the interval's width from draw to draw, and with 2,000 the test set of SpliceAI would
# take minutes.
N_BOOTSTRAP = 500
BLOCK = 1 << 21  # positions that are looked at at a time
RESAMPLES = 64  # resamples at a time: arrays of [2 * true positions + 1, RESAMPLES], 15 MB each for 14,289 sites


@dataclass(frozen=True)
class Ranks:
    """How many positions of each gene lie at and between the scores of true positions.

    Row 2 u + 1 of `others` and `true` counts those at the u-th lowest of the distinct scores of true positions, row
    2 u + 2 those above it and below the next; row 0, what lies below them all, is left empty.
    """

    others: "csr_array"  # int64 [rows, genes]
    true: "csr_array"  # the same; every other row is empty
    n: np.ndarray  # int64 [genes]: positions of each gene


def _blocks(scores: np.ndarray) -> Iterator[slice]:
    step = max(1, BLOCK // scores.shape[1])
    for start in range(0, len(scores), step):
        yield slice(start, start + step)


def rank_sites(scores: np.ndarray, labels: np.ndarray, label: int, genes: np.ndarray) -> Ranks:
    """Count positions by score and gene.

    Parameters
    ----------
    scores : float [n, length]
        Of the class.
    labels : int8 [n, length]
        Negative: not evaluated.
    label : int
        The class.
    genes : int64 [n]
        Number of the gene of each row, from 0.
    """
    from scipy.sparse import csr_array

    n_genes = int(genes.max(initial=-1)) + 1
    levels = np.unique(np.concatenate([scores[rows][labels[rows] == label] for rows in _blocks(scores)]))
    shape = 2 * len(levels) + 1, n_genes
    others, true = (csr_array(shape, dtype=np.int64) for _ in range(2))
    n = np.zeros(n_genes, dtype=np.int64)
    for rows in _blocks(scores):
        here, evaluated = labels[rows], labels[rows] >= 0
        n += np.bincount(genes[rows], weights=evaluated.sum(1), minlength=n_genes).astype(np.int64)
        if not len(levels):
            continue
        # What lies below all true positions changes nothing; for a good model that is nearly everything.
        row, column = np.nonzero(evaluated & (scores[rows] >= levels[0]))
        score, gene = scores[rows][row, column], genes[rows][row]
        place = np.searchsorted(levels, score, "left") + np.searchsorted(levels, score, "right")
        is_true = here[row, column] == label
        others = others + _counted(place[~is_true], gene[~is_true], shape)
        true = true + _counted(place[is_true], gene[is_true], shape)
    return Ranks(others, true, n)


def _counted(place: np.ndarray, gene: np.ndarray, shape: tuple[int, int]) -> "csr_array":
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(place), dtype=np.int64), (place, gene)), shape=shape)


def _metrics(ranks: Ranks, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return each metric (float64 [r]) with the genes taken so many times (int64 [genes, r]); NaN without a site."""
    weights = weights.astype(np.float64)
    # From the highest score down.
    true = np.cumsum((ranks.true @ weights)[::-1], axis=0)
    ranked = true + np.cumsum((ranks.others @ weights)[::-1], axis=0)
    k, n = true[-1], ranks.n @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(ranked > 0, true / ranked, 0.0)
        found = {"auprc": (np.diff(true, axis=0, prepend=0) * precision).sum(0) / k}
    for name, factor in TOP.items():
        found[name] = np.full(len(k), np.nan)
        for i in np.flatnonzero(k > 0):
            taken = min(max(1, int(factor * k[i])), n[i])
            # Of equal scores as many are taken as still fit, whichever: true ones in proportion, as on average.
            hits = np.interp(taken, np.r_[0, ranked[:, i]], np.r_[0, true[:, i]])
            found[name][i] = hits / min(taken, k[i])
    return found


def site_metrics(ranks: Ranks) -> dict[str, float]:
    """Return the metrics of all positions.

    Returns
    -------
    dict
        ``top_k``: of the k highest scores, as many as there are true positions, the share that is true (SpliceAI's
        top-k accuracy); ``top_half_k``, ``top_2k``, ``top_4k``: the true ones among k / 2 (at least one), 2 k and 4 k,
        divided by how many of them could be; ``auprc``: average precision, as scikit-learn's.
    """
    found = _metrics(ranks, np.ones((len(ranks.n), 1), dtype=np.int64))
    return {name: float(found[name][0]) for name in METRICS}


def resampled(many: list[Ranks], n_bootstrap: int = N_BOOTSTRAP, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Return the metrics of classes with the genes drawn again, with replacement: the same draws for all of them.

    Parameters
    ----------
    many : list of Ranks
        Of the same genes.

    Returns
    -------
    list of dict
        For each class, metric to values, float64 [n_bootstrap].
    """
    rng, genes = np.random.default_rng(seed), len(many[0].n)
    parts: list[list[dict[str, np.ndarray]]] = [[] for _ in many]
    for start in range(0, n_bootstrap, RESAMPLES):
        number = min(RESAMPLES, n_bootstrap - start)
        weights = rng.multinomial(genes, np.full(genes, 1 / genes), size=number).T
        for ranks, part in zip(many, parts, strict=True):
            part.append(_metrics(ranks, weights))
    return [{name: np.concatenate([one[name] for one in part]) for name in METRICS} for part in parts]


def interval(values: np.ndarray) -> list[float]:
    """Return the ends of the 95 % percentile interval; resamples without a site, which have no value, are left out."""
    return list(middle_95(values) or (math.nan, math.nan))


def highest(scores: np.ndarray, labels: np.ndarray, number: int) -> np.ndarray:
    """Return the places (int64, flat, ascending) of the highest scores of evaluated positions; of equal ones the first.

    Parameters
    ----------
    scores : float [n, length]
    labels : int8 [n, length]
        Negative: not evaluated.
    number : int
    """
    kept, best = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=scores.dtype)
    for rows in _blocks(scores):
        start = rows.start * scores.shape[1]
        least = best[-1] if len(best) == number and number else -np.inf
        flat = np.flatnonzero((labels[rows] >= 0) & (scores[rows] >= least))
        best = np.concatenate([best, scores[rows].reshape(-1)[flat]])
        kept = np.concatenate([kept, start + flat])
        order = np.lexsort((kept, -best))[:number]
        kept, best = kept[order], best[order]
    return np.sort(kept)
