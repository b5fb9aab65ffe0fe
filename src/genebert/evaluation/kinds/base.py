"""What a kind of task has to say; everything else (reading, fitting, score files) is the same for all of them.

The card of a data set names its kind under ``kind``; docs/architecture.md says how to add one.

- A label is what the column ``label`` holds: a number for each example, or a list of equal length for each (a class
  for every base, a value for every cell type).
- A network gives `outputs` numbers for each state that :meth:`Kind.states` takes from the encoder: one state a sequence
  for a label of the sequence, one a base for a label of every base.
- A kind may read more of its examples than a split's file holds (:meth:`Kind.read`), such as the genotypes of people.
- A data set may be cross-validated: :meth:`Kind.rotations` then gives the splits of one fit after the other, and
  :meth:`Kind.joined` puts together what the fits say of their parts.

Kinds are imported by programs without torch: a method that needs it imports it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from genebert.evaluation.examples import Examples, read_examples
from genebert.genome.fasta import Genome

if TYPE_CHECKING:
    import torch


class Scored(NamedTuple):
    """Examples and what a method says of them (float64 [n, ...])."""

    examples: Examples
    scores: np.ndarray


class Kind(ABC):
    """What differs between kinds of tasks.

    Parameters
    ----------
    card : dict
        What a data set says of itself: holds the keys that are named in `reads`.
    """

    name: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ()  # keys of the card that it depends on, such as the cell types with a value
    one_strand: ClassVar[str] = ""  # why its examples are read on the strand given alone; nothing: they need not be
    outputs: int  # numbers that a network gives for each state
    output_words: str  # what they are, for the record
    selects: str  # name of the metric that selects the epoch; larger is better
    columns: dict[str, str]  # of the predictions -> their types

    def __init__(self, card: dict[str, Any]):
        # A card that makes the same kind again.
        self.about = {"kind": self.name} | {key: card[key] for key in self.reads}

    def read(
        self, paths: Mapping[str, Path], genome: Genome | None, files: Mapping[str, str | Path]
    ) -> dict[str, Examples]:
        """Return the examples of each split: here those of its file, with a `genome` for places.

        `files` are those that the method, and the task, are made from, by name.
        """
        return {name: read_examples(path, genome, name) for name, path in paths.items()}

    def rotations(self, splits: Mapping[str, Examples]) -> Iterator[Mapping[str, Examples]]:
        """Yield the splits of each fit: here there is one."""
        yield splits

    def joined(self, parts: list[Scored]) -> Scored:
        """Return what all fits say of their parts: here there is one."""
        (one,) = parts
        return one

    @abstractmethod
    def check(self, labels: np.ndarray, where: str) -> None:
        """Raise an InputError that begins with `where` if these are not labels of this kind."""

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """Return the groups [n] whose proportions a part of the training set keeps: here one for each label."""
        return labels

    @abstractmethod
    def states(self, states: "torch.Tensor", mask: "torch.Tensor | None", pooling: str, k: int) -> "torch.Tensor":
        """Return what the linear head reads, float32 [n, ..., hidden].

        Parameters
        ----------
        states : float [n, tokens, hidden]
            Last hidden states of ``[CLS] k-mers [SEP]``.
        mask : int64 [n, tokens] or None
            0 where a token is padding; None: none is.
        pooling : str
            As in :func:`genebert.models.bert.pool`.
        k : int
            Bases of a k-mer, of which there are k - 1 fewer than bases.
        """

    @abstractmethod
    def loss(self, outputs: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        """Return the mean loss of the head's outputs (float32 [n, ..., outputs]) given the labels."""

    @abstractmethod
    def scores(self, outputs: "torch.Tensor") -> "torch.Tensor":
        """Return the scores (float64 [n, ...]) that outputs (float64 [n, ..., outputs]) mean."""

    def turn(self, values: np.ndarray) -> np.ndarray:
        """Return labels or scores of sequences as those of their reverse complements: here both are the same."""
        return values

    @abstractmethod
    def select(self, examples: Examples, scores: np.ndarray) -> float:
        """Return the metric that selects the epoch."""

    @abstractmethod
    def metrics(self, tested: Scored) -> dict[str, Any]:
        """Return all metrics of a test set; ``n``, the number of examples, is among them."""

    def report(self, valid: Scored, test: Scored) -> dict[str, Any]:
        """Return the parts of a score file with metrics: at least ``metrics``, those of `test`."""
        return {"metrics": self.metrics(test), "validation": self.metrics(valid)}

    @abstractmethod
    def predictions(self, tested: Scored) -> pd.DataFrame:
        """Return the table of predictions, with `columns`, in the order of the examples."""
