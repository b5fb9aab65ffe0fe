"""The paper's files: every value as printed, and every table renders with rows of its own shape."""

import pandas as pd
import pytest
from splice_scores import splice_score
from table_inputs import cells_of, check_latex, render, score, shown, write_score

from genebert.methods.registry import baselines
from genebert.paper import TITLES
from genebert.report.tables.kinds.registry import PAPER_METRICS
from genebert.report.tables.paper import labels_of, metrics_of, read_paper

METRICS = ["precision", "recall", "auc"]
HEADLINE = [0.805, 0.803, 0.894]
NINE = ["CTCF_A549_CTCF_UT-A", "CTCF_A549_CTCF_UW", "CTCF_AG04449_CTCF_UW", "CTCF_AG04450_CTCF_UW",
        "CTCF_AG09309_CTCF_UW", "CTCF_AG09319_CTCF_UW", "CTCF_AG10803_CTCF_UW", "CTCF_AoAF_CTCF_UW",
        "CTCF_BE(2)-C_CTCF_UW"]  # fmt: skip
# Copied from the paper (arXiv 2110.05231v2), apart from config/paper. Tables 1 to 3: precision, recall, AUC of
# DNABERT, then of GeneBERT. Table 6 repeats Table 2. The order of Table 5's rows is inferred from the text.
PRINTED = {
    1: """
prom-core 0.675 0.637 0.693 0.805 0.803 0.894
""",
    2: """
CTCF_A549_CTCF_UT-A 0.250 0.500 0.501 0.908 0.899 0.983
CTCF_A549_CTCF_UW 0.250 0.500 0.542 0.925 0.921 0.983
CTCF_AG04449_CTCF_UW 0.250 0.500 0.523 0.907 0.894 0.983
CTCF_AG04450_CTCF_UW 0.250 0.500 0.501 0.929 0.925 0.987
CTCF_AG09309_CTCF_UW 0.250 0.500 0.545 0.931 0.927 0.987
CTCF_AG09319_CTCF_UW 0.250 0.500 0.529 0.924 0.919 0.983
CTCF_AG10803_CTCF_UW 0.250 0.500 0.535 0.934 0.932 0.981
CTCF_AoAF_CTCF_UW 0.250 0.500 0.531 0.917 0.913 0.982
CTCF_BE(2)-C_CTCF_UW 0.250 0.500 0.540 0.937 0.935 0.989
""",
    3: """
HSCR-RET 0.265 0.500 0.500 0.770 0.519 0.562
HSCR-RET-Long 0.252 0.500 0.462 0.768 0.513 0.541
""",
    4: """
80, dilated CNN, 0.57, 0.60
80, GeneBERT, 0.83, 0.89
256, GeneBERT, 0.93, 0.95
400, dilated CNN, 0.90, 0.95
400, GeneBERT, 0.95, 0.98
2000, dilated CNN, 0.93, 0.97
2000, GeneBERT, 0.97, 0.99
""",
    5: """
none, 0.016, 0.012, 0.021
MGM, 0.675, 0.637, 0.693
MGM + NGSP, 0.703, 0.661, 0.725
MGM + NGSP + SRM, 0.805, 0.803, 0.894
""",
    7: """
ViT-B-384, 384, 0.758, 0.755, 0.853
ViT-L-384, 384, 0.752, 0.753, 0.851
T2T-ViT-14, 224, 0.805, 0.803, 0.892
T2T-ViT-24, 224, 0.808, 0.806, 0.896
DeiT-S-224, 224, 0.788, 0.795, 0.873
DeiT-B-224, 224, 0.806, 0.805, 0.895
DeiT-B-384, 384, 0.809, 0.808, 0.897
Swin-T-224, 224, 0.805, 0.803, 0.894
Swin-S-224, 224, 0.813, 0.811, 0.905
Swin-B-224, 224, 0.822, 0.823, 0.915
Swin-B-384, 384, 0.824, 0.826, 0.919
""",
    8: """
batch 16, 0.642, 0.651, 0.733
batch 32, 0.751, 0.752, 0.853
batch 64, 0.783, 0.792, 0.871
batch 128, 0.805, 0.803, 0.894
batch 256, 0.812, 0.813, 0.906
batch 512, 0.815, 0.817, 0.908
lambda 0.01, 0.633, 0.621, 0.683
lambda 0.05, 0.703, 0.702, 0.772
lambda 0.1, 0.781, 0.762, 0.851
lambda 0.5, 0.805, 0.803, 0.894
lambda 1.0, 0.802, 0.801, 0.892
lambda 5.0, 0.785, 0.782, 0.852
""",
}
CELLS_OF_TABLE6 = [
    ["Fibroblast", "Skin"],
    ["Fibroblast", "Lung"],
    ["Fibroblast", "Skin"],
    ["Fibroblast", "Gingival"],
    ["Fibroblast", "Skin"],
    ["Fibroblast", "Heart"],
    ["Neuroblast", "Brain"],
]


@pytest.fixture
def papers(root):
    return {number: read_paper(root / "config" / "paper" / f"table{number}.tsv") for number in TITLES}


def as_rows(paper: pd.DataFrame, *columns: str) -> list[list]:
    return paper[list(columns)].to_numpy().tolist()


def numbers(cells: list[str]) -> list[float]:
    return [float(cell) for cell in cells]


def test_headline_model(papers):
    """One result occurs in four tables (docs/facts.md 28)."""
    for number, model in ((1, "genebert"), (5, "mgm-ngsp-srm"), (7, "swin-t-224"), (8, "batch-128"), (8, "lambda-0.5")):
        row = papers[number].set_index("our_model").loc[model]
        assert row[METRICS].tolist() == HEADLINE and row["dataset"] == "promoter/prom-core"


def test_table6_is_seven_rows_of_table2(papers):
    """The values are Table 2's, cell lines in place of proteins (docs/facts.md 29)."""
    second = papers[2].set_index(["dataset", "our_model"])
    assert papers[2]["dataset"].unique().tolist() == [f"tfbs/{name}" for name in NINE]
    assert papers[2]["our_model"].tolist() == ["dnabert", "genebert"] * 9
    assert papers[6]["dataset"].tolist() == [f"tfbs/{name}" for name in NINE[2:]]
    for _, row in papers[6].iterrows():
        assert row[METRICS].tolist() == second.loc[(row["dataset"], "genebert"), METRICS].tolist()
    assert labels_of(papers[6]) == ("cell_type", "tissue")
    assert as_rows(papers[6], "cell_type", "tissue") == CELLS_OF_TABLE6


def test_our_models_are_models_of_the_configuration(papers, root):
    import yaml

    models = {*yaml.safe_load((root / "config" / "models.yaml").read_text())["models"], *baselines()}
    for number in range(1, 9):
        assert set(papers[number]["our_model"]) <= models


@pytest.mark.parametrize("number", [1, 2, 3])
def test_values_of_dnabert_and_genebert(papers, number):
    paper = papers[number]
    rows = [line.split() for line in PRINTED[number].strip().splitlines()]
    expected = []
    for data, *values in rows:
        expected += [[data, "DNABERT", *numbers(values[:3])], [data, "GeneBERT", *numbers(values[3:])]]
    found = paper.assign(dataset=paper["dataset"].str.partition("/")[2])
    assert as_rows(found, "dataset", "model", *metrics_of(paper)) == expected
    assert labels_of(paper) == ()


@pytest.mark.parametrize("number", [4, 5, 7, 8])
def test_values_of_named_rows(papers, number):
    paper = papers[number].assign(dataset=papers[number]["dataset"].str.partition("/")[2])
    metrics = ["top_k", "pr_auc"] if number == 4 else METRICS
    labels = {4: ["context", "model"], 7: ["model", "input"]}.get(number, ["model"])
    expected = []
    for line in PRINTED[number].strip().splitlines():
        cells = line.split(", ")
        expected.append([*cells[: len(labels)], *numbers(cells[len(labels) :])])
    assert as_rows(paper, *labels, *metrics) == expected


@pytest.mark.parametrize("number", TITLES)
def test_every_table_renders_with_all_its_models(tmp_path, root, papers, number):
    paper = papers[number]
    rows, scores = {}, []
    for dataset, group in paper.groupby("dataset", sort=False):
        rows[dataset] = ["kmer-logreg", *group["our_model"].unique()]
        for i, model in enumerate(rows[dataset]):
            scores.append(
                write_score(tmp_path, (splice_score if number == 4 else score)(model, 0, 0.6 + 0.02 * i, dataset))
            )
    blocks, text, csv = render(tmp_path, root / f"config/paper/table{number}.tsv", scores, rows, number)
    headline = metrics_of(paper)[-1]
    found = csv[csv["paper_model"].notna()].set_index(["dataset", "paper_model", "model"])
    for _, row in paper.iterrows():
        ours = found.loc[(row["dataset"], row["model"], row["our_model"])]
        assert ours[f"{headline}_paper"] == row[headline]
        assert ours[f"{headline}_difference"] == pytest.approx(ours[f"{headline}_mean"] - row[headline])
    # Others report of two networks that the paper lacks.
    assert csv["model"].eq("kmer-logreg").sum() == len(rows) and len(csv) == len(paper) + len(rows) + 2 * (number == 4)
    column = PAPER_METRICS[headline]
    bold = next(c for c in blocks[0].columns if (c.spanner, c.heading) == ("Ours", column)).bold
    last = csv.groupby("dataset", sort=False)[f"{headline}_mean"].idxmax()
    assert bold == frozenset(last) and len(bold) == len(rows)
    assert len(cells_of(blocks[1])) == len(scores)
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
         "metrics": {"n": 1000, "top_k": value, "auprc": value + 0.1}}
        for model, value in (("genebert", 0.6), ("cnn", 0.4))
    ]  # fmt: skip
    scores = [write_score(tmp_path, value) for value in values]
    blocks, text, csv = render(tmp_path, tsv, scores, {"splicing/80nt": ["cnn", "genebert"]}, number=4)
    assert csv["paper_model"].fillna("").tolist() == ["", "A", "B"]
    assert csv["context_size"].fillna(0).tolist() == [0, 80, 256]
    assert csv["top_k_difference"].tolist()[1:] == pytest.approx([-0.23, 0.03])
    main, further = blocks
    assert [column.heading for column in main.columns][:3] == ["Data set", "Context size", "Model"]
    assert shown(main, "PR-AUC", "Paper") == ["-", "0.890", "-"]
    assert shown(main, "Top-k", "Difference") == ["-", "-0.230", "+0.030"]
    assert shown(further, "Model") == ["cnn", "genebert"]
    assert "constant classifier" not in text["md"] and "Collapsed" not in [column.heading for column in main.columns]
    assert "$-$0.230" in text["tex"] and "$+$0.030" in text["tex"]
    assert "Bold: our best PR-AUC of each data set" in text["md"]
