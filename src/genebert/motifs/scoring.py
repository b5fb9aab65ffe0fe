"""Background, log-odds matrices and score thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genebert.errors import InputError
from genebert.genome.sequences import RegionSequences
from genebert.motifs.jaspar import Motif

GC_BINS = 25
_BLOCK_BASES = 4_000_000


@dataclass(frozen=True, eq=False)
class Scoring:
    """What a scanner needs to know about a set of motifs under one background: frequencies of A, C, G, T.

    Attributes
    ----------
    matrices : list of float64 [4, width]
        Log-odds, natural logarithm.
    thresholds : float64 [n_motifs]
        A window is a hit if its score is at least this.
    max_possible : float64 [n_motifs]
        Score of the best word.
    min_p : float64 [n_motifs]
        Chance of the best word. Where it exceeds the p-value, the motif cannot reach that; the threshold is then just
        below `max_possible`, so that the best word alone is a hit, more often than asked for (docs/facts.md 34).
    """

    background: tuple[float, float, float, float]
    matrices: list[np.ndarray]
    thresholds: np.ndarray
    max_possible: np.ndarray
    min_p: np.ndarray

    @property
    def reverse(self) -> list[np.ndarray]:
        """The matrices that score the opposite strand at the same window."""
        return [matrix[::-1, ::-1] for matrix in self.matrices]

    @property
    def widths(self) -> np.ndarray:
        return np.array([matrix.shape[1] for matrix in self.matrices])


def chance_shares(scoring: Scoring, p_value: float, lengths: np.ndarray) -> np.ndarray:
    """Return the share of background sequences in which each motif has a hit.

    Windows are taken as independent: in random sequence up to 18 % fewer have one (docs/facts.md 33).

    Parameters
    ----------
    scoring : Scoring
        With thresholds for `p_value`.
    p_value : float
        Chance of a hit in one window of one strand; that of the best word where the motif cannot reach it.
    lengths : int64 [n_sequences]
        Bases of each sequence.

    Returns
    -------
    float64 [n_motifs]
    """
    length, times = np.unique(lengths, return_counts=True)
    windows = 2 * np.maximum(length[:, None] - scoring.widths + 1, 0)  # both strands
    return times @ -np.expm1(windows * np.log1p(-np.maximum(p_value, scoring.min_p))) / len(lengths)


def base_counts(sequences: RegionSequences) -> np.ndarray:
    """Count A, C, G, T of every region on the given strand (int64 [n_regions, 4]); N is left out."""
    counts = np.zeros((len(sequences), 4), dtype=np.int64)
    first = 0
    while first < len(sequences):
        last = max(first + 1, int(np.searchsorted(sequences.offsets, sequences.offsets[first] + _BLOCK_BASES)) - 1)
        offsets = sequences.offsets[first : last + 1]
        region = np.repeat(np.arange(last - first) * 5, np.diff(offsets))
        block = np.bincount(region + sequences.codes[offsets[0] : offsets[-1]], minlength=(last - first) * 5)
        counts[first:last] = block.reshape(-1, 5)[:, :4]
        first = last
    return counts


def strand_background(counts: Sequence[float] | np.ndarray) -> tuple[float, float, float, float]:
    """Return base frequencies of both strands from counts or frequencies of A, C, G, T: A and T, C and G averaged.

    Raises
    ------
    InputError
        A pair of bases does not occur, so that its log-odds are not finite.
    """
    a, c, g, t = (float(value) for value in counts)
    at, cg = (a + t) / 2, (c + g) / 2
    if not (at > 0 and cg > 0):
        raise InputError(
            f"motifs.background: A and T have frequency {at:g}, C and G {cg:g}; expected both above 0 (sequences "
            "without one of the pairs need a background given as four numbers)"
        )
    total = 2 * (at + cg)
    return (at / total, cg / total, cg / total, at / total)


def gc_bins(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group regions by GC content, from their base counts (int64 [n_regions, 4]), as the atlas' authors do.

    Bin edges are the percentiles 0, 4, ..., 100 of the regions' GC content, each the next lower observed value, without
    duplicates (docs/facts.md 3).

    Returns
    -------
    edges : float64 [n_edges]
        Bin i is [edges[i], edges[i + 1]); the last one is closed. A single edge: one bin of that GC content.
    bin : int64 [n_regions]
        Bin of each region; -1 if all its bases are N.
    """
    total = counts.sum(axis=1)
    known = total > 0
    if not known.any():
        raise InputError("sequences: all bases are N; expected some A, C, G or T")
    gc = np.divide(counts[:, 1] + counts[:, 2], total, out=np.full(len(counts), np.nan), where=known)
    edges = np.unique(np.percentile(gc[known], np.linspace(0, 100, GC_BINS + 1), method="lower"))
    found = np.searchsorted(edges, gc, side="right") - 1
    found = np.minimum(found, max(len(edges) - 2, 0))
    found[~known] = -1
    return edges, found


def score_motifs(
    motifs: list[Motif],
    background: tuple[float, float, float, float],
    source: str,
    pseudocount: float,
    p_value: float | None,
) -> Scoring:
    """Turn motifs into log-odds matrices and find the score that background sequence reaches with `p_value`.

    Parameters
    ----------
    background : 4 floats
        Frequencies of A, C, G, T with A = T and C = G, so that one threshold serves both strands.
    source : str
        ``counts``, or ``pwm``: the positions are scaled to sum 1 first, so that the pseudocount weighs as much as all
        observations (the atlas authors' recipe, docs/facts.md 3).
    pseudocount : float
        Added to every position, shared out by the background.
    p_value : float or None
        Chance of a hit at one position of one strand of background sequence. None, for best scores alone: no threshold
        is looked for, which takes nearly all of the time, and all are NaN.

    Returns
    -------
    Scoring
        ``log((count + pseudocount * background) / (sum + pseudocount)) - log(background)`` and MOODS' thresholds.

    Raises
    ------
    InputError
        A matrix prefers no base at any position, so that no threshold separates its words.
    """
    import MOODS.tools

    matrices, thresholds, max_possible, min_p = [], [], [], []
    for motif in motifs:
        values = motif.counts / motif.counts.sum(axis=0) if source == "pwm" else motif.counts
        log_odds = MOODS.tools.log_odds(values.tolist(), list(background), pseudocount)
        matrix = np.array(log_odds)
        best = matrix.max(axis=0)
        if np.ptp(matrix, axis=0).max() == 0:
            raise InputError(
                f"motifs: matrix {motif.matrix_id} prefers no base at any position; expected unequal counts"
            )
        matrices.append(matrix)
        known = p_value is not None
        thresholds.append(MOODS.tools.threshold_from_p(log_odds, list(background), p_value) if known else np.nan)
        max_possible.append(best.sum())
        min_p.append(np.prod((np.isclose(matrix, best, rtol=0, atol=1e-9) * np.array(background)[:, None]).sum(axis=0)))
    return Scoring(
        background, matrices, np.array(thresholds), np.array(max_possible), np.array(min_p, dtype=np.float64)
    )
