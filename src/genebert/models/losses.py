"""The three pre-training losses (paper Eq. 1-3), as functions of tensors."""

import torch
import torch.nn.functional as F


def shared_regions(regions: torch.Tensor) -> torch.Tensor:
    """Return bool [batch, batch]: which different samples show at least one region in common.

    Such a pair is no clean negative: cell types share regions, so parts of one sample's matrix do belong to the other's
    sequence.
    """
    order = regions.flatten().unique(return_inverse=True)[1].view_as(regions)
    shows = torch.zeros(len(regions), int(order.max()) + 1, device=regions.device)
    shows.scatter_(1, order, 1.0)
    common = shows @ shows.T > 0
    common.fill_diagonal_(False)
    return common


def sequence_region_matching(
    sequence: torch.Tensor,
    region: torch.Tensor,
    form: str,
    scale: torch.Tensor | None = None,
    excluded: torch.Tensor | None = None,
    centre: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Contrast true sequence-matrix pairs with all others of the batch (Eq. 3; docs/facts.md 25).

    Parameters
    ----------
    sequence, region : float32 [batch, width]
        E_seq and E_reg.
    form : {"infonce", "paper_exp", "paper_literal"}
        ``infonce``: cross-entropy in both directions over cosine similarities times `scale`.
        ``paper_exp``: ``-log(sum_i exp(s_ii) / sum_ij exp(s_ij))`` over inner products.
        ``paper_literal``: the same with softplus for exp, which keeps Eq. 3's ratio of plain sums defined.
    scale : scalar tensor
        Inverse temperature; ``infonce`` only.
    excluded : bool [batch, batch]
        Pairs left out of the negatives (see :func:`shared_regions`); the diagonal must be False.
    centre : bool
        Take the batch's mean from all embeddings before they are normalised; ``infonce`` only. At the start all
        embeddings of an encoder are nearly the same vector, so that all cosines are 1 and there is little to contrast.

    Returns
    -------
    scalar tensor
        The loss.
    scalar tensor
        Retrieval accuracy: share of sequences whose own matrix scores highest among those not excluded.
    """
    if form == "infonce":
        sequence, region = _unit(sequence, sequence, centre), _unit(region, region, centre)
    scores = sequence @ region.T
    if form == "infonce":
        scores = scores * scale
    target = torch.arange(len(scores), device=scores.device)
    if excluded is not None:
        scores = scores.masked_fill(excluded, -torch.inf)
    accuracy = (scores.argmax(1) == target).float().mean()
    if form == "infonce":
        loss = (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2
    else:
        logs = scores if form == "paper_exp" else log_softplus(scores)
        # Of inner products by the thousand the difference of two sums would be rounded away; a ratio has no scale.
        logs = logs - logs.max().detach()
        loss = torch.logsumexp(logs.flatten(), 0) - torch.logsumexp(logs.diagonal(), 0)
    return loss, accuracy


def log_softplus(scores: torch.Tensor) -> torch.Tensor:
    """Return ``log(log(1 + exp(s)))``, finite for every finite score: far below 0 it is the score itself.

    There softplus is exp(s), which becomes 0 in float32 below -104, and its logarithm infinite.
    """
    least = -20.0  # where both differ by less than 1e-9
    return torch.where(scores < least, scores, F.softplus(scores.clamp(min=least)).log())


def _unit(embeddings: torch.Tensor, batch: torch.Tensor, centre: bool) -> torch.Tensor:
    """Return embeddings as cosines compare them: where asked for, without the mean of the batch."""
    # The bound keeps the gradient finite where embeddings are all the same, as those of regions of N are.
    return F.normalize(embeddings - batch.mean(0) if centre else embeddings, dim=-1, eps=1e-3)


def matched_retrieval(
    sequence: torch.Tensor,
    region: torch.Tensor,
    decoys: torch.Tensor,
    form: str,
    excluded: torch.Tensor | None = None,
    centre: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compare each sequence's own matrix with others of nearly the same base composition.

    Parameters
    ----------
    sequence, region : float32 [batch, width]
        E_seq and E_reg of true pairs.
    decoys : float32 [batch, n_decoys, width]
        E_reg of matrices of other regions, matched one by one to those of the sample.
    form, excluded, centre
        As for :func:`sequence_region_matching`.

    Returns
    -------
    scalar tensor
        Matched retrieval: share of sequences that score their own matrix above all of its decoys. Chance, and all that
        composition tells, is 1 / (n_decoys + 1); of equal scores it counts as one of them drawn by lot.
    scalar tensor
        Swapped retrieval: share of sequences that score their first decoy above all matrices of other samples. Where it
        is near to the retrieval of the own matrix, composition is what was learned.
    """
    if form == "infonce":
        decoys = _unit(decoys, region, centre)
        sequence, region = _unit(sequence, sequence, centre), _unit(region, region, centre)
    own = (sequence * region).sum(1)
    others = torch.einsum("bw,bkw->bk", sequence, decoys)
    equal = (others == own[:, None]).sum(1)
    matched = ((own >= others.amax(1)).float() / (equal + 1)).mean()
    scores = sequence @ region.T
    if excluded is not None:
        scores = scores.masked_fill(excluded, -torch.inf)
    scores.diagonal().copy_(others[:, 0])
    swapped = (scores.argmax(1) == torch.arange(len(scores), device=scores.device)).float().mean()
    return matched, swapped
