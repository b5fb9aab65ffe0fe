"""How well a feature tells a target: each pre-training alone, and its mean and differences with their intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genebert.evaluation.cell_types import mean_over_types
from genebert.evaluation.intervals import Interval, error_over_pretrainings, middle_95, with_all_errors


@dataclass(frozen=True)
class Reading:
    """How well one feature tells one target, by seed of pre-training (None: of what has none)."""

    types: Mapping[int | None, np.ndarray]  # float64 [types]
    drawn: Mapping[int | None, np.ndarray]  # float64 [resamples], means over types; empty of what is not resampled
    penalties: tuple[float | None, ...]  # of the regressions

    @property
    def means(self) -> dict[int | None, float]:
        """The mean over cell types of each pre-training."""
        return {seed: float(mean_over_types(values)) for seed, values in self.types.items()}

    @property
    def value(self) -> float:
        """The mean over cell types and pre-trainings."""
        return float(np.mean(list(self.means.values())))

    @property
    def of_types(self) -> np.ndarray:
        """The mean over pre-trainings of each cell type (float64 [types])."""
        return np.mean(list(self.types.values()), axis=0)

    def beyond(self, other: "Reading | None" = None) -> tuple[float, Interval | None]:
        """Return by how much it tells more than another, or all that it tells, and the 95 % interval of that.

        Returns
        -------
        float
            NaN where one of both tells nothing.
        Interval or None
            Over resampled blocks of regions; where one of both has several pre-trainings with their error, as in
            :func:`genebert.evaluation.intervals.with_all_errors`. What another pre-training of a single one would give,
            and other regions to train on, it does not hold. None of what is not resampled.
        """
        value = self.value - (other.value if other else 0.0)
        if not self.drawn or not np.isfinite(value):
            return value, None
        sides = [np.mean(list(one.drawn.values()), axis=0) for one in (self, other) if one]
        over_regions = middle_95(sides[0] - sides[1] if other else sides[0])
        over_pretrainings = error_over_pretrainings(self.means, other.means if other else {None: 0.0})
        if over_regions is None or over_pretrainings is None:
            return value, over_regions
        return value, with_all_errors(value, [(over_regions, np.inf), over_pretrainings])
