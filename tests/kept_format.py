"""How the tables of the kept run (docs/chr20/) are written in the pages."""

from pathlib import Path

import pandas as pd

from genebert.report.tables.blocks import number, seeds_text, with_sd
from genebert.report.text import NOTHING

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs/chr20"
CELLS = ("A549", "HepG2", "IMR-90", "K562", "GM12878")


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


def ours(name: str) -> pd.DataFrame:
    """Return the rows of a table that the run has numbers for."""
    table = read(name)
    return table[table["n_seeds"] > 0].reset_index(drop=True)


def lowest_to_highest(values: pd.Series) -> str:
    """Return the smallest and the largest of values, one where they are written alike."""
    return " to ".join(dict.fromkeys(map(number, (values.min(), values.max()))))


def plain_aucs(rows: pd.DataFrame) -> list[str]:
    """Return mean and sd of each row's AUC."""
    return [NOTHING if pd.isna(row["auc_mean"]) else mean_sd(row, "auc") for _, row in rows.iterrows()]


def aucs(rows: pd.DataFrame) -> list[str]:
    """Return mean and sd of each row's AUC, the largest in bold."""
    return bold(plain_aucs(rows), rows["auc_mean"])


def cells_columns(name: str) -> dict[str, list[str]]:
    """Return the columns of a Table 2: AUC of each cell's set, and the mean over the sets."""
    table = ours(name)
    table["cell"] = table["dataset"].str.removeprefix("tfbs/CTCF_")
    models = table["model"].drop_duplicates().tolist()
    columns = {"model": models}
    for cell in CELLS:
        columns[cell] = aucs(table[table["cell"] == cell].set_index("model").reindex(models))
    means = table.pivot(index="model", columns="cell", values="auc_mean").mean(axis=1, skipna=False).loc[models]
    columns["mean"] = bold([number(value) for value in means], means)
    columns["seeds"] = seeds(table.drop_duplicates("model").set_index("model").loc[models])
    return columns


def over_fits(points: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """Return mean and sd of the AUC over the fits of each model, columns as those of a table."""
    groups = points.groupby("model")["roc_auc"].agg(["mean", "std"])
    return groups.set_axis(["auc_mean", "auc_sd"], axis=1).reindex(models)
