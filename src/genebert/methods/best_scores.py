"""The best scores of motif matrices in labelled sequences, over all windows and both strands."""

import logging
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.genome.sequences import RegionSequences
from genebert.motifs.jaspar import Motif
from genebert.motifs.matrix import MotifSettings
from genebert.motifs.scan import BestScorer
from genebert.motifs.scoring import base_counts, score_motifs, strand_background

logger = logging.getLogger(__name__)

Background = tuple[float, float, float, float]
# Log-odds as in the regions x TFs matrix: counts, pseudocount 1.
SCORING = {"source": MotifSettings().source, "pseudocount": MotifSettings().pseudocount}


def _regions(codes: np.ndarray, lengths: np.ndarray) -> RegionSequences:
    inside = np.arange(codes.shape[1]) < lengths[:, None]
    return RegionSequences(codes[inside], np.concatenate([[0], np.cumsum(lengths)]), "")


def background_of(examples: Examples) -> Background:
    """Return the frequencies of A, C, G, T in examples, both strands together; their labels are not read.

    Raises
    ------
    InputError
        A and T, or C and G, do not occur.
    """
    return strand_background(sum(base_counts(_regions(*block)).sum(axis=0) for block in examples.blocks()))


class BestScores:
    """Best log-odds (natural logarithm) of motifs, scored once for each set of examples and kept while that lives.

    Parameters
    ----------
    name : str
        Of the method, for messages.
    motifs : list of Motif
    background : 4 floats
        Frequencies of A, C, G, T with A = T and C = G.
    """

    def __init__(self, name: str, motifs: Sequence[Motif], background: Background):
        self.name, self.motifs, self.background = name, list(motifs), background
        scoring = score_motifs(self.motifs, background, **SCORING, p_value=None)
        self.matrices = scoring.matrices
        self.lowest = np.array([matrix.min(axis=0).sum() for matrix in self.matrices])  # float64 [n_motifs]
        self._scorer = BestScorer(scoring)
        self._narrowest = min(self.motifs, key=lambda motif: motif.width)
        self._made: WeakKeyDictionary[Examples, np.ndarray] = WeakKeyDictionary()

    def of(self, examples: Examples) -> np.ndarray:
        """Return the best score of each motif in each sequence (float32 [n, n_motifs]).

        Windows with N do not count. Where a motif has no other window, the score is the lowest that it can give.

        Raises
        ------
        InputError
            A sequence is shorter than every motif.
        """
        if examples in self._made:
            return self._made[examples]
        if examples.part_of and examples.part_of[0] in self._made:
            whole, rows = examples.part_of
            return self._made[whole][rows]
        shortest, least = int(examples.lengths.min()), self._narrowest
        if shortest < least.width:
            raise InputError(
                f"{self.name}: a sequence of {shortest} bases found; expected at least {least.width}, the width of "
                f"{least.matrix_id} ({least.name})"
            )
        blocks = [self._scorer.score(_regions(*block), np.arange(len(block[1]))) for block in examples.blocks()]
        scores = np.concatenate(blocks)
        unknown = np.isnan(scores)
        if nowhere := int(unknown.all(axis=1).sum()):
            logger.warning("%s: %d of %d sequences have N in every window", self.name, nowhere, len(scores))
        scores[unknown] = np.broadcast_to(self.lowest, scores.shape)[unknown]
        self._made[examples] = scores
        return scores
