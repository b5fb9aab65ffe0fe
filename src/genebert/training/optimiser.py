"""AdamW as pre-training and fine-tuning use it."""

import torch
from torch import nn


def make_adamw(
    model: nn.Module, learning_rate: float, betas: tuple[float, float], epsilon: float, weight_decay: float
) -> torch.optim.AdamW:
    """Return AdamW without decay on biases, normalisation weights and single numbers (all tensors of one axis)."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=tuple(betas), eps=epsilon, fused=True)
