"""Tables 2 and 6 on several data sets: groups, labels, and training on one data set, testing on another."""

import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from table_inputs import (
    cells_of,
    check_latex,
    html_tables,
    markdown_tables,
    metrics,
    render,
    score,
    shown,
    unavailable,
    write_score,
)

from genebert.errors import InputError
from genebert.report.tables.render import NOTHING_READ, render_table, render_transfer
from genebert.report.tables.transfer import transfer_values
from genebert.report.text import ReportSettings

SETS = ["CTCF_AG04449_CTCF_UW", "CTCF_BE(2)-C_CTCF_UW", "CTCF_K562"]
MODELS = ["pwm", "kmer-logreg", "boosted-trees", "from-scratch", "dnabert", "dnabert-2e-4", "genebert"]
ROWS = {f"tfbs/{name}": MODELS for name in SETS}
MOVED = ["kmer-logreg", "genebert"]  # the models that were tested on the other data sets
CELLS = {"CTCF_AG04449_CTCF_UW": ("AG04449", "Skin"), "CTCF_K562": ("K562", "")}


def auc(model: str, trained: str, tested: str, seed: int) -> float:
    """Return a different AUC for every model, data sets and seed."""
    value = 0.70 + 0.03 * MODELS.index(model) + 0.01 * SETS.index(trained) - 0.02 * SETS.index(tested)
    return round(value + 0.004 * seed * (model != "kmer-logreg"), 3)


def made(model: str, name: str, seed: int) -> dict:
    value = score(model, seed, auc(model, name, name, seed), f"tfbs/{name}", n_train=800 + 100 * SETS.index(name))
    value["metrics"] |= {"n": 1000, "n_positive": 500}
    if name in CELLS:
        value["data_set"] = dict(zip(("factor", "cell", "tissue"), ("CTCF", *CELLS[name]), strict=True))
    if model in MOVED:
        value["transfer"] = {
            other: {"metrics": metrics(auc(model, name, other, seed), 1000 - left, 450), "left_out": left}
            for other in SETS if other != name
            for left in [100 + 10 * SETS.index(name) + SETS.index(other)]
        }  # fmt: skip
    return value


@pytest.fixture
def scores(tmp_path) -> list[Path]:
    return [write_score(tmp_path, made(model, name, seed)) for name in SETS for model in MODELS for seed in (0, 1)]


@pytest.fixture
def table6(root, tmp_path, scores):
    return lambda: render(tmp_path, root / "config/paper/table6.tsv", scores, ROWS, number=6)


@pytest.fixture
def matrix(tmp_path, scores):
    """Return a function that renders the matrices and gives the text of their file."""
    path = tmp_path / "table6_transfer.csv"

    def text():
        render_transfer(scores, ROWS, ReportSettings("demo", "toy scale"), path)
        return path.read_text()

    return text


def change(path: Path, **keys) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def path_of(scores: list[Path], model: str, name: str, seed: int) -> Path:
    (path,) = [path for path in scores if path.name == f"tfbs-{name}-{model}-{seed}.json"]
    return path


# ------------------------------------------------------------------------------------------------ several data sets


def test_table2(tmp_path, root, scores):
    blocks, _, csv = render(tmp_path, root / "config/paper/table2.tsv", scores, ROWS, number=2)
    assert csv["dataset"].unique().tolist()[:3] == list(ROWS) and csv["dataset"].nunique() == 10
    assert csv["model"].tolist()[:21] == MODELS * 3
    row = csv.set_index(["dataset", "model"]).loc[("tfbs/CTCF_BE(2)-C_CTCF_UW", "genebert")]
    assert row["auc_paper"] == 0.989 and row["auc_mean"] == pytest.approx(0.872)
    assert csv["auc_paper"].notna().sum() == 18 and csv["auc_mean"].notna().sum() == 21
    assert [block.name for block in blocks] == ["main", "further"]
    main, further = blocks
    (ours,) = [column for column in main.columns if (column.spanner, column.heading) == ("Ours", "AUC")]
    assert ours.bold == {6, 13, 20}
    assert shown(further, "n train") == ["800"] * 7 + ["900"] * 7 + ["1,000"] * 7
    for note in (
        "Training examples a data set: 800 to 1,000.",
        "Not in the paper's Table 2: models pwm, kmer-logreg, boosted-trees, from-scratch, dnabert-2e-4; data sets "
        "tfbs/CTCF_K562.",
    ):
        assert note in main.notes
    # One line stands for the rows of data sets that were not run; their values are in the csv file.
    (note,) = [note for note in main.notes if note.startswith("Not part of this run: 14 of the paper's 18 rows; those")]
    absent = csv["dataset"].unique().tolist()[3:]
    assert note.endswith(f"those of {', '.join(absent)} stand in the csv file only.")
    assert list(dict.fromkeys(shown(main, "Data set"))) == list(ROWS) and "not part of this run" not in shown(
        main, "Remark"
    )
    assert "(0." not in next(note for note in main.notes if "constant classifier" in note)  # all are balanced


def test_groups_of_every_form(tmp_path, root, scores):
    blocks, text, _ = render(tmp_path, root / "config/paper/table2.tsv", scores, ROWS, number=2)
    expected = cells_of(blocks[0])
    plain = [[cell.strip("*") for cell in row] for row in markdown_tables(text["md"])[0][1:]]
    assert plain == expected
    page = html_tables(text["html"])[0]
    assert [[group, *row] for group, row in page["rows"]] == expected
    assert "Data set" not in page["headings"]
    check_latex(text["tex"])
    assert text["tex"].count(r"\midrule") == 3 + 3
    assert r"\textit{tfbs/CTCF\_BE(2)-C\_CTCF\_UW}" in text["tex"]


def test_the_last_data_set_of_many_changes_the_table(tmp_path, root, scores):
    for number in (2, 6):
        paper = root / f"config/paper/table{number}.tsv"
        _, before, _ = render(tmp_path, paper, scores, ROWS, number)
        path = path_of(scores, "genebert", "CTCF_K562", 1)
        value = json.loads(path.read_text())
        value["metrics"]["roc_auc"] -= 0.1
        path.write_text(json.dumps(value))
        _, after, _ = render(tmp_path, paper, scores, ROWS, number)
        assert all(before[form] != after[form] for form in before)


def test_cell_types_are_the_papers_else_those_of_the_score_files(table6):
    blocks, _, csv = table6()
    labels = csv.drop_duplicates("dataset").set_index("dataset")[["cell_type", "tissue"]].fillna("")
    assert labels.loc["tfbs/CTCF_AG04449_CTCF_UW"].tolist() == ["Fibroblast", "Skin"]
    assert labels.loc["tfbs/CTCF_BE(2)-C_CTCF_UW"].tolist() == ["Neuroblast", "Brain"]
    assert labels.loc["tfbs/CTCF_K562"].tolist() == ["K562", ""]
    assert csv.groupby("dataset")["cell_type"].nunique().eq(1).all() and csv["cell_type"].notna().all()
    main = blocks[0]
    assert [column.heading for column in main.columns][:4] == ["Data set", "Cell type", "Tissue", "Model"]
    assert [row[:4] for row in cells_of(main)][14] == ["tfbs/CTCF_K562", "K562", "-", "pwm"]


# ------------------------------------------------------------------------------------------------ the matrix


def test_matrix_by_hand(table6):
    """Genebert is model 6: 0.88 + 0.01 row - 0.02 column, + 0.002 as the mean of the seeds 0 and 1."""
    blocks, text, _ = table6()
    assert [block.name for block in blocks] == ["main", "further", "transfer-1", "transfer-2"]
    logistic, genebert = blocks[2:]
    names = [f"tfbs/{name}" for name in SETS]
    assert cells_of(genebert) == [
        [names[0], "0.882", "0.862", "0.842"],
        [names[1], "0.892", "0.872", "0.852"],
        [names[2], "0.902", "0.882", "0.862"],
    ]
    assert cells_of(logistic)[0] == [names[0], "0.730", "0.710", "0.690"]
    assert [(column.spanner, column.heading) for column in genebert.columns] == [
        ("", "Trained on"), *(("Tested on", name) for name in names)
    ]  # fmt: skip
    assert [column.bold for column in genebert.columns[1:]] == [{0}, {1}, {2}]
    assert "genebert trained on one data set, tested on another (AUC)" in genebert.title
    page = html_tables(text["html"])
    assert [part["id"] for part in page] == [f"table6-{block.name}" for block in blocks]
    assert [row for _, row in page[3]["rows"]] == cells_of(genebert)
    assert page[3]["bold"] == ["0.882", "0.872", "0.862"]
    found = markdown_tables(text["md"])[3]
    assert found[0] == ["Trained on", *names]
    assert [[cell.strip("*") for cell in row] for row in found[1:]] == cells_of(genebert)
    assert f"{names[0]} & \\textbf{{0.882}} & 0.862 & 0.842".replace("_", r"\_") in text["tex"]
    check_latex(text["tex"])


@pytest.mark.parametrize("moved", [True, False])
def test_the_extended_table_has_matrices_where_there_are_some(root, tmp_path, scores, moved):
    for path in scores if not moved else ():
        change(path, transfer={})
    paper, settings = root / "config/paper/table6.tsv", ReportSettings("demo", "toy scale")
    blocks = render_table("table6_extended", paper, scores, ROWS, settings, [tmp_path / "table.md"], NOTHING_READ)
    assert [block.name for block in blocks] == ["main", "further"] + ["transfer-1", "transfer-2"] * moved
    assert not any("No matrix" in note for note in blocks[0].notes)
    assert not moved or blocks[2].title.startswith("Table 6, extended. ")


def test_matrix_csv_has_everything(matrix, tmp_path):
    matrix()
    csv = pd.read_csv(tmp_path / "table6_transfer.csv")
    assert len(csv) == 2 * 9 and csv["run"].unique().tolist() == ["demo"]
    assert csv["scale"].unique().tolist() == ["toy scale"]
    cells = csv.set_index(["model", "trained_on", "tested_on"])
    row = cells.loc[("genebert", "tfbs/CTCF_K562", "tfbs/CTCF_AG04449_CTCF_UW")]
    assert row["auc_mean"] == pytest.approx(0.902) and row["auc_sd"] == pytest.approx(0.004 / np.sqrt(2))
    assert row["precision_mean"] == pytest.approx(0.802) and row["mcc_mean"] == pytest.approx(0.804)
    assert row[["n_seeds", "n_test", "n_test_positive", "left_out"]].tolist() == [2, 880, 450, 120]
    own = cells.loc[("genebert", "tfbs/CTCF_K562", "tfbs/CTCF_K562")]
    assert own[["n_test", "left_out"]].tolist() == [1000, 0] and own["auc_mean"] == pytest.approx(0.862)


def test_fits_that_no_seed_changes_count_once_a_pretraining():
    """The standard deviation is that of the table: copies would make it smaller."""
    fits = [
        made("genebert", SETS[0], 0) | {"seed": seed, "deterministic": True, "model_record": {"seed": before}}
        for before in range(3)
        for seed in range(4)
    ]
    for fit in fits:
        own, other = 0.8 + 0.02 * fit["model_record"]["seed"], 0.7 + 0.03 * fit["model_record"]["seed"]
        fit["metrics"] = metrics(own, 1000, 500)
        fit["transfer"] = {SETS[1]: {"metrics": metrics(other, 900, 450), "left_out": 0}}
    rows = {f"tfbs/{SETS[0]}": ["genebert"]}
    values = transfer_values({(f"tfbs/{SETS[0]}", "genebert"): fits}, rows)
    assert values["auc_mean"].tolist() == pytest.approx([0.82, 0.73])
    assert values["auc_sd"].tolist() == pytest.approx([0.02, 0.03]) and values["n_seeds"].tolist() == [12, 12]


def test_matrix_notes(table6):
    blocks, _, _ = table6()
    notes = blocks[-1].notes
    assert blocks[-2].notes == []
    assert notes[0] == "Rows: trained on; columns: tested on; mean over seeds. Bold: the model's own test set."
    assert ": 101 to 121 a pair; 879 to 899 are left." in notes[1]
    assert notes[2] == ("Without scores on other data sets: pwm, boosted-trees, from-scratch, dnabert, dnabert-2e-4.")


def test_a_changed_transfer_entry_changes_the_table(table6, matrix, scores):
    (_, before, _), matrix_before = table6(), matrix()
    path = path_of(scores, "genebert", "CTCF_K562", 1)
    transfer = json.loads(path.read_text())["transfer"]
    transfer["CTCF_AG04449_CTCF_UW"]["metrics"]["roc_auc"] -= 0.1
    change(path, transfer=transfer)
    blocks, after, _ = table6()
    assert cells_of(blocks[-1])[2][1] == "0.852"
    assert before["csv"] == after["csv"]
    assert all(before[form] != after[form] for form in ("md", "html", "tex"))
    assert matrix() != matrix_before


def test_data_sets_only_tested_on_and_models_that_cannot_be_had(table6, scores):
    for seed in (0, 1):
        path = path_of(scores, "genebert", "CTCF_K562", seed)
        path.write_text(json.dumps(unavailable("genebert", seed, "killed", "tfbs/CTCF_K562")))
        path = path_of(scores, "genebert", "CTCF_AG04449_CTCF_UW", seed)
        transfer = json.loads(path.read_text())["transfer"]
        change(path, transfer=transfer | {"CTCF_GM12878": transfer["CTCF_K562"]})
    blocks, _, _ = table6()
    genebert = blocks[-1]
    assert [column.heading for column in genebert.columns] == [
        "Trained on", "tfbs/CTCF_AG04449_CTCF_UW", "tfbs/CTCF_BE(2)-C_CTCF_UW", "tfbs/CTCF_K562", "tfbs/CTCF_GM12878"
    ]  # fmt: skip
    assert cells_of(genebert)[1:] == [["tfbs/CTCF_BE(2)-C_CTCF_UW", "0.892", "0.872", "0.852", "-"]]


def test_no_transfer_entries(table6, matrix, scores):
    for path in scores:
        value = json.loads(path.read_text())
        value.pop("transfer", None)
        path.write_text(json.dumps(value))
    blocks, text, _ = table6()
    assert [block.name for block in blocks] == ["main", "further"]
    assert "no score file has been asked for the test sets of other data sets" in blocks[0].notes[-1]
    assert matrix().startswith("run,scale,model,trained_on,tested_on,auc_mean")
    assert len(matrix().splitlines()) == 1
    for path in scores:
        change(path, transfer={})
    assert table6()[1]["md"] == text["md"]


def test_seeds_that_do_not_fit_together(table6, matrix, scores, tmp_path):
    path = path_of(scores, "genebert", "CTCF_K562", 1)
    original = path.read_text()
    transfer = json.loads(original)["transfer"]
    first, second = transfer

    def refused(message, new):
        change(path, transfer=new)
        for render_it in (table6, matrix):
            with pytest.raises(InputError, match=message):
                render_it()
        assert not list(tmp_path.glob("table6*"))

    start = "seeds of genebert, trained on tfbs/CTCF_K562, were tested on different"
    refused(f"{start} data sets", {first: transfer[first]})
    for key, value in (("left_out", 7), ("n", 7)):
        changed = copy.deepcopy(transfer)
        (changed[second] if key == "left_out" else changed[second]["metrics"])[key] = value
        refused(rf"{start} parts of tfbs/CTCF_BE\(2\)-C_CTCF_UW", changed)
    changed = copy.deepcopy(transfer)
    del changed[first]["metrics"]["mcc"]
    refused("score files of genebert, trained on tfbs/CTCF_K562, have no 'mcc' on tfbs/CTCF_AG04449", changed)
