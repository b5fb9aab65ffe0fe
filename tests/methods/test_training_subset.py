"""Smaller training sets: nested, in proportion, seeded."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genebert.errors import InputError
from genebert.evaluation.examples import training_subset


def make(labels: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"sequence": [f"S{i}" for i in range(len(labels))], "label": labels})


@given(st.lists(st.integers(0, 1), min_size=4, max_size=60), st.integers(0, 1000), st.data())
def test_nested_and_in_proportion(labels, seed, data):
    labels += [0, 1]
    table = make(labels)
    sizes = sorted(data.draw(st.lists(st.integers(2, len(labels)), min_size=2, max_size=4)))
    before: set[str] = set()
    for n in sizes:
        found = training_subset(table, n, seed)
        names = set(found["sequence"])
        assert len(found) == len(names) == n and before <= names
        assert found.index.tolist() == list(range(n))
        assert [labels[int(name[1:])] for name in found["sequence"]] == found["label"].tolist()
        assert found["label"].nunique() == 2
        assert abs(found["label"].sum() - n * np.mean(labels)) <= 1
        before = names


def test_the_order_is_that_of_the_table_and_the_seed_chooses():
    table = make([0, 1] * 50)
    found = [training_subset(table, 20, seed)["sequence"].tolist() for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    numbers = [int(name[1:]) for name in found[0]]
    assert numbers == sorted(numbers)
    pd.testing.assert_frame_equal(training_subset(table, 100, 3), table)
    assert training_subset(table, None, 3) is table


@pytest.mark.parametrize("n", [-1, 0, 1, 11])
def test_bad_input(n):
    with pytest.raises(InputError, match=f"n_train: found {n}, expected 2 to 10, the number of training examples"):
        training_subset(make([0, 1] * 5), n, 0)
