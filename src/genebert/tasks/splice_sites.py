"""Splice sites of genes: where they are, whether GT and AG lie beside them, and labels of every base.

As SpliceAI's `create_datafile.py` and `utils.py` (docs/facts.md 40): in the direction of transcription 1 marks an
acceptor, the first base of an exon, and 2 a donor, the last base of one.
"""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.site_labels import ACCEPTOR, DONOR
from genebert.genome.bases import encode
from genebert.genome.fasta import Genome
from genebert.sources.splice_table import SpliceTable

logger = logging.getLogger(__name__)
EXPECTED = 0.9  # share of GT and of AG: about 0.99 in genes of human, 0.06 anywhere else
FEW = 5  # sites without GT or AG that stop nothing: a table of some genes may hold rare ones
SHIFTS = sorted(range(-3, 4), key=abs)  # that a table may be off by: the smallest first
# Two bases of the intron along the chromosome, next to jn_start and next to jn_end, by strand.
MOTIFS = {"+": (encode("GT"), encode("AG")), "-": (encode("CT"), encode("AC"))}


class Sites(NamedTuple):
    """Splice sites inside transcripts, each once for each gene."""

    gene: np.ndarray  # int64 [n]: row of the gene, ascending
    offset: np.ndarray  # int64 [n]: bases from the first one transcribed
    label: np.ndarray  # int8 [n]: acceptor or donor
    both: int  # sites that the table names as both; as in SpliceAI, such a base is an acceptor


def find_sites(table: SpliceTable) -> Sites:
    """Return the splice sites of a table's genes, sorted by gene and offset."""
    reverse = (table.genes["strand"] == "-").to_numpy(bool)
    first, last = (table.genes[name].to_numpy() for name in ("tx_start", "tx_end"))
    genes, offsets, labels = [], [], []
    for side, on_plus, on_minus in ((table.jn_start, DONOR, ACCEPTOR), (table.jn_end, ACCEPTOR, DONOR)):
        gene, position = side.gene[side.inside], side.position[side.inside]
        genes.append(gene)
        offsets.append(np.where(reverse[gene], last[gene] - position, position - first[gene]))
        labels.append(np.where(reverse[gene], on_minus, on_plus))
    sites = pd.DataFrame(
        {"gene": np.concatenate(genes), "offset": np.concatenate(offsets), "label": np.concatenate(labels)}
    )
    sites = sites.drop_duplicates().sort_values(["gene", "offset", "label"], kind="stable")
    again = sites.duplicated(["gene", "offset"])  # an acceptor, which comes first, is also named as a donor
    sites = sites[~again]
    return Sites(*(sites[name].to_numpy() for name in ("gene", "offset")), sites["label"].to_numpy(np.int8), sum(again))


def labels_of(sites: Sites, gene: int, length: int) -> np.ndarray:
    """Return the labels (int8 [length]) of a gene's bases in the direction of transcription, -1 beyond its end."""
    first, last = np.searchsorted(sites.gene, [gene, gene + 1])
    labels = np.zeros(length, dtype=np.int8)
    labels[sites.offset[first:last]] = sites.label[first:last]
    return labels


# ------------------------------------------------------------------------------------------------------ GT and AG


def _fits(codes: np.ndarray, first: np.ndarray, motif: np.ndarray) -> np.ndarray:
    """Say where on a chromosome two bases are those of a motif (bool [n]); `first` may lie beyond an end."""
    inside = (first >= 0) & (first + 2 <= len(codes))
    first = np.where(inside, first, 0)
    return inside & (codes[first] == motif[0]) & (codes[first + 1] == motif[1])


class _Side(NamedTuple):
    """One side of all junctions beside the genome."""

    column: str
    donor: np.ndarray  # bool [n]
    own: np.ndarray  # bool [n, shifts]: the motif of the gene's strand is there
    other: np.ndarray  # bool [n, shifts]: that of the other strand


def _sides(table: SpliceTable, genome: Genome) -> list[_Side]:
    chroms, strands = (table.genes[name].to_numpy() for name in ("chrom", "strand"))
    named = {"jn_start": table.jn_start, "jn_end": table.jn_end}
    inside = {column: side.gene[side.inside] for column, side in named.items()}
    fits = {(column, strand): np.zeros((len(gene), len(SHIFTS)), bool) for column, gene in inside.items()
            for strand in MOTIFS}  # fmt: skip
    for chrom in dict.fromkeys(chroms):
        codes = genome.codes(chrom)
        for number, (column, side) in enumerate(named.items()):
            here = np.flatnonzero(chroms[inside[column]] == chrom)
            # From 0: the two bases after the exon's last one, or before its first one.
            first = side.position[side.inside][here] - (0 if column == "jn_start" else 3)
            for strand, motifs in MOTIFS.items():
                for i, shift in enumerate(SHIFTS):
                    fits[column, strand][here, i] = _fits(codes, first + shift, motifs[number])
    found = []
    for column, gene in inside.items():
        plus = (strands[gene] == "+")[:, None]
        own, other = (np.where(plus, fits[column, a], fits[column, b]) for a, b in (("+", "-"), ("-", "+")))
        found.append(_Side(column, plus[:, 0] == (column == "jn_start"), own, other))
    return found


def _share(fits: np.ndarray) -> float:
    return float(fits.mean()) if len(fits) else 1.0


def _likely_cause(sides: list[_Side]) -> str:
    """Say what would make most junctions fit."""
    for strand, words in (("own", []), ("other", ["on the opposite strand"])):
        shares = [[_share(getattr(side, strand)[:, i]) for i in range(len(SHIFTS))] for side in sides]
        best = [int(np.argmax(one)) for one in shares]
        worst = min(one[i] for one, i in zip(shares, best, strict=True))
        if worst >= EXPECTED:
            moves = zip(sides, best, strict=True)
            moved = [f"{side.column} moved by {SHIFTS[i]:+d}" for side, i in moves if SHIFTS[i]]
            changes = " and ".join(words + (["with " + " and ".join(moved)] if moved else []))
            return f"{changes} {worst:.1%} or more would fit"
    either = min(_share(side.own[:, 0] | side.other[:, 0]) for side in sides)
    if either >= EXPECTED:
        return f"{either:.1%} or more fit one of the two strands: is the column strand right?"
    return "no shift of up to 3 bases and no change of strand makes them fit: another genome build?"


def check_motifs(table: SpliceTable, genome: Genome, path: Path) -> dict[str, Any]:
    """Return the shares of donors with GT and of acceptors with AG, over all junctions inside transcripts.

    Raises
    ------
    InputError
        They are too few; the message says which strand or shift would fit.
    """
    sides = _sides(table, genome)
    donor = np.concatenate([side.own[side.donor, 0] for side in sides])
    acceptor = np.concatenate([side.own[~side.donor, 0] for side in sides])
    low = [fits for fits in (donor, acceptor) if _share(fits) < EXPECTED]
    found = (
        f"{path}: {_share(donor):.1%} of {len(donor)} donors have GT behind them in {genome.path.name} and "
        f"{_share(acceptor):.1%} of {len(acceptor)} acceptors AG before them, expected at least {EXPECTED:.0%} of both"
    )
    if any((~fits).sum() > FEW for fits in low):
        raise InputError(f"{found}; {_likely_cause(sides)}")
    if low:
        logger.warning("%s; they are too few to tell what is wrong", found)
    return {"gt": round(_share(donor), 4), "ag": round(_share(acceptor), 4), "donors": len(donor),
            "acceptors": len(acceptor)}  # fmt: skip
