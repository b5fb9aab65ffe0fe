"""Table 4: classes of bases, the paper's values, those of others, and what pre-training has seen."""

import json

import numpy as np
import pandas as pd
import pytest
from splice_scores import GENES, PUBLISHED, SET, fitted_score, splice_score
from table_inputs import cells_of, check_latex, html_tables, markdown_tables, render, shown, unavailable, write_score

from genebert.errors import InputError
from genebert.report.tables.paper import read_elsewhere, read_paper
from genebert.report.tables.render import Read

OTHER = "Published SpliceAI"


@pytest.fixture
def paper(root):
    return root / "config" / "paper" / "table4.tsv"


@pytest.fixture
def scores(tmp_path):
    """Two seeds of four models."""
    values = {"splice-pwm": 0.3, "spliceai-80": 0.58, "genebert": 0.5, "genebert-80nt": 0.7}
    settings = {"genebert": {"settings": {"context": None, "window_bp": 510}}}
    return [
        write_score(tmp_path, splice_score(model, seed, value + 0.02 * seed, **settings.get(model, {})))
        for model, value in values.items()
        for seed in (0, 1)
    ]


ROWS = {SET: ["splice-pwm", "spliceai-80", "genebert", "genebert-80nt"]}


def render4(folder, paper, scores, rows=None, **more):
    return render(folder, paper, scores, rows or ROWS, 4, **more)


# ------------------------------------------------------------------------------------------------------ the values


def test_values(tmp_path, paper, scores):
    blocks, _, csv = render4(tmp_path, paper, scores)
    rows = csv.set_index("model")
    row = rows.loc["genebert-80nt"]
    assert (row["paper_model"], row["top_k_paper"], row["pr_auc_paper"]) == ("GeneBERT", 0.83, 0.89)
    assert row["pr_auc_mean"] == pytest.approx(0.71) and row["pr_auc_sd"] == pytest.approx(0.02 / np.sqrt(2))
    assert row["top_k_difference"] == pytest.approx(0.67 - 0.83)
    assert row[["pr_auc_low", "pr_auc_high"]].tolist() == pytest.approx([0.69, 0.73])
    assert row[["top_half_k_mean", "top_2k_mean", "top_4k_mean"]].tolist() == pytest.approx([0.81, 0.73, 0.75])
    assert row[["acceptor_top_k_mean", "acceptor_pr_auc_mean"]].tolist() == pytest.approx([0.66, 0.70])
    assert row[["donor_top_k_mean", "donor_pr_auc_mean"]].tolist() == pytest.approx([0.68, 0.72])
    assert row["blocks_with_sites_pr_auc_mean"] == pytest.approx(0.76)
    assert row[["n_genes", "n_sites", "n_positions"]].tolist() == [49, 666, 1_205_644]
    assert (row["negatives"], row["seconds"], row["seeds"]) == (0.0255, 10.5, "0 1")
    assert not {"n_test", "n_test_positive", "n_collapsed"} & set(csv)
    main, further = blocks
    assert shown(main, "PR-AUC", "Paper")[:4] == ["-", "0.600", "-", "0.890"]
    assert shown(main, "PR-AUC 95 %", "Ours")[3] == "0.690 to 0.730"
    assert [column.heading for column in further.columns] == [
        "Data set", "Model", "0.5 k", "2 k", "4 k", "Top-k", "PR-AUC", "Top-k", "PR-AUC", "PR-AUC", "Genes", "Sites",
        "Positions", "Negatives seen", "Seconds",
    ]  # fmt: skip
    assert shown(further, "Positions") == ["1,205,644"] * 4 and shown(further, "Negatives seen") == ["2.55 %"] * 4
    assert shown(further, "PR-AUC", "Donors")[3] == "0.720 ± 0.014"


def test_contexts_are_the_papers_or_the_models(tmp_path, paper, scores):
    more = [
        write_score(tmp_path, splice_score("genebert-400nt", 0, 0.6, settings={"context": 512})),
        write_score(tmp_path, splice_score("dnabert", 0, 0.6, settings={})),
        write_score(tmp_path, unavailable("spliceai-10k", 0, "no time", SET)),
        write_score(tmp_path, unavailable("from-scratch", 0, "no time", SET)),
    ]
    rows = {SET: [*ROWS[SET], "genebert-400nt", "dnabert", "spliceai-10k", "from-scratch"]}
    blocks, _, csv = render4(tmp_path, paper, scores + more, rows)
    contexts = dict(zip(csv["model"], csv["context"].fillna(""), strict=True))
    assert {name: contexts[name] for name in rows[SET]} == {
        "splice-pwm": "80", "spliceai-80": "80", "genebert": "own (510 bases)", "genebert-80nt": "80",
        "genebert-400nt": "400 (ours 512)", "dnabert": "own", "spliceai-10k": "10000", "from-scratch": "",
    }  # fmt: skip
    assert contexts["genebert-2k"] == "2000" and contexts["spliceai-400"] == "400"
    assert shown(blocks[0], "Context")[7] == "-"


def test_what_others_report_stands_beside_the_paper_and_apart_from_it(tmp_path, paper, scores):
    ten = [write_score(tmp_path, splice_score("spliceai-10k", 0, 0.9, settings={"context": 10000}))]
    blocks, text, csv = render4(tmp_path, paper, scores + ten, {SET: [*ROWS[SET], "spliceai-10k"]})
    rows = csv.set_index("model")
    published = ["top_k_published_spliceai", "pr_auc_published_spliceai"]
    single = ["top_k_spliceai_pytorch", "pr_auc_spliceai_pytorch"]
    assert rows.loc["spliceai-10k", published].tolist() == [0.95, 0.98]
    assert rows.loc["spliceai-10k", single].tolist() == [0.929, 0.965]
    assert rows.loc["spliceai-10k", ["top_k_paper", "pr_auc_paper", "paper_model"]].isna().all()
    assert rows.loc["spliceai-80", published + single].tolist() == [0.57, 0.60, 0.544, 0.564]
    assert rows.loc["genebert-80nt", published + single].isna().all()
    # Nobody's row of the paper, and not run either: there with the values, not counted as one of the paper's.
    row = rows.loc["spliceai-published"]
    assert (row["remark"], row["context"], *row[published]) == ("not part of this run", "10000", 0.95, 0.98)
    assert "Not part of this run: 5 of the paper's 7 rows." in blocks[0].notes
    assert shown(blocks[0], "Top-k", OTHER)[1] == "0.570"
    assert "Published SpliceAI: Jaganathan et al. 2019 (Cell 176:535), five networks together." in blocks[0].notes
    assert "PR-AUC (published SpliceAI)" in text["md"] and "PR-AUC (paper)" in text["md"]


def test_another_data_set_has_no_columns_of_others(tmp_path, paper):
    """Their values are of SpliceAI's test set; the paper's rows are then left to the csv file."""
    mine = [write_score(tmp_path, splice_score("spliceai-80", 0, 0.4, "splicing/mine"))]
    blocks, text, csv = render4(tmp_path, paper, mine, {"splicing/mine": ["spliceai-80"]})
    assert {column.spanner for column in blocks[0].columns} == {"", "Paper", "Ours", "Difference"}
    assert "Jaganathan" not in text["md"]
    assert "Not part of this run: 7 of the paper's 7 rows; those of splicing/canonical stand" in text["md"]
    assert csv["pr_auc_published_spliceai"].tolist()[1:].count(0.98) == 2 and len(csv) == 10


def test_all_forms_hold_the_same_cells(tmp_path, paper, scores):
    blocks, text, _ = render4(tmp_path, paper, scores)
    expected = [cells_of(block) for block in blocks]
    found = [[[cell.strip("*") for cell in row] for row in rows[1:]] for rows in markdown_tables(text["md"])]
    assert found == expected
    assert [[[group, *row] for group, row in part["rows"]] for part in html_tables(text["html"])] == expected
    check_latex(text["tex"])
    assert "<b>0.710 ± 0.014</b>" in text["html"]


# ------------------------------------------------------------------------------------------------------ notes


def test_notes(tmp_path, paper, scores):
    blocks, text, _ = render4(tmp_path, paper, scores)
    notes = " ".join(blocks[0].notes)
    for words in (
        "Top-k: of the k highest scores, k being the number of sites, the share that are sites.",
        "PR-AUC 95 %: bootstrap over tested genes, bounds averaged over seeds.",
        "splicing/canonical: 0.00028 (333 acceptors) and 0.00028 (333 donors) in 1,205,644 bases.",
        "splicing/canonical: 420 genes in training (2.2 % of the 18,677 in its table, 3.1 % of SpliceAI's 13,384), 47 "
        "for validation, 49 tested on chr20 (SpliceAI: 1,652 on chr1, chr3, chr5, chr7, chr9).",
        "Bold: our best PR-AUC of each data set.",
    ):
        assert words in notes
    assert "Negatives seen: share of the bases without a site" in blocks[1].notes[1]
    assert "constant classifier" not in text["md"] and "Collapsed" not in text["md"]


def test_score_files_without_the_optional_keys(tmp_path, paper):
    value = splice_score("spliceai-80", 0, 0.5)
    for key in ("negatives", "data_set", "seconds", "settings"):
        del value[key]
    del value["metrics"]["auprc_interval"]
    blocks, text, csv = render4(tmp_path, paper, [write_score(tmp_path, value)], {SET: ["spliceai-80"]})
    assert csv["context"].iloc[0] == "80 (ours own)" and not {"negatives", "seconds", "pr_auc_low"} & set(csv)
    assert len(blocks[1].notes) == 1 and "genes in training" not in text["md"]


@pytest.mark.parametrize(
    ("chromosomes", "remark"),
    [
        (["chr1", "chr3"], "deterministic"),
        (["chr3"], "deterministic"),
        (["chr20"], "these genes were in its training; deterministic"),
        (["chr1", "chr20"], "some of these genes were in its training; deterministic"),
        (None, "which of these genes were in its training is not known; deterministic"),
    ],
)
def test_published_networks_are_marked_where_they_have_seen_the_genes(tmp_path, paper, chromosomes, remark):
    genes = {"genes": GENES | {"test_chromosomes": chromosomes}} if chromosomes else {}
    value = splice_score("spliceai-published", 0, 0.9, method=PUBLISHED, data_set=genes, deterministic=True)
    trained = splice_score("spliceai-80", 0, 0.5, data_set=genes, method={"kind": "baseline", "name": "spliceai-80"})
    rows = {SET: ["spliceai-published", "spliceai-80"]}
    blocks, _, _ = render4(tmp_path, paper, [write_score(tmp_path, one) for one in (value, trained)], rows)
    assert shown(blocks[0], "Remark")[:2] == [remark, "-"]


# -------------------------------------------------------------------------------------------------- score files


@pytest.mark.parametrize(
    ("name", "options", "context"),
    [("splice-pwm", {"ratio": 10}, "22 / 8"), ("splice-logreg", {"around": 6, "ratio": 5}, "12"),
     ("spliceai-80", {"epochs": 1, "precision": "float32"}, "80")],
)  # fmt: skip
def test_the_table_shows_what_a_fit_wrote(tmp_path, paper, name, options, context):
    value = fitted_score(tmp_path, name, 12 if name == "spliceai-80" else 30, **options)
    blocks, _, csv = render4(tmp_path, paper, [tmp_path / f"{name}.json"], {SET: [name]})
    row, metrics = csv.iloc[0], value["metrics"]
    assert row["pr_auc_mean"] == metrics["auprc"] and row["top_k_mean"] == metrics["top_k"]
    assert row["donor_pr_auc_mean"] == metrics["donor"]["auprc"]
    assert row["blocks_with_sites_pr_auc_mean"] == metrics["blocks_with_sites"]["auprc"]
    assert (row["n_sites"], row["n_positions"]) == (metrics["n_sites"], metrics["n_positions"])
    assert shown(blocks[0], "Context")[0] == context
    assert row["negatives"] == value["negatives"]
    assert (value["negatives"] == 1) is (name == "spliceai-80") and 0 < value["negatives"] <= 1


def test_bad_sets_of_score_files(tmp_path, paper, scores):
    mine = [path for path in scores if "canonical-genebert-0" in path.name or "canonical-genebert-1" in path.name]

    def refused(message, paths):
        with pytest.raises(InputError, match=message):
            render4(tmp_path, paper, paths)

    refused("no score file of genebert on splicing/canonical", [path for path in scores if path not in mine])
    other = write_score(tmp_path, splice_score("genebert", 2, 0.9, data_sha256={"test": "other"}))
    refused(r"genebert-2\.json: not scored on the test examples of", [*scores, other])
    fewer = write_score(tmp_path, splice_score("genebert", 2, 0.9, metrics={"n_genes": 7}))
    refused("seeds of genebert on splicing/canonical have 7 to 49 tested genes; expected one number", [*scores, fewer])
    value = splice_score("genebert", 2, 0.9)
    del value["metrics"]["donor"]["auprc"]
    refused(r"1 of 3 score files of genebert on splicing/canonical have no metrics\.donor\.auprc", [
        *scores, write_score(tmp_path, value),
    ])  # fmt: skip
    value = splice_score("genebert", 2, 0.9)
    del value["metrics"]["auprc"]
    alone = [path for path in scores if path not in mine]
    refused(r"genebert on splicing/canonical have no metrics\.auprc", [*alone, write_score(tmp_path, value)])


# ---------------------------------------------------------------------------------------------------- paper's file


def test_the_papers_rows_and_those_of_others_are_apart(paper):
    theirs, others = read_paper(paper), read_elsewhere(paper)
    assert len(theirs) == 7 and "reported_by" not in theirs
    assert others["reported_by"].tolist() == [OTHER] * 5 + ["spliceai-pytorch"] * 4
    published = others[others["reported_by"] == OTHER].merge(theirs, on="our_model", suffixes=("", "_paper"))
    assert len(published) == 3 and (published["pr_auc"] == published["pr_auc_paper"]).all()
    assert (published["top_k"] == published["top_k_paper"]).all() and (published["context"] != "").all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("80\tGeneBERT", "80\tdilated CNN", "dilated CNN on splicing/canonical occurs twice"),
        ("spliceai-10k\t0.95", "spliceai-80\t0.95", "SpliceAI on splicing/canonical occurs twice"),
        ("context\t", "auc\t", "has the columns auc, top_k, pr_auc; expected metrics of one kind of task"),
        ("0.965", "96.5", "pr_auc is '96.5'; expected a number from 0 to 1 or nothing"),
    ],
)
def test_bad_files_of_reported_values(tmp_path, paper, old, new, message):
    (tmp_path / "t.tsv").write_text(paper.read_text().replace(old, new))
    for read in (read_paper, read_elsewhere):
        with pytest.raises(InputError, match=message):
            read(tmp_path / "t.tsv")


def test_a_file_without_others(tmp_path, root):
    assert read_elsewhere(root / "config/paper/table1.tsv").empty


# ------------------------------------------------------------------------------------------------------- coverage


def test_coverage_stands_below_the_table(tmp_path, paper, scores):
    def counts(sites, covered):
        return {"sites": sites, "sites_covered": covered, "share_of_sites": covered / sites, "bases": 5000,
                "bases_covered": 5, "share_of_bases": 0.001}  # fmt: skip

    told = {
        "data_set": SET,
        "regions": {"number": 4032, "bases": 407_232, "region_bp": 101},
        "contexts": {"0": {"all": counts(2000, 500), "test": counts(100, 7)},
                     "80": {"all": counts(2000, 1), "test": counts(100, 0)}},
    }  # fmt: skip
    (tmp_path / "coverage.json").write_text(json.dumps(told))
    blocks, text, _ = render4(tmp_path, paper, scores, read=Read(coverage=[tmp_path / "coverage.json"]))
    assert [block.name for block in blocks] == ["main", "further", "coverage"]
    assert cells_of(blocks[2]) == [
        [SET, "0", "2,000", "500", "25.00 %", "5,000", "0.10 %", "100", "7", "7.00 %", "5,000", "0.10 %"],
        [SET, "80", "2,000", "1", "0.05 %", "5,000", "0.10 %", "100", "0", "0.00 %", "5,000", "0.10 %"],
    ]
    assert "4,032 regions, the middle 101 bases of each, 407,232 different bases" in text["md"]
    assert "72,500 of 548,000 sites are fully covered, which is 13.2 %; it writes 26.7 %" in text["html"]
    assert len(pd.read_csv(tmp_path / "table4.csv")) > 0
    check_latex(text["tex"])
    assert len(render4(tmp_path, paper, scores)[0]) == 2
