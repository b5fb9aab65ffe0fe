"""Names of regions: separators, counting from 0 or 1, and bounds that are wrong."""

import pandas as pd
import pytest
from genome_inputs import regions_of
from hypothesis import given
from hypothesis import strategies as st

from genebert.errors import InputError
from genebert.genome.intervals import parse_region_names, region_names

chromosomes = st.sampled_from(["chr1", "chrX", "chrUn_gl000220", "chr6_apd_hap1", "chrHLA-A"])
positions = st.integers(0, 10**9)


@given(
    st.lists(st.tuples(chromosomes, positions, st.integers(1, 10**9)), max_size=5),
    st.sampled_from(["--", ":-", "__", "::"]),
)
def test_region_names_round_trip(rows, separators):
    rows = [(chrom, start, start + width) for chrom, start, width in rows]
    regions = regions_of(rows)
    first, second = separators
    names = [f"{c}{first}{s}{second}{e}" for c, s, e in rows]
    pd.testing.assert_frame_equal(parse_region_names(names, "test"), regions)
    pd.testing.assert_frame_equal(parse_region_names(pd.Series(names, dtype=str, index=range(9, 9 + len(names))),
                                                        "test"), regions)  # fmt: skip
    assert region_names(regions) == [f"{c}-{s}-{e}" for c, s, e in rows]
    from_1 = [f"{c}{first}{s + 1}{second}{e}" for c, s, e in rows]
    pd.testing.assert_frame_equal(parse_region_names(from_1, "test", "1-based"), regions)


@pytest.mark.parametrize("counting", ["0-based", "1-based"])
def test_how_region_names_count_is_told(counting, caplog):
    caplog.set_level("INFO")
    parse_region_names(["chr1-5-9"], "m.h5ad", counting)
    assert caplog.messages == [f"m.h5ad: names of regions are read as {counting} (accessibility.names)"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("chr1:-100-200", "start is -100, expected 0 or more"),
        ("chr1--100-200", "start is -100, expected 0 or more"),
        ("chr1_-100_-50", "start is -100, expected 0 or more"),
        ("chr1-100--50", "end -50 is before start 100"),
        ("chr1-9-5", "end 5 is before start 9"),
        ("chr1-5-5", "region 5-5 is empty, expected an end after its start"),
        ("chr1-5-100000000000000000", "end is 100000000000000000, which is more than any chromosome has"),
    ],
)
def test_region_name_with_wrong_bounds(name, sentence):
    with pytest.raises(InputError, match=f"^x: row 2: {sentence}$"):
        parse_region_names(["chr1-1-2", name], "x")


def test_bounds_of_names_counted_from_1():
    assert parse_region_names(["chr1-5-5"], "x", "1-based").values.tolist() == [["chr1", 4, 5]]
    for name, sentence in (("chr1-0-5", "start is 0, expected 1 or more"), ("chr1-6-5", "region 6-5 is empty"),
                           ("chr1-9-5", "end 5 is before start 9")):  # fmt: skip
        with pytest.raises(InputError, match=f"^x: row 1: {sentence}"):
            parse_region_names([name], "x", "1-based")


@pytest.mark.parametrize(
    "bad",
    [
        "chr1",
        "chr1-5",
        "chr1-a-9",
        "1-2-3-",
        "",
        "chr1-1-2\nchr1-3-4",
        "chr1-1.0-2",
        "nan",
        "chr1-1-2-3",
        "chr1:1-2-3",
        "chr1 1 2",
        "chr1 : 1-2",
        "chr1:+1-2",
        "chr1.1.2",
        "chr1:1,0-2",
        ":1-2",
        "chr1:-:1-2",
        "chr1:1-2(+)",
    ],
)
def test_region_name_of_another_form(bad):
    with pytest.raises(InputError, match=r"x.bed: region name .* \(row 2\); expected chrom-start-end"):
        parse_region_names(["chr1-1-2", bad, "chr1-1-2"], "x.bed")


def test_names_of_our_own_are_no_matter_of_the_configuration(caplog):
    caplog.set_level("INFO")
    assert parse_region_names(["chr1-5-9"], "examples").values.tolist() == [["chr1", 5, 9]]
    assert not caplog.messages
