"""The paper's values, ``config/paper/table{n}.tsv``.

Columns: dataset (``task/dataset``), model (the paper's name), our_model (its counterpart here), one or more of the
paper's metrics (`PAPER_METRICS`), source, and any further columns, which are shown as they are (cell type, tissue).
"""

from pathlib import Path

import pandas as pd

from genebert.errors import InputError
from genebert.genome.tables import read_table

# Column of the paper's file: key in a score file's metrics, heading. The last one of a table is its headline.
PAPER_METRICS = {
    "precision": ("precision", "P"),
    "recall": ("recall", "R"),
    "auc": ("roc_auc", "AUC"),
    "top_k": ("top_k", "Top-k"),
    "pr_auc": ("pr_auc", "PR-AUC"),
}
KEYS = ("dataset", "model", "our_model")


def metrics_of(paper: pd.DataFrame) -> tuple[str, ...]:
    """Return the paper's metrics in a table, headline last."""
    return tuple(name for name in PAPER_METRICS if name in paper)


def labels_of(paper: pd.DataFrame) -> tuple[str, ...]:
    """Return the further columns of a table, which are shown as they are."""
    return tuple(name for name in paper if name not in (*KEYS, *PAPER_METRICS, "source"))


def read_paper(path: str | Path) -> pd.DataFrame:
    """Read a file of reported values.

    Raises
    ------
    InputError
        Missing columns, no metric among them, a value that is not a number from 0 to 1, or a repeated row.
    """
    paper = read_table(path, (*KEYS, "source"))
    if not metrics_of(paper):
        raise InputError(f"{path}: has no column of values; expected at least one of {', '.join(PAPER_METRICS)}")
    for name in metrics_of(paper):
        numbers = pd.to_numeric(paper[name], errors="coerce")
        odd = ~numbers.between(0, 1) & (paper[name] != "")
        if odd.any():
            found = paper.loc[odd, name].iloc[0]
            raise InputError(f"{path}: {name} is {found!r}; expected a number from 0 to 1 or nothing")
        paper[name] = numbers
    repeated = paper.duplicated(["dataset", "model"])
    if repeated.any():
        row = paper[repeated].iloc[0]
        raise InputError(f"{path}: {row['model']} on {row['dataset']} occurs twice; expected one row each")
    return paper
