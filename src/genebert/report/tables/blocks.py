"""What is shown: text rounded to three decimals in columns, in one or more blocks a table."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from genebert.report.tables.kinds.base import IN_TRAINING, Shown
from genebert.report.tables.values import elsewhere_column, folded
from genebert.report.text import NOTHING
from genebert.report.text import count as count_text


@dataclass(frozen=True)
class Column:
    """A column of text."""

    heading: str
    cells: list[str]
    spanner: str = ""  # heading over this and the neighbouring columns with the same one
    number: bool = True  # set flush right
    bold: frozenset[int] = frozenset()  # rows whose cell is printed bold


@dataclass(frozen=True)
class Block:
    """One rectangle of a table."""

    name: str  # short and unique within the table
    title: str
    subtitle: str
    columns: list[Column]
    notes: list[str]  # footnotes
    grouped: bool = False  # the first column names groups of rows; forms that can, print it as a heading over each
    turned: bool = False  # headings are long; forms that can, print them upright

    @property
    def shown(self) -> list[Column]:
        """The columns but for that of the groups."""
        return self.columns[self.grouped :]

    @property
    def spans(self) -> list[tuple[str, int, int]]:
        """Headings over the shown columns: text, first and last column, from 1; nothing where all texts are empty."""
        spans, last = [], 0
        for text, run in groupby(column.spanner for column in self.shown):
            first, last = last + 1, last + len(list(run))
            spans.append((text, first, last))
        return spans if any(text for text, _, _ in spans) else []

    def rows(self, escape: Callable[[str], str], bold: str) -> list[tuple[str, ...]]:
        """Return the rows of all columns in one form: cells escaped, and set in bold by a text with %s."""
        columns = [
            [bold % escape(cell) if row in column.bold else escape(cell) for row, cell in enumerate(column.cells)]
            for column in self.columns
        ]
        return list(zip(*columns, strict=True))


def number(value: float, sign: str = "") -> str:
    """Return three decimals, or a dash for nothing."""
    if pd.isna(value):
        return NOTHING
    text = f"{value:{sign}.3f}"
    return text.lstrip("+-") if float(text) == 0 else text


def with_sd(mean: float, sd: float) -> str:
    """Return mean and sd over seeds, the mean alone of one seed."""
    return number(mean) if pd.isna(sd) else f"{number(mean)} ± {number(sd)}"


def _means(values: pd.DataFrame, name: str) -> list[str]:
    return list(map(with_sd, values[f"{name}_mean"], values[f"{name}_sd"]))


def _joined(values: pd.DataFrame, first: str, word: str, second: str, form: Callable[[Any], str]) -> list[str]:
    pairs = zip(values[first], values[second], strict=True)
    return [NOTHING if pd.isna(a) else f"{form(a)} {word} {form(b)}" for a, b in pairs]


def _text(heading: str, values: pd.Series) -> Column:
    return Column(heading, values.replace("", NOTHING).tolist(), number=False)


def best_rows(values: pd.DataFrame, name: str) -> frozenset[int]:
    """Return the rows (from 0) with our best mean, to three decimals, of each data set that has several models.

    A model that has seen what it is tested on is not among them.
    """
    rows = values.reset_index(drop=True).dropna(subset=[f"{name}_mean"])
    rows = rows[~rows["remark"].str.contains(IN_TRAINING)]
    shown, several = rows[f"{name}_mean"].round(3), rows.groupby("dataset")["model"].transform("nunique") > 1
    best = several & (shown == shown.groupby(rows["dataset"]).transform("max"))
    return frozenset(best.index[best].tolist())


@dataclass(frozen=True)
class Heads:
    """What the columns of a table are."""

    shown: Shown
    metrics: tuple[str, ...]  # of the paper, headline last
    labels: tuple[str, ...] = ()  # further columns of the paper's file
    reporters: tuple[str, ...] = ()  # who else reports values


def seeds_text(pretrainings: int, fits: int) -> str:
    """Return the number of fits; of several pre-trainings these and the seeds of each."""
    if pretrainings < 2:
        return str(fits)
    return f"{pretrainings} x {fits // pretrainings}" if fits % pretrainings == 0 else f"{fits} of {pretrainings}"


def main_block(title: str, subtitle: str, values: pd.DataFrame, heads: Heads, notes: list[str]) -> Block:
    """Return the paper's values beside ours; data sets without a row of ours are left to the csv file."""
    values, metrics = values[~folded(values)], heads.metrics
    named = {name: heads.shown.metrics[name].heading for name in metrics}
    columns = [Column("Data set", values["dataset"].tolist(), number=False)]
    columns += [_text(name.replace("_", " ").capitalize(), values[name]) for name in heads.labels]
    columns += [_text("Model", values["model"]), _text("In the paper", values["paper_model"])]
    columns += [Column(named[x], [number(v) for v in values[f"{x}_paper"]], "Paper") for x in metrics]
    columns += [
        Column(named[x], [number(v) for v in values[elsewhere_column(x, reporter)]], reporter)
        for reporter in heads.reporters
        for x in metrics
    ]
    for name in metrics:
        bold = best_rows(values, name) if name == metrics[-1] else frozenset()
        columns.append(Column(named[name], _means(values, name), "Ours", bold=bold))
    last = metrics[-1]
    if f"{last}_low" in values:
        ends = _joined(values, f"{last}_low", "to", f"{last}_high", number)
        columns.append(Column(f"{named[last]} 95 %", ends, "Ours"))
    for name in metrics:
        shown = [number(value, "+") for value in values[f"{name}_difference"]]
        columns.append(Column(named[name], shown, "Difference"))
    columns.append(
        Column("Seeds", [seeds_text(*row) for row in zip(values["n_pretrainings"], values["n_seeds"], strict=True)])
    )
    if "n_collapsed" in values:
        bold = frozenset(np.flatnonzero(values["n_collapsed"].fillna(0) > 0).tolist())
        columns.append(Column("Collapsed", _joined(values, "n_collapsed", "of", "n_seeds", str), bold=bold))
    columns.append(_text("Remark", values["remark"]))
    return Block("main", title, subtitle, columns, notes, grouped=True)


def further_block(title: str, subtitle: str, values: pd.DataFrame, heads: Heads) -> list[Block]:
    """Return what the paper does not report, of the models that were run; nothing if there are none."""
    run = values[values["n_seeds"] > 0].drop_duplicates(["dataset", "model"])
    if run.empty:
        return []
    shown = heads.shown
    columns = [Column("Data set", run["dataset"].tolist(), number=False), _text("Model", run["model"])]
    columns += [
        Column(metric.heading, _means(run, name), metric.spanner)
        for name, metric in shown.further.items()
        if f"{name}_mean" in run
    ]
    headed = {name: (count.heading, count_text) for name, count in shown.counts.items()}
    headed |= {name: (figure.heading, figure.form) for name, figure in shown.figures.items() if figure.heading}
    for name, (heading, form) in headed.items():
        if name in run:
            columns.append(Column(heading, [NOTHING if pd.isna(value) else form(value) for value in run[name]]))
    notes = shown.further_notes(run)
    return [Block("further", f"{title}: further values of ours", subtitle, columns, notes, grouped=True)]


def transfer_blocks(title: str, subtitle: str, transfer: pd.DataFrame, notes: list[str]) -> list[Block]:
    """Return one matrix a model: trained on (rows), tested on (columns); the notes stand below the last."""
    blocks: list[Block] = []
    for model, cells in transfer.groupby("model", sort=False):
        matrix = cells.pivot(index="trained_on", columns="tested_on", values="auc_mean")
        trained = cells["trained_on"].unique().tolist()
        tested = list(dict.fromkeys([*trained, *cells["tested_on"]]))
        matrix = matrix.reindex(index=trained, columns=tested)
        columns = [Column("Trained on", trained, number=False)]
        for name in tested:
            own = frozenset([trained.index(name)]) if name in trained else frozenset()
            columns.append(Column(name, [number(value) for value in matrix[name]], "Tested on", bold=own))
        below = notes if model == transfer["model"].iloc[-1] else []
        heading = f"{title}: {model} trained on one data set, tested on another (AUC)"
        blocks.append(Block(f"transfer-{len(blocks) + 1}", heading, subtitle, columns, below, turned=True))
    return blocks
