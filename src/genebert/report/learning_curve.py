"""The learning curve of a task: test AUC against the number of labelled training examples, from score files."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.scores import read_score
from genebert.files import write_text
from genebert.report.pictures import picture
from genebert.report.tables.kinds.base import pretraining_of

logger = logging.getLogger(__name__)
METRICS = ("roc_auc", "auprc", "mcc", "collapsed")
COLOURS = ("#2171b5", "#d95f02", "#1b9e77", "#7570b3", "#a6761d", "#e7298a", "#666666")
STYLES = ("-", (0, (4, 2)), (0, (1, 1.5)))  # for more models than colours
CHANCE = 0.5
MANY = 8  # numbers of examples up to which each is a tick


def collect_points(paths: Sequence[str | Path], rows: Mapping[str, Sequence[str]] | None = None) -> pd.DataFrame:
    """Return one row a score file, in the order of the files, which are all of one task and data set.

    `rows` names lines with several fits, one for each seed of pre-training: line -> names of the fits.

    Returns
    -------
    DataFrame
        model (str), n_train (Int64), pretraining (Int64, seed of the model's pre-training), seed (int64), roc_auc,
        auprc, mcc (float64), collapsed (boolean), unavailable (str, why there is no number). The numbers are missing
        for a model that cannot be had, and for more examples than there are.

    Raises
    ------
    InputError
        One is no score file or lacks a value, they are of several data sets, or two are of the same model, number of
        examples and seed.
    """
    lines: dict[str, list[str]] = {}
    for line, names in (rows or {}).items():
        for name in names:
            lines.setdefault(name, []).append(line)
    points, places, one = [], {}, ""
    for path in paths:
        score = read_score(path)
        name = f"{score['task']}/{score['dataset']}"
        one = one or name
        if name != one:
            raise InputError(f"{path}: scores of {name}, but {paths[0]} of {one}; expected one data set")
        key = f"{score['model']}, {score.get('n_train')} examples, seed {score['seed']}"
        if "unavailable" in score:
            found: dict[str, Any] = {"unavailable": score["unavailable"]}
        else:
            found = {name: score["metrics"].get(name) for name in METRICS}
            if missing := [name for name, value in {**found, "n_train": score.get("n_train")}.items() if value is None]:
                raise InputError(f"{path}: has no value {missing[0]!r}; expected a score file of a fitted model")
            if key in places:
                raise InputError(f"{path}: {key} as in {places[key]}; expected each once")
            places[key] = path
        row = {"n_train": score.get("n_train"), "pretraining": pretraining_of(score), "seed": score["seed"]}
        points += [{"model": line, **row, **found} for line in lines.get(score["model"], [score["model"]])]
    frame = pd.DataFrame(points, columns=["model", "n_train", "pretraining", "seed", *METRICS, "unavailable"])
    return frame.astype(
        {"n_train": "Int64", "pretraining": "Int64", **dict.fromkeys(METRICS, "float64"), "collapsed": "boolean"}
    )


def _left_out(points: pd.DataFrame) -> list[str]:
    """Return which models, and which numbers of examples of the others, have no number, and why."""
    missing = points[points["roc_auc"].isna()]
    absent = sorted(set(missing.loc[missing["n_train"].isna(), "model"]))
    notes = [f"cannot be had: {', '.join(absent)}"] if absent else []
    for reason, rows in missing.dropna(subset="n_train").groupby("unavailable"):
        notes.append(f"left out: {', '.join(f'{n:,}' for n in sorted(set(rows['n_train'])))} ({reason})")
    return notes


def plot_learning_curve(
    points: pd.DataFrame, folder: str | Path, name: str, title: str, notes: Sequence[str] = ()
) -> None:
    """Write ``name.svg`` and ``name.png``: the AUC of each model, its mean over seeds as a line, the seeds as dots.

    `points` are from :func:`collect_points`; `notes` stand below the title, one a line.

    Raises
    ------
    InputError
        No model has a number.
    """
    known, left_out = points.dropna(subset="roc_auc").astype({"n_train": int}), _left_out(points)
    if known.empty:
        why = f" ({'; '.join(left_out)})" if left_out else ""
        raise InputError(
            f"learning_curves: none of {len(points)} score files of {name} holds a number{why}; expected some of "
            "`sizes` to be no larger than the training set"
        )
    notes = [*notes, *left_out]
    if known["collapsed"].any():
        notes.append("crosses: all scores of the seed on one side of 0.5")
    with picture(folder, name, title, 7.2, 4.2 + 0.17 * len(notes)) as figure:
        axes = figure.subplots()
        last = {}
        for i, (model, rows) in enumerate(known.groupby("model", sort=False)):
            colour, style = COLOURS[i % len(COLOURS)], STYLES[i // len(COLOURS) % len(STYLES)]
            for collapsed, marker in ((False, "o"), (True, "x")):
                dots = rows[rows["collapsed"] == collapsed]
                axes.scatter(dots["n_train"], dots["roc_auc"], s=14, marker=marker, color=colour, alpha=0.35,
                             linewidths=int(collapsed))  # fmt: skip
            mean = rows.groupby("n_train")["roc_auc"].mean()
            (line,) = axes.plot(mean, color=colour, linestyle=style, lw=1.6, marker="o", markersize=3, label=model)
            last[line] = mean.iloc[-1]
        lines = sorted(last, key=last.get, reverse=True)
        if known["roc_auc"].min() < CHANCE + 0.1:
            lines.append(axes.axhline(CHANCE, color="#737373", lw=0.8, linestyle=(0, (4, 3)), zorder=1, label="chance"))
        axes.set_xscale("log")
        axes.margins(x=0.04, y=0.08)
        if len(numbers := known["n_train"].unique()) <= MANY:
            axes.set_xticks(numbers)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        axes.set_xlabel("labelled training examples")
        axes.set_ylabel("AUC on the test set")
        axes.set_title("\n".join(notes), fontsize=8, color="#525252", loc="left")
        # In the order of the lines' right ends.
        axes.legend(handles=lines, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)


def write_learning_curve(
    paths: Sequence[str | Path],
    folder: str | Path,
    name: str,
    title: str,
    scale: str,
    rows: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write the learning curve of score files as ``name.svg``, ``name.png`` and ``name.csv``.

    Colours follow the order of the models in the files; `scale` (run and scale) stands below the title. For `rows` see
    :func:`collect_points`.
    """
    points = collect_points(paths, rows)
    plot_learning_curve(points, folder, name, title, [scale])
    write_text(
        Path(folder) / f"{name}.csv",
        points.sort_values(["model", "n_train", "pretraining", "seed"]).to_csv(index=False),
    )
    logger.info("%s: %d points of %d models", name, len(points), points["model"].nunique())
