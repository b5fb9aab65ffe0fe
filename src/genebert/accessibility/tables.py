"""Text tables of the accessibility stage: BED files, peak lists, cell metadata."""

import csv
import difflib
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from genebert.chromosomes import normalise_chromosome
from genebert.errors import InputError
from genebert.files import open_plain_or_gzip
from genebert.genome import parse_region_names

# What R, pandas and people write for "no value" in a column of strings.
MISSING = ("", "NA", "NaN", "nan")


@contextmanager
def open_bytes(path: str | Path) -> Iterator[BinaryIO]:
    """Open a plain or gzip file for reading bytes; which of the two is told by its first bytes, not by its name.

    Raises
    ------
    InputError
        The file does not exist or cannot be read, also when that shows only later, inside the block: gzip data that
        are cut short or damaged.
    """
    try:
        with open_plain_or_gzip(path) as handle:
            yield handle
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: gzip data cut short or damaged ({error}); fetch the file again") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _header_lines(handle: BinaryIO) -> tuple[int, bytes]:
    """Return how many lines come before the first line of data (blank, comment, track lines), and that line."""
    count = 0
    for line in handle:
        if line.strip() and not line.startswith((b"#", b"track", b"browser")):
            return count, line
        count += 1
    return count, b""


def read_bed(path: str | Path) -> pd.DataFrame:
    """Read the first three columns of a BED file, plain or gzip.

    Returns
    -------
    DataFrame
        Columns chrom (normalised), start, end (int64), in the order of the file.

    Raises
    ------
    InputError
        No region, fewer than three columns, a coordinate that is not a whole number, gzip data cut short.
    """
    with open_bytes(path) as handle:
        skip, first = _header_lines(handle)
    if not first:
        raise InputError(f"{path}: holds no region; expected lines of chrom, start and end")
    if len(first.split()) < 3:
        raise InputError(f"{path}: line {skip + 1} has {len(first.split())} columns; expected chrom, start and end")
    with open_bytes(path) as handle:
        table = pd.read_csv(
            handle, sep=r"\s+", header=None, names=["chrom", "start", "end"], usecols=[0, 1, 2], skiprows=skip,
            comment="#", quoting=csv.QUOTE_NONE, dtype=str, keep_default_na=False, na_values=[],
        )  # fmt: skip
    coordinates = {}
    for column in ("start", "end"):
        numbers = pd.to_numeric(table[column], errors="coerce")
        bad = numbers.isna() | (numbers % 1 != 0)
        if bad.any():
            row = table[bad].iloc[0]
            raise InputError(
                f"{path}: region {' '.join(str(value) for value in row)!r} has {column} {row[column]!r}; "
                "expected whole numbers as start and end"
            )
        coordinates[column] = numbers.to_numpy(np.int64)
    names = {name: normalise_chromosome(name) for name in table["chrom"].unique()}
    return pd.DataFrame({"chrom": table["chrom"].map(names), **coordinates})


def read_peaks(path: str | Path) -> pd.DataFrame:
    """Read the peaks of a Matrix Market file: BED, or one name such as ``chr1-752336-752980`` a line.

    Returns
    -------
    DataFrame
        Columns chrom (normalised), start, end (int64), in the order of the file.

    Raises
    ------
    InputError
        As :func:`read_bed`; or a name of another form.
    """
    with open_bytes(path) as handle:
        _, first = _header_lines(handle)
    if len(first.split()) != 1:
        return read_bed(path)
    with open_bytes(path) as handle:
        names = [line.strip() for line in handle.read().decode().splitlines()]
    return parse_region_names([name for name in names if name and not name.startswith("#")], str(path))


def read_cells(path: str | Path) -> pd.DataFrame:
    """Read a table of cells with a header (comma-separated if named ``.csv``, else tab-separated), as strings.

    Row names written by R's ``write.table``, for which the header has no field, become the first column, ``cell``.

    Raises
    ------
    InputError
        No row, or rows of different length.
    """
    separator = "," if ".csv" in Path(path).suffixes else "\t"
    with open_bytes(path) as handle:
        try:
            table = pd.read_csv(handle, sep=separator, dtype=str, keep_default_na=False)
        except pd.errors.EmptyDataError as error:
            raise InputError(f"{path}: empty; expected a table of cells with a header line") from error
        except (pd.errors.ParserError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not a table of cells ({str(error).strip()})") from error
    if not isinstance(table.index, pd.RangeIndex):
        table = table.rename_axis("row.names" if "cell" in table.columns else "cell").reset_index()
    if table.empty:
        raise InputError(f"{path}: has a header but no row; expected one row a cell")
    return table


def require_column(columns: list[str], name: str, where: str) -> None:
    """Check that a table of cells has the column `name`.

    Raises
    ------
    InputError
        It has not; the sentence names the nearest columns.
    """
    if name in columns:
        return
    lower = {str(column).lower(): str(column) for column in columns}
    near = [lower[match] for match in difflib.get_close_matches(name.lower(), list(lower), n=3, cutoff=0.5)]
    raise InputError(
        f"{where}: no column {name!r} to group cells by"
        + (f"; nearest: {', '.join(near)}" if near else "")
        + f"; its columns are {', '.join(map(str, columns))}"
    )


def align_cells(cells: pd.DataFrame, key: str, names: list[str], where: str, matrix: str) -> pd.DataFrame:
    """Return the rows of `cells` in the order of the matrix' cell `names`, looked up in column `key`.

    Rows for cells that the matrix lacks are left out. `where` and `matrix` name the two files in messages.

    Raises
    ------
    InputError
        A cell of the matrix is missing from the table, or is in it more than once.
    """
    index, wanted = pd.Index(cells[key], dtype=object), pd.Index(names, dtype=object)
    repeated = index.duplicated()
    twice = index[repeated].intersection(wanted)
    if len(twice):
        raise InputError(f"{where}: cell {twice[0]!r} has more than one row (column {key!r}); expected one a cell")
    rows = np.flatnonzero(~repeated)[index[~repeated].get_indexer(wanted)]
    missing = ~wanted.isin(index)
    if missing.any():
        raise InputError(
            f"{where}: {int(missing.sum())} of the {len(wanted)} cells of {matrix} are missing from its column "
            f"{key!r}, the first is {wanted[missing][0]!r}; expected a row for every cell"
        )
    return cells.iloc[rows].reset_index(drop=True)


def as_types(values: pd.Series) -> pd.Series:
    """Return cell-type names as strings (object dtype), ``None`` where the cell has none."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        labels = as_types(pd.Series(values.cat.categories)).tolist()
        return pd.Series(np.array([*labels, None], dtype=object)[values.cat.codes], dtype=object)
    missing = values.isna().to_numpy()
    # Cluster numbers of a column with gaps are floats: 3.0 is type "3".
    if pd.api.types.is_float_dtype(values.dtype) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    names = values.astype(str).str.strip().to_numpy(dtype=object)
    names[missing | np.isin(names.astype(str), MISSING)] = None
    return pd.Series(names, dtype=object)
