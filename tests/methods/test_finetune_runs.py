"""Score files of fine-tuning."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from finetune_inputs import SETTINGS, finetune, make_folder, toy
from method_inputs import NAMES, examples, fit_job, part, predictions, run, sets, write_folder
from sklearn.metrics import roc_auc_score

from genebert.errors import InputError
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.evaluation.transfer import foreign_tests
from genebert.files import sha256
from genebert.methods import finetune as module
from genebert.methods.registry import load_classifier
from genebert.methods.run import run_method
from genebert.models.genebert import GeneBERT
from genebert.models.tokens import tokenise
from genebert.settings.fitting import FinetuneSettings
from genebert.settings.models import ConvolutionSettings, LossSettings, ModelSettings, SequenceEncoderSettings

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {"train": toy(600, 0), "valid": toy(150, 1), "test": toy(200, 2)}


def run_finetune(model, task, settings, seed, folder, **changes):
    return run("finetune", task, folder, seeds=[seed], files={"model": model}, options=asdict(settings), **changes)


def test_score_file(folder, tables, tmp_path):
    task = write_folder(tmp_path / "task", {name: table[:96] for name, table in tables.items()})
    model = tmp_path / "model"
    make_folder(model)
    record = {"settings": {"k": 3}, "training": {"steps": 0}}
    (model / "model.json").write_text(json.dumps(record))
    settings = replace(SETTINGS, epochs=2)
    score = run_finetune(model, task, settings, 4, tmp_path)
    assert {key: score[key] for key in NAMES} == NAMES
    assert score["seed"] == 4 and score["deterministic"] is False
    assert score["settings"]["learning_rate"] == 2e-3 and score["settings"]["precision_used"] == "float32"
    assert score["settings"]["k"] == 3 and score["settings"]["patience"] == 6
    assert score["model_sha256"] == sha256(model / "model.safetensors") and score["model_file"] == "model.safetensors"
    assert score["model_record"] == record
    assert score["data_sha256"] == {name: sha256(task / f"{name}.parquet") for name in ("train", "valid", "test")}
    assert len(score["history"]) == 2 and score["best_epoch"] in (1, 2)
    written = predictions(tmp_path, "seed4")
    assert written["label"].tolist() == tables["test"]["label"][:96].tolist()
    assert score["metrics"]["roc_auc"] == pytest.approx(roc_auc_score(written["label"], written["score"]))
    assert score["n_train"] == 96 and score["seconds"] > 0
    seen = "the mean of the last hidden states of all tokens, [CLS] and [SEP] included"
    assert score["method"] == {
        "kind": "finetune",
        "encoder": "fine-tuned",
        "classifier": f"linear, two logits, on {seen}",
        "strands": "as given",
    }
    assert not {"grid_search", "transfer", "transfer_sha256"} & set(score)

    first = (tmp_path / "out" / "seed4.parquet").read_bytes()
    again = run_finetune(model, task, settings, 4, tmp_path)
    assert (tmp_path / "out" / "seed4.parquet").read_bytes() == first
    assert {**again, "seconds": 0} == {**score, "seconds": 0}


def test_probe_and_grid_are_recorded(folder, tables, tmp_path):
    task = write_folder(tmp_path / "task", {name: table[:64] for name, table in tables.items()})
    grid = {"learning_rate": [1e-3, 1e-2], "pooling": ["cls", "mean"]}
    settings = replace(SETTINGS, epochs=2, frozen=True, grid=grid)
    score = run_finetune(folder, task, settings, 0, tmp_path)
    trials = score["grid_search"]["trials"]
    assert [trial["settings"] for trial in trials] == [
        {"learning_rate": rate, "pooling": pooling} for rate in (1e-3, 1e-2) for pooling in ("cls", "mean")
    ]
    best = max(trials, key=lambda trial: trial["valid_auc"])
    assert score["grid_search"]["chosen"] == best["settings"]
    assert score["validation"]["roc_auc"] == pytest.approx(best["valid_auc"], abs=1e-12)
    assert score["settings"] | best["settings"] == score["settings"]
    assert score["settings"]["grid"] == grid and score["settings"]["frozen"] is True
    assert score["method"]["encoder"] == "frozen"
    seen = {"cls": "on the last hidden state of [CLS]", "mean": "on the mean of the last hidden states"}
    assert seen[best["settings"]["pooling"]] in score["method"]["classifier"]
    assert score["method"]["classifier"].endswith("standardised")


def test_fewer_training_examples(folder, tables, tmp_path):
    task = write_folder(tmp_path / "task", tables)
    settings = replace(SETTINGS, epochs=1)
    score = run_finetune(folder, task, settings, 2, tmp_path, sizes=[40])
    assert score["n_train"] == 40
    assert (score["metrics"]["n"], score["validation"]["n"]) == (200, 150)
    subset = {**tables, "train": part(examples(tables["train"]), 40, 2).table}
    assert len(subset["train"]) == 40
    expected = finetune(folder, subset, settings, 2).scores["test"]
    assert predictions(tmp_path, "n40_seed2")["score"].tolist() == expected.tolist()


def placed(table: pd.DataFrame, first: int) -> pd.DataFrame:
    """Put the examples side by side on a chromosome, negatives without a place, as made from the positive before."""
    start = pd.Series(first + 100 * np.arange(len(table)), dtype="Int64")
    place = "chr1:" + start.astype(str) + "-" + (start + 30).astype(str)
    positive = table["label"].to_numpy() == 1
    return table.assign(
        chrom=pd.Series("chr1", index=table.index).where(positive), start=start.where(positive),
        end=(start + 30).where(positive), parent=place,
    )  # fmt: skip


def test_transfer(folder, tables, tmp_path):
    """The test set of another data set is scored without examples at places that were fitted on."""
    here = {name: placed(table[:64], 10_000 * i) for i, (name, table) in enumerate(tables.items())}
    there = {name: placed(toy(64, seed), 10_000 * seed) for seed, name in enumerate(tables, 5)}
    known = placed(toy(64, 9), 0)  # at the places of the training set
    there["test"] = pd.concat([there["test"], known[known["label"] == 1]], ignore_index=True)
    task, other = (write_folder(tmp_path / name, one) for name, one in (("a", here), ("b", there)))
    given = sets(here)
    kept = foreign_tests(given["train"], given["valid"], {"cell(B)": other}, TwoClass({}))["cell(B)"]
    left_out = kept.left_out
    assert left_out > 5
    settings = replace(SETTINGS, epochs=1)
    plain = run_finetune(folder, task, settings, 2, tmp_path)
    score = run_finetune(folder, task, settings, 2, tmp_path, transfer={"cell(B)": other})
    assert score["metrics"] == plain["metrics"] and "transfer" not in plain
    assert list(score["transfer"]) == ["cell(B)"]
    assert score["transfer"]["cell(B)"]["left_out"] == left_out
    expected = finetune(folder, {**here, "b": kept.table}, settings, 2).scores["b"]
    metrics = score["transfer"]["cell(B)"]["metrics"]
    assert metrics["n"] == len(kept) == len(there["test"]) - left_out
    assert metrics["roc_auc"] == pytest.approx(roc_auc_score(kept.labels, expected), abs=1e-12)
    assert score["transfer_sha256"] == {"cell(B)": sha256(other / "test.parquet")}
    fewer = run_finetune(folder, task, settings, 2, tmp_path, transfer={"cell(B)": other}, sizes=[16])
    assert fewer["n_train"] == 16 and fewer["transfer"]["cell(B)"]["left_out"] == left_out


def test_transfer_needs_places(folder, tables, tmp_path):
    nowhere = placed(tables["train"][:64], 0).assign(chrom=None, start=None, end=None, parent=None)
    task = write_folder(tmp_path / "task", dict.fromkeys(tables, nowhere))
    with pytest.raises(InputError, match="transfer: the training examples have no places"):
        run_finetune(folder, task, SETTINGS, 0, tmp_path, transfer={"b": task})


def test_collapse_is_shown_not_dropped(folder, tables, tmp_path):
    """With next to no learning all examples fall on one side of 0.5; the file says so and keeps its numbers."""
    task = write_folder(tmp_path, {name: table[:64] for name, table in tables.items()})
    settings = replace(SETTINGS, learning_rate=1e-9, epochs=1)
    found = [run_finetune(folder, task, settings, seed, tmp_path) for seed in range(5)]
    collapsed = [score["metrics"] for score in found if score["metrics"]["collapsed"]]
    assert collapsed
    share = max(collapsed[0]["n_positive"], 64 - collapsed[0]["n_positive"]) / 64
    for metrics in collapsed:
        assert metrics["recall"] == 0.5 and metrics["mcc"] == 0
        assert math.isclose(metrics["precision"], share / 2) or math.isclose(metrics["precision"], (1 - share) / 2)


def test_unavailable_model(tmp_path):
    (tmp_path / "model.json").write_text('{"unavailable": "weights could not be downloaded"}')
    score = run_finetune(tmp_path, tmp_path / "none", SETTINGS, 1, tmp_path)
    assert score == {**NAMES, "seed": 1, "unavailable": "weights could not be downloaded"}
    assert len(predictions(tmp_path, "seed1")) == 0


def test_sequences_that_do_not_fit_are_refused_before_anything_is_fitted(folder, tables, tmp_path, monkeypatch):
    monkeypatch.setattr("genebert.methods.finetune.fit", lambda *_: pytest.fail("fitted"))
    task = write_folder(tmp_path / "task", {**tables, "test": toy(8, 1).assign(sequence="A" * 65)})
    with pytest.raises(InputError, match="test: row 0 has 65 bases"):
        run_finetune(folder, task, SETTINGS, 0, tmp_path)


@pytest.mark.parametrize(
    "changes", [{}, {"frozen": True, "learning_rate": 1e-2}, {"strands": "both", "pooling": "max"}]
)
def test_a_kept_classifier_scores_the_same(folder, tables, tmp_path, changes):
    from transformers import AutoModel, AutoTokenizer

    small = {name: table[:96] for name, table in tables.items()}
    task = write_folder(tmp_path / "task", small)
    settings = replace(SETTINGS, epochs=1, **changes)
    score = run_finetune(folder, task, settings, 4, tmp_path, classifiers=tmp_path / "kept")
    loaded = load_classifier(tmp_path / "kept" / "seed4")
    assert (loaded.method, loaded.record["settings"]) == ("finetune", score["settings"])
    assert loaded.score(examples(small["test"])).tolist() == predictions(tmp_path, "seed4")["score"].tolist()
    model = AutoModel.from_pretrained(tmp_path / "kept" / "seed4", add_pooling_layer=False)
    expected = loaded.encoder.frozen.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
    trained = {name.removeprefix("encoder."): value for name, value in loaded.network.state_dict().items()}
    assert settings.frozen or all(torch.equal(value, trained[name]) for name, value in expected.items())
    assert AutoTokenizer.from_pretrained(tmp_path / "kept" / "seed4")("ACG CGT")["input_ids"][0] == 2


def test_all_seeds_read_and_tokenise_once(folder, tables, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "tokenise", lambda one, *more: seen.append(one.name) or tokenise(one, *more))
    task = write_folder(tmp_path / "task", {name: table[:64] for name, table in tables.items()})
    job = fit_job("finetune", task, tmp_path, seeds=[0, 1], files={"model": folder}, options={"epochs": 1})
    run_method(job)
    assert seen == ["train", "valid", "test"]
    together = predictions(tmp_path, "seed1")
    run_finetune(folder, task, replace(FinetuneSettings(), epochs=1), 1, tmp_path)
    assert predictions(tmp_path, "seed1").equals(together)


def test_a_kept_classifier_with_filters_over_bases_scores_the_same(tables, tmp_path):
    """It brings the code by which `transformers` loads it."""
    encoder = SequenceEncoderSettings(1, 32, 2, 64, max_tokens=64, weights=None, convolution=ConvolutionSettings(8, 7))
    model = GeneBERT(ModelSettings(3, "windows", encoder, losses=LossSettings(srm=None)))
    model.save(tmp_path / "model", {"regions_per_sample": 10})
    small = {name: table[:96] for name, table in tables.items()}
    task = write_folder(tmp_path / "task", small)
    for settings in (replace(SETTINGS, epochs=2, strands="both"), replace(SETTINGS, frozen=True)):
        kept = tmp_path / str(settings.frozen)
        run_finetune(tmp_path / "model", task, settings, 4, tmp_path, classifiers=kept)
        loaded = load_classifier(kept / "seed4")
        assert loaded.score(examples(small["test"])).tolist() == predictions(tmp_path, "seed4")["score"].tolist()
        assert (kept / "seed4/modeling_convolved_bert.py").is_file()
        assert "convolution" in (kept / "seed4/config.json").read_text()
        before = model.sequence_encoder.bert.convolution.filters.weight
        same = torch.equal(before, loaded.encoder.frozen.convolution.filters.weight)
        assert same is settings.frozen  # they are trained with all else
