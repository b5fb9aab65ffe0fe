"""Our values beside the paper's, one row a model: means over the seeds of score files."""

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.scores import read_score
from genebert.report.tables.paper import PAPER_METRICS, labels_of, metrics_of
from genebert.report.text import ReportSettings

Rows = dict[str, list[str]]  # ``task/dataset`` -> our models
Scores = dict[tuple[str, str], list[dict[str, Any]]]  # ``task/dataset``, model -> score files in the order of seeds

AT_VALIDATION = "At the validation threshold"
# Values shown where a score file has them: part of the score file, key, heading, spanning heading.
FURTHER = {
    "auprc": ("metrics", "auprc", "AUPRC", ""),
    "mcc": ("metrics", "mcc", "MCC", "At 0.5"),
    "accuracy": ("metrics", "accuracy", "Accuracy", "At 0.5"),
    "precision_at_validation_threshold": ("metrics_at_validation_threshold", "precision", "P", AT_VALIDATION),
    "recall_at_validation_threshold": ("metrics_at_validation_threshold", "recall", "R", AT_VALIDATION),
}
# Labels that belong to a data set, not to a row: key in a score file's `data_set`.
DATA_SET_LABELS = {"cell_type": "cell", "tissue": "tissue"}
COUNTS = ("n_train", "n_test", "n_test_positive", "n_seeds", "n_collapsed")
LAST = ("n_train", "n_test", "n_test_positive", "n_seeds", "seeds", "n_collapsed", "seconds", "remark", "reason",
        "source")  # fmt: skip
NOT_RUN = "not part of this run"


def as_csv(values: pd.DataFrame, settings: ReportSettings) -> str:
    """Return values at full precision, with the run and its scale in every line."""
    named = values.assign(run=settings.run, scale=settings.scale)[["run", "scale", *values]]
    return named.to_csv(index=False, lineterminator="\n")


def collect(paths: Iterable[str | Path], rows: Rows) -> Scores:
    """Read score files and sort them.

    Raises
    ------
    InputError
        A file is not asked for or is there twice, a model asked for has none, or two models were tested on different
        examples.
    """
    found: Scores = {}
    tested: dict[str, tuple[str, Path]] = {}
    for path in map(Path, paths):
        score = read_score(path)
        dataset, model = f"{score['task']}/{score['dataset']}", score["model"]
        if model not in rows.get(dataset, ()):
            raise InputError(f"{path}: scores {model} on {dataset}, which is not among the rows of this table")
        group = found.setdefault((dataset, model), [])
        if any(other["seed"] == score["seed"] for other in group):
            raise InputError(f"{path}: a second score file of {model} on {dataset} with seed {score['seed']}")
        group.append(score)
        test = score.get("data_sha256", {}).get("test")
        first, where = tested.setdefault(dataset, (test, path)) if test else (test, path)
        if test != first:
            raise InputError(f"{path}: not scored on the test examples of {where}; expected one test set for {dataset}")
    for dataset, models in rows.items():
        for model in models:
            if (dataset, model) not in found:
                raise InputError(f"tables: no score file of {model} on {dataset}; expected at least one seed")
            found[dataset, model].sort(key=lambda score: score["seed"])
    return found


def models_of(rows: Rows) -> list[str]:
    """Return all models of a table, each once."""
    return list(dict.fromkeys(model for models in rows.values() for model in models))


def available(scores: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the score files that hold scores."""
    return [score for score in scores if "unavailable" not in score]


def mean_and_sd(values: list[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation; NaN for the deviation of one value."""
    return fmean(values), stdev(values) if len(values) > 1 else np.nan


def _of_all(had: list[dict[str, Any]], part: str, key: str, where: str) -> list[Any]:
    """Return a value of every seed, or nothing where no seed has it."""
    values = [score[part][key] for score in had if key in score.get(part, {})]
    n = len(had) - len(values)
    if values and n:
        raise InputError(f"tables: {n} of {len(had)} score files of {where} have no {part}.{key}; expected all or none")
    return values


def _one_count(values: list[int], where: str, what: str) -> int:
    """Return the number that all seeds agree on."""
    if len(set(values)) > 1:
        raise InputError(f"tables: seeds of {where} have {min(values)} to {max(values)} {what}; expected one number")
    return values[0]


def _summary(scores: list[dict[str, Any]], metrics: tuple[str, ...], where: str) -> dict[str, Any]:
    """Return what the seeds of one model on one data set say together."""
    had = available(scores)
    reasons = sorted({score["unavailable"] for score in scores if "unavailable" in score})
    row: dict[str, Any] = {"n_seeds": len(had), "seeds": " ".join(str(score["seed"]) for score in had)}
    remarks = []
    if reasons:
        remarks.append("unavailable" + (f" for {len(scores) - len(had)} of {len(scores)} seeds" if had else ""))
    if had:
        sources = {name: ("metrics", PAPER_METRICS[name][0]) for name in metrics} | FURTHER
        for name, (part, key, *_) in sources.items():
            if values := _of_all(had, part, key, where):
                row[f"{name}_mean"], row[f"{name}_sd"] = mean_and_sd(values)
            elif name in metrics:
                raise InputError(f"tables: score files of {where} have no {part}.{key}; expected the paper's metrics")
        if intervals := _of_all(had, "metrics", "roc_auc_interval", where):
            row["auc_low"], row["auc_high"] = map(fmean, zip(*intervals, strict=True))
        if collapsed := _of_all(had, "metrics", "collapsed", where):
            row["n_collapsed"] = sum(collapsed)
        row["n_test"] = _one_count([score["metrics"]["n"] for score in had], where, "test examples")
        row["n_test_positive"] = had[0]["metrics"].get("n_positive")
        if trained := [score["n_train"] for score in had if "n_train" in score]:
            row["n_train"] = _one_count(trained, where, "training examples")
        if seconds := [score["seconds"] for score in had if "seconds" in score]:
            row["seconds"] = median(seconds)
        if had[0]["deterministic"]:
            remarks.append("deterministic")
    return {**row, "remark": "; ".join(remarks), "reason": "; ".join(reasons)}


def folded(values: pd.DataFrame) -> pd.Series:
    """Return which rows (bool) are of data sets that are not part of this run: one note stands for them."""
    return (values["remark"] == NOT_RUN).groupby(values["dataset"]).transform("all")


def _data_set_labels(dataset: str, reported: pd.DataFrame, scores: Scores, models: list[str]) -> dict[str, str]:
    """Return cell type and tissue of a data set: the paper's, else those of its score files."""
    records = (score.get("data_set", {}) for model in models for score in available(scores[dataset, model]))
    record = next((record for record in records if record), {})
    return {
        label: next((value for value in reported[label] if value), record.get(key) or "")
        for label, key in DATA_SET_LABELS.items()
        if label in reported
    }


def build_values(paper: pd.DataFrame, scores: Scores, rows: Rows) -> pd.DataFrame:
    """Join reported and own values, one row a model, in the order of `rows`; reported rows that were not run follow.

    `paper` is from :func:`genebert.report.tables.paper.read_paper`, `scores` from :func:`collect`.

    Returns
    -------
    DataFrame
        dataset, labels of the paper's file, model, paper_model; for each metric of the paper {metric}_paper, _mean,
        _sd, _difference (ours - paper); further metrics; counts; seconds (median over seeds); remark, reason (why
        unavailable); source. Missing values are NaN.

    Raises
    ------
    InputError
        A score file lacks a metric of the paper, or seeds of one model do not fit together.
    """
    metrics, labels = metrics_of(paper), labels_of(paper)
    entries: list[dict[str, Any]] = []

    def add(dataset: str, model: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
        entry = {"dataset": dataset, **{label: theirs.get(label, "") for label in labels}, **of_data_set}
        entry |= {"model": model, "paper_model": theirs.get("model", "")}
        for name in metrics:
            entry[f"{name}_paper"] = theirs.get(name, np.nan)
            entry[f"{name}_mean"] = ours.get(f"{name}_mean", np.nan)
            entry[f"{name}_sd"] = ours.get(f"{name}_sd", np.nan)
            entry[f"{name}_difference"] = entry[f"{name}_mean"] - entry[f"{name}_paper"]
        entries.append({**entry, **ours, "source": theirs.get("source", "")})

    for dataset in dict.fromkeys([*rows, *paper["dataset"]]):
        reported = paper[paper["dataset"] == dataset]
        models = rows.get(dataset, [])
        of_data_set = _data_set_labels(dataset, reported, scores, models)
        for model in models:
            ours = _summary(scores[dataset, model], metrics, f"{model} on {dataset}")
            for theirs in reported[reported["our_model"] == model].to_dict("records") or [{}]:
                add(dataset, model, ours, theirs)
        for theirs in reported[~reported["our_model"].isin(models)].to_dict("records"):
            add(dataset, theirs["our_model"], {"n_seeds": 0, "seeds": "", "remark": NOT_RUN, "reason": ""}, theirs)
    frame = pd.DataFrame(entries)
    frame = frame.astype(dict.fromkeys((name for name in COUNTS if name in frame), "Int64"))
    last = [name for name in LAST if name in frame]
    return frame[[*frame.columns.drop(last), *last]]
