"""The paper's values, and those of others beside them: ``config/paper/table{n}.tsv``.

Columns: dataset (``task/dataset``), model (the paper's name), our_model (its counterpart here), one or more of the
paper's metrics, all of one kind of task (:mod:`genebert.report.tables.kinds`), source, and any further columns, which
are shown as they are (cell type, context). Where a column reported_by is not empty, the row is no row of the paper but
says what somebody else reports of that model (docs/facts.md 43).
"""

from pathlib import Path

import pandas as pd

from genebert.errors import InputError
from genebert.genome.tables import read_table
from genebert.report.tables.kinds.registry import PAPER_METRICS, SHOWN

KEYS = ("dataset", "model", "our_model")
ELSEWHERE = "reported_by"


def metrics_of(paper: pd.DataFrame) -> tuple[str, ...]:
    """Return the paper's metrics in a table, headline last."""
    return tuple(name for name in PAPER_METRICS if name in paper)


def labels_of(paper: pd.DataFrame) -> tuple[str, ...]:
    """Return the further columns of a table, which are shown as they are."""
    return tuple(name for name in paper if name not in (*KEYS, *PAPER_METRICS, "source", ELSEWHERE))


def read_paper(path: str | Path) -> pd.DataFrame:
    """Read a file of reported values: those of the paper.

    Raises
    ------
    InputError
        Missing columns, no metric among them or metrics of two kinds of tasks, a value that is not a number from 0 to
        1, or a repeated row.
    """
    return _read(path)[0]


def read_elsewhere(path: str | Path) -> pd.DataFrame:
    """Read the same file: what others report, with the column reported_by; it has no rows where nobody does.

    Raises as :func:`read_paper`.
    """
    return _read(path)[1]


def _read(path: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    reported = read_table(path, (*KEYS, "source"))
    metrics = metrics_of(reported)
    if not metrics:
        raise InputError(f"{path}: has no column of values; expected at least one of {', '.join(PAPER_METRICS)}")
    if not any(set(metrics) <= set(shown.metrics) for shown in SHOWN):
        raise InputError(f"{path}: has the columns {', '.join(metrics)}; expected metrics of one kind of task")
    for name in metrics:
        numbers = pd.to_numeric(reported[name], errors="coerce")
        odd = ~numbers.between(0, 1) & (reported[name] != "")
        if odd.any():
            found = reported.loc[odd, name].iloc[0]
            raise InputError(f"{path}: {name} is {found!r}; expected a number from 0 to 1 or nothing")
        reported[name] = numbers
    if ELSEWHERE not in reported:
        reported[ELSEWHERE] = ""
    by_paper = reported[ELSEWHERE] == ""
    paper, elsewhere = reported[by_paper].drop(columns=ELSEWHERE), reported[~by_paper]
    # The paper has one row for a name and its labels, others one for a model of ours: what stands beside its values.
    for rows, by in (
        (paper, ["dataset", "model", *labels_of(paper)]),
        (elsewhere, [ELSEWHERE, "dataset", "our_model"]),
    ):
        repeated = rows.duplicated(by)
        if repeated.any():
            row = rows[repeated].iloc[0]
            raise InputError(f"{path}: {row['model']} on {row['dataset']} occurs twice; expected one row each")
    return paper.reset_index(drop=True), elsewhere.reset_index(drop=True)
