"""Intervals of a mean, over pre-trainings, and of several errors at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from genebert.evaluation.intervals import error_over_pretrainings, interval_of_mean, middle_95, with_all_errors


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8, unique=True))
def test_an_interval_of_a_mean_is_students(values):
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval_of_mean(values) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_draws_without_a_value_are_left_out():
    assert middle_95(np.array([np.nan])) is None and middle_95(np.zeros(0)) is None
    assert middle_95(np.append(np.arange(101.0), np.nan)) == pytest.approx((2.5, 97.5))


def test_one_value_has_no_interval():
    assert interval_of_mean([0.1]) is None


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_errors_of_seeds_and_of_examples_add(seeds):
    """Where both are alike, the widest of the two intervals alone leaves out the true difference too often."""
    rng = np.random.default_rng(seeds)
    fits = rng.normal(0, seeds**0.5, (4000, seeds)) + rng.normal(0, 1, (4000, 1))  # both errors of the mean are 1
    missed, by_the_widest = 0, 0
    for values in fits:
        mean = values.mean()
        known = [interval_of_mean(values.tolist()), (mean - 1.96, mean + 1.96)]
        low, high = with_all_errors(mean, list(zip(known, (seeds - 1, np.inf), strict=True)))
        missed += not low < 0 < high
        by_the_widest += not min(one[0] for one in known) < 0 < max(one[1] for one in known)
    assert 0.04 * 4000 < missed < 0.065 * 4000
    assert by_the_widest > {3: 0.04, 5: 0.07, 10: 0.1}[seeds] * 4000


def test_pretrainings_are_paired_where_both_sides_have_the_same():
    one, two = {42: 0.9, 43: 0.8, 44: 0.7}, {44: 0.65, 42: 0.88, 43: 0.79}
    differences = [0.9 - 0.88, 0.8 - 0.79, 0.7 - 0.65]
    interval, freedom = error_over_pretrainings(one, two)
    assert interval == pytest.approx(interval_of_mean(differences)) and freedom == 2
    others = {seed + 1: value for seed, value in two.items()}
    interval, freedom = error_over_pretrainings(one, others)
    expected = stats.ttest_ind([*one.values()], [*others.values()], equal_var=False)
    assert interval == pytest.approx(tuple(expected.confidence_interval(0.95))) and freedom == expected.df


def test_of_a_single_pretraining_beside_several_the_others_error_counts():
    several = {42: 0.9, 43: 0.8, 44: 0.7}
    interval, freedom = error_over_pretrainings(several, {None: 0.5})
    assert interval == pytest.approx(interval_of_mean([0.4, 0.3, 0.2])) and freedom == 2
    assert error_over_pretrainings({42: 0.9}, {None: 0.5}) is None


@pytest.mark.parametrize(
    ("several", "spread", "least", "most"), [(3, 1.0, 0.92, 0.97), (1, 0.5, 0.87, 0.94), (1, 2.0, 0.75, 0.84)]
)
def test_beside_a_single_pretraining_intervals_miss_more_than_they_say(several, spread, least, most):
    """Three pre-trainings beside three or one, which vary as much as `spread` times the error over regions."""
    rng, hit = np.random.default_rng(0), 0
    for _ in range(1000):
        one = dict(enumerate(rng.normal(0, spread, 3)))
        other = dict(enumerate(rng.normal(0, spread, several)))
        regions = rng.normal()
        difference = np.mean(list(one.values())) - np.mean(list(other.values())) + regions
        (low, high), freedom = error_over_pretrainings(one, other)
        over_regions = (difference - 1.96, difference + 1.96), np.inf
        low, high = with_all_errors(difference, [over_regions, ((low + regions, high + regions), freedom)])
        hit += low < 0 < high
    assert least < hit / 1000 < most


def test_equal_pretrainings_have_an_interval_of_no_width():
    interval, freedom = error_over_pretrainings({1: 0.9, 2: 0.9}, {3: 0.8, 4: 0.8})
    assert interval == pytest.approx((0.1, 0.1)) and freedom == np.inf
