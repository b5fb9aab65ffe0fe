"""Figure 2 on the page: the picture, the numbers that its rule wrote with it, and the claim that it stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.files import read_json
from genebert.report.page.pictures import Figure, data_uri
from genebert.report.page.summary import BADGES, Line, ends, signed
from genebert.report.page.verdicts import ABSENT, FAILS, HOLDS, OPEN, verdict_of
from genebert.report.tables.blocks import number
from genebert.report.tables.kinds.base import value_at
from genebert.report.text import NOTHING

CLAIM = "Multi-modal pre-training separates cell types better, and is tighter within them"
NO_NUMBER = "no number: a picture"
# What the paper sees in the picture -> its measure and whether more of it is better.
MEASURES = {
    "purity": ("cell types apart (purity of the nearest samples)", True),
    "silhouette": ("cell types apart (silhouette)", True),
    "within_between": ("tight within a type (distance within / between)", False),
}
HEADS = ("Measure", "Uni-modal", "Multi-modal", "Multi-modal - uni-modal", "95 % over samples", "Better", "Verdict")
SPACE = ("drawn", "embedding")  # in the file: the samples as drawn, and distances of their embeddings
RULE = (
    "Figure 2's claim is judged by three measures of the embeddings, each with an interval over samples (bootstrap): "
    "purity and silhouette, which must be higher, and the distance within cell types divided by that between them, "
    "which must be lower. It holds if all three hold, does not hold if one interval lies on the wrong side of 0, and "
    "cannot be told otherwise. Each model is pre-trained once: another pre-training is not in these intervals."
)


@dataclass(frozen=True)
class Figure2:
    """What the page shows of Figure 2."""

    line: Line  # of the summary
    picture: Figure | None = None
    numbers: tuple[tuple[str, str], ...] = ()  # name and value of all that the figure's file holds
    reason: str = ""  # why there is no picture


def read_figure2(paths: Sequence[str | Path], why_not: str) -> Figure2:
    """Return Figure 2 from its files; without files, that the run has none and why.

    Parameters
    ----------
    paths : list of path
        Among them ``figure2.svg`` and ``figure2.json``, which holds for each of :data:`MEASURES`, below
        :data:`SPACE`: ``uni_modal`` and ``multi_modal`` (value), ``difference`` (value, low, high); and ``controls`` of
        the samples, the purity without any model.
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
    rows, verdicts, said = [], [], []
    for name, (words, higher) in MEASURES.items():
        uni, multi = (_at(about, (*SPACE, model, name, "value"), path) for model in ("uni_modal", "multi_modal"))
        difference, low, high = (
            _at(about, (*SPACE, "difference", name, end), path) for end in ("value", "low", "high")
        )
        verdict = verdict_of((low, high) if higher else (-high, -low), None)
        verdicts.append(verdict)
        better = "higher" if higher else "lower"
        rows.append([words, number(uni), number(multi), signed(difference), ends((low, high)), better, verdict])
        said.append(f"{name.replace('_', ' / ')} {signed(difference)} ({ends((low, high))})")
    verdict = FAILS if FAILS in verdicts else HOLDS if set(verdicts) == {HOLDS} else OPEN
    counted = [f"{verdicts.count(one)} of {len(verdicts)} measures: {one}" for one in (HOLDS, FAILS, OPEN)
               if one in verdicts]  # fmt: skip
    controls = value_at(about, ("drawn", "controls")) or {}
    best = max(controls, key=lambda name: controls[name]["value"], default=None)
    simple = f"purity {number(controls[best]['value'])} from {best.replace('_', ' ')} alone" if best else NOTHING
    multi = _at(about, (*SPACE, "multi_modal", "purity", "value"), path)
    simple += f" (multi-modal {number(multi)})" if best else ""
    return Line("figure2", CLAIM, "Figure 2", NO_NUMBER, "; ".join(said), verdict, BADGES[verdict], simple,
                "; ".join(counted), HEADS, rows)  # fmt: skip


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key, one in value.items() for pair in _flat(one, f"{name} {key}".strip().replace("_", " "))]
    if isinstance(value, list):
        return [(name, ", ".join(map(_text, value)))]
    return [(name, _text(value))]


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else NOTHING if value is None else str(value)
