"""Names of chromosomes: their forms, their order, and RefSeq's names of them."""

import pytest

from genebert.genome.chromosomes import by_rank, normalise_chromosome, refseq_chromosome


@pytest.mark.parametrize(
    ("name", "expected"),
    [("20", "chr20"), ("chr20", "chr20"), ("Chr20", "chr20"), ("x", "chrX"), ("chrY", "chrY"), ("MT", "chrM"),
     ("chrM", "chrM"), (" 1 ", "chr1"), (7, "chr7"), ("chrUn_gl000220", "chrUn_gl000220"),
     ("GL000220.1", "chrGL000220.1")],
)  # fmt: skip
def test_normalise_chromosome(name, expected):
    assert normalise_chromosome(name) == expected
    assert normalise_chromosome(expected) == expected


def test_natural_order():
    names = ["chrUn_a", "chrM", "chrA", "chr10", "chrY", "chr2", "chrX", "chr9", "chr10"]
    assert by_rank(names) == ["chr2", "chr9", "chr10", "chrX", "chrY", "chrM", "chrA", "chrUn_a"]
    # Digits are a number up to 18 of them; bare names have the same order.
    assert by_rank(["chr" + "1" * 19, "chrX", "chr" + "9" * 18]) == ["chr" + "9" * 18, "chrX", "chr" + "1" * 19]
    assert by_rank(["Y", "21", "X", "3"]) == ["3", "21", "X", "Y"]


# As the assembly reports of NCBI list them: GCF_000001405.25 (GRCh37.p13), GCF_000001405.26 (GRCh38).
REFSEQ = {
    "hg19": "1.10 2.11 3.11 4.11 5.9 6.11 7.13 8.10 9.11 10.10 11.9 12.11 13.10 14.8 15.9 16.9 17.10 18.9 19.9 20.10 "
    "21.8 22.10 23.10 24.9",
    "hg38": "1.11 2.12 3.12 4.12 5.10 6.12 7.14 8.11 9.12 10.11 11.10 12.12 13.11 14.9 15.10 16.10 17.11 18.10 19.10 "
    "20.11 21.9 22.11 23.11 24.10",
}


@pytest.mark.parametrize("build", REFSEQ)
def test_refseq_names_of_all_chromosomes(build):
    names = [f"NC_{number:0>6}.{version}" for number, version in (one.split(".") for one in REFSEQ[build].split())]
    assert [refseq_chromosome(name) for name in names] == [(f"chr{name}", build) for name in [*range(1, 23), "X", "Y"]]


def test_refseq_names_tell_chromosome_and_build():
    assert refseq_chromosome("NC_000001.10") == ("chr1", "hg19")
    assert refseq_chromosome("NC_000001.11") == ("chr1", "hg38")
    assert refseq_chromosome("NC_000014.8") == ("chr14", "hg19")
    assert refseq_chromosome("NC_000023.11") == ("chrX", "hg38")
    assert refseq_chromosome("NC_000020.9") == ("chr20", "another build")
    for name in ("NC_000025.1", "NC_000000.1", "NC_012920.1", "NC_000001", "chr1"):
        assert refseq_chromosome(name) is None
