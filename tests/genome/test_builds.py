"""Builds: told by lengths, by ends of regions, and by what files state."""

import math

import pytest
from genome_inputs import regions_of

from genebert.errors import InputError
from genebert.genome.builds import (
    BUILD_LENGTHS,
    assembly,
    builds_with_lengths,
    builds_with_room,
    check_build,
    check_regions,
    normalise_names,
    past_end,
)


def test_regions_of_another_build():
    inside = ("chr1", 0, 1)
    with pytest.raises(InputError, match=r"another genome build\? They all fit hg38\."):
        check_regions(regions_of([inside, ("chr20", 0, 64_000_000)]), BUILD_LENGTHS["hg19"], "x", "hg19")
    with pytest.raises(InputError, match=r"another genome build\?$"):
        rows = [inside, ("chr20", 0, 65_000_000), ("chr20", 0, 1)]
        check_regions(regions_of(rows), BUILD_LENGTHS["hg19"], "x", "hg19")
    check_regions(regions_of([("chr20", 63_025_519, 63_025_520)]), BUILD_LENGTHS["hg19"], "x", "hg19")
    check_regions(regions_of([("chrUn_1", 0, 10**9)]), BUILD_LENGTHS["hg19"], "x", "hg19")


END = 63_025_520  # of chr20 in hg19; in hg38 it is longer, chr1 is shorter


@pytest.mark.parametrize(
    ("n", "over", "chromosomes", "stops"),
    [
        (4, [("chr20", 39)], ["chr20"], False),  # one is never many
        (4, [("chr20", 39), ("chr20", 1)], ["chr20"], True),
        (198, [("chr20", 39), ("chr20", 1)], ["chr20"], False),  # 2 of 200
        (197, [("chr20", 39), ("chr20", 1)], ["chr20"], True),
        (197, [("chr20", 39), ("chr21", 1)], ["chr20"], False),
        (999, [("chr20", 1000)], ["chr20"], False),
        (999, [("chr20", 1001)], ["chr20"], True),
        (4, [("chr20", 39)] * 3, ["chr21"], False),  # elsewhere
        (4, [("chr20", 1001)], ["chr21"], True),  # elsewhere, and hg38 has room
        (4, [("chr21", 2_000_000)], ["chr20"], False),  # elsewhere, and hg38 has no room either
    ],
)
def test_few_regions_beyond_an_end_are_left_out(n, over, chromosomes, stops, caplog):
    ends = {"chr20": END, "chr21": BUILD_LENGTHS["hg19"]["chr21"]}
    rows = [("chr20", i, i + 5) for i in range(n)] + [(chrom, 100, ends[chrom] + by) for chrom, by in over]
    arguments = regions_of(rows), BUILD_LENGTHS["hg19"], "x.bed", "hg19"
    with pytest.raises(InputError, match=rf"x\.bed: .*\({len(over)} of {len(rows)} .* by up to {over[0][1]} bases"):
        check_regions(*arguments)
    if stops:
        with pytest.raises(InputError, match="are these coordinates of another genome build"):
            check_regions(*arguments, chromosomes)
    else:
        assert check_regions(*arguments, chromosomes).tolist() == [False] * n + [True] * len(over)
        here = [by for chrom, by in over if chrom in chromosomes]
        told = (
            f"{len(here)} of {sum(row[0] in chromosomes for row in rows)} regions on the run's chromosomes end beyond"
        )
        assert f"x.bed: {told} these, by up to {max(here, default=0)} bases" in caplog.text


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ([("chr20", 1001), ("chr21", 2_000_000)], "chr20"),  # the run's own, if one is far beyond
        ([("chr21", 2_000_000), ("chr20", 1001)], "chr20"),
        ([("chr20", 39), ("chr20", 40), ("chr21", 2_000_000)], "chr21"),
    ],
)
def test_the_region_that_a_message_names(over, named):
    ends = {"chr20": END, "chr21": BUILD_LENGTHS["hg19"]["chr21"]}
    regions = regions_of([(chrom, 100, ends[chrom] + by) for chrom, by in over])
    length, end = ends[named], ends[named] + dict(over)[named]
    words = rf"x: region {named}:100-{end} ends beyond {named}, which is {length} bases long in hg19 \({len(over)} of"
    with pytest.raises(InputError, match=words):
        check_regions(regions, BUILD_LENGTHS["hg19"], "x", "hg19", ["chr20"])


@pytest.mark.parametrize(
    ("lengths", "builds"),
    [
        ({"chr20": 63_025_520, "chr21": 48_129_895}, ["hg19"]),
        ({"chr20": 64_444_167, "chr21": 46_709_983}, ["hg38"]),
        ({"chr20": 63_025_520, "chr21": 46_709_983}, []),  # one of each
        ({"chr20": 63_025_520, "chrUn_1": 5}, []),
        ({}, ["hg19", "hg38"]),
    ],
)
def test_builds_of_lengths(lengths, builds):
    assert builds_with_lengths(lengths) == builds


def test_builds_with_room():
    hg38 = BUILD_LENGTHS["hg38"]
    assert builds_with_room({"chr20": END}) == ["hg19", "hg38"]
    assert builds_with_room({"chr20": END + 1}) == ["hg38"]
    assert builds_with_room({"chr20": END + 1, "chr21": hg38["chr21"]}) == ["hg38"]
    assert builds_with_room({"chr20": END + 1, "chr21": hg38["chr21"] + 1}) == []
    assert builds_with_room({"chrUn_1": 10**10}) == ["hg19", "hg38"]


def test_how_far_regions_end_beyond():
    regions = regions_of([("chr2", 0, 12), ("chr1", 0, 9), ("chrUn", 0, 10**9), ("chr2", 3, 10)])
    assert past_end(regions, {"chr1": 10, "chr2": 10}).tolist() == [2, -1, -math.inf, 0]


@pytest.mark.parametrize(
    ("name", "build"),
    [("GRCh38.p13", "hg38"), ("GRCh38-p2", "hg38"), (" grch37 ", "hg19"), ("T2T-CHM13v2.0", "hs1"),
     ("GRCm38.p6", "mm10"), ("hg 19", "hg19"), ("hg190", None), ("", None), (None, None), (38, None)],
)  # fmt: skip
def test_assemblies(name, build):
    assert assembly(name) == build


@pytest.mark.parametrize(
    ("stated", "build", "outcome"),
    [
        (["GRCh37.p13"], "hg19", ""),
        (["unknown", "GRCh38"], "hg19", r"stops: x: states .* of GRCh38 \(hg38\), but the genome is hg19"),
        (["unknown"], "mine", ""),
        (["hg38"], "mine", "warns: x: states that its regions are of hg38; the genome is named mine"),
    ],
)
def test_what_a_file_states_of_its_build(stated, build, outcome, caplog):
    arguments = regions_of([("chr1", 5, 9)]), {"chr1": 9}, "x", build, ["chr1"], stated
    kind, _, words = outcome.partition(": ")
    if kind == "stops":
        with pytest.raises(InputError, match=words):
            check_build(*arguments)
    else:
        check_build(*arguments)
        assert caplog.messages == ([words] if kind else [])
    with pytest.raises(InputError, match="x: "):
        check_build(regions_of([("chr1", 5, 2000)]), *arguments[1:])


def test_names_of_the_builds_chromosomes():
    assert normalise_names(["1", "chrX", "x"], "hg19", "f") == {"1": "chr1", "chrX": "chrX", "x": "chrX"}
    with pytest.raises(InputError, match="f: found the chromosome 'MT', expected one of chr1 to chr22, chrX and chrY"):
        normalise_names(["1", "MT"], "hg19", "f")
