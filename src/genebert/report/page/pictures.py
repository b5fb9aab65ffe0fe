"""Figures inside the page: as data, so that it is one file, and described in words."""

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd

from genebert.errors import InputError
from genebert.report.page.tables import read_text_of_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
# Paths and places of an svg, to two decimals of a point or of a hundredth of a letter; what scales letters is kept.
_PLACES = re.compile(r' (?:d|x|y)="[^"]*"|translate\([^)]*\)')
_LONG = re.compile(r"(\.\d\d)\d+")
# Names of points as near as this, by the ratio of their costs and by the share of the values' range, stand together.
SAME_TIME, SAME_VALUE = 1.5, 0.08
BASELINE, NETWORK, PRETRAINED = "#7570b3", "#d95f02", "#2171b5"


@dataclass(frozen=True)
class Figure:
    """A picture of the page."""

    id: str
    source: str  # a data URI
    alt: str  # what is seen, in words and numbers
    caption: str


def data_uri(path: str | Path) -> str:
    """Return a picture, svg or png, as a data URI; of an svg without metadata and needless decimals.

    Raises
    ------
    InputError
        Of another form, or not there.
    """
    path = Path(path)
    if path.suffix not in TYPES or not path.is_file():
        raise InputError(f"{path}: found {'no file' if path.suffix in TYPES else path.suffix}, expected an svg or png")
    data = slim(read_text_of_page(path)).encode() if path.suffix == ".svg" else path.read_bytes()
    return f"data:{TYPES[path.suffix]};base64,{base64.b64encode(data).decode()}"


def slim(svg: str) -> str:
    """Return an svg with coordinates of two decimals, without metadata, comments and indents."""
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = _PLACES.sub(lambda found: _LONG.sub(r"\1", found[0]), svg)
    return re.sub(r"\s*\n\s*", "\n", svg)


def _identifier(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def pretraining_figures(paths: Iterable[str | Path], said: Callable[[str], str]) -> list[Figure]:
    """Return the training curves; `said` gives, for the name of a model, where training ended."""
    return [
        Figure(f"training-{_identifier(path.stem)}", data_uri(path),
               f"Curves of {path.stem}'s pre-training over its steps. {said(path.stem)}",
               f"{path.stem}: blue training, orange validation, broken grey lines what is reached without learning.")
        for path in map(Path, paths)
    ]  # fmt: skip


def learning_figures(paths: Iterable[str | Path], folder: str | Path) -> list[Figure]:
    """Return the learning curves of a folder's tasks and data sets; the numbers of their csv files are the words."""
    figures = []
    for path in map(Path, paths):
        name = path.relative_to(folder).with_suffix("").as_posix()
        points = pd.read_csv(path.with_suffix(".csv")).dropna(subset="roc_auc")
        means = points.groupby(["model", "n_train"], sort=False)["roc_auc"].mean()
        said = "; ".join(
            f"{model} " + ", ".join(f"{auc:.3f} with {n:,.0f}" for (_, n), auc in rows.items())
            for model, rows in means.groupby(level="model", sort=False)
        )
        alt = f"Test AUC on {name} against the number of labelled examples, means over seeds: {said}."
        caption = f"{name}: lines are means over seeds, dots the seeds. The validation set is whole at every size."
        figures.append(Figure(f"learning-{_identifier(name)}", data_uri(path), alt, caption))
    return figures


@dataclass(frozen=True)
class Cost:
    """What one model costs on a data set, and what it reaches."""

    model: str
    kind: str  # baseline, network or pre-trained
    seconds: float  # pre-training once, and one fit
    value: float


def cost_figure(panels: Sequence[tuple[str, str, Sequence[Cost]]]) -> Figure | None:
    """Return the cost curve: what is reached against the seconds that it takes; None without a panel.

    Parameters
    ----------
    panels : list of (str, str, list of Cost)
        Title (a data set), metric and models of each.
    """
    from genebert.report.pictures import picture

    if not panels:
        return None
    rows = -(-len(panels) // 2)
    with TemporaryDirectory() as folder:
        with picture(folder, "cost", "", 9.0, 0.4 + 3.0 * rows) as figure:
            axes = figure.subplots(rows, min(2, len(panels)), squeeze=False).ravel()
            for panel, (title, metric, costs) in zip(axes, panels, strict=False):
                _cost_panel(panel, title, metric, costs)
            for panel in axes[len(panels) :]:
                panel.set_visible(False)
        source = data_uri(Path(folder) / "cost.svg")
    said = " ".join(
        f"{title}, {metric}: "
        + "; ".join(f"{one.model} {one.value:.3f} in {one.seconds:,.0f} s" for one in costs)
        + "."
        for title, metric, costs in panels
    )
    caption = (
        "What is reached on the test set against the seconds that it takes on the machine of this run: one fit (median "
        "over seeds) and, of a pre-trained model, its pre-training. Violet: simple baselines; orange: networks that "
        "are not pre-trained here; blue: pre-trained here. The grey line joins those that nothing cheaper reaches."
    )
    return Figure("cost-curve", source, f"Scatter plots of cost. {said}", caption)


def _cost_panel(axes: "Axes", title: str, metric: str, costs: Sequence[Cost]) -> None:
    colours = {"baseline": BASELINE, "network": NETWORK, "pre-trained": PRETRAINED}
    ordered = sorted(costs, key=lambda one: (one.seconds, one.model))
    best, frontier = float("-inf"), []
    for one in ordered:
        if one.value > best:
            best = one.value
            frontier.append(one)
    axes.plot([one.seconds for one in frontier], [one.value for one in frontier], color="#bdbdbd", lw=1, zorder=1)
    values = [one.value for one in ordered]
    for i, group in enumerate(_together(ordered, SAME_VALUE * (max(values) - min(values)))):
        for one in group:
            axes.scatter(one.seconds, one.value, s=22, color=colours[one.kind], zorder=2)
        place = {"ha": "center", "va": ("bottom", "top")[i % 2], "xytext": (0, (5, -5)[i % 2])}
        if len(group) > 1:
            place = {"ha": "left", "va": "center", "xytext": (7, 0)}
        axes.annotate(
            "\n".join(one.model for one in group), (group[-1].seconds, group[-1].value),
            textcoords="offset points", fontsize=7, color="#404040", **place,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.margins(x=0.14, y=0.16)
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlabel("seconds")
    axes.set_ylabel(metric)
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.tick_params(axis="x", which="minor", labelbottom=False)


def _together(ordered: Sequence[Cost], near: float) -> list[list[Cost]]:
    """Return what is drawn at almost one place in groups: their names would lie on each other."""
    groups: list[list[Cost]] = []
    for one in ordered:
        for group in groups:
            first = group[0]
            if one.seconds < SAME_TIME * first.seconds and abs(one.value - first.value) <= near:
                group.append(one)
                break
        else:
            groups.append([one])
    return groups
