"""Kinship of simulated families."""

import warnings

import numpy as np
import pandas as pd
import pytest

from genebert.genome.genotypes import Genotypes
from genebert.genome.kinship import DEGREES, kinship, related


def genotypes_of(calls, sites=None, haploid=None):
    n_sites, people, _ = calls.shape
    places = np.arange(n_sites) * 10
    table = {"chrom": "chr1", "start": places, "end": places + 1, "ref": "A", "alt": "G", "id": "."}
    haploid = np.zeros((n_sites, people), bool) if haploid is None else haploid
    return Genotypes(
        [f"s{i}" for i in range(people)], pd.DataFrame(table | (sites or {})), calls.astype(np.int8), haploid,
        np.ones((n_sites, people), bool), pd.DataFrame(), {},
    )  # fmt: skip


def family(n_sites=6000, seed=0):
    """Return haplotypes [sites, people, 2]: two parents, their two children, a grandchild, a copy of 0, a stranger."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.1, 0.9, n_sites)

    def founder():
        return rng.random((n_sites, 2)) < share[:, None]

    def child(mother, father):  # sites are unlinked
        return np.stack([one[np.arange(n_sites), rng.integers(0, 2, n_sites)] for one in (mother, father)], axis=1)

    mother, father, stranger, other = (founder() for _ in range(4))
    son, daughter = child(mother, father), child(mother, father)
    return np.stack([mother, father, son, daughter, child(daughter, other), mother, stranger], axis=1)


def test_family():
    found = kinship(genotypes_of(family()))
    assert np.allclose(found, found.T) and np.allclose(np.diag(found), 0.5)
    expected = {(0, 5): 0.5, (0, 2): 0.25, (1, 3): 0.25, (2, 3): 0.25, (3, 4): 0.25, (2, 4): 0.125, (0, 4): 0.125,
                (0, 1): 0, (0, 6): 0, (4, 6): 0}  # fmt: skip
    for pair, value in expected.items():
        assert found[pair] == pytest.approx(value, abs=0.03), pair
    pairs = {name: {tuple(pair) for pair in rows.tolist()} for name, rows in related(found).items()}
    assert list(pairs) == list(DEGREES)
    assert pairs["duplicates"] == {(0, 5)}
    assert pairs["first"] == {(0, 2), (0, 3), (1, 2), (1, 3), (2, 3), (2, 5), (3, 5), (3, 4)}
    assert pairs["second"] == {(0, 4), (1, 4), (2, 4), (4, 5)}


def one_pair(first, second):
    """The estimate by a plain loop."""
    known = [(a, b) for a, b in zip(first, second, strict=True) if min(*a, *b) >= 0]
    doses = [(sum(a), sum(b)) for a, b in known]
    hets = [sum(pair[i] == 1 for pair in doses) for i in (0, 1)]
    both, opposite = sum(pair == (1, 1) for pair in doses), sum(sorted(pair) == [0, 2] for pair in doses)
    fewer = min(hets)
    return (both - 2 * opposite) / (2 * fewer) + 0.5 - sum(hets) / (4 * fewer) if fewer else np.nan


def test_missing_genotypes_count_for_neither():
    rng = np.random.default_rng(1)
    calls = rng.choice([-1, 0, 1], (80, 6, 2), p=[0.1, 0.5, 0.4])
    calls[:, 5] = 0
    with warnings.catch_warnings(action="error"):
        found = kinship(genotypes_of(calls))
    for i in range(6):
        for j in range(6):
            expected = one_pair(calls[:, i].tolist(), calls[:, j].tolist())
            assert found[i, j] == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert np.isnan(found[5]).all()
    assert all((rows != 5).all() for rows in related(found).values())


@pytest.mark.parametrize(
    "odd",
    [
        {"ref": ["A"] * 90 + ["AC"] * 10},
        {"alt": ["G"] * 90 + ["GC"] * 10},
        {"chrom": ["chr1"] * 90 + ["chrX"] * 10},
        {"start": [*range(90), *[500] * 10]},
    ],
)
def test_other_sites_do_not_count(odd):
    calls = np.random.default_rng(2).integers(0, 2, (100, 4, 2))
    odd = {name: np.array(values, dtype=object if name != "start" else np.int64) for name, values in odd.items()}
    assert np.allclose(kinship(genotypes_of(calls, odd)), kinship(genotypes_of(calls[:90])))
    assert not np.allclose(kinship(genotypes_of(calls)), kinship(genotypes_of(calls[:90])))


def test_thresholds():
    assert [round(value, 4) for value in DEGREES.values()] == [0.3536, 0.1768, 0.0884]
    exact = np.array([[0.5, 2**-1.5, 2**-2.5], [2**-1.5, 0.5, 2**-3.5], [2**-2.5, 2**-3.5, 0.5]])
    pairs = {name: rows.tolist() for name, rows in related(exact).items()}
    assert pairs == {"duplicates": [], "first": [[0, 1]], "second": [[0, 2]]}
    edge = np.array([[0.5, 0.177, 0.0884], [0.177, 0.5, 0.36], [0.0884, 0.36, 0.5]])
    pairs = {name: rows.tolist() for name, rows in related(edge).items()}
    assert pairs == {"duplicates": [[1, 2]], "first": [[0, 1]], "second": [[0, 2]]}
