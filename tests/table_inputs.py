"""Score files for the tests of the tables, and readers of what is rendered."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from genebert.report.tables.render import NOTHING_READ, render_table
from genebert.report.text import ReportSettings


def score(model: str, seed: int, auc: float, dataset: str = "promoter/prom-core", **changes) -> dict:
    """Return a score file."""
    task, dataset = dataset.split("/")
    value = {
        "task": task, "dataset": dataset, "model": model, "seed": seed, "deterministic": model == "kmer-logreg",
        "metrics": metrics(auc, 592, 292),
        "metrics_at_validation_threshold": {"precision": auc - 0.09, "recall": auc - 0.11},
        "data_sha256": hashes(dataset),
        "n_train": 4795, "seconds": 10.0 + seed,
    }  # fmt: skip
    measured = value["metrics"] | changes.pop("metrics", {})
    return value | {"metrics": measured} | changes


def hashes(dataset: str, **others: str) -> dict[str, str]:
    """Return what a score file says of the examples; `others` are of another data set."""
    return {split: f"hash of {dataset}'s {split}" for split in ("train", "valid", "test")} | others


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


def render(folder: Path, paper: Path, scores: list[Path], rows: dict, number: int = 1, read=NOTHING_READ, **settings):
    """Render every form; returns its blocks, form -> text and the csv file as a DataFrame."""
    out = {form: folder / f"table{number}.{form}" for form in ("csv", "md", "html", "tex")}
    settings = ReportSettings(**{"run": "demo", "scale": "simulated data, toy scale", **settings})
    blocks = render_table(f"table{number}", paper, scores, rows, settings, out.values(), read)
    return blocks, {form: path.read_text() for form, path in out.items()}, pd.read_csv(out["csv"], keep_default_na=True)


def shown(block, heading: str, spanner: str = "") -> list[str]:
    """Return the cells of a column."""
    (column,) = [column for column in block.columns if (column.spanner, column.heading) == (spanner, heading)]
    return column.cells


def cells_of(block) -> list[list[str]]:
    """Return the rows of a block."""
    return [list(row) for row in zip(*(column.cells for column in block.columns), strict=True)]


def html_tables(page: str) -> list[dict]:
    """Return of each table of a page its id, spanning headings, headings, rows of (group, cells), bold cells and notes.

    Elements that are not closed, or not in the right order, are an error.
    """
    body = ElementTree.fromstring(page).find("body")
    assert [part.tag for part in body] == ["table", "ul"] * (len(body) // 2)
    tables = []
    for table, notes in zip(body.findall("table"), body.findall("ul"), strict=True):
        group, rows = None, []
        for row in table.find("tbody"):
            if row[0].tag == "th":
                group = row[0].text
            else:
                rows.append((group, ["".join(cell.itertext()) for cell in row]))
        tables.append({
            "id": table.get("id"), "rows": rows, "bold": [cell.text for cell in table.iter("b")],
            "spans": [head.text for head in table.iter("th") if head.get("scope") == "colgroup" and head.text],
            "headings": [head.text for head in table.iter("th") if head.get("scope") == "col"],
            "notes": [note.text for note in notes],
        })  # fmt: skip
        for row in table.iter("tr"):
            assert sum(int(cell.get("colspan", 1)) for cell in row) == len(tables[-1]["headings"])
    return tables


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
