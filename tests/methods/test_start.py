"""Fine-tuning that begins with a probe, and that moves lower layers less; both in a grid."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from finetune_inputs import SETTINGS, finetune, make_folder, toy
from method_inputs import make_method, sets
from splice_blocks import gene_sets

from genebert.errors import InputError
from genebert.evaluation.kinds.base_classes import BaseClasses
from genebert.methods import finetune as module
from genebert.methods.classifier import Classifier, Features, Probe, distance_from_top
from genebert.methods.registry import find_method
from genebert.models.bert import load_encoder
from genebert.settings.fitting import FinetuneSettings, TaggerSettings

torch.set_num_threads(1)
# All weights hardly move: what is scored is what training began with.
STILL = {"epochs": 1, "learning_rate": 1e-12, "dropout": 0.0}
AS_A_PROBE = {"frozen": True, "epochs": 5, "patience": 5, "learning_rate": 1e-2, "dropout": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("model"), positions=128)


@pytest.fixture(scope="module")
def tables():
    return {"train": toy(200, 0), "valid": toy(80, 1), "test": toy(80, 2)}


# ------------------------------------------------------------------------------------------------------ a probe first


def test_a_probe_in_the_head_of_a_classifier_gives_the_same():
    torch.manual_seed(0)
    states = torch.randn(50, 8) * torch.linspace(0.1, 3, 8) + 20
    states[:, 3] = 1.0  # no spread
    probe, head = Probe(Features(states), 3, 0.0, 0.5), torch.nn.Linear(8, 3)
    probe.put_into(head)
    assert torch.allclose(head(states), probe(states), atol=1e-3)


@pytest.mark.parametrize("strands", ["given", "both"])
def test_all_weights_begin_where_the_probe_was_best(folder, tables, strands):
    begun = finetune(folder, tables, replace(SETTINGS, **STILL, strands=strands, start="probe"), 3)
    alone = finetune(folder, tables, replace(SETTINGS, **AS_A_PROBE, strands=strands), 3)
    other = finetune(folder, tables, replace(SETTINGS, **STILL, strands=strands), 3)
    assert np.allclose(begun.scores["test"], alone.scores["test"], atol=1e-4)
    assert not np.allclose(begun.scores["test"], other.scores["test"], atol=1e-2)
    assert begun.record["probe"]["history"] == alone.history
    assert begun.record["probe"]["best_epoch"] == alone.best_epoch
    assert "probe" not in other.record and begun.record["settings"]["start"] == "probe"


def test_with_the_last_epoch_kept_it_is_that_of_the_probe_too(folder, tables, monkeypatch):
    dictated = iter([0.9, 0.8, 0.7, 0.6, 0.5, 0.9, 0.4, 0.3])  # five epochs of the probe, then epochs 0, 1 and 2
    monkeypatch.setattr("sklearn.metrics.roc_auc_score", lambda _label, _score: next(dictated))
    found = finetune(folder, tables, replace(SETTINGS, **STILL | {"epochs": 2}, start="probe", keep="last"), 0)
    assert found.record["probe"]["best_epoch"] == 5 and found.best_epoch == 2


def test_all_weights_are_trained_afterwards(folder, tables):
    method, given = (
        make_method("finetune", asdict(replace(SETTINGS, epochs=2, start="probe")), model=folder),
        sets(tables),
    )
    found = method.fit(given["train"], given["valid"], 0)
    before = load_encoder(folder, 0.0).state_dict()
    after = found.network.encoder.state_dict()
    assert sum(not torch.equal(before[name], after[name]) for name in before) >= len(before) - 1  # but position ids
    assert [epoch["epoch"] for epoch in found.record["history"]] == [0, 1, 2]
    assert len(found.record["probe"]["history"]) == 5


def test_a_probe_of_classes_of_bases(folder):
    """The share of windows without a site that is seen is made good once, after all."""
    quick = {name: replace(one, table=one.table.iloc[:9]) for name, one in gene_sets(6).items()}
    settings = TaggerSettings(batch=16, attention_dropout=0.0, precision="float32", context=20, negatives=0.3)

    def fit(**changes):
        options = asdict(replace(settings, **changes))
        found = find_method("tag")(BaseClasses({}), options, {"model": folder}, {})
        return found.fit(quick["train"], quick["valid"], 0)

    begun, alone = fit(**STILL, start="probe"), fit(**AS_A_PROBE)
    assert begun.record["negatives"] < 0.9
    assert np.allclose(begun.score(quick["test"]), alone.score(quick["test"]), atol=1e-4)


def test_a_frozen_encoder_has_no_other_start(folder, tables):
    plain = finetune(folder, tables, replace(SETTINGS, **AS_A_PROBE), 1)
    other = finetune(folder, tables, replace(SETTINGS, **AS_A_PROBE, start="probe", layer_decay=0.5), 1)
    assert plain.scores["test"].tolist() == other.scores["test"].tolist() and "probe" not in other.record


# ------------------------------------------------------------------------------------------------------ rates by layer


def test_distances(folder):
    network = Classifier(load_encoder(folder, 0.0), None, 2, 0.0, 32)
    found = {name: distance_from_top(name, 2) for name, _ in network.named_parameters()}
    for name, distance in found.items():
        parts = {"linear.": 0, "encoder.encoder.layer.1.": 1, "encoder.encoder.layer.0.": 2, "encoder.embeddings.": 3}
        assert distance == next(one for start, one in parts.items() if name.startswith(start)), name
    assert set(found.values()) == {0, 1, 2, 3}
    assert distance_from_top("encoder.convolution.filters.weight", 2) == 3


def test_rates_fall_layer_by_layer(folder):
    network = Classifier(load_encoder(folder, 0.0), None, 2, 0.0, 32)
    settings = FinetuneSettings(learning_rate=1e-2, warmup_fraction=0.0, layer_decay=0.5, weight_decay=0.3)
    optimiser, schedule = module._optimiser(network, settings, 10)
    names = {id(p): name for name, p in network.named_parameters()}
    seen = 0
    for _ in range(2):
        for group in optimiser.param_groups:
            assert group["weight_decay"] == (0.3 if group["params"][0].ndim > 1 else 0)
            for p in group["params"]:
                expected = 1e-2 * 0.5 ** distance_from_top(names[id(p)], 2)
                assert group["lr"] == pytest.approx(expected * (1 if seen < len(names) else 0.9))
                seen += 1
        optimiser.step()
        schedule.step()
    assert seen == 2 * len(names)
    # The record tells the rate of the head.
    assert optimiser.param_groups[0]["lr"] == pytest.approx(8e-3)
    plain, _ = module._optimiser(network, replace(settings, layer_decay=1.0), 10)
    assert [group["lr"] for group in plain.param_groups] == [1e-2] * 2


def test_lower_layers_move_less(folder, tables):
    moved = {}
    for decay in (1.0, 0.1):
        options = asdict(replace(SETTINGS, epochs=1, dropout=0.0, layer_decay=decay))
        method, given = make_method("finetune", options, model=folder), sets(tables)
        after = method.fit(given["train"], given["valid"], 0).network.encoder.state_dict()
        before = load_encoder(folder, 0.0).state_dict()
        for part in ("embeddings.word_embeddings", "encoder.layer.0.output.dense", "encoder.layer.1.output.dense"):
            change = after[f"{part}.weight"] - before[f"{part}.weight"]
            moved[decay, part] = float(change.abs().max())
    ratios = [moved[0.1, part] / moved[1.0, part] for _, part in list(moved)[:3]]
    assert ratios == pytest.approx([1e-3, 1e-2, 1e-1], rel=0.5)


# ------------------------------------------------------------------------------------------------------ a grid


def test_both_in_a_grid(folder, tables):
    grid = {"start": ["all", "probe"], "layer_decay": [1.0, 0.7]}
    found = finetune(folder, tables, replace(SETTINGS, epochs=1, grid=grid), 2)
    combinations = [{"start": start, "layer_decay": decay} for start in ("all", "probe") for decay in (1.0, 0.7)]
    assert [trial["settings"] for trial in found.trials] == combinations
    assert len({trial["valid_auc"] for trial in found.trials}) == 4
    chosen = found.record["grid_search"]["chosen"]
    best = max(found.trials, key=lambda trial: trial["valid_auc"])
    assert chosen == best["settings"] == {key: found.record["settings"][key] for key in chosen}
    alone = finetune(folder, tables, found.used, 2)
    assert np.array_equal(alone.scores["test"], found.scores["test"])
    assert ("probe" in found.record) is (chosen["start"] == "probe")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("start", "head", "one of all, probe"),
        ("layer_decay", 0, "a number above 0 and at most 1"),
        ("layer_decay", 1.5, "a number above 0 and at most 1"),
    ],
)
def test_refused(name, value, expected):
    with pytest.raises(InputError, match=f"finetune.{name}: found .*, expected {expected}"):
        FinetuneSettings(**{name: value})
