"""Differences between rows of the kept runs, with their intervals: what `genebert compare ... --json` said."""

from typing import Any

import pandas as pd
from kept_format import CELLS, markdown, read

from genebert.report.page.summary import ends, signed
from genebert.report.tables.blocks import number
from genebert.report.text import NOTHING

GENOMIC = "against the genome"
SHORT = {
    **{f"tfbs/CTCF_{cell}": cell for cell in CELLS},
    "promoter/prom-core": "promoters",
    "promoter/prom-core-genomic": GENOMIC,
}


def gained(row: Any) -> str:
    """Return a row's gain with its interval."""
    return NOTHING if pd.isna(row.gain) else with_ends(row.gain, row.gain_low, row.gain_high)


def with_ends(difference: float, low: float, high: float, *, bold: bool = False) -> str:
    """Return a difference with its interval."""
    text = f"{signed(difference)} ({ends((low, high))})"
    return f"**{text}**" if bold else text


def difference_of(found: pd.DataFrame) -> str:
    """Return a difference, in bold where its interval excludes 0."""
    if found.empty:
        return NOTHING
    (one,) = found.itertuples()
    return with_ends(one.difference, one.low, one.high, bold=one.said in ("higher", "lower"))


def _compared(table: pd.DataFrame, headings: list[str]) -> str:
    """Return differences, a line for every two rows; `table` says the heading of each."""
    columns: dict[str, list[str]] = {key: [] for key in ("row", "than", *headings)}
    for (row, other), own in table.groupby(["row", "than"], sort=False):
        columns["row"].append(row)
        columns["than"].append(other)
        for heading in headings:
            columns[heading].append(difference_of(own[own["heading"] == heading]))
    return markdown(columns, left=2)


def _all_labels(name: str, *headings: str) -> str:
    table = read(name)
    return _compared(table.assign(heading=table["dataset"].map(SHORT)), list(headings))


def compare() -> str:
    """Differences between rows of Tables 1 and 2."""
    return _all_labels("compare", *CELLS, "promoters")


def motifs_compare() -> str:
    """Differences between rows of the run whose networks predict motifs."""
    return _all_labels("motifs_compare", *CELLS)


def motifs_few_compare() -> str:
    """The same with few labels, and of promoters with all."""
    few = [f"{name}, {n}" for name in ("A549", "K562", "promoters") for n in (50, 200)]
    return _few_labels("motifs_few_compare", [*few, "promoters, all"])


def few_compare() -> str:
    """What choosing the epoch on validation is worth."""
    headings = [f"{name}, {n}" for name in ("promoters", "A549") for n in (50, 200)]
    return _few_labels("few_compare", headings)


def genomic_compare() -> str:
    """Differences between rows of Table 1, extended: promoters against the genome."""
    return _all_labels("genomic_compare", GENOMIC)


def motifs_genomic_compare() -> str:
    """The same of networks twice as wide, with few labels too."""
    return _few_labels("motifs_genomic_compare", [f"{GENOMIC}, {n}" for n in (50, 200, "all")])


def choices() -> str:
    """What validation says of ways of fine-tuning, and how often it chose them."""
    table = read("motifs_choices")
    columns: dict[str, list[str]] = {"`start`": [], "`layer_decay`": []}
    for (start, decay), own in table.groupby(["start", "layer_decay"], sort=False):
        columns["`start`"].append(start)
        columns["`layer_decay`"].append(f"{decay:g}")
        for n, fits in own.groupby("labels"):
            columns.setdefault(f"{n} labels, validation", []).append(number(fits["valid_auc"].mean()))
            columns.setdefault(f"{n} labels, chosen of {len(fits)}", []).append(str(fits["chosen"].sum()))
    return markdown(columns, left=2)


def draws_compare() -> str:
    """The same of promoters with 15 draws of few labels."""
    return _few_labels("draws_compare", ["promoters, 50", "promoters, 200"])


def few_draws_compare() -> str:
    """The same of CTCF, in networks of the kept run's width."""
    return _few_labels("few_draws_compare", ["A549, 20", "A549, 50"])


def _few_labels(name: str, headings: list[str]) -> str:
    table = read(name)
    labels = table["labels"].astype("Int64").astype("string").fillna("all")
    return _compared(table.assign(heading=table["dataset"].map(SHORT) + ", " + labels), headings)


def longer_compare() -> str:
    """Differences between rows of the longer pre-training."""
    return _all_labels("longer_compare", *CELLS)


def checks_compare() -> str:
    """Differences between rows of the checks."""
    return _all_labels("checks_compare", *CELLS, "promoters")


def _one_network(name: str, other: str) -> bool:
    """Say whether both or none have filters, or one is the other with filters; plain features stand beside all."""
    if not other.startswith("E_") or name.replace("-conv", "") == other:
        return True
    return ("-conv" in name) == ("-conv" in other)


def cell_accessibility_between() -> str:
    """By how much models tell more of the cell-specific part than others, and than plain features."""
    table = read("cell_accessibility")
    pairs = table[table["kind"] == "pair"]
    pairs = pairs[list(map(_one_network, pairs["known_by"], pairs["than"]))]
    several = set(table[(table["kind"] == "mean") & (table["pretrainings"] > 1)]["known_by"])

    def told(row: Any) -> bool:
        return bool(several & {row.known_by, row.than}) and not row.gain_low <= 0 <= row.gain_high

    texts = [with_ends(row.gain, row.gain_low, row.gain_high, bold=told(row)) for row in pairs.itertuples()]
    return markdown({"known by": pairs["known_by"].tolist(), "than": pairs["than"].tolist(), "Pearson": texts}, left=2)


MAKERS = (
    *(compare, few_compare, cell_accessibility_between),
    *(motifs_compare, motifs_few_compare, choices, draws_compare, few_draws_compare),
    *(checks_compare, longer_compare, genomic_compare, motifs_genomic_compare),
)
