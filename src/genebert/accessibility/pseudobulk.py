"""Counts summed over the cells of each type, and their binarisation."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from genebert.accessibility.blocks import Block, CountMatrix
from genebert.accessibility.repeats import OutOfOrder, ways_without_repeats
from genebert.errors import InputError
from genebert.genome.builds import past_end
from genebert.genome.intervals import check_unique, merge_overlapping

logger = logging.getLogger(__name__)
PROGRESS_SECONDS = 20


@dataclass(frozen=True)
class PseudoBulk:
    """Counts summed over the cells of each type."""

    regions: pd.DataFrame  # columns chrom, start, end
    types: list[str]  # sorted
    counts: np.ndarray  # int64 [n_types, n_regions]; for BED input the number of the type's peaks in the region
    n_cells: np.ndarray | None = None  # int64 [n_types]; None: the input has no cells
    detected: np.ndarray | None = None  # int64 [n_types, n_regions], cells with a count; None: not asked for
    dropped_types: dict[str, int] = field(default_factory=dict)  # those with too few cells, and how many they have
    untyped_cells: int = 0  # cells without a type, which are left out


def _as_counts(values: np.ndarray, where: str) -> np.ndarray:
    """Return `values` as int64; refuse those that are negative, not finite or not whole."""
    with np.errstate(invalid="ignore"):
        counts = values.astype(np.int64)
    if (counts.size and counts.min() < 0) or (counts != values).any():
        value = values[(counts != values) | (counts < 0)][0]
        what = "is not finite" if not np.isfinite(value) else "is negative" if value < 0 else "is not a whole number"
        raise InputError(f"{where}: holds the value {value:g}, which {what}; expected raw counts (0, 1, 2 ...)")
    return counts


def _checked(matrix: CountMatrix, n_cells: int) -> Iterator[Block]:
    """Yield the blocks of a matrix with counts as int64; refuse entries outside the matrix. Progress is logged."""
    n_regions, where = len(matrix.regions), matrix.where
    began = told = time.monotonic()
    done = 0
    for peaks, cells, values in matrix.blocks():
        for indices, size in ((peaks, n_regions), (cells, n_cells)):
            if len(indices) and (indices.max() >= size or indices.min() < 0):
                wrong = int(np.argmax((indices >= size) | (indices < 0)))
                raise InputError(
                    f"{where}: holds an entry at peak {int(peaks[wrong]) + 1}, cell {int(cells[wrong]) + 1}; expected "
                    f"1 to {n_regions} and 1 to {n_cells}; the file is damaged"
                )
        yield peaks, cells, _as_counts(values, where)
        done += len(peaks)
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            rate = done / (told - began)
            logger.info(
                "%s: %s of %s entries summed, %.1f million/s, %.0f s left",
                where, f"{done:,}", f"{matrix.n_entries:,}", rate / 1e6, (matrix.n_entries - done) / rate,
            )  # fmt: skip


def _add_up(
    blocks: Iterator[Block], row: np.ndarray, size: int, *, detected: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return sums (int64 [size]) of all entries, whose place is `row` of the cell + peak, and their number above 0."""
    sums = np.zeros(size, dtype=np.int64)
    cells_with = np.zeros_like(sums) if detected else None
    for peaks, cells, counts in blocks:
        key = row[cells]
        key += peaks
        np.add.at(sums, key, counts)
        if detected:
            np.add.at(cells_with, key, (counts > 0).astype(np.int64))
    return sums, cells_with


def sum_by_cell_type(
    matrix: CountMatrix, codes: np.ndarray, n_types: int, *, detected: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Sum a peaks x cells matrix, whose entries may come more than once, over the cells of each type.

    Parameters
    ----------
    codes : int [n_cells]
        Type of each cell, -1 for cells to be left out.

    Returns
    -------
    int64 [n_types, n_regions]
        Summed counts.
    int64 [n_types, n_regions] or None
        Cells with a count above zero, if `detected`; entries of one peak and cell are summed first.

    Raises
    ------
    InputError
        A count is negative, not finite or not whole; an entry lies outside the matrix.
    """
    shape = (n_types + 1, len(matrix.regions))
    # One row more than types takes the cells that are left out: cheaper than a mask, and np.add.at on flat integer
    # keys works in place, at a few ns an entry, whatever the order of the entries.
    row = np.where(codes < 0, n_types, codes).astype(np.int64) * shape[1]
    blocks = partial(_checked, matrix, len(row))
    if not detected:
        return _add_up(blocks(), row, math.prod(shape), detected=False)[0].reshape(shape)[:-1], None
    for without_repeats in ways_without_repeats(matrix.n_entries):
        try:
            sums, cells_with = _add_up(without_repeats(blocks), row, math.prod(shape), detected=True)
        except OutOfOrder:
            continue
        break
    return sums.reshape(shape)[:-1], cells_with.reshape(shape)[:-1]


def pseudobulk_from_matrix(matrix: CountMatrix, min_cells: int = 1, *, detected: bool = False) -> PseudoBulk:
    """Sum `matrix` over the cells of each type that has at least `min_cells` cells; refuse one without such a type."""
    check_unique(matrix.regions, matrix.where)
    sizes = matrix.cell_types.value_counts()
    types = sorted(sizes.index[sizes >= min_cells])
    dropped = {name: int(sizes[name]) for name in sorted(sizes.index[sizes < min_cells])}
    if not types:
        raise InputError(
            f"{matrix.where}: no cell type has {min_cells} cells or more"
            + (f"; the largest is {sizes.index[0]!r} with {sizes.iloc[0]}" if len(sizes) else "; no cell has a type")
        )
    codes = pd.Index(types).get_indexer(matrix.cell_types)
    sums, cells_with = sum_by_cell_type(matrix, codes, len(types), detected=detected)
    return PseudoBulk(
        matrix.regions, types, sums, sizes[types].to_numpy(), cells_with, dropped, int(matrix.cell_types.isna().sum())
    )


def pseudobulk_from_beds(peaks: dict[str, pd.DataFrame], lengths: dict[str, int]) -> PseudoBulk:
    """Merge the peaks of all types into union regions, and count each type's peaks in them.

    Peaks that share at least one base are merged, also in chains and across types; book-ended peaks are not. Those that
    end beyond their chromosome (bases by name in `lengths`) are merged among themselves: they will be dropped, and
    would take with them what lies inside.
    """
    types = sorted(peaks)
    every = pd.concat([peaks[name] for name in types])
    over = past_end(every, lengths) > 0
    (inside, group_inside), (beyond, group_beyond) = (merge_overlapping(every[some]) for some in (~over, over))
    regions, group = pd.concat([inside, beyond], ignore_index=True), np.empty(len(every), dtype=np.int64)
    group[~over], group[over] = group_inside, group_beyond + len(inside)
    owner = np.repeat(np.arange(len(types)), [len(peaks[name]) for name in types])
    counts = np.bincount(owner * len(regions) + group, minlength=len(types) * len(regions))
    return PseudoBulk(regions, types, counts.reshape(len(types), len(regions)))


def binarise(bulk: PseudoBulk, min_fraction: float | None = None) -> np.ndarray:
    """Return which regions are accessible in which type (bool [n_types, n_regions]).

    ``None``: summed count > 0. Else: at least this share of the type's cells has a count.
    """
    if min_fraction is None:
        return bulk.counts > 0
    # The smallest whole number of cells that reaches the share; at least one, so that absence is never accessible.
    needed = np.maximum(np.ceil(np.round(min_fraction * bulk.n_cells, 9)), 1)
    return bulk.detected >= needed[:, None]
