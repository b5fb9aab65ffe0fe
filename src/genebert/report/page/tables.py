"""The tables of a run as its page shows them, read back from the html files that their rules wrote.

So the page holds what the tables hold, whatever rule wrote them, and cannot differ from them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from genebert.errors import InputError
from genebert.files import read_text

DIFFERENCE = "Difference"  # heading over the columns that are marked
MODEL = "Model"  # heading of the column that stays in sight, the first one where none has it
FILE = re.compile(r"table(\d)(\w*)\.html")


@dataclass(frozen=True)
class Cell:
    """A cell of text."""

    text: str
    number: bool = False  # set flush right
    bold: bool = False
    mark: str = ""  # of a difference: up, down or nothing
    first: bool = False  # first of the columns below one heading
    stays: bool = False  # of the column that stays in sight where a table is wider than the window


@dataclass(frozen=True)
class PageTable:
    """One rectangle of a table."""

    id: str
    title: str
    subtitle: str
    spans: list[tuple[str, int]]  # headings over several columns, and over how many
    heads: list[Cell]
    groups: list[tuple[str, list[list[Cell]]]]  # name of a group of rows, or nothing, and its rows
    notes: list[str] = field(default_factory=list)


def number_of(path: str | Path) -> int:
    """Return the number of the paper's table that a file belongs to; an InputError where its name has none."""
    found = FILE.fullmatch(Path(path).name)
    if found is None:
        raise InputError(f"{path}: not the name of a table; expected table1.html to table8.html")
    return int(found[1])


def read_tables(paths: Iterable[str | Path]) -> dict[int, list[PageTable]]:
    """Return table number -> its rectangles, those of all files of that number in their order.

    Raises
    ------
    InputError
        A file is none that :func:`genebert.report.tables.render.render_table` writes.
    """
    found: dict[int, list[PageTable]] = {}
    for path in map(Path, paths):
        found.setdefault(number_of(path), []).extend(_read(path))
    return dict(sorted(found.items()))


def _read(path: Path) -> list[PageTable]:
    try:
        body = ElementTree.fromstring(read_text_of_page(path)).find("body")
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: not well-formed ({error}); expected a table of this workflow") from error
    parts = [] if body is None else list(body)
    if not parts or [part.tag for part in parts] != ["table", "ul"] * (len(parts) // 2):
        raise InputError(f"{path}: holds no table with notes below it; expected a table of this workflow")
    return [
        _table(table, [_text(note) for note in notes], path.stem)
        for table, notes in zip(parts[::2], parts[1::2], strict=True)
    ]


def read_text_of_page(path: Path) -> str:
    """Return the text of an html file, which :func:`genebert.files.read_text` refuses as the answer of a server."""
    if not path.is_file():
        return read_text(path)  # which says what is wrong
    return path.read_text(encoding="utf-8")


def _text(element: ElementTree.Element) -> str:
    return "".join(element.itertext())


def _mark(text: str) -> str:
    return {"+": "up", "-": "down"}.get(text[:1], "") if text[1:2].isdigit() else ""


def _table(table: ElementTree.Element, notes: list[str], stem: str) -> PageTable:
    caption, (*above, last) = table.find("caption"), table.find("thead")
    spans = [(_text(one), int(one.get("colspan", 1))) for row in above for one in row]
    over = [(text, i == 0) for text, n in spans for i in range(n)] or [("", False)] * len(last)
    names = [_text(one) for one in last]
    model = names.index(MODEL) if MODEL in names else 0
    heads = [
        Cell(name, one.get("class") == "number", first=first, stays=i == model)
        for i, (name, one, (_, first)) in enumerate(zip(names, last, over, strict=True))
    ]
    groups: list[tuple[str, list[list[Cell]]]] = []
    for row in table.find("tbody"):
        if row[0].tag == "th":
            groups.append((_text(row[0]), []))
            continue
        if not groups:
            groups.append(("", []))
        cells = [
            Cell(_text(one), head.number, one.find("b") is not None,
                 _mark(_text(one)) if text == DIFFERENCE else "", first, head.stays)
            for one, head, (text, first) in zip(row, heads, over, strict=True)
        ]  # fmt: skip
        groups[-1][1].append(cells)
    subtitle = caption.find("small")
    name = table.get("id", stem)
    # A second file of the same table repeats the ids of the first.
    name = name if name.startswith(f"{stem}-") else f"{stem}-{name.partition('-')[2] or name}"
    return PageTable(name, caption.text or "", "" if subtitle is None else _text(subtitle), spans, heads, groups, notes)
