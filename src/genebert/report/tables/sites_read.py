"""Test sites that pre-training has read beside those that it has not, below a table of transcription factors."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.metrics import auc_of_parts, check_predictions
from genebert.evaluation.scores import read_predictions, read_score
from genebert.files import read_json
from genebert.report.tables.blocks import Block, Column, number, with_sd
from genebert.report.tables.coverage import shown_regions
from genebert.report.tables.kinds.base import Score, with_own_values
from genebert.report.tables.values import Rows, fits, mean_and_sd
from genebert.report.text import NOTHING, count

FEWEST = 20  # sites in a part for an interval: below, 95 % were 63 % (2 sites) to 88 % (10) in simulations
PARTS = {"read": "Sites that were read", "others": "Other sites"}
COLUMNS = (
    *("dataset", "model", "n_read", "n_others", "auc_read_mean", "auc_read_sd", "auc_others_mean", "auc_others_sd"),
    *("auc_read_difference", "auc_read_low", "auc_read_high"),
)


@dataclass(frozen=True)
class SitesRead:
    """What :func:`genebert.report.card.sites_read.write_sites_read` wrote of each data set, and AUCs by it.

    Attributes
    ----------
    told : dict
        ``task/dataset`` -> content of its file; only those with a site in the genome.
    values : DataFrame
        One row for each of our rows with scores, columns `COLUMNS`: sites of both parts, mean and sd of their AUC over
        fits, its difference with a 95 % interval; NaN where one of the two parts has no site, the interval also below
        `FEWEST`.
    """

    told: dict[str, dict[str, Any]]
    values: pd.DataFrame


def read_sites(paths: Iterable[str | Path], scores: Iterable[str | Path], rows: Rows) -> SitesRead:
    """Compare the AUC of sites that were read with that of the others, of every row that has predictions.

    Raises
    ------
    InputError
        A file that :func:`genebert.report.card.sites_read.write_sites_read` does not write, or predictions beside a
        score file that cannot be read, or are of other test examples.
    """
    told = {one["data_set"]: one for one in map(_read, paths) if one["read"] or one["others"]}
    had: dict[tuple[str, str], list[tuple[Score, Path]]] = {}
    for path in map(Path, scores) if told else ():
        score = read_score(path)
        if (dataset := f"{score['task']}/{score['dataset']}") in told and "unavailable" not in score:
            had.setdefault((dataset, score["model"]), []).append((score, path))
    found = []
    for dataset, sites in told.items():
        for row, names in fits(rows, dataset).items() if dataset in rows else ():
            if own := [pair for name in names for pair in had.get((dataset, name), [])]:
                found.append({"dataset": dataset, "model": row, **_values(sites, own)})
    return SitesRead(told, pd.DataFrame(found, columns=list(COLUMNS)).astype({f"n_{part}": "Int64" for part in PARTS}))


def _read(path: str | Path) -> dict[str, Any]:
    """Read what says which sites were read; an InputError where it does not."""
    found = read_json(path)
    try:
        rows = [*found["read"], *found["others"]]
        regions = found["regions"]["number"], found["regions"]["bases"], found["regions"]["region_bp"]
        fits_in = all(isinstance(row, int) and 0 <= row < found["n_test"] for row in rows) and None not in regions[:2]
        if fits_in and len(set(rows)) == len(rows) and isinstance(found["data_set"], str):
            return found
    except (KeyError, TypeError):
        pass
    raise InputError(f"{path}: does not say which sites were read; expected what the rule sites_read writes")


def _values(sites: dict[str, Any], had: list[tuple[Score, Path]]) -> dict[str, Any]:
    """Return one row's values."""
    row: dict[str, Any] = {f"n_{part}": len(sites[part]) for part in PARTS}
    if not sites["read"] or not sites["others"]:
        return row
    own = with_own_values([score for score, _ in had])
    label, scores = _predicted(sites, [path for score, path in had if score in own])
    parts = auc_of_parts(label, scores, sites["read"], sites["others"])
    for name, values in (("read", parts.first), ("others", parts.second)):
        row[f"auc_{name}_mean"], row[f"auc_{name}_sd"] = mean_and_sd(values)
    row["auc_read_difference"] = parts.difference
    enough = min(len(sites[part]) for part in PARTS) >= FEWEST
    return row | ({"auc_read_low": parts.low, "auc_read_high": parts.high} if enough else {})


def _predicted(sites: dict[str, Any], paths: list[Path]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Read the predictions beside score files; an InputError where they are not of these test examples."""
    label, scores = read_predictions(paths)
    if len(label) != sites["n_test"] or not (label[[*sites["read"], *sites["others"]]] == 1).all():
        raise InputError(
            f"{paths[0].with_suffix('.parquet')}: {len(label)} predictions are not of the {sites['n_test']} test "
            f"examples of {sites['data_set']}; expected one for each, sites where they have them"
        )
    for path, score in zip(paths, scores, strict=True):
        check_predictions(label, score, str(path.with_suffix(".parquet")))
    return label, scores


def sites_block(title: str, subtitle: str, found: SitesRead) -> list[Block]:
    """Return the block with AUCs of both parts; nothing where no site has a place."""
    if found.values.empty:
        return []
    values = found.values
    columns = [
        Column("Data set", values["dataset"].tolist(), number=False),
        Column("Model", values["model"].tolist(), number=False),
    ]
    for part, spanner in PARTS.items():
        columns += [
            Column("Sites", list(map(count, values[f"n_{part}"])), spanner),
            Column("AUC", list(map(with_sd, values[f"auc_{part}_mean"], values[f"auc_{part}_sd"])), spanner),
        ]
    ends = zip(values["auc_read_low"], values["auc_read_high"], strict=True)
    columns += [
        Column("Difference", [number(value, "+") for value in values["auc_read_difference"]]),
        Column(
            "95 %", [NOTHING if pd.isna(low) else f"{number(low, '+')} to {number(high, '+')}" for low, high in ends]
        ),
    ]
    regions = next(iter(found.told.values()))["regions"]
    notes = [
        "Sites that were read share a base with what training samples of pre-training are made of: "
        f"{shown_regions(regions)}. What published weights had read "
        "is not counted.",
        "AUC of a part's sites against all negatives of the test set. Read sites lie in regions that are accessible in "
        "the cells of pre-training, and are of another kind: a difference tells of reading only as far as rows "
        "without pre-training do not have it. 95 %: over test examples, of the mean over fits; none "
        f"with fewer than {FEWEST} sites in a part.",
    ]
    return [Block("sites-read", f"{title}: sites that pre-training has read", subtitle, columns, notes, grouped=True)]
