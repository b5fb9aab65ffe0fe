"""Against scikit-learn, and against what must hold: chance is what permuted labels give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import silhouette_samples
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances
from sklearn.neighbors import NearestNeighbors

from genebert.evaluation.separation import (
    by_chance,
    differences,
    interval,
    neighbours,
    per_sample,
    space_of,
    summary,
    uniformity,
)

METRICS = {"cosine": cosine_distances, "euclidean": euclidean_distances}


def clouds(n=30, types=3, apart=1.0, seed=0, width=5):
    """Points of some types round centres that lie `apart`, and their labels, of unequal numbers."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(types), [n + 7 * i for i in range(types)])
    return generator.normal(size=(len(labels), width)) + apart * generator.normal(size=(types, width))[labels], labels


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("apart", [0.0, 0.5, 4.0])
def test_silhouette_and_purity_are_scikit_learns(metric, apart):
    points, labels = clouds(apart=apart)
    space = space_of(METRICS[metric](points), 8)
    found = per_sample(space, labels)
    assert found["silhouette"] == pytest.approx(silhouette_samples(points, labels, metric=metric), abs=1e-5)
    nearest = NearestNeighbors(n_neighbors=9, metric=metric, algorithm="brute").fit(points)
    index = nearest.kneighbors(points, return_distance=False)
    others = np.array([[j for j in row if j != i][:8] for i, row in enumerate(index)])
    assert found["purity"] == pytest.approx((labels[others] == labels[:, None]).mean(1), abs=1e-6)


def test_within_and_between_written_out():
    points, labels = clouds(n=6)
    distances = euclidean_distances(points)
    found = per_sample(space_of(distances, 3), labels)
    for i, label in enumerate(labels):
        same = [distances[i, j] for j in range(len(labels)) if j != i and labels[j] == label]
        other = [distances[i, j] for j in range(len(labels)) if labels[j] != label]
        assert found["within"][i] == pytest.approx(np.mean(same), rel=1e-5)
        assert found["between"][i] == pytest.approx(np.mean(other), rel=1e-5)
    whole = summary(found)
    assert whole["within_between"] == pytest.approx(found["within"].mean() / found["between"].mean())


def test_many_labellings_are_each_one():
    points, labels = clouds(n=5)
    space = space_of(euclidean_distances(points), 4)
    generator = np.random.default_rng(1)
    many = np.stack([generator.permutation(labels) for _ in range(6)])
    together = per_sample(space, many)
    for i, one in enumerate(many):
        for name, values in per_sample(space, one).items():
            assert together[name][i] == pytest.approx(values, abs=1e-6), name


@given(st.lists(st.integers(0, 3), min_size=4, max_size=12), st.integers(1, 3))
def test_equal_distances_share_the_places_that_are_left(values, k):
    distances = np.abs(np.subtract.outer(values, values)).astype(float)
    found = neighbours(distances, k)
    assert found.sum(1) == pytest.approx(np.full(len(values), k), abs=1e-5)
    assert (np.diagonal(found) == 0).all() and (found >= 0).all() and (found <= 1 + 1e-6).all()
    for i, (row, far) in enumerate(zip(found, distances, strict=True)):
        others, border = np.arange(len(row)) != i, np.inf
        for one in np.unique(far[others]):
            weights = row[others & (far == one)]
            assert np.ptp(weights) == 0  # all alike
            assert weights[0] == 0 or border == np.inf  # none beyond a share
            border = min(border, one) if weights[0] < 1 else border


def test_ties_are_the_average_over_all_orders():
    """Three at the same distance for one place: each a third."""
    distances = np.array([[0, 1, 2, 2, 2], [1, 0, 5, 5, 5], [2, 5, 0, 5, 5], [2, 5, 5, 0, 5], [2, 5, 5, 5, 0]], float)
    assert neighbours(distances, 2)[0] == pytest.approx([0, 1, 1 / 3, 1 / 3, 1 / 3])


def test_without_structure_the_measures_lie_within_chance():
    """In about 95 of 100 labellings; with structure in none."""
    points, labels = clouds(n=20, apart=0.0)
    space = space_of(euclidean_distances(points), 5)
    inside = {"purity": 0, "silhouette": 0, "within_between": 0}
    limits = {name: interval(values) for name, values in by_chance(space, labels, 400, 3).items()}
    generator = np.random.default_rng(8)
    for _ in range(100):
        found = summary(per_sample(space, generator.permutation(labels)))
        for name in inside:
            inside[name] += limits[name]["low"] <= found[name] <= limits[name]["high"]
    assert all(88 <= n <= 100 for n in inside.values()), inside
    points, labels = clouds(n=20, apart=2.0)
    space = space_of(euclidean_distances(points), 5)
    chance, found = by_chance(space, labels, 400, 3), summary(per_sample(space, labels))
    assert found["purity"] > chance["purity"].max() and found["silhouette"] > chance["silhouette"].max()
    assert found["within_between"] < chance["within_between"].min()


def test_chance_is_what_labels_drawn_blindly_give():
    """The mean purity of permuted labels is the share of the others that have the same one."""
    points, labels = clouds(n=15, apart=3.0)
    counts, n = np.bincount(labels), len(labels)
    expected = (counts * (counts - 1)).sum() / (n * (n - 1))
    chance = by_chance(space_of(euclidean_distances(points), 5), labels, 999, 0)
    assert len(chance["purity"]) == 999
    assert chance["purity"].mean() == pytest.approx(expected, abs=0.005)
    assert chance["within_between"].mean() == pytest.approx(1, abs=0.01)


def test_permutations_depend_on_the_seed_alone(monkeypatch):
    from genebert.evaluation import separation

    points, labels = clouds(n=5)
    space = space_of(euclidean_distances(points), 3)
    one = by_chance(space, labels, 50, 1, ["purity"])
    assert list(one) == ["purity"]
    assert (one["purity"] == by_chance(space, labels, 50, 1, ["purity"])["purity"]).all()
    assert (one["purity"] != by_chance(space, labels, 50, 2, ["purity"])["purity"]).any()
    monkeypatch.setattr(separation, "_BLOCK", 1)  # one permutation at a time
    assert one["purity"] == pytest.approx(by_chance(space, labels, 50, 1, ["purity"])["purity"])


def test_paired_differences():
    points, labels = clouds(apart=0.3)
    tight, labels = clouds(apart=3.0)
    one, other = (per_sample(space_of(euclidean_distances(p), 8), labels) for p in (tight, points))
    found = dict(differences(one, other, 999, 0))
    for name in ("purity", "silhouette"):
        assert found[name]["value"] == pytest.approx((one[name] - other[name]).mean())
        assert 0 < found[name]["low"] < found[name]["value"] < found[name]["high"]
        sd = (one[name] - other[name]).std() / np.sqrt(len(labels))
        assert found[name]["high"] - found[name]["low"] == pytest.approx(2 * 1.96 * sd, rel=0.15)
    assert found["within_between"]["high"] < 0
    same = dict(differences(one, one, 99, 0))
    assert all(abs(value) < 1e-12 for each in same.values() for value in each.values())


def test_uniformity_is_wang_and_isolas():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(40, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    pairs = [np.exp(-2 * np.sum((a - b) ** 2)) for i, a in enumerate(points) for j, b in enumerate(points) if i != j]
    assert uniformity(cosine_distances(points)) == pytest.approx(np.log(np.mean(pairs)))
    assert uniformity(np.zeros((5, 5))) == pytest.approx(0)
    assert uniformity(cosine_distances(points)) < uniformity(cosine_distances(points + 2))
