"""The common form of all count matrices: entries that come in blocks."""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError

# Small enough to stay in the processor's cache on the way from parser to sum.
BLOCK_ENTRIES = 1 << 17
BLOCK_BYTES = 1 << 23
# Peak index, cell index, count: three arrays of equal length.
Block = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class CountMatrix:
    """A peaks x cells matrix of counts, read in blocks."""

    where: str  # the file, for messages
    regions: pd.DataFrame  # columns chrom, start, end; one row a peak, in matrix order
    cell_types: pd.Series  # of str, one for each cell in matrix order; None where the table of cells names none
    n_entries: int  # stored entries in all blocks
    blocks: Callable[[], Iterator[Block]]
    stated: Sequence[str] = ()  # names of the genome build as the file states them


def _send(pieces: Iterator[bytes], pipe: Connection) -> None:
    try:
        for piece in pieces:
            pipe.send_bytes(piece)
        pipe.send_bytes(b"")
    except BrokenPipeError:
        return  # nobody wants the rest
    except Exception as error:  # raised again where the pieces are read
        pipe.send_bytes(b"")
        pipe.send(error)
    else:
        pipe.send(None)


def read_ahead(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces (none may be empty), each made in another process while the one before is worked on.

    Unpacking gzip data and parsing text take about as long as each other. A thread does not help: the parser keeps the
    interpreter to itself (3x10^8 entries took 33 s with one and 35 s without).
    """
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(pieces, sending), daemon=True)
    process.start()
    sending.close()
    try:
        while piece := receiving.recv_bytes():
            yield piece
        if (error := receiving.recv()) is not None:
            raise error
    except EOFError as error:
        process.join(1)  # the pipe ends a little before the process
        if process.exitcode:
            raise OSError(f"the process that unpacks the file ended with status {process.exitcode}") from error
        raise
    finally:
        receiving.close()
        process.terminate()
        process.join()


@contextlib.contextmanager
def read_by_library(path: str | Path, kind: str) -> Iterator[None]:
    """Say in one sentence that a file cannot be read, whatever the library that reads it inside the block raises.

    Damage shows in any call, early or late, and libraries raise of it what comes: OSError, KeyError, TypeError ...
    `kind` says what the file should be, ``AnnData file``.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()).strip(" -") or type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason}); fetch the file again, or is it no {kind}?") from error


def check_compressed(where: str | Path, n_major: int, indptr: np.ndarray, indices, data) -> None:
    """Refuse a compressed sparse matrix whose pointers, indices and values do not belong together.

    `indices` and `data` may lie on disk. Whether indices lie in the matrix shows when they are read.
    """
    kinds = {"pointers": (indptr, "iu"), "indices": (indices, "iu"), "values": (data, "iufb")}
    for what, (values, allowed) in kinds.items():
        if values.dtype.kind not in allowed or len(values.shape) != 1:
            found = f"of type {values.dtype} and shape {values.shape}"
            raise InputError(f"{where}: its {what} are {found}; expected one row of numbers; the file is damaged")
    pointers = indptr.astype(np.int64)
    if len(pointers) != n_major + 1:
        found = f"it has {len(pointers)} row pointers; expected {n_major + 1}"
    elif pointers[0] != 0:
        found = f"its row pointers begin at {pointers[0]}; expected 0"
    elif (pointers[1:] < pointers[:-1]).any():
        row = int(np.argmax(pointers[1:] < pointers[:-1]))
        found = f"its row pointers fall from {pointers[row]} to {pointers[row + 1]}"
    elif pointers[-1] != len(indices):
        found = f"its row pointers end at {pointers[-1]}, but it holds {len(indices)} entries"
    elif len(indices) != len(data):
        found = f"it holds {len(indices)} indices, but {len(data)} values"
    else:
        return
    raise InputError(f"{where}: {found}; the file is damaged")


def compressed_blocks(indptr: np.ndarray, indices, data) -> Iterator[Block]:
    """Yield (index within, major index, value) of a compressed sparse matrix, at least one major row a block.

    `indices` and `data` are only sliced, so that they may lie on disk.
    """
    indptr = indptr.astype(np.int64)
    low, last = 0, len(indptr) - 1
    while low < last:
        high = int(np.searchsorted(indptr, indptr[low] + BLOCK_ENTRIES, side="right")) - 1
        high = max(high, low + 1)
        a, b = int(indptr[low]), int(indptr[high])
        if b > a:
            major = np.repeat(np.arange(low, high), np.diff(indptr[low : high + 1]))
            yield np.asarray(indices[a:b], np.int64), major, data[a:b]
        low = high
