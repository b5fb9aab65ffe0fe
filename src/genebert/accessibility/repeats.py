"""Entries of one (peak, cell) that a matrix holds more than once: summed, so that they count as one cell.

Nothing but the cells with a count depends on it. No set of pairs is kept: in files of the usual order the repeated
entries stand side by side, and other files are read several times, a part of their cells each time.
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from genebert.accessibility.blocks import Block

logger = logging.getLogger(__name__)
PEAK, CELL = 0, 1  # places in a block
PART_ENTRIES = 1 << 25  # about 2 GB while they are sorted


class OutOfOrder(Exception):
    """The entries do not come in the order that was tried."""


def summed(block: Block, major: int) -> Block:
    """Return the block with repeated entries summed, sorted by its column `major` (PEAK or CELL), then by the other."""
    minor = block[1 - major]
    key = block[major].astype(np.int64) * (int(minor.max(initial=0)) + 1) + minor
    if (key[1:] > key[:-1]).all():
        return block
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.concatenate([[True], key[1:] > key[:-1]]))
    peaks, cells, counts = (column[order] for column in block)
    return peaks[first], cells[first], np.add.reduceat(counts, first)


def _in_order(major: int, blocks: Callable[[], Iterator[Block]]) -> Iterator[Block]:
    """Yield the entries, summed, of a matrix whose column `major` never falls; the last row is carried on."""
    rest: Block | None = None
    for block in blocks():
        if not len(block[major]):
            continue
        joined = block if rest is None else tuple(map(np.concatenate, zip(rest, block, strict=True)))
        column = joined[major]
        if (column[1:] < column[:-1]).any():
            raise OutOfOrder
        last = int(np.searchsorted(column, column[-1]))
        rest = tuple(values[last:] for values in joined)
        if last:
            yield summed(tuple(values[:last] for values in joined), major)
    if rest is not None:
        yield summed(rest, major)


def _in_parts(n_entries: int, blocks: Callable[[], Iterator[Block]]) -> Iterator[Block]:
    """Yield the entries, summed, of a matrix in any order: every part of its cells is one reading of the file."""
    parts = max(1, -(-n_entries // PART_ENTRIES))
    logger.info("the entries are sorted neither by cell nor by peak: read once more, %d times", parts)
    for part in range(parts):
        found = []
        for block in blocks():
            mask = block[CELL] % parts == part
            found.append(tuple(values[mask] for values in block))
        if found:
            yield summed(tuple(map(np.concatenate, zip(*found, strict=True))), CELL)


def ways_without_repeats(n_entries: int) -> tuple[Callable[[Callable[[], Iterator[Block]]], Iterator[Block]], ...]:
    """Return functions that yield blocks without repeated entries, to be tried in turn until none is `OutOfOrder`."""
    return partial(_in_order, CELL), partial(_in_order, PEAK), partial(_in_parts, n_entries)
