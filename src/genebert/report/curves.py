"""The training curves of a model, from its ``metrics.jsonl``."""

import math
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from genebert.errors import InputError
from genebert.files import parse_json, read_json, read_lines
from genebert.report.pictures import picture
from genebert.settings.models import REGRESSION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

TRAINING, VALIDATION, FLOOR = "#2171b5", "#d95f02", "#737373"
MEDIAN = "variance explained, median motif"
# Columns of panels: title, then the metric and the label of the upper and of the lower one.
COLUMNS = (
    ("masked k-mers (MGM)", ("mgm", "loss (nats)"), ("mgm_accuracy", "accuracy")),
    ("segment pairs (NGSP)", ("ngsp", "loss (nats)"), ("ngsp_accuracy", "accuracy")),
    ("sequence and matrix (SRM)", ("srm", "loss (nats)"), ("srm_accuracy", "retrieval accuracy")),
    # Only in validation: beside rows of regions of the same composition, and with such rows in place of its own.
    ("SRM beyond composition", ("srm_matched", "matched retrieval"), ("srm_swapped", "retrieval of swapped rows")),
    # Only in validation: what a linear map of the states explains of the variance of a motif's scores, and in training
    # with `srm: regression` what its own map does.
    ("scores from states", ("linear_explained", MEDIAN), ("linear_explained_ctcf", "the same, of CTCF's scores")),
    ("scores from states (own map)", ("srm_explained", MEDIAN), ("srm_explained_ctcf", "the same, of CTCF's scores")),
    ("schedule", ("learning_rate", "learning rate"), ("temperature", "temperature of SRM")),
)
# Where nothing is retrieved, the third of them is this.
REGRESSED = ("sequence and matrix (SRM)", ("srm", "mean squared error"), ("srm_accuracy", ""))
DASHES = ((4, 3), (1, 2), (7, 2, 1, 2))  # of several floors of one metric
MANY = 40  # points up to which each is marked
Floors = Mapping[str, Mapping[str, float]]  # metric to label to value


def read_metrics(path: str | Path) -> list[dict]:
    """Return the records of a ``metrics.jsonl`` in the order of their steps.

    A resumed run may hold a step twice: the last record counts.

    Raises
    ------
    InputError
        Not such a file, or without a record: the model was not trained.
    """
    records: dict[int, dict] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        record = parse_json(line, f"{path}, line {number}")
        if not isinstance(record, dict) or not isinstance(record.get("step"), int):
            raise InputError(f"{path}, line {number}: found {line[:60]}, expected an object with the key step")
        records[record["step"]] = record
    if not records:
        raise InputError(f"{path}: holds no record, as its model was not trained (steps: 0); expected at least one")
    return [records[step] for step in sorted(records)]


def chance_floors(info: Mapping) -> dict[str, dict[str, float]]:
    """Return what a model reaches that has learnt nothing: metric to label to value.

    `info` is the content of ``model.json``. Its block ``floors``, of the same form, is taken over: floors that follow
    from the data (unigram entropy, base composition).
    """
    floors = {"ngsp": {"chance": math.log(2)}, "ngsp_accuracy": {"chance": 0.5}}
    losses, n = info["settings"]["losses"], info["training"]["batch"]
    if losses["srm"] == REGRESSION:
        floors["srm"] = {"mean of each score": 1.0}
    elif losses["srm"] is not None:
        what = losses.get("contrast", "samples")
        if what == "regions":
            n *= info["regions_per_sample"]
        # All three forms of Eq. 3 are log(n) where all pairs score alike.
        floors |= {"srm": {f"chance, {n} {what}": math.log(n)}, "srm_accuracy": {"chance": 1 / n}}
        floors |= {"srm_matched": {"chance": 1 / 4}, "srm_swapped": {"chance": 1 / n}}
    for metric, more in info.get("floors", {}).items():
        floors[metric] = floors.get(metric, {}) | more
    return floors


def plot_curves(records: list[dict], folder: str | Path, name: str, title: str, floors: Floors) -> None:
    """Write ``name.svg`` and ``name.png``: losses above, accuracies below, and the schedule; only what was recorded.

    `records` are from :func:`read_metrics`: step, metrics, and some of them again with the prefix ``valid_``; `floors`
    are drawn as thin broken lines.
    """
    recorded = {name.removeprefix("valid_") for record in records for name in record}
    columns = [column for column in COLUMNS if recorded & {metric for metric, _ in column[1:]}]
    if "srm_accuracy" not in recorded:
        columns = [REGRESSED if column[0] == REGRESSED[0] else column for column in columns]
    with picture(folder, name, title, 0.6 + 2.8 * len(columns), 5.2) as figure:
        rows = figure.subplots(2, len(columns), sharex=True, squeeze=False)
        shown: dict = {}
        for panels, (heading, *pair) in zip(rows.T, columns, strict=True):
            panels[0].set_title(heading, fontsize=9)
            for axes, (metric, label) in zip(panels, pair, strict=True):
                if metric in recorded:
                    shown |= _panel(axes, records, metric, floors.get(metric, {}))
                    axes.set_ylabel(label)
                else:
                    axes.set_visible(False)
            lowest = panels[1] if panels[1].get_visible() else panels[0]
            lowest.tick_params(labelbottom=True)
            lowest.set_xlabel("step")
            lowest.xaxis.set_major_formatter("{x:,.0f}")
            lowest.locator_params(axis="x", nbins=5, integer=True)
        figure.legend(shown.values(), shown, loc="outside lower center", ncols=len(shown), frameon=False)


def _panel(axes: "Axes", records: list[dict], metric: str, floors: Mapping[str, float]) -> dict[str, "Line2D"]:
    """Draw one metric and its floors; return the lines of training and validation by name."""
    lines = {}
    for key, label, colour in ((metric, "training", TRAINING), (f"valid_{metric}", "validation", VALIDATION)):
        if metric in ("learning_rate", "temperature") and label == "validation":
            continue  # no second measurement
        if points := [(record["step"], record[key]) for record in records if key in record]:
            marker, width = ("o", 1.2) if len(points) <= MANY else (None, 0.8)
            (lines[label],) = axes.plot(*zip(*points, strict=True), color=colour, lw=width, marker=marker, ms=2.5)
    for (label, value), dashes in zip(floors.items(), cycle(DASHES)):
        axes.axhline(value, color=FLOOR, lw=0.8, linestyle=(0, dashes), zorder=1, label=label)
    if floors:
        axes.legend(loc="best", fontsize=7, labelcolor=FLOOR, framealpha=0.7, edgecolor="none")
    axes.margins(y=0.12)
    if "explained" not in metric:
        axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))  # none of these can be negative
    return lines


def write_curves(model: str | Path, folder: str | Path, name: str, title: str) -> None:
    """Write the curves of a model's ``metrics.jsonl`` and ``model.json`` as ``name.svg`` and ``name.png``."""
    model = Path(model)
    floors = chance_floors(read_json(model / "model.json"))
    plot_curves(read_metrics(model / "metrics.jsonl"), folder, name, title, floors)
