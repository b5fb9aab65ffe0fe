"""Sums over the cells of each type and their binarisation, of entries that come in blocks."""

from unittest import mock

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from genebert.accessibility.blocks import CountMatrix, compressed_blocks
from genebert.accessibility.pseudobulk import PseudoBulk, binarise, pseudobulk_from_matrix, sum_by_cell_type
from genebert.errors import InputError

small = st.integers(1, 6)


@given(st.data(), small, small, st.integers(1, 3))
def test_sums_equal_dense_reference(data, peaks, cells, n_types):
    dense = np.array(data.draw(st.lists(st.lists(st.integers(0, 3), min_size=cells, max_size=cells),
                                        min_size=peaks, max_size=peaks)))  # fmt: skip
    codes = np.array(data.draw(st.lists(st.integers(-1, n_types - 1), min_size=cells, max_size=cells)))
    matrix = sp.csc_array(dense) if data.draw(st.booleans()) else sp.csr_array(dense)
    with mock.patch("genebert.accessibility.blocks.BLOCK_ENTRIES", data.draw(st.integers(1, 9))):
        blocks = list(compressed_blocks(matrix.indptr, matrix.indices, matrix.data))
    if matrix.format == "csr":
        blocks = [(major, minor, values) for minor, major, values in blocks]
    whole = CountMatrix("x", pd.DataFrame(index=range(peaks)), pd.Series(), matrix.nnz, lambda: iter(blocks))
    sums, detected = sum_by_cell_type(whole, codes, n_types, detected=True)
    assert (sums.dtype, detected.dtype, len(sums), len(detected)) == (np.int64, np.int64, n_types, n_types)
    for kind in range(n_types):
        of_kind = [dense[:, i] for i in range(cells) if codes[i] == kind]
        expected = np.sum(of_kind, axis=0) if of_kind else np.zeros(peaks)
        np.testing.assert_array_equal(sums[kind], expected)
        np.testing.assert_array_equal(detected[kind], np.sum([c > 0 for c in of_kind], axis=0) if of_kind else expected)


def test_blocks_are_whole_rows_as_many_as_fit(monkeypatch):
    monkeypatch.setattr("genebert.accessibility.blocks.BLOCK_ENTRIES", 6)
    ends = np.array([0, 3, 6, 9, 16, 16, 23, 25])
    blocks = list(compressed_blocks(ends, np.arange(25, dtype=np.int32), np.arange(25) / 2))
    assert [major.tolist() for _, major, _ in blocks] == [[0, 0, 0, 1, 1, 1], [2] * 3, [3] * 7, [5] * 7, [6] * 2]
    assert np.concatenate([minor for minor, _, _ in blocks]).tolist() == list(range(25))
    assert np.concatenate([values for _, _, values in blocks]).tolist() == (np.arange(25) / 2).tolist()


def test_a_stored_zero_is_no_detected_cell():
    block = np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0, 2, 0])
    matrix = CountMatrix("x", pd.DataFrame(index=range(2)), pd.Series(), 3, lambda: iter([block]))
    sums, detected = sum_by_cell_type(matrix, np.array([0, 0]), 1, detected=True)
    assert (sums.tolist(), detected.tolist()) == ([[2, 0]], [[1, 0]])


def in_pieces(types, *blocks):
    """A matrix of one peak, whose cells have these types, from blocks of counts."""
    ends = np.cumsum([0, *map(len, blocks)])
    made = [
        (np.zeros(len(b), int), np.arange(a, a + len(b)), np.array(b)) for a, b in zip(ends[:-1], blocks, strict=True)
    ]
    regions = pd.DataFrame({"chrom": ["chr1"], "start": [5], "end": [9]})
    return CountMatrix("x", regions, pd.Series(types, dtype=object), int(ends[-1]), lambda: iter(made))


def test_types_with_too_few_cells_are_left_out_in_the_order_of_letters():
    bulk = pseudobulk_from_matrix(in_pieces([*"bbbaccddd", None, None], [1, 2, 3], [], [4, 5, 6, 7, 8, 9, 10, 11]), 3)
    assert (bulk.types, bulk.counts.tolist(), bulk.n_cells.tolist()) == (["b", "d"], [[6], [24]], [3, 3])
    assert (list(bulk.dropped_types.items()), bulk.untyped_cells, bulk.detected) == ([("a", 1), ("c", 2)], 2, None)


@pytest.mark.parametrize(
    ("values", "words"), [([1, 0, 2, 0.5, -1], "0.5, which is not a"), ([1, 0, -1, 0.5], "-1, which is negative")]
)
def test_the_first_value_that_is_no_count_is_named(values, words):
    with pytest.raises(InputError, match=f"^x: holds the value {words}"):
        pseudobulk_from_matrix(in_pieces(["a"] * len(values), values))


def test_progress_is_told_every_20_seconds(monkeypatch, caplog):
    caplog.set_level("INFO", "genebert")
    clock = iter([100, 121, 121, 140, 160, 160])  # the start; after each block, and once more where it is told
    monkeypatch.setattr("genebert.accessibility.pseudobulk.time.monotonic", lambda: next(clock))
    pseudobulk_from_matrix(in_pieces(["a"] * 60, [1] * 21, [1] * 21, [1] * 18))
    assert [message for message in caplog.messages if "entries" in message] == [
        "x: 21 of 60 entries summed, 0.0 million/s, 39 s left", "x: 60 of 60 entries summed, 0.0 million/s, 0 s left",
    ]  # fmt: skip


@pytest.mark.parametrize("cells", [1, 3, 7, 25, 40, 100])
def test_min_fraction_is_exact(cells):
    detected = np.arange(cells + 1)[None]
    bulk = PseudoBulk(pd.DataFrame(), ["A"], detected, np.array([cells]), detected)
    for percent in range(1, 101):
        # Whole numbers, so that no rounding is in the reference: 0.28 * 25 is a little more than 7.
        expected = [count > 0 and 100 * count >= percent * cells for count in range(cells + 1)]
        assert binarise(bulk, percent / 100)[0].tolist() == expected
