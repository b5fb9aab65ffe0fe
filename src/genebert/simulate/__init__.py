"""A toy atlas with known truth, written in the raw file formats of the real sources.

Neighbouring regions form domains. A domain belongs to the program of one cell type: a set of transcription factors
whose motif instances are planted in most of its regions and whose cell type has these regions open. Every domain has
its own mix of the program's factors and its own GC content, so that consecutive accessible regions of a cell type
resemble each other in sequence and in motif content, as in real chromatin. House-keeping regions, open everywhere, lie
among them, many at promoters. CTCF sites, some with the partner that binding needs, lie in regions and between them;
peak files of three cell lines list those that are bound. Nothing here is an estimate of anything real.
"""

from genebert.simulate.atlas import simulate
from genebert.simulate.ctcf import PEAK_FILES
from genebert.simulate.settings import HOUSEKEEPING, PROGRAMS, SimulationSettings

__all__ = ["HOUSEKEEPING", "PEAK_FILES", "PROGRAMS", "SimulationSettings", "simulate"]
