"""How much of each motif's score is known from something of a region by a linear map: its states, or its composition.

Retrieval ends at 1, and composition reaches it (docs/learning.md). The share of a score's variance that is explained in
regions that no map was fitted on ends where the sequence has been read as the scan reads it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genebert.corpus.groups import Groups
from genebert.genome.sequences import RegionSequences
from genebert.training.objectives.genebert_matching import Ridge, Rows, composition_features

CTCF = "MA0139"  # JASPAR's matrix of CTCF, in any version
_FIT_REGIONS, _HELD_REGIONS = 5_000, 2_000
_FIT_FOR_HELD = 4  # training samples to fit on for each held-out one


class Shares(NamedTuple):
    """What is explained of each motif's variance: float64 [n_tfs]; NaN where a score is the same in all regions."""

    values: np.ndarray
    ctcf: int | None  # its column

    def figures(self, name: str) -> dict[str, float]:
        """Return the median over motifs, and CTCF's share where there is one; nothing where no score varies."""
        found = {}
        if not np.isnan(self.values).all():
            found[f"{name}_explained"] = float(np.nanmedian(self.values))
        if self.ctcf is not None and np.isfinite(self.values[self.ctcf]):
            found[f"{name}_explained_ctcf"] = float(self.values[self.ctcf])
        return found


def explained(true: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return what `found` explains of the variance of each column (both float64 [n, width]); may be negative.

    One minus the squared error by that of the mean of these very regions. NaN for a column that does not vary.
    """
    apart = ((true - true.mean(0)) ** 2).sum(0)
    return 1 - ((true - found) ** 2).sum(0) / np.where(apart > 0, apart, np.nan)


def _spread(n_groups: int, n: int) -> np.ndarray:
    """Return `n` different groups at even distances, of all cell types and places."""
    return np.linspace(0, n_groups - 1, n).astype(np.int64)


class Probe:
    """The same training and held-out regions in every validation, and what linear maps explain of their rows.

    Parameters
    ----------
    rows : Rows
    train, valid : Groups
    held : int
        Samples of `valid`, at most; fewer where they have more than 2,000 regions. Four times as many, with at most
        5,000 regions, are fitted on.
    names : sequence of str
        JASPAR ids of the columns; empty where nothing is known of them.
    each : int
        Both numbers of samples are multiples of it.
    """

    def __init__(self, rows: Rows, train: Groups, valid: Groups, held: int, names: Sequence[str] = (), each: int = 1):
        size = train.regions.shape[1]

        def some(groups: Groups, n: int, regions: int) -> np.ndarray:
            number = min(n, len(groups), max(each, regions // size)) // each * each
            return groups.regions[_spread(len(groups), number)].astype(np.int64)

        self.held = some(valid, held, _HELD_REGIONS)  # int64 [n, regions_per_sample]
        self.fitted = some(train, _FIT_FOR_HELD * held, _FIT_REGIONS)
        # Cell types share regions: each counts once, as first met.
        self._fit_once, self._held_once = (np.unique(one, return_index=True)[1] for one in (self.fitted, self.held))
        self.fit_regions, self.held_regions = (
            one.ravel()[once] for one, once in ((self.fitted, self._fit_once), (self.held, self._held_once))
        )
        self._fit_rows, self._held_rows = rows.of(self.fit_regions), rows.of(self.held_regions)
        ids = [name.split(".")[0] for name in names]
        self.ctcf = ids.index(CTCF) if CTCF in ids else None

    def linear(self, fitted: np.ndarray, held: np.ndarray) -> Shares:
        """Return what a ridge regression explains in held-out regions.

        `fitted` and `held` are values of the regions of both samples, one row each: float [n, width].
        """
        return self._of(fitted[self._fit_once], held[self._held_once])

    def _of(self, fitted: np.ndarray, held: np.ndarray) -> Shares:
        mean, sd = fitted.mean(0, dtype=np.float64), fitted.std(0, dtype=np.float64)
        sd[sd == 0] = 1
        ridge = Ridge((fitted - mean) / sd, self._fit_rows)
        found = ridge.predict((held - mean) / sd)
        return Shares(explained(ridge.standardised(self._held_rows), found), self.ctcf)

    def predicted(self, held: np.ndarray) -> Shares:
        """Return what predictions of the standardised rows of the held-out regions explain (float [n, n_tfs])."""
        return Shares(explained(self._held_rows, held[self._held_once].astype(np.float64)), self.ctcf)

    def floors(self, sequences: RegionSequences, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return what length and base composition explain by such a map: metric -> feature -> share.

        `names` are those of the metrics that these are floors of: ``linear``, and ``srm`` of regression.
        """
        floors: dict[str, dict[str, float]] = {}
        for feature, values in composition_features(sequences, self.fit_regions).items():
            shares = self._of(values[self.fit_regions], values[self.held_regions])
            for name in names:
                for metric, value in shares.figures(name).items():
                    floors.setdefault(metric, {})[feature] = round(value, 4)
        return floors
