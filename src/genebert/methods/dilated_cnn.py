"""SpliceAI's networks as methods: trained here at each of their contexts, and as published.

Both read blocks of a gene with half the context on either side, and say for each base of a block how likely it is to
be none, acceptor and donor. The network: :mod:`genebert.models.spliceai`.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from safetensors.torch import save_file

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind
from genebert.evaluation.site_labels import KIND
from genebert.files import sha256
from genebert.methods.base import Fitted, Method, Unavailable
from genebert.methods.negatives import SeenRows, seen_rows
from genebert.methods.splice_sites import block_length
from genebert.models.devices import autocast, choose_device, computed_in
from genebert.models.spliceai import (
    CLASSES,
    PUBLISHED,
    PUBLISHED_CONTEXT,
    VARIABLE,
    SpliceNet,
    find_published,
    read_published,
)
from genebert.models.weights import fill, read_tensors
from genebert.settings.methods import DilatedCnnSettings
from genebert.sources.splice_table import TEST_CHROMOSOMES
from genebert.training.fit import Course, fit

logger = logging.getLogger(__name__)
# Blocks a step on one GPU as published (docs/facts.md 38).
BATCHES = {80: 18, 400: 18, 2000: 12, 10000: 6}
# Bases scored at once, context included: 32 filters of them are 50 MB, on a GPU 400 MB.
SCORED = {"cpu": 100_000, "cuda": 800_000}


def _batch(examples: Examples, rows: np.ndarray, context: int, place: torch.device) -> torch.Tensor:
    """Return the codes of blocks and their context (uint8 [n, block + context])."""
    codes, _ = examples.codes(rows, flank=context // 2)
    return torch.from_numpy(codes).to(place)


def _steps(order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield the rows of each step."""
    for start in range(0, len(order), size):
        yield order[start : start + size]


@dataclass(frozen=True, eq=False)
class DilatedCnnModel(Fitted):
    """Networks of one context, of whose probabilities the mean is taken."""

    networks: tuple[SpliceNet, ...]
    precision: str  # float32 or bfloat16

    def score(self, examples: Examples) -> np.ndarray:
        """Return the scores of the task's kind: probabilities of none, acceptor, donor (float32 [n, block, 3]).

        float32, for there may be 10^8 bases; the probabilities of sites, which are what is ranked, keep all their
        digits near 0.
        """
        block, context = block_length(examples, self.method), self.networks[0].context
        place = next(self.networks[0].parameters()).device
        at_once = max(1, SCORED[place.type] // (block + context))
        scores = np.empty((len(examples), block, CLASSES), dtype=np.float32)
        for network in self.networks:
            network.eval()
        with torch.inference_mode():
            for rows in _steps(np.arange(len(examples)), at_once):
                codes = _batch(examples, rows, context, place)
                found = [self._probabilities(network, codes) for network in self.networks]
                scores[rows] = np.mean(found, axis=0)
        return scores

    def _probabilities(self, network: SpliceNet, codes: torch.Tensor) -> np.ndarray:
        with autocast(self.precision, codes.device):
            outputs = network(codes)
        return self.kind.scores(outputs.double()).cpu().numpy()

    def write(self, folder: Path) -> None:
        """Write ``model.safetensors``; the settings are in the record."""
        tensors = torch.nn.ModuleList(self.networks).state_dict()
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")

    @classmethod
    def read(cls, folder: Path, method: str, kind: Kind, record: dict[str, Any]) -> Self:
        """Read ``model.safetensors``; it computes in the precision that it was trained in."""
        settings, place = record["settings"], choose_device()
        networks = torch.nn.ModuleList(SpliceNet(settings["context"]) for _ in range(settings["ensemble"]))
        fill(networks, path := folder / "model.safetensors", read_tensors(path))
        return cls(
            method,
            kind,
            record,
            tuple(networks.to(place, memory_format=torch.channels_last)),
            settings["precision_used"],
        )


class DilatedCnn(Method):
    """SpliceAI's network, trained on the data set; a class for each context, which a setting may change."""

    context: ClassVar[int]
    fitted = DilatedCnnModel
    Settings = DilatedCnnSettings
    kinds = (KIND,)
    packages = ("torch", "numpy")

    def __init__(self, kind: Kind, options: dict[str, Any], files: dict[str, str | Path], card: dict[str, Any]):
        super().__init__(kind, {"context": self.context} | options, files, card)

    def fit(self, train: Examples, valid: Examples, seed: int) -> DilatedCnnModel:
        """Train on `train`; `valid` says when to stop and which epoch's weights to keep.

        The seed is of the initial weights and the order of the blocks, of every network of an ensemble in another way.
        """
        block_length(train, self.name)
        place = choose_device()
        precision = computed_in(self.settings.precision, place)
        seen, networks, courses = seen_rows(train.labels, self.settings.negatives), [], []
        for member in range(self.settings.ensemble):
            if self.settings.ensemble > 1:
                logger.info("%s: network %d of %d", self.name, member + 1, self.settings.ensemble)
            # The caller's random state is left as it was.
            with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
                network, course = self._train(train, valid, seen, (seed, member), precision)
            seen.restore(network.last.bias)
            networks.append(network)
            courses.append(course)
        settings = {**asdict(self.settings), "batch": self._blocks, "precision_used": precision, "device": place.type}
        record = self.record(settings | {"networks": courses}) | {"negatives": round(seen.kept, 6)}
        return DilatedCnnModel(self.name, self.kind, record, tuple(networks), precision)

    @property
    def _blocks(self) -> int:
        """Blocks a step."""
        return self.settings.batch or BATCHES[self.settings.context]

    def _train(
        self, train: Examples, valid: Examples, seen: SeenRows, seed: tuple[int, int], precision: str
    ) -> tuple[SpliceNet, dict[str, Any]]:
        """Return a trained network, and the history of its training."""
        settings, place = self.settings, choose_device()
        order = np.random.default_rng(seed)
        torch.manual_seed(int(order.integers(2**32)))
        network = SpliceNet(settings.context).to(place, memory_format=torch.channels_last)
        optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
        epochs = range(settings.halve_after, settings.epochs + 1)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, list(epochs), 0.5)
        labels, rates = train.labels, []

        def train_epoch(epoch: int) -> float:
            rates.append(optimiser.param_groups[0]["lr"])
            total = torch.zeros((), device=place, dtype=torch.float64)
            for rows in _steps(order.permutation(seen.draw(seed, epoch)), self._blocks):
                codes = _batch(train, rows, settings.context, place)
                with autocast(precision, place):
                    outputs = network(codes)
                loss = self.kind.loss(outputs, torch.from_numpy(labels[rows]).to(place))
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                total += loss.detach() * len(rows)
            schedule.step()
            return float(total) / len(seen)

        model = DilatedCnnModel(self.name, self.kind, {}, (network,), precision)
        remedy = f"a learning rate below {settings.learning_rate}, or precision float32"
        course = Course(settings.epochs, settings.patience, self.name, seed[0], remedy)
        history, best = fit(network, self.kind, valid, course, train_epoch, lambda: model.score(valid))
        history = [epoch | {"learning_rate": rate} for epoch, rate in zip(history, rates, strict=True)]
        return network, {"best_epoch": best, "history": history}


class DilatedCnn80(DilatedCnn):
    """``spliceai-80``."""

    name, context = "spliceai-80", 80


class DilatedCnn400(DilatedCnn):
    """``spliceai-400``."""

    name, context = "spliceai-400", 400


class DilatedCnn2k(DilatedCnn):
    """``spliceai-2k``."""

    name, context = "spliceai-2k", 2000


class DilatedCnn10k(DilatedCnn):
    """``spliceai-10k``."""

    name, context = "spliceai-10k", 10000


# ------------------------------------------------------------------------------------------------------- as published


@dataclass(frozen=True, eq=False)
class PublishedModel(DilatedCnnModel):
    """The published ensemble. Its licence lets nobody pass it on for any use: a saved one names the files only."""

    def write(self, folder: Path) -> None:
        """Write nothing: the record holds the SHA-256 of each file."""

    @classmethod
    def read(cls, folder: Path, method: str, kind: Kind, record: dict[str, Any]) -> Self:
        """Read the installed files; an InputError where they are missing or others."""
        paths = find_published()
        found = _digests(paths) if paths else "none"
        if found != record["settings"]["files"]:
            raise InputError(
                f"{folder}: found {'other files' if paths else 'no files'} of the package spliceai, expected those "
                "with the SHA-256 of its record"
            )
        return cls(method, kind, record, _published(paths), "float32")


def _digests(paths: tuple[Path, ...]) -> dict[str, str]:
    return {path.name: sha256(path) for path in paths}


def _published(paths: tuple[Path, ...]) -> tuple[SpliceNet, ...]:
    place = choose_device()
    return tuple(read_published(path).to(place, memory_format=torch.channels_last) for path in paths)


class Published(Method):
    """``spliceai-published``: the mean of the five networks of 10,000 bases that SpliceAI's authors published.

    Nothing is fitted. Genes of chromosomes other than 1, 3, 5, 7 and 9 were in their training: there the row checks
    labels and metrics, and compares nothing. Unavailable where the files are not installed.
    """

    name = "spliceai-published"
    fitted = PublishedModel
    kinds = (KIND,)
    deterministic = True
    packages = ("torch", "h5py", "numpy")

    def __init__(self, kind: Kind, options: dict[str, Any], files: dict[str, str | Path], card: dict[str, Any]):
        super().__init__(kind, options, files, card)
        self.paths = find_published()
        if self.paths is None:
            where = f"in {folder}" if (folder := os.environ.get(VARIABLE)) else "here"
            raise Unavailable(
                f"{PUBLISHED[0]} to {PUBLISHED[-1]} are not {where}: install the package spliceai 1.3.1 without its "
                f"dependencies, or name their folder in {VARIABLE} (for non-commercial use only)"
            )

    def fit(self, train: Examples, valid: Examples, seed: int) -> PublishedModel:
        """Read the networks; neither set is looked at."""
        settings = {"context": PUBLISHED_CONTEXT, "ensemble": len(self.paths), "files": _digests(self.paths)}
        record = {
            "method": {
                "kind": "published",
                "name": self.name,
                "trained_on": "chr2, 4, 6, 8, 10-22, X and Y of hg19",
                "held_out": list(TEST_CHROMOSOMES),  # tables mark tests on others
            },
            "settings": settings,
        }
        return PublishedModel(self.name, self.kind, record, _published(self.paths), "float32")
