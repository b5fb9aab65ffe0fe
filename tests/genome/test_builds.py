"""Builds: told by ends of regions and by RefSeq names."""

import pytest
from genome_inputs import regions_of

from genebert.errors import InputError
from genebert.genome.builds import BUILD_LENGTHS, check_regions
from genebert.genome.chromosomes import refseq_chromosome


def test_regions_of_another_build():
    inside = ("chr1", 0, 1)
    with pytest.raises(InputError, match=r"another genome build\? They all fit hg38\."):
        check_regions(regions_of([inside, ("chr20", 0, 64_000_000)]), BUILD_LENGTHS["hg19"], "x", "hg19")
    with pytest.raises(InputError, match=r"another genome build\?$"):
        check_regions(regions_of([inside, ("chr20", 0, 65_000_000)]), BUILD_LENGTHS["hg19"], "x", "hg19")
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


def test_refseq_names_tell_chromosome_and_build():
    assert refseq_chromosome("NC_000001.10") == ("chr1", "hg19")
    assert refseq_chromosome("NC_000001.11") == ("chr1", "hg38")
    assert refseq_chromosome("NC_000014.8") == ("chr14", "hg19")
    assert refseq_chromosome("NC_000023.11") == ("chrX", "hg38")
    assert refseq_chromosome("NC_000020.9") == ("chr20", "another build")
    for name in ("NC_000025.1", "NC_000000.1", "NC_012920.1", "NC_000001", "chr1"):
        assert refseq_chromosome(name) is None
