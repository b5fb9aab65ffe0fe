"""The paper's files: every value as printed (FACTS P.2), and every table renders with rows of its own shape."""

import re

import pandas as pd
import pytest
from table_inputs import cells_of, check_latex, render, score, shown, write_score

from genebert.tables import read_paper
from genebert.tables.paper import PAPER_METRICS, TITLES, labels_of, metrics_of

METRICS = ["precision", "recall", "auc"]
HEADLINE = [0.805, 0.803, 0.894]
NINE = ["CTCF_A549_CTCF_UT-A", "CTCF_A549_CTCF_UW", "CTCF_AG04449_CTCF_UW", "CTCF_AG04450_CTCF_UW",
        "CTCF_AG09309_CTCF_UW", "CTCF_AG09319_CTCF_UW", "CTCF_AG10803_CTCF_UW", "CTCF_AoAF_CTCF_UW",
        "CTCF_BE(2)-C_CTCF_UW"]  # fmt: skip


@pytest.fixture
def papers(root):
    return {number: read_paper(root / "config" / "paper" / f"table{number}.tsv") for number in TITLES}


def facts_table(text: str, heading: str) -> list[list[str]]:
    """Return the cells below the headings of the table that follows a heading of FACTS."""
    after = text[text.index(f"#### {heading}") :]
    lines = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def as_rows(paper: pd.DataFrame, *columns: str) -> list[list]:
    return paper[list(columns)].to_numpy().tolist()


def numbers(cells: list[str]) -> list[float]:
    return [float(cell) for cell in cells]


def test_headline_model(papers):
    """FACTS 0.2: one result occurs in four tables."""
    for number, model in ((1, "genebert"), (5, "genebert"), (7, "swin-t-224"), (8, "batch-128"), (8, "lambda-0.5")):
        row = papers[number].set_index("our_model").loc[model]
        assert row[METRICS].tolist() == HEADLINE and row["dataset"] == "promoter/prom-core"


def test_table6_is_seven_rows_of_table2(papers):
    """FACTS K.24."""
    second = papers[2].set_index(["dataset", "our_model"])
    assert papers[2]["dataset"].unique().tolist() == [f"tfbs/{name}" for name in NINE]
    assert papers[2]["our_model"].tolist() == ["dnabert", "genebert"] * 9
    assert papers[6]["dataset"].tolist() == [f"tfbs/{name}" for name in NINE[2:]]
    for _, row in papers[6].iterrows():
        assert row[METRICS].tolist() == second.loc[(row["dataset"], "genebert"), METRICS].tolist()
    assert labels_of(papers[6]) == ("cell_type", "tissue")


def test_our_models_are_models_of_the_configuration(papers, root):
    import yaml

    models = yaml.safe_load((root / "config" / "models.yaml").read_text())["models"]
    for number in (1, 2, 3, 5, 6, 7, 8):
        assert set(papers[number]["our_model"]) <= set(models)


@pytest.mark.shared
def test_values_are_those_of_the_facts(papers, shared_data):
    facts = shared_data.parent / "FACTS.md"
    if not facts.exists():
        pytest.skip(f"{facts} not found")
    text = facts.read_text()
    expected = {1: [], 2: [], 3: [], 6: []}
    for tables, data, cell, tissue, *values in facts_table(text, "Tables 1"):
        for table in map(int, tables.split(", ")):
            if table != 6:
                expected[table].append([data, "DNABERT", *numbers(values[:3])])
            row = [data, "GeneBERT", *numbers(values[3:])]
            expected[table].append([cell, tissue, *row] if table == 6 else row)
    for table, rows in expected.items():
        found = papers[table].assign(dataset=papers[table]["dataset"].str.partition("/")[2])
        assert as_rows(found, *labels_of(found), "dataset", "model", *METRICS) == rows
    splicing = papers[4].assign(dataset=papers[4]["dataset"].str.partition("/")[2])
    rows = []
    for data, cnn_top_k, cnn_area, top_k, area in facts_table(text, "Table 4"):
        rows += [] if cnn_top_k == "-" else [[data, "dilated CNN", *numbers([cnn_top_k, cnn_area])]]
        rows.append([data, "GeneBERT", *numbers([top_k, area])])
    assert as_rows(splicing, "dataset", "model", "top_k", "pr_auc") == rows
    rows = [[name, *numbers(values)] for name, *values in facts_table(text, "Table 5")]
    assert as_rows(papers[5], "model", *METRICS) == rows
    rows = [[name, size, *numbers(values)] for name, size, *values in facts_table(text, "Table 7")]
    assert as_rows(papers[7], "model", "input", *METRICS) == rows
    both = facts_table(text, "Table 8")
    rows = [[f"batch {row[0]}", *numbers(row[1:4])] for row in both]
    rows += [[f"lambda {row[4]}", *numbers(row[5:])] for row in both]
    assert as_rows(papers[8], "model", *METRICS) == rows


@pytest.mark.parametrize("number", TITLES)
def test_every_table_renders_with_all_its_models(tmp_path, root, papers, number):
    paper = papers[number]
    rows, scores = {}, []
    for dataset, group in paper.groupby("dataset", sort=False):
        rows[dataset] = ["kmer-logreg", *group["our_model"].unique()]
        for i, model in enumerate(rows[dataset]):
            value = score(model, 0, 0.6 + 0.02 * i, dataset)
            value["metrics"] |= {"top_k": 0.5 + 0.01 * i, "pr_auc": 0.6 + 0.01 * i}
            scores.append(write_score(tmp_path, value))
    table, text, csv = render(tmp_path, root / f"config/paper/table{number}.tsv", scores, rows, number)
    headline = metrics_of(paper)[-1]
    found = csv[csv["paper_model"].notna()].set_index(["dataset", "paper_model"])
    for _, row in paper.iterrows():
        ours = found.loc[(row["dataset"], row["model"])]
        assert ours["model"] == row["our_model"] and ours[f"{headline}_paper"] == row[headline]
        assert ours[f"{headline}_difference"] == pytest.approx(ours[f"{headline}_mean"] - row[headline])
    assert csv["model"].eq("kmer-logreg").sum() == len(rows) and len(csv) == len(paper) + len(rows)
    column = PAPER_METRICS[headline][1]
    bold = next(c for c in table.blocks[0].columns if (c.spanner, c.heading) == ("Ours", column)).bold
    last = csv.groupby("dataset", sort=False)[f"{headline}_mean"].idxmax()
    assert bold == frozenset(last) and len(bold) == len(rows)
    assert len(cells_of(table.blocks[1])) == len(scores)
    check_latex(text["tex"])


def test_label_columns_and_other_metrics(tmp_path):
    """Labels of a row as in Table 7, metrics as in Table 4, one model of ours behind two reported rows."""
    tsv = tmp_path / "paper.tsv"
    tsv.write_text(
        "dataset\tcontext_size\tmodel\tour_model\ttop_k\tpr_auc\tsource\n"
        "splicing/80nt\t80\tA\tgenebert\t0.83\t0.89\tpaper\n"
        "splicing/80nt\t256\tB\tgenebert\t0.57\t\tpaper\n"
    )
    values = [
        {"task": "splicing", "dataset": "80nt", "model": model, "seed": 0, "deterministic": False,
         "metrics": {"n": 1000, "top_k": value, "pr_auc": value + 0.1}}
        for model, value in (("genebert", 0.6), ("cnn", 0.4))
    ]  # fmt: skip
    scores = [write_score(tmp_path, value) for value in values]
    table, text, csv = render(tmp_path, tsv, scores, {"splicing/80nt": ["cnn", "genebert"]}, number=4)
    assert csv["paper_model"].fillna("").tolist() == ["", "A", "B"]
    assert csv["context_size"].fillna(0).tolist() == [0, 80, 256]
    assert csv["top_k_difference"].tolist()[1:] == pytest.approx([-0.23, 0.03])
    main, further = table.blocks
    assert [column.heading for column in main.columns][:3] == ["Data set", "Context size", "Model"]
    assert shown(main, "PR-AUC", "Paper") == ["-", "0.890", "-"]
    assert shown(main, "Top-k", "Difference") == ["-", "-0.230", "+0.030"]
    assert shown(further, "Model") == ["cnn", "genebert"]
    assert "constant classifier" not in text["md"] and "Collapsed" not in [column.heading for column in main.columns]
    assert "$-$0.230" in text["tex"] and "$+$0.030" in text["tex"]
    assert "Bold: our best PR-AUC of each data set" in text["md"]
