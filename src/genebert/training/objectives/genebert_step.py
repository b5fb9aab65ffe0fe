"""GeneBERT's losses, accuracies and gradient of a batch that may lie in pieces, on one process or several."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from genebert.corpus.batches import Batch
from genebert.corpus.masks import mask_kmers
from genebert.models.devices import autocast
from genebert.models.genebert import GeneBERT
from genebert.settings.training import TrainingSettings
from genebert.training.parallel import ALONE, Ranks
from genebert.training.schedule import mask_rate, stream_seed

Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Step:
    """Eq. 4 on one batch.

    All randomness is a function of (seed, step) and a sample's place in the batch (masks) or of its piece's (dropout),
    so neither the number of pieces nor that of processes changes a mask.
    """

    model: GeneBERT
    training: TrainingSettings
    seed: int
    ranks: Ranks = ALONE

    def compute(self, pieces: Sequence[Batch], regions: torch.Tensor, step: int, *, train: bool) -> dict[str, float]:
        """Return the losses and accuracies of a batch and, when training, add this process's part of the gradient.

        Parameters
        ----------
        pieces : sequence of Batch
            This process's share of the batch. With more than one piece the contrastive loss takes two passes: all
            embeddings without gradient, the loss's gradient for them, and then piece by piece (gradient caching).
        regions : int64 [batch, regions_per_sample]
            Of the whole batch: pairs of samples that show a region in common are no negatives.
        """
        losses, device = self.model.settings.losses, regions.device
        rate = mask_rate(step, self.training) if train else self.training.mask_rate
        masked = [self._mask(piece, step, rate) for piece in pieces]
        n_masked = self.ranks.add(sum(chosen.sum() for _, chosen in masked))
        matching = accuracy = torch.zeros((), device=device)
        gradients: list[Pair] = []
        matched_at_once = losses.srm is not None and len(pieces) == 1
        if losses.srm is not None and not matched_at_once:
            matching, accuracy, gradients = self._match_in_pieces(pieces, masked, regions, step, train)
        totals = torch.zeros(4, device=device)
        with torch.set_grad_enabled(train):
            for i, piece in enumerate(pieces):
                with self._seeded(piece, step):
                    out = self.model(piece, *masked[i])
                totals += torch.stack([out.mgm, out.mgm_correct, out.ngsp, out.ngsp_correct]).detach()
                # A batch may have no masked k-mer (short or N-only regions): no target, no loss, and no 0/0.
                loss = out.mgm / n_masked.clamp(min=1) + out.ngsp / len(regions)
                if matched_at_once:
                    matching, accuracy = self._match(out.sequence, out.region, regions, piece.first)
                    loss = loss + losses.srm_weight * matching
                elif gradients:
                    parts = zip((out.sequence, out.region), gradients[i], strict=True)
                    loss = loss + sum((embedded * gradient).sum() for embedded, gradient in parts)
                if train:
                    loss.backward()
        if train and self.model.log_scale is not None and self.model.log_scale.grad is not None:
            self.model.log_scale.grad /= self.ranks.size  # every process has computed all of it
        return self._results(totals, torch.stack([n_masked.float(), matching.detach(), accuracy]), len(regions))

    def _mask(self, piece: Batch, step: int, rate: float) -> Pair:
        """Return a piece's ids with masked k-mers, and where k-mers are to be predicted."""
        ids = piece.ids
        if not self.model.settings.losses.mgm:
            return ids, torch.zeros_like(ids, dtype=torch.bool)
        vocabulary = self.model.sequence_encoder.config.vocab_size
        first_row = piece.first * len(ids) // len(piece.label)
        return mask_kmers(ids, self.model.settings.k, rate, vocabulary, stream_seed(self.seed, step, 2), first_row)

    def _seeded(self, piece: Batch, step: int) -> AbstractContextManager:
        """Set the random numbers of a piece's dropout, and return the context to compute in."""
        torch.manual_seed(stream_seed(self.seed, step, 3, piece.first))
        return autocast(self.training.precision, piece.label.device)

    def _match(self, sequence: torch.Tensor, region: torch.Tensor, regions: torch.Tensor, first: int) -> Pair:
        """Contrast the whole batch, of which this process has embedded samples from `first` on.

        The rows of other processes are constants.
        """
        whole = []
        for mine in (sequence, region):
            rows = self.ranks.gather(mine)
            whole.append(torch.cat([rows[:first], mine, rows[first + len(mine) :]]))
        return self.model.matching(*whole, regions)

    def _match_in_pieces(
        self, pieces: Sequence[Batch], masked: list[Pair], regions: torch.Tensor, step: int, train: bool
    ) -> tuple[torch.Tensor, torch.Tensor, list[Pair]]:
        """Return the contrast's loss and accuracy and, when training, its gradients for each piece's embeddings."""
        embedded = []
        for piece, (ids, _) in zip(pieces, masked, strict=True):
            with torch.no_grad(), self._seeded(piece, step):
                embedded.append(self.model.embed(piece, ids))
        sequence, region = (torch.cat(part).requires_grad_(train) for part in zip(*embedded, strict=True))
        with torch.set_grad_enabled(train):
            matching, accuracy = self._match(sequence, region, regions, pieces[0].first)
        if not train:
            return matching, accuracy, []
        (self.model.settings.losses.srm_weight * matching).backward()
        sizes = [len(piece.label) for piece in pieces]
        return matching, accuracy, list(zip(sequence.grad.split(sizes), region.grad.split(sizes), strict=True))

    def _results(self, totals: torch.Tensor, whole: torch.Tensor, n_samples: int) -> dict[str, float]:
        """Return what is logged: sums of this process's samples, and figures that are the same in all processes."""
        losses = self.model.settings.losses
        scale = totals.new_ones(()) if self.model.log_scale is None else self.model.scale.detach()
        # One transfer a step: every other way to read a number would stop a GPU once more.
        figures = torch.cat([self.ranks.add(totals), whole, scale[None]]).tolist()
        mgm, mgm_right, ngsp, ngsp_right, n_masked, srm, srm_right, scale = figures
        result: dict[str, float] = {"loss": 0.0}
        if losses.mgm and n_masked:
            result |= {"mgm": mgm / n_masked, "mgm_accuracy": mgm_right / n_masked}
            result["loss"] += result["mgm"]
        if losses.ngsp:
            result |= {"ngsp": ngsp / n_samples, "ngsp_accuracy": ngsp_right / n_samples}
            result["loss"] += result["ngsp"]
        if losses.srm is not None:
            result |= {"srm": srm, "srm_accuracy": srm_right, "temperature": 1 / scale}
            result["loss"] += losses.srm_weight * srm
        return result
