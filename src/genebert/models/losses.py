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
        if centre:
            sequence, region = sequence - sequence.mean(0), region - region.mean(0)
        # The bound keeps the gradient finite where embeddings are all the same, as those of regions of N are.
        sequence, region = (F.normalize(embeddings, eps=1e-3) for embeddings in (sequence, region))
    scores = sequence @ region.T
    if form == "infonce":
        scores = scores * scale
    target = torch.arange(len(scores), device=scores.device)
    if excluded is not None:
        scores = scores.masked_fill(excluded, -torch.inf)
    accuracy = (scores.argmax(1) == target).float().mean()
    if form == "infonce":
        loss = (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2
    elif form == "paper_exp":
        loss = torch.logsumexp(scores.flatten(), 0) - torch.logsumexp(scores.diagonal(), 0)
    else:
        positive = F.softplus(scores)
        loss = torch.log(positive.sum()) - torch.log(positive.diagonal().sum())
    return loss, accuracy
