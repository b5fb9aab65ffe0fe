"""Which rows of labelled bases the epochs of a training see: all with a site, and a share of the others."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genebert.evaluation.site_labels import NONE, NOT_EVALUATED

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class SeenRows:
    """Rows of labels, windows or blocks."""

    sites: np.ndarray  # those with a site: all of them, each time (int64)
    others: np.ndarray  # those without that have an evaluated base (int64)
    drawn: int  # of the others, each time
    kept: float  # share of the bases without a site that an epoch sees

    def __len__(self) -> int:
        return len(self.sites) + self.drawn

    def draw(self, seed: tuple[int, ...], epoch: int) -> np.ndarray:
        """Return the rows of an epoch, sorted (int64)."""
        drawn = np.random.default_rng((*seed, epoch, 1)).permutation(self.others)[: self.drawn]
        return np.sort(np.concatenate([self.sites, drawn]))

    def restore(self, bias: "torch.Tensor") -> None:
        """Take from the last biases of a network, in place, what sites seemed likelier among fewer other bases."""
        bias.detach()[NONE + 1 :] += np.log(self.kept)


def seen_rows(labels: np.ndarray, share: float) -> SeenRows:
    """Return what epochs see of rows of labels (int8 [n, bases]) with a share of those without a site, at least one.

    Seen among fewer bases without a site, sites look more likely by 1 / `kept`: see :meth:`SeenRows.restore`.
    """
    with_site, known = (labels > NONE).any(axis=1), (labels != NOT_EVALUATED).any(axis=1)
    sites, others = np.flatnonzero(with_site), np.flatnonzero(known & ~with_site)
    drawn = min(len(others), round(share * len(others)) or 1)
    near, far = (int((labels[rows] == NONE).sum()) for rows in (sites, others))
    seen = far * drawn / len(others) if len(others) else 0.0
    return SeenRows(sites, others, drawn, (near + seen) / (near + far))
