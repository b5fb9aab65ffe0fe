"""Our values beside the paper's, one row a model: means over the seeds of score files."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.scores import read_score
from genebert.report.tables.kinds.base import (
    Place,
    Score,
    Scores,
    Shown,
    available,
    pretraining_of,
    value_at,
    with_own_values,
)
from genebert.report.tables.kinds.registry import shown_of
from genebert.report.tables.paper import ELSEWHERE, labels_of, metrics_of
from genebert.report.text import ReportSettings

# ``task/dataset`` -> our models; or each of them with the names of its fits: equal models are fitted once, and a model
# with several seeds of pre-training once for each.
Rows = Mapping[str, Sequence[str] | Mapping[str, Sequence[str]]]
Data = dict[str, tuple[dict[str, str], Path]]  # data set -> hash of each split's examples, and the file that said so

# Labels that belong to a data set, not to a row: key in a score file's `data_set`.
DATA_SET_LABELS = {"cell_type": "cell", "tissue": "tissue"}
NOT_RUN = "not part of this run"


def as_csv(values: pd.DataFrame, settings: ReportSettings) -> str:
    """Return values at full precision, with the run and its scale in every line."""
    named = values.assign(run=settings.run, scale=settings.scale)[["run", "scale", *values]]
    return named.to_csv(index=False, lineterminator="\n")


def collect(paths: Iterable[str | Path], rows: Rows) -> Scores:
    """Read score files and sort them; those of a model that stands in several rows count for each.

    Raises
    ------
    InputError
        A file is not asked for or is there twice, a model asked for has none, or two models were fitted or tested with
        different examples.
    """
    found: Scores = {}
    shown: dict[tuple[str, str], list[str]] = {}
    for dataset in rows:
        for row, names in fits(rows, dataset).items():
            for name in names:
                shown.setdefault((dataset, name), []).append(row)
    data: Data = {}
    for path in map(Path, paths):
        score = read_score(path)
        dataset, model = f"{score['task']}/{score['dataset']}", score["model"]
        if (dataset, model) not in shown:
            raise InputError(f"{path}: scores {model} on {dataset}, which is not among the rows of this table")
        for row in shown[dataset, model]:
            group = found.setdefault((dataset, row), [])
            if any((other["model"], other["seed"]) == (model, score["seed"]) for other in group):
                raise InputError(f"{path}: a second score file of {model} on {dataset} with seed {score['seed']}")
            group.append(score)
        check_data(dataset, score, path, data)
    for dataset in rows:
        for row, names in fits(rows, dataset).items():
            had = {score["model"] for score in found.get((dataset, row), [])}
            if missing := [name for name in names if name not in had]:
                raise InputError(f"tables: no score file of {missing[0]} on {dataset}; expected at least one seed")
            seeds = {name: {score["seed"] for score in found[dataset, row] if score["model"] == name} for name in names}
            if other := [name for name in names if seeds[name] != seeds[names[0]]]:
                text = f"the seeds of {names[0]} are {sorted(seeds[names[0]])}, of {other[0]} {sorted(seeds[other[0]])}"
                raise InputError(f"tables: on {dataset} {text}; expected the same for every pre-training")
            order = {name: i for i, name in enumerate(names)}
            found[dataset, row].sort(key=lambda score, order=order: (order[score["model"]], score["seed"]))
    return found


def check_data(dataset: str, score: Score, path: Path, data: Data) -> None:
    """Raise an InputError where a score file is of other examples than the first of its data set, kept in `data`."""
    if "unavailable" in score:
        return
    hashes = score.get("data_sha256", {})
    first, where = data.setdefault(dataset, (hashes, path))
    for split in {**first, **hashes}:
        found, expected = (one.get(split, "no hash") for one in (hashes, first))
        if found != expected:
            done = {"train": "fitted to", "valid": "validated on"}.get(split, "scored on")
            raise InputError(f"{path}: not {done} the {split} examples of {where}; found {found}, expected {expected}")


def fits(rows: Rows, dataset: str) -> Mapping[str, Sequence[str]]:
    """Return our models of a data set, each with the names of its fits."""
    models = rows[dataset]
    return models if isinstance(models, Mapping) else {model: [model] for model in models}


def models_of(rows: Rows) -> list[str]:
    """Return all models of a table, each once."""
    return list(dict.fromkeys(model for models in rows.values() for model in models))


def mean_and_sd(values: list[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation; NaN for the deviation of one value."""
    return fmean(values), stdev(values) if len(values) > 1 else np.nan


def _of_all(had: list[Score], place: Place, where: str) -> list[Any]:
    """Return a value of every seed, or nothing where no seed has it."""
    values = [value for score in had if (value := value_at(score, place)) is not None]
    n = len(had) - len(values)
    if values and n:
        name = ".".join(place)
        raise InputError(f"tables: {n} of {len(had)} score files of {where} have no {name}; expected all or none")
    return values


def _one_count(values: list[int], where: str, what: str) -> int:
    """Return the number that all seeds agree on."""
    if len(set(values)) > 1:
        raise InputError(f"tables: seeds of {where} have {min(values)} to {max(values)} {what}; expected one number")
    return values[0]


def _measured(had: list[Score], shown: Shown, metrics: tuple[str, ...], where: str) -> dict[str, Any]:
    """Return what the score files with scores of one model on one data set say together."""
    row: dict[str, Any] = {}
    if shown.collapsed and (collapsed := _of_all(had, shown.collapsed, where)):
        row["n_collapsed"] = sum(collapsed)
    had = with_own_values(had)
    for name, metric in ({name: shown.metrics[name] for name in metrics} | shown.further).items():
        if values := _of_all(had, metric.place, where):
            row[f"{name}_mean"], row[f"{name}_sd"] = mean_and_sd(values)
        elif name in metrics:
            place = ".".join(metric.place)
            raise InputError(f"tables: score files of {where} have no {place}; expected the paper's metrics")
    if intervals := _of_all(had, shown.interval, where):
        headline = list(shown.metrics)[-1]
        row[f"{headline}_low"], row[f"{headline}_high"] = map(fmean, zip(*intervals, strict=True))
    for name, count in shown.counts.items():
        if found := [value for score in had if (value := value_at(score, count.place)) is not None]:
            row[name] = _one_count(found, where, count.words)
        elif count.always:
            row[name] = None
    for name, figure in shown.figures.items():
        if found := [value for score in had if (value := value_at(score, figure.place)) is not None]:
            row[name] = median(found)
    return row


def _summary(scores: list[Score], shown: Shown, metrics: tuple[str, ...], where: str) -> dict[str, Any]:
    """Return what the seeds of one model on one data set say together, and what is to be remarked."""
    had = available(scores)
    reasons = sorted({score["unavailable"] for score in scores if "unavailable" in score})
    row: dict[str, Any] = {
        "n_seeds": len(had),
        "n_pretrainings": len({pretraining_of(score) for score in had}),
        "seeds": " ".join(dict.fromkeys(str(score["seed"]) for score in had)),
    }
    remarks = []
    if reasons:
        remarks.append("unavailable" + (f" for {len(scores) - len(had)} of {len(scores)} seeds" if had else ""))
    if had:
        row |= _measured(had, shown, metrics, where)
        remarks += shown.remarks(had)
        if had[0]["deterministic"]:
            remarks.append("deterministic")
    return {**row, "remark": "; ".join(remarks), "reason": "; ".join(reasons)}


def folded(values: pd.DataFrame) -> pd.Series:
    """Return which rows (bool) are of data sets that are not part of this run: one note stands for them."""
    return (values["remark"] == NOT_RUN).groupby(values["dataset"]).transform("all")


def _data_set_labels(dataset: str, reported: pd.DataFrame, scores: Scores, models: Iterable[str]) -> dict[str, str]:
    """Return cell type and tissue of a data set: the paper's, else those of its score files."""
    records = (score.get("data_set", {}) for model in models for score in available(scores[dataset, model]))
    record = next((record for record in records if record), {})
    return {
        label: next((value for value in reported[label] if value), record.get(key) or "")
        for label, key in DATA_SET_LABELS.items()
        if label in reported
    }


def elsewhere_column(metric: str, reporter: str) -> str:
    """Return the column of the csv file for what somebody else reports."""
    return f"{metric}_{re.sub(r'[^a-z0-9]+', '_', reporter.lower())}"


def _own_labels(labels: Mapping[str, str], shown: Shown, had: list[Score]) -> dict[str, str]:
    """Return the labels that our score files give; beside the paper's where they differ."""
    found = {label: text_of(had) for label, text_of in shown.labels.items() if label in labels}
    return {
        label: f"{labels[label]} (ours {text})" if labels[label] not in ("", text) else text
        for label, text in found.items()
        if text
    }


class _Table:
    """Entries of a table, one after the other."""

    def __init__(self, paper: pd.DataFrame, elsewhere: pd.DataFrame | None, scores: Scores):
        self.paper, self.scores = paper, scores
        self.elsewhere = paper.assign(**{ELSEWHERE: ""})[:0] if elsewhere is None else elsewhere
        self.metrics, self.labels = metrics_of(paper), labels_of(paper)
        self.shown = shown_of(self.metrics)
        self.entries: list[dict[str, Any]] = []

    def _others(self, dataset: str, model: str) -> list[dict[str, Any]]:
        """Return the rows of others about a model."""
        here = self.elsewhere[(self.elsewhere["dataset"] == dataset) & (self.elsewhere["our_model"] == model)]
        return here.to_dict("records")

    def _elsewhere(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what others report, a column each; NaN where they report nothing."""
        columns = [(who, name) for who in self.elsewhere[ELSEWHERE].unique() for name in self.metrics]
        found = {elsewhere_column(name, who): np.nan for who, name in columns}
        for row in rows:
            found |= {elsewhere_column(name, row[ELSEWHERE]): row[name] for name in self.metrics}
        return found

    def add(self, place: tuple[str, str], ours: dict[str, Any], theirs: dict[str, Any], labels: dict[str, str]) -> None:
        """Add a row of `place`, data set and model."""
        others = self._others(*place)
        named = theirs or (others[0] if others else {})
        entry = {"dataset": place[0], **{label: named.get(label, "") for label in self.labels}, **labels}
        entry |= _own_labels(entry, self.shown, available(self.scores.get(place, [])))
        entry |= {"model": place[1], "paper_model": theirs.get("model", "")}
        for name in self.metrics:
            entry[f"{name}_paper"] = theirs.get(name, np.nan)
            entry[f"{name}_mean"] = ours.get(f"{name}_mean", np.nan)
            entry[f"{name}_sd"] = ours.get(f"{name}_sd", np.nan)
            entry[f"{name}_difference"] = entry[f"{name}_mean"] - entry[f"{name}_paper"]
        entry |= self._elsewhere(others)
        self.entries.append({**entry, **ours, "source": theirs.get("source", "")})

    def add_data_set(self, dataset: str, models: Iterable[str]) -> None:
        """Add the rows of a data set: our models, then those that the paper or others report and that were not run."""
        reported = self.paper[self.paper["dataset"] == dataset]
        of_data_set = _data_set_labels(dataset, reported, self.scores, models)
        for model in models:
            ours = _summary(self.scores[dataset, model], self.shown, self.metrics, f"{model} on {dataset}")
            for theirs in reported[reported["our_model"] == model].to_dict("records") or [{}]:
                self.add((dataset, model), ours, theirs, of_data_set)
        absent = {"n_seeds": 0, "n_pretrainings": 0, "seeds": "", "remark": NOT_RUN, "reason": ""}
        for theirs in reported[~reported["our_model"].isin(models)].to_dict("records"):
            self.add((dataset, theirs["our_model"]), absent, theirs, of_data_set)
        others = self.elsewhere[self.elsewhere["dataset"] == dataset].drop_duplicates("our_model")
        for theirs in others[~others["our_model"].isin([*models, *reported["our_model"]])].to_dict("records"):
            self.add((dataset, theirs["our_model"]), absent, {}, of_data_set)


def build_values(
    paper: pd.DataFrame, scores: Scores, rows: Rows, elsewhere: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Join reported and own values, one row a model, in the order of `rows`; reported rows that were not run follow.

    `paper` and `elsewhere` are from :mod:`genebert.report.tables.paper`, `scores` from :func:`collect`.

    Returns
    -------
    DataFrame
        dataset, labels of the paper's file, model, paper_model; for each metric of the paper {metric}_paper, _mean,
        _sd, _difference (ours - paper), and what others report (:func:`elsewhere_column`); further metrics, counts and
        figures of the kind (seconds: the median over seeds); n_seeds, of fits, and n_pretrainings behind them; remark,
        reason (why unavailable); source. Missing values
        are NaN.

    Raises
    ------
    InputError
        A score file lacks a metric of the paper, or seeds of one model do not fit together.
    """
    table = _Table(paper, elsewhere, scores)
    for dataset in dict.fromkeys([*rows, *paper["dataset"], *table.elsewhere["dataset"]]):
        table.add_data_set(dataset, rows.get(dataset, []))
    shown, frame = table.shown, pd.DataFrame(table.entries)
    counts = [*shown.counts, "n_seeds", "n_pretrainings", "n_collapsed"]
    frame = frame.astype(dict.fromkeys((name for name in counts if name in frame), "Int64"))
    last = [
        *shown.counts,
        "n_seeds",
        "n_pretrainings",
        "seeds",
        "n_collapsed",
        *shown.figures,
        "remark",
        "reason",
        "source",
    ]
    last = [name for name in last if name in frame]
    return frame[[*frame.columns.drop(last), *last]]
