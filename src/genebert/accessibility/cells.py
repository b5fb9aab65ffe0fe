"""Tables of cells: their types, and their order in the matrix."""

import csv
import difflib
import io
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import read_lines

logger = logging.getLogger(__name__)

# What R, pandas, spreadsheets and people write for "no value", in small letters.
MISSING = frozenset({"", "na", "nan", "none", "null", "<na>", "n/a", "#n/a", "nat"})
# Quoted as usual, quoted as R's write.table does ("3\\" end"), not at all. For csv.reader and pandas alike.
_QUOTINGS = ({}, {"escapechar": "\\"}, {"quoting": csv.QUOTE_NONE})


def _field_counts(lines: pd.Series, separator: str, quoting: dict) -> np.ndarray | None:
    """Return how many fields each line has, read alone; ``None`` where quotes are not in pairs round whole fields."""
    try:
        rows = (next(csv.reader([line], delimiter=separator, strict=True, **quoting)) for line in lines)
        return np.array([len(row) for row in rows])
    except csv.Error:
        return None


def read_cells(path: str | Path) -> pd.DataFrame:
    """Read a table of cells with a header (comma-separated if named ``.csv``, else tab-separated), as strings.

    Quotes are letters, unless those of every line are in pairs round whole fields. Row names written by R's
    ``write.table``, for which the header has no field, become the first column, ``cell``.
    """
    separator = "," if ".csv" in Path(path).suffixes else "\t"
    lines = pd.Series(read_lines(path), dtype=object)
    lines = lines[lines.str.strip(" ") != ""]
    if len(lines) < 2:
        found = "has a header but no row" if len(lines) else "empty"
        raise InputError(f"{path}: {found}; expected a table of cells, a header and one row a cell")
    for quoting in _QUOTINGS:
        if (counts := _field_counts(lines, separator, quoting)) is not None:
            break
    expected = counts[0] + 1 if (counts[1:] == counts[0] + 1).all() else counts[0]
    wrong = counts[1:] != expected
    if wrong.any():
        row = int(np.argmax(wrong)) + 1
        found = f"line {lines.index[row] + 1} has {counts[row]} fields"
        raise InputError(f"{path}: {found}, expected {expected} as in the header, and no field over several lines")
    table = pd.read_csv(io.StringIO("\n".join(lines)), sep=separator, dtype=str, keep_default_na=False, **quoting)
    if not isinstance(table.index, pd.RangeIndex):
        table = table.rename_axis("row.names" if "cell" in table.columns else "cell").reset_index()
    return table


def read_barcodes(path: str | Path) -> list[str]:
    """Return the names of a matrix' cells, the first column of a file without a header (10x' ``barcodes.tsv.gz``)."""
    return [line.split("\t")[0].strip() for line in read_lines(path) if line.strip()]


def require_column(columns: list[str], name: str, where: str) -> None:
    """Refuse a table of cells without the column `name`; the sentence names the nearest columns."""
    if name in columns:
        return
    lower = {str(column).lower(): str(column) for column in columns}
    near = [lower[match] for match in difflib.get_close_matches(name.lower(), list(lower), cutoff=0.5)]
    raise InputError(
        f"{where}: no column {name!r} to group cells by"
        + (f"; nearest: {', '.join(near)}" if near else "")
        + f"; its columns are {', '.join(map(str, columns))}"
    )


def cell_column(table: pd.DataFrame) -> str:
    """Return the column of a table that holds the names of cells: ``cell``, or the first."""
    return "cell" if "cell" in table.columns else table.columns[0]


def align_cells(cells: pd.DataFrame, key: str, names: list[str], where: str, matrix: str) -> pd.DataFrame:
    """Return the rows of `cells` in the order of the matrix' cell `names`, looked up in column `key`.

    Rows for cells that the matrix lacks are left out, and counted in the log; cells that the table lacks, or that
    either has more than once, are refused. `where` and `matrix` name the two files in messages.
    """
    repeated, wanted = cells[key].duplicated(), pd.Index(names)
    if not wanted.is_unique:
        name = wanted[wanted.duplicated()][0]
        raise InputError(f"{matrix}: cell {name!r} comes more than once; expected names that tell its cells apart")
    twice = cells[key][repeated & cells[key].isin(wanted)]
    if len(twice):
        raise InputError(f"{where}: cell {twice.iloc[0]!r} has more than one row (column {key!r}); expected one a cell")
    cells = cells[~repeated]
    rows = pd.Index(cells[key]).get_indexer(wanted)
    missing = rows < 0
    if missing.any():
        raise InputError(
            f"{where}: {int(missing.sum())} of the {len(wanted)} cells of {matrix} are missing from its column "
            f"{key!r}, the first is {wanted[missing][0]!r}; expected a row for every cell"
        )
    if len(cells) > len(wanted):
        logger.info("%s: %d rows left out, for cells that %s lacks", where, len(cells) - len(wanted), matrix)
    return cells.iloc[rows]


def _type_name(label) -> str | None:
    if isinstance(label, bytes):
        label = label.decode(errors="replace")
    # Cluster numbers of a column with gaps are floats: 3.0 is type "3".
    if isinstance(label, float | np.floating) and float(label).is_integer():
        label = int(label)
    name = str(label).strip()
    return None if name.casefold() in MISSING else name


def as_types(values: pd.Series) -> pd.Series:
    """Return cell-type names (object dtype): labels of any kind as text in full, ``None`` where a cell has none."""
    codes, labels = pd.factorize(values)
    # The code of a missing value, -1, takes the last.
    names = np.array([*map(_type_name, np.asarray(labels)), None])
    return pd.Series(names[codes], dtype=object)
