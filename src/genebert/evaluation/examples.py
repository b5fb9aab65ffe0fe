"""Labelled examples: a table, and for each row its bases, as letters or as a place in the genome."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import read_json
from genebert.genome.bases import N_CODE, reverse_complement, sequence_codes
from genebert.genome.fasta import Genome
from genebert.genome.intervals import merge_overlapping

SPLITS = ("train", "valid", "test")
PLACE = ["chrom", "start", "end"]
BLOCK = 1 << 14  # examples whose bases are read at a time


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled sequences.

    Attributes
    ----------
    table : DataFrame
        Column label; sequence (letters), and where that is missing chrom, start, end and strand: a place whose bases
        are fetched when they are asked for ("-": the reverse complement), so that overlapping windows need not be
        stored. Other columns (source, parent) are kept.
    name : str
        What the examples are, for messages.
    genome : Genome, optional
        For rows with a place in place of letters.
    left_out : int
        Examples of the set that are not in the table, because a method may have seen their place.
    """

    table: pd.DataFrame
    name: str = "examples"
    genome: Genome | None = None
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def labels(self) -> np.ndarray:
        """The labels: [n], or [n, length] where the column holds a list for each example."""
        column = self.table["label"].to_numpy()
        return np.stack(column) if column.dtype == object else column

    @cached_property
    def _written(self) -> np.ndarray:
        """Which rows have letters (bool [n])."""
        return self.table["sequence"].notna().to_numpy() if "sequence" in self.table else np.zeros(len(self), bool)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Bases of each example (int64 [n]); 0 where it has neither letters nor a place."""
        lengths = np.zeros(len(self), dtype=np.int64)
        if self._written.any():
            lengths[self._written] = self.table.loc[self._written, "sequence"].str.len()
        if not self._written.all() and set(PLACE) <= set(self.table):
            placed = self.table["end"] - self.table["start"]
            lengths[~self._written] = placed[~self._written].fillna(0).to_numpy(np.int64)
        return lengths

    def codes(self, rows: slice | np.ndarray = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Return base codes (uint8 [n, longest], filled up with N) and lengths (int64 [n]) of some examples."""
        rows = np.arange(len(self))[rows]
        lengths, written = self.lengths[rows], self._written[rows]
        codes = np.full((len(rows), int(lengths.max(initial=0))), N_CODE, dtype=np.uint8)
        if written.any():
            letters, _ = sequence_codes(self.table["sequence"].iloc[rows[written]].tolist())
            codes[written, : letters.shape[1]] = letters
        if not written.all():
            for row, bases in zip(np.flatnonzero(~written), self._fetch(rows[~written]), strict=True):
                codes[row, : len(bases)] = bases
        return codes, lengths

    def _fetch(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the base codes of places; what they share is read once."""
        here = self.table.iloc[rows]
        places = here[PLACE].astype({"start": np.int64, "end": np.int64})
        merged, group = merge_overlapping(places)
        pieces = [self.genome.codes(*piece) for piece in merged.itertuples(index=False)]
        first = places["start"].to_numpy() - merged["start"].to_numpy()[group]
        last = first + self.lengths[rows]
        turned = (here["strand"] == "-").fillna(False).to_numpy(bool) if "strand" in here else np.zeros(len(rows), bool)
        for piece, start, end, turn in zip(group, first, last, turned, strict=True):
            bases = pieces[piece][start:end]
            yield reverse_complement(bases) if turn else bases

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield :meth:`codes` of all examples, `BLOCK` at a time."""
        for start in range(0, len(self), BLOCK):
            yield self.codes(slice(start, start + BLOCK))

    def digests(self) -> pd.Series:
        """Return 16 bytes for each example, equal where its bases are."""
        return pd.Series(
            [
                hashlib.blake2b(row[:length].tobytes(), digest_size=16).digest()
                for codes, lengths in self.blocks()
                for row, length in zip(codes, lengths, strict=True)
            ],
            dtype=object,
        )

    def subset(self, rows: np.ndarray) -> "Examples":
        """Return some of the examples: numbers of rows, or True for those to keep."""
        return Examples(self.table.iloc[rows].reset_index(drop=True), self.name, self.genome)


def read_examples(path: str | Path, genome: Genome | None = None, name: str | None = None) -> Examples:
    """Read the examples of one split from Parquet, see :class:`Examples`; their name is the path by default.

    Raises
    ------
    InputError
        Not Parquet, no column label, or an example without bases.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from error
    bases = "sequence" if "sequence" in table or not set(PLACE) <= set(table) else "start"
    for column in (bases, "label"):
        if column not in table:
            raise InputError(f"{path}: has no column {column!r}; expected sequence and label, found {list(table)}")
    examples = Examples(table, name or str(path), genome)
    empty = examples.lengths <= 0
    if empty.any():
        raise InputError(f"{path}: {int(empty.sum())} of {len(table)} sequences are empty; expected DNA letters")
    if genome is None and not examples._written.all():
        raise InputError(
            f"{path}: {int((~examples._written).sum())} of {len(table)} examples are places without letters; expected "
            "a genome to fetch them from"
        )
    return examples


def read_card(folder: str | Path) -> dict[str, Any]:
    """Return what the card of a data set says; nothing where it has none."""
    path = Path(folder) / "card.json"
    return read_json(path) if path.is_file() else {}


def training_rows(strata: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return the rows of `n` training examples, sorted, with all strata in the proportions of the whole.

    Nested: with the same seed, fewer examples are among those of more. `strata`, [n_all], is the label of examples with
    one each.

    Raises
    ------
    InputError
        Fewer than one example of each stratum, or more than there are.
    """
    values = np.unique(strata)
    if not len(values) <= n <= len(strata):
        raise InputError(
            f"n_train: found {n}, expected {len(values)} to {len(strata)}, the number of training examples"
        )
    rng = np.random.default_rng(seed)
    # The j-th of the N examples of a stratum stands at j / N: the first n of all together are in proportion.
    place = np.empty(len(strata))
    for value in values:
        members = rng.permutation(np.flatnonzero(strata == value))
        place[members] = np.arange(len(members)) / len(members)
    return np.sort(np.lexsort((strata, place))[:n])
