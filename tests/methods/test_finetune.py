"""Fine-tuning of tiny BERT folders: settings, learning, linear probes, grids, determinism, early stopping."""

import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from finetune_inputs import SETTINGS, finetune, make_folder, toy
from method_inputs import examples
from sklearn.metrics import roc_auc_score

from genebert.errors import InputError
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.genome.bases import decode, reverse_complement
from genebert.genome.bases import encode as encode_bases
from genebert.methods import finetune as module
from genebert.methods.classifier import Classifier, encode
from genebert.models.bert import load_encoder
from genebert.models.tokens import tokenise
from genebert.settings.fitting import FinetuneSettings

torch.set_num_threads(1)
READING = partial(TwoClass({}).states, pooling="mean", k=3)


def turned(table: pd.DataFrame) -> pd.DataFrame:
    """Return the reverse complements."""
    return table.assign(sequence=[decode(reverse_complement(encode_bases(one))) for one in table["sequence"]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {"train": toy(600, 0), "valid": toy(150, 1), "test": toy(200, 2)}


@pytest.fixture(scope="module")
def result(folder, tables):
    return finetune(folder, tables, SETTINGS, 0)


# ------------------------------------------------------------------------------------------------------ training


def test_learns_the_motif(result, tables):
    assert roc_auc_score(tables["test"]["label"], result.scores["test"]) > 0.9
    assert roc_auc_score(tables["valid"]["label"], result.scores["valid"]) > 0.9
    assert result.history[-1]["train_loss"] < 0.7 * result.history[0]["train_loss"]
    settings = result.record["settings"]
    assert (settings["k"], settings["precision_used"], settings["device"]) == (3, "float32", "cpu")


def test_scores_are_those_of_the_best_epoch(result, tables):
    aucs = [epoch["valid_auc"] for epoch in result.history]
    assert result.best_epoch == int(np.argmax(aucs)) + 1
    assert roc_auc_score(tables["valid"]["label"], result.scores["valid"]) == pytest.approx(max(aucs), abs=1e-12)


def test_early_stopping_restores_the_best_epoch(folder, tables, monkeypatch):
    """With the validation AUC dictated, training stops after `patience` epochs and scores epoch 2's weights."""
    small = {name: table[:64] for name, table in tables.items()}
    settings = replace(SETTINGS, epochs=10, patience=2)
    seen, dictated = [], iter([0.6, 0.8, 0.8, 0.7, 0.9])
    monkeypatch.setattr("sklearn.metrics.roc_auc_score", lambda _label, score: seen.append(score) or next(dictated))
    found = finetune(folder, small, settings, 0)
    assert [epoch["epoch"] for epoch in found.history] == [1, 2, 3, 4]  # an equal AUC is no better one
    assert found.best_epoch == 2
    assert np.array_equal(found.scores["valid"], seen[1]) and not np.array_equal(seen[1], seen[3])


def test_the_last_epoch_is_kept_whatever_validation_says(folder, tables, monkeypatch):
    small = {name: table[:64] for name, table in tables.items()}
    seen, dictated = [], iter([0.9, 0.8, 0.7])
    monkeypatch.setattr("sklearn.metrics.roc_auc_score", lambda _label, score: seen.append(score) or next(dictated))
    found = finetune(folder, small, replace(SETTINGS, epochs=3, patience=1, keep="last"), 0)
    assert found.best_epoch == len(found.history) == 3 and np.array_equal(found.scores["valid"], seen[2])


def test_same_seed_same_scores_and_other_seeds_differ(folder, tables):
    small = {name: table[:96] for name, table in tables.items()}
    settings = replace(SETTINGS, epochs=2)
    torch.manual_seed(123)
    state = torch.get_rng_state()
    first = finetune(folder, small, settings, 7)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers go on undisturbed
    torch.manual_seed(999)
    second = finetune(folder, small, settings, 7)
    assert all(np.array_equal(first.scores[name], second.scores[name]) for name in ("valid", "test"))
    assert first.history == second.history
    other = finetune(folder, small, settings, 8)
    assert not np.array_equal(first.scores["test"], other.scores["test"])


def test_order_depends_on_seed_and_epoch():
    orders = {(seed, epoch): tuple(module.order_of(50, seed, epoch)) for seed in (0, 1) for epoch in (1, 2)}
    assert len(set(orders.values())) == 4
    assert all(sorted(order) == list(range(50)) for order in orders.values())


def test_initial_weights_matter(folder, tables, tmp_path):
    small = {name: table[:64] for name, table in tables.items()}
    settings = replace(SETTINGS, epochs=1)
    other = make_folder(tmp_path, seed=1)
    scores = [finetune(path, small, settings, 0).scores["test"] for path in (folder, other)]
    assert not np.allclose(*scores)


def test_lengths_may_differ(folder, tables):
    uneven = {
        name: table.assign(sequence=[sequence + "ACGT" * (i % 4) for i, sequence in enumerate(table["sequence"])])
        for name, table in tables.items()
    }
    found = finetune(folder, uneven, SETTINGS, 0)
    assert roc_auc_score(uneven["test"]["label"], found.scores["test"]) > 0.85


def test_schedule_and_decay(folder):
    model = Classifier(load_encoder(folder, 0.1), READING, 2, 0.1, 32)
    settings = FinetuneSettings(learning_rate=1.0, warmup_fraction=0.2, weight_decay=0.3)
    optimiser, schedule = module._optimiser(model, settings, 20)
    decayed, plain = optimiser.param_groups
    assert decayed["weight_decay"] == 0.3 and plain["weight_decay"] == 0
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)] for p in plain["params"]} == {n for n in names.values() if "LayerNorm" in n or "bias" in n}
    assert len(decayed["params"]) + len(plain["params"]) == len(names)
    rates = []
    for _ in range(20):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[4:] == pytest.approx(np.linspace(1, 1 / 16, 16))
    assert optimiser.param_groups[0]["lr"] == 0


def test_diverged_training_stops_with_a_sentence(folder, tables):
    small = {name: table[:64] for name, table in tables.items()}
    with pytest.raises(InputError, match=r"training diverged in epoch 1 with seed 0: .*a learning rate below 1e\+38"):
        finetune(folder, small, replace(SETTINGS, learning_rate=1e38), 0)


@pytest.mark.parametrize("frozen", [False, True])
def test_further_tables_are_scored_and_change_nothing(folder, tables, frozen):
    small = {name: table[:64] for name, table in tables.items()}
    settings = replace(SETTINGS, epochs=1, frozen=frozen)
    plain = finetune(folder, small, settings, 0)
    more = finetune(folder, {**small, "elsewhere": small["test"][::-1]}, settings, 0)
    assert set(plain.scores) == {"valid", "test"} and set(more.scores) == {"valid", "test", "elsewhere"}
    assert np.array_equal(plain.scores["test"], more.scores["test"])
    assert more.scores["elsewhere"][::-1] == pytest.approx(more.scores["test"], abs=1e-6)


def test_pooling_is_used(folder, tables):
    small = {name: table[:64] for name, table in tables.items()}
    scores = [
        finetune(folder, small, replace(SETTINGS, epochs=1, pooling=pooling), 0).scores["test"]
        for pooling in ("cls", "mean", "max")
    ]
    assert all(not np.allclose(one, other) for one, other in itertools.combinations(scores, 2))


@pytest.mark.parametrize("frozen", [False, True])
def test_both_strands(folder, tables, frozen):
    """Reverse complements are further examples; a sequence and its reverse complement have one score."""
    small = {name: table[:96] for name, table in tables.items()}
    opposite = {name: turned(table) for name, table in small.items()}
    settings = replace(SETTINGS, epochs=1, frozen=frozen)  # one: the same weights, however validation ranks them
    others = {"test": small["test"], "opposite": opposite["test"]}
    found = finetune(folder, {**small, **others}, replace(settings, strands="both"), 0)
    assert len(found.scores["test"]) == 96
    assert found.scores["opposite"] == pytest.approx(found.scores["test"], abs=1e-6)

    doubled = {name: pd.concat([small[name], opposite[name]], ignore_index=True) for name in ("train", "valid")}
    plain = finetune(folder, {**doubled, **others}, settings, 0)
    assert [one["train_loss"] for one in plain.history] == [one["train_loss"] for one in found.history]
    assert not np.allclose(plain.scores["test"], plain.scores["opposite"], atol=1e-3)
    mean = (plain.scores["test"] + plain.scores["opposite"]) / 2
    assert found.scores["test"] == pytest.approx(mean, abs=1e-6)


def test_strands_in_a_grid(folder, tables):
    small = {name: table[:64] for name, table in tables.items()}
    grid = {"strands": ["given", "both"], "pooling": ["mean", "max"]}
    found = finetune(folder, small, replace(SETTINGS, epochs=1, grid=grid), 0)
    assert [trial["settings"]["strands"] for trial in found.trials] == ["given", "given", "both", "both"]
    alone = finetune(folder, small, found.used, 0)
    assert np.array_equal(alone.scores["test"], found.scores["test"])


# ------------------------------------------------------------------------------------------------------ linear probe

PROBE = replace(SETTINGS, frozen=True, learning_rate=2e-2, epochs=20, patience=20, dropout=0.0, weight_decay=0.0)


def test_probe_is_a_logistic_regression(folder, tables):
    """A converged probe ranks as scikit-learn's logistic regression without penalty on the same features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = finetune(folder, tables, PROBE, 0)
    encoder = load_encoder(folder, 0.0)
    features = {
        name: encode(encoder, tokenise(examples(table), 3, 64), READING, "float32").values.numpy()
        for name, table in tables.items()
    }
    expected = make_pipeline(StandardScaler(), LogisticRegression(C=np.inf, max_iter=5000))
    expected.fit(features["train"], tables["train"]["label"])
    for name in ("valid", "test"):
        label, score = tables[name]["label"], expected.predict_proba(features[name])[:, 1]
        assert roc_auc_score(label, found.scores[name]) == pytest.approx(roc_auc_score(label, score), abs=0.03)
        assert np.corrcoef(found.scores[name], score)[0, 1] > 0.95
    assert roc_auc_score(tables["test"]["label"], found.scores["test"]) > 0.6


def test_probe_leaves_the_encoder_and_runs_it_once(folder, tables, monkeypatch):
    calls, encoders = [], []

    def load(*arguments):
        encoders.append(load_encoder(*arguments))
        encoders[-1].register_forward_hook(lambda *_: calls.append(encoders[-1].training))
        return encoders[-1]

    monkeypatch.setattr(module, "load_encoder", load)
    settings = replace(PROBE, epochs=4, dropout=0.1, grid={"learning_rate": [1e-2, 1e-3]})
    finetune(folder, tables, settings, 0)
    assert len(encoders) == 1
    assert calls == [False] * 5  # no dropout; 600 training sequences in three batches, the others in one each
    before = load_encoder(folder, 0.1).state_dict()
    assert all(torch.equal(value, before[name]) for name, value in encoders[0].state_dict().items())


def test_probe_is_reproducible(folder, tables):
    small = {name: table[:96] for name, table in tables.items()}
    one, same, other = (finetune(folder, small, PROBE, seed) for seed in (0, 0, 1))
    assert np.array_equal(one.scores["test"], same.scores["test"]) and one.history == same.history
    assert not np.array_equal(one.scores["test"], other.scores["test"])


@pytest.mark.parametrize(("precision", "used"), [("auto", "float32"), ("float32", "float32"), ("bfloat16", "bfloat16")])
def test_precision_of_a_frozen_encoder(folder, tables, precision, used):
    small = {name: table[:32] for name, table in tables.items()}
    found = finetune(folder, small, replace(PROBE, epochs=1, precision=precision), 0)
    assert found.record["settings"]["precision_used"] == used


# ------------------------------------------------------------------------------------------------------ grid


@pytest.mark.parametrize("frozen", [False, True])
def test_grid_keeps_the_best_on_validation(folder, tables, frozen):
    small = {name: table[:96] for name, table in tables.items()}
    grid = {"learning_rate": [1e-6, 3e-3], "epochs": [1, 3]}
    settings = replace(SETTINGS, frozen=frozen, grid=grid)
    found = finetune(folder, small, settings, 3)
    combinations = [{"learning_rate": rate, "epochs": epochs} for rate in (1e-6, 3e-3) for epochs in (1, 3)]
    assert [trial["settings"] for trial in found.trials] == combinations
    alone = [finetune(folder, small, replace(SETTINGS, frozen=frozen, **one), 3) for one in combinations]
    aucs = [max(epoch["valid_auc"] for epoch in one.history) for one in alone]
    assert [trial["valid_auc"] for trial in found.trials] == aucs
    assert [trial["best_epoch"] for trial in found.trials] == [one.best_epoch for one in alone]
    best = alone[int(np.argmax(aucs))]
    assert found.record["grid_search"]["chosen"] == combinations[int(np.argmax(aucs))]
    assert all(np.array_equal(found.scores[name], best.scores[name]) for name in ("valid", "test"))
    assert (found.history, found.best_epoch, found.used) == (best.history, best.best_epoch, best.used)
    flipped = {**small, "test": small["test"].assign(label=1 - small["test"]["label"])}
    assert finetune(folder, flipped, settings, 3).trials == found.trials


def test_first_of_equal_combinations(folder, tables):
    small = {name: table[:64] for name, table in tables.items()}
    settings = replace(SETTINGS, epochs=1, grid={"patience": [4, 2, 3]})  # makes no difference in one epoch
    found = finetune(folder, small, settings, 0)
    assert len({trial["valid_auc"] for trial in found.trials}) == 1
    assert found.record["grid_search"]["chosen"] == {"patience": 4} and found.used.patience == 4


def test_diverged_combinations_are_recorded(folder, tables):
    small = {name: table[:64] for name, table in tables.items()}
    settings = replace(SETTINGS, epochs=1, grid={"learning_rate": [1e38, 1e-3]})
    found = finetune(folder, small, settings, 0)
    assert found.record["grid_search"]["chosen"] == {"learning_rate": 1e-3}
    assert found.trials[0]["valid_auc"] is None and "training diverged in epoch 1" in found.trials[0]["diverged"]
    with pytest.raises(InputError, match=r"diverged in epoch 1 .*a learning rate below 1e\+38"):
        finetune(folder, small, replace(settings, grid={"learning_rate": [1e38, 1e37]}), 0)


def test_combinations():
    assert FinetuneSettings().combinations() == [({}, FinetuneSettings())]
    settings = FinetuneSettings(epochs=4, grid={"pooling": ("mean", "cls"), "batch": [8, 16]})
    pairs = [("mean", 8), ("mean", 16), ("cls", 8), ("cls", 16)]
    assert [one for _, one in settings.combinations()] == [
        FinetuneSettings(epochs=4, pooling=pooling, batch=batch) for pooling, batch in pairs
    ]


@pytest.mark.parametrize(
    ("grid", "sentence"),
    [
        ({"rate": [1]}, "unknown key finetune.grid.rate; expected one of learning_rate, epochs, "),
        ({"grid": [{}]}, "unknown key finetune.grid.grid; expected one of "),
        ({"epochs": 3}, "finetune.grid.epochs: found 3, expected a list"),
        ({"epochs": []}, r"finetune.grid.epochs: found \[\], expected a list with at least one entry"),
        ({"epochs": [3, 0]}, r"finetune.grid.epochs\[1\]: found 0, expected a whole number of at least 1"),
        ({"pooling": ["sum"]}, r"finetune.grid.pooling\[0\]: found 'sum', expected one of mean, cls, max"),
    ],
)
def test_bad_grid(grid, sentence):
    with pytest.raises(InputError, match=sentence):
        FinetuneSettings(grid=grid)


# ------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("learning_rate", 0, "a number above 0"),
        ("learning_rate", float("nan"), "a number above 0"),
        ("epochs", 0, "a whole number of at least 1"),
        ("batch", 2.5, "a whole number of at least 1"),
        ("patience", 0, "a whole number of at least 1"),
        ("warmup_fraction", 1.0, "a number of at least 0 and below 1"),
        ("dropout", -0.1, "a number of at least 0 and below 1"),
        ("weight_decay", -1, "a number of at least 0"),
        ("clip", 0, "a number above 0"),
        ("precision", "float16", "one of auto, float32, bfloat16"),
        ("pooling", "first", "one of mean, cls, max"),
        ("strands", "random", "one of given, both"),
        ("learning_rate", "3e-5", "a number above 0"),  # what YAML makes of a number without a point
        ("epochs", True, "a whole number of at least 1"),
        ("betas", (0.9,), "a list of 2"),
        (r"betas\[1\]", (0.9, 1.0), "a number of at least 0 and below 1"),
        ("frozen", 1, "true or false"),
        ("grid", [1], "a block of keys"),
    ],
)
def test_bad_settings(name, value, expected):
    with pytest.raises(InputError, match=f"finetune.{name}: found .*, expected {expected}"):
        FinetuneSettings(**{name.partition("\\")[0]: value})
