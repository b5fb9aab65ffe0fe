"""Labelled sequences for the tests of the simple models."""

import numpy as np
import pandas as pd
from motif_reference import consensus_motif

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
TATA = [consensus_motif("TATAAA")]  # what the positives of `toy` carry; the other models do not look at it


def reverse_complement(sequence: str) -> str:
    return sequence[::-1].translate(COMPLEMENT)


def random_letters(rng: np.random.Generator, n: int, length: int) -> np.ndarray:
    return rng.choice(list("ACGT"), size=(n, length))


def toy(n: int, seed: int, length: int = 40, share: float = 0.8) -> pd.DataFrame:
    """Random sequences; most positives carry TATAAA at position 10."""
    rng = np.random.default_rng(seed)
    letters = random_letters(rng, n, length)
    label = rng.permutation(np.arange(n) % 2)
    letters[np.ix_((label == 1) & (rng.random(n) < share), range(10, 16))] = list("TATAAA")
    return pd.DataFrame({"sequence": ["".join(row) for row in letters], "label": label.astype(np.int8)})


def planted(n: int, seed: int, word: str, length: int = 60) -> pd.DataFrame:
    """Random sequences; every positive carries `word` somewhere, half of them on the other strand."""
    rng = np.random.default_rng(seed)
    sequences = ["".join(row) for row in random_letters(rng, n, length)]
    label = rng.permutation(np.arange(n) % 2)
    for i in np.flatnonzero(label):
        start = rng.integers(length - len(word) + 1)
        site = word if rng.random() < 0.5 else reverse_complement(word)
        sequences[i] = sequences[i][:start] + site + sequences[i][start + len(word) :]
    return pd.DataFrame({"sequence": sequences, "label": label.astype(np.int8)})


def at_places(table: pd.DataFrame, first: int, step: int = 100) -> pd.DataFrame:
    """Give every example a place of its own on chr1, from `first` on."""
    start = first + step * np.arange(len(table))
    end = start + table["sequence"].str.len()
    parent = [f"chr1:{a}-{b}" for a, b in zip(start, end, strict=True)]
    return table.assign(chrom="chr1", start=start, end=end, parent=parent)
