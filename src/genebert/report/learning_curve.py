"""The learning curve of a task: test AUC against the number of labelled training examples, from score files."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.scores import read_score
from genebert.files import atomic_path
from genebert.report.pictures import bare, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)
METRICS = ("roc_auc", "auprc", "mcc")
COLOURS = ("#2171b5", "#d95f02", "#1b9e77", "#7570b3", "#a6761d", "#e7298a", "#666666")
STYLES = ("-", (0, (4, 2)), (0, (1, 1.5)))  # for more models than colours
CHANCE, FLOOR, NOTE = 0.5, "#737373", "#525252"
LABEL_SIZE = 8  # points
MANY = 8  # numbers of examples up to which each is a tick


def collect_points(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Return one row a score file, in the order of the files.

    Parameters
    ----------
    paths : sequence of path
        All of one task and data set.

    Returns
    -------
    DataFrame
        model (str), n_train (Int64), seed (int64), roc_auc, auprc, mcc (float64), collapsed (boolean). All but model
        and seed are missing for a model that cannot be had.

    Raises
    ------
    InputError
        No file, one that is no score file or lacks a value, files of several data sets, or two of the same model,
        number of examples and seed.
    """
    if not paths:
        raise InputError("learning curve: found no score file, expected at least one")
    rows, of, places = [], {}, {}
    for path in paths:
        score = read_score(path)
        of.setdefault((score["task"], score["dataset"]), path)
        row = {"model": score["model"], "n_train": None, "seed": score["seed"]}
        if "unavailable" not in score:
            row |= {"n_train": score.get("n_train")} | {name: score["metrics"].get(name) for name in METRICS}
            row["collapsed"] = score["metrics"].get("collapsed")
            missing = [name for name, value in row.items() if value is None]
            if missing:
                raise InputError(f"{path}: has no value {missing[0]!r}; expected a score file of a fitted model")
            if row["n_train"] < 1:
                raise InputError(f"{path}: n_train {row['n_train']}; expected a number of examples above 0")
            key = (row["model"], row["n_train"], row["seed"])
            if key in places:
                raise InputError(
                    f"{path}: {key[0]}, {key[1]} examples, seed {key[2]} as in {places[key]}; expected each once"
                )
            places[key] = path
        rows.append(row)
    if len(of) > 1:
        (one, first), (other, second) = list(of.items())[:2]
        raise InputError(
            f"{second}: scores of {'/'.join(other)}, but {first} of {'/'.join(one)}; expected one data set"
        )
    points = pd.DataFrame(rows, columns=["model", "n_train", "seed", *METRICS, "collapsed"])
    return points.astype({"n_train": "Int64", **dict.fromkeys(METRICS, "float64"), "collapsed": "boolean"})


def plot_learning_curve(
    points: pd.DataFrame, folder: str | Path, name: str, title: str, notes: Sequence[str] = ()
) -> None:
    """Write ``name.svg`` and ``name.png``: the AUC of each model, its mean over seeds as a line, the seeds as dots.

    Parameters
    ----------
    points : DataFrame
        From :func:`collect_points`.
    folder : path
    name : str
    title : str
    notes : sequence of str
        Printed below the title, one a line.

    Raises
    ------
    InputError
        No model has a number.
    """
    known = points.dropna(subset="n_train")
    if known.empty:
        raise InputError(f"{name}: none of {len(points)} score files holds a number; expected at least one")
    absent = sorted(set(points["model"]) - set(known["model"]))
    notes = [*notes, *([f"cannot be had: {', '.join(absent)}"] if absent else [])]
    if known["collapsed"].any():
        notes.append("crosses: all scores of the seed on one side of 0.5")
    ends = {}
    with picture(folder, name, 6.4, 4.2 + 0.17 * len(notes)) as figure:
        axes = figure.subplots()
        for i, model in enumerate(dict.fromkeys(known["model"])):
            colour = COLOURS[i % len(COLOURS)]
            of_model = known[known["model"] == model]
            for collapsed, marker in ((False, "o"), (True, "x")):
                dots = of_model[of_model["collapsed"] == collapsed]
                axes.scatter(
                    dots["n_train"].astype(int), dots["roc_auc"],
                    s=14, marker=marker, color=colour, alpha=0.35, linewidths=1 if collapsed else 0,
                )  # fmt: skip
            mean = of_model.groupby("n_train")["roc_auc"].mean()
            style = STYLES[i // len(COLOURS) % len(STYLES)]
            axes.plot(mean.index.astype(int), mean, color=colour, linestyle=style, lw=1.6, marker="o", markersize=3)
            ends[model] = (int(mean.index[-1]), float(mean.iloc[-1]), colour)
        _scale(axes, np.unique(known["n_train"].astype(int)), known["roc_auc"].min())
        axes.set_xlabel("labelled training examples")
        axes.set_ylabel("AUC on the test set")
        bare(axes, "left", "bottom")
        axes.set_title("\n".join(notes), fontsize=8, color=NOTE, loc="left")
        figure.suptitle(title, fontsize=10, x=0.01, ha="left")
        _label_ends(figure, axes, ends)


def _scale(axes: "Axes", numbers: np.ndarray, lowest: float) -> None:
    axes.set_xscale("log")
    axes.margins(x=0.04, y=0.08)
    if len(numbers) <= MANY:
        axes.set_xticks(numbers)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    if lowest < CHANCE + 0.1:
        axes.axhline(CHANCE, color=FLOOR, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate("chance", (1, CHANCE), (0, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
                      ha="right", color=FLOOR, fontsize=7)  # fmt: skip


def _label_ends(figure: "Figure", axes: "Axes", ends: dict[str, tuple[int, float, str]]) -> None:
    """Write each model's name right of the axes at the height where its line ends, moved apart where they are near."""
    order = sorted(ends, key=lambda model: ends[model][1])
    names = [
        axes.annotate(model, ends[model][:2], (1.03, ends[model][1]), xycoords="data",
                      textcoords=("axes fraction", "data"), va="center", color=ends[model][2], fontsize=LABEL_SIZE,
                      arrowprops={"arrowstyle": "-", "color": ends[model][2], "lw": 0.6, "alpha": 0.5,
                                  "shrinkA": 0, "shrinkB": 2, "relpos": (0, 0.5)})
        for model in order
    ]  # fmt: skip
    figure.draw_without_rendering()  # the layout, with room for the names, sets the height of the axes
    low, high = axes.get_ylim()
    gap = (high - low) * 1.25 * LABEL_SIZE * figure.dpi / 72 / axes.get_window_extent().height
    places = spread([ends[model][1] for model in order], gap)
    for label, place in zip(names, places, strict=True):
        label.set_position((1.03, place))


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Return places for sorted values that are at least `gap` apart; groups stay around their own mean."""
    groups: list[list[float]] = []  # of neighbours that touch: sum of values, number
    for value in values:
        groups.append([value, 1])
        while len(groups) > 1 and _bottom(groups[-1], gap) < _bottom(groups[-2], gap) + groups[-2][1] * gap:
            total, n = groups.pop()
            groups[-1] = [groups[-1][0] + total, groups[-1][1] + n]
    return [_bottom(group, gap) + i * gap for group in groups for i in range(group[1])]


def _bottom(group: list[float], gap: float) -> float:
    total, n = group
    return total / n - (n - 1) / 2 * gap


def write_learning_curve(
    paths: Sequence[str | Path], folder: str | Path, name: str, title: str, scale: str
) -> pd.DataFrame:
    """Write the learning curve of score files as ``name.svg``, ``name.png`` and ``name.csv``; return its points.

    Parameters
    ----------
    paths : sequence of path
        As for :func:`collect_points`. The order of the models in them is that of the colours.
    folder : path
    name, title : str
    scale : str
        What the numbers come from (run and scale), printed below the title.
    """
    points = collect_points(paths)
    plot_learning_curve(points, folder, name, title, [scale])
    with atomic_path(Path(folder) / f"{name}.csv") as temporary:
        points.sort_values(["model", "n_train", "seed"]).to_csv(temporary, index=False)
    logger.info("%s: %d points of %d models", name, len(points), points["model"].nunique())
    return points
