"""Tables of cells: their types, and their order in the matrix."""

import difflib
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import open_bytes

# What R, pandas and people write for "no value" in a column of strings.
MISSING = ("", "NA", "NaN", "nan")


def read_cells(path: str | Path) -> pd.DataFrame:
    """Read a table of cells with a header (comma-separated if named ``.csv``, else tab-separated), as strings.

    Row names written by R's ``write.table``, for which the header has no field, become the first column, ``cell``.
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
    """Refuse a table of cells without the column `name`; the sentence names the nearest columns."""
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

    Rows for cells that the matrix lacks are left out; cells that the table lacks, or has more than once, are refused.
    `where` and `matrix` name the two files in messages.
    """
    repeated, wanted = cells[key].duplicated(), pd.Index(names, dtype=object)
    twice = cells[key][repeated & cells[key].isin(wanted)]
    if len(twice):
        raise InputError(f"{where}: cell {twice.iloc[0]!r} has more than one row (column {key!r}); expected one a cell")
    cells = cells[~repeated]
    rows = pd.Index(cells[key], dtype=object).get_indexer(wanted)
    missing = rows < 0
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
