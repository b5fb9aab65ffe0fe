"""Fine-tuning of a BERT over k-mers to say of every base what class it has, in windows over blocks of genes.

As :mod:`genebert.methods.finetune`, but for what an example is: a window (:mod:`genebert.methods.windows`), whose core
is labelled. Tokens of an epoch are made when it begins, and those of blocks as they are scored: the windows of a genome
overlap, and all of them would be many times its size.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind
from genebert.evaluation.site_labels import KIND
from genebert.methods.classifier import Features, Reading, encode, predict
from genebert.methods.finetune import Encoder, Finetune, FinetunedModel, Training, order_of, precision_of
from genebert.methods.layouts import Layout, make_layout
from genebert.methods.negatives import SeenRows, seen_rows
from genebert.methods.splice_sites import block_length
from genebert.methods.windows import Windows, core_states
from genebert.models.tokens import Tokens
from genebert.settings.fitting import TaggerSettings

# Of a layout, in the record.
PARTS = ("core", "piece")
# Bases, margins included, that are scored at a time.
SCORED = 1 << 22


class WindowEncoder(Encoder):
    """A model folder, and what networks read of windows through it."""

    def layout(self, settings: TaggerSettings) -> Layout:
        """Return how long windows are."""
        return make_layout(settings.context, self.positions, self.k)

    def reading(self, settings: TaggerSettings) -> tuple[Reading, int]:
        """Return how heads take the states of cores; with pieces, twice as wide."""
        layout, hidden = self.layout(settings), self.config["hidden_size"]
        return partial(core_states, kind=self.kind, k=self.k, layout=layout), hidden * (1 + (layout.pieces > 1))

    def read(self, windows: Windows, rows: np.ndarray, settings: TaggerSettings) -> Tokens | Features:
        """Return what a network of these settings reads of some windows."""
        tokens = windows.tokens(rows, self.k).to(self.place)
        if not settings.frozen:
            return tokens
        return encode(self.frozen, tokens, self.reading(settings)[0], precision_of(settings, self.place))


@dataclass(frozen=True, eq=False)
class TaggerModel(FinetunedModel):
    """A trained network over windows."""

    Encoder: ClassVar = WindowEncoder
    Settings: ClassVar = TaggerSettings

    def score(self, examples: Examples) -> np.ndarray:
        """Return the scores of the task's kind: probabilities of none, acceptor, donor (float32 [n, block, 3])."""
        block, layout = block_length(examples, self.method), self.encoder.layout(self.settings)
        precision = precision_of(self.settings, self.encoder.place)
        scores = np.empty((len(examples), block, self.kind.outputs), dtype=np.float32)
        windows = Windows(examples, block, layout)
        step = max(1, SCORED // (windows.per_block * layout.bases))
        for start in range(0, len(examples), step):
            here = scores[start : start + step]
            rows = start * windows.per_block + np.arange(len(here) * windows.per_block)
            inputs = self.encoder.read(windows, rows, self.settings)
            here[:] = windows.joined(predict(self.network, inputs, self.kind, precision))
        return scores


@dataclass(frozen=True)
class WindowTraining(Training):
    """What the epochs of a training see, and which windows those are."""

    seen: SeenRows


class Tagger(Finetune):
    """``tag``: fine-tuning of the BERT in the folder ``model`` on classes of bases; see :class:`Finetune`."""

    name = "tag"
    fitted = TaggerModel
    Settings = TaggerSettings
    kinds = (KIND,)

    def __init__(self, kind: Kind, options: dict[str, Any], files: dict[str, str | Path], card: dict[str, Any]):
        super().__init__(kind, options, files, card)
        for _, one in self.settings.combinations():
            self.encoder.layout(one)

    def prepare(self, examples: Examples) -> None:
        """Refuse blocks of several lengths."""
        block_length(examples, self.name)

    def training(self, train: Examples, settings: TaggerSettings, seed: int) -> WindowTraining:
        """Return what epochs see: all windows with a site, and a share of the others that each draws anew."""
        windows = Windows(train, block_length(train, self.name), self.encoder.layout(settings))
        place = self.encoder.place
        seen = seen_rows(windows.labels, settings.negatives)

        def epoch(number: int) -> tuple[Tokens | Features, torch.Tensor, torch.Tensor]:
            rows = seen.draw((seed,), number)
            inputs = self.encoder.read(windows, rows, settings)
            target, order = torch.from_numpy(windows.labels[rows]), torch.from_numpy(order_of(len(seen), seed, number))
            return inputs, target.to(place), order.to(place)

        return WindowTraining(len(seen), epoch, seen)

    def _train(
        self, model: TaggerModel, training: WindowTraining, valid: Examples, seed: int, *, begun: bool = False
    ) -> dict[str, Any]:
        """Train a model; afterwards its probabilities are those among all bases."""
        trained = super()._train(model, training, valid, seed, begun=begun)
        training.seen.restore(model.network.linear.bias)
        return trained | {"negatives": round(training.seen.kept, 6)}

    def about(self, used: TaggerSettings) -> dict[str, Any]:
        """Return method and settings for the record."""
        layout, record = self.encoder.layout(used), super().about(used)
        seen = "the mean of the last hidden states of the k-mers that cover a base"
        if layout.pieces > 1:
            seen += ", and the mean of these over its context"
        record["method"]["classifier"] = f"linear, {self.kind.output_words}, on {seen}" + ", standardised" * used.frozen
        del record["settings"]["pooling"]  # each base has a state of its own
        record["settings"] |= {"window_bp": layout.bases, **{f"{name}_bp": getattr(layout, name) for name in PARTS}}
        return record
