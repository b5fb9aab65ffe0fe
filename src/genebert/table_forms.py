"""The forms of a table: text rounded to three decimals, as Markdown, HTML and LaTeX."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd

# Column of the paper's file: key in a score file's metrics, heading.
PAPER_METRICS = {
    "precision": ("precision", "P"),
    "recall": ("recall", "R"),
    "auc": ("roc_auc", "AUC"),
    "top_k": ("top_k", "Top-k"),
    "pr_auc": ("pr_auc", "PR-AUC"),
}
MORE_METRICS = {"mcc": "MCC", "auprc": "AUPRC", "accuracy": "Accuracy"}
NOTHING = "-"


@dataclass(frozen=True)
class Table:
    """A table before it is written in any form.

    Attributes
    ----------
    title, subtitle : str
    values : DataFrame
        One row a model, full precision: what the csv file holds.
    metrics : tuple of str
        The paper's metrics in this table.
    labels : tuple of str
        Further columns of the paper's file.
    notes : list of str
        Footnotes.
    """

    title: str
    subtitle: str
    values: pd.DataFrame
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    notes: list[str]


def _number(value: float, sign: str = "") -> str:
    """Return three decimals, or a dash for nothing."""
    if pd.isna(value):
        return NOTHING
    text = f"{value:{sign}.3f}"
    return text.lstrip("+-") if float(text) == 0 else text


def display(table: Table) -> pd.DataFrame:
    """Return the table as text, rounded to three decimals; columns are pairs (spanning heading or nothing, heading)."""
    values, shown = table.values, {}

    def with_sd(name: str) -> list[str]:
        means, sds = values[f"{name}_mean"], values[f"{name}_sd"]
        return [_number(m) + ("" if pd.isna(s) else f" ± {_number(s)}") for m, s in zip(means, sds, strict=True)]

    def joined(first: str, word: str, second: str, form: Callable[[Any], str]) -> list[str]:
        pairs = zip(values[first], values[second], strict=True)
        return [NOTHING if pd.isna(a) else f"{form(a)} {word} {form(b)}" for a, b in pairs]

    shown["", "Data set"] = values["dataset"].tolist()
    for name in table.labels:
        shown["", name.replace("_", " ").capitalize()] = values[name].replace("", NOTHING).tolist()
    shown["", "Model"] = values["model"].tolist()
    shown["", "In the paper"] = values["paper_model"].replace("", NOTHING).tolist()
    for name in table.metrics:
        shown["Paper", PAPER_METRICS[name][1]] = [_number(x) for x in values[f"{name}_paper"]]
    for name in table.metrics:
        shown["Ours", PAPER_METRICS[name][1]] = with_sd(name)
    for name in table.metrics:
        shown["Difference", PAPER_METRICS[name][1]] = [_number(x, "+") for x in values[f"{name}_difference"]]
    if "auc_low" in values:
        shown["Ours, further", "AUC 95 %"] = joined("auc_low", "to", "auc_high", _number)
    for name, heading in MORE_METRICS.items():
        if f"{name}_mean" in values:
            shown["Ours, further", heading] = with_sd(name)
    if "n_test" in values:
        shown["", "n test"] = [NOTHING if pd.isna(n) else str(n) for n in values["n_test"]]
    shown["", "Seeds"] = values["n_seeds"].astype(str).tolist()
    if "n_collapsed" in values:
        shown["", "Collapsed"] = joined("n_collapsed", "of", "n_seeds", str)
    shown["", "Remark"] = values["remark"].replace("", NOTHING).tolist()
    frame = pd.DataFrame(list(zip(*shown.values(), strict=True)))
    frame.columns = pd.MultiIndex.from_tuples(shown)
    return frame


def _is_number(spanner: str, heading: str) -> bool:
    return bool(spanner) or heading in ("n test", "Seeds", "Collapsed")


def to_markdown(table: Table) -> str:
    """Return a Markdown table with title and footnotes; spanning headings are joined to the headings."""
    frame = display(table)

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    headings = [f"{heading} ({spanner.lower()})" if spanner else heading for spanner, heading in frame.columns]
    rules = ["---:" if _is_number(*column) else "---" for column in frame.columns]
    rows = [line(row) for row in frame.itertuples(index=False)]
    notes = [f"- {note}" for note in table.notes]
    return "\n".join([f"**{table.title}** ({table.subtitle})", "", line(headings), line(rules), *rows, "", *notes, ""])


_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
          "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "<": r"$<$",
          ">": r"$>$"}  # fmt: skip


def _latex(text: str) -> str:
    """Return text for LaTeX; a sign before a digit is set as a minus, not as a hyphen."""
    escaped = "".join(_LATEX.get(letter, letter) for letter in text)
    return re.sub(r"^([+-])(?=\d)", r"$\1$", escaped)


def to_latex(table: Table) -> str:
    """Return a floating two-column LaTeX table; the document needs the packages booktabs and graphicx."""
    frame = display(table)
    spans = [(spanner, len(list(run))) for spanner, run in groupby(spanner for spanner, _ in frame.columns)]
    tops, rules, first = [], [], 1
    for spanner, width in spans:
        tops.append(rf"\multicolumn{{{width}}}{{c}}{{{_latex(spanner)}}}")
        if spanner:
            rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        first += width
    # LaTeX numbers tables itself.
    caption = f"{table.title.partition('. ')[2]}. {table.subtitle}."
    alignment = "".join("r" if _is_number(*column) else "l" for column in frame.columns)
    lines = [
        "% needs \\usepackage{booktabs} and \\usepackage{graphicx}",
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{_latex(caption)}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        " & ".join(tops) + r" \\",
        "".join(rules),
        " & ".join(_latex(heading) for _, heading in frame.columns) + r" \\",
        r"\midrule",
        *(" & ".join(map(_latex, row)) + r" \\" for row in frame.itertuples(index=False)),
        r"\bottomrule",
        r"\end{tabular}}",
        "",
        r"\raggedright\footnotesize",
        *(_latex(note) + r"\par" for note in table.notes),
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def to_html(table: Table, identifier: str) -> str:
    """Return a page with the table; `identifier` is the id of its element, so that repeated calls agree."""
    from great_tables import GT

    frame = display(table)
    columns = list(frame.columns)
    names = [f"c{i}" for i in range(len(columns))]
    frame.columns = names
    page = GT(frame, id=identifier).tab_header(title=table.title, subtitle=table.subtitle)
    page = page.cols_label(**{name: heading for name, (_, heading) in zip(names, columns, strict=True)})
    for spanner in dict.fromkeys(spanner for spanner, _ in columns if spanner):
        inside = [name for name, (other, _) in zip(names, columns, strict=True) if other == spanner]
        page = page.tab_spanner(label=spanner, columns=inside, id=spanner.replace(",", "").replace(" ", "-"))
    right = [name for name, column in zip(names, columns, strict=True) if _is_number(*column)]
    page = page.cols_align("right", columns=right)
    page = page.cols_align("left", columns=[name for name in names if name not in right])
    for note in table.notes:
        page = page.tab_source_note(note)
    return page.as_raw_html(make_page=True).rstrip() + "\n"
