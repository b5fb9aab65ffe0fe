"""Genes with splice sites on both strands, decoys, and the table of SpliceAI's form (docs/facts.md 8).

A gene is drawn in the direction of transcription: exons with a composition of their own, and for every intron a donor
and an acceptor from their matrices and a branch point. It is laid where all of these find free bases: motif instances,
promoters and CTCF's windows stay as they are, and what else lies between is the inside of its introns. Exons may run
over regions, of which only bases between the motifs change. Decoys come from the same two matrices and lack the rest.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.bases import N_CODE, decode, encode, reverse_complement
from genebert.settings.data import MIN_EXON, MIN_INTRON, SimulationSettings
from genebert.simulate.ctcf import HALF_WINDOW
from genebert.simulate.landscape import Sequence
from genebert.simulate.promoters import keep_promoters

# Rows A, C, G, T. Zhang 1998, genes of low G+C (docs/facts.md 44), but that GT and AG are 99.5 %; of the acceptor the
# first five columns repeat its farthest one, and the last is even.
DONOR = np.array([  # 3 bases of the exon, 6 of the intron
    [0.38, 0.62, 0.12, 0.00, 0.000, 0.71, 0.73, 0.11, 0.21],
    [0.31, 0.10, 0.04, 0.00, 0.005, 0.02, 0.06, 0.06, 0.10],
    [0.18, 0.12, 0.77, 1.00, 0.000, 0.24, 0.08, 0.75, 0.14],
    [0.13, 0.16, 0.07, 0.00, 0.995, 0.03, 0.13, 0.08, 0.55],
])  # fmt: skip
ACCEPTOR = np.array([  # 20 bases of the intron, 3 of the exon
    [0.15] * 6 + [0.14, 0.13, 0.11, 0.10, 0.10, 0.11, 0.12, 0.13, 0.11, 0.10, 0.26, 0.07, 0.995, 0, 0.26, 0.24, 0.25],
    [0.24] * 6 + [0.21, 0.20, 0.22, 0.21, 0.22, 0.25, 0.28, 0.28, 0.25, 0.22, 0.25, 0.55, 0.005, 0, 0.11, 0.15, 0.25],
    [0.10] * 6 + [0.12, 0.10, 0.09, 0.10, 0.09, 0.10, 0.10, 0.08, 0.05, 0.05, 0.15, 0.01, 0.000, 1, 0.50, 0.20, 0.25],
    [0.51] * 6 + [0.53, 0.57, 0.58, 0.59, 0.59, 0.54, 0.50, 0.51, 0.59, 0.63, 0.33, 0.37, 0.000, 0, 0.13, 0.41, 0.25],
])  # fmt: skip
BRANCH = np.array([  # yUnAy; the A that the intron's first base is joined to is the last but one
    [0.25, 0.25, 0.00, 0.00, 0.39, 1.00, 0.18],
    [0.19, 0.22, 0.60, 0.02, 0.24, 0.00, 0.33],
    [0.15, 0.17, 0.00, 0.00, 0.32, 0.00, 0.03],
    [0.41, 0.36, 0.40, 0.98, 0.05, 0.00, 0.46],
])  # fmt: skip
INTO_EXON, INTO_INTRON = 3, 20  # bases of a site's matrix in the exon; of the acceptor's in the intron
BRANCH_BEFORE = (22, 40)  # bases from the branch point to the exon
# Exons: their bases, and purine-rich hexamers like the enhancers of Fairbrother et al. 2002 (Science 297:1007).
EXON_BASES = (0.28, 0.25, 0.28, 0.19)
ENHANCERS = ("GAAGAA", "AAGAAG", "GAAGGA", "AGAAGA", "TGAAGA", "GGAAGA")
ENHANCERS_PER_BASE = 0.08
MUTATED = 0.1  # of a paralog's bases: about those of a gene that doubled when vertebrates did
GENE_GAP = 50  # bases between two genes that do not overlap
TRIALS = 400  # places for a gene
STRETCH = 60  # bases that a part of a gene is moved on at most to find free ones
PARTNERS = 5  # genes that a gene is tried on the other strand of, before it goes anywhere
DECOYS_OUTSIDE = 0.2  # decoys between genes, for each one within
DECOY_TRIALS = 20
SITE_COLUMNS = ("start", "end", "strand", "kind", "gene", "sequence")


@dataclass(frozen=True, eq=False)
class _Part:
    """An exon with the sites beside it, in the direction of transcription."""

    codes: np.ndarray  # uint8 [length]; N where the genome keeps its base
    exon: tuple[int, int]  # start, end
    pieces: list[tuple[int, int, str]]  # start, end and kind: branch point, acceptor, donor
    gap: int  # bases of the intron between the part before and this one

    @property
    def sites(self) -> np.ndarray:
        """Return the bases of all pieces (int64)."""
        return np.concatenate([np.arange(start, end) for start, end, _ in self.pieces])


@dataclass(frozen=True)
class _Gene:
    """A gene at its place: bases of the whole genome, 0-based half-open."""

    start: int
    end: int
    strand: str
    paralog: bool
    exons: np.ndarray  # int64 [n, 2], along the chromosome


def _draw(matrix: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw bases (uint8 [width]) from the columns of a matrix (float [4, width])."""
    cumulative = np.cumsum(matrix / matrix.sum(axis=0), axis=0)[:3]
    return (rng.random(matrix.shape[1]) > cumulative).sum(axis=0).astype(np.uint8)


def _exon_bases(length: int, rng: np.random.Generator) -> np.ndarray:
    codes = rng.choice(4, length, p=EXON_BASES).astype(np.uint8)
    for start in rng.integers(0, length - 5, rng.poisson(ENHANCERS_PER_BASE * length)).tolist():
        codes[start : start + 6] = encode(ENHANCERS[rng.integers(len(ENHANCERS))])
    return codes


def _draw_part(length: int, intron: int | None, last: bool, rng: np.random.Generator) -> _Part:
    """Draw an exon, with branch point and acceptor if there is an intron of so many bases before it."""
    distance = int(rng.integers(BRANCH_BEFORE[0], BRANCH_BEFORE[1] + 1))
    start = 0 if intron is None else distance + BRANCH.shape[1] - 2
    end = start + length
    codes = np.full(end + (0 if last else DONOR.shape[1] - INTO_EXON), N_CODE, dtype=np.uint8)
    codes[start:end] = _exon_bases(length, rng)
    planned = [] if intron is None else [(0, "branch", BRANCH), (start - INTO_INTRON, "acceptor", ACCEPTOR)]
    planned += [] if last else [(end - INTO_EXON, "donor", DONOR)]
    for first, _, matrix in planned:
        codes[first : first + matrix.shape[1]] = _draw(matrix, rng)
    pieces = [(first, first + matrix.shape[1], kind) for first, kind, matrix in planned]
    gap = 0 if intron is None else intron - (DONOR.shape[1] - INTO_EXON) - start
    return _Part(codes, (start, end), pieces, gap)


def _draw_gene(settings: SimulationSettings, rng: np.random.Generator) -> list[_Part]:
    number = 2 + int(rng.poisson(settings.exons_per_gene - 2))
    exons = MIN_EXON + rng.gamma(2, (settings.exon_bp - MIN_EXON) / 2, number).round().astype(int)
    introns = MIN_INTRON + rng.gamma(2, (settings.intron_bp - MIN_INTRON) / 2, number).round().astype(int)
    return [
        _draw_part(exon, intron if i else None, i == number - 1, rng)
        for i, (exon, intron) in enumerate(zip(exons.tolist(), introns.tolist(), strict=True))
    ]


def _copy(part: _Part, rng: np.random.Generator) -> _Part:
    """Return a paralog's part: the same bases with mutations, but for GT and AG; what lies between is its place's."""
    changed = (part.codes != N_CODE) & (rng.random(len(part.codes)) < MUTATED)
    start, end = part.exon
    changed[max(0, start - 2) : start] = changed[end : end + 2] = False
    codes = part.codes.copy()
    codes[changed] = (codes[changed] + rng.integers(1, 4, changed.sum())) % 4
    return replace(part, codes=codes)


def _span(places: list[np.ndarray]) -> tuple[int, int]:
    """Return the first base of consecutive ones and the one after the last."""
    ends = (places[0][0], places[-1][-1])
    return int(min(ends)), int(max(ends)) + 1


class _Ground:
    """The genome, where genes may be written, and what is planted."""

    def __init__(self, sequence: Sequence, promoters: pd.DataFrame, peaks: np.ndarray, rng: np.random.Generator):
        self.sequence, self.rng = sequence, rng
        self.kept = keep_promoters(sequence.fixed, promoters)  # bases that nothing may be written on
        for centre in peaks.tolist():
            self.kept[max(0, centre - HALF_WINDOW) : centre + HALF_WINDOW + 1] = True
        self.exonic = np.zeros(len(self.kept), dtype=bool)
        self.unknown = np.concatenate(([0], np.cumsum(sequence.codes == N_CODE)))
        self.genes: list[_Gene] = []
        self.planted: list[tuple] = []  # SITE_COLUMNS, the gene as its number here

    def find_place(self, parts: list[_Part], strand: str, over: int | None = None) -> list[np.ndarray] | None:
        """Return the bases of a gene's parts (int64 [length] each), at a place drawn at random.

        All pieces lie on free bases; introns are a little longer than planned where these are taken. With `over`, the
        gene shares bases with that one, and never with others. None: no place was found in many trials.
        """
        planned = sum(part.gap + len(part.codes) for part in parts)
        longest = planned + STRETCH * len(parts)
        first, stop = longest, len(self.kept) - longest
        if over is not None:
            before, after = self.genes[over].start, self.genes[over].end
            ends = (before - planned, after) if strand == "+" else (before, after + planned)
            first, stop = max(first, ends[0]), min(stop, ends[1])
        others = np.array([(one.start, one.end) for i, one in enumerate(self.genes) if i != over]).reshape(-1, 2)
        for begin in self.rng.integers(first, stop, TRIALS).tolist() if stop > first else ():
            places = self._lay(parts, begin, strand)
            if places is None:
                continue
            start, end = _span(places)
            near = (start < others[:, 1] + GENE_GAP) & (end > others[:, 0] - GENE_GAP)
            apart = over is not None and (start >= self.genes[over].end or end <= self.genes[over].start)
            # Known bases end before a chromosome does.
            if not (near.any() or apart or self.unknown[end] > self.unknown[start]):
                return places
        return None

    def _lay(self, parts: list[_Part], begin: int, strand: str) -> list[np.ndarray] | None:
        """Lay parts from a base on, in the direction of transcription, each at the next place that is free for it."""
        step, places = (1 if strand == "+" else -1), []
        for part in parts:
            sites, begin = part.sites, begin + step * part.gap
            for _ in range(STRETCH):
                if not self.kept[begin + step * sites].any():
                    break
                begin += step
            else:
                return None
            places.append(begin + step * np.arange(len(part.codes)))
            begin += step * len(part.codes)
        return places

    def put(self, parts: list[_Part], places: list[np.ndarray], strand: str, paralog: bool) -> None:
        """Write a gene: its sites, and the other bases of its exons where nothing else is."""
        number, exons = len(self.genes), []
        written = [part.codes if strand == "+" else reverse_complement(part.codes)[::-1] for part in parts]
        for part, place, codes in zip(parts, places, written, strict=True):
            wanted = (part.codes != N_CODE) & ~self.kept[place] & ~self.exonic[place]
            wanted[part.sites] = True
            self.sequence.codes[place[wanted]] = codes[wanted]
            self.kept[place[part.sites]] = True
            exon = place[slice(*part.exon)]
            self.exonic[exon] = True
            exons.append(_span([exon]))
            for start, end, kind in part.pieces:
                here = _span([place[start:end]])
                self.planted.append((*here, strand, kind, number, decode(part.codes[start:end])))
        self.genes.append(_Gene(*_span(places), strand, paralog, np.array(sorted(exons))))

    def decoy(self, first: int, stop: int, strand: str, gene: int) -> None:
        """Plant a decoy at a free place within an interval, if one is found."""
        kind, matrix = (("donor", DONOR), ("acceptor", ACCEPTOR))[self.rng.integers(2)]
        width = matrix.shape[1]
        for start in self.rng.integers(first, stop - width + 1, DECOY_TRIALS).tolist():
            if not self.kept[start : start + width].any():
                codes = _draw(matrix, self.rng)
                self.sequence.codes[start : start + width] = codes if strand == "+" else reverse_complement(codes)
                self.kept[start : start + width] = True
                self.planted.append((start, start + width, strand, f"decoy {kind}", gene, decode(codes)))
                return


def _put_genes(settings: SimulationSettings, ground: _Ground) -> None:
    """Lay all genes: first those that have no like, then paralogs; some over one of the other strand."""
    rng, total = ground.rng, settings.n_genes
    copies = min(total // 2, round(total * settings.gene_paralogs / 2))
    drawn = [_draw_gene(settings, rng) for _ in range(total - copies)]
    parents = rng.permutation(len(drawn))[:copies].tolist()
    twice = {*parents}
    drawn += [[_copy(part, rng) for part in drawn[parent]] for parent in parents]
    for number, parts in enumerate(drawn):
        paralog = number in twice or number >= len(drawn) - copies
        place = strand = None
        if rng.random() < settings.gene_overlaps / 2:
            for over in rng.permutation(number)[:PARTNERS].tolist():
                strand = "+-"[ground.genes[over].strand == "+"]
                place = ground.find_place(parts, strand, over)
                if place is not None:
                    break
        if place is None:
            strand = "+-"[rng.integers(2)]
            place = ground.find_place(parts, strand)
        if place is None:
            raise InputError(
                f"simulation: room for {number} genes, expected {total}; make the chromosomes longer or n_genes, "
                "exons_per_gene, exon_bp or intron_bp smaller"
            )
        ground.put(parts, place, strand, paralog)


def _put_decoys(settings: SimulationSettings, ground: _Ground) -> None:
    """Plant decoys within genes, on their strand, and anywhere outside of them."""
    rng = ground.rng
    numbers = [round(2 * (len(gene.exons) - 1) * settings.splice_decoys) for gene in ground.genes]
    for gene, (one, number) in enumerate(zip(ground.genes, numbers, strict=True)):
        for _ in range(number):
            ground.decoy(one.start, one.end, one.strand, gene)
    for one in ground.genes:
        ground.kept[one.start : one.end] = True
    for _ in range(round(DECOYS_OUTSIDE * sum(numbers))):
        ground.decoy(0, len(ground.kept), "+-"[rng.integers(2)], -1)


@dataclass(frozen=True)
class Genes:
    """The genes by place, in the forms that are written."""

    table: pd.DataFrame  # the eight columns of SpliceAI's canonical_dataset.txt
    sites: pd.DataFrame  # chrom, start, end, strand, kind, gene (`.`: none), sequence on its strand
    truth: dict  # counts for truth.json


def plant_genes(
    settings: SimulationSettings,
    sequence: Sequence,
    promoters: pd.DataFrame,
    peaks: np.ndarray,
    rng: np.random.Generator,
) -> Genes:
    """Write genes and decoys into the genome.

    Parameters
    ----------
    promoters : DataFrame
        Columns tss (base of the whole genome) and strand; these keep their bases.
    peaks : int64 [n]
        Middles of CTCF's places, which keep theirs.

    Raises
    ------
    InputError
        More genes asked for than there is room.
    """
    ground = _Ground(sequence, promoters, peaks, rng)
    _put_genes(settings, ground)
    _put_decoys(settings, ground)
    order = sorted(range(len(ground.genes)), key=lambda i: (ground.genes[i].start, ground.genes[i].end))
    names = {number: f"SIMG{rank:05d}" for rank, number in enumerate(order, 1)}
    rows = []
    for number in order:
        gene = ground.genes[number]
        (chrom,), (first,) = sequence.place(np.array([gene.start]))
        exons = gene.exons - gene.start + first
        # Exon ends and exon starts, from 1: the exon's last base, and its first one.
        ends, starts = exons[:-1, 1], exons[1:, 0] + 1
        lists = ["".join(f"{value}," for value in side.tolist()) for side in (ends, starts)]
        about = (names[number], int(gene.paralog), sequence.chroms[chrom], gene.strand)
        rows.append((*about, first + 1, first + gene.end - gene.start, *lists))
    columns = ["gene", "paralog", "chrom", "strand", "tx_start", "tx_end", "jn_start", "jn_end"]
    sites = pd.DataFrame(ground.planted, columns=SITE_COLUMNS).sort_values(["start", "strand"], ignore_index=True)
    chrom, start = sequence.place(sites["start"].to_numpy(np.int64))
    sites = sites.assign(start=start, end=start + (sites["end"] - sites["start"]).to_numpy(np.int64))
    sites.insert(0, "chrom", np.array(sequence.chroms)[chrom])
    sites["gene"] = [names.get(number, ".") for number in sites["gene"]]
    kinds = sites["kind"].value_counts()
    truth = {
        "genes": len(rows),
        "genes_with_paralogs": sum(gene.paralog for gene in ground.genes),
        "introns": int(kinds.get("donor", 0)),
        "decoy_donors": int(kinds.get("decoy donor", 0)),
        "decoy_acceptors": int(kinds.get("decoy acceptor", 0)),
        "decoys_within_genes": int((sites["kind"].str.startswith("decoy") & (sites["gene"] != ".")).sum()),
    }
    return Genes(pd.DataFrame(rows, columns=columns), sites, truth)
