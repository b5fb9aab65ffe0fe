"""A small convolutional network in the manner of DeepBind (Alipanahi et al. 2015, Nature Biotechnology 33:831).

One layer of filters scans both strands: at every position the better of the two counts, so that a sequence and its
reverse complement have the same score. Global maximum and mean of each filter, one hidden layer, two logits.
"""

import copy
import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from genebert.errors import InputError
from genebert.genome.bases import sequence_codes

logger = logging.getLogger(__name__)
PREDICT_BATCH = 512


@dataclass(frozen=True)
class CnnSettings:
    """Settings of the network and of its training.

    Attributes
    ----------
    filters : int
    width : int
        Bases that a filter sees, an odd number; at most the longest odd number of bases in a training sequence.
    hidden : int
        Units of the hidden layer.
    dropout : float
        Before and after the hidden layer.
    learning_rate, weight_decay : float
        Of AdamW.
    batch : int
        Sequences a step.
    epochs : int
        Most epochs.
    patience : int
        Epochs without a better validation AUC before training stops.

    Raises
    ------
    InputError
        A value out of its range.
    """

    filters: int = 64
    width: int = 15
    hidden: int = 32
    dropout: float = 0.3
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    batch: int = 64
    epochs: int = 50
    patience: int = 8

    def __post_init__(self) -> None:
        for name in ("filters", "width", "hidden", "batch", "epochs", "patience"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InputError(f"cnn.{name}: found {value}, expected a whole number of at least 1")
        if self.width % 2 == 0:
            raise InputError(f"cnn.width: found {self.width}, expected an odd number (a filter has a middle base)")
        if not 0 <= self.dropout < 1:
            raise InputError(f"cnn.dropout: found {self.dropout}, expected 0 or more and less than 1")
        if not self.learning_rate > 0:
            raise InputError(f"cnn.learning_rate: found {self.learning_rate}, expected a number above 0")
        if not self.weight_decay >= 0:
            raise InputError(f"cnn.weight_decay: found {self.weight_decay}, expected 0 or more")


class Network(nn.Module):
    """Convolution over both strands, global maximum and mean, a hidden layer, two logits."""

    def __init__(self, settings: CnnSettings):
        super().__init__()
        self.settings = settings
        self.filters = nn.Parameter(torch.empty(settings.filters, 4, settings.width))
        self.bias = nn.Parameter(torch.zeros(settings.filters))
        nn.init.kaiming_uniform_(self.filters)
        self.head = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear(2 * settings.filters, settings.hidden),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, 2),
        )
        self.register_buffer("one_hot", torch.cat([torch.eye(4), torch.zeros(1, 4)]), persistent=False)

    def forward(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return float32 logits [n, 2].

        Parameters
        ----------
        codes : int64 [n, longest]
            Base codes; N is a column of zeros.
        lengths : int64 [n]
            Bases of each sequence; what lies beyond does not change its logits.
        """
        bases = self.one_hot[codes].transpose(1, 2)
        # Bases are in the order A, C, G, T: turned round, it is that of their complements.
        both = torch.cat([self.filters, self.filters.flip(1, 2)])
        strands = functional.conv1d(bases, both, padding=self.settings.width // 2).unflatten(1, (2, -1))
        found = functional.relu(strands.amax(dim=1) + self.bias[:, None])
        inside = torch.arange(found.shape[2]) < lengths[:, None]
        found = found * inside[:, None]
        return self.head(torch.cat([found.amax(dim=2), found.sum(dim=2) / lengths[:, None]], dim=1))


@dataclass(frozen=True)
class CnnModel:
    """A fitted network."""

    network: Network

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        """Return the probability of class 1 (float64 [n])."""
        codes, lengths = _tensors(table)
        self.network.eval()
        with torch.inference_mode():
            logits = torch.cat(
                [
                    self.network(codes[rows].long(), lengths[rows])
                    for rows in torch.arange(len(lengths)).split(PREDICT_BATCH)
                ]
            ).double()
            return (logits[:, 1] - logits[:, 0]).sigmoid().numpy()


def _tensors(table: pd.DataFrame) -> tuple[torch.Tensor, torch.Tensor]:
    """Return base codes uint8 [n, longest] and lengths int64 [n]."""
    codes, lengths = sequence_codes(table["sequence"].tolist())
    return torch.from_numpy(codes), torch.from_numpy(lengths)


def fit_cnn(
    tables: dict[str, pd.DataFrame], seed: int, settings: CnnSettings | None = None
) -> tuple[CnnModel, dict[str, Any]]:
    """Train the network on ``train``; ``valid`` says when to stop and which epoch's weights to keep.

    On a CPU with the same number of threads, equal arguments give equal weights, bit for bit.

    Parameters
    ----------
    tables : dict
        ``train`` and ``valid`` -> DataFrame with columns sequence, label.
    seed : int
        Of the initial weights, the order of the examples and dropout.
    settings : CnnSettings, optional

    Returns
    -------
    model : CnnModel
    settings : dict
        For the record: those of the network as trained, best_epoch and the validation AUC of each epoch.

    Raises
    ------
    InputError
        Training diverged.
    """
    from sklearn.metrics import roc_auc_score

    settings = settings or CnnSettings()
    codes, lengths = _tensors(tables["train"])
    longest = int(lengths.max())
    settings = replace(settings, width=min(settings.width, longest - (longest + 1) % 2))
    labels = torch.tensor(tables["train"]["label"].to_numpy(np.int64))
    # The caller's random state is left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(settings)
        model = CnnModel(network)
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        history: list[float] = []
        best_auc, best_epoch, best_state = -np.inf, 0, {}
        for epoch in range(1, settings.epochs + 1):
            network.train()
            for rows in torch.randperm(len(labels)).split(settings.batch):
                loss = functional.cross_entropy(network(codes[rows].long(), lengths[rows]), labels[rows])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
            scores = model.predict(tables["valid"])
            if not np.isfinite(scores).all():
                raise InputError(
                    f"cnn: training diverged in epoch {epoch} with seed {seed}; expected finite scores (a learning "
                    f"rate below {settings.learning_rate})"
                )
            auc = float(roc_auc_score(tables["valid"]["label"], scores))
            history.append(auc)
            logger.debug("cnn, epoch %d: validation AUC %.4f", epoch, auc)
            if auc > best_auc:
                best_auc, best_epoch, best_state = auc, epoch, copy.deepcopy(network.state_dict())
            elif epoch - best_epoch >= settings.patience:
                break
        network.load_state_dict(best_state)
    logger.info("cnn: best validation AUC %.4f in epoch %d of %d", best_auc, best_epoch, len(history))
    return model, {**asdict(settings), "best_epoch": best_epoch, "valid_auc": history}
