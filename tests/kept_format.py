"""How the tables of the kept run (docs/chr20/) are written in the pages."""

from pathlib import Path

import pandas as pd

from genebert.report.tables.blocks import seeds_text, with_sd

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs/chr20"


def read(name: str) -> pd.DataFrame:
    """Return a csv file of the kept run."""
    return pd.read_csv(KEPT / f"{name}.csv")


def mean_sd(row: pd.Series, metric: str) -> str:
    """Return mean and sd of a metric; the mean alone where the seed changes nothing."""
    mean, sd = row[f"{metric}_mean"], row[f"{metric}_sd"]
    return with_sd(mean, float("nan") if sd < 1e-9 else sd)


def bold(cells: list[str], values: pd.Series) -> list[str]:
    """Return cells with those of the largest value in bold."""
    return [f"**{cell}**" if value == values.max() else cell for cell, value in zip(cells, values, strict=True)]


def markdown(columns: dict[str, list[str]], left: int = 1) -> str:
    """Return columns, heading to cells, as a table; the first `left` are text."""
    rows = [list(columns), ["---"] * left + ["---:"] * (len(columns) - left), *zip(*columns.values(), strict=True)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def seeds(table: pd.DataFrame) -> list[str]:
    """Return how many pre-trainings and seeds of each are behind a row."""
    return list(map(seeds_text, table["n_pretrainings"], table["n_seeds"]))
