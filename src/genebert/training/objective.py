"""What the training loop asks of an objective, and the objectives by name.

The loop keeps schedule, checkpoints, signals, logs and processes, and knows nothing of data or losses. To add an
objective, write one module with a subclass of :class:`Objective` and a function ``build(job, training, ranks, device)``
that makes it of a :class:`genebert.training.job.PretrainJob`, and name the module in OBJECTIVES.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from genebert.training.parallel import Ranks

# Name -> module of code.
OBJECTIVES = {"genebert": "genebert.training.objectives.genebert"}


@dataclass(frozen=True)
class Share:
    """This process's share of a step's batch, on the device; an objective adds what its losses need."""

    lengths: torch.Tensor  # int64 [rows]: tokens of each row without padding
    shortened: int  # samples that were cropped to fit the model
    names: str  # of the samples of the whole batch, for messages


class Objective(ABC):
    """A model with its data and losses.

    Everything random is to be a pure function of the seed and the step, so that a resumed run needs no other state than
    the model's tensors and the optimiser's.
    """

    model: nn.Module  # on the device, with its initial weights
    settings: dict  # all that defines the model; with `record` it tells one run's checkpoints from another's
    record: dict  # what model.json says of the data
    epoch: int  # samples in one pass over those for training
    validation: int  # samples for validation
    ranks: Ranks
    device: torch.device

    @abstractmethod
    def draw(self, step: int) -> Share:
        """Return this process's share of the batch of a step."""

    @abstractmethod
    def compute(self, share: Share, step: int) -> dict[str, float]:
        """Return what is logged of the whole batch, with `loss`, and add this process's part of the gradient."""

    @abstractmethod
    def flops(self, lengths: list[int]) -> tuple[float, float]:
        """Return the operations that a share of these lengths needs, and those done, with recomputed ones."""

    @abstractmethod
    def save(self, folder: str | Path, record: dict, files: dict[str, str]) -> None:
        """Write the model's folder with `record` in ``model.json`` and further text files, as a whole or not at all."""

    def validate(self) -> dict[str, float]:
        """Return losses and accuracies of the samples for validation; empty without any. The model is in eval mode."""
        return {}

    def floors(self) -> dict[str, dict[str, float]]:
        """Return what is reached without learning: metric to label to value."""
        return {}
