"""Base composition of regions, and motif scores without what it tells of them.

A long or GC-rich region has higher best scores of nearly every motif: by its row it can be told from others without any
motif (docs/learning.md).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from genebert.genome.sequences import RegionSequences

_BLOCK_REGIONS = 1 << 14
FEATURES = ("GC", "CpG", "log length", "GC^2", "CpG^2", "log length^2")


def blocks(sequences: RegionSequences) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield which regions a block has, their offsets in it, and its base codes."""
    for first in range(0, len(sequences), _BLOCK_REGIONS):
        offsets = sequences.offsets[first : first + _BLOCK_REGIONS + 1]
        codes = np.asarray(sequences.codes[offsets[0] : offsets[-1]])
        yield slice(first, first + _BLOCK_REGIONS), offsets - offsets[0], codes


def composition(sequences: RegionSequences) -> np.ndarray:
    """Return the shares of G or C, and of CpG, of each region: float64 [n_regions, 2]; 0 for one without a base."""
    shares = np.zeros((len(sequences), 2))
    for block, offsets, codes in blocks(sequences):
        is_cpg = np.append((codes[:-1] == 1) & (codes[1:] == 2), [False] * min(1, len(codes)))
        for column, flags in enumerate(((codes == 1) | (codes == 2), is_cpg)):
            total = np.append(0, np.cumsum(flags))[offsets]
            shares[block, column] = np.diff(total) / np.maximum(1, np.diff(offsets))
    return shares


def dinucleotides(sequences: RegionSequences) -> np.ndarray:
    """Return the shares of the 16 pairs of neighbouring bases in each region (float64 [n_regions, 16]).

    Pairs with N do not count. A region's last base and the first of the next make a pair of the first: one of hundreds.
    """
    shares = np.zeros((len(sequences), 16))
    for block, offsets, codes in blocks(sequences):
        pairs = codes[:-1].astype(np.int64) * 4 + codes[1:]
        known = (codes[:-1] < 4) & (codes[1:] < 4)
        owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[: len(pairs)]
        counts = np.bincount(owner[known] * 16 + pairs[known], minlength=(len(offsets) - 1) * 16).reshape(-1, 16)
        shares[block] = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    return shares


def log_lengths(sequences: RegionSequences) -> np.ndarray:
    """Return the logarithm of one more than the bases of each region (float64 [n_regions])."""
    return np.log1p(np.diff(sequences.offsets).astype(np.float64))


def _features(sequences: RegionSequences) -> np.ndarray:
    """Return FEATURES of each region (float64 [n_regions, 6])."""
    plain = np.column_stack([composition(sequences), log_lengths(sequences)])
    return np.hstack([plain, plain**2])


def remove_composition(matrix: np.ndarray, sequences: RegionSequences, training: np.ndarray) -> dict[str, Any]:
    """Take from each column, in place, what a linear regression on the regions' composition says of it.

    Parameters
    ----------
    matrix : float [n_regions, n_motifs]
        Writable; NaN stays NaN, and is the column's mean in the fit.
    sequences : RegionSequences
        The bases that were scored.
    training : int [n]
        Regions that the regression is fitted on.

    Returns
    -------
    dict
        ``features``, their ``mean`` and ``sd`` over the training regions, ``coefficients`` (a list of 1 + features
        numbers for each motif: of the standardised features, the intercept first) and the ``explained`` share of each
        motif's variance there.
    """
    values = _features(sequences)
    mean, sd = values[training].mean(0), values[training].std(0)
    sd[sd < 1e-9] = 1  # equal everywhere, such as the length of cropped regions
    design = np.hstack([np.ones((len(values), 1)), (values - mean) / sd])
    rows = np.array_split(np.sort(training), -(-len(training) // _BLOCK_REGIONS))
    known, total, squares = (np.zeros(matrix.shape[1]) for _ in range(3))
    for part in rows:
        block = matrix[part].astype(np.float64)
        known += np.isfinite(block).sum(0)
        total += np.nansum(block, axis=0)
    column = total / np.maximum(known, 1)
    both = np.zeros((design.shape[1], matrix.shape[1]))
    for part in rows:
        block = matrix[part].astype(np.float64) - column
        block[np.isnan(block)] = 0
        both += design[part].T @ block
        squares += (block**2).sum(0)
    gram = design[training].T @ design[training]
    coefficients = np.linalg.lstsq(gram, both, rcond=1e-10)[0]
    explained = np.einsum("fm,fm->m", coefficients, both) / np.where(squares > 0, squares, 1)
    coefficients[0] += column
    for first in range(0, len(matrix), _BLOCK_REGIONS):
        block = slice(first, first + _BLOCK_REGIONS)
        matrix[block] = (matrix[block].astype(np.float64) - design[block] @ coefficients).astype(matrix.dtype)
    return {
        "features": list(FEATURES),
        "mean": mean.tolist(),
        "sd": sd.tolist(),
        "coefficients": np.round(coefficients.T, 6).tolist(),
        "explained": np.round(explained, 4).tolist(),
    }
