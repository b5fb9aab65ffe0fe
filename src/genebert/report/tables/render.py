"""From score files to one of the paper's tables in all its forms."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from genebert.files import write_text
from genebert.paper import EXTENDED_TITLES, TITLES, number_of
from genebert.report.tables.ablations import caption_of, counterparts
from genebert.report.tables.blocks import Block, Heads, further_block, main_block, transfer_blocks
from genebert.report.tables.coverage import coverage_block
from genebert.report.tables.kinds.registry import shown_of
from genebert.report.tables.notes import Told, main_notes, transfer_notes
from genebert.report.tables.paper import ELSEWHERE, labels_of, metrics_of, read_elsewhere, read_paper
from genebert.report.tables.sites_read import read_sites, sites_block
from genebert.report.tables.transfer import transfer_values
from genebert.report.tables.values import Rows, as_csv, build_values, collect, elsewhere_column, folded
from genebert.report.text import ReportSettings, fill

logger = logging.getLogger(__name__)
# Table 6 compares cell types: it alone goes on to train on one and test on another.
TRANSFER_TABLE = 6


@dataclass(frozen=True)
class Read:
    """Files that say what pre-training has read of data sets.

    Attributes
    ----------
    coverage : iterable of path
        What :func:`genebert.report.card.coverage.write_coverage` wrote of labelled bases.
    sites : iterable of path
        What :func:`genebert.report.card.sites_read.write_sites_read` wrote of labelled sequences; the score files then
        have their predictions beside them.
    """

    coverage: Iterable[str | Path] = ()
    sites: Iterable[str | Path] = ()


NOTHING_READ = Read()


def render_table(
    table: str,
    paper_tsv: str | Path,
    scores: Iterable[str | Path],
    rows: Rows,
    settings: ReportSettings,
    out: Iterable[str | Path],
    read: Read = NOTHING_READ,
) -> list[Block]:
    """Write one of the paper's tables.

    Parameters
    ----------
    table : str
        ``table1`` to ``table8``, or one of their extended forms (``table5_extended``).
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
    read : Read
        What pre-training has read of data sets of the table.

    Returns
    -------
    list of Block
        What all forms but csv show.

    Raises
    ------
    InputError
        Files that do not fit (see :func:`read_paper`, :func:`collect`, :func:`build_values`, :func:`transfer_values`).
    """
    scores = list(scores)
    number, extended = number_of(table)
    paper = counterparts(read_paper(paper_tsv), rows, extended=extended)
    elsewhere, found = read_elsewhere(paper_tsv), collect(scores, rows)
    values = build_values(paper, found, rows, elsewhere)
    heads = _heads(paper, elsewhere, values)
    elsewhere = elsewhere[elsewhere[ELSEWHERE].isin(heads.reporters)]
    about = EXTENDED_TITLES[number] if extended else TITLES[number]
    title = f"Table {number}{', extended' * extended}. {about}{caption_of(number, found)}"
    subtitle = f"Run {settings.run}: {settings.scale}"
    told = Told(number, paper, elsewhere, found, rows, settings)
    notes, matrices = [*main_notes(told, values, heads), *settings.notes], []
    if number == TRANSFER_TABLE:
        transfer = transfer_values(found, rows)
        about = transfer_notes(transfer, rows)
        matrices = transfer_blocks(title, subtitle, transfer, about)
        notes += [] if matrices or extended else about
    main = main_block(title, subtitle, values, heads, notes)
    sites = read_sites(read.sites, scores, rows)
    below = [*coverage_block(title, subtitle, read.coverage), *sites_block(title, subtitle, sites)]
    blocks = [main, *further_block(title, subtitle, values, heads), *matrices, *below]
    for path in map(Path, out):
        csv = path.suffix == ".csv"
        text = (
            as_csv(values.merge(sites.values, how="left") if len(sites.values) else values, settings)
            if csv
            else fill(f"table{path.suffix}", blocks=blocks, number=table.removeprefix("table"))
        )
        write_text(path, text)
    logger.info("%s: %d rows", table, len(values))
    return blocks


def _heads(paper: pd.DataFrame, elsewhere: pd.DataFrame, values: pd.DataFrame) -> Heads:
    """Return the columns of a table; what others report only where it stands beside a row that is shown."""
    metrics, rows = metrics_of(paper), values[~folded(values)]
    reporters = [
        who
        for who in elsewhere[ELSEWHERE].unique()
        if rows[[elsewhere_column(name, who) for name in metrics]].notna().any(axis=None)
    ]
    return Heads(shown_of(metrics), metrics, labels_of(paper), tuple(reporters))


def render_transfer(scores: Iterable[str | Path], rows: Rows, settings: ReportSettings, path: str | Path) -> None:
    """Write the matrices of training on one data set and testing on another as a csv file; see :func:`render_table`.

    Only its heading is written where no score file has such values.
    """
    values = transfer_values(collect(scores, rows), rows)
    write_text(path, as_csv(values, settings))
    logger.info("%s: %d pairs of data sets", path, len(values))
