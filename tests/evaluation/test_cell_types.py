"""Labels without what is shared by cell types, and the measures of predictions of them."""

import numpy as np
import pytest

from genebert.errors import InputError
from genebert.evaluation.cell_types import (
    BINS,
    Resampled,
    average_precisions,
    correlations,
    given_mean,
    mean_over_types,
    others_mean,
    resampled_blocks,
    targets_of,
)

RANDOM = np.random.default_rng(0)


def test_targets_by_hand():
    labels = np.array([[1.0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 1, 0], [1, 0, 1]])
    train = np.array([True, True, True, True, False])
    found = targets_of(labels, train)
    assert found["accessibility"] is labels
    assert found["deviation"][1] == pytest.approx([1 / 3, 1 / 3, -2 / 3])
    # of training regions open in one type the first and the second are so half of the time, the third never
    assert found["specific"][0] == pytest.approx([0.5, -0.5, 0]) and found["specific"][3] == pytest.approx(
        [-0.5, 0.5, 0]
    )
    assert found["specific"][2] == pytest.approx([0, 0, 0])
    assert found["specific"][4] == pytest.approx([0, -1, 1])  # of a mean of 2/3 the training regions have [1, 1, 0]


def test_what_the_mean_says_is_gone_from_the_specific_part():
    """Housekeeping and noise alone: the deviation of a rare type follows the mean, the specific part does not."""
    strength = RANDOM.random((20_000, 1))
    labels = (RANDOM.random((20_000, 4)) < strength * [0.9, 0.8, 0.7, 0.1]).astype(float)
    found = targets_of(labels, np.arange(20_000) < 10_000)
    tests = np.arange(20_000) >= 10_000
    follows = np.repeat(strength, 4, axis=1)[tests]
    assert correlations(found["deviation"][tests], follows)[3] < -0.4
    assert np.abs(correlations(found["specific"][tests], follows)).max() < 0.1  # the mean tells the strength nearly


def test_a_mean_of_many_values_is_binned():
    labels = RANDOM.normal(size=(5000, 3)) + RANDOM.normal(size=(5000, 1)) * [1, 2, 3]
    given = given_mean(labels)
    assert len(given.means) == BINS and (np.diff(given.means) > 0).all()
    left = labels - given.of(labels.mean(1))
    assert np.abs(correlations(left, np.repeat(labels.mean(1)[:, None], 3, axis=1))).max() < 0.05
    assert given.of(np.array([100.0]))[0] == pytest.approx([50, 100, 150], rel=0.15)  # beyond: in straight lines


def test_one_cell_type_is_one_sentence():
    with pytest.raises(InputError, match="found 1 cell type, expected at least 2 to compare"):
        targets_of(np.ones((4, 1)), np.ones(4, bool))


def test_the_mean_over_the_others():
    assert others_mean(np.array([[1.0, 0, 0.5]])).tolist() == [[0.25, 0.75, 0.5]]


def test_correlations_are_pearsons():
    truth, found = RANDOM.normal(size=(2, 200, 3)) + 1e6
    by_numpy = [np.corrcoef(x, y)[0, 1] for x, y in zip(truth.T, found.T, strict=True)]
    assert correlations(truth, found) == pytest.approx(by_numpy, abs=1e-9)
    found[:, 1] = 7.0
    assert np.isnan(correlations(truth, found)).tolist() == [False, True, False]


def test_resampled_blocks_count_as_often_as_they_are_drawn():
    truth, found = RANDOM.normal(size=(2, 40, 2))
    block = np.repeat(np.arange(10), 4)
    weights = resampled_blocks(10, 100, 3)
    assert weights.shape == (100, 10) and (weights.sum(1) == 10).all()
    drawn = Resampled.of(truth, found, block).correlations(weights)
    rows = np.concatenate([np.flatnonzero(block == b) for b in range(10) for _ in range(int(weights[5, b]))])
    by_numpy = [np.corrcoef(truth[rows, t], found[rows, t])[0, 1] for t in range(2)]
    assert drawn[5] == pytest.approx(by_numpy)
    assert np.array_equal(weights, resampled_blocks(10, 100, 3))


def test_means_leave_out_what_is_not_there():
    assert mean_over_types(np.array([[1.0, np.nan, 3], [np.nan] * 3])).tolist()[0] == 2
    assert np.isnan(mean_over_types(np.array([np.nan, np.nan])))


def test_average_precision_by_hand():
    labels = np.array([[1, 0], [0, 0], [1, 0]])
    found = average_precisions(labels, np.array([[3.0, 1], [2, 2], [1, 3]]))
    assert found[0] == pytest.approx((1 + 2 / 3) / 2) and np.isnan(found[1])
