"""Size and strength of the simulated atlas, and the factors behind its cell types."""


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
