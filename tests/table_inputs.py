"""Score files for the tests of the tables, and readers of what is rendered."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd

from genebert.report.tables.render import render_table


def score(model: str, seed: int, auc: float, dataset: str = "promoter/prom-core", **changes) -> dict:
    """Return a score file."""
    task, dataset = dataset.split("/")
    value = {
        "task": task, "dataset": dataset, "model": model, "seed": seed, "deterministic": model == "kmer-logreg",
        "metrics": metrics(auc, 592, 292),
        "metrics_at_validation_threshold": {"precision": auc - 0.09, "recall": auc - 0.11},
        "data_sha256": {"test": f"hash of {dataset}"},
        "n_train": 4795, "seconds": 10.0 + seed,
    }  # fmt: skip
    measured = value["metrics"] | changes.pop("metrics", {})
    return value | {"metrics": measured} | changes


def metrics(auc: float, n: int, n_positive: int) -> dict:
    """Return what the metrics of a score file hold."""
    return {
        "threshold": 0.5, "precision": auc - 0.1, "recall": auc - 0.12, "mcc": 2 * auc - 1, "accuracy": auc - 0.1,
        "collapsed": False, "roc_auc": auc, "roc_auc_interval": [auc - 0.02, auc + 0.02], "auprc": auc - 0.01,
        "n": n, "n_positive": n_positive,
    }  # fmt: skip


def unavailable(model: str, seed: int, reason: str, dataset: str = "promoter/prom-core") -> dict:
    """Return the score file of a model that cannot be had."""
    task, dataset = dataset.split("/")
    return {"task": task, "dataset": dataset, "model": model, "seed": seed, "unavailable": reason}


def write_score(folder: Path, value: dict) -> Path:
    """Write a score file and return its path; the same task, data set, model and seed are overwritten."""
    path = folder / "scores" / f"{value['task']}-{value['dataset']}-{value['model']}-{value['seed']}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def render(folder: Path, paper: Path, scores: list[Path], rows: dict, number: int = 1, **more):
    """Render every form; returns the table, form -> text and the csv file as a DataFrame."""
    out = {form: folder / f"table{number}.{form}" for form in ("csv", "md", "html", "tex")}
    if number == 6:
        out["transfer_csv"] = folder / "table6_transfer.csv"
    arguments = {"run": "demo", "scale": "simulated data, toy scale", "out": out, **more}
    table = render_table(number, paper, scores, rows, **arguments)
    return table, {form: path.read_text() for form, path in out.items()}, pd.read_csv(out["csv"], keep_default_na=True)


def shown(block, heading: str, spanner: str = "") -> list[str]:
    """Return the cells of a column."""
    (column,) = [column for column in block.columns if (column.spanner, column.heading) == (spanner, heading)]
    return column.cells


def cells_of(block) -> list[list[str]]:
    """Return the rows of a block."""
    return [list(row) for row in zip(*(column.cells for column in block.columns), strict=True)]


class HtmlTables(HTMLParser):
    """Reads a page: `tables` holds for each table its id, rows of (group, cells), bold cells and footnotes."""

    VOID = ("meta", "br", "hr", "img", "link")

    def __init__(self, page: str):
        super().__init__()
        self.tables, self.open, self.kind, self.group, self.open_row = [], [], None, None, False
        self.feed(page)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        classes = attrs.get("class", "").split()
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "div" and "id" in attrs:
            self.tables.append({"id": attrs["id"], "rows": [], "bold": [], "notes": [], "headings": [], "spans": []})
            self.group = None
        kinds = {"gt_row": "cell", "gt_group_heading": "group", "gt_sourcenote": "note", "gt_column_spanner": "span",
                 "gt_col_heading": "heading"}  # fmt: skip
        kind = next((kinds[name] for name in classes if name in kinds), None)
        if kind:
            self.kind, self.text, self.tag = kind, "", tag
            self.bold = "font-weight: bold" in attrs.get("style", "")
        if tag == "tr":
            self.open_row = True

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()
        if self.kind and tag == self.tag:
            table = self.tables[-1]
            if self.kind == "cell":
                if self.open_row:
                    table["rows"].append((self.group, []))
                    self.open_row = False
                table["rows"][-1][1].append(self.text)
                if self.bold:
                    table["bold"].append(self.text)
            elif self.kind == "group":
                self.group = self.text
            else:
                table[{"note": "notes", "span": "spans", "heading": "headings"}[self.kind]].append(self.text)
            self.kind = None

    def handle_data(self, data):
        if self.kind:
            self.text += data


def markdown_tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a Markdown file: rows of cells, the heading first, the rule left out."""
    tables, before = [], ""
    for line in text.splitlines():
        if line.startswith("|"):
            cells = [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\) \| ", line[2:-2])]
            if not before.startswith("|"):
                tables.append([])
            if not set("".join(cells)) <= {"-", ":"} or "---" not in cells[0]:
                tables[-1].append(cells)
            else:
                assert len(cells) == len(tables[-1][0])
        before = line
    return tables


def check_latex(text: str) -> None:
    """Check braces, dollars, environments and the number of cells of every line."""
    bare = re.sub(r"\\[{}%&#_$]", "", text)
    depth = 0
    for letter in bare:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0 and bare.count("$") % 2 == 0
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{([a-z*]+)\}", bare):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack
    for alignment, inside in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", bare, re.DOTALL):
        lines = [line for line in inside.splitlines() if line.endswith(r"\\")]
        assert len(lines) > 1
        for line in lines:
            spans = [int(width) for width in re.findall(r"\\multicolumn\{(\d+)\}", line)]
            assert line.count("&") + 1 + sum(spans) - len(spans) == len(alignment)
        assert all(line.endswith(r"\\") or line.startswith("\\") for line in inside.splitlines() if line)
