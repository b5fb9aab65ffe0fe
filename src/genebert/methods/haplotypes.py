"""Fine-tuning of a BERT over k-mers on people: both haplotypes of every window, pooled to one state a person.

As :mod:`genebert.methods.finetune`, but for what an example is. Windows of the regions are cut into pieces that the
encoder can read; each different sequence of a piece is read once, however many haplotypes have it: most people share
most of them. A person's state is, for every piece, the mean of both haplotypes' states, and of these means the largest
over all pieces, unit by unit.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, ClassVar, Self
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind
from genebert.evaluation.kinds.person import PersonStatus
from genebert.evaluation.people import Cohort, People
from genebert.files import read_json, write_json
from genebert.genome.bases import N_CODE
from genebert.methods.classifier import Classifier, Features, encode, predict
from genebert.methods.finetune import Encoder, Finetune, FinetunedModel, Training, order_of, precision_of
from genebert.models.tokens import Tokens, tokenise
from genebert.settings.fitting import FinetuneSettings

logger = logging.getLogger(__name__)
# Sequences through the encoder at a time: their inner states are made again for the gradient, so that memory does not
# grow with the pieces of a person.
TOGETHER = 64
ATTEMPTS = 20  # shorter pieces that are tried where insertions make some too long
PIECES = "pieces.json"
Pieces = tuple[tuple[str, int, int], ...]  # chrom, start, end


@dataclass(frozen=True, eq=False)
class _Sequences:
    """Different sequences (base codes) as what tokens are made of."""

    name: str
    all: list[np.ndarray]

    @cached_property
    def lengths(self) -> np.ndarray:
        return np.array(list(map(len, self.all)), dtype=np.int64)

    def codes(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        lengths = self.lengths[rows]
        codes = np.full((len(lengths), int(lengths.max())), N_CODE, dtype=np.uint8)
        for row, sequence in zip(codes, self.all[rows], strict=True):
            row[: len(sequence)] = sequence
        return codes, lengths


@dataclass(frozen=True)
class PeopleTokens:
    """What a network reads of people: the tokens of all different sequences, and who has which."""

    tokens: Tokens
    index: torch.Tensor  # int64 [n, pieces, 2], rows of `tokens`
    pieces: ClassVar[int] = 1  # as of tokens

    def to(self, device: torch.device) -> "PeopleTokens":
        """Return the same on another device."""
        return PeopleTokens(self.tokens.to(device), self.index.to(device))

    def order(self) -> torch.Tensor:
        """Return the people (int64 [n])."""
        return torch.arange(len(self.index), device=self.index.device)

    def of(self, rows: np.ndarray) -> "PeopleTokens":
        """Return those of some people."""
        return replace(self, index=self.index[torch.from_numpy(rows).to(self.index.device)])

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """Return ids and mask of the different sequences of some people, and which each has [rows, pieces, 2]."""
        used, index = torch.unique(self.index[rows], return_inverse=True)
        return *self.tokens.batch(used), index


def pooled(states: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return a state a person (float32 [n, hidden]) of those of sequences [some, hidden] by index [n, pieces, 2]."""
    return states[index].mean(dim=2).amax(dim=1)


class PeopleClassifier(Classifier):
    """A BERT and a linear head on people; all weights are trained."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None, index: torch.Tensor) -> torch.Tensor:
        """Return outputs (float32 [n, outputs]) of ids int64 [sequences, tokens] and index int64 [n, pieces, 2]."""
        masks = [None] * len(ids) if mask is None else mask.split(TOGETHER)
        parts = zip(ids.split(TOGETHER), masks, strict=False)
        training = torch.is_grad_enabled()
        states = [
            checkpoint(self._states, *part, use_reentrant=False) if training else self._states(*part) for part in parts
        ]
        return self.classify(pooled(torch.cat(states), index))

    def _states(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self.reading(self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask).float()


def cut(regions: pd.DataFrame, size: int) -> Pieces:
    """Return pieces of regions (chrom, start, end), none longer than `size`, those of one region about equally long."""
    pieces = []
    for chrom, start, end in regions[["chrom", "start", "end"]].itertuples(index=False):
        borders = np.linspace(start, end, -(-(end - start) // size) + 1).astype(int).tolist()
        pieces += [(chrom, *piece) for piece in pairwise(borders)]
    return tuple(pieces)


class HaplotypeEncoder(Encoder):
    """A model folder, and what networks read of people through it, made once for each cohort."""

    def __init__(self, folder: str | Path, kind: Kind):
        super().__init__(folder, kind)
        self._of_cohort: WeakKeyDictionary[Cohort, dict[Any, Any]] = WeakKeyDictionary()

    def _once(self, cohort: Cohort, key: Any, make: Callable[[], Any]) -> Any:
        made = self._of_cohort.setdefault(cohort, {})
        if key not in made:
            made[key] = make()
        return made[key]

    def pieces(self, cohort: Cohort) -> Pieces:
        """Return pieces of a cohort's regions of which the model can read every haplotype.

        Raises
        ------
        InputError
            Insertions make pieces of any length longer than the model.
        """
        return self._once(cohort, "pieces", lambda: self._cut(cohort))

    def _cut(self, cohort: Cohort) -> Pieces:
        size = longest = self.positions + self.k - 3  # bases
        for _ in range(ATTEMPTS):
            pieces = cut(cohort.regions, size)
            excess = max(max(map(len, cohort.haplotypes(*piece).sequences)) for piece in pieces) - longest
            if excess <= 0:
                return pieces
            size -= excess
            if size < self.k:
                break
        raise InputError(
            f"{self.folder}: reads {longest} bases at a time, and insertions make pieces of the regions longer; "
            "expected a longer model (sequence_encoder.max_tokens), or regions without such insertions"
        )

    def everyone(self, cohort: Cohort, pieces: Pieces) -> PeopleTokens:
        """Return the tokens of a cohort's haplotypes of some pieces."""
        return self._once(cohort, pieces, lambda: self._tokenised(cohort, pieces))

    def _tokenised(self, cohort: Cohort, pieces: Pieces) -> PeopleTokens:
        found = [cohort.haplotypes(*piece) for piece in pieces]
        sequences = _Sequences("haplotypes", list(chain.from_iterable(one.sequences for one in found)))
        first = np.cumsum([0, *(len(one.sequences) for one in found)])
        index = [start + one.index.astype(np.int64) for start, one in zip(first, found, strict=False)]
        logger.info("%d pieces with %d different sequences", len(found), first[-1])
        tokens = tokenise(sequences, self.k, self.positions)
        return PeopleTokens(tokens, torch.from_numpy(np.stack(index, axis=1))).to(self.place)

    def tokens(self, examples: People, strands: str = "given") -> PeopleTokens:
        """Return those of all pieces."""
        return self.everyone(examples.cohort, self.pieces(examples.cohort)).of(examples.rows)

    def read(self, examples: People, settings: FinetuneSettings, pieces: Pieces) -> PeopleTokens | Features:
        """Return what a network of these settings reads of some pieces."""
        cohort, known = examples.cohort, self.pieces(examples.cohort)
        # Other pieces than the cohort's own are those of a classifier that was fitted elsewhere.
        made = known if set(pieces) <= set(known) else pieces
        number = {piece: i for i, piece in enumerate(made)}
        columns = torch.tensor([number[piece] for piece in pieces], device=self.place)
        people = self.everyone(cohort, made).of(examples.rows)
        people = replace(people, index=people.index[:, columns])
        if not settings.frozen:
            return people
        states = self._states(cohort, made, settings)
        # A state for every haplotype and piece of all people together would be gigabytes.
        return Features(torch.cat([pooled(states, part) for part in people.index.split(TOGETHER)]))

    def _states(self, cohort: Cohort, pieces: Pieces, settings: FinetuneSettings) -> torch.Tensor:
        """Return the states of a cohort's different sequences (float32 [sequences, hidden]), each read once."""
        precision = precision_of(settings, self.place)
        tokens = self.everyone(cohort, pieces).tokens

        def states() -> torch.Tensor:
            return encode(self.frozen, tokens, self.reading(settings)[0], precision).values

        return self._once(cohort, (pieces, settings.pooling, precision), states)

    def differing(self, train: People) -> Pieces:
        """Return the pieces that some people differ in; all where nobody differs from anybody.

        The others say the same of everybody, and their states would hide those of the rest in the largest of all.
        """
        index, pieces = self.tokens(train).index, self.pieces(train.cohort)
        differ = (index != index[:1, :, :1]).any(dim=2).any(dim=0).tolist()
        return tuple(piece for piece, kept in zip(pieces, differ, strict=True) if kept) or pieces

    def classifier(self, encoder: nn.Module, settings: FinetuneSettings) -> PeopleClassifier:
        """Return a BERT with a new head."""
        reading, width = self.reading(settings)
        return PeopleClassifier(encoder, reading, self.kind.outputs, settings.dropout, width).to(self.place)


@dataclass(frozen=True, eq=False)
class HaplotypeModel(FinetunedModel):
    """A trained network over people, and the pieces of the genome that it reads."""

    pieces: Pieces = ()
    Encoder: ClassVar = HaplotypeEncoder

    def score(self, examples: People) -> np.ndarray:
        """Return the probability of being a case (float64 [n])."""
        inputs = self.encoder.read(examples, self.settings, self.pieces)
        return predict(self.network, inputs, self.kind, precision_of(self.settings, self.encoder.place))

    def write(self, folder: Path) -> None:
        """Write what every fine-tuned model writes, and ``pieces.json``."""
        super().write(folder)
        write_json(folder / PIECES, self.pieces)

    @classmethod
    def read(cls, folder: Path, *about: Any) -> Self:
        """Read what :meth:`write` wrote."""
        return replace(super().read(folder, *about), pieces=tuple(map(tuple, read_json(folder / PIECES))))


@dataclass(frozen=True)
class PeopleTraining(Training):
    """What the epochs of a training see, and the pieces."""

    pieces: Pieces


class Haplotypes(Finetune):
    """``haplotypes``: fine-tuning of the BERT in the folder ``model`` on people; see :class:`Finetune`."""

    name = "haplotypes"
    fitted = HaplotypeModel
    kinds = (PersonStatus.name,)

    def training(self, train: People, settings: FinetuneSettings, seed: int) -> PeopleTraining:
        """Return what epochs see: all people, in an order of their own."""
        place, pieces = self.encoder.place, self.encoder.differing(train)
        inputs, target = self.encoder.read(train, settings, pieces), torch.from_numpy(train.labels).to(place)

        def epoch(number: int) -> tuple[PeopleTokens | Features, torch.Tensor, torch.Tensor]:
            return inputs, target, torch.from_numpy(order_of(len(target), seed, number)).to(place)

        return PeopleTraining(len(target), epoch, pieces)

    def model(self, network: nn.Module, settings: FinetuneSettings, training: PeopleTraining) -> HaplotypeModel:
        """Return a network with what it is read through."""
        return replace(super().model(network, settings, training), pieces=training.pieces)

    def _train(
        self, model: HaplotypeModel, training: PeopleTraining, valid: Examples, seed: int, *, begun: bool = False
    ) -> dict[str, Any]:
        return super()._train(model, training, valid, seed, begun=begun) | {"pieces": len(training.pieces)}

    def about(self, used: FinetuneSettings) -> dict[str, Any]:
        """Return method and settings for the record."""
        record = super().about(used)
        record["method"]["classifier"] += "; mean of a person's haplotypes, largest over the pieces of the regions"
        return record
