"""One step: losses, accuracies and gradient of a batch that may lie in pieces, on one process or several."""

from collections.abc import Sequence

import torch

from genebert.corpus.batches import Batch
from genebert.corpus.masks import mask_kmers
from genebert.models.devices import autocast
from genebert.models.genebert import GeneBERT
from genebert.settings.training import TrainingSettings
from genebert.training.parallel import ALONE, Ranks
from genebert.training.schedule import stream_seed


def compute(
    model: GeneBERT,
    pieces: Sequence[Batch],
    regions: torch.Tensor,
    step: int,
    rate: float,
    settings: TrainingSettings,
    seed: int,
    *,
    train: bool,
    ranks: Ranks = ALONE,
) -> dict[str, float]:
    """Return the losses and accuracies of a batch and, when training, add its gradient to the parameters.

    All randomness is a function of (seed, step) and a sample's place in the batch (masks) or of its piece's (dropout),
    so neither the number of pieces nor that of processes changes a mask.

    Parameters
    ----------
    pieces : sequence of Batch
        This process's share of the batch. With more than one piece the contrastive loss takes two passes: all
        embeddings without gradient, the loss's gradient for them, and then piece by piece (gradient caching).
    regions : int64 [batch, regions_per_sample]
        Of the whole batch: pairs of samples that show a region in common are no negatives.
    rate : float
        Share of k-mers masked.
    """
    losses, device = model.settings.losses, pieces[0].label.device
    vocabulary = model.sequence_encoder.config.vocab_size
    masked = []
    for piece in pieces:
        ids, chosen = piece.ids, torch.zeros_like(piece.ids, dtype=torch.bool)
        if losses.mgm:
            first_row = piece.first * len(ids) // len(piece.label)
            key = stream_seed(seed, step, 2)
            ids, chosen = mask_kmers(ids, model.settings.k, rate, vocabulary, key, first_row)
        masked.append((ids, chosen))
    n_masked = ranks.add(sum(chosen.sum() for _, chosen in masked))
    n_samples, n_here = len(regions), sum(len(piece.label) for piece in pieces)
    here = slice(pieces[0].first, pieces[0].first + n_here)

    def seeded(i: int):
        torch.manual_seed(stream_seed(seed, step, 3, pieces[i].first))
        return autocast(settings.precision, device)

    def match(sequence: torch.Tensor, region: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Contrast the whole batch; the rows of other processes are constants."""
        whole = []
        for mine in (sequence, region):
            rows = ranks.gather(mine)
            whole.append(torch.cat([rows[: here.start], mine, rows[here.stop :]]))
        return model.matching(*whole, regions)

    matching = accuracy = torch.zeros((), device=device)
    cached = None
    if losses.srm is not None and len(pieces) > 1:
        embedded = []
        for i in range(len(pieces)):
            with torch.no_grad(), seeded(i):
                embedded.append(model.embed(pieces[i], masked[i][0]))
        sequence, region = (torch.cat(part).requires_grad_(train) for part in zip(*embedded, strict=True))
        with torch.set_grad_enabled(train):
            matching, accuracy = match(sequence, region)
        if train:
            (losses.srm_weight * matching).backward()
            first = pieces[0].first
            cached = [
                (sequence.grad[rows], region.grad[rows])
                for rows in (slice(p.first - first, p.first - first + len(p.label)) for p in pieces)
            ]
    totals = torch.zeros(4, device=device)
    with torch.set_grad_enabled(train):
        for i in range(len(pieces)):
            with seeded(i):
                out = model(pieces[i], *masked[i])
            totals += torch.stack([out.mgm, out.mgm_correct, out.ngsp, out.ngsp_correct]).detach()
            # A batch may have no masked k-mer (short or N-only regions): no target, no loss, and no 0/0.
            loss = out.mgm / n_masked.clamp(min=1) + out.ngsp / n_samples
            if losses.srm is not None and len(pieces) == 1:
                matching, accuracy = match(out.sequence, out.region)
                loss = loss + losses.srm_weight * matching
            elif cached is not None:
                loss = loss + sum((a * b).sum() for a, b in zip((out.sequence, out.region), cached[i], strict=True))
            if train:
                loss.backward()
    if train:
        if model.log_scale is not None and model.log_scale.grad is not None:
            model.log_scale.grad /= ranks.size  # every process has computed all of it
        ranks.add_gradients(model)
    scale = torch.ones((), device=device) if model.log_scale is None else model.scale
    singles = torch.stack([value.detach().float() for value in (n_masked, matching, accuracy, scale)])
    # One transfer a step: every other way to read a number would stop a GPU once more.
    mgm, mgm_right, ngsp, ngsp_right, n, srm, srm_right, scale = torch.cat([ranks.add(totals), singles]).tolist()

    result: dict[str, float] = {"loss": 0.0}
    if losses.mgm and n:
        result |= {"mgm": mgm / n, "mgm_accuracy": mgm_right / n}
        result["loss"] += result["mgm"]
    if losses.ngsp:
        result |= {"ngsp": ngsp / n_samples, "ngsp_accuracy": ngsp_right / n_samples}
        result["loss"] += result["ngsp"]
    if losses.srm is not None:
        result |= {"srm": srm, "srm_accuracy": srm_right, "temperature": 1 / scale}
        result["loss"] += losses.srm_weight * srm
    return result
