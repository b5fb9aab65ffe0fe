"""Train on one data set, test on another: what the `transfer` entries of score files say (docs/facts.md 29)."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from genebert.errors import InputError
from genebert.files import atomic_path
from genebert.report.tables.values import FURTHER, Rows, Scores, as_csv, available, collect, mean_and_sd
from genebert.report.text import ReportSettings

logger = logging.getLogger(__name__)
# Column: key of a score file's metrics.
METRICS = {"auc": "roc_auc", "precision": "precision", "recall": "recall"} | {
    name: key for name, (part, key, *_) in FURTHER.items() if part == "metrics"
}
COLUMNS = ["model", "trained_on", "tested_on", *(f"{name}_{part}" for name in METRICS for part in ("mean", "sd")),
           "n_seeds", "n_test", "n_test_positive", "left_out"]  # fmt: skip


def _entry(names: tuple[str, str, str], tests: list[dict[str, Any]], left_out: list[int]) -> dict[str, Any]:
    """Return one cell of the matrix from the metrics of its seeds."""
    model, trained, tested = names
    counts = {(test["n"], test.get("n_positive"), left) for test, left in zip(tests, left_out, strict=True)}
    if len(counts) > 1:
        raise InputError(f"tables: seeds of {model}, trained on {trained}, were tested on different parts of {tested}")
    n, n_positive, left = counts.pop()
    row: dict[str, Any] = {"model": model, "trained_on": trained, "tested_on": tested}
    for name, key in METRICS.items():
        missing = [test for test in tests if key not in test]
        if missing:
            raise InputError(f"tables: score files of {model}, trained on {trained}, have no {key!r} on {tested}")
        row[f"{name}_mean"], row[f"{name}_sd"] = mean_and_sd([test[key] for test in tests])
    return {**row, "n_seeds": len(tests), "n_test": n, "n_test_positive": n_positive, "left_out": left}


def transfer_values(scores: Scores, rows: Rows) -> pd.DataFrame:
    """Return one row a model, data set trained on and data set tested on, for the models with transfer entries.

    Returns
    -------
    DataFrame
        `COLUMNS`; data sets as ``task/dataset``; means and sample standard deviations over seeds; left_out: examples
        of the test set that were left out. The model's own test set is among them, with nothing left out.

    Raises
    ------
    InputError
        Seeds of one model were not tested on the same data sets or examples, or lack a metric.
    """
    entries = []
    for model in dict.fromkeys(model for models in rows.values() for model in models):
        mine = {dataset: available(scores[dataset, model]) for dataset, models in rows.items() if model in models}
        if not any(score.get("transfer") for group in mine.values() for score in group):
            continue
        for trained, group in mine.items():
            if not group:
                continue
            own = [score["metrics"] for score in group]
            entries.append(_entry((model, trained, trained), own, [0] * len(own)))
            others = [list(score.get("transfer", {})) for score in group]
            if any(set(names) != set(others[0]) for names in others):
                raise InputError(f"tables: seeds of {model}, trained on {trained}, were tested on different data sets")
            for name in others[0]:
                tests = [score["transfer"][name] for score in group]
                names = (model, trained, f"{group[0]['task']}/{name}")
                left_out = [test["left_out"] for test in tests]
                entries.append(_entry(names, [test["metrics"] for test in tests], left_out))
    frame = pd.DataFrame(entries, columns=COLUMNS)
    return frame.astype(dict.fromkeys(("n_seeds", "n_test", "n_test_positive", "left_out"), "Int64"))


def render_transfer(scores: Iterable[str | Path], rows: Rows, settings: ReportSettings, path: str | Path) -> None:
    """Write the matrices of training on one data set and testing on another as a csv file.

    Parameters
    ----------
    scores, rows, settings
        As for :func:`genebert.report.tables.render.render_table`.
    path : path
        Only its heading is written where no score file has such values.

    Raises
    ------
    InputError
        Files that do not fit (see :func:`collect`, :func:`transfer_values`).
    """
    values = transfer_values(collect(scores, rows), rows)
    with atomic_path(path) as temporary:
        temporary.write_text(as_csv(values, settings), encoding="utf-8")
    logger.info("%s: %d pairs of data sets", path, len(values))
