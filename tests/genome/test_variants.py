"""Reading genotypes: what is taken, counted and dropped, beside `bcftools norm` on whole files."""

import logging

import numpy as np
import pytest
from genome_inputs import regions_of
from hypothesis import given
from hypothesis import strategies as st
from pysam import bcftools
from variant_inputs import HEADER, SAMPLES, SEQUENCE, line, make_genome, quiet, variants, write_vcf

from genebert.genome.genotypes import COUNTS, GenotypeTable
from genebert.genome.variants import read_genotypes
from genebert.settings.variants import VariantSettings

WHOLE = regions_of([("chr1", 0, len(SEQUENCE))])


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    return make_genome(tmp_path_factory.mktemp("genome"), SEQUENCE)


def read(folder, genome, lines, regions=WHOLE, samples=None, contigs=("1",), header=HEADER, **settings):
    path = write_vcf(folder / "x.vcf.gz", lines, contigs=contigs, header=header)
    return read_genotypes(path, regions, genome, samples, VariantSettings(**settings))


def other(base, number=1):
    return "ACGT"[("ACGT".index(base) + number) % 4]


def snv(start, *calls, **more):
    return line(start, SEQUENCE[start], other(SEQUENCE[start]), *calls, **more)


def counted(genotypes):
    return {name: number for name, number in genotypes.counts.items() if number}


GENOTYPES = st.sampled_from(["0|0", "0|1", "1|0", "1|1", "0|2", "2|1", "2|2", ".|1", ".|.", "0", "1", "2", "."])


@given(st.lists(st.tuples(variants(), variants(), st.tuples(GENOTYPES, GENOTYPES, GENOTYPES)), min_size=1, max_size=15))
def test_as_bcftools_norm_of_the_file(genome, tmp_path_factory, drawn):
    """Alternatives of one record, apart and normalised; who carries them; one record of each."""
    folder = tmp_path_factory.mktemp("norm")
    records = {}
    for (start, ref, alt), (_, _, second), calls in drawn:
        alts = [alt] if second in (ref, alt) else [alt, second]
        calls = [call.replace("2", str(len(alts))) for call in calls]
        records.setdefault((start, ref), line(start, ref, ",".join(alts), *calls, contig="chr1"))
    lines = [records[key] for key in sorted(records)]
    path = write_vcf(folder / "x.vcf.gz", lines, contigs=["chr1"])
    text = quiet(bcftools.norm, "-m", "-any", "-f", str(genome.path), str(path))
    theirs = {}
    for row in text.splitlines():
        if not row.startswith("#"):
            _, pos, _, ref, alt, *_, a, b, c = row.split("\t")
            theirs.setdefault((int(pos) - 1, ref, alt), []).append((a, b, c))
    found = read_genotypes(path, WHOLE, genome, settings=VariantSettings(max_missing=1))
    places = list(found.sites[["start", "ref", "alt"]].itertuples(index=False, name=None))
    assert len(set(places)) == len(places) and set(places) <= set(theirs)
    # Alleles that several records hold with different genotypes are left out.
    left_out = set(theirs) - set(places)
    assert len(left_out) == found.counts["duplicates_conflicting"]
    assert all(len(theirs[place]) > 1 for place in left_out)
    for i, place in enumerate(places):
        for person in range(3):
            texts = [rows[person] for rows in theirs[place]]
            assert {"|" not in text and text != "." for text in texts} == {found.haploid[i, person]}
            for which, call in enumerate(found.calls[i, person].tolist()):
                known = {allele for text in texts if (allele := [*text.split("|"), "."][which]) != "."}
                assert known == ({str(call)} if call >= 0 else set()), (place, texts)


def test_what_is_read(genome, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    lines = [
        snv(3, "0|1", "1|0", "0/0", name="rs3"),
        line(8, "G", "T,GT", "1|2", "0|0", "1/1"),
        line(16, "C", "CC", "0", "1", "0|1"),
        line(20, "GAC", "G", "0|0:9", "0|1:9", "1|1:.", form="GT:DP"),
    ]
    found = read(tmp_path, genome, lines)
    assert found.samples == SAMPLES
    assert list(found.sites.itertuples(index=False, name=None)) == [
        ("chr1", 3, 4, "A", "C", "rs3"), ("chr1", 8, 9, "G", "T", "."), ("chr1", 8, 9, "G", "GT", "."),
        ("chr1", 15, 16, "A", "AC", "."), ("chr1", 20, 23, "GAC", "G", "."),
    ]  # fmt: skip
    assert found.sites.dtypes[["start", "end"]].tolist() == [np.int64] * 2
    assert found.calls.dtype == np.int8 and found.calls.shape == (5, 3, 2)
    assert found.calls[0].tolist() == [[0, 1], [1, 0], [0, 0]]
    assert found.calls[1].tolist() == [[1, 0], [0, 0], [1, 1]]
    assert found.phased.all()
    assert counted(found)["records"] == 4 and counted(found)["haploid"] == found.haploid.sum()
    assert list(found.counts) == list(COUNTS)
    assert f"{tmp_path / 'x.vcf.gz'}: records 4" in caplog.text
    assert not any(name in caplog.text for name in SAMPLES)


def test_insertions_at_one_place_are_one(genome, tmp_path):
    """G>GT at 8 and T>TT at 9 are the same; who is missing in one is taken from the other."""
    lines = [line(8, "G", "GT", "1|0", ".|.", "0|0"), line(9, "T", "TT", "1|0", "0|1", "0|0")]
    found = read(tmp_path, genome, lines, max_missing=1)
    assert found.calls.tolist() == [[[1, 0], [0, 1], [0, 0]]]
    assert counted(found) == {"records": 2, "alleles": 2, "moved": 1, "duplicates_merged": 1}
    found = read(
        tmp_path, genome, [*lines, line(12, "T", "TT", "0|0", "1|0", "0|0"), snv(20, *["0|0"] * 3)], max_missing=1
    )
    assert found.sites["start"].tolist() == [20] and found.counts["duplicates_conflicting"] == 1


def test_genotypes_of_one_allele(genome, tmp_path):
    found = read(tmp_path, genome, [snv(3, "1", "0|1", "."), snv(5, "0", "1/1", "1")], max_missing=1)
    assert found.calls.tolist() == [[[1, -1], [0, 1], [-1, -1]], [[0, -1], [1, 1], [1, -1]]]
    assert found.haploid.tolist() == [[True, False, False], [True, False, True]]
    assert found.missing.tolist() == [[[False] * 2, [False] * 2, [True] * 2], [[False] * 2] * 3]
    assert counted(found) == {"records": 2, "alleles": 2, "haploid": 3, "missing_alleles": 2}


def test_unphased(genome, tmp_path):
    lines = [snv(3, "0/1", "1/1", "0|1"), snv(5, "./1", "./0", "./."), snv(7, "0/0", "1", "/0|1")]
    header = HEADER.replace("4.2", "4.4")  # which lets the first allele have a phase too
    found = read(tmp_path, genome, lines, header=header, unphased="first", max_missing=1)
    assert found.calls[:, 0].tolist() == [[0, 1], [-1, 1], [0, 0]]
    assert found.phased.tolist() == [[False, True, True], [False, True, True], [True, True, True]]
    assert counted(found)["unphased_heterozygous"] == 2


def test_sites_with_many_missing_alleles(genome, tmp_path):
    lines = [snv(3, ".|.", "1|1", "0|1"), snv(5, ".|1", "1|1", "0|1"), snv(7, "1", ".|1", ".|0")]
    found = read(tmp_path, genome, lines, max_missing=0.2)
    assert found.sites["start"].tolist() == [5] and found.counts["too_missing"] == 2
    assert read(tmp_path, genome, lines, max_missing=0.4).sites["start"].tolist() == [3, 5, 7]


@pytest.mark.parametrize("text", ["", "x", "0|x", "0|", "0|-1", "0.5", "0||1", "12345"])
def test_genotypes_that_are_none_are_not_quoted(text):
    """htslib refuses them in a VCF; a damaged BCF may hold anything."""
    with pytest.raises(ValueError, match=r"^a genotype that is not made of numbers of alleles$"):
        GenotypeTable()[text]
    assert GenotypeTable()["0|12/."] == 0


@pytest.mark.parametrize("contig", ["1", "chr1", "Chr1", "NC_000001.11"])
def test_names_of_contigs_and_order_of_samples(genome, tmp_path, contig):
    lines = [snv(3, "0|1", "1|1", "0|0", contig=contig)]
    found = read(tmp_path, genome, lines, samples=[SAMPLES[2], SAMPLES[0]], contigs=["2", contig])
    assert found.samples == [SAMPLES[2], SAMPLES[0]] and found.calls.tolist() == [[[0, 0], [0, 1]]]
    assert found.sites["chrom"].tolist() == ["chr1"]
    path = tmp_path / "x.vcf.gz"
    alone = read_genotypes(path, WHOLE, genome, [])
    assert alone.calls.shape == (1, 0, 2) and alone.sites.equals(found.sites)
    bcf = tmp_path / "x.bcf"
    quiet(bcftools.view, "-Ob", "-o", str(bcf), str(path), catch_stdout=False)
    quiet(bcftools.index, str(bcf), catch_stdout=False)
    assert (read_genotypes(bcf, WHOLE, genome).calls == read_genotypes(path, WHOLE, genome).calls).all()
    (tmp_path / "x.vcf.gz.tbi").unlink()
    quiet(bcftools.index, "-c", str(path), catch_stdout=False)
    assert read_genotypes(path, WHOLE, genome).sites.equals(found.sites)


def test_sites_of_a_file_without_people(genome, tmp_path):
    path = write_vcf(tmp_path / "x.vcf.gz", [snv(3), line(8, "G", "GT,<DEL>")], samples=[])
    found = read_genotypes(path, WHOLE, genome, [])
    assert found.sites["start"].tolist() == [3, 8] and found.calls.shape == (2, 0, 2)
    assert counted(found) == {"records": 2, "alleles": 2, "symbolic": 1}


@pytest.mark.parametrize(
    ("bounds", "starts"),
    [
        ([(3, 4)], [3]),
        ([(4, 9)], [8]),
        ([(9, 14)], []),  # an insertion in these T belongs before them
        ([(0, 9)], [3, 8]),
        ([(21, 22)], [20]),  # a deletion of 21 and 22
        ([(22, 23)], [20]),
        ([(0, 4), (2, 4), (20, 23)], [3, 20]),
        ([(4, 8), (8, 9)], [8]),
    ],
)
def test_only_what_lies_in_regions(genome, tmp_path, bounds, starts):
    at = SEQUENCE.index("GTTGCA")
    calls = ["0|1"] * 3
    lines = [
        snv(3, *calls),
        line(13, "T", "TT", *calls),
        line(20, SEQUENCE[20:23], SEQUENCE[20], *calls),
        snv(at, *calls),
    ]
    regions = regions_of([("chr1", *pair) for pair in [*bounds, (at, at + 1)]])
    found = read(tmp_path, genome, lines, regions)
    assert [start for start in found.sites["start"] if start != at] == sorted(starts)


def test_an_insertion_that_moves_into_a_region(genome, tmp_path):
    """Written 5 bases to the right of its place, beyond the region's end."""
    at = SEQUENCE.index("GTTGCA")
    lines = [line(13, "T", "TT", *["0|1"] * 3), snv(at, *["0|0"] * 3)]
    found = read(tmp_path, genome, lines, regions_of([("chr1", 7, 10), ("chr1", at, at + 1)]))
    assert found.sites["start"].tolist() == [8, at]
    assert counted(found) == {"records": 1, "alleles": 2, "moved": 1}
    found = read(tmp_path, genome, lines, regions_of([("chr1", 11, 14), ("chr1", at, at + 1)]))
    assert found.sites["start"].tolist() == [at]
    assert counted(found) == {"records": 2, "alleles": 1, "moved_out": 1}


def test_regions_close_to_each_other_read_each_record_once(tmp_path):
    sequence = "ACGT" * 2000
    genome = make_genome(tmp_path / "g", sequence)
    deletion = line(40, sequence[40:3900], "A", *["0|1"] * 3)
    lines = [deletion, line(3000, "A", "G", *["0|1"] * 3), line(7000, "A", "G", *["0|1"] * 3)]
    regions = regions_of([("chr1", 7000, 7001), ("chr1", 45, 50), ("chr1", 2999, 3001), ("chr1", 3001, 3005)])
    found = read(tmp_path, genome, lines, regions)
    assert found.counts["records"] == 3 and found.sites["start"].tolist() == [40, 3000, 7000]
    assert found.regions.to_numpy().tolist() == [["chr1", 45, 50], ["chr1", 2999, 3005], ["chr1", 7000, 7001]]


def test_filters(genome, tmp_path):
    header = HEADER + '##FILTER=<ID=q10,Description="x">\n'
    lines = [snv(3, *["0|1"] * 3, passed="q10"), snv(5, *["0|1"] * 3, passed="PASS")]
    assert read(tmp_path, genome, lines, header=header).sites["start"].tolist() == [5]
    found = read(tmp_path, genome, lines, header=header, filters="all")
    assert found.sites["start"].tolist() == [3, 5] and found.counts["filtered"] == 0


def test_alleles_without_bases(genome, tmp_path):
    ref = SEQUENCE[5]
    lines = [
        line(3, SEQUENCE[3], f"{other(SEQUENCE[3])},*", "1|2", "0|0", "2|2"),
        line(5, ref, f"<DEL>,{other(ref)}", "1|2", "0|1", "0|0"),
        line(6, SEQUENCE[6], ".", "0|0", "0|0", "0|0"),
        line(7, SEQUENCE[7], SEQUENCE[7], "0|1", "0|0", "0|0"),
    ]
    found = read(tmp_path, genome, lines, symbolic="drop")
    assert found.calls.tolist() == [[[1, 0], [0, 0], [0, 0]], [[0, 1], [0, 0], [0, 0]]]
    assert counted(found) == {"records": 4, "alleles": 2, "same_as_ref": 1, "spanning": 1, "symbolic": 1,
                              "symbolic_carried": 2, "no_alternative": 1}  # fmt: skip


def test_a_few_records_with_another_ref_are_dropped(genome, tmp_path):
    base = SEQUENCE[5]
    lines = [snv(3, *["0|1"] * 3), line(5, other(base), base, *["0|1"] * 3)]
    found = read(tmp_path, genome, lines)
    assert found.sites["start"].tolist() == [3]
    assert counted(found) == {"records": 2, "alleles": 1, "other_ref": 1, "swapped_ref": 1}


def test_phase_sets_are_told(genome, tmp_path, caplog):
    header = HEADER + '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="x">\n'
    found = read(tmp_path, genome, [snv(3, "0|1:7", "1|0:7", "0|0:.", form="GT:PS")], header=header)
    assert found.counts["phase_sets"] == 1 and "1 records name phase sets (PS), which are not read" in caplog.text
