"""Windows of one length: cut from the genome, shuffled, or matched in GC content elsewhere in the genome."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.bases import N_CODE
from genebert.genome.fasta import Genome
from genebert.genome.intervals import overlapping

# Streams of random numbers of a seed, beside those of the task that draws its windows here.
SHUFFLE, GENOMIC = 3, 4


def window_codes(genome: Genome, windows: pd.DataFrame, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Fetch windows of one length.

    Returns
    -------
    codes : uint8 [n, length]
        N where the window leaves its chromosome.
    inside : bool [n]
        It does not.
    """
    codes = np.full((len(windows), length), N_CODE, dtype=np.uint8)
    inside = np.zeros(len(windows), dtype=bool)
    starts = windows["start"].to_numpy()
    for chrom, rows in windows.groupby("chrom").indices.items():
        whole = genome.codes(chrom)
        inside[rows] = (starts[rows] >= 0) & (starts[rows] + length <= len(whole))
        rows = rows[inside[rows]]
        codes[rows] = whole[starts[rows, None] + np.arange(length)]
    return codes, inside


def shuffle_dinucleotides(codes: np.ndarray, seed: int) -> np.ndarray:
    """Shuffle sequences (uint8 [n, length], no N) so that each keeps its dinucleotide counts, first and last base.

    The result is a function of the set of sequences and the seed: the order of the sequences does not matter.
    """
    from dinuc_shuf import shuffle

    order = np.lexsort(codes.T[::-1])
    one_hot = np.eye(N_CODE, dtype=np.uint8)[codes[order]]
    shuffled = np.empty_like(codes)
    shuffled[order] = shuffle(one_hot, np.random.default_rng([seed, SHUFFLE])).argmax(axis=2)
    return shuffled


def gc_counts(codes: np.ndarray) -> np.ndarray:
    """Return how many bases of each window (uint8 [n, length]) are G or C (int64 [n])."""
    return np.count_nonzero((codes == 1) | (codes == 2), axis=1)


def gc_cpg_counts(codes: np.ndarray) -> np.ndarray:
    """Return how many bases of each window (uint8 [n, length]) are G or C, and how many CpG it has (int64 [n, 2])."""
    return np.column_stack([gc_counts(codes), np.count_nonzero((codes[:, :-1] == 1) & (codes[:, 1:] == 2), axis=1)])


def _around(distance: int) -> list[tuple[int, int]]:
    """Return the pairs of whole numbers whose absolute values have that sum."""
    return [(i, j) for i in range(-distance, distance + 1) for j in {distance - abs(i), abs(i) - distance}]


def match_pairs(wanted: np.ndarray, available: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose for every pair of counts an item with that pair, else with the nearest one left; no item twice.

    Parameters
    ----------
    wanted : int64 [n, 2]
    available : int64 [m, 2], m >= n

    Returns
    -------
    int64 [n]
        Positions in `available`; chance decides among items of equal counts. Near is the sum of both differences.
    """
    left: dict[tuple[int, int], list[int]] = {}
    order = rng.permutation(len(available))
    for item, pair in zip(order.tolist(), map(tuple, available[order].tolist()), strict=True):
        left.setdefault(pair, []).append(item)
    need: dict[tuple[int, int], list[int]] = {}
    for i, pair in enumerate(wanted.tolist()):
        need.setdefault(tuple(pair), []).append(i)
    chosen, distance = np.full(len(wanted), -1), 0
    while any(need.values()):
        steps = _around(distance)
        for (first, second), open_ones in need.items():
            for i, j in steps:
                items = left.get((first + i, second + j), [])
                while open_ones and items:
                    chosen[open_ones.pop()] = items.pop()
        distance += 1
    return chosen


def match_counts(wanted: np.ndarray, available: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose for every wanted count an item with that count, else with the nearest one left; no item twice.

    Parameters
    ----------
    wanted : int64 [n]
    available : int64 [m], m >= n

    Returns
    -------
    int64 [n]
        Positions in `available`; chance decides among items of equal count.
    """
    order = rng.permutation(len(available))
    order = order[np.argsort(available[order], kind="stable")]
    top = int(max(wanted.max(initial=0), available.max(initial=0)))
    left = np.split(order, np.cumsum(np.bincount(available, minlength=top + 1))[:-1])
    need = {count: np.flatnonzero(wanted == count) for count in np.unique(wanted).tolist()}
    chosen = np.full(len(wanted), -1)
    for distance in range(top + 1):
        for count in need:
            for near in {count - distance, count + distance} & set(range(top + 1)):
                taken = min(len(need[count]), len(left[near]))
                chosen[need[count][:taken]] = left[near][:taken]
                need[count], left[near] = need[count][taken:], left[near][taken:]
    return chosen


def genomic_windows(
    genome: Genome,
    windows: pd.DataFrame,
    counts: np.ndarray,
    taken: pd.DataFrame,
    length: int,
    seed: int,
    count: Callable[[np.ndarray], np.ndarray] = gc_counts,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Find for every window one of the same chromosome with the same counts of bases, without N, outside `taken`.

    They come from a grid of adjoining windows whose origin is random, so that no two of them overlap.

    Parameters
    ----------
    windows : DataFrame
        Column chrom.
    counts : int64 [n] or [n, 2]
        What `count` gives of each of `windows`.
    taken : DataFrame
        Columns chrom, start, end.
    count : callable
        :func:`gc_counts`, or :func:`gc_cpg_counts` for windows of equal GC and CpG.

    Returns
    -------
    DataFrame
        Columns chrom, start, end, in the order of `windows`.
    codes : uint8 [n, length]

    Raises
    ------
    InputError
        A chromosome has fewer such windows than are wanted.
    """
    rng = np.random.default_rng([seed, GENOMIC])
    start = np.zeros(len(windows), dtype=np.int64)
    codes = np.empty((len(windows), length), dtype=np.uint8)
    for chrom, rows in sorted(windows.groupby("chrom").indices.items()):
        whole = genome.codes(chrom)
        origin = int(rng.integers(length))
        number = max(0, (len(whole) - origin) // length)
        grid = whole[origin : origin + number * length].reshape(number, length)
        begin = origin + length * np.arange(number)
        free = ~overlapping(pd.DataFrame({"chrom": chrom, "start": begin, "end": begin + length}), taken)
        free = np.flatnonzero(free & (grid < N_CODE).all(axis=1))
        if len(free) < len(rows):
            raise InputError(
                f"{genome.path}: {chrom} has {len(free)} windows of {length} bases without N outside what is taken, "
                f"expected at least {len(rows)}, one for each positive"
            )
        match = match_counts if counts.ndim == 1 else match_pairs
        chosen = free[match(counts[rows], count(grid[free]), rng)]
        start[rows], codes[rows] = begin[chosen], grid[chosen]
    return pd.DataFrame({"chrom": windows["chrom"].to_numpy(), "start": start, "end": start + length}), codes
