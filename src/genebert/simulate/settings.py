"""Size and strength of the simulated atlas, and the factors behind its cell types."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from genebert.errors import InputError
from genebert.motifs.jaspar import Motif

# Cell types of the Descartes cerebrum (docs/facts.md 1) with factors known from them; neighbours in pairs share
# regions.
PROGRAMS = {
    "Excitatory neurons": ("NEUROD2", "TBR1", "MEF2C", "EGR3", "POU3F2", "EMX1"),
    "Inhibitory neurons": ("Dlx2", "LHX6", "ASCL1", "MEIS2", "NR2F1", "ONECUT1"),
    "Astrocytes": ("SOX9", "NFIA", "RFX4", "TEAD1", "STAT3", "FOS::JUN"),
    "Astrocytes/Oligodendrocytes": ("SOX10", "OLIG2", "NFIX", "TCF7L2", "CREB1", "KLF9"),
    "Vascular endothelial cells": ("ERG", "GATA2", "FOXF2", "MEF2A", "TEAD4", "Sox17"),
    "Limbic system neurons": ("EOMES", "LHX2", "FOXP2", "Neurog1", "EMX2", "BHLHE22"),
    "SKOR2_NPSR1 positive cells": ("Lhx4", "Pax6", "FOXP1", "RORA", "TFAP2A", "ZIC1"),
    "Cerebrum_Unknown.3": ("CTCF", "IRF8", "SPI1", "RUNX1", "CEBPB", "MAFK"),
}
HOUSEKEEPING = ("SP2", "NRF1", "NFYA", "YY1", "ELK1", "ZBTB33")
MIN_REGION, MAX_REGION = 120, 900
SHARES = ("domain_purity", "housekeeping", "tata", "ctcf", "ctcf_outside", "ctcf_partner", "ctcf_shared")
TATA_BOX = "TBP"  # JASPAR's TBP matrix is Bucher's TATA box
CTCF, CTCF_PARTNER = "CTCF", "YY1"


@dataclass(frozen=True)
class SimulationSettings:
    """Size and strength of the simulated atlas.

    Attributes
    ----------
    seed : int
    chromosomes : mapping of name to length, or pairs
    mostly_n : names of chromosomes of which 80 % is N
    n_regions : int
    region_bp : int
        Mean length of a region; lengths vary between 120 and 900.
    regions_per_domain : int
        Mean number of neighbouring regions with one program.
    domain_gc_sd : float
        Standard deviation of the GC content between domains.
    domain_purity : float
        Share of a domain's regions that follow its program.
    housekeeping : float
        Share that are open everywhere; the rest follows other programs.
    n_cell_types : int
        The first of :data:`PROGRAMS`.
    cells_per_type : int
        Mean number of cells.
    motifs_per_region : float
        Mean number of planted motif instances.
    fragments_per_cell : float
        Mean count of an open region in one cell.
    noise : float
        The same for a closed region.
    n_promoters : int
    tata : float
        Share of promoters with a TATA box.
    ctcf : float
        Number of CTCF sites planted in regions, as a share of the number of regions. With 0 here and in
        `ctcf_outside` the peak files are empty.
    ctcf_outside : float
        Number of CTCF sites planted between regions, as a share of the number of regions.
    ctcf_partner : float
        Share of these sites that have their partner's motif beside them and are bound; the others are decoys.
    ctcf_shared : float
        Share of a cell line's peaks that all cell lines have; the rest is its own.
    ctcf_without_site : float
        Share of a cell line's peaks, below 1, without a CTCF site; they lie in regions.
    """

    seed: int = 42
    chromosomes: Mapping[str, int] | Iterable[tuple[str, int]] = field(
        default=(("chr1", 1_000_000), ("chr2", 1_000_000), ("chr3", 1_000_000), ("chr4", 300_000))
    )
    mostly_n: tuple[str, ...] = ("chr4",)
    n_regions: int = 3000
    region_bp: int = 300
    regions_per_domain: int = 80
    domain_gc_sd: float = 0.15
    domain_purity: float = 0.70
    housekeeping: float = 0.20
    n_cell_types: int = 5
    cells_per_type: int = 60
    motifs_per_region: float = 4.0
    fragments_per_cell: float = 0.12
    noise: float = 0.001
    n_promoters: int = 1200
    tata: float = 0.12
    ctcf: float = 0.25
    ctcf_outside: float = 0.04
    ctcf_partner: float = 0.6
    ctcf_shared: float = 0.8
    ctcf_without_site: float = 0.15


def check_settings(settings: SimulationSettings, motifs: list[Motif]) -> dict[str, tuple[str, ...]]:
    """Return the programs in use, or say what is wrong with the settings."""
    if not 1 <= settings.n_cell_types <= len(PROGRAMS):
        raise InputError(f"simulation: n_cell_types is {settings.n_cell_types}, expected 1 to {len(PROGRAMS)}")
    for name in ("n_regions", "n_promoters", "cells_per_type", "regions_per_domain"):
        if getattr(settings, name) < 1:
            raise InputError(f"simulation: {name} is {getattr(settings, name)}, expected at least 1")
    if not MIN_REGION <= settings.region_bp <= MAX_REGION:
        raise InputError(f"simulation: region_bp is {settings.region_bp}, expected {MIN_REGION} to {MAX_REGION}")
    for name in SHARES:
        if not 0 <= getattr(settings, name) <= 1:
            raise InputError(f"simulation: {name} is {getattr(settings, name)}, expected a share between 0 and 1")
    if settings.domain_purity + settings.housekeeping > 1:
        raise InputError(
            f"simulation: domain_purity {settings.domain_purity} and housekeeping {settings.housekeeping} are "
            "more than 1 together; expected shares of all regions"
        )
    if not 0 <= settings.ctcf_without_site < 1:
        raise InputError(
            f"simulation: ctcf_without_site is {settings.ctcf_without_site}, expected a share from 0 to below 1"
        )
    programs = {name: PROGRAMS[name] for name in list(PROGRAMS)[: settings.n_cell_types]}
    known = {motif.name for motif in motifs}
    needed = {name for names in programs.values() for name in names} | {*HOUSEKEEPING, TATA_BOX, CTCF, CTCF_PARTNER}
    if needed - known:
        raise InputError(
            f"simulation: the {len(known)} motifs lack {', '.join(sorted(needed - known))}; expected JASPAR 2018 CORE "
            "vertebrates"
        )
    return programs
