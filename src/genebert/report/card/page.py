"""The data card of a run: ``card.json`` holds everything, ``card.md`` is the page to read, with two pictures."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from genebert.files import write_json, write_text
from genebert.report.pictures import picture
from genebert.report.text import fill

# Blue for what is counted, its darker shade for the part that stands out.
LIGHT, DARK = "#9ecae1", "#2171b5"
MAX_VALUES = 20  # cell types up to which there is room for a number at each
INCH_PER_TYPE = 0.32


def plot_regions_per_type(cell_types: Mapping[str, Mapping], folder: str | Path, title: str) -> None:
    """Write ``regions_per_type.svg`` and ``.png``: one bar a type, regions open in no other one in a darker shade."""
    order = sorted(cell_types, key=lambda name: (cell_types[name]["accessible_regions"], name))
    total, alone = (np.array([cell_types[name][key] for name in order]) for key in ("accessible_regions", "only_here"))
    with picture(folder, "regions_per_type", title, 7.5, 1.4 + INCH_PER_TYPE * len(order)) as figure:
        axes = figure.subplots()
        axes.barh(order, alone, color=DARK, label="in no other type")
        others = axes.barh(order, total - alone, left=alone, color=LIGHT, label="also in others")
        axes.bar_label(others, [f"{n:,}" for n in total], padding=4)
        axes.margins(x=0.12, y=0.4 / len(order))
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.locator_params(axis="x", nbins=5, integer=True)
        axes.set_xlabel("accessible regions")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)


def plot_sharing(sharing: Mapping, folder: str | Path, title: str) -> None:
    """Write ``sharing.svg`` and ``.png``: in how many types regions are open, and the Jaccard index of all pairs."""
    names, counts = sharing["cell_types"], np.array(sharing["regions_open_in"])
    jaccard = np.array(sharing["jaccard"], dtype=float)
    width, side = 3.6 + 0.06 * len(names), max(3.0, 0.42 * len(names))
    with picture(folder, "sharing", title, width + side + 2.4, side + 1.9) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[width, side + 2.4])
        n_types = np.arange(1, len(names) + 1)
        left.bar(n_types, counts, color=LIGHT, edgecolor=DARK, linewidth=0.6, width=0.8)
        left.set_xlabel("cell types that a region is open in")
        left.set_ylabel("regions")
        left.yaxis.set_major_formatter("{x:,.0f}")
        left.locator_params(axis="y", integer=True)
        left.set_xticks(n_types if len(names) <= MAX_VALUES else n_types[4::5])
        left.set_xlim(0.4, len(names) + 0.6)

        # The diagonal is 1 by definition and would take all the contrast.
        np.fill_diagonal(jaccard, np.nan)
        highest = np.nanmax(jaccard, initial=0.0, where=~np.isnan(jaccard)) or 1.0
        image = right.imshow(jaccard, cmap="Blues", vmin=0, vmax=highest)
        right.set_facecolor("#e8e8e8")
        ticks = np.arange(len(names))
        right.set_xticks(ticks, names, rotation=90)
        right.set_yticks(ticks, names)
        right.tick_params(length=0)
        right.spines[:].set_visible(False)
        if len(names) <= MAX_VALUES:
            for i, j in np.argwhere(~np.isnan(jaccard)).tolist():
                colour = "white" if jaccard[i, j] > 0.6 * highest else "black"
                right.text(j, i, f"{jaccard[i, j]:.2f}", ha="center", va="center", fontsize=7, color=colour)
        figure.colorbar(image, ax=right, label="Jaccard index", shrink=0.7)


def write_card(card: dict, folder: str | Path) -> None:
    """Write ``card.json``, ``card.md`` and the pictures ``regions_per_type`` and ``sharing`` (svg, png)."""
    folder, title = Path(folder), f"Run {card['run']}: {card['scale']}"
    plot_regions_per_type(card["cell_types"], folder, title)
    plot_sharing(card["sharing"], folder, title)
    write_text(folder / "card.md", fill("card.md", card=card))
    write_json(folder / "card.json", card)
