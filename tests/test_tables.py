"""Tables: the paper's values as printed, ours from score files only, every form, bad input."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genebert.errors import InputError
from genebert.table_forms import _latex, display
from genebert.tables import read_paper, render_table

MODELS = ["kmer-logreg", "from-scratch", "dnabert", "genebert"]
ROWS = {"promoter/prom-core": MODELS}


def score(model: str, seed: int, auc: float, dataset: str = "promoter/prom-core", **changes) -> dict:
    task, dataset = dataset.split("/")
    value = {
        "task": task, "dataset": dataset, "model": model, "seed": seed, "deterministic": model == "kmer-logreg",
        "metrics": {
            "threshold": 0.5, "precision": auc - 0.1, "recall": auc - 0.12, "mcc": 2 * auc - 1, "accuracy": auc - 0.1,
            "collapsed": False, "roc_auc": auc, "roc_auc_interval": [auc - 0.02, auc + 0.02], "auprc": auc - 0.01,
            "n": 592, "n_positive": 292,
        },
        "metrics_at_validation_threshold": {"precision": auc - 0.09, "recall": auc - 0.11},
        "data_sha256": {"test": f"hash of {dataset}"},
    }  # fmt: skip
    metrics = value["metrics"] | changes.pop("metrics", {})
    return value | {"metrics": metrics} | changes


@pytest.fixture
def files(tmp_path):
    """Write score files; returns a function that adds one and gives its path."""

    def write(value: dict) -> Path:
        name = f"{value['task']}-{value['dataset']}-{value['model']}-{value['seed']}.json"
        path = tmp_path / "scores" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(value))
        return path

    return write


@pytest.fixture
def scores(files) -> list[Path]:
    aucs = {"kmer-logreg": 0.84, "from-scratch": 0.80, "dnabert": 0.82, "genebert": 0.88}
    return [files(score(model, seed, auc + 0.01 * (seed - 1) * (model != "kmer-logreg")))
            for model, auc in aucs.items() for seed in range(3)]  # fmt: skip


@pytest.fixture
def paper(root) -> Path:
    return root / "config" / "paper" / "table1.tsv"


def render(folder: Path, paper: Path, scores: list[Path], rows=ROWS, number: int = 1, **more):
    out = {form: folder / f"table{number}.{form}" for form in ("csv", "md", "html", "tex")}
    arguments = {"run": "demo", "scale": "simulated data, toy scale", "out": out, **more}
    table = render_table(number, paper, scores, rows, **arguments)
    return table, {form: path.read_text() for form, path in out.items()}, pd.read_csv(out["csv"])


def cells_of(page: str) -> list[list[str]]:
    """Return the cells of the body of an HTML table."""

    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.rows, self.inside = [], False

        def handle_starttag(self, tag, attrs):
            self.inside = tag == "td" and "gt_row" in dict(attrs).get("class", "")
            if tag == "tr":
                self.rows.append([])
            if self.inside:
                self.rows[-1].append("")

        def handle_endtag(self, tag):
            self.inside = False

        def handle_data(self, data):
            if self.inside:
                self.rows[-1][-1] += data

    reader = Reader()
    reader.feed(page)
    return [row for row in reader.rows if row]


# ------------------------------------------------------------------------------------------------------ the paper


def test_table1_holds_what_the_paper_prints(paper):
    """FACTS P.2, Table 1."""
    found = read_paper(paper).set_index("model")
    assert found.loc["DNABERT", ["precision", "recall", "auc"]].tolist() == [0.675, 0.637, 0.693]
    assert found.loc["GeneBERT", ["precision", "recall", "auc"]].tolist() == [0.805, 0.803, 0.894]
    assert found["our_model"].to_dict() == {"DNABERT": "dnabert", "GeneBERT": "genebert"}
    assert set(found["dataset"]) == {"promoter/prom-core"}


# ------------------------------------------------------------------------------------------------------ the values


def test_values(tmp_path, paper, scores):
    _, _, csv = render(tmp_path, paper, scores)
    assert csv["model"].tolist() == MODELS
    assert csv["paper_model"].fillna("").tolist() == ["", "", "DNABERT", "GeneBERT"]
    row = csv.set_index("model").loc["genebert"]
    assert row["auc_paper"] == 0.894
    assert row["auc_mean"] == pytest.approx(0.88) and row["auc_sd"] == pytest.approx(0.01)
    assert row["auc_difference"] == pytest.approx(0.88 - 0.894)
    assert row["precision_mean"] == pytest.approx(0.78) and row["recall_difference"] == pytest.approx(0.76 - 0.803)
    assert row["precision_at_validation_threshold"] == pytest.approx(0.79)
    assert row[["mcc_mean", "auprc_mean", "accuracy_mean"]].tolist() == pytest.approx([0.76, 0.87, 0.78])
    assert row[["auc_low", "auc_high"]].tolist() == pytest.approx([0.86, 0.90])
    assert (row["n_test"], row["n_test_positive"], row["n_seeds"], row["seeds"]) == (592, 292, 3, "0 1 2")
    assert row["n_collapsed"] == 0
    assert csv["run"].unique().tolist() == ["demo"] and csv["scale"].unique().tolist() == ["simulated data, toy scale"]
    logistic = csv.set_index("model").loc["kmer-logreg"]
    assert np.isnan(logistic["auc_paper"]) and np.isnan(logistic["auc_difference"])
    assert logistic["auc_mean"] == 0.84 and logistic["auc_sd"] == 0
    assert logistic["remark"] == "deterministic: seeds change nothing"


def test_csv_keeps_full_precision_and_text_three_decimals(tmp_path, paper, scores, files):
    exact = 0.123456789012345
    scores[-1] = files(score("genebert", 2, 0.9, metrics={"mcc": exact}))
    table, text, csv = render(tmp_path, paper, scores)
    assert csv["mcc_mean"].iloc[-1] == pytest.approx(np.mean([0.74, 0.76, exact]), abs=1e-15)
    shown = display(table)
    assert shown["Ours", "AUC"].iloc[-1] == "0.883 ± 0.015"  # 0.87, 0.88, 0.90
    assert "0.883 ± 0.015" in text["md"] and "0.883 ± 0.015" in text["html"] and r"0.883 $\pm$ 0.015" in text["tex"]


def test_a_changed_score_file_changes_every_form(tmp_path, paper, scores):
    _, before, _ = render(tmp_path, paper, scores)
    value = json.loads(scores[-1].read_text())
    value["metrics"]["roc_auc"] += 0.03
    scores[-1].write_text(json.dumps(value))
    _, after, csv = render(tmp_path, paper, scores)
    assert csv["auc_mean"].iloc[-1] == pytest.approx(0.89)
    assert all(before[form] != after[form] for form in before)


def test_every_form_is_the_same_each_time(tmp_path, paper, scores):
    _, first, _ = render(tmp_path, paper, scores)
    _, second, _ = render(tmp_path, paper, scores[::-1])
    assert first == second


def test_all_forms_hold_the_same_cells(tmp_path, paper, scores):
    table, text, _ = render(tmp_path, paper, scores)
    expected = [list(row) for row in display(table).itertuples(index=False)]
    markdown = [line.strip("| ").split(" | ") for line in text["md"].splitlines() if line.startswith("| promoter")]
    assert markdown == expected
    assert cells_of(text["html"]) == expected
    latex = re.search(r"\\midrule\n(.*)\\bottomrule", text["tex"], re.DOTALL)[1].strip().split("\n")
    assert [line.removesuffix(r" \\").split(" & ") for line in latex] == [[_latex(c) for c in row] for row in expected]


def test_run_and_scale_are_on_every_form(tmp_path, paper, scores):
    _, text, _ = render(tmp_path, paper, scores, notes=["Simulated promoters."])
    for form in ("md", "html", "tex"):
        assert "demo" in text[form] and "simulated data, toy scale" in text[form]
        assert "Simulated promoters." in text[form]
        assert "Not in the paper: kmer-logreg, from-scratch." in text[form]
        assert (
            "A constant classifier gives 0.250 / 0.500 on balanced data, 0.253 / 0.500 on promoter/prom-core"
            in (text[form])
        )
        assert "arXiv 2110.05231v2, Table 1" in text[form]


def test_collapsed_seeds_are_counted(tmp_path, paper, scores, files):
    for seed in (0, 2):
        files(score("dnabert", seed, 0.5, metrics={"collapsed": True, "precision": 0.253, "recall": 0.5}))
    table, text, csv = render(tmp_path, paper, scores)
    assert csv.set_index("model").loc["dnabert", "n_collapsed"] == 2
    assert display(table)["", "Collapsed"].tolist() == ["0 of 3", "0 of 3", "2 of 3", "0 of 3"]
    assert "2 of 3" in text["md"]


def test_one_seed_has_no_sd(tmp_path, paper, scores):
    _, _, csv = render(tmp_path, paper, [path for path in scores if path.name.endswith("-1.json")])
    assert csv["auc_sd"].isna().all() and csv["n_seeds"].tolist() == [1] * 4


def test_weights_before_fine_tuning_are_told(tmp_path, paper, scores, files):
    none = {"kind": "none"}
    dnabert = {"kind": "file", "name": "dnabert6/pytorch_model.bin", "sha256": "ab" * 32}
    swin = {"kind": "hub", "id": "timm/swin_tiny", "sha256": "cd" * 32}

    def record(steps, losses, **weights):
        return {"settings": {"losses": losses}, "training": {"steps": steps}, "initial_weights": weights}

    every = {"mgm": True, "ngsp": True, "srm": "infonce"}
    files(score("genebert", 0, 0.87, model_record=record(1200, every, sequence_encoder=none, region_encoder=swin)))
    files(score("dnabert", 0, 0.81, model_record=record(0, {"mgm": True}, sequence_encoder=dnabert)))
    files(score("from-scratch", 0, 0.79, model_record=record(50, {"mgm": False}, sequence_encoder=none)))
    table, _, _ = render(tmp_path, paper, scores)
    assert (
        "Before fine-tuning: from-scratch: sequence encoder from random weights, no pre-training here; dnabert: "
        "sequence encoder from dnabert6/pytorch_model.bin (sha256 abababab), no pre-training here; genebert: sequence "
        "encoder from random weights, region encoder from timm/swin_tiny (sha256 cdcdcdcd), 1,200 steps of "
        "pre-training."
    ) in table.notes


# ------------------------------------------------------------------------------------------------------ missing values


def test_unavailable_model_has_a_row_that_says_so(tmp_path, paper, scores, files):
    for seed in range(3):
        names = {"task": "promoter", "dataset": "prom-core", "model": "dnabert", "seed": seed}
        files({**names, "unavailable": "weights | need_a login"})
    table, text, csv = render(tmp_path, paper, scores)
    row = csv.set_index("model").loc["dnabert"]
    assert row["auc_paper"] == 0.693 and np.isnan(row["auc_mean"]) and np.isnan(row["auc_difference"])
    assert row["n_seeds"] == 0 and row["remark"] == "unavailable: weights | need_a login"
    shown = display(table).iloc[2]
    assert shown["Ours", "AUC"] == shown["Difference", "AUC"] == shown["", "Collapsed"] == "-"
    assert r"weights \| need_a login" in text["md"] and r"weights | need\_a login" in text["tex"]


def test_some_seeds_unavailable(tmp_path, paper, scores, files):
    names = {"task": "promoter", "dataset": "prom-core", "model": "dnabert", "seed": 1}
    files({**names, "unavailable": "killed"})
    _, _, csv = render(tmp_path, paper, scores)
    row = csv.set_index("model").loc["dnabert"]
    assert row["remark"] == "unavailable for 1 of 3 seeds: killed"
    assert row["n_seeds"] == 2 and row["auc_mean"] == pytest.approx(0.82)


def test_all_unavailable(tmp_path, paper, files):
    names = {"task": "promoter", "dataset": "prom-core", "model": "genebert", "seed": 0}
    _, text, csv = render(tmp_path, paper, [files({**names, "unavailable": "x"})], {"promoter/prom-core": ["genebert"]})
    assert csv["remark"].tolist() == ["unavailable: x", "not part of this run"]
    assert "A constant classifier gives 0.250 / 0.500 on balanced data;" in text["md"]


def test_reported_rows_that_were_not_run_are_kept(tmp_path, paper, scores, files):
    other = [files(score("genebert", 0, 0.7, dataset="promoter/mine"))]
    some = [path for path in scores if "from-scratch" in path.name]
    rows = {"promoter/mine": ["genebert"], "promoter/prom-core": ["from-scratch"]}
    _, _, csv = render(tmp_path, paper, some + other, rows)
    assert csv["dataset"].str.removeprefix("promoter/").tolist() == ["mine", "prom-core", "prom-core", "prom-core"]
    assert csv["model"].tolist() == ["genebert", "from-scratch", "dnabert", "genebert"]
    assert csv["remark"].fillna("").tolist() == ["", "", "not part of this run", "not part of this run"]
    assert csv["auc_paper"].tolist()[2:] == [0.693, 0.894] and csv["auc_paper"].isna().tolist()[:2] == [True, True]


# ------------------------------------------------------------------------------------------------------ other tables


def test_further_columns_and_other_metrics(tmp_path, files):
    """Label columns as in Table 6, metrics as in Table 4, one model of ours behind two reported rows as in Table 8."""
    tsv = tmp_path / "paper.tsv"
    tsv.write_text(
        "dataset\tcell_type\tmodel\tour_model\ttop_k\tpr_auc\tsource\n"
        "splicing/80nt\tFibroblast\tbatch 128\tgenebert\t0.83\t0.89\tpaper\n"
        "splicing/80nt\tLung\tlambda 0.5\tgenebert\t0.57\t\tpaper\n"
    )
    values = [
        {"task": "splicing", "dataset": "80nt", "model": model, "seed": 0, "deterministic": False,
         "metrics": {"n": 1000, "top_k": value, "pr_auc": value + 0.1}}
        for model, value in (("genebert", 0.6), ("cnn", 0.4))
    ]  # fmt: skip
    rows = {"splicing/80nt": ["cnn", "genebert"]}
    table, text, csv = render(tmp_path, tsv, [files(value) for value in values], rows, number=4)
    assert csv["paper_model"].fillna("").tolist() == ["", "batch 128", "lambda 0.5"]
    assert csv["cell_type"].fillna("").tolist() == ["", "Fibroblast", "Lung"]
    assert csv["top_k_difference"].tolist()[1:] == pytest.approx([-0.23, 0.03])
    shown = display(table)
    assert [heading for _, heading in shown.columns][:3] == ["Data set", "Cell type", "Model"]
    assert shown["Paper", "PR-AUC"].tolist() == ["-", "0.890", "-"]
    assert shown["Difference", "Top-k"].tolist() == ["-", "-0.230", "+0.030"]
    assert "constant classifier" not in text["md"] and ("", "Collapsed") not in shown
    assert "$-$0.230" in text["tex"] and "$+$0.030" in text["tex"]


def test_latex_is_balanced_and_escaped(tmp_path, paper, scores):
    _, text, _ = render(tmp_path, paper, scores, scale="50 % of {chr20} & #1_$x^2~\\", run="a_b")
    body = text["tex"]
    assert r"50 \% of \{chr20\} \& \#1\_\$x\textasciicircum{}2\textasciitilde{}\textbackslash{}" in body
    bare = re.sub(r"\\[{}%&#_$\\]", "", body)
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    for name in ("table*", "tabular"):
        assert body.count(f"\\begin{{{name}}}") == body.count(f"\\end{{{name}}}") == 1
    alignment = re.search(r"\\begin\{tabular\}\{([lr]+)\}", body)[1]
    spans = [int(width) for width in re.findall(r"\\multicolumn\{(\d+)\}", body)]
    assert sum(spans) == len(alignment)
    lines = body.split("\\toprule\n")[1].split("\\bottomrule")[0].splitlines()
    for line in lines[2:3] + lines[4:]:
        assert re.sub(r"\\&", "", line).count("&") == len(alignment) - 1 and line.endswith(r"\\")


def test_html_is_a_page_with_headings(tmp_path, paper, scores):
    _, text, _ = render(tmp_path, paper, scores, scale="<b>tiny</b>")
    page = text["html"]
    assert page.startswith("<!DOCTYPE html>") and page.count("<table") == 1 and 'id="table1"' in page
    assert "&lt;b&gt;tiny&lt;/b&gt;" in page and "<b>tiny" not in page
    for heading in ("Paper", "Ours", "Difference", "Ours, further"):
        assert f'<span class="gt_column_spanner">{heading}</span>' in page
    assert len(cells_of(page)) == 4


# ------------------------------------------------------------------------------------------------------ bad input


def test_bad_requests(tmp_path, paper, scores):
    with pytest.raises(InputError, match="table: found 9, expected 1 to 8"):
        render(tmp_path, paper, scores, number=9)
    with pytest.raises(InputError, match="table 1: form 'pdf' asked for; expected csv, md, html, tex"):
        render_table(1, paper, scores, ROWS, "r", "s", {"pdf": tmp_path / "x.pdf"})
    with pytest.raises(InputError, match="table 1: no rows asked for"):
        render(tmp_path, paper, [], {})


def test_bad_sets_of_score_files(tmp_path, paper, scores, files):
    with pytest.raises(InputError, match="no score file of genebert on promoter/prom-core"):
        render(tmp_path, paper, [path for path in scores if "genebert" not in path.name])
    with pytest.raises(InputError, match="scores from-scratch on promoter/prom-core, which is not among the rows"):
        render(tmp_path, paper, scores, {"promoter/prom-core": ["genebert", "dnabert", "kmer-logreg"]})
    with pytest.raises(InputError, match="a second score file of kmer-logreg on promoter/prom-core with seed 0"):
        render(tmp_path, paper, [*scores, scores[0]])
    mixed = files(score("genebert", 3, 0.9, data_sha256={"test": "other"}))
    with pytest.raises(InputError, match=r"genebert-3\.json: not scored on the test examples of .*kmer-logreg-0"):
        render(tmp_path, paper, [*scores, mixed])
    shorter = files(score("genebert", 3, 0.9, metrics={"n": 10}))
    with pytest.raises(InputError, match="seeds of genebert were tested on different numbers of examples"):
        render(tmp_path, paper, [*scores, shorter])
    assert not (tmp_path / "table1.csv").exists()


def test_score_without_the_papers_metric(tmp_path, paper, scores, files):
    value = score("genebert", 0, 0.9)
    del value["metrics"]["precision"]
    files(value)
    with pytest.raises(InputError, match="score files of genebert have no metric 'precision'"):
        render(tmp_path, paper, scores)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("our_model", "ours", "has no column 'our_model'; found dataset, model, ours"),
        ("precision\trecall\tauc", "a\tb\tc", "has no column of values; expected at least one of precision"),
        ("0.805", "high", "precision is 'high'; expected a number or nothing"),
        ("GeneBERT\t", "DNABERT\t", "DNABERT on promoter/prom-core occurs twice"),
    ],
)
def test_bad_paper_file(tmp_path, paper, old, new, message):
    path = tmp_path / "t.tsv"
    path.write_text(paper.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        read_paper(path)


def test_missing_or_empty_paper_file(tmp_path):
    with pytest.raises(InputError, match="not a readable table"):
        read_paper(tmp_path / "none.tsv")
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(InputError, match="not a readable table"):
        read_paper(tmp_path / "empty.tsv")
