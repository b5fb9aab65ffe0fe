"""Samples by the family of transcription factors whose motifs are strongest in them."""

from collections.abc import Sequence

import numpy as np

_BLOCK_ROWS = 1 << 14


def _family_scores(
    matrix: np.ndarray, regions: np.ndarray, families: Sequence[str], mean: np.ndarray, sd: np.ndarray
) -> np.ndarray:
    """Return the best standardised score of each family's motifs in each region: float32 [n, n_families].

    Standardised once more by family, over these regions: the best of many motifs is higher than that of few.
    """
    known = np.flatnonzero(np.asarray(families) != "")
    members = np.unique(np.asarray(families)[known], return_inverse=True)[1]
    columns = known[np.argsort(members, kind="stable")]
    first = np.searchsorted(np.sort(members), np.arange(members.max() + 1))
    best = np.empty((len(regions), len(first)), np.float32)
    for start in range(0, len(regions), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        scores = (np.asarray(matrix[regions[block]], dtype=np.float32) - mean) / sd
        best[block] = np.maximum.reduceat(np.nan_to_num(scores, nan=0.0)[:, columns], first, axis=1)
    spread = best.std(0, dtype=np.float64)
    best -= best.mean(0, dtype=np.float64).astype(np.float32)
    best /= np.where(spread > 0, spread, 1).astype(np.float32)
    return best


def family_order(
    matrix: np.ndarray, samples: np.ndarray, families: Sequence[str], mean: np.ndarray, sd: np.ndarray
) -> np.ndarray:
    """Return samples in an order in which those with the same strongest family follow each other.

    A sample's strength in a family is the mean over its regions of the best standardised score of the family's motifs;
    the strongest family is where that is largest. Within a family samples are sorted by it.

    Parameters
    ----------
    matrix : [n_regions, n_tfs]
        Of any form.
    samples : int [n, regions_per_sample]
        Row numbers of the matrix.
    families : sequence of str, n_tfs
        Empty where a motif's is not known: it then counts for none. At least one is known.
    mean, sd : float [n_tfs]
        That scores are standardised with.

    Returns
    -------
    int64 [n]
    """
    regions, place = np.unique(samples, return_inverse=True)
    place = place.reshape(samples.shape)
    best = _family_scores(matrix, regions, families, mean, sd)
    strongest, strength = np.empty(len(samples), np.int64), np.empty(len(samples), np.float32)
    for start in range(0, len(samples), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        mean_of_sample = best[place[block]].mean(1)
        strongest[block], strength[block] = mean_of_sample.argmax(1), mean_of_sample.max(1)
    return np.lexsort((strength, strongest))
