"""Figure 2 on the page: the picture, the numbers that its rule wrote with it, and the claim that it stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.files import read_json
from genebert.report.page.pictures import Figure, data_uri
from genebert.report.page.summary import BADGES, Line, ends, signed
from genebert.report.page.verdicts import ABSENT, verdict_of
from genebert.report.text import NOTHING

CLAIM = "Multi-modal pre-training separates cell types better (t-SNE)"
NO_NUMBER = "no number: a picture"


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
        Among them ``figure2.svg`` and ``figure2.json``. The latter may hold `claim`: difference (multi-modal minus
        uni-modal), interval (95 %, two numbers) and measure (what was measured, in words); the verdict is made from
        these as that of every claim.
    why_not : str
        The reason where `paths` is empty.

    Raises
    ------
    InputError
        One of the two files is missing.
    """
    if not paths:
        why = why_not or "the run draws none"
        return Figure2(_line(NOTHING, ABSENT, why), reason=why)
    found = {Path(path).suffix: Path(path) for path in paths}
    if missing := [suffix for suffix in (".svg", ".json") if suffix not in found]:
        raise InputError(f"Figure 2: found {', '.join(map(str, paths))}; expected also figure2{missing[0]}")
    about = read_json(found[".json"])
    claim = about.get("claim", {})
    measure, interval = claim.get("measure", "no measure"), claim.get("interval")
    difference = f"{measure}: {signed(claim.get('difference'))} ({ends(interval)}); one pre-training each"
    verdict = verdict_of(tuple(interval) if interval else None, None)
    why = "its interval over samples lies on one side of 0" if interval and interval[0] * interval[1] > 0 else (
        "its interval over samples contains 0" if interval else "the figure's file has no interval")  # fmt: skip
    numbers = tuple(_flat({key: value for key, value in about.items() if key != "claim"}))
    words = "; ".join(f"{name} {value}" for name, value in numbers[:12])
    alt = f"Two scatter plots of samples in the plane of t-SNE, uni-modal and multi-modal pre-training. {words}."
    picture = Figure("figure-2-picture", data_uri(found[".svg"]), alt, "Colour: cell type; the same samples in both.")
    return Figure2(_line(difference, verdict, why), picture, numbers)


def _line(found: str, verdict: str, why: str) -> Line:
    return Line("figure2", CLAIM, "Figure 2", NO_NUMBER, found, verdict, BADGES[verdict], NOTHING, why)


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key, one in value.items() for pair in _flat(one, f"{name} {key}".strip().replace("_", " "))]
    if isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value):
        return [(name, f"{len(value)} entries, in the file")]
    if isinstance(value, list):
        return [(name, ", ".join(map(_text, value)))]
    return [(name, _text(value))]


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else NOTHING if value is None else str(value)
