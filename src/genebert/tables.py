"""The paper's tables with our values beside them, from score files and nothing else.

One table is one file of reported values, ``config/paper/table{n}.tsv``: columns dataset (``task/dataset``), model (the
paper's name), our_model (its counterpart here), one or more of the paper's metrics (`PAPER_METRICS`), source, and any
further columns, which are shown as they are (cell type, tissue). Our values are means over seeds.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import atomic_path
from genebert.scores import read_score
from genebert.table_forms import MORE_METRICS, PAPER_METRICS, Table, to_html, to_latex, to_markdown

logger = logging.getLogger(__name__)

TITLES = {
    1: "Promoter prediction",
    2: "Transcription factor binding sites",
    3: "Disease risk prediction",
    4: "RNA splicing sites prediction",
    5: "Pre-training losses",
    6: "Transcription factor binding sites by cell type and tissue",
    7: "Region encoders",
    8: "Batch size and weight of the matching loss",
}
LOSSES = ("mgm", "ngsp", "srm")
KEYS = ("dataset", "model", "our_model")
FORMATS = ("csv", "md", "html", "tex")


def read_paper(path: str | Path) -> pd.DataFrame:
    """Read a file of reported values.

    Raises
    ------
    InputError
        Missing columns, no metric among them, a value that is not a number, or a repeated row.
    """
    try:
        paper = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable table ({error})") from error
    missing = [name for name in (*KEYS, "source") if name not in paper]
    if missing:
        raise InputError(f"{path}: has no column {missing[0]!r}; found {', '.join(paper)}")
    metrics = [name for name in PAPER_METRICS if name in paper]
    if not metrics:
        raise InputError(f"{path}: has no column of values; expected at least one of {', '.join(PAPER_METRICS)}")
    for name in metrics:
        numbers = pd.to_numeric(paper[name], errors="coerce")
        odd = numbers.isna() & (paper[name] != "")
        if odd.any():
            raise InputError(f"{path}: {name} is {paper.loc[odd, name].iloc[0]!r}; expected a number or nothing")
        paper[name] = numbers
    repeated = paper.duplicated(["dataset", "model"])
    if repeated.any():
        row = paper[repeated].iloc[0]
        raise InputError(f"{path}: {row['model']} on {row['dataset']} occurs twice; expected one row each")
    return paper


def collect(paths: list[Path], rows: dict[str, list[str]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Read score files and sort them by (``task/dataset``, model) and seed.

    Raises
    ------
    InputError
        A file is not asked for or is there twice, a model asked for has none, or two models were tested on different
        examples.
    """
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    tested: dict[str, tuple[str, Path]] = {}
    for path in paths:
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


def _summary(scores: list[dict[str, Any]], metrics: tuple[str, ...]) -> dict[str, Any]:
    """Return mean and sd over seeds of one model on one data set."""
    had = [score for score in scores if "unavailable" not in score]
    reasons = sorted({score["unavailable"] for score in scores if "unavailable" in score})
    row: dict[str, Any] = {"n_seeds": len(had), "seeds": " ".join(str(score["seed"]) for score in had)}
    remarks = []
    if reasons:
        seeds = f" for {len(scores) - len(had)} of {len(scores)} seeds" if had else ""
        remarks.append(f"unavailable{seeds}: {'; '.join(reasons)}")
    if had:
        if len({score["metrics"]["n"] for score in had}) > 1:
            raise InputError(f"tables: seeds of {had[0]['model']} were tested on different numbers of examples")
        sources = {name: PAPER_METRICS[name][0] for name in metrics} | {name: name for name in MORE_METRICS}
        for name, key in sources.items():
            values = [score["metrics"][key] for score in had if key in score["metrics"]]
            if name in metrics and len(values) < len(had):
                raise InputError(f"tables: score files of {had[0]['model']} have no metric {key!r}")
            if values:
                row[f"{name}_mean"] = fmean(values)
                row[f"{name}_sd"] = stdev(values) if len(values) > 1 else np.nan
        intervals = [score["metrics"]["roc_auc_interval"] for score in had if "roc_auc_interval" in score["metrics"]]
        if intervals:
            row["auc_low"], row["auc_high"] = map(fmean, zip(*intervals, strict=True))
        tuned = [
            score["metrics_at_validation_threshold"] for score in had if "metrics_at_validation_threshold" in score
        ]
        for name in ("precision", "recall"):
            if tuned:
                row[f"{name}_at_validation_threshold"] = fmean(values[name] for values in tuned)
        row["n_test"] = had[0]["metrics"]["n"]
        row["n_test_positive"] = had[0]["metrics"].get("n_positive")
        if "collapsed" in had[0]["metrics"]:
            row["n_collapsed"] = sum(score["metrics"]["collapsed"] for score in had)
        if had[0]["deterministic"]:
            remarks.append("deterministic: seeds change nothing")
    row["remark"] = "; ".join(remarks)
    return row


def build_values(
    paper: pd.DataFrame, scores: dict[tuple[str, str], list[dict[str, Any]]], rows: dict[str, list[str]]
) -> pd.DataFrame:
    """Join reported and own values, one row a model, in the order of `rows`; reported rows that were not run follow.

    Parameters
    ----------
    paper : DataFrame
        From :func:`read_paper`.
    scores : dict
        From :func:`collect`.
    rows : dict
        ``task/dataset`` -> our models.

    Returns
    -------
    DataFrame
        dataset, labels of the paper's file, model, paper_model; for each metric of the paper {metric}_paper, _mean,
        _sd, _difference (ours - paper); further metrics; counts; remark; source. Missing values are NaN.
    """
    metrics = tuple(name for name in PAPER_METRICS if name in paper)
    labels = [name for name in paper if name not in (*KEYS, *metrics, "source")]
    entries: list[dict[str, Any]] = []

    def add(dataset: str, model: str, ours: dict[str, Any], theirs: pd.Series | None) -> None:
        entry = {"dataset": dataset, **({} if theirs is None else theirs[labels].to_dict()), "model": model}
        entry["paper_model"] = "" if theirs is None else theirs["model"]
        for name in metrics:
            entry[f"{name}_paper"] = np.nan if theirs is None else theirs[name]
            entry[f"{name}_mean"] = ours.get(f"{name}_mean", np.nan)
            entry[f"{name}_sd"] = ours.get(f"{name}_sd", np.nan)
            entry[f"{name}_difference"] = entry[f"{name}_mean"] - entry[f"{name}_paper"]
        entries.append({**entry, **ours, "source": "" if theirs is None else theirs["source"]})

    order = [*rows, *(name for name in paper["dataset"].unique() if name not in rows)]
    for dataset in order:
        reported = paper[paper["dataset"] == dataset]
        for model in rows.get(dataset, ()):
            ours = _summary(scores[dataset, model], metrics)
            counterparts = [row for _, row in reported[reported["our_model"] == model].iterrows()]
            for theirs in counterparts or [None]:
                add(dataset, model, ours, theirs)
        for _, theirs in reported[~reported["our_model"].isin(rows.get(dataset, ()))].iterrows():
            add(dataset, theirs["our_model"], {"n_seeds": 0, "seeds": "", "remark": "not part of this run"}, theirs)
    frame = pd.DataFrame(entries)
    frame[labels] = frame[labels].fillna("")
    last = ["n_test", "n_test_positive", "n_seeds", "seeds", "n_collapsed", "remark", "source"]
    counts = [name for name in ("n_test", "n_test_positive", "n_seeds", "n_collapsed") if name in frame]
    frame = frame.astype(dict.fromkeys(counts, "Int64"))
    return frame[[name for name in frame if name not in last] + [name for name in last if name in frame]]


def _origins(scores: dict[tuple[str, str], list[dict[str, Any]]]) -> list[str]:
    """Return, for each model of ours that was fine-tuned, what it was before (FACTS K.16)."""
    lines: dict[str, str] = {}
    for (_, model), group in scores.items():
        record = group[0].get("model_record") or {}
        if "settings" not in record or "training" not in record:
            continue
        steps = record["training"]["steps"] if any(record["settings"]["losses"].get(x) for x in LOSSES) else 0
        starts = [
            f"{encoder.replace('_', ' ')} from {_weights(source)}"
            for encoder, source in record.get("initial_weights", {}).items()
        ]
        trained = f"{steps:,} steps of pre-training" if steps else "no pre-training here"
        lines[model] = f"{model}: {', '.join([*starts, trained])}"
    return [f"Before fine-tuning: {'; '.join(lines.values())}."] if lines else []


def _weights(source: dict[str, str]) -> str:
    """Return what weights an encoder started from, in words."""
    if source["kind"] == "none":
        return "random weights"
    return f"{source.get('id') or source['name']} (sha256 {source['sha256'][:8]})"


def _constant_notes(values: pd.DataFrame) -> list[str]:
    """Return what a constant prediction would score on each test set."""
    shares: dict[str, list[str]] = {}
    tested = values.dropna(subset=["n_test_positive"]) if "n_test_positive" in values else values[:0]
    for _, row in tested.drop_duplicates("dataset").iterrows():
        positives = row["n_test_positive"] / row["n_test"]
        shares.setdefault(f"{max(positives, 1 - positives) / 2:.3f}", []).append(row["dataset"])
    ours = ", ".join(f"{precision} / 0.500 on {', '.join(names)}" for precision, names in shares.items())
    return [
        "P and R are macro averages over both classes at threshold 0.5. A constant classifier gives 0.250 / 0.500 on "
        "balanced data" + (f", {ours}" if ours else "") + "; collapsed counts the seeds that predict one class only."
    ]


def make_table(
    number: int,
    paper: pd.DataFrame,
    scores: dict[tuple[str, str], list[dict[str, Any]]],
    rows: dict[str, list[str]],
    run: str,
    scale: str,
    notes: list[str],
) -> Table:
    """Return the table with its footnotes; see :func:`render_table`."""
    values = build_values(paper, scores, rows)
    metrics = tuple(name for name in PAPER_METRICS if name in paper)
    labels = tuple(name for name in paper if name not in (*KEYS, *metrics, "source"))
    foot = [f"Paper: {', '.join(dict.fromkeys(paper['source']))}. Ours: run {run}, {scale}; mean ± sd over seeds."]
    foot.append("Difference: ours - paper. AUC 95 %: bootstrap over test examples, bounds averaged over seeds.")
    if "precision" in metrics:
        foot += _constant_notes(values)
    alone = list(dict.fromkeys(values.loc[values["paper_model"] == "", "model"]))
    if alone:
        foot.append(f"Not in the paper: {', '.join(alone)}.")
    foot += _origins(scores)
    values.insert(0, "scale", scale)
    values.insert(0, "run", run)
    title = f"Table {number}. {TITLES[number]}"
    return Table(title, f"Run {run}: {scale}", values, metrics, labels, [*foot, *notes])


def render_table(
    number: int,
    paper_tsv: str | Path,
    scores: list[Path],
    rows: dict[str, list[str]],
    run: str,
    scale: str,
    out: dict[str, str | Path],
    notes: Iterable[str] = (),
) -> Table:
    """Write one of the paper's tables.

    Parameters
    ----------
    number : int
        1 to 8.
    paper_tsv : path
        The reported values; see the module's description.
    scores : list of path
        Score files of exactly the models in `rows`, any number of seeds each.
    rows : dict
        ``task/dataset`` -> our models, in the order of the table. Reported rows whose counterpart is not among them
        are kept and marked.
    run, scale : str
        Printed on every form of the table and in every line of the csv file.
    out : dict
        ``csv`` (full precision), ``md``, ``html``, ``tex`` (three decimals) -> path; any subset.
    notes : iterable of str
        Further footnotes.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        Unknown number or form, no rows, or files that do not fit (see :func:`read_paper`, :func:`collect`).
    """
    if number not in TITLES:
        raise InputError(f"table: found {number}, expected 1 to {max(TITLES)}")
    unknown = [name for name in out if name not in FORMATS]
    if unknown:
        raise InputError(f"table {number}: form {unknown[0]!r} asked for; expected {', '.join(FORMATS)}")
    if not any(rows.values()):
        raise InputError(f"table {number}: no rows asked for; expected at least one model on one data set")
    found = collect([Path(path) for path in scores], rows)
    table = make_table(number, read_paper(paper_tsv), found, rows, run, scale, list(notes))
    render = {
        "csv": lambda: table.values.to_csv(index=False, lineterminator="\n"),
        "md": lambda: to_markdown(table),
        "html": lambda: to_html(table, f"table{number}"),
        "tex": lambda: to_latex(table),
    }
    for name, path in out.items():
        with atomic_path(path) as temporary:
            temporary.write_text(render[name](), encoding="utf-8")
    logger.info("table %d: %d rows from %d score files", number, len(table.values), len(scores))
    return table
