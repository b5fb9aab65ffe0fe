"""The table of accessibility in each cell type in a run: its files, and what stops at the plan."""

import pytest
from config_inputs import problems, run_of

from genebert.corpus.region_blocks import BlockSettings
from genebert.errors import InputError
from genebert.run.cell_accessibility import (
    asked_files,
    block_settings,
    cell_accessibility_files,
    cell_accessibility_inputs,
    cell_accessibility_job,
    cell_accessibility_notes,
    cell_models,
    embed_regions_inputs,
    extended_files,
)
from genebert.settings.cell_accessibility import CellAccessibilitySettings

FOLDER = "results/paper/cell_accessibility"


def asked(**keys):
    return {"cell_accessibility": keys}


def test_what_it_is_made_from():
    run = run_of({})
    inputs = cell_accessibility_inputs(run)
    assert cell_models(run) == [(name, name) for name in ("from-scratch", "dnabert", "genebert")]
    assert inputs["states"] == [f"{FOLDER}/{name}.npz" for name, _ in cell_models(run)]
    assert inputs["motifs"] == run.motifs and inputs["regions"] == f"{FOLDER}/regions.npz"
    assert BlockSettings(**block_settings(run)) == BlockSettings(10, 40_000, 10_000, (), 0.01, 42)
    job = cell_accessibility_job(run)
    assert CellAccessibilitySettings(**job["settings"]) == CellAccessibilitySettings()
    assert job["models"] == [("from-scratch", 42), ("dnabert", 42), ("genebert", 42)]
    assert job["given"] == {"seed": 42, "region_bp": 515}
    assert cell_accessibility_files(run)[-1] == "results/paper/tables/cell_accessibility.json"
    assert extended_files(run)[-5:] == asked_files(run) and extended_files(run)[0].endswith("table1_extended.csv")


def test_the_matrix_is_read_by_models_that_have_an_encoder_of_it():
    run = run_of({"models": {"genebert": {"matrix": "binary"}}})
    assert embed_regions_inputs(run, "genebert")["motifs"] == run.motif_files("binary") != run.motifs
    assert "motifs" not in embed_regions_inputs(run, "dnabert")


def test_models_that_cannot_be_had_are_left_out_and_equal_ones_read_once():
    run = run_of(asked(models=["genebert", "genebert-2e-4", "dnabert"]) | {"unavailable": {"dnabert": "no weights"}})
    assert cell_models(run) == [("genebert", "genebert")]
    assert cell_accessibility_notes(run) == ["Unavailable: dnabert: no weights."]


def test_every_pretraining_of_a_model_is_read():
    run = run_of(asked(models=["dnabert", "genebert"]) | {"models": {"genebert": {"pretrain_seeds": [43, 44]}}})
    states = ["dnabert", "genebert", "genebert@43", "genebert@44"]
    assert cell_accessibility_inputs(run)["states"] == [f"{FOLDER}/{name}.npz" for name in states]
    assert cell_accessibility_job(run)["models"] == [
        ("dnabert", 42), ("genebert", 42), ("genebert", 43), ("genebert", 44),
    ]  # fmt: skip


@pytest.mark.parametrize("asked_for", [["genebert-2e-4"], ["mgm-ngsp-srm", "genebert"], ["same"]])
def test_names_of_one_model_share_its_pretrainings(asked_for):
    models = {"genebert": {"pretrain_seeds": [43]}, "same": {"pretrain_seeds": [44]}}
    run = run_of(asked(models=asked_for) | {"models": models})
    assert cell_models(run) == [("genebert", one) for one in ("genebert", "genebert@43", "same@44")]


def test_a_run_goes_without():
    run = run_of(asked(features=[]))
    assert cell_accessibility_files(run) == [] and len(extended_files(run)) == 12
    with pytest.raises(InputError, match=r"cell_accessibility\.features: found none, expected some"):
        asked_files(run)
    rows = {f"table{n}_extended": {"promoter": None} for n in (5, 8)}
    rows["table1_extended"] = {"promoter/prom-core-genomic": None}
    none = run_of(asked(features=[]) | {"tables": rows})
    with pytest.raises(InputError, match="extended: tables and tasks have no data set"):
        extended_files(none)


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        (asked(models=["genbert"]), "config: cell_accessibility.models: unknown model genbert; did you mean genebert?"),
        (
            {"corpus": {"validation_fraction": 0.0}},
            "config: corpus.validation_fraction: found 0, without holdout_chromosomes; expected regions to test "
            "cell_accessibility on (its features: [] leaves it out)",
        ),
        (
            asked(features=["kmers"]),
            "config: cell_accessibility.features: found no composition, expected it: all others are compared with it",
        ),
    ],
)
def test_what_is_wrong_stops_at_the_plan(overlay, line):
    assert problems(overlay) == [line]
    assert problems({"corpus": {"validation_fraction": 0.0, "holdout_chromosomes": ["chr8"]}}) == []


def test_its_models_are_checked_as_those_of_tables():
    none = {"models": {"mine": {"training": {"steps": 0}, "sequence_encoder": {"weights": None}}}}
    assert problems(none) == []
    (line,) = problems(none | asked(models=["mine"]))
    assert line.startswith("model mine: training.steps: found 0, and no sequence_encoder.weights")
