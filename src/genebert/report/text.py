"""What reports are written with: tables of plain text, numbers and names in words, and Jinja2 templates."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

NOTHING = "-"
_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "<": r"$<$",
    ">": r"$>$", "[": "{[}", **{letter: f"\\{letter}" for letter in "&%$#_{}"},
})  # fmt: skip
# Braces and per cent signs are LaTeX's own.
_MARKS = dict(zip(("block_start_string", "block_end_string", "variable_start_string", "variable_end_string"),
                  ("<%", "%>", "<<", ">>"), strict=True))  # fmt: skip


@dataclass(frozen=True)
class ReportSettings:
    """What every report says of the run."""

    run: str
    scale: str
    notes: tuple[str, ...] = ()  # shown with the title or as footnotes


def text_table(rows: Iterable[Iterable[str]], align: str) -> list[str]:
    """Return the lines of a table, headings first, columns padded with blanks; `align` is ``l`` or ``r`` for each."""
    rows = [list(row) for row in rows]
    pads = [("<" if side == "l" else ">") + str(max(map(len, cells)))
            for side, cells in zip(align, zip(*rows, strict=True), strict=True)]  # fmt: skip
    return ["  ".join(map(format, row, pads)).rstrip() for row in rows]


def count(value: float | None, digits: int = 0) -> str:
    """Return a number with commas between thousands, or a dash for nothing."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share in per cent, or a dash for nothing."""
    return NOTHING if share is None else f"{100 * share:.{digits}f} %"


def leaves(value: Any, name: str = "") -> dict[str, Any]:
    """Return what nested blocks of settings hold, dotted key to value; an empty block is a value."""
    if not isinstance(value, Mapping) or not value:
        return {name: value}
    return {
        key: one
        for inner, below in value.items()
        for key, one in leaves(below, f"{name}.{inner}" if name else str(inner)).items()
    }


def markdown(text: str) -> str:
    """Return text for Markdown, also inside a table."""
    return re.sub(r"([\\`*<|])", r"\\\1", text)


def latex(text: str) -> str:
    """Return text for LaTeX; a sign before a digit is set as a minus, not as a hyphen."""
    return re.sub(r"^([+-])(?=\d)", r"$\1$", text.translate(_LATEX))


def fill(template: str, **values) -> str:
    """Return a file of ``templates/`` with values filled in; HTML is escaped, other forms have filters for it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("genebert.report"), autoescape=select_autoescape(), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        **(_MARKS if template.endswith(".tex") else {}),
    )  # fmt: skip
    functions = {"count": count, "percent": percent, "markdown": markdown, "latex": latex}
    environment.filters |= functions
    environment.globals |= functions | {"escape": environment.filters["escape"]}
    return environment.get_template(template).render(values)
