"""The optimiser's groups of parameters, and the learning rate of pre-training."""

from dataclasses import replace

import numpy as np
import pytest
from torch import nn
from toy_training import TRAINING

from genebert.training.optimiser import learning_rate, make_adamw


def test_decay_is_for_matrices_only():
    model = nn.ModuleDict({"linear": nn.Linear(3, 2), "norm": nn.LayerNorm(2), "table": nn.Embedding(4, 2),
                           "kernel": nn.Conv1d(2, 2, 3, bias=False), "frozen": nn.Linear(2, 2)})  # fmt: skip
    model.register_parameter("scale", nn.Parameter(model["norm"].weight.detach()[0].clone()))
    model["frozen"].requires_grad_(False)
    settings = replace(TRAINING, learning_rate=3e-4, weight_decay=0.3, betas=(0.8, 0.9), epsilon=1e-5)
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = {group["weight_decay"]: group for group in make_adamw(model, settings).param_groups}
    assert {names[parameter] for parameter in found[0.3]["params"]} == {
        "linear.weight",
        "table.weight",
        "kernel.weight",
    }
    assert {names[parameter] for parameter in found[0]["params"]} == {
        "linear.bias",
        "norm.weight",
        "norm.bias",
        "scale",
    }
    for group in found.values():
        assert (group["lr"], tuple(group["betas"]), group["eps"]) == (3e-4, (0.8, 0.9), 1e-5)


def test_schedule():
    settings = replace(TRAINING, steps=1200, learning_rate=4e-4, warmup_fraction=1 / 12, decay_horizon=5 / 3)
    rates = [learning_rate(step, settings) for step in range(1200)]
    assert rates[0] == pytest.approx(4e-4 / 101)
    assert max(rates) == rates[100] == pytest.approx(4e-4)
    assert np.allclose(np.diff(rates[100:]), -4e-4 / 1900)
    assert rates[-1] == pytest.approx(4e-4 * 801 / 1900)


def test_schedule_of_few_steps():
    """Two steps of warm-up, one at the full rate; or all of them decay."""
    short = replace(TRAINING, steps=3, learning_rate=0.3, warmup_fraction=2 / 3, decay_horizon=1.0)
    assert [learning_rate(step, short) for step in range(3)] == pytest.approx([0.1, 0.2, 0.3])
    short = replace(short, warmup_fraction=0.0)
    assert [learning_rate(step, short) for step in range(3)] == pytest.approx([0.3, 0.2, 0.1])
