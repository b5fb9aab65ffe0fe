"""A task that the package does not know: its block is checked, its rules planned, its data sets made and solved."""

from importlib.metadata import EntryPoint

import numpy as np
import pandas as pd
import pytest
from config_inputs import CONFIG, problems, run_of

from genebert.evaluation.scores import read_score
from genebert.methods.run import FitJob, run_method
from genebert.tasks import registry
from genebert.tasks.base import Sources
from genebert.tasks.registry import GROUP, all_tasks


@pytest.fixture
def activity(monkeypatch):
    point = EntryPoint("activity", "toy_task:TASK", GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == GROUP else [])
    registry._installed.cache_clear()
    yield
    registry._installed.cache_clear()


def write_table(path):
    rng = np.random.default_rng(0)
    letters = rng.choice(list("ACGT"), size=(400, 40))
    letters[::2, 10:14] = list("TATA")
    table = pd.DataFrame(
        {
            "sequence": ["".join(row) for row in letters],
            "activity": np.where(np.arange(400) % 2 == 0, 2.0, 0.5),
            "split": np.repeat(["train", "valid", "test"], (240, 60, 100)),
        }
    )
    table.to_csv(path, sep="\t", index=False)
    return table


def test_tasks_of_this_package():
    assert list(all_tasks()) == ["disease", "promoter", "splicing", "tfbs"]
    assert problems({"tasks": {"activity": {}}}) == [
        "config: unknown key tasks.activity; expected one of disease, promoter, splicing, tfbs"
    ]


def test_a_task_of_another_package(activity, tmp_path):
    table = write_table(tmp_path / "table.tsv")
    assert problems({"tasks": {"activity": {"mine": {"table": "t", "abov": 2}}}}) == [
        "config: unknown key tasks.activity.mine.abov; did you mean tasks.activity.mine.above?"
    ]
    overlay = {
        "tasks": {"activity": {"mine": {"table": str(tmp_path / "table.tsv")}}},
        "tables": {"table1": {**CONFIG["tables"]["table1"], "activity/mine": ["kmer-logreg", "genebert"]}},
        "finetune": {"activity": {"epochs": 3}, "seeds": [0, 1]},
    }
    run = run_of(overlay)
    settings = run.sets["activity"]["mine"]
    assert settings["above"] == 1.0
    task = all_tasks()["activity"]
    files = {name: tmp_path / path for name, path in task.files(settings).items()}
    card = task.build(settings, Sources(files, None, [], 0), tmp_path / "task")
    assert card["settings"]["above"] == 1.0
    assert pd.read_parquet(tmp_path / "task" / "test.parquet")["label"].sum() == (table["activity"][300:] == 2).sum()
    place = type("Wildcards", (), {"task": "activity", "dataset": "mine"})
    of_model, of_baseline = (run.fit_job(type("", (place,), {"method": name})) for name in ("genebert", "kmer-logreg"))
    assert of_model["options"]["epochs"] == 3
    folders = {"data": tmp_path / "task", "output": tmp_path / "out", "checkpoints": tmp_path / "kept"}
    run_method(FitJob(**of_baseline | folders))
    assert read_score(tmp_path / "out" / "seed1.json")["metrics"]["roc_auc"] > 0.8


def test_bases_of_places_come_from_the_genome(activity, monkeypatch):
    run = run_of({"tasks": {"activity": {"mine": {"table": "t"}}}})
    asked = type("", (), {"task": "activity", "dataset": "mine", "method": "kmer-logreg"})
    assert "genome" not in run.fit_inputs(asked) and "genome" not in run.fit_job(asked)["files"]
    monkeypatch.setattr(all_tasks()["activity"], "places", True, raising=False)
    assert run.fit_inputs(asked)["genome"] == run.genome
    assert run.fit_job(asked)["files"] == {"genome": run.genome[0]}
