"""AdamW as pre-training and fine-tuning use it, and the learning rate of pre-training."""

from collections.abc import Callable

import torch
from torch import nn

from genebert.settings.fitting import FinetuneSettings
from genebert.settings.training import TrainingSettings


def make_adamw(
    model: nn.Module, settings: TrainingSettings | FinetuneSettings, rate: Callable[[str], float] = lambda _: 1.0
) -> torch.optim.AdamW:
    """Return AdamW without decay on biases, normalisation weights and single numbers (all tensors of one axis).

    `rate` says which part of the learning rate a tensor of this name has; the groups of the largest come first.
    """
    trained = [(rate(name), p) for name, p in model.named_parameters() if p.requires_grad]
    groups = []
    for part in sorted({part for part, _ in trained}, reverse=True):
        own = [p for other, p in trained if other == part]
        more = {"lr": part * settings.learning_rate}
        groups += [
            {"params": [p for p in own if p.ndim > 1], "weight_decay": settings.weight_decay, **more},
            {"params": [p for p in own if p.ndim <= 1], "weight_decay": 0.0, **more},
        ]
    return torch.optim.AdamW(
        groups, lr=settings.learning_rate, betas=tuple(settings.betas), eps=settings.epsilon, fused=True
    )


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """Return the rate of a step, below `settings.steps`: linear warm-up, then linear decay (docs/facts.md 17).

    The rate would be 0 at the horizon, which lies at the last step's end or later.
    """
    warmup = settings.warmup_fraction * settings.steps
    if step < warmup:
        return settings.learning_rate * (step + 1) / (warmup + 1)
    horizon = settings.decay_horizon * settings.steps
    return settings.learning_rate * ((horizon - step) / (horizon - warmup))
