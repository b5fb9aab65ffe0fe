"""Tokens, masks and motif rows of a batch, made on the device.

Everything stays in tensors: the k-mer at each base of all regions end to end, the regions' offsets and the regions x
TFs matrix. A batch is a few gathers over them, so no text and no per-sample Python exists anywhere.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genebert.corpus.order import Draw
from genebert.genome.kmers import CLS, PAD, SEP, kmer_ids, reverse_complements
from genebert.genome.sequences import RegionSequences

_TABLE_BASES = 1 << 20


@dataclass(frozen=True)
class Batch:
    """One batch on the device.

    A row is a sample; with ``layout: windows`` it is a region of one, and the rows of a sample follow each other.
    """

    ids: Tensor  # int64 [rows, tokens], padded with [PAD]
    segments: Tensor  # int64 [rows, tokens]: 0 for [CLS] A [SEP], 1 for B [SEP]; windows: 0
    lengths: Tensor  # int64 [rows]: tokens without padding
    owners: Tensor  # int64 [rows, tokens]: number of a k-mer's region within the sample; -1 for special tokens
    first: int  # number of the batch's first sample within the step
    motifs: Tensor | None  # float [batch, regions_per_sample, n_tfs]: the regions' rows of the motif matrix
    label: Tensor  # int64 [batch]: order.CONSECUTIVE or order.REPLACED
    shortened: int  # samples whose regions were cropped to fit the model's positions


class SampleEncoder:
    """Turns drawn samples into batches, k-mers never crossing a region border (docs/facts.md 22).

    ``layout: concatenated`` makes one row a sample, ``[CLS] A [SEP] B [SEP]``; ``windows`` one row a region, ``[CLS]
    k-mers [SEP]``.

    Parameters
    ----------
    sequences : RegionSequences
        As shown to the model (already cropped when the run crops regions).
    motifs : float [n_regions, n_tfs] or None
    max_tokens : int
        Concatenated: samples with more tokens have their longest regions cropped to a common central length. Windows:
        longer regions are cropped to their centre.
    device : torch.device
        Where batches are made for. The tables live there too where half of its memory holds them, else with the host.
    """

    def __init__(
        self,
        sequences: RegionSequences,
        motifs: np.ndarray | None,
        k: int,
        max_tokens: int,
        device: torch.device,
        layout: str = "concatenated",
    ):
        self.k, self.max_tokens, self.device, self.layout = k, max_tokens, device, layout
        needed = 2 * len(sequences.codes) + (0 if motifs is None else motifs.nbytes)
        self.home = device
        if device.type == "cuda" and needed > torch.cuda.mem_get_info(device)[0] / 2:
            self.home = torch.device("cpu")
        self._kmers = _kmer_table(sequences, k, max_tokens).to(self.home)
        self._complements = torch.from_numpy(reverse_complements(k)).to(self.home)
        self._offsets = torch.from_numpy(np.asarray(sequences.offsets)).to(self.home)
        with warnings.catch_warnings():  # a tensor on the array's own memory: a mapped file is read row by row
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # and never written to
            self._motifs = None if motifs is None else torch.from_numpy(motifs).to(self.home)

    def encode(self, draw: Draw, first: int = 0) -> Batch:
        """Return the batch of a draw, whose first sample has the number `first` within its step."""
        regions = torch.from_numpy(draw.regions).to(self.home)
        starts = self._offsets[regions]
        available = (self._offsets[regions + 1] - starts - self.k + 1).clamp(min=0)
        if self.layout == "windows":
            shown = available.clamp(max=self.max_tokens - 2)
            shortened = int((shown < available).any(1).sum())
        else:
            shown, shortened = _common_cap(available, self.max_tokens - 3)
        starts = starts + (available - shown) // 2

        # A row is a sequence of stretches of the table: [CLS], k-mers of regions, [SEP] ..., padding. The reverse
        # strand is the stretch read backwards, each k-mer as its reverse complement.
        numbers = torch.arange(regions.shape[1], device=self.home).expand_as(shown)
        reverse = torch.zeros_like(shown) if draw.reverse is None else torch.from_numpy(draw.reverse).to(shown)
        tables = starts + reverse * (shown - 1), shown, numbers, 1 - 2 * reverse
        first_kmer, n_kmers, number, direction = (
            (table.reshape(-1, 1),) if self.layout == "windows" else table.chunk(2, 1) for table in tables
        )
        rows = len(n_kmers[0])
        one = torch.ones(rows, 1, dtype=torch.int64, device=self.home)
        cls, sep, pad = (self._kmers.numel() - self.max_tokens - 2 + i for i in range(3))
        lengths = 1 + sum(1 + n.sum(1) for n in n_kmers)
        n_tokens = int(lengths.max())

        def join(cls: Tensor, kmers: tuple[Tensor, ...], sep: Tensor, pad: Tensor) -> Tensor:
            """Return a value for each stretch of all rows, in their order."""
            return torch.cat([cls, *(t for part in kmers for t in (part, sep)), pad], 1).flatten()

        stretches = join(one, n_kmers, one, n_tokens - lengths[:, None])

        def spread(values: Tensor) -> Tensor:
            """Return the value of its stretch for each token."""
            return torch.repeat_interleave(values, stretches, output_size=rows * n_tokens)

        owners = spread(join(-one, number, -one, -one)).view(rows, n_tokens)
        begin, before = join(one * cls, first_kmer, one * sep, one * pad), stretches.cumsum(0) - stretches
        token = torch.arange(rows * n_tokens, device=self.home)
        if draw.reverse is None:
            ids = self._kmers[spread(begin - before) + token]
        else:
            steps = join(one, direction, one, one)
            step = spread(steps)
            ids = self._kmers[spread(begin - steps * before) + step * token]
            ids = torch.where(step < 0, self._complements[ids.long()], ids)
        ids = ids.view(rows, n_tokens).to(self.device).long()

        lengths = lengths.to(self.device)
        length_a = (2 + n_kmers[0].sum(1)).to(self.device)  # windows: the whole row
        position = torch.arange(n_tokens, device=self.device)
        segments = ((position >= length_a[:, None]) & (position < lengths[:, None])).long()
        motifs = None if self._motifs is None else self.motif_rows(regions)
        label = torch.from_numpy(draw.label).to(self.device)
        return Batch(ids, segments, lengths, owners.to(self.device), first, motifs, label, shortened)

    def motif_rows(self, regions: Tensor) -> Tensor:
        """Return the rows of the motif matrix of regions (int64 [...]) on the device: float [..., n_tfs]."""
        return self._motifs[regions.to(self.home)].to(self.device).float()


def _common_cap(available: Tensor, room: int) -> tuple[Tensor, int]:
    """Crop k-mer counts [batch, regions] of samples beyond `room` to the largest common cap that fits; how many."""
    too_long = available.sum(1) > room
    if not too_long.any():
        return available, 0
    ordered, _ = available.sort(1)
    n = available.shape[1]
    rest = torch.arange(n, 0, -1, device=available.device)
    before = ordered.cumsum(1) - ordered
    # With the j smallest regions whole, the others share what is left; the cap is the largest such share.
    cap = ((room - before) // rest).amax(1, keepdim=True)
    return torch.minimum(available, cap), int(too_long.sum())


def _kmer_table(sequences: RegionSequences, k: int, n_padding: int) -> Tensor:
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
