"""Masks of k-mers: contiguous spans, a pure function of the seed, the row and the place."""

import torch
from torch.nn import functional

from genebert.genome.kmers import MASK, SPECIALS

# k-mers masked around each chosen centre (docs/facts.md 16): a single masked k-mer follows from its neighbours.
SPAN_OFFSETS = {3: (-1, 0, 1), 4: (-1, 0, 1, 2), 5: (-2, -1, 0, 1, 2), 6: (-2, -1, 0, 1, 2, 3)}


# SplitMix64's step and the factors of its finaliser, as int64 has them.
_STEP, *_FACTORS = (value - (1 << 64) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def _hash(counter: torch.Tensor, key: int) -> torch.Tensor:
    """Return 63 random bits (int64) of each counter: the finaliser of SplitMix64, on any device the same."""
    x = counter * _STEP + key
    for shift, factor in zip((30, 27), _FACTORS, strict=True):
        # int64 shifts copy the sign; the mask makes them logical
        x = (x ^ ((x >> shift) & ((1 << (64 - shift)) - 1))) * factor
    return (x ^ ((x >> 31) & ((1 << 33) - 1))) & ((1 << 63) - 1)


def mask_kmers(
    ids: torch.Tensor, k: int, rate: float, vocabulary_size: int, seed: int, first_row: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask contiguous spans of k-mers as DNABERT does (Eq. 1; docs/facts.md 16).

    Centres are chosen with probability ``rate / k`` and widened to k tokens; of the chosen tokens 80 % become [MASK],
    10 % a random token of the whole vocabulary, 10 % stay. Special tokens and [UNK] are never chosen.

    What happens to a token is a pure function of the seed, its row and its place, so that a batch cut into pieces, or
    shared out over processes or devices, is masked as a whole one is.

    Parameters
    ----------
    ids : int64 [rows, tokens]
    rate : float
        0.15, later 0.20. Overlapping spans make the true share slightly smaller.
    seed : int
        Of the step.
    first_row : int
        Number of the first row within the step.

    Returns
    -------
    int64 [rows, tokens]
        Masked ids.
    bool [rows, tokens]
        Tokens to predict.
    """
    maskable = ids >= len(SPECIALS)
    rows = torch.arange(first_row, first_row + len(ids), device=ids.device) << 32
    counter = rows[:, None] + 2 * torch.arange(ids.shape[1], device=ids.device)
    centres = (_hash(counter, seed) < int(rate / k * 2**63)) & maskable
    first, *_, last = SPAN_OFFSETS[k]
    chosen = functional.pad(centres, (last, -first)).unfold(1, k, 1).any(-1) & maskable
    # One draw tells both what becomes of a token (its upper bits) and which random one (its lower bits).
    draw = _hash(counter[chosen] + 1, seed)
    fate = draw >> 32
    shown = torch.where(fate < int(0.8 * 2**31), MASK, ids[chosen])
    shown = torch.where(fate >= int(0.9 * 2**31), (draw & 0xFFFFFFFF) % vocabulary_size, shown)
    masked = ids.clone()
    masked[chosen] = shown
    return masked, chosen
