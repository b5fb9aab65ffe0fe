"""What tables are told of data that pre-training has read before."""

from types import SimpleNamespace

from config_inputs import run_of

from genebert.run.read_before import table_read

CORPUS = "results/paper/corpus"


def read(config, table):
    return table_read(run_of(config), SimpleNamespace(table=table))


def test_coverage_is_asked_for_where_a_table_shows_a_model_that_was_pre_trained_here():
    def coverage(config, table="table4"):
        return read(config, table)["coverage"]

    sets = {"tasks": {"splicing": {"a": {"table": "a.txt"}, "b": {"table": "b.txt"}}}}
    assert coverage(sets) == [f"{CORPUS}/coverage/splicing/{name}.json" for name in "ab"]
    assert coverage(sets | {"unavailable": {"splicing/a": "lost"}}) == [f"{CORPUS}/coverage/splicing/b.json"]
    assert coverage(sets | {"unavailable": {"genebert": "not yet"}}) == []
    # Without pre-training here nothing has been seen, and so nothing is made for it.
    assert coverage(sets | {"tables": {"table4": {"splicing": ["spliceai-80", "dnabert", "from-scratch"]}}}) == []
    assert coverage(sets, "table2") == [] and coverage({}) == []


def test_binding_sites_are_told_apart_in_table2_with_the_predictions_of_all_rows():
    sets = {"tasks": {"tfbs": {"data_sets": [], "own": {"a": {"peaks": "a.bed", "factor": "CTCF", "cell": "K562"}}}}}
    rows = {"tables": {"table2": {"tfbs": ["pwm", "genebert"]}}, "finetune": {"seeds": [0, 1]}}
    found = read(sets | rows, "table2")
    assert found["sites_read"] == [f"{CORPUS}/sites_read/tfbs/a.json"] and found["coverage"] == []
    scores = "results/paper/scores/tfbs/a"
    names = [f"{scores}/{method}/seed{seed}" for method in ("pwm", "genebert") for seed in (0, 1)]
    assert found["predictions"] == [f"{name}.parquet" for name in names]
    # A row that cannot be had has none; where no model has read anything, or Table 2 shows the sites, none are wanted.
    without = read(sets | rows | {"unavailable": {"pwm": "lost"}}, "table2")
    assert without["predictions"] == [f"{name}.parquet" for name in names[2:]]
    nothing = {"coverage": [], "sites_read": [], "predictions": []}
    simple = {"tables": {"table2": {"tfbs": ["pwm", "from-scratch"]}}}
    assert read(sets | simple, "table2") == nothing
    assert read(sets | rows, "table6") == nothing
