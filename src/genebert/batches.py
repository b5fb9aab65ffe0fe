"""Tokens, masks and motif rows of a batch, made on the device.

Everything stays in tensors: the k-mer at each base of all regions end to end, the regions' offsets and the regions x
TFs matrix. A batch is a few gathers over them, so no text and no per-sample Python exists anywhere.
"""

from dataclasses import dataclass

import numpy as np
import torch

from genebert.corpus import Draw
from genebert.genome import RegionSequences
from genebert.kmers import CLS, MASK, PAD, SEP, SPECIALS, kmer_ids

# k-mers masked around each chosen centre (FACTS D.5): a single masked k-mer follows from its neighbours.
SPAN_OFFSETS = {3: (-1, 0, 1), 4: (-1, 0, 1, 2), 5: (-2, -1, 0, 1, 2), 6: (-2, -1, 0, 1, 2, 3)}

_TABLE_BASES = 1 << 20


@dataclass(frozen=True)
class Batch:
    """One batch on the device.

    Attributes
    ----------
    ids : int64 [batch, tokens]
        Token ids, padded with [PAD].
    segments : int64 [batch, tokens]
        0 for [CLS] A [SEP], 1 for B [SEP].
    lengths : int64 [batch]
        Tokens of each sample without padding.
    regions : int64 [batch, regions_per_sample]
        Regions in the order shown.
    motifs : float [batch, regions_per_sample, n_tfs] or None
        Their rows of the motif matrix, in the same order.
    label : int64 [batch]
        corpus.CONSECUTIVE or corpus.REPLACED.
    shortened : int
        Samples whose regions were cropped to fit the model's positions.
    """

    ids: torch.Tensor
    segments: torch.Tensor
    lengths: torch.Tensor
    regions: torch.Tensor
    motifs: torch.Tensor | None
    label: torch.Tensor
    shortened: int


class SampleEncoder:
    """Turns drawn samples into batches: ``[CLS] A [SEP] B [SEP]``, k-mers never crossing a region border (FACTS K.1).

    Parameters
    ----------
    sequences : RegionSequences
        As shown to the model (already cropped when the run crops regions).
    motifs : array [n_regions, n_tfs] or None
    k : int
    max_tokens : int
        Samples with more tokens have their longest regions cropped to a common central length.
    device : torch.device
    """

    def __init__(
        self,
        sequences: RegionSequences,
        motifs: np.ndarray | None,
        k: int,
        max_tokens: int,
        device: torch.device,
    ):
        self.k, self.max_tokens, self.device = k, max_tokens, device
        self._kmers = _kmer_table(sequences, k, max_tokens).to(device)
        self._offsets = torch.from_numpy(np.asarray(sequences.offsets, dtype=np.int64)).to(device)
        # np.array copies the memory map: torch wants writable arrays, and the whole set is about 3 GB at full size.
        self._motifs = None if motifs is None else torch.from_numpy(np.array(motifs)).to(device)

    def _kmers_shown(self, available: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Crop the k-mer counts [batch, regions] of too long samples to the largest common cap that fits."""
        room = self.max_tokens - 3
        too_long = available.sum(1) > room
        if not too_long.any():
            return available, 0
        ordered, _ = available.sort(1)
        n = available.shape[1]
        rest = torch.arange(n, 0, -1, device=available.device)
        before = ordered.cumsum(1) - ordered
        # With the j smallest regions whole, the others share what is left; the cap is the largest such share.
        cap = ((room - before).clamp(min=0) // rest).amax(1, keepdim=True)
        return torch.minimum(available, cap), int(too_long.sum())

    def encode(self, draw: Draw) -> Batch:
        """Return the batch of a draw."""
        regions = torch.from_numpy(draw.regions).to(self.device)
        size, n_regions = regions.shape
        starts = self._offsets[regions]
        available = (self._offsets[regions + 1] - starts - self.k + 1).clamp(min=0)
        shown, shortened = self._kmers_shown(available)
        starts = starts + (available - shown) // 2

        # A sample is a row of stretches of the table: [CLS], the regions of A, [SEP], those of B, [SEP], padding.
        half = n_regions // 2
        length_a = 2 + shown[:, :half].sum(1)
        lengths = 3 + shown.sum(1)
        n_tokens = int(lengths.max())
        cls, sep, pad = (self._kmers.numel() - self.max_tokens - 2 + i for i in range(3))
        one = torch.ones_like(lengths)[:, None]
        stretches = torch.cat([one, shown[:, :half], one, shown[:, half:], one, n_tokens - lengths[:, None]], 1)
        begin = torch.cat([one * cls, starts[:, :half], one * sep, starts[:, half:], one * sep, one * pad], 1).flatten()
        stretches = stretches.flatten()
        place = torch.repeat_interleave(begin - stretches.cumsum(0) + stretches, stretches, output_size=size * n_tokens)
        place += torch.arange(size * n_tokens, device=self.device)
        ids = self._kmers[place].long().view(size, n_tokens)

        position = torch.arange(n_tokens, device=self.device)
        segments = ((position >= length_a[:, None]) & (position < lengths[:, None])).long()
        motifs = None if self._motifs is None else self._motifs[regions].float()
        label = torch.from_numpy(draw.label).to(self.device)
        return Batch(ids, segments, lengths, regions, motifs, label, shortened)


def _kmer_table(sequences: RegionSequences, k: int, n_padding: int) -> torch.Tensor:
    """Return the id of the k-mer that begins at each base (int16 [n_bases + 2 + n_padding]), then [CLS], [SEP], [PAD].

    K-mers that cross into the next region are in it, but never read. One gather makes a batch of this table: on one
    core 170 batches of 128 samples of 5,000 tokens a second, against 16 with k-mers made anew from the bases.
    """
    n = len(sequences.codes)
    table = torch.full((n + 2 + n_padding,), PAD, dtype=torch.int16)
    table[n], table[n + 1] = CLS, SEP
    for first in range(0, n, _TABLE_BASES):
        ids = kmer_ids(np.asarray(sequences.codes[first : first + _TABLE_BASES + k - 1]), k, np.int16)
        table[first : first + len(ids)] = torch.from_numpy(ids)
    return table


def mask_kmers(
    ids: torch.Tensor, k: int, rate: float, vocabulary_size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask contiguous spans of k-mers as DNABERT does (Eq. 1; FACTS D.5, K.8).

    Centres are chosen with probability ``rate / k`` and widened to k tokens; of the chosen tokens 80 % become [MASK],
    10 % a random token of the whole vocabulary, 10 % stay. Special tokens and [UNK] are never chosen.

    Parameters
    ----------
    ids : int64 [batch, tokens]
    rate : float
        0.15, later 0.20. Overlapping spans make the true share slightly smaller.
    generator : torch.Generator
        On the device of `ids`.

    Returns
    -------
    int64 [batch, tokens]
        Masked ids.
    bool [batch, tokens]
        Tokens to predict.
    """
    maskable = ids >= len(SPECIALS)
    draw = torch.rand(ids.shape, generator=generator, device=ids.device)
    centres = (draw < rate / k) & maskable
    chosen = torch.zeros_like(centres)
    n = ids.shape[1]
    for offset in SPAN_OFFSETS[k]:
        if abs(offset) >= n:
            continue
        if offset >= 0:
            chosen[:, offset:] |= centres[:, : n - offset]
        else:
            chosen[:, :offset] |= centres[:, -offset:]
    chosen &= maskable
    fate = torch.rand(ids.shape, generator=generator, device=ids.device)
    random_ids = torch.randint(vocabulary_size, ids.shape, generator=generator, device=ids.device)
    masked = torch.where(chosen & (fate < 0.8), MASK, ids)
    masked = torch.where(chosen & (fate >= 0.9), random_ids, masked)
    return masked, chosen
