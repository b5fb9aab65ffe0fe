"""The mean of a feature's pre-trainings, its interval, and differences between features."""

import numpy as np
import pytest

from genebert.evaluation.intervals import interval_of_mean
from genebert.report.cell_accessibility.readings import Reading

DRAWN = np.linspace(-0.1, 0.1, 1001)  # what resampled regions add to a value


def reading(means, spread=DRAWN):
    """Return what tells two cell types with 0.1 more and less than each pre-training's mean."""
    types = {seed: np.array([mean - 0.1, mean + 0.1]) for seed, mean in means.items()}
    return Reading(types, {seed: mean + spread for seed, mean in means.items()}, (1.0,) * len(means))


def test_of_one_pretraining_the_interval_is_over_regions():
    value, ends = reading({None: 0.3}).beyond()
    assert value == pytest.approx(0.3) and ends == pytest.approx((0.205, 0.395))


def test_of_several_it_holds_both_errors():
    means = {42: 0.30, 43: 0.32, 44: 0.34}
    of_pretrainings = interval_of_mean(list(means.values()))
    steady = reading(means, np.zeros(1001))
    assert steady.value == pytest.approx(0.32) and steady.of_types == pytest.approx([0.22, 0.42])
    assert steady.beyond()[1] == pytest.approx(of_pretrainings)
    low, high = reading(means).beyond()[1]
    assert low < 0.32 - 0.095 and high > 0.32 + 0.095  # wider than over regions alone


def test_pretrainings_of_equal_seeds_are_paired():
    ours, other = reading({42: 0.2, 43: 0.4}), reading({43: 0.3, 42: 0.1})
    value, ends = ours.beyond(other)
    assert value == pytest.approx(0.1) and ends == pytest.approx((0.1, 0.1))  # resampled together, paired: no error
    value, (low, high) = ours.beyond(reading({None: 0.1}))
    assert value == pytest.approx(0.2) and (low, high) == pytest.approx(interval_of_mean([0.1, 0.3]))


def test_what_tells_nothing_has_no_interval():
    constant = Reading({None: np.array([np.nan, np.nan])}, {None: np.full(1001, np.nan)}, (1.0,))
    value, ends = reading({None: 0.2}).beyond(constant)
    assert np.isnan(value) and ends is None
    assert Reading({None: np.array([0.5])}, {}, (None,)).beyond() == (0.5, None)
