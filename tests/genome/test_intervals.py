"""Intervals: order, merging and overlaps, against plain loops over bases."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from genome_inputs import regions_of
from hypothesis import example, given
from hypothesis import strategies as st

from genebert.errors import InputError
from genebert.genome.intervals import (
    check_bounds,
    check_unique,
    join_touching,
    merge_overlapping,
    overlapping,
    ranges,
    region_names,
    sort_regions,
)

intervals = st.lists(st.tuples(st.sampled_from(["chr2", "chr10"]), st.integers(0, 30), st.integers(1, 8)), max_size=8)
places = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2", None]), st.integers(0, 40), st.integers(1, 9)), max_size=12
)


def test_sort_regions():
    chroms = ["chrM", "chrX", "chr10", "chr2", "chrUn_b", "chrY", "chr2", "chr2", "chrUn_a", "chr2"]
    starts = [1, 1, 1, 50, 1, 1, 7, 7, 1, 100]
    ends = [2, 2, 2, 60, 2, 2, 9, 8, 2, 101]
    frame = regions_of(list(zip(chroms, starts, ends, strict=True)))
    for chrom in (frame["chrom"], frame["chrom"].astype("category")):
        ordered = frame.assign(chrom=chrom).iloc[sort_regions(frame.assign(chrom=chrom))]
        assert region_names(ordered) == [
            "chr2-7-8", "chr2-7-9", "chr2-50-60", "chr2-100-101", "chr10-1-2", "chrX-1-2", "chrY-1-2", "chrM-1-2",
            "chrUn_a-1-2", "chrUn_b-1-2",
        ]  # fmt: skip
    assert sort_regions(frame[:0]).tolist() == []
    # Digits that are no whole number of a usual size.
    odd = ["chr10", "chr²", "chr9", f"chr{'9' * 5000}", "chrX"]
    assert [odd[i][:5] for i in sort_regions(regions_of([(chrom, 0, 1) for chrom in odd]))] == [
        "chr9", "chr10", "chrX", "chr99", "chr²",
    ]  # fmt: skip


@given(intervals)
def test_merging_equals_a_walk_over_bases(rows):
    regions = regions_of([(chrom, start, start + width) for chrom, start, width in rows])
    regions.index = range(7, 7 + len(regions))
    # Base i and the one behind it are joined if one region holds both.
    expected = []
    for chrom in ("chr2", "chr10"):
        here = regions[regions["chrom"] == chrom]
        for base in range(40):
            if any((here["start"] <= base) & (base < here["end"])):
                if expected and any((here["start"] < base) & (base < here["end"])) and expected[-1][2] == base:
                    expected[-1][2] += 1
                else:
                    expected.append([chrom, base, base + 1])
    merged, group = merge_overlapping(regions)
    pd.testing.assert_frame_equal(merged, regions_of(expected))
    assert group.dtype == np.int64
    assert group.tolist() == [
        next(i for i, (c, s, e) in enumerate(expected) if c == chrom and s <= start < e) for chrom, start, _ in rows
    ]


@given(intervals)
def test_joining_leaves_the_same_bases_in_stretches_that_lie_apart(rows):
    frame = regions_of([(chrom, start, start + size) for chrom, start, size in rows])
    joined = join_touching(frame)

    def bases(regions):
        return [(row.chrom, at) for row in regions.itertuples() for at in range(row.start, row.end)]

    assert sorted(bases(joined)) == sorted(set(bases(frame)))
    for one, other in pairwise(joined.itertuples()):
        assert one.chrom != other.chrom or one.end < other.start


def placed(rows):
    rows = [(chrom, start, start + width) if chrom else (None, None, None) for chrom, start, width in rows]
    frame = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    return frame.astype({"chrom": "string", "start": "Int64", "end": "Int64"})


@example([("chr1", 5, 2)], [("chr2", 5, 2)])
@given(places, places)
def test_overlaps_equal_a_double_loop(rows, others):
    expected = [
        any(chrom and chrom == c and s < start + width and start < s + w for c, s, w in others)
        for chrom, start, width in rows
    ]
    found = overlapping(placed(rows), placed(others))
    assert found.dtype == bool
    assert found.tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 4)), max_size=6))
def test_ranges(pairs):
    starts, sizes = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    found = ranges(starts, sizes)
    assert found.dtype == np.int64
    assert found.tolist() == [place for start, size in pairs for place in range(start, start + size)]


def test_a_region_that_comes_twice():
    row = ("chr1", 5, 9)
    check_unique(regions_of([row, ("chr1", 5, 10), ("chr1", 4, 9), ("chr2", 5, 9)]), "x")
    with pytest.raises(
        InputError, match=r"x: region chr1-5-9 comes more than once \(2 rows too many\); expected every"
    ):
        check_unique(regions_of([row, ("chr2", 5, 9), row, row]), "x")


LARGEST = 2**40


@pytest.mark.parametrize(
    ("start", "end", "first", "words"),
    [
        (0, 1, 0, ""),
        (0, LARGEST, 1, ""),
        (-1, 5, 0, "start is -1, expected 0 or more"),
        (-1, 5, 1, "start is 0, expected 1 or more"),
        (0, LARGEST + 1, 0, f"end is {LARGEST + 1}, which is more than any chromosome has"),
        (5, 5, 0, "region 5-5 is empty, expected an end after its start"),
        (5, 5, 1, "region 6-5 is empty, expected an end after its start"),
        (LARGEST + 1, LARGEST, 0, f"end {LARGEST} is before start {LARGEST + 1}"),
        (5, 4, 0, "end 4 is before start 5"),
        (5, 4, 1, "end 4 is before start 6"),
    ],
)
def test_bounds(start, end, first, words):
    regions = regions_of([("chr1", 1, 2), ("chr1", start, end), ("chr1", -9, -9)][: 3 if words else 2])
    regions.index = [3, 7, 8][: len(regions)]
    if words:
        with pytest.raises(InputError, match=f"^x: line 7: {words}$"):
            check_bounds(regions, "x", "line", first)
    else:
        check_bounds(regions, "x", "line", first)


def test_merging_as_far_as_coordinates_reach():
    regions = regions_of([("chr1", 5, LARGEST), ("chr2", 0, 3), ("chr1", 0, 6)])
    merged, group = merge_overlapping(regions)
    assert merged.values.tolist() == [["chr1", 0, LARGEST], ["chr2", 0, 3]]
    assert group.tolist() == [0, 1, 0]
