"""Reference genome, region sequences and their base codes.

Bases are stored as uint8 codes: A 0, C 1, G 2, T 3, everything else (N, IUPAC codes) 4. Soft-masked (lower-case) bases
get the code of their upper-case letter (docs/facts.md 13). Coordinates are 0-based half-open; chromosome names carry
the ``chr`` prefix.
"""

from collections.abc import Sequence

import numpy as np

BASES = "ACGTN"
N_CODE = 4
BLOCK_REGIONS = 1 << 16  # regions that are worked on at once
_ENCODE = np.full(256, N_CODE, dtype=np.uint8)
for _code, _base in enumerate("ACGT"):
    _ENCODE[ord(_base)] = _ENCODE[ord(_base.lower())] = _code
_DECODE = np.frombuffer(BASES.encode(), dtype=np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, 4], dtype=np.uint8)


def encode(sequence: str | bytes) -> np.ndarray:
    """Return the base codes (uint8 [length]) of a DNA string."""
    data = sequence.encode("ascii") if isinstance(sequence, str) else sequence
    return _ENCODE[np.frombuffer(data, dtype=np.uint8)]


def decode(codes: np.ndarray) -> str:
    """Return the upper-case DNA string of base codes."""
    return _DECODE[codes].tobytes().decode("ascii")


def reverse_complement(codes: np.ndarray) -> np.ndarray:
    """Return the base codes of the opposite strand, read in its own direction."""
    return _COMPLEMENT[codes][::-1]


def sequence_codes(sequences: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return base codes of many sequences at once.

    Returns
    -------
    codes : uint8 [n, longest]
        Shorter sequences are filled up with the code of N.
    lengths : int64 [n]
    """
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    codes = np.full((len(lengths), int(lengths.max(initial=0))), N_CODE, dtype=np.uint8)
    codes[np.arange(codes.shape[1]) < lengths[:, None]] = encode("".join(sequences))
    return codes, lengths
