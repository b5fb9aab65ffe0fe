"""A sequence classifier on top of a BERT over k-mers: tokens, encoder, head, predictions.

The input is ``[CLS] k-mers [SEP]`` in segment 0; the classifier is dropout and one linear layer on the states that the
kind of the task takes from the last hidden ones of the paper's E_seq (docs/facts.md 30: the sequence encoder alone).
DNABERT's own classifier sends the state at [CLS] through BERT's pooler first; the pooler of a checkpoint without
next-sentence training is random, so it is left out here for every model alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from genebert.evaluation.kinds.base import Kind
from genebert.models.devices import autocast
from genebert.models.tokens import Tokens

PREDICT_BATCH = 256
# (Last hidden states, mask) -> what a head reads: `Kind.states` with pooling and k.
Reading = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]


@dataclass(frozen=True)
class Features:
    """States of a whole set, float32 [n, ..., hidden]: what a :class:`Probe` reads."""

    values: torch.Tensor
    pieces: ClassVar[int] = 1  # as of tokens

    def order(self) -> torch.Tensor:
        """Return the rows (int64 [n])."""
        return torch.arange(len(self.values), device=self.values.device)

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the features of some rows."""
        return (self.values[rows],)


class _LinearHead(nn.Module):
    """Dropout and a linear layer to the outputs of a kind, in float32."""

    def __init__(self, width: int, outputs: int, dropout: float, sd: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, outputs)
        nn.init.normal_(self.linear.weight, std=sd)
        nn.init.zeros_(self.linear.bias)

    def classify(self, state: torch.Tensor) -> torch.Tensor:
        """Return outputs (float32 [n, ..., outputs]) of states [n, ..., width]."""
        # bfloat16 logits have 8 significant bits: scores would tie, and the AUC would suffer.
        with torch.autocast(state.device.type, enabled=False):
            return self.linear(self.dropout(state))


def _read(encoder: nn.Module, reading: Reading, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return reading(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask)


class Classifier(_LinearHead):
    """A BERT and a linear head on the `width` values that `reading` makes of its states; all weights are trained."""

    def __init__(self, encoder: nn.Module, reading: Reading, outputs: int, dropout: float, width: int):
        super().__init__(width, outputs, dropout, encoder.config.initializer_range)
        self.encoder = encoder
        self.reading = reading

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return outputs (float32 [n, ..., outputs]) of ids int64 [n, tokens]."""
        return self.classify(_read(self.encoder, self.reading, ids, mask))


def distance_from_top(name: str, layers: int) -> int:
    """Return how many layers lie above a tensor of a :class:`Classifier`: 0 of its head, `layers` + 1 of embeddings.

    A reading with weights of its own is part of the head.
    """
    if not name.startswith("encoder."):
        return 0
    _, part, *rest = name.split(".")
    return layers - int(rest[1]) if part == "encoder" else layers + 1


class Probe(_LinearHead):
    """Linear head on features that are standardised with fixed means and standard deviations.

    Pooled states of a BERT have means that are many times their standard deviations: as they are, gradient descent
    would hardly move on them. The means and deviations are those of `training`; `dropout` is of standardised features,
    `sd` of the initial weights.
    """

    def __init__(self, training: Features, outputs: int, dropout: float, sd: float):
        values = training.values.flatten(0, -2)
        super().__init__(values.shape[1], outputs, dropout, sd)
        spread, mean = torch.std_mean(values, 0, correction=0)
        self.register_buffer("mean", mean)
        self.register_buffer("sd", torch.where(spread > 0, spread, 1.0))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return outputs (float32 [n, ..., outputs]) of features float32 [n, ..., width]."""
        return self.classify((values - self.mean) / self.sd)

    @torch.no_grad()
    def put_into(self, head: nn.Linear) -> None:
        """Make a linear layer on the features as they are one that gives the same."""
        head.weight.copy_(self.linear.weight / self.sd)
        head.bias.copy_(self.linear.bias - head.weight @ self.mean)


@torch.no_grad()
def _in_batches(read: Callable[..., torch.Tensor], inputs: Tokens | Features, precision: str) -> torch.Tensor:
    """Return what `read` makes of all inputs, in their order; nothing is trained."""
    order, pieces = inputs.order(), inputs.pieces
    with autocast(precision, order.device):
        found = torch.cat([read(*inputs.batch(rows)) for rows in order.split(max(1, PREDICT_BATCH // pieces))])
    return torch.empty_like(found).index_copy_(0, order, found)


def encode(encoder: nn.Module, tokens: Tokens, reading: Reading, precision: str) -> Features:
    """Return the states of a whole set, without dropout."""
    encoder.eval()
    return Features(_in_batches(partial(_read, encoder, reading), tokens, precision))


def predict(model: Classifier | Probe, inputs: Tokens | Features, kind: Kind, precision: str = "auto") -> np.ndarray:
    """Return the scores of the task's kind (float64 [n, ...]), without dropout."""
    model.eval()
    return kind.scores(_in_batches(model, inputs, precision).double()).cpu().numpy()
