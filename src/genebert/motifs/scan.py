"""Scanning regions with motifs: numbers of hits by MOODS, best scores by lightmotif.

Both scanners see each region by itself: regions are laid out with an N between them, and no window with an N counts.
"""

import itertools
from operator import attrgetter

import numpy as np

from genebert.genome.bases import BASES, N_CODE, decode
from genebert.genome.intervals import ranges
from genebert.genome.sequences import RegionSequences
from genebert.motifs.scoring import Scoring

# MOODS' look-ahead filter; 7 is its default, the fastest here, and the window of the atlas' recipe (docs/facts.md 3).
MOODS_WINDOW = 7


class HitScanner:
    """Counts all windows whose score reaches the threshold, on both strands, with MOODS.

    MOODS misses the last window of a sequence for motifs narrower than its filter window; those motifs therefore get
    a second scanner with a window that fits the narrowest.
    """

    def __init__(self, scoring: Scoring):
        self.n_motifs = len(scoring.matrices)
        narrow = scoring.widths < MOODS_WINDOW
        self._scanners = [
            (self._scanner(scoring, motifs, min(MOODS_WINDOW, int(scoring.widths[motifs].min()))), motifs)
            for motifs in (np.flatnonzero(~narrow), np.flatnonzero(narrow))
            if len(motifs)
        ]

    @staticmethod
    def _scanner(scoring: Scoring, motifs: np.ndarray, window: int):
        import MOODS.scan

        reverse = scoring.reverse
        matrices = [scoring.matrices[i].tolist() for i in motifs] + [reverse[i].tolist() for i in motifs]
        scanner = MOODS.scan.Scanner(window)
        scanner.set_motifs(matrices, list(scoring.background), np.tile(scoring.thresholds[motifs], 2).tolist())
        return scanner

    def count(self, sequences: RegionSequences, regions: np.ndarray) -> np.ndarray:
        """Count the hits in some regions (int [n]), scanned in one go: faster than one by one.

        Returns
        -------
        int64 [n, n_motifs]
            Both strands added; a palindromic site counts twice.
        """
        starts = sequences.offsets[regions]
        lengths = sequences.offsets[regions + 1] - starts
        targets = np.cumsum(lengths + 1) - lengths - 1
        codes = np.full(int((lengths + 1).sum()), N_CODE, dtype=np.uint8)
        codes[ranges(targets, lengths)] = sequences.codes[ranges(starts, lengths)]
        text = decode(codes)
        counts = np.zeros(len(regions) * self.n_motifs, dtype=np.int64)
        for scanner, motifs in self._scanners:
            found = scanner.scan(text)
            numbers = np.fromiter(map(len, found), dtype=np.int64, count=len(found))
            hits = itertools.chain.from_iterable(found)
            position = np.fromiter(map(attrgetter("pos"), hits), np.int64, int(numbers.sum()))
            region = np.searchsorted(targets, position, side="right") - 1
            cell = region * self.n_motifs + np.repeat(np.tile(motifs, 2), numbers)
            counts += np.bincount(cell, minlength=len(counts))
        return counts.reshape(-1, self.n_motifs)


class BestScorer:
    """Best log-odds of each motif in each region, over all windows and both strands, with lightmotif.

    lightmotif scores a sequence in a fixed number of lanes, the columns of its score matrix, each a stretch of
    consecutive positions. Regions of about the same length are laid side by side, one a lane, and `stack` of them on
    top of each other, so that a region's best score is the maximum of a few rows of one column. Regions longer than
    `PIECE` bases are cut into pieces that overlap by one base less than the widest motif. `ROWS` keeps the scores of
    one motif within the processor's cache; larger and smaller values of both were slower.
    """

    PIECE = 2032
    ROWS = 4096

    def __init__(self, scoring: Scoring):
        import lightmotif

        self._stripe = lightmotif.stripe
        self._lanes = np.asarray(lightmotif.stripe("A")).shape[0]
        self._widest = int(scoring.widths.max())
        self._matrices = [
            (self._matrix(forward), self._matrix(reverse))
            for forward, reverse in zip(scoring.matrices, scoring.reverse, strict=True)
        ]

    @staticmethod
    def _matrix(log_odds: np.ndarray):
        import lightmotif

        rows = np.vstack([log_odds, np.full(log_odds.shape[1], -np.inf)])
        return lightmotif.ScoringMatrix(dict(zip(BASES, rows.tolist(), strict=True)))

    def score(self, sequences: RegionSequences, regions: np.ndarray) -> np.ndarray:
        """Score some regions (int [n]).

        Returns
        -------
        float32 [n, n_motifs]
            NaN where the region has no window of the motif's width that is free of N.
        """
        starts, stops = sequences.offsets[regions], sequences.offsets[regions + 1]
        step = max(self.PIECE, 2 * self._widest) - self._widest + 1
        pieces = np.maximum(1, -(-(stops - starts - self._widest + 1) // step))
        owner = np.repeat(np.arange(len(regions)), pieces)
        piece_starts = starts[owner] + step * ranges(np.zeros_like(pieces), pieces)
        lengths = np.minimum(piece_starts + step + self._widest - 1, stops[owner]) - piece_starts
        longest_first = np.argsort(-lengths, kind="stable")
        best = np.empty((len(owner), len(self._matrices)), dtype=np.float32)
        done = 0
        while done < len(owner):
            # One N at least ends each stretch; a multiple of 16 can be halved four times.
            rows = -(-max(int(lengths[longest_first[done]]) + 1, self._widest) // 16) * 16
            stack = min(max(1, self.ROWS // rows), -(-(len(owner) - done) // self._lanes))
            chosen = longest_first[done : done + stack * self._lanes]
            best[chosen] = self._block(sequences.codes, piece_starts[chosen], lengths[chosen], rows, stack)
            done += len(chosen)
        best = np.maximum.reduceat(best, np.cumsum(pieces) - pieces, axis=0)
        best[best == -np.inf] = np.nan
        return best

    def _block(self, codes, starts: np.ndarray, lengths: np.ndarray, rows: int, stack: int) -> np.ndarray:
        """Score up to ``stack * lanes`` pieces of fewer than `rows` bases: float32 [n_pieces, n_motifs]."""
        number = np.arange(len(starts))
        layer, lane = number // self._lanes, number % self._lanes
        laid_out = np.full(self._lanes * stack * rows, N_CODE, dtype=np.uint8)
        laid_out[ranges((lane * stack + layer) * rows, lengths)] = codes[ranges(starts, lengths)]
        striped = self._stripe(decode(laid_out))
        buffer = np.empty((stack, rows, self._lanes), dtype=np.float32)
        best = np.empty((len(starts), len(self._matrices)), dtype=np.float32)
        for i, (forward, reverse) in enumerate(self._matrices):
            forward_scores = np.asarray(forward.calculate(striped)).T[: stack * rows]
            reverse_scores = np.asarray(reverse.calculate(striped)).T[: stack * rows]
            np.maximum(forward_scores, reverse_scores, out=buffer.reshape(-1, self._lanes))
            # Halving keeps numpy in long contiguous loops; reducing all rows at once is three times slower.
            half = rows
            for _ in range(4):
                half //= 2
                np.maximum(buffer[:, :half], buffer[:, half : 2 * half], out=buffer[:, :half])
            best[:, i] = buffer[:, :half].max(axis=1).reshape(-1)[: len(starts)]
        return best
