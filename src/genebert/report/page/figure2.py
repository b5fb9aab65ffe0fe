"""Figure 2 on the page: the picture, the numbers that its rule wrote with it, and the claim that it stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.files import read_json
from genebert.report.figure2.words import CONTROLS, SETS
from genebert.report.page.pictures import Figure, data_uri
from genebert.report.page.summary import BADGES, Line, counted, ends, signed
from genebert.report.page.verdicts import ABSENT, FAILS, HOLDS, OPEN, verdict_of
from genebert.report.tables.blocks import number
from genebert.report.tables.kinds.base import value_at
from genebert.report.text import NOTHING, count
from genebert.settings.figure2 import PANELS

CLAIM = "Multi-modal pre-training separates cell types better, and is tighter within them"
NO_NUMBER = "no number: a picture"
# What the paper sees in the picture -> its measure and whether more of it is better.
MEASURES = {
    "purity": ("cell types apart (purity of the nearest samples)", True),
    "silhouette": ("cell types apart (silhouette)", True),
    "within_between": ("tight within a type (distance within / between)", False),
}
HEADS = ("Measure", "Uni-modal", "Multi-modal", "Multi-modal by chance", "Multi-modal - uni-modal", "95 % over samples",
         "Better", "Verdict")  # fmt: skip
# Keys of the figure's file -> words; names of cell types stay as they are.
WORDS = {
    **SETS,
    **PANELS,
    **CONTROLS,
    "embedding": "embedding",
    "plane": "plane of t-SNE",
    "difference": "multi-modal - uni-modal",
    "purity": "purity",
    "silhouette": "silhouette",
    "within": "distance within a cell type",
    "between": "distance between cell types",
    "within_between": "distance within / between",
    "uniformity": "uniformity",
    "shared_neighbours": "share of neighbours with a region of the sample",
    "controls": "purity without a model",
    "samples": "samples",
    "cell_types": "cell types",
    "left_out": "cell types left out, samples",
    "unavailable": "not there",
    "models": "model",
    "settings": "setting",
}
CHANCE = "no better than chance"
RULE = (
    "Figure 2's claim is judged by three measures of the embeddings, each with an interval over samples (bootstrap): "
    "purity and silhouette, which must be higher, and the distance within cell types divided by that between them, "
    "which must be lower. It holds if all three hold, does not hold if one interval lies on the wrong side of 0, and "
    "cannot be told otherwise. Nor can it be told, if all three hold, where the multi-modal purity does not lie above "
    "what chance gives (the middle 95 % with cell types permuted). Samples are those of regions that no other cell "
    "type holds, as shared regions tell a type without any model; where too few are left, samples as they were drawn, "
    "which the line says. One pre-training of each model is shown: another is not in these intervals."
)


@dataclass(frozen=True)
class Figure2:
    """What the page shows of Figure 2."""

    line: Line  # of the summary
    picture: Figure | None = None
    numbers: tuple[tuple[str, str], ...] = ()  # in words: name and value of all that the figure's file holds
    reason: str = ""  # why there is no picture


def read_figure2(paths: Sequence[str | Path], why_not: str) -> Figure2:
    """Return Figure 2 from its files; without files, that the run has none and why.

    Parameters
    ----------
    paths : list of path
        Among them ``figure2.svg`` and ``figure2.json``, which holds below ``specific`` (without shared regions) or,
        where that is unavailable, below ``drawn``: ``embedding`` with, of each of :data:`MEASURES`, ``uni_modal`` and
        ``multi_modal`` (value; low and high by chance) and ``difference`` (value, low, high); and ``controls``, the
        purity without any model.
    why_not : str
        The reason where `paths` is empty.

    Raises
    ------
    InputError
        One of the two files, or a number of the latter, is missing.
    """
    if not paths:
        why = why_not or "the run draws none"
        line = Line("figure2", CLAIM, "Figure 2", NO_NUMBER, NOTHING, ABSENT, BADGES[ABSENT], NOTHING, why)
        return Figure2(line, reason=why)
    found = {Path(path).suffix: Path(path) for path in paths}
    if missing := [suffix for suffix in (".svg", ".json") if suffix not in found]:
        raise InputError(f"Figure 2: found {', '.join(map(str, paths))}; expected also figure2{missing[0]}")
    about = read_json(found[".json"])
    numbers = tuple(_flat(about))
    line = _line(about, found[".json"])
    alt = (
        "Scatter plots of samples in the plane of t-SNE, coloured by cell type, uni-modal pre-training beside "
        f"multi-modal. Of the embeddings: {line.found}."
    )
    picture = Figure("figure2-picture", data_uri(found[".svg"]), alt, "Colour: cell type; the same samples in both.")
    return Figure2(line, picture, numbers)


def _at(about: Mapping, place: tuple[str, ...], path: Path) -> float:
    value = value_at(about, place)
    if not isinstance(value, int | float):
        raise InputError(f"{path}: has no number {'.'.join(place)}; expected what the rule figure2 writes")
    return float(value)


def _line(about: Mapping, path: Path) -> Line:
    samples = "specific" if value_at(about, ("specific", "embedding")) else "drawn"

    def at(*place: str) -> float:
        return _at(about, (samples, "embedding", *place), path)

    rows, verdicts, said = [], [], []
    for name, (words, higher) in MEASURES.items():
        uni, multi = (at(model, name, "value") for model in PANELS)
        chance = at("multi_modal", name, "low"), at("multi_modal", name, "high")
        difference, low, high = (at("difference", name, end) for end in ("value", "low", "high"))
        verdict = verdict_of((low, high) if higher else (-high, -low), None)
        verdicts.append(verdict)
        rows.append([words, number(uni), number(multi), _span(chance), signed(difference), ends((low, high)),
                     "higher" if higher else "lower", verdict])  # fmt: skip
        said.append(f"{WORDS[name]} {signed(difference)} ({ends((low, high))})")
    purity, low, high = (at("multi_modal", "purity", end) for end in ("value", "low", "high"))
    said.append(f"multi-modal purity {number(purity)}, by chance {_span((low, high))}")
    verdict = FAILS if FAILS in verdicts else HOLDS if set(verdicts) == {HOLDS} else OPEN
    why = [counted(verdicts, "measures")]
    if purity <= high:
        verdict = OPEN if verdict == HOLDS else verdict
        why.append(CHANCE)
    why.append(_of_which_samples(about, samples))
    return Line("figure2", CLAIM, "Figure 2", NO_NUMBER, "; ".join(said), verdict, BADGES[verdict],
                _without_model(about, samples, purity), "; ".join(why), HEADS, rows)  # fmt: skip


def _of_which_samples(about: Mapping, samples: str) -> str:
    if samples == "specific":
        return f"of {SETS['specific'].replace('without', 'samples without')}"
    reason = value_at(about, ("specific", "unavailable"))
    why = f" ({reason})" if reason else ""
    return f"of samples as drawn, as the figure has none {SETS['specific']}{why}: cell types may be told by these"


def _without_model(about: Mapping, samples: str, purity: float) -> str:
    """Return the highest purity that a control reaches, beside that of the multi-modal model."""
    found = value_at(about, (samples, "controls")) or {}
    reached = {name: found[name]["value"] for name in CONTROLS if name in found}
    if not reached:
        return NOTHING
    best = max(reached, key=reached.__getitem__)
    return f"purity {number(reached[best])} from {CONTROLS[best]} alone (multi-modal {number(purity)})"


def _span(interval: tuple[float, float]) -> str:
    return " to ".join(map(number, interval))


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Return names in words and values as text; a number stands with its interval and with what chance gives."""
    if isinstance(value, Mapping) and "value" in value:
        return [(name, _measured(value))]
    if isinstance(value, Mapping):
        return [
            pair
            for key, one in value.items()
            for pair in _flat(one, ", ".join(filter(None, (name, WORDS.get(key, key)))))
        ]
    return [(name, _text(value))]


def _measured(one: Mapping) -> str:
    more = []
    if "low" in one:
        more.append(f"{'by chance' if 'chance' in one else '95 %'} {_span((one['low'], one['high']))}")
    if "chance" in one:
        more.append(f"{'mean' if more else 'of all others'} {number(one['chance'])}")
    return number(one["value"]) + (f" ({', '.join(more)})" if more else "")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return count(value)
    return NOTHING if value is None else str(value)
