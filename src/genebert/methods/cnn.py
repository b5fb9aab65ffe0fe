"""A small convolutional network in the manner of DeepBind (Alipanahi et al. 2015, Nature Biotechnology 33:831).

One layer of filters scans both strands: at every position the better of the two counts, so that a sequence and its
reverse complement have the same score. Global maximum and mean of each filter, one hidden layer.
"""

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind
from genebert.methods.base import Fitted, Method
from genebert.models.weights import fill, read_tensors
from genebert.settings.methods import CnnSettings
from genebert.training.fit import Course, fit

PREDICT_BATCH = 512


class Network(nn.Module):
    """Convolution over both strands, global maximum and mean, a hidden layer, the outputs of the task's kind."""

    def __init__(self, settings: CnnSettings, outputs: int):
        super().__init__()
        self.filters = nn.Parameter(torch.empty(settings.filters, 4, settings.width))
        self.bias = nn.Parameter(torch.zeros(settings.filters))
        nn.init.kaiming_uniform_(self.filters)
        self.head = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear(2 * settings.filters, settings.hidden),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, outputs),
        )
        self.register_buffer("one_hot", torch.cat([torch.eye(4), torch.zeros(1, 4)]), persistent=False)

    def forward(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the outputs, float32 [n, outputs].

        Parameters
        ----------
        codes : int64 [n, longest]
            Base codes; N is a column of zeros.
        lengths : int64 [n]
            Bases of each sequence; what lies beyond does not change its outputs.
        """
        bases = self.one_hot[codes].transpose(1, 2)
        # Bases are in the order A, C, G, T: turned round, it is that of their complements.
        both = torch.cat([self.filters, self.filters.flip(1, 2)])
        strands = functional.conv1d(bases, both, padding=self.filters.shape[2] // 2).unflatten(1, (2, -1))
        found = functional.relu(strands.amax(dim=1) + self.bias[:, None])
        inside = torch.arange(found.shape[2]) < lengths[:, None]
        found = found * inside[:, None]
        return self.head(torch.cat([found.amax(dim=2), found.sum(dim=2) / lengths[:, None]], dim=1))


@dataclass(frozen=True, eq=False)
class CnnModel(Fitted):
    """A fitted network."""

    network: Network

    def score(self, examples: Examples) -> np.ndarray:
        """Return the scores of the task's kind (float64 [n])."""
        codes, lengths = map(torch.from_numpy, examples.codes())
        self.network.eval()
        with torch.inference_mode():
            batches = zip(codes.split(PREDICT_BATCH), lengths.split(PREDICT_BATCH), strict=True)
            outputs = [self.network(some.long(), n) for some, n in batches]
            return self.kind.scores(torch.cat(outputs).double()).numpy()

    def write(self, folder: Path) -> None:
        """Write ``model.safetensors``; the settings are in the record."""
        save_file(self.network.state_dict(), folder / "model.safetensors")

    @classmethod
    def read(cls, folder: Path, method: str, kind: Kind, record: dict[str, Any]) -> Self:
        """Read ``model.safetensors``."""
        settings = CnnSettings(**{one.name: record["settings"][one.name] for one in fields(CnnSettings)})
        network = Network(settings, kind.outputs)
        fill(network, path := folder / "model.safetensors", read_tensors(path))
        return cls(method, kind, record, network)


def plans(settings: CnnSettings, n: int) -> list[CnnSettings]:
    """Return the settings of a training on `n` examples, and where those are few, others with small steps.

    50 examples in batches of 64 are one step an epoch: 50 epochs are too little to learn anything.
    """
    if n > settings.few:
        return [settings]
    steps = settings.epochs * -(-n // settings.few_batch)
    times = max(1, -(-settings.few_steps // steps))
    small = replace(
        settings, batch=settings.few_batch, epochs=settings.epochs * times, patience=settings.patience * times
    )
    return [settings] if small == settings else [settings, small]


class Cnn(Method):
    """``cnn``."""

    name = "cnn"
    fitted = CnnModel
    Settings = CnnSettings
    kinds = ("two-class",)
    packages = ("torch", "numpy")

    def fit(self, train: Examples, valid: Examples, seed: int) -> CnnModel:
        """Train on `train`; `valid` says when to stop and which epoch's weights to keep.

        With few examples also in small steps, and the better of both on `valid` is kept. The seed is of the initial
        weights, the order of the examples and dropout.
        """
        longest = int(train.lengths.max())
        settings = replace(self.settings, width=min(self.settings.width, longest - (longest + 1) % 2))
        metric = f"valid_{self.kind.selects.lower()}"
        found = []
        for plan in plans(settings, len(train)):
            model, history, best = self._train(plan, train, valid, seed)
            values = [epoch[metric] for epoch in history]
            found.append((values[best - 1], model, {**asdict(plan), "best_epoch": best, metric: values}))
        _, model, chosen = max(found, key=lambda one: one[0])
        tried = [{key: one[key] for key in ("batch", "epochs", "best_epoch")} | {metric: auc} for auc, _, one in found]
        return replace(model, record=self.record(chosen | {"tried": tried}))

    def _train(
        self, settings: CnnSettings, train: Examples, valid: Examples, seed: int
    ) -> tuple[CnnModel, list[dict[str, Any]], int]:
        """Return a network with the weights of its best epoch, the history, and which epoch that is."""
        codes, lengths = map(torch.from_numpy, train.codes())
        labels = torch.tensor(train.labels)
        rate = settings.learning_rate
        course = Course(settings.epochs, settings.patience, self.name, seed, f"a learning rate below {rate}")
        # The caller's random state is left as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Network(settings, self.kind.outputs)
            optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=settings.weight_decay)

            def train_epoch(_epoch: int) -> float:
                total = 0.0
                for rows in torch.randperm(len(labels)).split(settings.batch):
                    loss = self.kind.loss(network(codes[rows].long(), lengths[rows]), labels[rows])
                    optimiser.zero_grad(set_to_none=True)
                    loss.backward()
                    optimiser.step()
                    total += float(loss.detach()) * len(rows)
                return total / len(labels)

            model = CnnModel(self.name, self.kind, {}, network)
            return model, *fit(network, self.kind, valid, course, train_epoch, lambda: model.score(valid))
