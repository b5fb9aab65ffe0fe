"""What the page of a run is made from, as the run tells it."""

import pytest
from config_inputs import ROOT, run_of

from genebert.run.page import page_facts, page_inputs
from genebert.run.run import read_run


def test_the_page_waits_for_what_it_shows():
    run = read_run(ROOT / "config", [ROOT / "config/demo.yaml"])
    found = page_inputs(run)
    assert "results/demo/scores/promoter/prom-core/genebert/seed1.json" in found["scores"]
    assert len(found["scores"]) == len(set(found["scores"]))  # Tables 2 and 6 share theirs
    tables = run.tables()
    assert "table5" in tables and "table5_extended" not in tables
    assert found["scores"] and not any("-equal" in path or "classifier-cls" in path for path in found["scores"])
    assert found["tables"][: len(tables)] and {f"results/demo/tables/{table}.html" for table in tables} <= set(
        found["tables"]
    )
    assert "results/demo/tables/table6_transfer.csv" in found["tables_csv"]
    assert found["card"][0] == "results/demo/corpus/card.json"
    assert "results/demo/figures/pretrain/genebert.svg" in found["training"]
    assert all(path.endswith((".svg", ".csv")) for path in found["learning"])
    # One folder for each model that tables show, whatever names it has.
    assert [path for path in found["models"] if path.endswith("model.json")].count(
        "results/demo/models/genebert/model.json"
    ) == 1
    assert found["figure2"] == run.figure2_files()
    # Models that Tables 5, 7 and 8 alone show: listed, without a training curve.
    assert "results/demo/models/swin-b-384/model.json" in found["ablations"]
    assert not set(found["ablations"]) & set(found["models"])
    assert not any("swin-b-384" in path for path in found["training"])


def test_a_run_without_tables_still_has_a_page():
    run = run_of({"tables": {name: dict.fromkeys(rows) for name, rows in run_of({}).config["tables"].items()}})
    found = page_inputs(run)
    assert found["scores"] == found["tables"] == found["tables_csv"] == []


def test_simple_baselines_are_no_networks():
    simple = page_facts(run_of({}))["simple"]
    assert {"kmer-logreg", "boosted-trees", "motif-l1", "pwm", "one-snp", "splice-logreg"} <= set(simple)
    assert not {"cnn", "spliceai-80", "spliceai-published", "finetune", "from-scratch", "genebert"} & set(simple)


def test_what_is_trained_here_is_named_by_its_folder():
    trained = page_facts(run_of({}))["trained"]
    assert trained["genebert"] == trained["genebert-frozen"] == "genebert"
    assert "from-scratch" not in trained and "dnabert" not in trained  # published weights
    assert "dnabert" in page_facts(read_run(ROOT / "config", [ROOT / "config/demo.yaml"]))["trained"]


@pytest.mark.parametrize(
    ("overlay", "number", "reason"),
    [
        ({"tables": {"table1": {"promoter/prom-core": None}}}, 1, "the configuration asks for no row of it"),
        ({}, 4, "the configuration has no data set of splicing"),
        ({"chromosomes": ["chr20"]}, 3, "disease/HSCR-RET: "),
    ],
)
def test_a_table_that_is_not_there_has_a_reason(overlay, number, reason):
    absent = page_facts(run_of(overlay))["absent"]
    assert reason in absent[number]
    assert 2 not in absent


def test_what_a_cluster_is_asked_for_is_no_part_of_the_page():
    """So that another time limit makes no page again."""
    assert page_facts(run_of({"resources": {"fit": {"runtime": 7}}})) == page_facts(run_of({}))


@pytest.mark.parametrize(
    ("overlay", "reason"),
    [
        ({}, ""),
        ({"figure2": {"uni_modal": None}}, "the configuration asks for none"),
        ({"unavailable": {"mgm-ngsp": "no GPU"}}, "mgm-ngsp: no GPU"),
    ],
)
def test_a_figure_2_that_is_not_there_has_a_reason(overlay, reason):
    assert page_facts(run_of(overlay))["without_figure2"] == reason
