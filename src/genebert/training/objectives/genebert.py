"""GeneBERT's objective: masked k-mers, segment pairs and sequence-region matching on groups of regions."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from genebert.corpus.batches import Batch, SampleEncoder
from genebert.corpus.groups import TRAIN, VALID, Groups
from genebert.corpus.order import SampleOrder
from genebert.errors import InputError
from genebert.files import sha256
from genebert.genome.sequences import RegionSequences
from genebert.models.flops import step_flops
from genebert.models.genebert import GeneBERT
from genebert.motifs.matrix import load_motif_matrix
from genebert.settings.models import ModelSettings, reads
from genebert.settings.training import TrainingSettings
from genebert.training.job import PretrainJob
from genebert.training.objective import Objective, Share
from genebert.training.objectives.genebert_floors import kmer_counts, mgm_floors, ngsp_floors
from genebert.training.objectives.genebert_step import Step
from genebert.training.parallel import ALONE, Ranks
from genebert.training.schedule import stream_seed

CPU = torch.device("cpu")
# What names the parts of a run in a model's record.
FILES = {"sequences": "regions.npy", "motifs": "matrix.npy", "corpus": "groups.npz"}


class Data(NamedTuple):
    """What the losses read; None where none of them does.

    Attributes
    ----------
    sequences : RegionSequences or None
        As shown to the model.
    motifs : array [n_regions, n_tfs] or None
        Needed when SRM is on.
    groups : Groups or None
    regions_per_sample : int
    record : dict
        What names the data: file to hash.
    """

    sequences: RegionSequences | None
    motifs: np.ndarray | None
    groups: Groups | None
    regions_per_sample: int
    record: dict


@dataclass(frozen=True)
class Samples(Share):
    """This process's share of a batch.

    Attributes
    ----------
    pieces : list of Batch
    regions : int64 [batch, regions_per_sample]
        Of the whole batch.
    """

    pieces: list[Batch]
    regions: torch.Tensor


def motif_statistics(values: np.ndarray, regions: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return per-TF mean and standard deviation over the given regions, without missing values."""
    mean, sd = np.empty(values.shape[1], np.float32), np.empty(values.shape[1], np.float32)
    for first in range(0, values.shape[1], 64):  # float32 copies of 64 columns at a time
        part = np.asarray(values[:, first : first + 64], dtype=np.float32)[regions]
        mean[first : first + 64], sd[first : first + 64] = np.nanmean(part, 0), np.nanstd(part, 0)
    # A TF that is the same everywhere says nothing; dividing by 1 keeps it finite.
    return torch.from_numpy(np.nan_to_num(mean)), torch.from_numpy(np.where(sd > 0, sd, 1).astype(np.float32))


class GeneBERTObjective(Objective):
    """The three losses of Eq. 4 (Algorithm 1).

    Without steps it is the sequence encoder with its initial weights, and needs no data: a region encoder serves
    training alone, and is left out.

    Parameters
    ----------
    settings : ModelSettings
    training : TrainingSettings
    data : Data
    seed : int
        Of initial weights, order, masks and dropout.
    ranks : Ranks
    device : torch.device

    Raises
    ------
    InputError
        There are steps and no loss.
    """

    def __init__(
        self,
        settings: ModelSettings,
        training: TrainingSettings,
        data: Data,
        seed: int,
        ranks: Ranks = ALONE,
        device: torch.device = CPU,
    ):
        if training.steps and not settings.losses.any:
            raise InputError(f"training.steps: found {training.steps}, but no loss is on; expected 0, or a loss")
        if not training.steps:
            settings = replace(settings, losses=replace(settings.losses, srm=None))
        self.training, self.data, self.seed, self.ranks, self.device = training, data, seed, ranks, device
        self.settings = asdict(settings)
        self.record = {"data": data.record, "regions_per_sample": data.regions_per_sample}
        torch.manual_seed(stream_seed(seed, 0))
        statistics = (None, None)
        if settings.losses.srm is not None:
            statistics = motif_statistics(data.motifs, np.unique(data.groups.subset(TRAIN).regions))
        self.model = GeneBERT(settings, *statistics, data.regions_per_sample).to(device)
        self.step = Step(self.model, training, seed, ranks)
        if training.steps:
            self._prepare(settings, None if settings.losses.srm is None else data.motifs)

    def _prepare(self, settings: ModelSettings, motifs: np.ndarray | None) -> None:
        """Set up what only training needs."""
        training, sequences = self.training, self.data.sequences
        self.train, self.valid = self.data.groups.subset(TRAIN), self.data.groups.subset(VALID)
        self.epoch, self.validation = len(self.train), len(self.valid)
        self.order = SampleOrder(self.train, training.batch, self.seed, training.strands)
        n_valid = min(training.batch, len(self.valid)) // self.ranks.size * self.ranks.size
        self.valid_order = SampleOrder(self.valid, n_valid, self.seed) if n_valid >= 2 else None
        max_tokens = settings.sequence_encoder.max_tokens
        self.encoder = SampleEncoder(sequences, motifs, settings.k, max_tokens, self.device, settings.layout)
        self.model.prepare(compile_encoders=training.compile, checkpoint_activations=training.checkpoint_activations)

    def draw(self, step: int) -> Samples:
        """Return this process's share of a step's batch, in pieces of `micro_batch` samples."""
        return self._samples(self.order, step)

    def _samples(self, order: SampleOrder, step: int) -> Samples:
        draw = order.draw(step)
        mine = self.ranks.share(len(draw.label))
        size = self.training.micro_batch or len(mine)
        pieces = [
            self.encoder.encode(draw.rows(start, min(start + size, mine.stop)), start)
            for start in range(mine.start, mine.stop, size)
        ]
        return Samples(
            torch.cat([piece.lengths for piece in pieces]),
            sum(piece.shortened for piece in pieces),
            f"groups {draw.group.tolist()}",
            pieces,
            torch.from_numpy(draw.regions).to(self.device),
        )

    def compute(self, share: Samples, step: int) -> dict[str, float]:
        """Return losses and accuracies of a step's batch, and add its gradient."""
        return self.step.compute(share.pieces, share.regions, step, train=True)

    def validate(self) -> dict[str, float]:
        """Return mean losses and accuracies over the first validation batches, masked the same way every time."""
        order, results = self.valid_order, []
        if order is None:
            return {}
        for i in range(max(1, min(self.training.validation_batches, len(order.groups) // order.batch))):
            share = self._samples(order, i)
            results.append(self.step.compute(share.pieces, share.regions, i, train=False))
        return {name: float(np.mean([r[name] for r in results if name in r])) for name in results[0]}

    def floors(self) -> dict[str, dict[str, float]]:
        """Return what the losses that are on reach from frequencies and base composition alone."""
        losses, sequences, floors = self.model.settings.losses, self.data.sequences, {}
        if losses.mgm:
            counts = kmer_counts(sequences, np.unique(self.train.regions), self.model.settings.k)
            floors["mgm"] = mgm_floors(counts)
        if losses.ngsp:
            reached = ngsp_floors(sequences, self.train, self.valid, self.seed)
            floors |= {key: {"base composition": value} for key, value in reached.items()}
        return floors

    def flops(self, lengths: list[int]) -> tuple[float, float]:
        """Return the operations of a share with rows of these lengths: needed, and done."""
        training, model, samples = self.training, self.model, self.training.batch // self.ranks.size
        n_tfs = 0 if model.region_encoder is None else len(model.motif_mean)
        step = step_flops(
            model.settings, lengths, n_tfs, model.n_regions, rate=training.mask_rate,
            cached=training.micro_batch is not None and training.micro_batch < samples,
            checkpoint_activations=training.checkpoint_activations,
        )  # fmt: skip
        return step.model, step.total

    def save(self, folder: str | Path, record: dict, files: dict[str, str]) -> None:
        """Write the model's folder; see :meth:`GeneBERT.save`."""
        self.model.save(folder, record, files)


def build(job: PretrainJob, training: TrainingSettings, ranks: Ranks, device: torch.device) -> GeneBERTObjective:
    """Return the objective of a job, with the files that its losses read and no others."""
    folders = {part: Path(job.data[part]) for part in reads(job.model)}
    files = [*(folder / FILES[part] for part, folder in folders.items()), *job.weights]
    record = {"region_bp": job.region_bp} if "sequences" in folders else {}
    data = Data(
        RegionSequences.load(folders["sequences"]).crop(job.region_bp) if "sequences" in folders else None,
        load_motif_matrix(folders["motifs"]) if "motifs" in folders else None,
        Groups.load(folders["corpus"]) if "corpus" in folders else None,
        job.regions_per_sample,
        record | {str(path): sha256(path) for path in files},
    )
    return GeneBERTObjective(ModelSettings.from_dict(job.model), training, data, job.seed, ranks, device)
