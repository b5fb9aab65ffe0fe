"""Transcription-factor motifs: JASPAR matrices, and how well they match every region.

The scores are log-odds (natural logarithm) of MOODS; hits are found by MOODS, best scores by lightmotif from the same
matrices (docs/facts.md 27, 36).
"""

from genebert.motifs.jaspar import Motif, jaspar_text, load_jaspar, read_jaspar, write_jaspar
from genebert.motifs.matrix import KINDS, MotifMatrix, MotifSettings, build_motif_matrix
from genebert.motifs.scan import BestScorer, Hits, HitScanner
from genebert.motifs.scoring import Scoring, base_counts, gc_bins, score_motifs, strand_background

__all__ = [
    "KINDS",
    "BestScorer",
    "HitScanner",
    "Hits",
    "Motif",
    "MotifMatrix",
    "MotifSettings",
    "Scoring",
    "base_counts",
    "build_motif_matrix",
    "gc_bins",
    "jaspar_text",
    "load_jaspar",
    "read_jaspar",
    "score_motifs",
    "strand_background",
    "write_jaspar",
]
