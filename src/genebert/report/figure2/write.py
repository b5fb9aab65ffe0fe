"""Figure 2 from the embeddings of two models: the picture, its points and its numbers."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.corpus.drawn import Drawn, Embeddings
from genebert.errors import InputError
from genebert.files import write_json, write_text
from genebert.genome.sequences import RegionSequences
from genebert.report.figure2.numbers import Counting, numbers_of, rounded
from genebert.report.figure2.panels import Row, draw_panels, in_the_plane
from genebert.report.figure2.words import CONTROLS, SETS
from genebert.report.text import ReportSettings
from genebert.settings.figure2 import PANELS, Figure2Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Figure2Inputs:
    """What the figure is made from."""

    embeddings: Mapping[str, str | Path]  # panel -> file
    sequences: str | Path  # folder
    region_bp: int | None


def read_both(paths: Mapping[str, str | Path]) -> dict[str, Embeddings]:
    """Return the embeddings of both models; an InputError if they are of different samples, or one is constant."""
    found = {name: Embeddings.load(path) for name, path in paths.items()}
    one, other = (found[name] for name in PANELS)
    for name in SETS:
        first, second = (vars(getattr(each, name)) for each in (one, other))
        if not all(np.array_equal(first[key], second[key]) for key in first):
            raise InputError(
                f"{paths['multi_modal']}: embeds other samples than {paths['uni_modal']}; expected the same, of one "
                "run and one configuration: run the rule `embed` again for both"
            )
    for name, each in found.items():
        if len(each.values) and (each.values == each.values[0]).all():
            raise InputError(
                f"{paths[name]}: found one and the same embedding for {len(each.values)} samples; expected a model "
                "that tells some of them apart"
            )
    return found


def too_few(drawn: Drawn, perplexity: float) -> str | None:
    """Return why samples cannot be drawn and measured, None where they can."""
    types = len(np.unique(drawn.cell_type))
    if types < 2:
        return f"{types} cell types have enough samples of regions that no other one has; expected at least 2"
    if 3 * perplexity > len(drawn) - 1:
        return f"{len(drawn)} samples, too few for perplexity {perplexity:g}"
    return None


def _points(name: str, drawn: Drawn, types: list[str], plane: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return a row for each point of a set of samples."""
    columns = {
        "samples": name,
        "cell_type": types,
        "first_region": drawn.regions[:, 0],
        "last_region": drawn.regions[:, -1],
    }
    places = {f"{model}_{axis}": plane[model][:, i] for model in PANELS for i, axis in enumerate("xy")}
    return pd.DataFrame(columns | places)


def _said(controls: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return the purity of some controls in words."""
    return ", ".join(f"{CONTROLS[name]} {controls[name]['value']:.2f}" for name in names)


def _notes(numbers: Mapping[str, Any], why_not: str | None, left_out: Mapping[str, int], scale: str) -> list[str]:
    """Return what stands below the panels."""
    k, whole = numbers["settings"]["neighbours"], numbers["drawn"]
    reached = _said(whole["controls"], CONTROLS)
    if "controls" in numbers["specific"]:  # of two samples there none has a region in common
        reached += f". Second row: {_said(numbers['specific']['controls'], ('gc_cpg', 'kmers'))}"
    shared = ", ".join(f"{word} {whole['shared_neighbours'][key]['value']:.2f}" for key, word in PANELS.items())
    any_sample = whole["shared_neighbours"]["uni_modal"]["chance"]
    lines = [
        f"{scale}. Purity: share of the {k} nearest samples that are of the same cell type. All numbers: figure2.json.",
        f"Purity without any model, if nearest means most alike in what follows. First row: {reached}.",
        f"Share of the nearest samples that share a region with the sample: {shared}; of all {any_sample:.2f}.",
    ]
    if why_not:
        lines.append(f"No row without regions that cell types share: {why_not}.")
    if (found := len(whole["cell_types"])) < (asked := numbers["settings"]["cell_types"]):
        lines.append(f"All {found} cell types with enough samples; {asked} were asked for.")
    if left_out:
        names = ", ".join(f"{name} ({n})" for name, n in left_out.items())
        lines.append(f"Left out, for too few samples: {names}.")
    return lines


def write_figure2(
    inputs: Figure2Inputs, settings: Figure2Settings, seed: int, about: ReportSettings, folder: str | Path
) -> None:
    """Write ``figure2.svg``, ``.png``, ``.csv`` (a row a point) and ``.json`` (all numbers) into `folder`.

    Raises
    ------
    InputError
        The models embed different samples, all samples alike, or too few for the perplexity.
    """
    both = read_both(inputs.embeddings)
    one, folder = both["uni_modal"], Path(folder)
    sequences = RegionSequences.load(inputs.sequences).crop(inputs.region_bp)
    counting = Counting(settings.neighbours, settings.permutations, seed)
    models = {name: getattr(settings, name) for name in PANELS}
    why_not = too_few(one.specific, settings.perplexity)
    numbers: dict[str, Any] = {
        "run": about.run, "scale": about.scale, "seed": seed, "models": models,
        "settings": {name: getattr(settings, name) for name in settings.__dataclass_fields__ if name not in PANELS},
    }  # fmt: skip
    rows, points = [], []
    for name, heading in SETS.items():
        drawn = getattr(one, name)
        if name == "specific" and why_not:
            numbers[name] = {"samples": len(drawn), "unavailable": why_not}
            continue
        suffix = "values" if name == "drawn" else "specific_values"
        values = {model: getattr(found, suffix) for model, found in both.items()}
        plane = {model: in_the_plane(value, settings.perplexity, seed) for model, value in values.items()}
        types = [str(one.names[t]) for t in drawn.cell_type]
        counted = {kind: types.count(kind) for kind in dict.fromkeys(types)}
        numbers[name] = {"cell_types": counted} | rounded(numbers_of(drawn, values, plane, sequences, counting))
        rows.append(Row(heading, types, plane, numbers[name]))
        points.append(_points(name, drawn, types, plane))
        logger.info("%s: %d samples of %d cell types", heading, len(drawn), len(counted))
    left_out = {str(one.names[t]): int(n) for t, n in enumerate(one.available) if n <= settings.neighbours}
    numbers["left_out"] = left_out
    if len(numbers["drawn"]["cell_types"]) < settings.cell_types:
        logger.warning(
            "figure2.cell_types: found %d, but only %d have enough samples; all of them are drawn",
            settings.cell_types, len(numbers["drawn"]["cell_types"]),
        )  # fmt: skip
    notes = _notes(numbers, why_not, left_out, f"{about.run}, {about.scale}")
    draw_panels(rows, models, folder, "Figure 2: pre-trained embeddings, t-SNE", notes, seed)
    write_text(folder / "figure2.csv", pd.concat(points).to_csv(index=False))
    write_json(folder / "figure2.json", numbers)
