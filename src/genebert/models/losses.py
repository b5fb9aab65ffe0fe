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
) -> tuple[torch.Tensor, torch.Tensor]:
    """Contrast true sequence-matrix pairs with all others of the batch (Eq. 3; FACTS K.10).

    Parameters
    ----------
    sequence, region : float [batch, width]
        E_seq and E_reg.
    form : {"infonce", "paper_exp", "paper_literal"}
        ``infonce``: cross-entropy in both directions over cosine similarities times `scale`.
        ``paper_exp``: ``-log(sum_i exp(s_ii) / sum_ij exp(s_ij))`` over inner products.
        ``paper_literal``: the same with softplus for exp, which keeps Eq. 3's ratio of plain sums defined.
    scale : scalar tensor
        Inverse temperature; ``infonce`` only.
    excluded : bool [batch, batch]
        Pairs left out of the negatives (see :func:`shared_regions`); the diagonal must be False.

    Returns
    -------
    scalar tensor
        The loss.
    scalar tensor
        Retrieval accuracy: share of sequences whose own matrix scores highest among those not excluded.
    """
    sequence, region = sequence.float(), region.float()
    if form == "infonce":
        sequence, region = F.normalize(sequence, dim=1), F.normalize(region, dim=1)
    scores = sequence @ region.T
    if form == "infonce":
        scores = scores * scale
    target = torch.arange(len(scores), device=scores.device)
    lowest = -torch.inf
    if excluded is not None:
        scores = scores.masked_fill(excluded, lowest)
    accuracy = (scores.argmax(1) == target).float().mean()
    if form == "infonce":
        loss = (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2
    elif form == "paper_exp":
        loss = torch.logsumexp(scores.flatten(), 0) - torch.logsumexp(scores.diagonal(), 0)
    elif form == "paper_literal":
        positive = F.softplus(scores)
        loss = torch.log(positive.sum()) - torch.log(positive.diagonal().sum())
    else:
        raise ValueError(f"form: found {form!r}, expected infonce, paper_exp or paper_literal")
    return loss, accuracy
