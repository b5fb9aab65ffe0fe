"""From score files to one of the paper's tables in all its forms."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from genebert.errors import InputError
from genebert.files import atomic_path
from genebert.paper import TITLES
from genebert.report.tables.blocks import Block, further_block, main_block, transfer_blocks
from genebert.report.tables.forms import to_html, to_latex, to_markdown
from genebert.report.tables.notes import main_notes, transfer_notes
from genebert.report.tables.paper import labels_of, metrics_of, read_paper
from genebert.report.tables.transfer import transfer_values
from genebert.report.tables.values import Rows, Scores, build_values, collect

logger = logging.getLogger(__name__)
FORMATS = ("csv", "md", "html", "tex")
# Table 6 compares cell types: it alone goes on to train on one and test on another.
TRANSFER_TABLE = 6
TRANSFER_FORMAT = "transfer_csv"


@dataclass(frozen=True)
class Table:
    """A table before it is written in any form.

    Attributes
    ----------
    values : DataFrame
        One row a model, full precision: what the csv file holds.
    transfer : DataFrame or None
        One row a model, data set trained on and data set tested on; None but for Table 6.
    blocks : list of Block
        What the other forms show.
    """

    values: pd.DataFrame
    transfer: pd.DataFrame | None
    blocks: list[Block]


def make_table(
    number: int, paper: pd.DataFrame, scores: Scores, rows: Rows, run: str, scale: str, notes: list[str]
) -> Table:
    """Return the table with its footnotes; see :func:`render_table`."""
    title, subtitle = f"Table {number}. {TITLES[number]}", f"Run {run}: {scale}"
    values = build_values(paper, scores, rows)
    foot = main_notes(number, paper, values, scores, rows, run, scale) + notes
    transfer, matrices = None, []
    if number == TRANSFER_TABLE:
        transfer = transfer_values(scores, rows)
        about = transfer_notes(transfer, rows)
        matrices = transfer_blocks(title, subtitle, transfer, about)
        foot += [] if matrices else about
    main = main_block(title, subtitle, values, metrics_of(paper), labels_of(paper), foot)
    blocks = [main, *further_block(title, subtitle, values), *matrices]
    for frame in (values, transfer):
        if frame is not None:
            frame.insert(0, "scale", scale)
            frame.insert(0, "run", run)
    return Table(values, transfer, blocks)


def render_table(
    number: int,
    paper_tsv: str | Path,
    scores: list[Path],
    rows: Rows,
    run: str,
    scale: str,
    out: dict[str, str | Path],
    notes: Iterable[str] = (),
) -> Table:
    """Write one of the paper's tables.

    Parameters
    ----------
    number : int
        1 to 8.
    paper_tsv : path
        The reported values; see :mod:`genebert.report.tables.paper`.
    scores : list of path
        Score files of exactly the models in `rows`, any number of seeds each.
    rows : dict
        ``task/dataset`` -> our models, in the order of the table. Reported rows whose counterpart is not among them
        are kept and marked.
    run, scale : str
        Printed on every form of the table and in every line of the csv file.
    out : dict
        ``csv`` (full precision), ``md``, ``html``, ``tex`` (three decimals) -> path; any subset. For Table 6 also
        ``transfer_csv``: training on one data set, testing on another, full precision; only its heading where no score
        file has such values.
    notes : iterable of str
        Further footnotes.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        Unknown number or form, no rows, or files that do not fit (see :func:`read_paper`, :func:`collect`,
        :func:`build_values`, :func:`transfer_values`).
    """
    if number not in TITLES:
        raise InputError(f"table: found {number}, expected 1 to {max(TITLES)}")
    forms = (*FORMATS, TRANSFER_FORMAT) if number == TRANSFER_TABLE else FORMATS
    unknown = [name for name in out if name not in forms]
    if unknown:
        raise InputError(f"table {number}: form {unknown[0]!r} asked for; expected {', '.join(forms)}")
    if not any(rows.values()):
        raise InputError(f"table {number}: no rows asked for; expected at least one model on one data set")
    found = collect([Path(path) for path in scores], rows)
    table = make_table(number, read_paper(paper_tsv), found, rows, run, scale, list(notes))
    render = {
        "csv": lambda: table.values.to_csv(index=False, lineterminator="\n"),
        "md": lambda: to_markdown(table.blocks),
        "html": lambda: to_html(table.blocks, f"table{number}"),
        "tex": lambda: to_latex(table.blocks),
        TRANSFER_FORMAT: lambda: table.transfer.to_csv(index=False, lineterminator="\n"),
    }
    for name, path in out.items():
        with atomic_path(path) as temporary:
            temporary.write_text(render[name](), encoding="utf-8")
    logger.info("table %d: %d rows from %d score files", number, len(table.values), len(scores))
    return table
