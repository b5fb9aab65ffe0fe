"""From score files to one of the paper's tables in all its forms."""

import logging
from collections.abc import Iterable
from pathlib import Path

from genebert.files import write_text
from genebert.paper import TITLES
from genebert.report.tables.blocks import Block, further_block, main_block, transfer_blocks
from genebert.report.tables.notes import main_notes, transfer_notes
from genebert.report.tables.paper import labels_of, metrics_of, read_paper
from genebert.report.tables.transfer import transfer_values
from genebert.report.tables.values import Rows, as_csv, build_values, collect
from genebert.report.text import ReportSettings, fill

logger = logging.getLogger(__name__)
# Table 6 compares cell types: it alone goes on to train on one and test on another.
TRANSFER_TABLE = 6


def render_table(
    number: int,
    paper_tsv: str | Path,
    scores: Iterable[str | Path],
    rows: Rows,
    settings: ReportSettings,
    out: Iterable[str | Path],
) -> list[Block]:
    """Write one of the paper's tables.

    Parameters
    ----------
    number : int
        1 to 8.
    paper_tsv : path
        The reported values; see :mod:`genebert.report.tables.paper`.
    scores : iterable of path
        Score files of exactly the models in `rows`, any number of seeds each.
    rows : dict
        In the order of the table. Reported rows whose counterpart is not among them are kept and marked.
    settings : ReportSettings
    out : iterable of path
        Each in the form that its ending names: ``.csv`` (full precision), ``.md``, ``.html``, ``.tex`` (three
        decimals).

    Returns
    -------
    list of Block
        What all forms but csv show.

    Raises
    ------
    InputError
        Files that do not fit (see :func:`read_paper`, :func:`collect`, :func:`build_values`, :func:`transfer_values`).
    """
    paper, found = read_paper(paper_tsv), collect(scores, rows)
    values = build_values(paper, found, rows)
    title, subtitle = f"Table {number}. {TITLES[number]}", f"Run {settings.run}: {settings.scale}"
    notes, matrices = [*main_notes(number, paper, values, found, rows, settings), *settings.notes], []
    if number == TRANSFER_TABLE:
        transfer = transfer_values(found, rows)
        about = transfer_notes(transfer, rows)
        matrices = transfer_blocks(title, subtitle, transfer, about)
        notes += [] if matrices else about
    main = main_block(title, subtitle, values, metrics_of(paper), labels_of(paper), notes)
    blocks = [main, *further_block(title, subtitle, values), *matrices]
    for path in map(Path, out):
        csv = path.suffix == ".csv"
        text = as_csv(values, settings) if csv else fill(f"table{path.suffix}", blocks=blocks, number=number)
        write_text(path, text)
    logger.info("table %d: %d rows", number, len(values))
    return blocks


def render_transfer(scores: Iterable[str | Path], rows: Rows, settings: ReportSettings, path: str | Path) -> None:
    """Write the matrices of training on one data set and testing on another as a csv file; see :func:`render_table`.

    Only its heading is written where no score file has such values.
    """
    values = transfer_values(collect(scores, rows), rows)
    write_text(path, as_csv(values, settings))
    logger.info("%s: %d pairs of data sets", path, len(values))
