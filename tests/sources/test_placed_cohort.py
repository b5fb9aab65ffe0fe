import gzip
import json
import os
import random

import pysam
import pytest
from placed_files import check, place, refused

from genebert.sources import cohort

VCF, TBI, PHENOTYPES, BED = (
    f"hscr/{name}" for name in ("cohort.vcf.gz", "cohort.vcf.gz.tbi", "phenotypes.tsv", "regions.bed")
)

SAMPLES = ["C1", "C2", "K1", "K2"]
GOOD_HEADER = "##fileformat=VCFv4.2\n##contig=<ID=10,length=135534747>\n##contig=<ID=chrUn_1,length=5>\n"
SNP = (43582056, "C", "A,T", "0|1:.", "1:9", "./.:9", "0/2:0|2")
# On chr10: far, at the edge of the window, inside, rs2435357, just outside.
EDGE = (43572475 - 500_000, 43625799 + 500_000)
VARIANTS = [(100, "A", "G"), (EDGE[0] - 1, "A", "G"), (EDGE[0], "A", "G"), SNP, (EDGE[1], "A", "G"),
            (EDGE[1] + 1, "A", "G")]  # fmt: skip


def vcf_lines(variants=VARIANTS, contig="10", form="GT:PGT"):
    """Lines of a VCF; genotypes are 0|0 unless given, with a second field whose `/` must not be counted."""
    return [
        "\t".join([contig, str(pos), ".", ref, alt, ".", ".", ".", form, *(calls or ["0|0:0/1"] * len(SAMPLES))]) + "\n"
        for pos, ref, alt, *calls in variants
    ]


def write_cohort(folder, lines=None, header=GOOD_HEADER, samples=SAMPLES):
    people = [] if samples is None else ["FORMAT", *samples]
    text = (
        header
        + "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", *people])
        + "\n"
        + "".join(vcf_lines() if lines is None else lines)
    )
    plain, path = place(folder, "plain.vcf", text), folder / VCF
    path.parent.mkdir(exist_ok=True)
    pysam.tabix_compress(str(plain), str(path), force=True)
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return path


PEOPLE = "".join(
    "\t".join(row.split("|")) + "\n"
    for row in (
        "sample_id|status|sex|segment|cohort|age",
        "C1|1|M|S|HK|1",
        "C2|1|F|TCA|VN|",
        "K2|0|NA||HK|3",
        "K1|0|M|NA|HK|4",
    )
)


@pytest.mark.parametrize("contig", ["10", "chr10"])
def test_cohort(tmp_path, contig):
    write_cohort(tmp_path, vcf_lines([(5, "A", "G")], "9") + vcf_lines(contig=contig))
    record = check(tmp_path, VCF)
    assert record["build"] == "hg19" and record["evidence"] == {"contig_lengths": True, "rs2435357": ["hg19"]}
    assert record["counts"] == {
        "samples": 4,
        "records": {"chr9": 1, "chr10": 6},
        "records_around_ret": 3,
        "genotypes_looked_at": {"phased": 9, "unphased": 1, "missing": 1, "one_allele": 1},
    }
    assert record["compared_with_phenotypes"] is False
    assert (record["published"]["cases"], record["published"]["controls"]) == (443, 493)
    place(tmp_path, PHENOTYPES, PEOPLE)
    assert check(tmp_path, VCF)["compared_with_phenotypes"] is True
    index = check(tmp_path, TBI)
    assert index["counts"] == {"records": {"chr9": 1, "chr10": 6}} and index["compared_with_vcf"] is True
    json.dumps([record, index], allow_nan=False)


def test_cohort_whose_header_does_not_tell_the_build(tmp_path):
    write_cohort(tmp_path, vcf_lines(VARIANTS[:3]), "##fileformat=VCFv4.1\n")
    record = check(tmp_path, VCF)
    assert record["build"] == "not told" and record["evidence"] == {"contig_lengths": False, "rs2435357": []}
    assert record["counts"]["records"] == {"chr10": 3}
    write_cohort(tmp_path, header="##fileformat=VCFv4.1\n")
    record = check(tmp_path, VCF)
    assert record["build"] == "hg19" and record["evidence"] == {"contig_lengths": False, "rs2435357": ["hg19"]}


@pytest.mark.parametrize("other", [(), ("C", "A,G"), ("G", "T")])
def test_cohort_without_the_common_variant(tmp_path, other):
    ends_there = (SNP[0] - 1, "CC", "T")  # a deletion that begins one base before
    write_cohort(tmp_path, vcf_lines([*VARIANTS[:3], ends_there] + [(SNP[0], *other)] * bool(other)))
    record = check(tmp_path, VCF)
    assert record["build"] == "hg19" and record["evidence"] == {"contig_lengths": True, "rs2435357": []}


def test_only_the_first_genotypes_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(cohort, "GENOTYPED_RECORDS", 2)
    write_cohort(tmp_path)
    counts = check(tmp_path, VCF)["counts"]
    assert counts["records_around_ret"] == 3 and sum(counts["genotypes_looked_at"].values()) == 2 * len(SAMPLES)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"header": "##fileformat=BCF\n"}, "is it VCF/BCF format?); expected a whole VCF compressed with `bgzip`"),
        ({"lines": ["10\t43582056\t.\tC\tT\t.\t.\t.\n"], "samples": None}, "found no sample in its header, exp"),
        ({"samples": ["C1", "C1", "K1", "K2"]}, "is it VCF/BCF format?); expected a whole VCF"),
        ({"samples": [*SAMPLES, "K3"]}, "cannot be read (error in vcf_parse); expected a whole VCF"),
        ({"lines": vcf_lines([(43582056, "C", "T", *"1234")], form="DP")},
         "the record at 43582056 has the FORMAT DP, expected GT in it"),
        ({"lines": vcf_lines(contig="20")}, "tbi: holds chr20; expected chr10 too, with RET (chr10:43072475-"),
        ({"header": GOOD_HEADER.replace("ID=10", "ID=20")}, "its header says that chr20 is 135534747 bases long"),
        ({"header": "##fileformat=VCFv4.2\n##contig=<ID=chr10,assembly=b38,length=133797422>\n"},
         "chr10 is 133797422 bases long, in hg19 it is 135534747; its contigs are those of hg38, expected hg19"),
        ({"lines": vcf_lines(VARIANTS[:2])}, "no record within 500 kb of RET, expected some in chr10:43072475-"),
        ({"lines": vcf_lines([(43086608, "C", "T")])},
         "rs2435357 (C>T) lies at chr10:43086608, its place in hg38; expected hg19, where it is chr10:43582056"),
    ],
)  # fmt: skip
def test_bad_cohorts(tmp_path, settings, sentence):
    write_cohort(tmp_path, **settings)
    refused(tmp_path, VCF, None, sentence)


def test_cohort_that_is_not_whole(tmp_path, capfd):
    path = write_cohort(tmp_path)
    whole, index = path.read_bytes(), (tmp_path / TBI).read_bytes()
    plain = gzip.decompress(whole)
    refused(tmp_path, VCF, plain, "found VCF with the compression NONE, expected VCF compressed with `bgzip`")
    refused(tmp_path, VCF, gzip.compress(plain), "found gzip without blocks, expected a file compressed with `bgzip`")
    refused(tmp_path, PHENOTYPES, PEOPLE, "cohort.vcf.gz: found gzip without blocks")
    (tmp_path / PHENOTYPES).unlink()
    for kept in (28, 60):
        refused(tmp_path, VCF, whole[:-kept], "cannot be read (no BGZF EOF marker; file may be truncated); expected a")
    path.write_bytes(whole)
    (tmp_path / TBI).unlink()
    refused(tmp_path, VCF, None, "found no cohort.vcf.gz.tbi beside it, expected its index (`tabix -p vcf`)")
    for bad in (index[:-40], b"noise" * 99):
        for name in (TBI, VCF):
            place(tmp_path, TBI, bad)
            refused(tmp_path, name, None, "cohort.vcf.gz.tbi: cannot be read (", "); expected the index that `tabix -p")
    assert capfd.readouterr() == ("", "")  # htslib says nothing of its own


def test_index_of_another_file(tmp_path):
    digits = random.Random(0)
    many = [(place, "A", "G", *(f"0|1:{digits.random()}" for _ in SAMPLES)) for place in range(10, 9000, 3)]
    path = write_cohort(tmp_path, vcf_lines(many, "9") + vcf_lines())
    long, index_of_long = path.read_bytes(), (tmp_path / TBI).read_bytes()
    write_cohort(tmp_path)
    path.write_bytes(long)
    for name in (VCF, TBI):
        refused(tmp_path, name, None, "cohort.vcf.gz: cannot be read (", "and an index made from it")
    write_cohort(tmp_path)
    place(tmp_path, TBI, index_of_long)
    refused(tmp_path, VCF, None, "no record within 500 kb of RET", "and an index made from it")


def test_index_alone_and_older_than_its_file(tmp_path):
    path = write_cohort(tmp_path)
    before = pysam.set_verbosity(2)
    try:
        os.utime(tmp_path / TBI, (1, 1))
        assert check(tmp_path, TBI)["compared_with_vcf"] and check(tmp_path, VCF)["build"] == "hg19"
        path.unlink()
        record = check(tmp_path, TBI)
        assert pysam.get_verbosity() == 2
    finally:
        pysam.set_verbosity(before)
    assert record == record | {"counts": {"records": {"chr10": 6}}, "compared_with_vcf": False}
    assert sorted(tmp_path.rglob("*.tbi")) == [tmp_path / TBI]


def test_phenotypes(tmp_path):
    record = check(tmp_path, PHENOTYPES, PEOPLE)
    assert record["build"] is None and record["compared_with_vcf"] is False
    assert record["counts"] == {
        "samples": 4,
        "cases": 2,
        "controls": 2,
        "sex": {"F": 1, "M": 2, "not given": 1},
        "segment_of_cases": {"S": 1, "TCA": 1},
        "cohort": {"HK": 3, "VN": 1},
    }
    assert check(tmp_path, PHENOTYPES, b"\xef\xbb\xbf" + PEOPLE.encode())["counts"] == record["counts"]
    write_cohort(tmp_path)
    assert check(tmp_path, PHENOTYPES, PEOPLE)["compared_with_vcf"] is True


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "sample_id",
            "sample",
            "line 1: the column sample_id is missing; exp",
        ),
        ("\t", ",", "line 1: the column sample_id is missing; expected"),
        ("\tage", "", "line 2: the number of columns is '6', expected 5"),
        ("C2", "C1", "a sample_id occurs 2 times, expected each once"),
        ("C2", "", "line 3: sample_id is something else, expected a name"),
        ("C1\t1", "C1\t2", "line 2: status is something else, expected 1 (case) or 0 (control)"),
        ("C1\t1\tM", "C1\t1\tX", "line 2: sex is something else, expected M or F, or NA"),
        ("TCA", "T", "line 3: segment is something else, expected S, L, TCA, or NA"),
        ("M\tNA", "M\tL", "line 5: segment is something else, expected NA for a control"),
        ("\t1\t", "\t0\t", "line 2: segment is something else, expected NA for a control"),
        ("K1\t0", "K1\t0\t0\t0\t0", "line 5: the number of columns is '9', expected 6 separated by tabs"),
    ],
)
def test_bad_phenotypes(tmp_path, old, new, sentence):
    refused(tmp_path, PHENOTYPES, PEOPLE.replace(old, new), sentence)


def test_phenotypes_of_one_kind_or_none(tmp_path):
    header, *lines = PEOPLE.splitlines(keepends=True)
    refused(tmp_path, PHENOTYPES, header, "found a header but no person")
    refused(tmp_path, PHENOTYPES, "".join([header, *lines[:2]]), "found only cases, expected both")
    refused(tmp_path, PHENOTYPES, "".join([header, *lines[2:]]), "found only controls, expected both")


def test_the_people_of_both_files_must_agree(tmp_path):
    write_cohort(tmp_path)
    place(tmp_path, PHENOTYPES, PEOPLE.replace("K2", "K9").replace("C2", "C9"))
    missing = "2 of its 4 samples are missing in {}, 2 of the 4 there are missing here; expected the same people"
    refused(tmp_path, VCF, None, missing.format("phenotypes.tsv"))
    refused(tmp_path, PHENOTYPES, None, missing.format("cohort.vcf.gz"))
    place(tmp_path, PHENOTYPES, PEOPLE + "X\t1\tM\tS\tHK\t1\n")
    refused(tmp_path, VCF, None, "0 of its 4 samples are missing in phenotypes.tsv, 1 of the 5 there")


def test_regions(tmp_path):
    record = check(tmp_path, BED, "chr10\t43572474\t43625799\n10\t43000000\t43000010\nchr2 5 10\n")
    assert record["build"] == "hg19" and record["evidence"] == {"over_ret_of": ["hg19"]}
    assert record["counts"] == {"regions": 3, "bases": 53340, "chromosomes": {"chr2": 1, "chr10": 2}}
    wide = check(tmp_path, BED, f"chr10\t{EDGE[0]}\t{EDGE[1]}\n")
    assert wide["build"] == "not told" and wide["evidence"] == {"over_ret_of": ["hg19", "hg38"]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "chr10\t43077026\t43130351\n",
            "no region lies over RET (some lie over RET of hg38), expected one over chr10:4",
        ),
        (
            "chr10\t43000000\t43572474\n",
            "no region lies over RET (some lie over RET of hg38), expected one over chr10:43572475",
        ),
        ("chr10\t43625799\t43625800\n", "no region lies over RET, expected one over"),
        ("chr10\t43580000\t43580000\n", "line 1: region 43580000-43580000 is empty, expected an end"),
        ("chr10\t43580000\t135534748\n", "ends beyond chr10, which is 135534747 bases long in hg19"),
        ("chr30\t1\t2\n", "found the chromosome 'chr30', expected one of chr1 to chr22, chrX and chrY"),
        ("chr10\t1\n", "line 1: 2 columns, expected chrom, start and end"),
    ],
)
def test_bad_regions(tmp_path, text, sentence):
    refused(tmp_path, BED, text, sentence)


@pytest.mark.shared
def test_real_genotypes_of_chr20_are_no_cohort(shared_data, tmp_path):
    folder = shared_data / "variants"
    path = place(tmp_path, VCF, (folder / "1000g_chr20_1-4Mb_EUR300.vcf.gz").read_bytes())
    pysam.tabix_index(str(path), preset="vcf")
    refused(tmp_path, VCF, None, "tbi: holds chr20; expected chr10 too, with RET (chr10:43072475-")
    gzipped = (folder / "1000g_chr20_sparse_1126.vcf.gz").read_bytes()
    refused(tmp_path, VCF, gzipped, "found gzip without blocks, expected a file compressed with `bgzip`")
