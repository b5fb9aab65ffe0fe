"""The factors behind the simulated cell types."""

from genebert.errors import InputError
from genebert.motifs.jaspar import Motif
from genebert.settings.data import SimulationSettings

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
TATA_BOX = "TBP"  # JASPAR's TBP matrix is Bucher's TATA box
CTCF, CTCF_PARTNER = "CTCF", "YY1"


def programs_in_use(settings: SimulationSettings, motifs: list[Motif]) -> dict[str, tuple[str, ...]]:
    """Return the programs of the simulated cell types; refuse motifs that lack a factor."""
    programs = {name: PROGRAMS[name] for name in list(PROGRAMS)[: settings.n_cell_types]}
    known = {motif.name for motif in motifs}
    needed = {name for names in programs.values() for name in names} | {*HOUSEKEEPING, TATA_BOX, CTCF, CTCF_PARTNER}
    if needed - known:
        raise InputError(
            f"simulation: the {len(known)} motifs lack {', '.join(sorted(needed - known))}; expected JASPAR 2018 CORE "
            "vertebrates"
        )
    return programs
