"""Token ids of DNA sequences for a BERT over k-mers: ``[CLS] k-mers [SEP]``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genebert.errors import InputError
from genebert.genome.bases import decode, reverse_complement, sequence_codes
from genebert.genome.bases import encode as encode_bases
from genebert.genome.kmers import CLS, PAD, SEP, kmer_ids

ROWS = 1 << 14  # sequences turned into tokens at a time: bounds the int64 intermediates


@dataclass(frozen=True)
class Tokens:
    """Token ids of a whole set.

    Attributes
    ----------
    ids : int16 tensor [n, longest]
        ``[CLS] k-mers [SEP]``, then [PAD].
    lengths : int64 tensor [n]
        Tokens that are not padding.
    padded : bool
        Any is; known beforehand so that a GPU need not be asked at every batch.
    """

    ids: torch.Tensor
    lengths: torch.Tensor
    padded: bool

    def to(self, device: torch.device) -> "Tokens":
        """Return the same on another device."""
        return Tokens(self.ids.to(device), self.lengths.to(device), self.padded)

    def order(self) -> torch.Tensor:
        """Return the rows by length, for batches that are as narrow as can be (int64 [n])."""
        return torch.argsort(self.lengths, stable=True)

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return ids (int64 [rows, longest of them]) and the attention mask, None for a set without padding."""
        if not self.padded:
            return self.ids[rows].long(), None
        lengths = self.lengths[rows]
        longest = int(lengths.max())
        mask = (torch.arange(longest, device=lengths.device) < lengths[:, None]).long()
        return self.ids[rows, :longest].long(), mask


def both_strands(sequences: Sequence[str]) -> list[str]:
    """Return DNA strings, then their reverse complements in the same order."""
    return [*sequences, *(decode(reverse_complement(encode_bases(sequence))) for sequence in sequences)]


def tokenise(sequences: Sequence[str], k: int, max_tokens: int, where: str = "sequences") -> Tokens:
    """Return the token ids of DNA strings.

    Parameters
    ----------
    sequences : sequence of str
    k : int
    max_tokens : int
        Positions of the model; [CLS] and [SEP] take two.
    where : str
        What the sequences are, for messages.

    Raises
    ------
    InputError
        A sequence without a k-mer, or longer than the model's positions.
    """
    n_bases = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    if len(n_bases) == 0 or n_bases.min() < k:
        row = int(n_bases.argmin()) if len(n_bases) else 0
        raise InputError(
            f"{where}: row {row} has {n_bases[row] if len(n_bases) else 0} bases; expected at least {k}, one k-mer"
        )
    lengths = n_bases - k + 3
    if lengths.max() > max_tokens:
        raise InputError(
            f"{where}: row {int(lengths.argmax())} has {n_bases.max()} bases, {lengths.max()} tokens; expected at most "
            f"{max_tokens}, the positions of the model ({max_tokens + k - 3} bases)"
        )
    ids = np.full((len(lengths), int(lengths.max())), PAD, dtype=np.int16)
    ids[:, 0] = CLS
    for start in range(0, len(lengths), ROWS):
        codes, _ = sequence_codes(sequences[start : start + ROWS])
        tokens = kmer_ids(codes, k)
        inside = np.arange(tokens.shape[1]) < lengths[start : start + ROWS, None] - 2
        ids[start : start + ROWS, 1 : tokens.shape[1] + 1] = np.where(inside, tokens, PAD)
    ids[np.arange(len(ids)), lengths - 1] = SEP
    return Tokens(torch.from_numpy(ids), torch.from_numpy(lengths), bool(lengths.min() < lengths.max()))
