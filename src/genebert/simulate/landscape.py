"""Regions in domains, the genome under them, and the planting of motif instances."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.bases import N_CODE, decode, reverse_complement
from genebert.motifs.jaspar import Motif
from genebert.settings.data import SimulationSettings
from genebert.simulate.programs import HOUSEKEEPING, MAX_REGION, MIN_REGION

EDGE_N = 2000  # unknown bases at both ends of a chromosome
MOSTLY_N = 0.8
MIN_GAP = 60  # bases between two regions
MEAN_GC = 0.42


@dataclass
class Sequence:
    """All chromosomes end to end: base codes, and which bases must not be overwritten."""

    codes: np.ndarray
    fixed: np.ndarray
    chroms: list[str]
    offsets: np.ndarray

    def place(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return chromosome number and position on it."""
        chrom = np.searchsorted(self.offsets, position, side="right") - 1
        return chrom, position - self.offsets[chrom]

    def write(self, start: int, codes: np.ndarray, strand: str) -> None:
        """Overwrite the bases from `start` on with `codes`, read on `strand`, and fix them."""
        stop = start + len(codes)
        self.codes[start:stop] = codes if strand == "+" else reverse_complement(codes)
        self.fixed[start:stop] = True


class Planter:
    """Plants motif instances drawn from the matrices and keeps a record of them."""

    def __init__(self, sequence: Sequence, motifs: list[Motif], rng: np.random.Generator):
        self.sequence, self.rng = sequence, rng
        self.motifs = {motif.name: motif for motif in motifs}
        self.cumulative = {}
        self.sites: list[tuple] = []

    def put(self, name: str, start: int, strand: str, why: str, strength: float = 1.0) -> np.ndarray:
        """Plant one instance that begins (leftmost base) at `start`; return its bases as read on `strand`.

        `strength` is an exponent of the matrix: above 1 the instance is closer to the consensus, below 1 farther.
        """
        if (name, strength) not in self.cumulative:
            weights = self.motifs[name].counts ** strength
            self.cumulative[name, strength] = np.cumsum(weights / weights.sum(axis=0), axis=0)[:3]
        cumulative = self.cumulative[name, strength]
        codes = (self.rng.random(cumulative.shape[1]) > cumulative).sum(axis=0).astype(np.uint8)
        self.sequence.write(start, codes, strand)
        self.sites.append((start, start + len(codes), strand, self.motifs[name].matrix_id, name, decode(codes), why))
        return codes

    def put_somewhere(self, name: str, start: int, end: int, why: str) -> bool:
        """Plant one instance at a random free place inside ``[start, end)``; say whether there was one."""
        width = self.motifs[name].width
        if end - start < width:
            return False
        for place in self.rng.integers(start, end - width + 1, size=20):
            if not self.sequence.fixed[place : place + width].any():
                self.put(name, int(place), "+-"[self.rng.integers(2)], why)
                return True
        return False


def _usable(settings: SimulationSettings) -> dict[str, tuple[int, int, int]]:
    """Return length and the start and end of the known bases of every chromosome."""
    usable = {}
    for name, length in settings.chromosomes.items():
        margin = round(length * MOSTLY_N / 2) if name in settings.mostly_n else EDGE_N
        usable[name] = (length, min(margin, length // 2), max(length - margin, length // 2))
    return usable


def stream(settings: SimulationSettings, part: int) -> np.random.Generator:
    """Return the random numbers of a part: a change in one setting leaves the other parts as they were."""
    return np.random.default_rng([settings.seed, part])


def layout_regions(settings: SimulationSettings) -> pd.DataFrame:
    """Place regions, group them into domains and give each a program (-1: house-keeping); InputError without room."""
    rng = stream(settings, 0)
    usable = _usable(settings)
    room = np.array([end - start for _, start, end in usable.values()])
    share = settings.n_regions * room / max(1, room.sum())
    numbers = np.diff(np.round(np.concatenate(([0], np.cumsum(share)))).astype(int))
    tables, first_domain = [], 0
    for (chrom, (length, start, end)), number in zip(usable.items(), numbers, strict=True):
        sizes = np.clip(rng.gamma(9, settings.region_bp / 9, number).round().astype(int), MIN_REGION, MAX_REGION)
        spare = end - start - int(sizes.sum()) - MIN_GAP * (number + 1)
        if number == 0 and room.any():
            continue
        if spare < 0:
            raise InputError(
                f"simulation: {chrom} of {length} bases has room for {end - start}, expected at least "
                f"{int(sizes.sum()) + MIN_GAP * (number + 1)} for {number} of {settings.n_regions} regions; "
                "make the chromosomes longer or the regions fewer"
            )
        cuts = np.sort(rng.integers(0, spare + 1, number))
        starts = start + MIN_GAP * np.arange(1, number + 1) + cuts + np.concatenate(([0], np.cumsum(sizes)[:-1]))
        n_domains = max(1, round(number / settings.regions_per_domain))
        borders = np.sort(rng.choice(np.arange(1, number), min(n_domains, number) - 1, replace=False))
        domain = first_domain + np.searchsorted(borders, np.arange(number), side="right")
        first_domain = domain[-1] + 1
        tables.append(pd.DataFrame({"chrom": chrom, "start": starts, "end": starts + sizes, "domain": domain}))
    regions = pd.concat(tables, ignore_index=True)
    # Balanced over cell types, in random order: small atlases get a domain of every type too.
    types = settings.n_cell_types
    own = rng.permuted(np.resize(np.arange(types), first_domain))
    draw = rng.random(len(regions))
    program = own[regions["domain"]]
    other = (program + rng.integers(1, max(2, types), len(regions))) % types
    program = np.where(draw < settings.domain_purity, program, other)
    program[(draw >= settings.domain_purity) & (draw < settings.domain_purity + settings.housekeeping)] = -1
    return regions.assign(program=program, domain_program=own[regions["domain"]])


def background(settings: SimulationSettings, regions: pd.DataFrame, rng: np.random.Generator) -> Sequence:
    """Draw bases with a GC content that differs by domain, few CpG, and N where nothing is known."""
    usable = _usable(settings)
    offsets = np.concatenate(([0], np.cumsum([length for length, _, _ in usable.values()])))
    codes = np.full(offsets[-1], N_CODE, dtype=np.uint8)
    gc_by_domain = np.clip(rng.normal(MEAN_GC, settings.domain_gc_sd, regions["domain"].max() + 1), 0.2, 0.7)
    for chrom, offset, (_, start, end) in zip(usable, offsets[:-1], usable.values(), strict=True):
        here = regions[regions["chrom"] == chrom]
        gc = np.full(end - start, MEAN_GC)
        if len(here):
            nearest = np.searchsorted(here["start"].to_numpy(), np.arange(start, end)).clip(max=len(here) - 1)
            gc = gc_by_domain[here["domain"].to_numpy()[nearest]]
        strong, coin = rng.random(end - start) < gc, rng.integers(0, 2, end - start)
        codes[offset + start : offset + end] = np.where(strong, 1 + coin, 3 * coin)
        if chrom in settings.mostly_n:  # some regions that the N filter must drop
            for region in here.sample(min(3, len(here)), random_state=rng).itertuples():
                codes[offset + region.start : offset + region.start + (region.end - region.start) // 3] = N_CODE
    deplete_cpg(codes, rng, 0.75)
    return Sequence(codes, codes == N_CODE, list(usable), offsets)


def deplete_cpg(codes: np.ndarray, rng: np.random.Generator, share: float) -> None:
    """Turn `share` of all CG (along the last axis) into TG or CA, as methylation does."""
    table = np.atleast_2d(codes)  # a view: changes reach `codes`
    row, column = np.nonzero(table[:, :-1] == 1)
    cpg = (table[row, column + 1] == 2) & (rng.random(len(row)) < share)
    first = rng.random(len(row)) < 0.5
    table[row[cpg & first], column[cpg & first]] = 3
    table[row[cpg & ~first], column[cpg & ~first] + 1] = 0


def plant_programs(
    settings: SimulationSettings, regions: pd.DataFrame, programs: list[tuple[str, ...]], planter: Planter
) -> None:
    """Plant the motifs of each region's program; a domain's own program with the domain's mix of factors."""
    rng = planter.rng
    mixes = rng.dirichlet(np.full(6, 0.6), regions["domain"].max() + 1)
    numbers = 1 + rng.poisson(max(0.0, settings.motifs_per_region - 1), len(regions))
    for region, number in zip(regions.itertuples(), numbers, strict=True):
        factors = HOUSEKEEPING if region.program == -1 else programs[region.program]
        own = region.program == region.domain_program
        for name in rng.choice(factors, number, p=mixes[region.domain] if own else None):
            planter.put_somewhere(str(name), region.global_start, region.global_end, "program")
