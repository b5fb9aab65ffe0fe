"""Tables separated by tabs, as text; and the sentence for the first line of a table that is wrong."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import read_lines


def refuse(
    wrong: np.ndarray | pd.Series, found: pd.Series, where: str | Path, what: str, expected: str, *, quoted: bool = True
) -> None:
    """Raise an error that names the first line where `wrong` (bool [n]) is true, if there is one.

    The line's number is the index of `found` (Series [n], what the lines hold); `what` of the line is wrong. Of tables
    of people what is found is not `quoted`: it may be a name, in a column taken for another.
    """
    if wrong.any():
        row = int(np.argmax(wrong))
        text = str(found.iloc[row])
        text = text if len(text) <= 40 else f"{text[:37]}..."
        is_text = f" is {text!r}" if quoted else " is something else"
        raise InputError(f"{where}: line {found.index[row]}: {what}{is_text}, expected {expected}")


def read_table(
    path: str | Path, needed: Sequence[str], *, header: bool = True, comments: bool = False, quoted: bool = True
) -> pd.DataFrame:
    """Read a table separated by tabs; quotes are letters, and blank lines hold nothing.

    Parameters
    ----------
    needed : sequence of str
        Columns that its first line must name, among others; without `header` all its columns, in their order.
    comments : bool
        Lines that begin with ``#`` hold nothing.
    quoted : bool
        Whether a message may show the first line, which is that of a person where a table of people has no header.

    Returns
    -------
    DataFrame
        Of str; the index holds the lines' numbers in the file. May have no row.

    Raises
    ------
    InputError
        Empty, a column missing or named twice, another number of fields than columns; or the file cannot be read.
    """
    lines = pd.Series(dict(enumerate(read_lines(path), 1)), dtype=object)
    lines = lines[[bool(line.strip()) and not (comments and line.startswith("#")) for line in lines]]
    if lines.empty:
        raise InputError(f"{path}: empty, expected a table with the columns {', '.join(needed)} separated by tabs")
    fields = lines.str.split("\t")
    names = fields.iloc[0] if header else list(needed)
    if missing := [name for name in needed if names.count(name) != 1]:
        problem = "comes twice" if missing[0] in names else "is missing"
        shown = f"found {', '.join(names)[:200]}, " if quoted else ""
        raise InputError(
            f"{path}: line {lines.index[0]}: the column {missing[0]} {problem}; {shown}"
            f"expected {', '.join(needed)} separated by tabs"
        )
    width = fields.str.len()
    refuse(width != len(names), width, path, "the number of columns", f"{len(names)} separated by tabs")
    rows = fields.iloc[1:] if header else fields
    return pd.DataFrame(rows.tolist(), columns=names, index=rows.index, dtype=object)
