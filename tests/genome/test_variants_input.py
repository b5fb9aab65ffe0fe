"""Files of genotypes that are refused, each with a sentence that names no person and no genotype."""

import gzip
import logging
import os
import re

import pandas as pd
import pysam
import pytest
from genome_inputs import regions_of
from pysam import bcftools
from variant_inputs import HEADER, SAMPLES, line, make_genome, quiet, vcf_text, write_vcf

from genebert.errors import InputError
from genebert.genome.builds import BUILD_LENGTHS
from genebert.genome.variants import read_genotypes
from genebert.settings.variants import VariantSettings

SEQUENCE = "ACGTTGCAAC" * 300
REGION = regions_of([("chr1", 0, 2000)])
CALLS = ["0|1", "1|1", "0|0"]


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    return make_genome(tmp_path_factory.mktemp("genome"), SEQUENCE)


def good(number=30, calls=CALLS, **more):
    return [line(i * 50, "A", "G", *calls, **more) for i in range(number)]


def refused(path, genome, *sentence, regions=REGION, samples=None, **settings):
    with pytest.raises(InputError) as caught:
        read_genotypes(path, regions, genome, samples, VariantSettings(**settings))
    message = str(caught.value)
    assert "\n" not in message and message.startswith(f"{path}: ")
    for part in sentence:
        assert part in message
    assert not any(name in message for name in SAMPLES)
    assert not re.search(r"(?<!expected )[0-9.]\|[0-9.]", message)


def test_without_an_index_and_with_one_of_another_file(genome, tmp_path, capfd, caplog):
    path = write_vcf(tmp_path / "x.vcf.gz", good())
    index = tmp_path / "x.vcf.gz.tbi"
    whole = index.read_bytes()
    assert len(read_genotypes(path, REGION, genome).sites) == 30
    assert "older" not in caplog.text
    os.utime(index, (1, 1))
    assert len(read_genotypes(path, REGION, genome).sites) == 30
    assert f"{index}: is older than x.vcf.gz; if that was changed since, make it again" in caplog.text
    index.unlink()
    refused(path, genome, "found no index beside it, expected x.vcf.gz.tbi or .csi (`tabix -p vcf`, `bcftools index`)")
    for bad in (whole[:-30], b"noise" * 99):
        index.write_bytes(bad)
        refused(path, genome, "x.vcf.gz: ", "expected")
    write_vcf(tmp_path / "y.vcf.gz", [line(i, SEQUENCE[i], "N", *CALLS, name="r" * 999 + str(i)) for i in range(2900)])
    index.write_bytes((tmp_path / "y.vcf.gz.tbi").read_bytes())
    refused(path, genome, "an index made from", regions=regions_of([("chr1", 1900, 2000)]))
    assert capfd.readouterr() == ("", "")  # htslib says nothing of its own


def test_without_the_chromosome_or_a_record(genome, tmp_path):
    path = write_vcf(tmp_path / "x.vcf.gz", good(contig="2"), contigs=["2", "X"])
    refused(path, genome, "holds no record of chr1, where regions lie; expected some (contigs: ")
    # A header that names the contigs of the whole genome says nothing of what the file holds.
    path = write_vcf(tmp_path / "x.vcf.gz", good(contig="2"), contigs=["1", "2"])
    refused(path, genome, "holds no record of chr1, where regions lie; expected some (contigs: ")
    bcf = tmp_path / "x.bcf"
    quiet(bcftools.view, "-Ob", "-o", str(bcf), str(path), catch_stdout=False)
    quiet(bcftools.index, str(bcf), catch_stdout=False)
    refused(bcf, genome, "holds no record of chr1, where regions lie; expected some (contigs: ")
    path = write_vcf(tmp_path / "x.vcf.gz", good(3))
    refused(path, genome, "no record in any of the 2 regions", regions=regions_of([("chr1", 101, 102), ("chr1", 1, 5)]))
    path = write_vcf(tmp_path / "x.vcf.gz", good(3, calls=[".|."] * 3))
    refused(path, genome, "no alternative allele is left in the 1 regions (records 3, too_missing 3), expected some")


def test_without_genotypes(genome, tmp_path):
    path = write_vcf(tmp_path / "x.vcf.gz", [line(0, "A", "G")], samples=[])
    refused(path, genome, "found no sample in its header, expected the genotypes of every person")
    header = HEADER + '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="x">\n'
    for form, calls in (("DP", ["1", "2", "3"]), ("DP:GT", ["1:0|1", "2:0|1", "3:0|1"])):
        path = write_vcf(tmp_path / "x.vcf.gz", [line(50, "A", "G", *calls, form=form)], header=header)
        refused(path, genome, f"the record at chr1:51 has {form} as its FORMAT, expected GT in it, as the first")
    path = write_vcf(tmp_path / "x.vcf.gz", [line(50, "A", "G").replace("\t.\n", "\n")])
    refused(path, genome, "x.vcf.gz: ", "expected")
    path = write_vcf(tmp_path / "x.vcf.gz", [line(50, "A", "G")])
    refused(path, genome, "the record at chr1:51 has nothing as its FORMAT, expected GT in it, as the first")


def test_other_forms(genome, tmp_path):
    path = write_vcf(tmp_path / "x.vcf.gz", good())
    whole = path.read_bytes()
    plain = gzip.decompress(whole)
    for data, sentence in (
        (plain, "found VCF with the compression NONE, expected VCF or BCF compressed with `bgzip`"),
        (gzip.compress(plain), "found gzip without blocks, expected a file compressed with `bgzip`"),
        (whole[:-28], "cannot be read (no BGZF EOF marker; file may be truncated); expected a whole VCF or BCF"),
        (whole[:-60], "cannot be read (no BGZF EOF marker; file may be truncated)"),
        (b"", "cannot be read ("),
        (b"noise" * 99, "cannot be read ("),
    ):
        path.write_bytes(data)
        refused(path, genome, sentence)
    path.unlink()
    refused(path, genome, "cannot be read ([Errno 2]")


def test_damaged_in_the_middle(genome, tmp_path):
    calls = [[f"{(i >> k) & 1}|{(i >> k + 1) & 1}" for k in range(3)] for i in range(3000)]
    lines = [line(i, SEQUENCE[i], "N", *calls[i], name=str(i**7)) for i in range(3000)]
    path = write_vcf(tmp_path / "x.vcf.gz", lines)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 3] ^= 255
    path.write_bytes(whole)
    refused(path, genome, "cannot be read (", regions=regions_of([("chr1", 0, 3000)]))


def test_records_that_are_not_sorted(genome, tmp_path):
    """Only an index of other records can be beside them."""
    lines = good()
    path = write_vcf(tmp_path / "x.vcf.gz", lines)
    lines[3], lines[4] = lines[4], lines[3]
    plain = tmp_path / "other.vcf"
    plain.write_text(vcf_text(lines))
    pysam.tabix_compress(str(plain), str(path), force=True)
    refused(
        path, genome, "the record at chr1:151 comes after one at 201, expected records sorted by place and an index"
    )


def test_wrong_build_and_swapped_alleles(genome, tmp_path):
    shifted = [line(i * 50 + 3, "A", "G", *CALLS) for i in range(10)]
    path = write_vcf(tmp_path / "x.vcf.gz", shifted)
    refused(path, genome, "10 of 10 records have another REF than the genome toy, 0 of them have its base as ALT; are "
            "these coordinates of another genome build? expected toy")  # fmt: skip
    mixed = [line(i * 50, *("GA" if i % 5 == 0 else "AG"), *CALLS) for i in range(20)]
    path = write_vcf(tmp_path / "x.vcf.gz", mixed)
    refused(path, genome, "4 of 20 records have another REF than the genome toy, 4 of them have its base as ALT; REF "
            "and ALT look swapped, expected REF as in the genome (`bcftools +fixref`")  # fmt: skip
    beyond = [*good(1), *(line(2999 + i, "A", "G", *CALLS) for i in range(0, 9, 3))]
    path = write_vcf(tmp_path / "x.vcf.gz", beyond)
    assert len(read_genotypes(path, REGION, genome).sites) == 1


def test_share_of_records_with_another_ref(genome, tmp_path):
    """One is dropped whatever the number; more only up to 1 %."""
    for number, wrong, fine in ((2, 1, True), (3, 2, False), (400, 4, True), (399, 4, False)):
        starts = [i * 10 for i in range(number)]
        genome_ = make_genome(tmp_path / "long", "ACGTTGCAAC" * 400)
        lines = [line(start, *("TG" if i < wrong else "AG"), *CALLS) for i, start in enumerate(starts)]
        path = write_vcf(tmp_path / "x.vcf.gz", lines)
        regions = regions_of([("chr1", 0, 4000)])
        if fine:
            assert read_genotypes(path, regions, genome_).counts["other_ref"] == wrong
        else:
            refused(path, genome_, f"{wrong} of {number} records have another REF", regions=regions)


class KnownGenome:
    """The names and lengths of a build, without its bases."""

    build, lengths = "hg19", {"chr20": BUILD_LENGTHS["hg19"]["chr20"]}


@pytest.mark.parametrize(
    ("contig", "sentence"),
    [
        ("20,length=64444167", "its header says that chr20 is 64444167 bases long, in hg19 it is 63025520; its contigs "
         "are those of hg38, expected hg19"),
        ("NC_000020.11", "its contig NC_000020.11 is chr20 of hg38, expected those of hg19"),
    ],
)  # fmt: skip
def test_header_of_another_build(tmp_path, contig, sentence):
    name = contig.split(",")[0]
    path = write_vcf(tmp_path / "x.vcf.gz", [line(5, "A", "G", *CALLS, contig=name)], contigs=[contig])
    refused(path, KnownGenome(), sentence, regions=regions_of([("chr20", 0, 99)]))


def test_regions_beyond_the_genome(genome, tmp_path):
    path = write_vcf(tmp_path / "x.vcf.gz", good())
    with pytest.raises(InputError, match=r"regions of x.vcf.gz: region chr1:5-3001 ends beyond chr1"):
        read_genotypes(path, regions_of([("chr1", 5, 3001)]), genome)
    with pytest.raises(InputError, match=r"regions of x.vcf.gz: some lie on chr2, expected chromosomes of .*: chr1$"):
        read_genotypes(path, regions_of([("chr1", 5, 30), ("chr2", 5, 30)]), genome)
    refused(path, genome, "no record in any of the 0 regions", regions=regions_of([]))


@pytest.mark.parametrize("allele", ["<DEL>", "<CN0>", "A]2:5]", "R"])
def test_alleles_without_bases(genome, tmp_path, allele):
    path = write_vcf(tmp_path / "x.vcf.gz", [*good(2), line(100, "A", f"G,{allele}", "0|2", "2|2", "0|1")])
    refused(path, genome, f"{allele} at chr1:101, which 3 haplotypes carry, has no bases; expected alleles of A, C, G, "
            "T; variants.symbolic: drop gives the reference there")  # fmt: skip
    assert read_genotypes(path, REGION, genome, settings=VariantSettings(symbolic="drop")).counts["symbolic"] == 1
    path = write_vcf(tmp_path / "x.vcf.gz", [*good(2), line(100, "A", f"G,{allele}", "0|1", "0|0", "0|1")])
    assert read_genotypes(path, REGION, genome).counts["symbolic"] == 1


def test_a_long_deletion_without_bases_that_begins_before_the_region(genome, tmp_path):
    header = HEADER + '##INFO=<ID=END,Number=1,Type=Integer,Description="x">\n'
    lines = [line(0, "A", "<DEL>", *CALLS).replace("\tGT\t", "\tGT\t").replace("\t.\tGT", "\tEND=1600\tGT")]
    path = write_vcf(tmp_path / "x.vcf.gz", [*lines, line(1550, "A", "G", *CALLS)], header=header)
    region = regions_of([("chr1", 1500, 1600)])
    refused(path, genome, "<DEL> at chr1:1, which 3 haplotypes carry", regions=region)
    found = read_genotypes(path, region, genome, settings=VariantSettings(symbolic="drop"))
    assert found.counts["symbolic_carried"] == 3 and found.sites["start"].tolist() == [1550]
    path = write_vcf(tmp_path / "x.vcf.gz", [*lines, line(1550, "A", "G", *CALLS)], header=header)
    after = read_genotypes(path, regions_of([("chr1", 2000, 2001), ("chr1", 1550, 1551)]), genome,
                           settings=VariantSettings(symbolic="drop"))  # fmt: skip
    assert after.counts["records"] == 2


def test_beside_the_regions_no_allele_is_refused(genome, tmp_path):
    lines = [line(50, "A", "G", *CALLS), line(100, "A", "AT,<INS>", "2|2", "0|1", "0|0")]
    path = write_vcf(tmp_path / "x.vcf.gz", lines)
    found = read_genotypes(path, regions_of([("chr1", 0, 60)]), genome)
    assert found.sites["start"].tolist() == [50] and found.counts["symbolic"] == 0 and found.counts["alleles"] == 1
    refused(path, genome, "<INS> at chr1:101, which 2 haplotypes carry")


def test_more_than_two_alleles_a_person(genome, tmp_path):
    path = write_vcf(tmp_path / "x.vcf.gz", [line(50, "A", "G", "0|1", "0|0|1", "0|0")])
    refused(path, genome, "the record at chr1:51 has genotypes of 3 alleles, expected one or two a person")


def test_an_allele_that_is_not_there(genome, tmp_path):
    path = write_vcf(tmp_path / "x.vcf.gz", [line(50, "A", "G", "0|2", "0|0", "0|0")])
    refused(path, genome, "the record at chr1:51 has genotypes of an allele beyond its 1 alternatives, expected none")


def test_unphased(genome, tmp_path):
    lines = [*good(3, ["0/1", "0|1", "1/1"]), line(200, "A", "G", "0/1", "0/1", "1/1"), line(250, "A", "G", *CALLS)]
    path = write_vcf(tmp_path / "x.vcf.gz", lines)
    refused(path, genome, "5 heterozygous genotypes of 4 alleles are not phased, expected 0|1 in place of 0/1; phase "
            "them (SHAPEIT, Beagle, Eagle), or variants.unphased: first takes the allele written first")  # fmt: skip


def test_samples(genome, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    path = write_vcf(tmp_path / "x.vcf.gz", good())
    refused(
        path, genome, "2 of the 3 samples asked for are not among its 3, expected all", samples=["q", SAMPLES[0], "z"]
    )
    refused(path, genome, "1 samples are asked for twice, expected each once", samples=[SAMPLES[0], SAMPLES[0]])
    assert read_genotypes(path, REGION, genome, SAMPLES[1:2]).samples == SAMPLES[1:2]
    assert not any(name in caplog.text for name in SAMPLES)
    twice = write_vcf(tmp_path / "y.vcf.gz", good(calls=["0|1"] * 2))
    plain = gzip.decompress(twice.read_bytes())
    assert plain  # of two people below a header of three
    refused(twice, genome, "cannot be read (")


def test_alleles_that_contradict_each_other(genome, tmp_path):
    lines = [*good(2, ["0|1", "0|0", "0|0"]), *good(2, ["1|0", "0|0", "0|0"])]
    lines = sorted(lines, key=lambda text: int(text.split("\t")[1]))
    path = write_vcf(tmp_path / "x.vcf.gz", [*lines, line(500, "A", "G", *CALLS)])
    refused(path, genome, "2 of 3 alleles come in several records with different genotypes, expected each once")


def test_nothing_of_the_file_reaches_the_screen(genome, tmp_path, capfd):
    broken = line(50, "A", "G", "0|1", "0|x", "0|0")
    path = write_vcf(tmp_path / "x.vcf.gz", [*good(1), broken])
    before = pysam.set_verbosity(2)
    try:
        refused(path, genome, "cannot be read (")
        assert pysam.get_verbosity() == 2
    finally:
        pysam.set_verbosity(before)
    assert capfd.readouterr() == ("", "")


def test_sites_keep_their_types_where_few_are_left(genome, tmp_path):
    found = read_genotypes(write_vcf(tmp_path / "x.vcf.gz", good(1)), REGION, genome)
    assert isinstance(found.sites, pd.DataFrame) and found.sites["end"].tolist() == [1]
