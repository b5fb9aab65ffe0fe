"""SpliceAI's training tables (docs/facts.md 8): the one reader, for the task and for a file placed by hand."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.anchors import tell_build
from genebert.genome.builds import BUILD_LENGTHS, NOT_TOLD, check_regions, normalise_names
from genebert.genome.chromosomes import by_rank, normalise_chromosome
from genebert.genome.tables import read_table, refuse
from genebert.sources.registry import BUILD

COLUMNS = ("gene", "paralog", "chrom", "strand", "tx_start", "tx_end", "jn_start", "jn_end")
TEST_CHROMOSOMES = ("chr1", "chr3", "chr5", "chr7", "chr9")
PUBLISHED_CANONICAL = {
    "train": {"genes": 13384, "introns": 130796},
    "test": {"genes": 1652, "introns": 14289},
    "status": "unconfirmed",
}
# Column: regular expression of a whole field, what to say.
_FIELDS = {
    "gene": (r".+", "a name"),
    "paralog": (r"[01]", "0 or 1"),
    "strand": (r"[+-]", "+ or -"),
    "tx_start": (r"[1-9]\d{0,8}", "a position, counted from 1"),
    "tx_end": (r"[1-9]\d{0,8}", "a position, counted from 1"),
    "jn_start": (r"([1-9]\d{0,8},)*", "positions, each followed by a comma"),
    "jn_end": (r"([1-9]\d{0,8},)*", "positions, each followed by a comma"),
}


class Junctions(NamedTuple):
    """One side of all junctions of a table."""

    gene: np.ndarray  # int64 [n]: row of the gene
    position: np.ndarray  # int64 [n]: the exon's last (jn_start) or first (jn_end) base, counted from 1
    inside: np.ndarray  # bool [n]: within the gene's transcript

    def numbers(self, genes: int) -> np.ndarray:
        """Return how many each of so many genes has (int64 [genes])."""
        return np.bincount(self.gene, minlength=genes)

    def of(self, number: np.ndarray) -> "Junctions":
        """Return those of some genes; `number` (int64 [genes]) says which rows these have now, -1 for all others."""
        kept = number[self.gene] >= 0
        return Junctions(number[self.gene[kept]], self.position[kept], self.inside[kept])


@dataclass(frozen=True, eq=False)
class SpliceTable:
    """Genes and their junctions.

    Attributes
    ----------
    genes : DataFrame
        Columns gene, paralog (int8; 0: none, 1: has some), chrom (normalised), strand, tx_start, tx_end (int64; counted
        from 1, the last base belongs to the transcript).
    jn_start, jn_end : Junctions
        Exon ends and exon starts along the chromosome: donors and acceptors on "+", the other way round on "-".
    told : dict
        build, and the evidence for it.
    """

    genes: pd.DataFrame
    jn_start: Junctions
    jn_end: Junctions
    told: dict[str, Any]

    def of(self, rows: np.ndarray) -> "SpliceTable":
        """Return the genes in some rows (int64 [some]), in this order, and their junctions."""
        number = np.full(len(self.genes), -1, dtype=np.int64)
        number[rows] = np.arange(len(rows))
        genes = self.genes.iloc[rows].reset_index(drop=True)
        return SpliceTable(genes, self.jn_start.of(number), self.jn_end.of(number), self.told)


def _junctions(lists: pd.Series, starts: np.ndarray, ends: np.ndarray) -> Junctions:
    """Return the junctions in a column of lists, given first and last base of each transcript."""
    position = np.array("".join(lists).split(",")[:-1], dtype=np.int64)
    gene = np.repeat(np.arange(len(lists)), lists.str.count(",").to_numpy(np.int64))
    return Junctions(gene, position, (position >= starts[gene]) & (position <= ends[gene]))


def _chromosomes(names: pd.Series, build: str, path: Path) -> pd.Series:
    """Return the normalised names of a column that holds one form of names."""
    found = names.unique()
    prefixed = [name.lower().startswith("chr") for name in found]
    if len({*prefixed}) > 1:
        one, other = (found[prefixed.index(form)] for form in (True, False))
        raise InputError(f"{path}: found the chromosomes {one!r} and {other!r}, expected all or none with chr")
    known = normalise_names(found, build, str(path)) if build in BUILD_LENGTHS else None
    return names.map(known or {name: normalise_chromosome(name) for name in found})


def _check_pairs(table: pd.DataFrame, path: Path, jn_start: Junctions, jn_end: Junctions) -> None:
    """Refuse junctions that are not the two ends of introns inside the transcript."""
    for column, side in (("jn_start", jn_start), ("jn_end", jn_end)):
        out = np.bincount(side.gene[~side.inside], minlength=len(table)) > 0
        refuse(out, table[column], path, column, "all between tx_start and tx_end")
    n_start, n_end = (pd.Series(side.numbers(len(table)), table.index) for side in (jn_start, jn_end))
    found = n_start.astype(str) + " and " + n_end.astype(str)
    refuse(n_start != n_end, found, path, "the number of jn_start and jn_end", "as many of both")
    late = jn_start.gene[jn_start.position >= jn_end.position]
    late = np.bincount(late, minlength=len(table)) > 0
    refuse(late, table["jn_end"], path, "jn_end", "each more than its jn_start")


def read_splice_table(path: Path, *, paired: bool, build: str = BUILD) -> SpliceTable:
    """Read a table: plain or gzip text without header, the columns `COLUMNS` separated by tabs.

    Parameters
    ----------
    paired : bool
        The i-th jn_start and jn_end are the two ends of one intron inside the transcript. Otherwise (GTEx) the lists
        may differ in length and hold positions outside the transcript, which SpliceAI ignores.
    build : str
        Genome build that it must be of. Of one that is not known, chromosomes and lengths are not checked.

    Raises
    ------
    InputError
        A line or field of another form (such as a list without its last comma), an unknown chromosome or names of two
        forms, a gene twice, a junction outside its transcript or in wrong order, or coordinates of another build.
    """
    table = read_table(path, COLUMNS, header=False)
    for column, (pattern, expected) in _FIELDS.items():
        refuse(~table[column].str.fullmatch(pattern).to_numpy(bool), table[column], path, column, expected)
    twice = table["gene"].duplicated().to_numpy()
    refuse(twice, table["gene"], path, "gene", "every gene once")
    chrom = _chromosomes(table["chrom"], build, path)
    starts, ends = (table[column].to_numpy(str).astype(np.int64) for column in ("tx_start", "tx_end"))
    refuse(ends <= starts, table["tx_end"], path, "tx_end", "more than tx_start")
    jn_start, jn_end = (_junctions(table[column], starts, ends) for column in ("jn_start", "jn_end"))
    if paired:
        _check_pairs(table, path, jn_start, jn_end)

    genes = pd.DataFrame(
        {
            "gene": table["gene"],
            "paralog": (table["paralog"] == "1").astype(np.int8),
            "chrom": chrom,
            "strand": table["strand"],
            "tx_start": starts,
            "tx_end": ends,
        }
    ).reset_index(drop=True)
    told: dict[str, Any] = {"build": NOT_TOLD, "evidence": {}}
    if build in BUILD_LENGTHS:
        told = tell_build(genes, build, str(path))
        check_regions(transcripts(genes), BUILD_LENGTHS[build], str(path), build)
    return SpliceTable(genes, jn_start, jn_end, told)


def transcripts(genes: pd.DataFrame) -> pd.DataFrame:
    """Return chrom, start, end (0-based half-open) of the transcripts of genes."""
    return pd.DataFrame({"chrom": genes["chrom"], "start": genes["tx_start"] - 1, "end": genes["tx_end"]})


def in_published_test(genes: pd.DataFrame) -> np.ndarray:
    """Say which genes are in SpliceAI's test set (bool [n]): of its chromosomes, and without paralogs."""
    return (genes["chrom"].isin(TEST_CHROMOSOMES) & (genes["paralog"] == 0)).to_numpy(bool)


def check_splice_table(path: Path, *, paired: bool) -> dict[str, Any]:
    """Read one table; return its build and counts of genes and junctions."""
    table = read_splice_table(path, paired=paired)
    genes, paralog_0 = table.genes, table.genes["paralog"] == 0
    n_start, n_end = (side.numbers(len(genes)) for side in (table.jn_start, table.jn_end))
    sites = {"introns": n_start} if paired else {"jn_start": n_start, "jn_end": n_end}
    count = pd.DataFrame({"chrom": genes["chrom"], "genes": 1, "genes_paralog_0": paralog_0.astype(int), **sites})

    def total(columns: Iterable[str], rows: np.ndarray) -> dict[str, int]:
        return count.loc[rows, list(columns)].sum().to_dict()

    columns = ["genes", *sites]
    counts = total(count.columns[1:], np.ones(len(count), bool)) | {
        "positions_outside_transcripts": sum(int((~side.inside).sum()) for side in (table.jn_start, table.jn_end)),
        "train": total(columns, ~count["chrom"].isin(TEST_CHROMOSOMES).to_numpy()),
        "test": total(columns, in_published_test(genes)),
        "chromosomes": count.groupby("chrom").sum().loc[by_rank(count["chrom"])].to_dict(orient="index"),
    }
    return table.told | {"counts": counts}
