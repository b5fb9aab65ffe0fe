"""Token ids of DNA sequences for a BERT over k-mers: ``[CLS] k-mers [SEP]``."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from genebert.errors import InputError
from genebert.genome.kmers import CLS, PAD, SEP, check_length, kmer_ids, reverse_complements

ROWS = 1 << 14  # sequences turned into tokens at a time: bounds the int64 intermediates


class Sequences(Protocol):
    """What tokens are made of, such as :class:`genebert.evaluation.examples.Examples`."""

    name: str  # for messages
    lengths: np.ndarray  # int64 [n]

    def codes(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return base codes (uint8 [rows, longest of them], filled up with N) and lengths."""


@dataclass(frozen=True)
class Tokens:
    """Token ids of a whole set."""

    ids: torch.Tensor  # int16 [n, longest]: ``[CLS] k-mers [SEP]``, then [PAD]
    lengths: torch.Tensor  # int64 [n]: tokens that are not padding
    padded: bool  # whether any token is; known beforehand so that a GPU need not be asked at every batch
    pieces: int = 1  # rows of `ids` that belong together, see genebert.methods.windows; then [n * pieces, longest]

    def to(self, device: torch.device) -> "Tokens":
        """Return the same on another device."""
        return replace(self, ids=self.ids.to(device), lengths=self.lengths.to(device))

    def order(self) -> torch.Tensor:
        """Return the rows by length, for batches that are as narrow as can be (int64 [n])."""
        return torch.argsort(self.lengths, stable=True)

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return ids (int64 [rows, longest of them]) and the attention mask, None for a set without padding.

        Of pieces the rows are [rows * pieces], those of one example one after the other.
        """
        if not self.padded:
            return self.ids.view(len(self.lengths), -1)[rows].view(-1, self.ids.shape[1]).long(), None
        lengths = self.lengths[rows]
        longest = int(lengths.max())
        mask = (torch.arange(longest, device=lengths.device) < lengths[:, None]).long()
        return self.ids[rows, :longest].long(), mask

    def both_strands(self, k: int) -> "Tokens":
        """Return the tokens of all sequences, then those of their reverse complements in the same order."""
        ids, lengths = self.ids.cpu().numpy(), self.lengths.cpu().numpy()
        opposite, turned = reverse_complements(k), np.empty_like(ids)
        place = np.arange(ids.shape[1])
        for start in range(0, len(ids), ROWS):
            last = lengths[start : start + ROWS, None] - 1
            source = np.where((place > 0) & (place < last), last - place, place)
            turned[start : start + ROWS] = opposite[np.take_along_axis(ids[start : start + ROWS], source, 1)]
        return Tokens(torch.from_numpy(np.concatenate([ids, turned])), self.lengths.cpu().repeat(2), self.padded)


def tokens_of(codes: np.ndarray, k: int) -> np.ndarray:
    """Return the token ids (int16 [n, length - k + 3]) of sequences of one length, codes (uint8 [n, length])."""
    ids = np.empty((len(codes), codes.shape[1] - k + 3), dtype=np.int16)
    ids[:, 0], ids[:, -1] = CLS, SEP
    ids[:, 1:-1] = kmer_ids(codes, k, np.int16)
    return ids


def tokenise(sequences: Sequences, k: int, max_tokens: int) -> Tokens:
    """Return the token ids of DNA sequences, whose bases are asked for `ROWS` at a time.

    Parameters
    ----------
    max_tokens : int
        Positions of the model; [CLS] and [SEP] take two.

    Raises
    ------
    InputError
        A sequence without a k-mer, or longer than the model's positions.
    """
    n_bases, where = sequences.lengths, sequences.name
    if len(n_bases) == 0 or n_bases.min() < k:
        row = int(n_bases.argmin()) if len(n_bases) else 0
        raise InputError(
            f"{where}: row {row} has {n_bases[row] if len(n_bases) else 0} bases; expected at least {k}, one k-mer"
        )
    lengths = n_bases - k + 3
    check_length(int(n_bases.max()), k, max_tokens, f"{where}: row {int(lengths.argmax())}")
    ids = np.full((len(lengths), int(lengths.max())), PAD, dtype=np.int16)
    ids[:, 0] = CLS
    for start in range(0, len(lengths), ROWS):
        codes, _ = sequences.codes(slice(start, start + ROWS))
        tokens = kmer_ids(codes, k)
        inside = np.arange(tokens.shape[1]) < lengths[start : start + ROWS, None] - 2
        ids[start : start + ROWS, 1 : tokens.shape[1] + 1] = np.where(inside, tokens, PAD)
    ids[np.arange(len(ids)), lengths - 1] = SEP
    return Tokens(torch.from_numpy(ids), torch.from_numpy(lengths), bool(lengths.min() < lengths.max()))
