"""Haplotypes of windows: beside `bcftools consensus`, person by person, and properties that hold whatever is drawn."""

from itertools import pairwise

import numpy as np
import pytest
from genome_inputs import regions_of
from hypothesis import given
from hypothesis import strategies as st
from pysam import bcftools
from variant_inputs import SAMPLES, SEQUENCE, line, make_genome, quiet, variants, write_vcf

from genebert.errors import InputError
from genebert.genome.bases import decode, encode
from genebert.genome.haplotypes import haplotypes, put_in
from genebert.genome.variants import read_genotypes
from genebert.settings.variants import VariantSettings

END = len(SEQUENCE)
WHOLE = regions_of([("chr1", 0, END)])
ANY = VariantSettings(max_missing=1)
CALLS = st.sampled_from(["0|0", "0|1", "1|0", "1|1", ".|1", "1|.", ".|."])


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    return make_genome(tmp_path_factory.mktemp("genome"), SEQUENCE)


def texts(found):
    """The two sequences of each person."""
    return [[decode(found.sequences[i]) for i in pair] for pair in found.index.tolist()]


def read(folder, genome, lines, regions=WHOLE, **more):
    return read_genotypes(write_vcf(folder / "x.vcf.gz", lines, **more), regions, genome)


def consensus(path, genome, person, haplotype):
    """What `bcftools consensus` makes of the whole chromosome."""
    options = ["-H", str(haplotype), "-s", person, "-f", str(genome.path), str(path)]
    return "".join(quiet(bcftools.consensus, *options).split("\n")[1:])


def sorted_lines(drawn, contig="1"):
    """Records of different places and alleles, in order."""
    records = {variant: calls for variant, calls in drawn if variant[0] + len(variant[1]) < END}
    return [line(*variant, *records[variant], contig=contig) for variant in sorted(records, key=lambda one: one[0])]


DRAWN = st.lists(st.tuples(variants(), st.tuples(CALLS, CALLS, CALLS)), min_size=1, max_size=25)


@given(DRAWN)
def test_as_bcftools_consensus(genome, tmp_path_factory, drawn):
    """Of the normalised records, many of which overlap; the first of those that do is put in."""
    folder = tmp_path_factory.mktemp("consensus")
    lines = sorted_lines(drawn, "chr1")
    if not lines:
        return
    raw = write_vcf(folder / "raw.vcf.gz", lines, contigs=["chr1"])
    text = quiet(bcftools.norm, "-m", "-any", "-f", str(genome.path), str(raw))
    rows = {}
    for row in text.splitlines(keepends=True):
        if not row.startswith("#"):
            rows.setdefault(tuple(row.split("\t")[i] for i in (1, 3, 4)), row)
    path = write_vcf(folder / "x.vcf.gz", list(rows.values()), contigs=["chr1"])
    found = read_genotypes(path, WHOLE, genome, settings=ANY)
    ours = texts(haplotypes(found, ("chr1", 0, END), genome))
    for person, name in enumerate(SAMPLES):
        for haplotype in (1, 2):
            assert ours[person][haplotype - 1] == consensus(path, genome, name, haplotype)


@given(DRAWN, st.lists(st.integers(1, END - 1), max_size=4, unique=True))
def test_adjacent_windows_make_up_the_window_of_both(genome, tmp_path_factory, drawn, cuts):
    lines = sorted_lines(drawn)
    if not lines:
        return
    path = write_vcf(tmp_path_factory.mktemp("cut") / "x.vcf.gz", lines)
    found = read_genotypes(path, WHOLE, genome, settings=ANY)
    whole = texts(haplotypes(found, ("chr1", 0, END), genome))
    edges = [0, *sorted(cuts), END]
    try:
        parts = [texts(haplotypes(found, ("chr1", *pair), genome)) for pair in pairwise(edges)]
    except InputError as error:
        assert "expected windows longer than any deletion" in str(error)
        return
    for person in range(3):
        for which in (0, 1):
            assert "".join(part[person][which] for part in parts) == whole[person][which]


def read_back(reference, sites, sequence):
    """Return which alternatives a sequence has, of variants that lie apart, from left to right."""
    carried, at, out = [], 0, 0
    for start, end, ref, alt in sites:
        out += start - at
        has = sequence[out : out + len(alt) + 1] == alt + reference[end]
        carried.append(has)
        out += len(alt if has else ref)
        at = end
    return carried


@given(st.data())
def test_applying_and_reading_back(genome, tmp_path_factory, data):
    """Of variants that lie apart: each haplotype has just the alternatives of its calls."""
    sequence = "ACGT" * 60
    folder = tmp_path_factory.mktemp("back")
    own = make_genome(folder, sequence)
    starts = data.draw(st.lists(st.integers(1, 27), min_size=1, max_size=12, unique=True).map(sorted))
    alleles = st.sampled_from([("A", "G"), ("A", "AAAA"), ("ACGT", "A"), ("AC", "TG"), ("ACG", "TTTTT")])
    sites = []
    for start in (8 * one for one in starts):  # an A
        ref, alt = data.draw(alleles)
        sites.append((start, start + len(ref), ref, alt))
    calls = [data.draw(st.tuples(CALLS, CALLS, CALLS)) for _ in sites]
    lines = [line(start, ref, alt, *one) for (start, _, ref, alt), one in zip(sites, calls, strict=True)]
    path = write_vcf(folder / "x.vcf.gz", lines)
    found = read_genotypes(path, regions_of([("chr1", 0, 240)]), own, settings=ANY)
    made = haplotypes(found, ("chr1", 0, 240), own)
    for person, pair in enumerate(texts(made)):
        for which, text in enumerate(pair):
            assert read_back(sequence, sites, text) == [one[person][2 * which] == "1" for one in calls]
    assert made.counts["skipped"] == 0
    assert len({one.tobytes() for one in made.sequences}) == len(made.sequences)


def test_one_variant_at_a_time():
    reference = encode("ACGTACGT")
    for variants_, expected in (
        ([(102, "G", "T")], "ACTTACGT"),
        ([(101, "CGT", "C")], "ACACGT"),
        ([(101, "C", "CTT"), (103, "T", "A")], "ACTTGAACGT"),
        ([(101, "CG", "C"), (102, "G", "A")], "ACTACGT"),  # the second overlaps
        ([(98, "GGAC", "G"), (107, "TA", "T")], "GTACGT"),
        ([(97, "ACG", "TTTTT"), (108, "A", "G")], "ACGTACGT"),  # both end at a border
        ([], "ACGTACGT"),
    ):
        assert decode(put_in(reference, 100, variants_)) == expected


def test_no_alternatives_give_the_reference(genome, tmp_path):
    found = read(tmp_path, genome, [line(3, "A", "G", *["0|0"] * 3), line(150, "A", "G", "1|0", "0|0", "0|1")])
    for window, variants_, carried in (((0, 140), 1, 0), ((20, 140), 0, 0)):
        made = haplotypes(found, ("chr1", *window), genome)
        assert [decode(one) for one in made.sequences] == [SEQUENCE[slice(*window)]]
        assert made.index.dtype == np.int32 and made.index.tolist() == [[0, 0]] * 3
        assert (
            made.counts == {"variants": variants_, "carried": carried, "skipped": 0}
            and made.haploid.tolist() == [False] * 3
        )
        assert made.sequences[0].dtype == np.uint8 and made.haploid.dtype == bool
    alone = read_genotypes(tmp_path / "x.vcf.gz", WHOLE, genome, [])
    made = haplotypes(alone, ("chr1", 0, 20), genome)
    assert made.index.shape == (0, 2) and made.sequences == [] and made.haploid.shape == (0,)


def test_distinct_sequences_and_who_has_them(genome, tmp_path):
    """The first that `index` names comes first; the same sequence of different alleles is one."""
    lines = [line(3, "A", "G", "1|0", "0|1", "1|1"), line(5, "AC", "A", "0|0", "1|0", "0|0"),
             line(6, "C", "T", "0|0", "1|0", "0|1")]  # fmt: skip
    made = haplotypes(read(tmp_path, genome, lines), ("chr1", 2, 10), genome)
    reference = SEQUENCE[2:10]
    assert [decode(one) for one in made.sequences] == ["CGCACAGT", reference, "CACAAGT", "CGCATAGT"]
    assert made.index.tolist() == [[0, 1], [2, 0], [0, 3]]
    assert made.counts == {"variants": 3, "carried": 3, "skipped": 1}


def test_skipped_alleles_are_counted_by_haplotype(genome, tmp_path):
    lines = [line(5, "AC", "A", "1|1", "0|1", "0|0"), line(6, "C", "T", "1|1", "1|1", "0|0")]
    made = haplotypes(read(tmp_path, genome, lines), ("chr1", 2, 10), genome)
    assert made.counts["skipped"] == 3 and len(made.sequences) == 3


def test_one_allele_stands_on_both(genome, tmp_path):
    lines = [line(3, "A", "G", "1", "0|1", "0"), line(5, "A", "G", "0", "1|0", "1|0")]
    made = haplotypes(read(tmp_path, genome, lines), ("chr1", 2, 6), genome)
    assert texts(made) == [["CGCA"] * 2, ["CACG", "CGCA"], ["CACG", "CACA"]]
    assert made.haploid.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("variant", "window", "expected"),
    [
        ((8, "G", "GTT"), (0, 9), "CACACACAGTT"),  # an insertion belongs to the base before it
        ((8, "G", "GTT"), (9, 17), "TTTTTTAC"),
        ((8, "GTTT", "G"), (9, 17), "TTTAC"),  # a deletion takes what is left of the window
        ((8, "GTTT", "G"), (10, 17), "TTTAC"),
        ((8, "GTTT", "G"), (4, 11), "CACAG"),
        ((15, "ACG", "TTTTT"), (16, 19), "TTTTA"),  # base by base, the last has the rest
        ((15, "ACG", "TTTTT"), (10, 17), "TTTTTTT"),
        ((15, "ACG", "TTTTT"), (17, 19), "TTTA"),
        ((15, "ACG", "TT"), (16, 20), "TAC"),
        ((15, "ACG", "TT"), (17, 20), "AC"),
    ],
)
def test_borders(genome, tmp_path, variant, window, expected):
    made = haplotypes(read(tmp_path, genome, [line(*variant, *["1|1"] * 3)]), ("chr1", *window), genome)
    assert decode(made.sequences[0]) == expected and len(made.sequences) == 1


def test_what_is_skipped_depends_on_what_begins_before_the_window(genome, tmp_path):
    """A deletion that ends before the window takes the place of a variant that reaches into it."""
    lines = [line(7, "AG", "A", "1|0", "0|0", "0|0"), line(8, "GTT", "CCC", *["1|1"] * 3)]
    found = read(tmp_path, genome, [*lines, line(20, "G", "A", *["1|0"] * 3)])
    made = haplotypes(found, ("chr1", 9, 21), genome)
    assert texts(made) == [["TTTTTTACGACA", "CCTTTTACGACG"], *[["CCTTTTACGACA", "CCTTTTACGACG"]] * 2]
    assert made.counts == {"variants": 2, "carried": 2, "skipped": 1}


def test_windows_that_are_refused(genome, tmp_path):
    lines = [line(8, "GTTTT", "G", "1|0", "0|0", "1|1"), line(13, "TTAC", "T", "0|0", "0|0", "1|1")]
    found = read(tmp_path, genome, lines, regions_of([("chr1", 0, 20), ("chr1", 20, 30), ("chr1", 40, 50)]))
    sentence = (
        "3 haplotypes have a deletion of 4 bases, expected windows longer than any deletion, this one has 4 bases"
    )
    with pytest.raises(InputError, match=f"^window chr1:9-13: {sentence}$"):
        haplotypes(found, ("chr1", 9, 13), genome)
    assert texts(haplotypes(found, ("chr1", 8, 13), genome))[0] == ["G", SEQUENCE[8:13]]
    for window in (("chr1", 25, 41), ("chr2", 1, 5), ("chr1", 5, 5), ("chr1", -1, 5), ("chr1", 45, 51)):
        with pytest.raises(InputError, match=r"^window chr\d:-?\d+-\d+: lies in none of the 2 regions whose genotypes"):
            haplotypes(found, window, genome)
    assert len(haplotypes(found, ("chr1", 15, 25), genome).sequences) == 2


def test_the_longest_deletion_counts_where_it_takes_bases_of_the_window(tmp_path):
    genome = make_genome(tmp_path / "g", "GATTCCAGCTAG")
    lines = [line(1, "ATTCC", "A", *["1|1"] * 3), line(6, "AG", "A", *["1|1"] * 3)]
    found = read(tmp_path, genome, lines, regions_of([("chr1", 0, 12)]))
    with pytest.raises(InputError, match="window chr1:4-8: 6 haplotypes have a deletion of 4 bases, expected"):
        haplotypes(found, ("chr1", 4, 8), genome)
    assert texts(haplotypes(found, ("chr1", 0, 2), genome)) == [["GA", "GA"]] * 3
    assert texts(haplotypes(found, ("chr1", 4, 9), genome)) == [["AC", "AC"]] * 3


def test_windows_of_which_deletions_leave_nothing(tmp_path):
    genome = make_genome(tmp_path / "g", "GGGACCTTTTTAAACCC")
    lines = [line(2, "GACC", "G", "1|0", "0|0", "0|0"), line(5, "CTTT", "C", "1|0", "0|0", "0|0")]
    found = read(tmp_path, genome, lines, regions_of([("chr1", 0, 17)]))
    with pytest.raises(InputError, match="window chr1:3-9: 1 haplotypes have deletions that leave no base of it"):
        haplotypes(found, ("chr1", 3, 9), genome)


def test_sequences_hold_codes(genome, tmp_path):
    made = haplotypes(read(tmp_path, genome, [line(3, "A", "N", *["1|1"] * 3)]), ("chr1", 0, 6), genome)
    assert made.sequences[0].tolist() == encode("CACNCA").tolist()
