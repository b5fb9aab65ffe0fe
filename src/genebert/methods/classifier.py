"""A sequence classifier on top of a BERT over k-mers: tokens, encoder, head, predictions.

The input is ``[CLS] k-mers [SEP]`` in segment 0; the classifier is dropout and one linear layer to two logits on the
pooled last hidden states, the paper's E_seq (docs/facts.md 30: the sequence encoder alone). DNABERT's own classifier
sends the state at [CLS] through BERT's pooler first; the pooler of a checkpoint without next-sentence training is
random, so it is left out here for every model alike.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from genebert.models.bert import pool
from genebert.models.devices import autocast
from genebert.models.tokens import Tokens

PREDICT_BATCH = 256


@dataclass(frozen=True)
class Features:
    """Pooled states of a whole set, float32 [n, hidden]: what a :class:`Probe` reads."""

    values: torch.Tensor

    def order(self) -> torch.Tensor:
        """Return the rows (int64 [n])."""
        return torch.arange(len(self.values), device=self.values.device)

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the features of some rows."""
        return (self.values[rows],)


class _LinearHead(nn.Module):
    """Dropout and a linear layer to two logits, in float32."""

    def __init__(self, width: int, dropout: float, sd: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, 2)
        nn.init.normal_(self.linear.weight, std=sd)
        nn.init.zeros_(self.linear.bias)

    def classify(self, state: torch.Tensor) -> torch.Tensor:
        """Return float32 logits [n, 2] of states [n, width]."""
        # bfloat16 logits have 8 significant bits: scores would tie, and the AUC would suffer.
        with torch.autocast(state.device.type, enabled=False):
            return self.linear(self.dropout(state))


class Classifier(_LinearHead):
    """Encoder and linear head; all weights are trained."""

    def __init__(self, encoder: nn.Module, dropout: float, pooling: str):
        super().__init__(encoder.config.hidden_size, dropout, encoder.config.initializer_range)
        self.encoder = encoder
        self.pooling = pooling

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return float32 logits [n, 2] of ids int64 [n, tokens]."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.classify(pool(states, mask, self.pooling))


class Probe(_LinearHead):
    """Linear head on features that are standardised with fixed means and standard deviations.

    Pooled states of a BERT have means that are many times their standard deviations: as they are, gradient descent
    would hardly move on them.

    Parameters
    ----------
    training : Features
        Their mean and standard deviation are kept as the buffers `mean` and `sd`.
    dropout : float
        Of standardised features.
    sd : float
        Of the initial weights.
    """

    def __init__(self, training: Features, dropout: float, sd: float):
        super().__init__(training.values.shape[1], dropout, sd)
        spread, mean = torch.std_mean(training.values, 0, correction=0)
        self.register_buffer("mean", mean)
        self.register_buffer("sd", torch.where(spread > 0, spread, 1.0))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return float32 logits [n, 2] of features float32 [n, width]."""
        return self.classify((values - self.mean) / self.sd)


def encode(encoder: nn.Module, tokens: Tokens, pooling: str, precision: str) -> Features:
    """Return the pooled states of a whole set; without dropout, and nothing is trained."""
    encoder.eval()
    states, order = [], tokens.order()
    with torch.no_grad(), autocast(precision, order.device):
        for rows in order.split(PREDICT_BATCH):
            ids, mask = tokens.batch(rows)
            states.append(pool(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask, pooling))
    values = torch.cat(states)
    return Features(torch.empty_like(values).index_copy_(0, order, values))


def predict(model: Classifier | Probe, inputs: Tokens | Features, precision: str = "auto") -> np.ndarray:
    """Return the probability of class 1 (float64 [n])."""
    device = next(model.parameters()).device
    model.eval()
    margins, order = [], inputs.order()
    with torch.inference_mode(), autocast(precision, device):
        for rows in order.split(PREDICT_BATCH):
            logits = model(*inputs.batch(rows)).double()
            margins.append(logits[:, 1] - logits[:, 0])
    score = torch.empty(len(order), dtype=torch.float64, device=device)
    score[order] = torch.cat(margins).sigmoid()
    return score.cpu().numpy()
