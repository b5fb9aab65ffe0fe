"""GeneBERT's objective: masked k-mers, segment pairs and sequence-region matching on groups of regions."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from genebert.corpus.batches import Batch, SampleEncoder
from genebert.corpus.groups import TRAIN, VALID, Groups
from genebert.corpus.masks import mask_kmers
from genebert.corpus.order import Draw, SampleOrder
from genebert.genome.sequences import RegionSequences
from genebert.models.backbones import check_region_encoder
from genebert.models.devices import autocast
from genebert.models.flops import step_flops
from genebert.models.genebert import GeneBERT
from genebert.motifs.composition import composition
from genebert.motifs.families import family_order
from genebert.settings.models import LossSettings, ModelSettings, has_region_encoder
from genebert.settings.training import TrainingSettings
from genebert.training.job import PretrainJob
from genebert.training.objective import Objective, Share
from genebert.training.objectives.genebert_data import Data, read_data
from genebert.training.objectives.genebert_explained import Probe
from genebert.training.objectives.genebert_floors import kmer_counts, mgm_floors, ngsp_floors
from genebert.training.objectives.genebert_matching import MATCHED, Matches, Rows, known_statistics, srm_floors
from genebert.training.parallel import ALONE, Ranks

CPU = torch.device("cpu")
Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Samples(Share):
    """This process's share of a batch in pieces, and the regions of the whole batch."""

    pieces: list[Batch]
    regions: torch.Tensor  # int64 [batch, regions_per_sample]


def mask_rate(step: int, settings: TrainingSettings) -> float:
    """Return the share of k-mers to mask at a step (paper: 15 %, then 20 % for the last sixth)."""
    return settings.late_mask_rate if step >= settings.late_mask_from * settings.steps else settings.mask_rate


def stream_seed(*key: int) -> int:
    """Return a 63-bit seed that is a pure function of its key, so that streams of random numbers need no state."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


def motif_statistics(values: np.ndarray, regions: np.ndarray) -> Pair:
    """Return per-TF mean and standard deviation over the given regions, without missing values; NaN where all are."""
    mean, sd = np.empty(values.shape[1], np.float32), np.empty(values.shape[1], np.float32)
    for first in range(0, values.shape[1], 64):  # float32 copies of 64 columns at a time
        part = np.asarray(values[:, first : first + 64], dtype=np.float32)[regions]
        mean[first : first + 64], sd[first : first + 64] = known_statistics(part)
    # A TF that is the same everywhere says nothing; dividing by 1 keeps it finite.
    return torch.from_numpy(mean), torch.from_numpy(np.where(sd > 0, sd, 1).astype(np.float32))


def alike_order(data: Data, train: Groups, losses: LossSettings, statistics: Pair) -> np.ndarray | None:
    """Return the samples in an order whose neighbours make hard negatives, None for a random one."""
    if not losses.contrasts or losses.negatives == "random":
        return None
    if losses.negatives == "neighbours":
        return np.arange(len(train))  # sorted by cell type, chromosome and position
    if losses.negatives == "families":
        mean, sd = (one.numpy() for one in statistics)
        return family_order(data.motifs, train.regions, data.families, mean, sd)
    return np.argsort(composition(data.sequences)[train.regions, 0].mean(1), kind="stable")


def make_matches(sequences: RegionSequences, valid: Groups) -> Matches | None:
    """Return the validation regions that match each other; None where they are too few for decoys."""
    pool = np.unique(valid.regions).astype(np.int64)
    wanted = MATCHED + valid.regions.shape[1]  # a neighbour may be of the sample itself
    return Matches(sequences, pool, wanted) if len(pool) > wanted else None


class GeneBERTObjective(Objective):
    """The three losses of Eq. 4 (Algorithm 1).

    All randomness of a step is a function of (seed, step) and a sample's place in the batch (masks) or of its piece's
    (dropout), so neither the number of pieces nor that of processes changes a mask. Without steps this is the sequence
    encoder with its initial weights, and needs no data: a region encoder serves training alone, and is left out.
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
        if not training.steps:
            settings = replace(settings, losses=replace(settings.losses, srm=None))
        self.training, self.seed, self.ranks, self.device = training, seed, ranks, device
        self.losses, self.settings = settings.losses, settings.record()
        self.record = {"data": data.record, "regions_per_sample": data.regions_per_sample}
        matched = None if self.losses.srm is None else data.motifs
        statistics = (None, None)
        if training.steps:
            self.sequences, max_tokens = data.sequences, settings.sequence_encoder.max_tokens
            self.train, self.valid = data.groups.subset(TRAIN), data.groups.subset(VALID)
            self.epoch, self.validation = len(self.train), len(self.valid)
            if matched is not None:
                statistics = motif_statistics(matched, np.unique(self.train.regions))
            alike = alike_order(data, self.train, settings.losses, statistics)
            self.order = SampleOrder(self.train, training.batch, seed, training.strands, alike)
            n_valid = min(training.batch, len(self.valid)) // ranks.size * ranks.size
            self.valid_order = SampleOrder(self.valid, n_valid, seed) if n_valid >= 2 else None
            self.rows = self.matches = self.probe = None
            if matched is not None and self.valid_order is not None:
                self.rows = Rows(matched, self.train)
                held = self._validation_batches() * n_valid
                self.probe = Probe(self.rows, self.train, self.valid, held, data.ids, ranks.size)
                self.matches = make_matches(data.sequences, self.valid) if self.losses.contrasts else None
            self.encoder = SampleEncoder(data.sequences, matched, settings.k, max_tokens, device, settings.layout)
        self._embedded: Pair | None = None  # E_seq and E_reg of the whole batch last matched
        torch.manual_seed(stream_seed(seed, 0))
        self.model = GeneBERT(settings, *statistics, data.regions_per_sample).to(device)
        if self.model.regression is not None:
            self.model.motif_ids = data.ids
        if training.steps:
            self.model.prepare(training)

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

    def validate(self) -> dict[str, float]:
        """Return mean losses and accuracies over the first validation batches, masked the same way every time."""
        order = self.valid_order
        if order is None:
            return {}
        results = []
        for i in range(self._validation_batches()):
            share = self._samples(order, i)
            results.append(self.compute(share, i, train=False) | self._matched(share))
        found = {name: float(np.mean([r[name] for r in results if name in r])) for name in results[0]}
        return found | self._explained()

    def _validation_batches(self) -> int:
        order = self.valid_order
        return max(1, min(self.training.validation_batches, len(order.groups) // order.batch))

    @torch.no_grad()
    def _matched(self, share: Samples) -> dict[str, float]:
        """Return how surely the batch that was last matched tells rows from those of regions of equal composition."""
        if self.matches is None:
            return {}
        mine = self.ranks.share(len(share.regions))
        chosen = torch.from_numpy(self.matches.draw(share.regions[mine.start : mine.stop].cpu().numpy(), MATCHED))
        decoys = []
        for k in range(MATCHED):
            pieces = chosen[:, k].split(self.training.micro_batch or len(chosen))
            with autocast(self.training.precision, self.device):
                embedded = [self.model.encode_regions(self.encoder.motif_rows(piece)).float() for piece in pieces]
            decoys.append(self.ranks.gather(torch.cat(embedded)))
        matched, swapped = self.model.matched(*self._embedded, torch.stack(decoys, 1), share.regions)
        return {"srm_matched": float(matched), "srm_swapped": float(swapped)}

    @torch.no_grad()
    def _explained(self) -> dict[str, float]:
        """Return what of the scores of held-out regions is known from their states, by a linear map of them."""
        if self.probe is None:
            return {}
        model, probe = self.model, self.probe
        own = [] if model.regression is None else [model.predicted_scores]  # its own map, which training fits
        (fitted,) = self._read(probe.fitted, model.region_means)
        held, *predicted = self._read(probe.held, model.region_means, *own)
        figures = probe.linear(fitted, held).figures("linear")
        for scores in predicted:
            figures |= probe.predicted(scores).figures("srm")
        return figures

    def _read(self, regions: np.ndarray, *of: Callable[[torch.Tensor, Batch], torch.Tensor]) -> list[np.ndarray]:
        """Return what each of `of` makes of the unmasked states of regions of samples: float32 [n x regions, width].

        `regions` are int64 [n, regions].
        """
        mine = self.ranks.share(len(regions))
        size, found = self.training.micro_batch or self.training.batch, []
        for first in range(mine.start, mine.stop, size):
            part = regions[first : min(first + size, mine.stop)]
            none = np.zeros(len(part), np.int64)
            batch = self.encoder.encode(Draw(part, none, none))
            with autocast(self.training.precision, self.device):
                hidden = self.model.encode_sequences(batch.ids, batch.segments, batch.lengths, batch.owners)
                found.append([one(hidden, batch).float() for one in of])
        return [self.ranks.gather(torch.cat(parts)).flatten(0, 1).cpu().numpy() for parts in zip(*found, strict=True)]

    def floors(self) -> dict[str, dict[str, float]]:
        """Return what the losses that are on reach from frequencies and base composition alone."""
        floors = {}
        if self.losses.mgm:
            counts = kmer_counts(self.sequences, np.unique(self.train.regions), self.model.settings.k)
            floors["mgm"] = mgm_floors(counts)
        if self.losses.ngsp:
            reached = ngsp_floors(self.sequences, self.train, self.valid, self.seed)
            floors |= {key: {"base composition": value} for key, value in reached.items()}
        if self.matches is not None:
            n = self._validation_batches()
            floors |= srm_floors(self.sequences, self.rows, self.valid_order, self.matches, self.losses.contrast, n)
        if self.probe is not None:
            names = ("linear",) if self.model.regression is None else ("linear", "srm")
            floors |= self.probe.floors(self.sequences, names)
        return floors

    def flops(self, lengths: list[int]) -> tuple[float, float]:
        """Return the operations of a share with rows of these lengths: needed, and done."""
        training, model, samples = self.training, self.model, self.training.batch // self.ranks.size
        n_tfs = 0 if self.losses.srm is None else len(model.motif_mean)
        step = step_flops(
            model.settings, lengths, n_tfs, model.n_regions, rate=training.mask_rate,
            cached=training.micro_batch is not None and training.micro_batch < samples,
            checkpoint_activations=training.checkpoint_activations,
        )  # fmt: skip
        return step.model, step.total

    def save(self, folder: str | Path, record: dict, files: dict[str, str]) -> None:
        """Write the model's folder; see :meth:`GeneBERT.save`."""
        self.model.save(folder, record, files)

    # ---------------------------------------------------------------------------------------------------- one batch

    def compute(self, share: Samples, step: int, *, train: bool = True) -> dict[str, float]:
        """Return the losses and accuracies of a batch and, when training, add this process's part of the gradient.

        With more than one piece a contrastive loss takes two passes: all embeddings without gradient, the loss's
        gradient for them, and then piece by piece (gradient caching).
        """
        pieces, losses, device = share.pieces, self.losses, self.device
        rate = mask_rate(step, self.training) if train else self.training.mask_rate
        masked = [self._mask(piece, step, rate) for piece in pieces]
        n_masked = self.ranks.add(sum(chosen.sum() for _, chosen in masked))
        n_known = self._known_scores(pieces)
        matching = accuracy = torch.zeros((), device=device)
        gradients: list[Pair] = []
        at_once = losses.contrasts and len(pieces) == 1
        if losses.contrasts and not at_once:
            matching, accuracy, gradients = self._match_pieces(share, [ids for ids, _ in masked], step, train)
        totals = torch.zeros(5, device=device)
        with torch.set_grad_enabled(train):
            for i, piece in enumerate(pieces):
                with self._seeded(piece, step):
                    out = self.model(piece, *masked[i])
                sums = [out.mgm, out.mgm_correct, out.ngsp, out.ngsp_correct, out.regression]
                totals += torch.stack(sums).detach()
                # A batch may have no masked k-mer (short or N-only regions): no target, no loss, and no 0/0.
                loss = out.mgm / n_masked.clamp(min=1) + out.ngsp / len(share.regions)
                if at_once:
                    matching, accuracy = self._match(out.sequence, out.region, share)
                    loss = loss + losses.srm_weight * matching
                elif gradients:
                    parts = zip((out.sequence, out.region), gradients[i], strict=True)
                    loss = loss + sum((embedded * gradient).sum() for embedded, gradient in parts)
                elif n_known is not None:
                    loss = loss + losses.srm_weight * out.regression / n_known
                if train:
                    loss.backward()
        if train and self.model.log_scale is not None and self.model.log_scale.grad is not None:
            self.model.log_scale.grad /= self.ranks.size  # every process has computed all of it
        totals = self.ranks.add(totals)
        if n_known is not None:
            matching = totals[4] / n_known
        whole = torch.stack([n_masked.float(), matching.detach(), accuracy])
        return self._results(totals[:4], whole, len(share.regions))

    def _known_scores(self, pieces: list[Batch]) -> torch.Tensor | None:
        """Return how many scores of the whole batch regression is to predict, None without it; no 0 to divide by."""
        if self.model.regression is None:
            return None
        return self.ranks.add(sum(torch.isfinite(piece.motifs).sum() for piece in pieces)).clamp(min=1)

    def _mask(self, piece: Batch, step: int, rate: float) -> Pair:
        """Return a piece's ids with masked k-mers, and where k-mers are to be predicted."""
        ids = piece.ids
        if not self.losses.mgm:
            return ids, torch.zeros_like(ids, dtype=torch.bool)
        vocabulary = self.model.sequence_encoder.config.vocab_size
        first_row = piece.first * len(ids) // len(piece.label)
        return mask_kmers(ids, self.model.settings.k, rate, vocabulary, stream_seed(self.seed, step, 2), first_row)

    def _seeded(self, piece: Batch, step: int) -> AbstractContextManager:
        """Set the random numbers of a piece's dropout, and return the context to compute in."""
        torch.manual_seed(stream_seed(self.seed, step, 3, piece.first))
        return autocast(self.training.precision, self.device)

    def _match(self, sequence: torch.Tensor, region: torch.Tensor, share: Samples) -> Pair:
        """Contrast the whole batch, of which this process has embedded its share: the rows of others are constants."""
        first, whole = share.pieces[0].first, []
        for mine in (sequence, region):
            rows = self.ranks.gather(mine)
            whole.append(torch.cat([rows[:first], mine, rows[first + len(mine) :]]))
        self._embedded = tuple(rows.detach() for rows in whole)
        return self.model.matching(*whole, share.regions)

    def _match_pieces(
        self, share: Samples, ids: Sequence[torch.Tensor], step: int, train: bool
    ) -> tuple[torch.Tensor, torch.Tensor, list[Pair]]:
        """Return the contrast's loss and accuracy and, when training, its gradients for each piece's embeddings."""
        embedded = []
        for piece, masked in zip(share.pieces, ids, strict=True):
            with torch.no_grad(), self._seeded(piece, step):
                embedded.append(self.model.embed(piece, masked))
        sequence, region = (torch.cat(part).requires_grad_(train) for part in zip(*embedded, strict=True))
        with torch.set_grad_enabled(train):
            matching, accuracy = self._match(sequence, region, share)
        if not train:
            return matching, accuracy, []
        (self.losses.srm_weight * matching).backward()
        sizes = [len(piece.label) for piece in share.pieces]
        return matching, accuracy, list(zip(sequence.grad.split(sizes), region.grad.split(sizes), strict=True))

    def _results(self, totals: torch.Tensor, whole: torch.Tensor, n_samples: int) -> dict[str, float]:
        """Return what is logged, of sums over all samples and of figures of the whole batch."""
        losses = self.losses
        scale = totals.new_ones(()) if self.model.log_scale is None else self.model.scale.detach()
        # One transfer a step: every other way to read a number would stop a GPU once more.
        figures = torch.cat([totals, whole, scale[None]]).tolist()
        mgm, mgm_right, ngsp, ngsp_right, n_masked, srm, srm_right, scale = figures
        result: dict[str, float] = {"loss": 0.0}
        if losses.mgm and n_masked:
            result |= {"mgm": mgm / n_masked, "mgm_accuracy": mgm_right / n_masked}
            result["loss"] += result["mgm"]
        if losses.ngsp:
            result |= {"ngsp": ngsp / n_samples, "ngsp_accuracy": ngsp_right / n_samples}
            result["loss"] += result["ngsp"]
        if losses.srm is not None:
            result["srm"] = srm
            if losses.contrasts:
                result |= {"srm_accuracy": srm_right, "temperature": 1 / scale}
            result["loss"] += losses.srm_weight * srm
        return result


def build(job: PretrainJob, training: TrainingSettings, ranks: Ranks, device: torch.device) -> GeneBERTObjective:
    """Return the objective of a job, with the files that its losses read and no others."""
    settings = ModelSettings.from_dict(job.model)
    if has_region_encoder(job.model):
        # Only the encoder itself knows what it cannot take: told now, not after minutes of reading.
        check_region_encoder(settings.region_encoder, job.regions_per_sample)
    return GeneBERTObjective(settings, training, read_data(job, settings.losses), job.seed, ranks, device)
