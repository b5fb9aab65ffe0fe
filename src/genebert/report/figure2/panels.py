"""The panels of Figure 2: embedded samples in the plane, coloured by cell type."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from genebert.errors import InputError
from genebert.report.pictures import picture
from genebert.settings.figure2 import PANELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Paul Tol's scheme "muted" (https://personal.sron.nl/~pault/, 2021), whose nine colours and grey can be told apart
# without seeing red, green or blue; the grey is darker here, to be seen on white. Ten types more have another marker.
COLOURS = ("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499", "#777777")
MARKERS = ("o", "^")
GREY = "#525252"
MEASURES = {"purity": "purity", "silhouette": "silhouette", "within_between": "within / between"}
LINE = 130  # letters of a line below the panels


@dataclass(frozen=True)
class Row:
    """A row of panels: the same samples by both models."""

    heading: str
    types: list[str]  # name of each sample's cell type
    plane: Mapping[str, np.ndarray]  # panel -> float [n, 2]
    numbers: Mapping[str, Any]  # see :func:`genebert.report.figure2.numbers.numbers_of`


def in_the_plane(values: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
    """Return samples (float [n, width]) in the plane by t-SNE of their cosine distances: float64 [n, 2].

    The first places are those of the principal components; neighbours are exact, and one thread sums, so that equal
    numbers give equal pictures.

    Raises
    ------
    InputError
        Fewer than three samples for one of `perplexity`, where t-SNE would take a smaller one.
    """
    from openTSNE import TSNE

    if perplexity > (most := (len(values) - 1) / 3):
        raise InputError(
            f"figure2.perplexity: found {perplexity:g} for {len(values)} samples, expected at most {most:.1f}, a third"
        )
    tsne = TSNE(
        perplexity=perplexity,
        metric="cosine",
        neighbors="exact",
        negative_gradient_method="bh",
        initialization="pca",
        random_state=seed,
        n_jobs=1,
    )
    return np.asarray(tsne.fit(values), dtype=np.float64)


def signs_of(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the colour and marker of each cell type, in the order of the names."""
    n = len(COLOURS)
    return {name: (COLOURS[i % n], MARKERS[i // n]) for i, name in enumerate(names)}


def said_of(numbers: Mapping[str, Any], model: str) -> str:
    """Return the numbers of a panel in words: each of the embedding, and of the plane."""
    embedding, plane = (numbers[place][model] for place in ("embedding", "plane"))
    lines = [
        f"{word} {embedding[name]['value']:z.2f}, in the plane {plane[name]['value']:z.2f}"
        for name, word in MEASURES.items()
    ]
    chance = embedding["purity"]
    return "\n".join([f"{lines[0]} (by chance {chance['low']:.2f} to {chance['high']:.2f})", *lines[1:]])


def _panel(axes: "Axes", row: Row, model: str, signs: Mapping[str, tuple[str, str]], seed: int) -> None:
    """Draw samples in random order, so that no type lies on top of the others."""
    order = np.random.default_rng(seed).permutation(len(row.types))
    for marker in MARKERS:
        mine = [i for i in order if signs[row.types[i]][1] == marker]
        if mine:
            places, colours = row.plane[model][mine], [signs[row.types[i]][0] for i in mine]
            axes.scatter(*places.T, c=colours, s=9, marker=marker, linewidths=0, alpha=0.85)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel(said_of(row.numbers, model), fontsize=7, color=GREY)


def draw_panels(
    rows: Sequence[Row], models: Mapping[str, str], folder: str | Path, title: str, notes: Sequence[str], seed: int
) -> None:
    """Write ``figure2.svg`` and ``figure2.png``: a row of two panels for each set of samples, and the legend.

    Parameters
    ----------
    models : dict
        A panel -> name of the model.
    notes : sequence of str
        Lines below the panels.
    """
    signs = signs_of(list(dict.fromkeys(rows[0].types)))
    lines = [line for note in notes for line in wrap(note, LINE)]
    in_a_line = max(1, LINE // (max(map(len, signs)) + 8))
    below = 0.2 * math.ceil(len(signs) / in_a_line) + 0.15 * len(lines)
    with picture(folder, "figure2", title, 8.4, 0.6 + 4.4 * len(rows) + below) as figure:
        grid = figure.subplots(len(rows), len(PANELS), squeeze=False)
        for row, panels in zip(rows, grid, strict=True):
            for axes, (key, word) in zip(panels, PANELS.items(), strict=True):
                _panel(axes, row, key, signs, seed)
                axes.set_title(f"{word}: {models[key]}\n{row.heading}", fontsize=9)
        marks = [
            grid[0, 0].scatter([], [], color=colour, marker=marker, s=24, linewidths=0, label=name)
            for name, (colour, marker) in signs.items()
        ]
        # The notes are its title: two things at the lower edge would lie on each other.
        legend = figure.legend(
            handles=marks, loc="outside lower left", ncols=in_a_line, frameon=False, fontsize=8, alignment="left",
            title="\n".join(lines), title_fontsize=7.5,
        )  # fmt: skip
        legend.get_title().set_color(GREY)
