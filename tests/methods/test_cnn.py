"""The small convolutional network: its sums by hand, strands, N, lengths, learning, determinism, bad settings."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from baseline_inputs import planted, reverse_complement
from method_inputs import examples, make_method
from sklearn.metrics import roc_auc_score

from genebert.errors import InputError
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.methods.cnn import CnnModel, CnnSettings, Network, plans

torch.set_num_threads(1)
WORD = "TTCAGGCTAAC"
SMALL = CnnSettings(filters=16, hidden=16, epochs=25, width=11)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {"train": planted(600, 0, WORD), "valid": planted(100, 1, WORD), "test": planted(200, 2, WORD)}


def fit_cnn(tables, seed, settings):
    """Return the fitted model and what it records of its settings."""
    method = make_method("cnn", asdict(settings))
    model = method.fit(examples(tables["train"]), examples(tables["valid"]), seed)
    return model, model.record["settings"]


@pytest.fixture(scope="module")
def fitted(tables):
    return fit_cnn(tables, 0, SMALL)


def slow_network(network: Network, sequence: str) -> float:
    """Probability of class 1, position by position."""
    weights = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    n, _, width = weights["filters"].shape
    found = np.zeros((len(sequence), n))
    for position in range(len(sequence)):
        for number in range(n):
            strands = []
            for text, centre in ((sequence, position), (reverse_complement(sequence), len(sequence) - 1 - position)):
                total = 0.0
                for i in range(width):
                    place = centre + i - width // 2
                    if 0 <= place < len(text) and text[place] != "N":
                        total += weights["filters"][number, "ACGT".index(text[place]), i]
                strands.append(total)
            found[position, number] = max(0.0, max(strands) + weights["bias"][number])
    pooled = np.concatenate([found.max(axis=0), found.mean(axis=0)])
    hidden = np.maximum(0, weights["head.1.weight"] @ pooled + weights["head.1.bias"])
    logits = weights["head.4.weight"] @ hidden + weights["head.4.bias"]
    return 1 / (1 + np.exp(logits[0] - logits[1]))


def test_scores_equal_a_plain_sum_with_n_and_different_lengths():
    torch.manual_seed(3)
    network = Network(CnnSettings(filters=3, width=5, hidden=4), 2)
    torch.nn.init.normal_(network.bias)
    sequences = ["ACGTTGCANNACGTA", "GGA", "NNNN", "TTTTTTTTTTTTTTTTTTTTTTTTCC", "A"]
    found = CnnModel("cnn", TwoClass({}), {}, network).score(examples(sequences))
    assert found == pytest.approx([slow_network(network, sequence) for sequence in sequences], abs=1e-5)
    assert np.ptp(found) > 1e-3


def test_learns_a_motif_on_either_strand(tables, fitted):
    model, settings = fitted
    score = model.score(examples(tables["test"]))
    assert roc_auc_score(tables["test"]["label"], score) > 0.97
    turned = tables["test"].assign(sequence=tables["test"]["sequence"].map(reverse_complement))
    assert model.score(examples(turned)) == pytest.approx(score, abs=1e-5)
    assert settings["valid_auc"][settings["best_epoch"] - 1] == max(settings["valid_auc"])
    # The weights are those of the best epoch.
    kept = roc_auc_score(tables["valid"]["label"], model.score(examples(tables["valid"])))
    assert kept == pytest.approx(max(settings["valid_auc"]))


def test_equal_seeds_give_equal_scores_and_leave_the_random_state_alone(tables):
    brief = replace(SMALL, epochs=2)
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first, again, other = (fit_cnn(tables, seed, brief)[0].score(examples(tables["test"])) for seed in (4, 4, 5))
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_stops_when_the_validation_auc_no_longer_rises():
    noise = {split: planted(60, seed, "") for seed, split in enumerate(("train", "valid"))}
    _, settings = fit_cnn(noise, 0, CnnSettings(filters=4, hidden=4, epochs=40, patience=2, few=0))
    assert len(settings["valid_auc"]) == settings["best_epoch"] + 2 < 40


def test_filters_are_no_wider_than_the_sequences(tables):
    for length, width in ((15, 15), (14, 13), (8, 7), (2, 1), (1, 1)):
        short = {split: tables[split].assign(sequence=tables[split]["sequence"].str[:length]) for split in tables}
        model, settings = fit_cnn(short, 0, CnnSettings(filters=2, hidden=2, epochs=1))
        assert settings["width"] == width
        assert np.isfinite(model.score(examples(short["test"]))).all()


def test_few_examples_are_also_fitted_in_small_steps_and_validation_chooses(tables):
    few = {**tables, "train": tables["train"][:40]}
    settings = replace(SMALL, epochs=4, patience=4, few=40, few_batch=8, few_steps=60)
    model, used = fit_cnn(few, 0, settings)
    # 5 steps an epoch, so 20 in 4 epochs: three times as many are at least 60
    assert [(one["batch"], one["epochs"]) for one in used["tried"]] == [(64, 4), (8, 12)]
    auc = [one["valid_auc"] for one in used["tried"]]
    assert auc[1] > auc[0] and (used["batch"], used["epochs"], used["patience"]) == (8, 12, 12)
    kept = roc_auc_score(tables["valid"]["label"], model.score(examples(tables["valid"])))
    assert kept == pytest.approx(auc[1])
    alone, _ = fit_cnn(few, 0, replace(settings, few=39, batch=8, epochs=12, patience=12))
    assert np.array_equal(alone.score(examples(tables["test"])), model.score(examples(tables["test"])))
    assert plans(replace(settings, few=39), 40) == [replace(settings, few=39)]
    assert len(plans(CnnSettings(batch=16), 1000)) == 1  # the second would be the first


def test_bad_settings(tables):
    for wrong, message in (
        ({"filters": 0}, "cnn.filters: found 0, expected a whole number of at least 1"),
        ({"epochs": 2.5}, "cnn.epochs: found 2.5, expected a whole number of at least 1"),
        ({"width": 8}, "cnn.width: found 8, expected an odd number"),
        ({"dropout": 1.0}, "cnn.dropout: found 1.0, expected 0 or more and less than 1"),
        ({"learning_rate": 0.0}, "cnn.learning_rate: found 0.0, expected a number above 0"),
        ({"weight_decay": -1.0}, "cnn.weight_decay: found -1.0, expected 0 or more"),
    ):
        with pytest.raises(InputError, match=message):
            CnnSettings(**wrong)
    with pytest.raises(
        InputError, match=r"cnn: training diverged in epoch 1 with seed 0: .*a learning rate below 1e\+30"
    ):
        fit_cnn(tables, 0, replace(SMALL, learning_rate=1e30))
