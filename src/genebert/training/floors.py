"""What masked genome modelling reaches without learning anything but frequencies."""

import numpy as np

from genebert.genome import RegionSequences
from genebert.kmers import SPECIALS, kmer_ids

_BLOCK_REGIONS = 1 << 14


def kmer_counts(sequences: RegionSequences, regions: np.ndarray, k: int) -> np.ndarray:
    """Return how often each k-mer without N occurs in the given regions: int64 [4^k], in the vocabulary's order."""
    wanted = np.zeros(len(sequences), dtype=bool)
    wanted[regions] = True
    counts = np.zeros(4**k, dtype=np.int64)
    for first in range(0, len(sequences), _BLOCK_REGIONS):
        offsets = sequences.offsets[first : first + _BLOCK_REGIONS + 1]
        codes = np.asarray(sequences.codes[offsets[0] : offsets[-1]])
        if len(codes) < k:
            continue
        used = np.repeat(wanted[first : first + _BLOCK_REGIONS], np.diff(offsets))
        # the last k - 1 bases of a region begin no k-mer of it
        ends = (offsets[1:] - offsets[0])[:, None] - np.arange(1, k)
        used[ends[ends >= 0]] = False
        ids = kmer_ids(codes, k, np.int16)[used[: len(codes) - k + 1]]
        counts += np.bincount(ids[ids >= len(SPECIALS)].astype(np.int64) - len(SPECIALS), minlength=4**k)
    return counts


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def mgm_floors(counts: np.ndarray) -> dict[str, float]:
    """Return cross-entropies (nats) of guessing a k-mer from frequencies alone.

    Parameters
    ----------
    counts : int64 [4^k]

    Returns
    -------
    dict of str to float
        ``base frequencies``: letters independent; ``base trigrams``: each letter from the two before it; ``k-mer
        frequencies``: the k-mer as a whole (for k = 3 the same).
    """
    k = round(np.log2(len(counts)) / 2)
    table = counts.reshape((4,) * k)
    one, two, three = (_entropy(table.sum(axis=tuple(range(n, k)))) for n in (1, 2, 3))
    floors = {"base frequencies": k * one, "k-mer frequencies": _entropy(counts)}
    if k > 3:
        floors["base trigrams"] = three + (k - 3) * (three - two)
    return {name: round(value, 4) for name, value in floors.items()}
