"""Train on one data set, test on another: what the `transfer` entries of score files say (docs/facts.md 29)."""

from itertools import compress
from typing import Any

import pandas as pd

from genebert.errors import InputError
from genebert.report.tables.kinds.base import Scores, available, with_own_values
from genebert.report.tables.kinds.two_class import TWO_CLASS
from genebert.report.tables.values import Rows, mean_and_sd, models_of

# Column: key of a score file's metrics.
METRICS = {"auc": "roc_auc", "precision": "precision", "recall": "recall"} | {
    name: metric.place[1] for name, metric in TWO_CLASS.further.items() if metric.place[0] == "metrics"
}
COLUMNS = ["model", "trained_on", "tested_on", *(f"{name}_{part}" for name in METRICS for part in ("mean", "sd")),
           "n_seeds", "n_test", "n_test_positive", "left_out"]  # fmt: skip


def _entry(model: str, trained: str, tested: str, tests: list[dict[str, Any]], own: list[bool]) -> dict[str, Any]:
    """Return one cell of the matrix from what its fits reached; `own`: which of them are no copies of others."""
    counts = {(test["metrics"]["n"], test["metrics"].get("n_positive"), test["left_out"]) for test in tests}
    if len(counts) > 1:
        raise InputError(f"tables: seeds of {model}, trained on {trained}, were tested on different parts of {tested}")
    n, n_positive, left = counts.pop()
    row: dict[str, Any] = {"model": model, "trained_on": trained, "tested_on": tested}
    for name, key in METRICS.items():
        if any(key not in test["metrics"] for test in tests):
            raise InputError(f"tables: score files of {model}, trained on {trained}, have no {key!r} on {tested}")
        row[f"{name}_mean"], row[f"{name}_sd"] = mean_and_sd([test["metrics"][key] for test in compress(tests, own)])
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
    for model in models_of(rows):
        mine = {dataset: available(scores[dataset, model]) for dataset, models in rows.items() if model in models}
        for trained, group in mine.items():
            if not any(score.get("transfer") for score in group):
                continue
            others = [list(score.get("transfer", {})) for score in group]
            if any(set(names) != set(others[0]) for names in others):
                raise InputError(f"tables: seeds of {model}, trained on {trained}, were tested on different data sets")
            tests = {trained: [{"metrics": score["metrics"], "left_out": 0} for score in group]}
            for name in others[0]:
                tests[f"{group[0]['task']}/{name}"] = [score["transfer"][name] for score in group]
            no_copies = with_own_values(group)
            own = [score in no_copies for score in group]
            entries += [_entry(model, trained, tested, of_seeds, own) for tested, of_seeds in tests.items()]
    frame = pd.DataFrame(entries, columns=COLUMNS)
    return frame.astype(dict.fromkeys(("n_seeds", "n_test", "n_test_positive", "left_out"), "Int64"))
