"""The common form of all count matrices: entries that come in blocks."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

# Small enough to stay in the processor's cache on the way from parser to sum.
BLOCK_ENTRIES = 1 << 17
BLOCK_BYTES = 1 << 23

Block = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class CountMatrix:
    """A peaks x cells matrix of counts, read in blocks.

    Attributes
    ----------
    where : str
        The file, for messages.
    regions : DataFrame
        Columns chrom, start, end; one row a peak, in matrix order.
    cell_types : Series of str
        The type of each cell in matrix order; ``None`` where the table of cells names none.
    n_entries : int
        Stored entries in all blocks.
    blocks : callable
        Returns an iterator of (peak index, cell index, count), three arrays of equal length.
    stated : list of str
        Names of the genome build as the file states them.
    """

    where: str
    regions: pd.DataFrame
    cell_types: pd.Series
    n_entries: int
    blocks: Callable[[], Iterator[Block]]
    stated: list[str] = field(default_factory=list)


def read_ahead(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces, each made in a second thread while the one before is worked on.

    Unpacking gzip data leaves the interpreter free: 3x10^8 entries took 35 s to unpack and sum one after the other.
    """
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, pieces, None)
        while (piece := coming.result()) is not None:
            coming = pool.submit(next, pieces, None)
            yield piece


def compressed_blocks(indptr: np.ndarray, indices, data, entries: int = BLOCK_ENTRIES) -> Iterator[Block]:
    """Yield (index within, major index, value) of a compressed sparse matrix, at least one major row a block.

    `indices` and `data` are only sliced, so that they may lie on disk.
    """
    low, last = 0, len(indptr) - 1
    while low < last:
        high = int(np.searchsorted(indptr, indptr[low] + entries, side="right")) - 1
        high = min(max(high, low + 1), last)
        a, b = int(indptr[low]), int(indptr[high])
        if b > a:
            major = np.repeat(np.arange(low, high), np.diff(indptr[low : high + 1]))
            yield indices[a:b], major, data[a:b]
        low = high
