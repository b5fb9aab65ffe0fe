"""Tables: the paper's values as printed, ours from score files only, every form, bad input."""

import html
import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_inputs import (
    cells_of,
    check_latex,
    hashes,
    html_tables,
    markdown_tables,
    render,
    score,
    shown,
    unavailable,
    write_score,
)

from genebert.errors import InputError
from genebert.report.tables.blocks import best_rows, number
from genebert.report.tables.paper import read_paper
from genebert.report.text import NOTHING, latex

MODELS = ["kmer-logreg", "from-scratch", "dnabert", "genebert"]
SET = "promoter/prom-core"
ROWS = {SET: MODELS}


@pytest.fixture
def files(tmp_path):
    """Return a function that writes a score file and gives its path."""
    return lambda value: write_score(tmp_path, value)


@pytest.fixture
def scores(files):
    aucs = {"kmer-logreg": 0.84, "from-scratch": 0.80, "dnabert": 0.82, "genebert": 0.88}
    return [files(score(model, seed, auc + 0.01 * (seed - 1) * (model != "kmer-logreg")))
            for model, auc in aucs.items() for seed in range(3)]  # fmt: skip


@pytest.fixture
def paper(root):
    return root / "config" / "paper" / "table1.tsv"


# ------------------------------------------------------------------------------------------------------ the values


def test_values(tmp_path, paper, scores):
    _, _, csv = render(tmp_path, paper, scores, ROWS)
    assert csv.columns[:6].tolist() == ["run", "scale", "dataset", "model", "paper_model", "precision_paper"]
    assert csv["model"].tolist() == MODELS
    assert csv["paper_model"].fillna("").tolist() == ["", "", "DNABERT", "GeneBERT"]
    row = csv.set_index("model").loc["genebert"]
    assert row["auc_paper"] == 0.894
    assert row["auc_mean"] == pytest.approx(0.88) and row["auc_sd"] == pytest.approx(0.01)
    assert row["auc_difference"] == pytest.approx(0.88 - 0.894)
    assert row["precision_mean"] == pytest.approx(0.78) and row["recall_difference"] == pytest.approx(0.76 - 0.803)
    assert row["precision_at_validation_threshold_mean"] == pytest.approx(0.79)
    assert row["recall_at_validation_threshold_mean"] == pytest.approx(0.77)
    assert row["recall_at_validation_threshold_sd"] == pytest.approx(0.01)
    assert row[["mcc_mean", "auprc_mean", "accuracy_mean"]].tolist() == pytest.approx([0.76, 0.87, 0.78])
    assert row[["auc_low", "auc_high"]].tolist() == pytest.approx([0.86, 0.90])
    assert (row["n_train"], row["n_test"], row["n_test_positive"]) == (4795, 592, 292)
    assert (row["n_seeds"], row["seeds"], row["n_collapsed"], row["seconds"]) == (3, "0 1 2", 0, 11)
    assert csv["run"].unique().tolist() == ["demo"] and csv["scale"].unique().tolist() == ["simulated data, toy scale"]
    logistic = csv.set_index("model").loc["kmer-logreg"]
    assert np.isnan(logistic["auc_paper"]) and np.isnan(logistic["auc_difference"])
    assert logistic["auc_mean"] == 0.84 and logistic["auc_sd"] == 0
    assert logistic["remark"] == "deterministic"


def test_csv_keeps_full_precision_and_text_three_decimals(tmp_path, paper, scores, files):
    exact = 0.123456789012345
    files(score("genebert", 2, 0.9, metrics={"mcc": exact}))
    blocks, text, csv = render(tmp_path, paper, scores, ROWS)
    assert csv["mcc_mean"].iloc[-1] == pytest.approx(np.mean([0.74, 0.76, exact]), abs=1e-15)
    assert shown(blocks[0], "AUC", "Ours")[-1] == "0.883 ± 0.015"  # 0.87, 0.88, 0.90
    assert "0.883 ± 0.015" in text["md"] and "0.883 ± 0.015" in text["html"] and r"0.883 $\pm$ 0.015" in text["tex"]


def test_a_changed_score_file_changes_every_form(tmp_path, paper, scores):
    _, before, _ = render(tmp_path, paper, scores, ROWS)
    value = json.loads(scores[-1].read_text())
    value["metrics"]["roc_auc"] += 0.03
    scores[-1].write_text(json.dumps(value))
    _, after, csv = render(tmp_path, paper, scores, ROWS)
    assert csv["auc_mean"].iloc[-1] == pytest.approx(0.89)
    assert all(before[form] != after[form] for form in before)


def test_every_form_is_the_same_each_time(tmp_path, paper, scores):
    _, first, _ = render(tmp_path, paper, scores, ROWS)
    _, second, _ = render(tmp_path, paper, scores[::-1], ROWS)
    assert first == second


def test_all_forms_hold_the_same_cells(tmp_path, paper, scores):
    blocks, text, _ = render(tmp_path, paper, scores, ROWS)
    expected = [cells_of(block) for block in blocks]
    found = [[[cell.strip("*") for cell in row] for row in rows[1:]] for rows in markdown_tables(text["md"])]
    assert found == expected
    found = [[[group, *row] for group, row in part["rows"]] for part in html_tables(text["html"])]
    assert found == expected
    for rows, body in zip(expected, re.findall(r"\\midrule\n(.*?)\\bottomrule", text["tex"], re.DOTALL), strict=True):
        heading, *lines = [re.sub(r"\\textbf\{(.*?)\}", r"\1", line) for line in body.strip().split("\n")]
        assert f"\\textit{{{latex(SET)}}}" in heading
        assert [line.removesuffix(r" \\").split(" & ") for line in lines] == [[latex(c) for c in r[1:]] for r in rows]


def test_best_auc_and_collapsed_seeds_are_bold(tmp_path, paper, scores, files):
    for seed in (0, 2):
        files(score("dnabert", seed, 0.82, metrics={"collapsed": True, "precision": 0.253, "recall": 0.5}))
    blocks, text, csv = render(tmp_path, paper, scores, ROWS)
    assert csv.set_index("model").loc["dnabert", "n_collapsed"] == 2
    assert shown(blocks[0], "Collapsed") == ["0 of 3", "0 of 3", "2 of 3", "0 of 3"]
    assert re.findall(r"\*\*([0-9].*?)\*\*", text["md"]) == ["2 of 3", "0.880 ± 0.010"]
    assert [part["bold"] for part in html_tables(text["html"])] == [["2 of 3", "0.880 ± 0.010"], []]
    assert re.findall(r"\\textbf\{(.*?)\}", text["tex"]) == ["2 of 3", r"0.880 $\pm$ 0.010"]


def test_best_rows():
    values = pd.DataFrame(
        {"dataset": list("aaabbccd"), "model": list("xyzxyxxx"),
         "auc_mean": [0.9001, 0.9004, 0.8, 0.5, np.nan, 0.7, 0.7, np.nan], "remark": ""}
    )  # fmt: skip
    # a: equal as printed; b: one model has a value; c: one model on two rows; d: none.
    assert best_rows(values, "auc") == {0, 1}
    values.loc[4, "auc_mean"] = 0.6
    values.index = range(10, 18)
    assert best_rows(values, "auc") == {0, 1, 4}
    # what has seen its test is no best one
    values["remark"] = ["these genes were in its training", *[""] * 7]
    assert best_rows(values, "auc") == {1, 4}


@given(st.floats(-1, 1), st.sampled_from(["", "+"]))
def test_numbers_have_three_decimals_and_no_signed_zero(value, sign):
    text = number(value, sign)
    assert float(text) == round(value, 3) and len(text.lstrip("+-")) == 5
    assert text != "-0.000" and (text[0] == "+") == (sign == "+" and float(text) > 0)
    assert number(float("nan"), sign) == NOTHING


@given(st.text(alphabet="ab1+-\\&%$#_{}~^±<>[]()|*", max_size=12))
def test_any_text_is_escaped_for_latex(text):
    bare = re.sub(r"\\[{}%&#_$]", "", latex(text))
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    assert not re.search(r"[%&#_~^±]", bare) and re.fullmatch(r"(\\text[a-z]+\{\}|\\pm|[^\\])*", bare)


# ------------------------------------------------------------------------------------------------------ footnotes


def test_run_and_scale_are_on_every_form(tmp_path, paper, scores):
    _, text, _ = render(tmp_path, paper, scores, ROWS, notes=("Simulated promoters.",))
    for form in ("md", "html", "tex"):
        assert text[form].count("Run demo: simulated data, toy scale") == 2  # the table and its further values
        for note in (
            "Paper: arXiv 2110.05231v2, Table 1. Ours: run demo, simulated data, toy scale; mean",
            "over seeds 0, 1, 2.",
            "Simulated promoters.",
            "Not in the paper's Table 1: models kmer-logreg, from-scratch.",
            "A constant classifier gives 0.250 / 0.500 on balanced data (0.253 / 0.500 on promoter/prom-core), and so",
            "Training examples a data set: 4,795.",
            "Deterministic: the seed of the fit changes nothing.",
            "Validation threshold: the one with the largest MCC on the validation examples",
        ):
            assert note in html.unescape(text[form])


def test_weights_before_fine_tuning_are_told_and_equal_ones_once(tmp_path, paper, scores, files):
    none = {"kind": "none"}
    dnabert = {"kind": "file", "name": "dnabert6/pytorch_model.bin", "sha256": "ab" * 32}
    swin = {"kind": "hub", "id": "timm/swin_tiny", "sha256": "cd" * 32}

    def record(steps, losses, **weights):
        return {"settings": {"losses": losses}, "training": {"steps": steps}, "initial_weights": weights}

    every = {"mgm": True, "ngsp": True, "srm": "infonce"}
    files(score("genebert", 0, 0.87, model_record=record(1200, every, sequence_encoder=none, region_encoder=swin)))
    published = record(0, {"mgm": True}, sequence_encoder=dnabert)
    files(score("dnabert", 0, 0.81, model_record=published))
    files(score("from-scratch", 0, 0.79, model_record=record(50, {"mgm": False}, sequence_encoder=none)))
    more = [files(score("dnabert-2e-4", 0, 0.7, model_record=published))]
    blocks, _, _ = render(tmp_path, paper, scores + more, {SET: [*MODELS, "dnabert-2e-4"]})
    assert (
        "Before fine-tuning: from-scratch: sequence encoder from random weights, no pre-training here; dnabert, "
        "dnabert-2e-4: sequence encoder from dnabert6/pytorch_model.bin (sha256 abababab), no pre-training here; "
        "genebert: sequence encoder from random weights, region encoder from timm/swin_tiny (sha256 cdcdcdcd), 1,200 "
        "steps of pre-training."
    ) in blocks[0].notes


def test_collapsed_fits_of_several_pretrainings_are_counted_among_all_fits(tmp_path, paper, files):
    """Also where no seed of fine-tuning changes a fit, so that mean and sd are over the pre-trainings alone."""
    names = {"genebert": 42, "genebert@43": 43}
    paths = [
        files(score(name, seed, 0.5, deterministic=True, metrics={"collapsed": True}, model_record={"seed": before}))
        for name, before in names.items()
        for seed in range(3)
    ]
    blocks, _, csv = render(tmp_path, paper, paths, {SET: {"genebert": list(names)}})
    assert shown(blocks[0], "Collapsed")[0] == "6 of 6" and shown(blocks[0], "Seeds")[0] == "2 x 3"
    assert csv.set_index("model").loc["genebert", ["n_collapsed", "n_seeds"]].tolist() == [6, 6]


# ------------------------------------------------------------------------------------------------------ missing values


def test_one_seed_has_no_sd(tmp_path, paper, scores):
    blocks, _, csv = render(tmp_path, paper, [path for path in scores if path.name.endswith("-1.json")], ROWS)
    assert csv["auc_sd"].isna().all() and csv["n_seeds"].tolist() == [1] * 4
    assert blocks[0].notes[0].endswith("mean ± sd over seed 1.")


def test_time_is_the_median_over_seeds(tmp_path, paper, files):
    paths = [files(score("genebert", seed, 0.9, seconds=seconds)) for seed, seconds in enumerate((30.0, 1.0, 2.0))]
    assert render(tmp_path, paper, paths, {SET: ["genebert"]})[2]["seconds"].tolist()[0] == 2


def test_old_score_files_without_the_optional_keys(tmp_path, paper, files):
    value = score("genebert", 0, 0.9)
    for key in ("metrics_at_validation_threshold", "n_train", "seconds", "data_sha256"):
        del value[key]
    for key in ("mcc", "accuracy", "auprc", "roc_auc_interval", "collapsed", "n_positive"):
        del value["metrics"][key]
    blocks, text, csv = render(tmp_path, paper, [files(value)], {SET: ["genebert"]})
    assert csv["auc_mean"].tolist()[0] == 0.9
    assert not {"mcc_mean", "n_train", "seconds", "n_collapsed", "auc_low"} & set(csv)
    assert [column.heading for column in blocks[1].columns] == ["Data set", "Model", "n test", "Positive"]
    assert shown(blocks[1], "Positive") == ["-"]
    assert "AUC 95 %" not in text["md"] and "Training examples" not in text["md"]


def test_unavailable_model_has_a_row_that_says_so(tmp_path, paper, scores, files):
    for seed in range(3):
        files(unavailable("dnabert", seed, "weights | need_a login"))
    blocks, text, csv = render(tmp_path, paper, scores, ROWS)
    row = csv.set_index("model").loc["dnabert"]
    assert row["auc_paper"] == 0.693 and np.isnan(row["auc_mean"]) and np.isnan(row["auc_difference"])
    assert (row["n_seeds"], row["remark"], row["reason"]) == (0, "unavailable", "weights | need_a login")
    main, further = blocks
    assert [shown(main, *name)[2] for name in (("AUC", "Ours"), ("AUC", "Difference"), ("Collapsed",))] == ["-"] * 3
    assert shown(main, "Remark")[2] == "unavailable" and "dnabert" not in shown(further, "Model")
    assert r"Unavailable: dnabert: weights \| need_a login." in text["md"]
    assert r"Unavailable: dnabert: weights | need\_a login." in text["tex"]
    assert "Unavailable: dnabert: weights | need_a login." in html_tables(text["html"])[0]["notes"]


def test_some_seeds_unavailable(tmp_path, paper, scores, files):
    files(unavailable("dnabert", 1, "killed"))
    _, _, csv = render(tmp_path, paper, scores, ROWS)
    row = csv.set_index("model").loc["dnabert"]
    assert (row["remark"], row["reason"]) == ("unavailable for 1 of 3 seeds", "killed")
    assert row["n_seeds"] == 2 and row["auc_mean"] == pytest.approx(0.82)


def test_reasons_stand_in_the_order_of_letters_each_once(tmp_path, paper, files):
    paths = [files(unavailable("genebert", seed, letter)) for seed, letter in enumerate("hcagebcdf")]
    _, _, csv = render(tmp_path, paper, paths, {SET: ["genebert"]})
    assert csv["reason"].iloc[0] == "a; b; c; d; e; f; g; h"


def test_all_unavailable(tmp_path, paper, files):
    blocks, text, csv = render(tmp_path, paper, [files(unavailable("genebert", 0, "x"))], {SET: ["genebert"]})
    assert csv["remark"].tolist() == ["unavailable", "not part of this run"]
    assert "A constant classifier gives 0.250 / 0.500 on balanced data, and so" in text["md"]
    assert len(blocks) == 1 and "sd over" not in text["md"]


def test_reported_rows_that_were_not_run_are_kept(tmp_path, paper, scores, files):
    other = [files(score("genebert", 0, 0.7, dataset="promoter/mine"))]
    some = [path for path in scores if "from-scratch" in path.name]
    rows = {"promoter/mine": ["genebert"], SET: ["from-scratch"]}
    blocks, _, csv = render(tmp_path, paper, some + other, rows)
    assert csv["dataset"].str.removeprefix("promoter/").tolist() == ["mine", "prom-core", "prom-core", "prom-core"]
    assert csv["model"].tolist() == ["genebert", "from-scratch", "dnabert", "genebert"]
    assert csv["remark"].fillna("").tolist() == ["", "", "not part of this run", "not part of this run"]
    assert csv["n_seeds"].tolist() == [1, 3, 0, 0]
    assert csv["auc_paper"].tolist()[2:] == [0.693, 0.894] and csv["auc_paper"].isna().tolist()[:2] == [True, True]
    notes = blocks[0].notes
    assert "Not in the paper's Table 1: models from-scratch; data sets promoter/mine." in notes
    assert "Not part of this run: 2 of the paper's 2 rows." in notes


def test_latex_is_balanced_and_escaped(tmp_path, paper, scores):
    _, text, _ = render(tmp_path, paper, scores, ROWS, scale="50 % of {chr20} & #1_$x^2~\\", run="a_b")
    assert r"50 \% of \{chr20\} \& \#1\_\$x\textasciicircum{}2\textasciitilde{}\textbackslash{}" in text["tex"]
    check_latex(text["tex"])


def test_html_is_a_page_with_headings(tmp_path, paper, scores):
    _, text, _ = render(tmp_path, paper, scores, ROWS, scale="<b>tiny</b>")
    page = text["html"]
    assert page.startswith("<!DOCTYPE html>") and page.endswith("</html>\n") and page.count("<html") == 1
    assert "&lt;b&gt;tiny&lt;/b&gt;" in page and "<b>tiny" not in page
    main, further = html_tables(page)
    assert (main["id"], further["id"]) == ("table1-main", "table1-further")
    assert main["spans"] == ["Paper", "Ours", "Difference"]
    assert further["spans"] == ["At 0.5", "At the validation threshold"]
    assert len(main["rows"]) == len(further["rows"]) == 4


# ------------------------------------------------------------------------------------------------------ bad input


def test_bad_sets_of_score_files(tmp_path, paper, scores, files):
    def refused(message, paths, rows=ROWS):
        with pytest.raises(InputError, match=message):
            render(tmp_path, paper, paths, rows)

    refused("no score file of genebert on promoter/prom-core", [p for p in scores if "genebert" not in p.name])
    fewer = {SET: ["genebert", "dnabert", "kmer-logreg"]}
    refused("scores from-scratch on promoter/prom-core, which is not among the rows", scores, fewer)
    refused("a second score file of kmer-logreg on promoter/prom-core with seed 0", [*scores, scores[0]])
    for split, done in (("train", "fitted to"), ("valid", "validated on"), ("test", "scored on")):
        mixed = files(score("genebert", 3, 0.9, data_sha256=hashes("prom-core", **{split: "other"})))
        refused(rf"genebert-3\.json: not {done} the {split} examples of .*kmer-logreg-0", [*scores, mixed])
    shorter = files(score("genebert", 3, 0.9, metrics={"n": 10}))
    refused("seeds of genebert on promoter/prom-core have 10 to 592 test examples; expected one", [*scores, shorter])
    fewer_trained = files(score("genebert", 3, 0.9, n_train=99))
    refused("seeds of genebert on promoter/prom-core have 99 to 4795 training examples", [*scores, fewer_trained])
    value = score("genebert", 3, 0.9)
    del value["metrics"]["mcc"]
    refused(r"1 of 4 score files of genebert on promoter/prom-core have no metrics\.mcc; exp", [*scores, files(value)])
    assert not (tmp_path / "table1.csv").exists()


def test_score_without_the_papers_metric(tmp_path, paper, scores, files):
    for seed in range(3):
        value = score("genebert", seed, 0.9)
        del value["metrics"]["precision"]
        files(value)
    with pytest.raises(InputError, match=r"score files of genebert on promoter/prom-core have no metrics\.precision"):
        render(tmp_path, paper, scores, ROWS)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("our_model", "ours", "the column our_model is missing; found dataset, model, ours"),
        ("precision\trecall\tauc", "a\tb\tc", "has no column of values; expected at least one of precision"),
        ("0.805", "high", "precision is 'high'; expected a number from 0 to 1 or nothing"),
        ("0.805", "80.5", "precision is '80.5'; expected a number from 0 to 1 or nothing"),
        ("GeneBERT\t", "DNABERT\t", "DNABERT on promoter/prom-core occurs twice"),
    ],
)
def test_bad_paper_file(tmp_path, paper, old, new, message):
    path = tmp_path / "t.tsv"
    path.write_text(paper.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        read_paper(path)


def test_missing_or_empty_paper_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.tsv: cannot be read"):
        read_paper(tmp_path / "none.tsv")
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(InputError, match=r"empty\.tsv: empty, expected"):
        read_paper(tmp_path / "empty.tsv")
