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
INSIDE = ["inside_start", "inside_end"]
BLOCK = 1 << 14  # examples whose bases are read at a time


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled sequences.

    Attributes
    ----------
    table : DataFrame
        Column label; sequence (letters), and where that is missing chrom, start, end and strand: a place whose bases
        are fetched when they are asked for ("-": the reverse complement), so that overlapping windows need not be
        stored. inside_start and inside_end, on the same chromosome, are what of it may be known: bases of the place
        outside are N, also beyond the chromosome. Other columns (source, parent) are kept.
    name : str
        What the examples are, for messages.
    genome : Genome, optional
        For rows with a place in place of letters.
    left_out : int
        Examples of the set that are not in the table, because a method may have seen their place.
    part_of : (Examples, rows), optional
        The set that these are some of, and which: what was made of that need not be made again.
    """

    table: pd.DataFrame
    name: str = "examples"
    genome: Genome | None = None
    left_out: int = 0
    part_of: tuple["Examples", np.ndarray] | None = None

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

    def codes(self, rows: slice | np.ndarray = slice(None), flank: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the base codes of some examples, each with `flank` more bases on both sides, and their lengths.

        Parameters
        ----------
        rows : slice or int64 [some]
        flank : int
            Of a place, its neighbours: N outside inside_start to inside_end where the table has these, and beyond the
            chromosome. Of letters, N.

        Returns
        -------
        codes : uint8 [some, longest + 2 * flank]
            In the direction of the strand, filled up with N.
        lengths : int64 [some]
            With both flanks.

        Raises
        ------
        InputError
            A place without a flank or inside_start reaches beyond its chromosome, or the genome lacks this.
        """
        rows = np.arange(len(self))[rows]
        lengths, written = self.lengths[rows], self._written[rows]
        codes = np.full((len(rows), int(lengths.max(initial=0)) + 2 * flank), N_CODE, dtype=np.uint8)
        if written.any():
            letters, _ = sequence_codes(self.table["sequence"].iloc[rows[written]].tolist())
            codes[written, flank : flank + letters.shape[1]] = letters
        if not written.all():
            for row, first, bases in zip(np.flatnonzero(~written), *self._fetch(rows[~written], flank), strict=True):
                codes[row, first : first + len(bases)] = bases
        return codes, lengths + 2 * flank

    def _known(self, here: pd.DataFrame, flank: int) -> pd.DataFrame:
        """Return what of each place with its flanks is asked of the genome; start is not below end where nothing is."""
        start, end = (here[name].to_numpy(np.int64) for name in ("start", "end"))
        start, end = start - flank, end + flank
        inside = set(INSIDE) <= set(self.table)
        if inside:
            first, last = (here[name].to_numpy(np.int64) for name in INSIDE)
            start, end = np.maximum(start, first), np.minimum(end, last)
        if inside or flank:
            last = here["chrom"].map(self.genome.lengths).fillna(np.inf).to_numpy()  # an unknown one is told later
            start, end = np.maximum(start, 0), np.minimum(end, last).astype(np.int64)
        return pd.DataFrame({"chrom": here["chrom"].to_numpy(), "start": start, "end": end})

    def _fetch(self, rows: np.ndarray, flank: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return for places where the known bases begin among all (int64 [n]), and those; what they share is read once.

        Both are in the direction of the strand.
        """
        here = self.table.iloc[rows]
        known = self._known(here, flank)
        some = np.flatnonzero(known["start"] < known["end"])
        merged, group = merge_overlapping(known.iloc[some])
        pieces = [self.genome.codes(*piece) for piece in merged.itertuples(index=False)]
        turned = (here["strand"] == "-").fillna(False).to_numpy(bool) if "strand" in here else np.zeros(len(rows), bool)
        begin = known["start"].to_numpy() - here["start"].to_numpy(np.int64) + flank
        back = here["end"].to_numpy(np.int64) + flank - known["end"].to_numpy()
        found = [np.zeros(0, dtype=np.uint8)] * len(rows)
        first = known["start"].to_numpy()[some] - merged["start"].to_numpy()[group]
        last = known["end"].to_numpy()[some] - merged["start"].to_numpy()[group]
        for row, piece, start, end in zip(some, group, first, last, strict=True):
            bases = pieces[piece][start:end]
            found[row] = reverse_complement(bases) if turned[row] else bases
        return np.where(turned, back, begin), found

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
        some = self.table.iloc[rows].reset_index(drop=True)
        return Examples(some, self.name, self.genome, part_of=(self, rows))


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
