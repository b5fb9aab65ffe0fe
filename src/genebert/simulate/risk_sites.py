"""Places of risk sites in a locus: as the settings say, or within the strongest hit of a factor's matrix."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genebert.errors import InputError
from genebert.genome.anchors import SNP, SNP_NAME
from genebert.genome.bases import BASES, N_CODE
from genebert.genome.fasta import Genome
from genebert.motifs.jaspar import Motif, factor_motifs
from genebert.motifs.scoring import score_motifs, strand_background
from genebert.settings.cohort import CohortSimulationSettings, CohortSite
from genebert.settings.data import MotifSettings


@dataclass(frozen=True)
class RiskSite:
    """A risk site in its place."""

    name: str
    factor: str
    position: int  # from 0, along the chromosome
    ref: str  # the genome's base
    alt: str
    risk: str  # one of the two
    matrix_id: str | None = None  # of the hit that it was found in
    hit: tuple[int, int] | None = None  # start and end of the hit, 0-based half-open
    scores: tuple[float, float] | None = None  # log-odds of the hit with ref, and with alt

    @property
    def other(self) -> str:
        return self.alt if self.risk == self.ref else self.ref


@dataclass(frozen=True, eq=False)
class Locus:
    """The bases of a locus, and where it lies."""

    chrom: str
    start: int  # from 0
    codes: np.ndarray  # uint8 [length]
    genome: str  # the file, for messages
    build: str

    @property
    def end(self) -> int:
        return self.start + len(self.codes)


def read_locus(settings: CohortSimulationSettings, genome: Genome, chrom: str) -> Locus:
    """Read the bases of the locus; an InputError where the genome lacks it, or has an N in it."""
    start, end = settings.start, settings.end
    if chrom not in genome.lengths:
        raise InputError(
            f"cohort.chromosome: found {chrom}, expected one of {genome.path}: {', '.join(list(genome.lengths)[:5])}"
        )
    if end > genome.lengths[chrom]:
        raise InputError(
            f"cohort.end: found {end}, expected at most {genome.lengths[chrom]}, the length of {chrom} in {genome.path}"
        )
    codes = genome.codes(chrom, start, end)
    if number := int((codes == N_CODE).sum()):
        first = start + int(np.argmax(codes == N_CODE)) + 1
        raise InputError(
            f"cohort.start: found a locus, {chrom}:{start}-{end}, with {number} bases N in {genome.path}, the first at "
            f"{first}; expected only A, C, G and T"
        )
    return Locus(chrom, start, codes, str(genome.path), genome.build)


def place_sites(settings: CohortSimulationSettings, locus: Locus, motifs: list[Motif]) -> list[RiskSite]:
    """Return the risk sites of the settings, in the order of their places, each with its element within the locus.

    Those without a position are sought after the others are placed; their elements overlap no other.

    Raises
    ------
    InputError
        A site outside the locus or at another base than was said, a factor without a matrix or without a hit.
    """
    asked, placed = settings.risk_sites, {}
    half = settings.element_bp // 2
    room = (locus.start + half, locus.end - half)  # where a site may be, 0-based half-open
    for name, site in asked.items():
        if site.position is not None:
            placed[name] = _given(name, site, locus, room)
    for name, site in asked.items():
        if site.position is None:
            taken = [one.position for one in placed.values()]
            placed[name] = _sought(name, site, locus, motifs, (room, taken, settings.element_bp))
    sites = sorted(placed.values(), key=lambda site: site.position)
    for before, site in itertools.pairwise(sites):
        if site.position == before.position:
            raise InputError(f"cohort.sites.{site.name}.position: found that of {before.name}, expected another")
    return sites


def _given(name: str, site: CohortSite, locus: Locus, room: tuple[int, int]) -> RiskSite:
    """Return a site at the position that was given, if the genome agrees."""
    key, where = f"cohort.sites.{name}", f"{locus.chrom}:{site.position}"
    known = SNP.get(locus.build, site.position) if name == SNP_NAME else site.position
    if site.position != known:
        raise InputError(f"{key}.position: found {site.position}, expected {known}, its place in {locus.build}")
    if not room[0] <= site.position - 1 < room[1]:
        raise InputError(
            f"{key}.position: found {site.position}, expected {room[0] + 1} to {room[1]}, where its element lies "
            f"within the locus, {locus.chrom}:{locus.start}-{locus.end}"
        )
    found = BASES[locus.codes[site.position - 1 - locus.start]]
    expected = [site.ref] if site.ref else [site.risk, site.other]
    if found not in expected:
        raise InputError(
            f"{key}.{'ref' if site.ref else 'risk'}: found {found} at {where} of {locus.genome}, expected "
            f"{' or '.join(expected)}; is the position one of {locus.build}?"
        )
    return RiskSite(
        name, site.factor, site.position - 1, found, site.other if found == site.risk else site.risk, site.risk
    )


def _sought(
    name: str, site: CohortSite, locus: Locus, motifs: list[Motif], where: tuple[tuple[int, int], list[int], int]
) -> RiskSite:
    """Return a site in the strongest hit of its factor: the base change that lowers the hit's score most, as risk.

    `where` is the room for sites, places of others, and the bases between two sites at least.
    """
    (first, stop), taken, apart = where
    within = site.within or (locus.start + 1, locus.end)
    first, stop = max(first, within[0] - 1), min(stop, within[1])
    matrices = factor_motifs(motifs, site.factor)
    if not matrices:
        raise InputError(
            f"cohort.sites.{name}.factor: found {site.factor}, of which JASPAR's file has no matrix; expected a factor "
            "that has one"
        )
    motif = matrices[0]
    for start, matrix, score in _hits(locus, motif):
        window = locus.codes[start : start + motif.width]
        here = matrix[window, np.arange(motif.width)]
        column = int(np.argmax(here - matrix.min(axis=0)))
        alt = int(np.argmin(matrix[:, column]))
        place = locus.start + start + column
        if first <= place < stop and all(abs(place - other) >= apart for other in taken):
            weakened = score - here[column] + matrix[alt, column]
            begin = locus.start + start
            return RiskSite(
                name, site.factor, place, BASES[window[column]], BASES[alt], BASES[alt], motif.matrix_id,
                (begin, begin + motif.width), (round(float(score), 4), round(float(weakened), 4)),
            )  # fmt: skip
    raise InputError(
        f"cohort.sites.{name}.within: found no hit of {site.factor} ({motif.matrix_id}) in "
        f"{locus.chrom}:{first}-{stop} that is {apart} bases from other sites; expected a longer locus, or a smaller "
        "cohort.element_bp"
    )


def _hits(locus: Locus, motif: Motif) -> Iterator[tuple[int, np.ndarray, float]]:
    """Yield windows with a score above 0, the highest first: start within the locus, matrix along "+", score."""
    counts = np.bincount(locus.codes, minlength=4)[:4]
    settings = MotifSettings()
    scoring = score_motifs([motif], strand_background(counts), settings.source, settings.pseudocount, settings.p_value)
    strands = [scoring.matrices[0], scoring.reverse[0]]
    windows = np.lib.stride_tricks.sliding_window_view(locus.codes, motif.width)
    scores = np.stack([matrix[windows, np.arange(motif.width)].sum(axis=1) for matrix in strands])
    for flat in np.argsort(-scores, axis=None, kind="stable"):
        strand, start = divmod(int(flat), scores.shape[1])
        if scores[strand, start] <= 0:
            return
        yield start, strands[strand], float(scores[strand, start])
