"""Blocks of genes as windows that an encoder can read, so that each base has its score from exactly one of them.

A window has a core, whose bases are labelled and scored, and a margin on either side that is only read. Cores of a
block lie end to end. Where the context is longer than an encoder's positions, a window is read in overlapping pieces.
"""

from functools import cached_property
from math import ceil

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch.nn import functional

from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind
from genebert.evaluation.site_labels import NOT_EVALUATED
from genebert.methods.layouts import Layout
from genebert.models.tokens import Tokens, tokens_of

# Bases whose codes are made into tokens at a time.
AT_ONCE = 1 << 24


class Windows:
    """All windows of blocks of one length, in their order: those of a block one after the other.

    Parameters
    ----------
    block : int
        Bases of each of `examples`; the last core of a block may reach beyond it.
    """

    def __init__(self, examples: Examples, block: int, layout: Layout):
        self.examples, self.layout, self.block = examples, layout, block
        self.per_block = ceil(block / layout.core)

    def __len__(self) -> int:
        return len(self.examples) * self.per_block

    @cached_property
    def labels(self) -> np.ndarray:
        """The labels of the cores (int8 [n, core]); what is beyond a block is not evaluated."""
        labels = self.examples.labels
        beyond = self.per_block * self.layout.core - self.block
        padded = np.pad(labels, ((0, 0), (0, beyond)), constant_values=NOT_EVALUATED)
        return padded.reshape(len(self), self.layout.core)

    def codes(self, rows: np.ndarray) -> np.ndarray:
        """Return the base codes of some windows (uint8 [some, bases]); each block is read once."""
        layout = self.layout
        block, place = np.divmod(rows, self.per_block)
        blocks, which = np.unique(block, return_inverse=True)
        # The same flank on both sides; the last window of a block needs the longer one.
        behind = layout.bases - layout.margin - layout.core
        flank = max(layout.margin, behind + self.per_block * layout.core - self.block)
        found, _ = self.examples.codes(blocks, flank=flank)
        return sliding_window_view(found, layout.bases, axis=1)[which, place * layout.core + flank - layout.margin]

    def tokens(self, rows: np.ndarray, k: int) -> Tokens:
        """Return the tokens of some windows, piece by piece."""
        layout = self.layout
        step, parts = max(1, AT_ONCE // layout.bases), []
        for start in range(0, len(rows), step):
            codes = self.codes(rows[start : start + step])
            pieces = sliding_window_view(codes, layout.piece, axis=1)[:, :: layout.inner]
            parts.append(torch.from_numpy(tokens_of(pieces.reshape(-1, layout.piece), k)))
        ids = torch.cat(parts)
        lengths = torch.full((len(rows),), ids.shape[1] * layout.pieces)
        return Tokens(ids, lengths, False, layout.pieces)

    def joined(self, scores: np.ndarray) -> np.ndarray:
        """Return the scores of all cores of some blocks, [n, core, classes], as [blocks, block, classes]."""
        return scores.reshape(-1, self.per_block * self.layout.core, scores.shape[-1])[:, : self.block]


def core_states(states: torch.Tensor, mask: torch.Tensor | None, kind: Kind, k: int, layout: Layout) -> torch.Tensor:
    """Return what a head reads for the bases of the cores: float32 [n, core, hidden], or twice as wide.

    Parameters
    ----------
    states : float [n * pieces, tokens, hidden]
        Last hidden states of ``[CLS] k-mers [SEP]`` of each piece.
    mask : None
        Nothing is padding.

    Returns
    -------
    Tensor
        The state of the base. Of windows of several pieces, beside it the mean of the states of its context, itself
        included; but for the border at the ends of the window, where there is no state.
    """
    bases = kind.states(states, mask, "mean", k)
    if layout.pieces == 1:
        return bases[:, layout.margin : layout.margin + layout.core]
    inside = bases[:, layout.border : layout.border + layout.inner]
    row = inside.reshape(-1, layout.pieces * layout.inner, inside.shape[-1])
    first = layout.margin - layout.border
    # Differences of sums from the left: torch's pooling would add up every context anew.
    total, width = functional.pad(row.cumsum(1), (0, 0, 1, 0)), 2 * first + 1
    context = (total[:, width:] - total[:, :-width])[:, : layout.core] / width
    return torch.cat([row[:, first : first + layout.core], context], -1)
