"""The forms of a table: Markdown, HTML and LaTeX."""

import re
from collections.abc import Iterable
from itertools import groupby

import pandas as pd

from genebert.report.tables.blocks import Block, Column


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*<|])", r"\\\1", text)


def _markdown_block(block: Block) -> list[str]:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    # Headings that are data sets are long enough; the notes say what they are.
    spanned = [c.spanner and not block.turned for c in block.columns]
    headings = [
        f"{c.heading} ({c.spanner.lower()})" if over else c.heading
        for c, over in zip(block.columns, spanned, strict=True)
    ]
    cells = [
        [f"**{_markdown(cell)}**" if row in c.bold else _markdown(cell) for row, cell in enumerate(c.cells)]
        for c in block.columns
    ]
    lines = [f"**{_markdown(block.title)}** ({_markdown(block.subtitle)})", "", line(map(_markdown, headings))]
    lines += [line("---:" if c.number else "---" for c in block.columns)]
    lines += [line(row) for row in zip(*cells, strict=True)]
    return [*lines, "", *(f"- {_markdown(note)}" for note in block.notes), *[""] * bool(block.notes)]


def to_markdown(blocks: list[Block]) -> str:
    """Return Markdown tables with titles and footnotes; spanning headings are joined to the headings."""
    return "\n".join(line for block in blocks for line in _markdown_block(block))


_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
          "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "<": r"$<$",
          ">": r"$>$", "[": "{[}"}  # fmt: skip


def latex(text: str) -> str:
    """Return text for LaTeX; a sign before a digit is set as a minus, not as a hyphen."""
    escaped = "".join(_LATEX.get(letter, letter) for letter in text)
    return re.sub(r"^([+-])(?=\d)", r"$\1$", escaped)


def _latex_headings(columns: list[Column], turned: bool) -> list[str]:
    tops, rules, first = [], [], 1
    for spanner, run in groupby(column.spanner for column in columns):
        width = len(list(run))
        tops.append(rf"\multicolumn{{{width}}}{{c}}{{{latex(spanner)}}}")
        if spanner:
            rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        first += width
    headings = [
        rf"\rotatebox{{90}}{{{latex(c.heading)}}}" if turned and c.spanner else latex(c.heading) for c in columns
    ]
    return [*([" & ".join(tops) + r" \\", "".join(rules)] if rules else []), " & ".join(headings) + r" \\"]


def _latex_block(block: Block) -> list[str]:
    columns = block.columns[block.grouped :]
    cells = [
        [rf"\textbf{{{latex(cell)}}}" if row in c.bold else latex(cell) for row, cell in enumerate(c.cells)]
        for c in columns
    ]
    lines = [" & ".join(row) + r" \\" for row in zip(*cells, strict=True)]
    if block.grouped:
        body, groups = [], groupby(zip(block.columns[0].cells, lines, strict=True), key=lambda pair: pair[0])
        for name, rows in groups:
            body += [r"\midrule", rf"\multicolumn{{{len(columns)}}}{{l}}{{\textit{{{latex(name)}}}}} \\"]
            body += [line for _, line in rows]
    else:
        body = [r"\midrule", *lines]
    return [
        r"\begin{table*}",
        r"\centering",
        # LaTeX numbers tables itself.
        rf"\caption{{{latex(block.title.partition('. ')[2])}. {latex(block.subtitle)}.}}",
        r"\begin{adjustbox}{max width=\textwidth,max totalheight=0.75\textheight}",
        rf"\begin{{tabular}}{{{''.join('r' if c.number else 'l' for c in columns)}}}",
        r"\toprule",
        *_latex_headings(columns, block.turned),
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{adjustbox}",
        "",
        r"\raggedright\footnotesize",
        *(latex(note) + r"\par" for note in block.notes),
        r"\end{table*}",
    ]


def to_latex(blocks: list[Block]) -> str:
    """Return one floating two-column LaTeX table a block; the document needs the packages booktabs and adjustbox."""
    lines = [r"% needs \usepackage{booktabs} and \usepackage{adjustbox}"]
    return "\n".join([*lines, *(line for block in blocks for line in _latex_block(block)), ""])


def _html_block(block: Block, identifier: str) -> str:
    from great_tables import GT, loc, style

    names = [f"c{i}" for i in range(len(block.columns))]
    frame = pd.DataFrame({name: column.cells for name, column in zip(names, block.columns, strict=True)})
    shown = dict(zip(names[block.grouped :], block.columns[block.grouped :], strict=True))
    page = GT(frame, id=identifier, groupname_col=names[0] if block.grouped else None)
    page = page.tab_header(title=block.title, subtitle=block.subtitle)
    page = page.cols_label(**{name: column.heading for name, column in shown.items()})
    for spanner in dict.fromkeys(column.spanner for column in shown.values() if column.spanner):
        inside = [name for name, column in shown.items() if column.spanner == spanner]
        page = page.tab_spanner(label=spanner, columns=inside, id=spanner.replace(" ", "-"))
    for side, number in (("right", True), ("left", False)):
        page = page.cols_align(side, columns=[name for name, column in shown.items() if column.number == number])
    for name, column in shown.items():
        if column.bold:
            page = page.tab_style(style.text(weight="bold"), loc.body(columns=name, rows=sorted(column.bold)))
    for note in block.notes:
        page = page.tab_source_note(note)
    return page.as_raw_html().strip()


def to_html(blocks: list[Block], identifier: str) -> str:
    """Return a page with the blocks; `identifier` begins the ids of their elements, so that repeated calls agree."""
    parts = [_html_block(block, f"{identifier}-{block.name}") for block in blocks]
    head = '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n</head>\n<body>'
    return "\n".join([head, *parts, "</body>", "</html>", ""])
