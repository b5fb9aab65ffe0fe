"""BED, names of regions and narrowPeak: regions, centres, signals, and lines that are wrong."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genebert.errors import InputError
from genebert.genome.bed import read_bed, read_chip_peaks, read_peaks

NARROW = "chr17\t66015744\t66016297\t.\t1000\t.\t700.157\t-1\t3.18\t311\n20\t100\t221\t.\t9\t.\t5\t-1\t-1\t-1\n"


def write(path, text):
    path.write_text(text)
    return path


def test_narrow_peak(tmp_path):
    head = "# made by hand\ntrack type=narrowPeak name=x\nbrowser position chr1:1-2\n\n"
    peaks = read_chip_peaks(write(tmp_path / "p", head + NARROW))
    assert list(peaks.columns) == ["chrom", "start", "end", "signal", "centre", "has_summit"]
    assert peaks.values.tolist() == [
        ["chr17", 66015744, 66016297, 700.157, 66015744 + 311, True],
        ["chr20", 100, 221, 5.0, 160, False],  # 60 bases on either side
    ]
    (tmp_path / "p.gz").write_bytes(gzip.compress((head + NARROW).encode()))
    assert read_chip_peaks(tmp_path / "p.gz").equals(peaks)
    assert read_chip_peaks(write(tmp_path / "crlf", NARROW.replace("\n", "\r\n"))).equals(peaks)


@pytest.mark.parametrize("tabs", ["", "\t", "\t\t"])
@pytest.mark.parametrize("extra", [
    "", "\tname", "\tname\t5\t+", "\tname\t5\t+\t12\t14\t0", "\tname\t5\t+\t0\t0\t255,0,0",
    "\tname\t5\t+\t12\t14\t0\t1\t10,\t0,", "\tname\t5\t+\t0\t0\t0\t1\t10\t0", "\ta\tb\tc\td\te\tf\tg\th",
])  # fmt: skip
def test_bed_has_neither_signal_nor_summit(tmp_path, extra, tabs):
    text = f"chrX\t10\t20{extra}{tabs}\nX\t11\t16{extra}{tabs}\n"
    peaks = read_chip_peaks(write(tmp_path / "p.bed", text))
    assert peaks["chrom"].tolist() == ["chrX", "chrX"]
    assert peaks["centre"].tolist() == [15, 13]
    assert peaks.attrs["columns"].startswith("read as BED (")
    assert not peaks["has_summit"].any()
    assert peaks["signal"].isna().all()


@pytest.mark.parametrize("more", ["", "\t", "\t\t\t", "\t7\t8", "\tgene\t-12.5", "\t1" * 5, "\t1.5\t2\t." * 5])
def test_narrow_peak_with_further_columns_keeps_summit_and_signal(tmp_path, more, caplog):
    caplog.set_level("INFO")
    plain = read_chip_peaks(write(tmp_path / "ten", NARROW))
    peaks = read_chip_peaks(write(tmp_path / "more", NARROW.replace("\n", f"{more}\n")))
    assert peaks.equals(plain)
    columns = 10 + len(more.rstrip("\t").split("\t")) - 1
    assert (
        peaks.attrs["columns"] == f"read as narrowPeak ({columns} columns): signal from column 7, summit from column 10"
    )
    assert f"more: {peaks.attrs['columns']}" in caplog.text
    with pytest.raises(InputError, match=r"line 3: summit \(column 10\) is 'x', expected a whole number"):
        read_chip_peaks(write(tmp_path / "x", (NARROW + "1\t5\t9\t.\t0\t.\t1\t-1\t-1\tx\n").replace("\n", f"{more}\n")))


@pytest.mark.parametrize(
    ("tail", "form"),
    [("\t3.5\t-1\t-1", "broadPeak"), ("\t10\t20\t0\t1\t10\t0\t3.5\t-1\t-1", "gappedPeak")],
)
def test_peaks_without_summit_keep_their_signal(tmp_path, tail, form):
    text = "".join(f"chr1\t10\t20\tp\t0\t.{part}\n" for part in (tail, tail.replace("3.5", "7")))
    peaks = read_chip_peaks(write(tmp_path / "p", text))
    assert peaks["signal"].tolist() == [3.5, 7]
    assert peaks["centre"].tolist() == [15, 15]
    assert not peaks["has_summit"].any()
    assert peaks.attrs["columns"].startswith(f"read as {form} ")


@given(st.lists(st.tuples(st.integers(0, 10**8), st.integers(1, 3000), st.integers(-1, 3000)), min_size=1, max_size=30))
def test_what_is_written_is_read(tmp_path_factory, rows):
    rows = [(start, width, min(summit, width)) for start, width, summit in rows]
    text = "".join(
        f"chr1\t{start}\t{start + width}\t.\t0\t.\t{i}.5\t-1\t-1\t{summit}\n"
        for i, (start, width, summit) in enumerate(rows)
    )
    peaks = read_chip_peaks(write(tmp_path_factory.getbasetemp() / "any.narrowPeak", text))
    for i, ((start, width, summit), row) in enumerate(zip(rows, peaks.itertuples(), strict=True)):
        assert (row.start, row.end, row.signal, row.has_summit) == (start, start + width, i + 0.5, summit >= 0)
        assert row.centre == start + (summit if summit >= 0 else width // 2)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("chr1 5 9", "line 3: 1 columns separated by tabs, expected 10 as in line 1"),
        ("chr1\t5\t9", "line 3: 3 columns separated by tabs, expected 10 as in line 1"),
        ("chr1\t5\tx\t.\t0\t.\t1\t-1\t-1\t2", "line 3: end is 'x', expected a whole number"),
        ("chr1\t5.5\t9\t.\t0\t.\t1\t-1\t-1\t2", "line 3: start is '5.5', expected a whole number"),
        ("chr1\t\t9\t.\t0\t.\t1\t-1\t-1\t2", "line 3: start is '', expected a whole number"),
        ("chr1\t5\t9\t.\t0\t.\t.\t-1\t-1\t2", r"line 3: signalValue \(column 7\) is '.', expected a number"),
        ("chr1\t5\t9\t.\t0\t.\tinf\t-1\t-1\t2", r"line 3: signalValue \(column 7\) is 'inf', expected a number"),
        ("chr1\t5\t9\t.\t0\t.\t1\t-1\t-1\tNA", r"line 3: summit \(column 10\) is 'NA', expected a whole number"),
        ("chr1\t9\t9\t.\t0\t.\t1\t-1\t-1\t0", "line 3: region 9-9 is empty, expected an end after its start"),
        ("chr1\t-4\t9\t.\t0\t.\t1\t-1\t-1\t0", "line 3: start is -4, expected 0 or more"),
        ("chr1\t5\t9\t.\t0\t.\t1\t-1\t-1\t5", r"line 3: summit \(column 10\) is '5 in a peak of 4 bases', expected 0"),
        ("chr1\t5\t9\t.\t0\t.\t1\t-1\t-1\t-2", r"line 3: summit \(column 10\) is '-2 in a peak of 4 bases'"),
    ],
)  # fmt: skip
def test_wrong_lines(tmp_path, line, words):
    with pytest.raises(InputError, match=words) as error:
        read_chip_peaks(write(tmp_path / "p", NARROW + line + "\n"))
    assert "\n" not in str(error.value)


def test_wrong_files(tmp_path):
    with pytest.raises(InputError, match=r"line 1: 2 columns separated by tabs, expected ten \(narrowPeak\) or"):
        read_chip_peaks(write(tmp_path / "p", "chr1\t5\n"))
    with pytest.raises(InputError, match="line 2: 2 columns separated by tabs, expected 3 as in line 1"):
        read_chip_peaks(write(tmp_path / "p", "chr1\t5\t9\nchr1\t5\n"))
    with pytest.raises(InputError, match="holds no peak; expected lines of narrowPeak"):
        read_chip_peaks(write(tmp_path / "p", "# nothing\n\n"))
    with pytest.raises(InputError, match="cannot be read"):
        read_chip_peaks(tmp_path / "missing")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(NARROW.encode() * 50)[:-20])
    with pytest.raises(InputError, match=r"cut\.gz: gzip data cut short"):
        read_chip_peaks(tmp_path / "cut.gz")


REGIONS = [["chr2", 5, 9], ["chrX", 100000, 200000], ["chr2", 1, 2]]
BED = "2 5 9 name 1\nX\t1e+05\t200000\tname #1\nchr2  1   2\n"


@pytest.mark.parametrize("read", [read_bed, read_peaks])
@pytest.mark.parametrize(
    "data",
    [
        BED.encode(),
        b"\xef\xbb\xbf" + BED.encode(),
        BED.replace("\n", "\r\n").encode(),
        b"browser position chr1:1-2\n# note\n\n \t\n" + BED.replace("X", "track name=second\nX").encode(),
        gzip.compress(b"track name=x\n" + BED.encode(), mtime=0),
        BED.strip().encode(),
    ],
)
def test_bed_in_any_dress(tmp_path, read, data):
    (tmp_path / "x.bed").write_bytes(data)
    regions = read(tmp_path / "x.bed")
    assert regions.values.tolist() == REGIONS
    assert regions.index.tolist() == [0, 1, 2]
    assert regions.dtypes.astype(str).tolist() == ["str", "int64", "int64"]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_names_of_regions(tmp_path, mark, end):
    names = [b"# peaks", b"chr2-5-9", b"", b" X:100000-200000 ", b"chr2_1_2", b""]
    (tmp_path / "names.txt").write_bytes(mark + end.join(names))
    assert read_peaks(tmp_path / "names.txt").values.tolist() == REGIONS
    (tmp_path / "names.txt").write_bytes(mark + names[1] + end)
    assert read_peaks(tmp_path / "names.txt").values.tolist() == REGIONS[:1]


def test_a_quote_is_a_letter(tmp_path):
    path = write(tmp_path / "x", 'chr1\t5\t9\t"a\nchr2\t5\t9\tb\nchr3\t5\t9\t"c"\n')
    for read in (read_bed, read_chip_peaks):
        assert read(path)[["chrom", "start"]].values.tolist() == [["chr1", 5], ["chr2", 5], ["chr3", 5]]


@pytest.mark.filterwarnings("error")
def test_a_wrong_line_far_down_a_large_file(tmp_path):
    """Where pandas reads in pieces, a column has numbers in one and text in the next, and pandas warns of it."""
    path = write(tmp_path / "x.bed", "1 5 9\n" * 400_000 + "1 5 x\n")
    with pytest.raises(InputError, match=r"x\.bed: line 400001: end is 'x', expected a whole number"):
        read_bed(path)


@pytest.mark.parametrize(
    ("seventh", "eighth", "form"),
    [
        (10, 20, "BED"), (12, 12, "BED"), (0, 0, "BED"),
        (9, 15, "broadPeak"), (15, 12, "broadPeak"), (12, 21, "broadPeak"), (15, -1, "broadPeak"), (0, 5, "broadPeak"),
        (5, 0, "broadPeak"), (3.5, -1, "broadPeak"),
    ],
)  # fmt: skip
def test_columns_7_and_8_tell_a_thick_block_from_a_signal(tmp_path, seventh, eighth, form):
    peaks = read_chip_peaks(write(tmp_path / "x", f"chr1\t10\t20\tp\t0\t.\t{seventh}\t{eighth}\t-1\n"))
    assert peaks.attrs["columns"].startswith(f"read as {form} (9 columns): ")
    assert peaks["signal"].fillna(-1).tolist() == [seventh if form == "broadPeak" else -1]


def test_one_line_without_a_thick_block_is_enough(tmp_path):
    """By chance a signal lies within a region."""
    lines = "chr1\t10\t20\tp\t0\t.\t12\t15\t-1\n", "chr1\t10\t20\tp\t0\t.\t30\t2\t-1\n"
    for text in (lines[0] + lines[1], lines[1] + lines[0]):
        assert sorted(read_chip_peaks(write(tmp_path / "x", text))["signal"]) == [12, 30]


def test_tabs_at_the_ends_of_lines(tmp_path):
    peaks = read_chip_peaks(write(tmp_path / "x", "chr1\t5\t9\t\t\t\nchr1\t5\t9\tname\t\t\n"))
    assert peaks.attrs["columns"] == "read as BED (4 columns): neither signal nor summit"


def test_names_of_chromosomes_are_text(tmp_path):
    path = write(tmp_path / "x", "1.10\t5\t9\n01\t5\t9\n")
    assert read_bed(path)["chrom"].tolist() == read_chip_peaks(path)["chrom"].tolist() == ["chr1.10", "chr01"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# nothing\n", "holds no region; expected lines of chrom, start and end"),
        ("\nchr1\t5\n", "line 2: 2 columns, expected chrom, start and end"),
        ("#\nchr1\t5\t9\n\nchr1\t5\n", "line 4: end is '', expected a whole number"),
        ("chr1\t5\t9\nchr1\t5.5\t9\n", "line 2: start is '5.5', expected a whole number"),
        ("chr1\t5\t9\nchr1\t5\tTrue\n", "line 2: end is 'True', expected a whole number"),
        ("chr1\tTrue\t9\nchr1\tTrue\t9\n", "line 1: start is 'True', expected a whole number"),
        ("track x\nchr1\t9\t5\n", "line 2: end 5 is before start 9"),
        ("chr1\t5\t9\nchr1\t-5\t9\n", "line 2: start is -5, expected 0 or more"),
        ("chr1\t5\t9\nchr1\t5\t1e13\n", "line 2: end is 10000000000000, which is more than any chromosome has"),
    ],
)
def test_wrong_bed(tmp_path, text, words):
    with pytest.raises(InputError, match=f"p.bed: {words}"):
        read_bed(write(tmp_path / "p.bed", text))


# ---- real data


@pytest.mark.shared
def test_real_uniform_peaks(shared_data):
    """ATF3 as UCSC has it (docs/facts.md 6): sorted by signal, a summit in every peak, mean width 471, least 121."""
    peaks = read_chip_peaks(shared_data / "tfbs" / "wgEncodeAwgTfbsHaibA549Atf3V0422111Etoh02UniPk.narrowPeak.gz")
    assert len(peaks) == 6580
    assert peaks["has_summit"].all()
    assert peaks["signal"].is_monotonic_decreasing
    width = peaks["end"] - peaks["start"]
    assert width.min() == 121
    assert round(width.mean()) == 471
    assert peaks.loc[0, ["chrom", "centre"]].tolist() == ["chr17", 66015744 + 311]
    assert (peaks["chrom"] == "chr20").sum() == 229


@pytest.mark.shared
@pytest.mark.parametrize(
    ("cell", "number", "at_end"), [("A549", 39576, 6), ("HepG2", 51860, 23), ("IMR-90", 38144, 5), ("K562", 47804, 9)]
)
def test_real_summits_may_be_the_end_of_a_peak(shared_data, cell, number, at_end):
    peaks = read_chip_peaks(shared_data / "tfbs" / f"ChIPseq.{cell}.CTCF.conservative.train.narrowPeak.gz")
    assert len(peaks) == number
    assert peaks["has_summit"].all()
    assert (peaks["centre"] == peaks["end"]).sum() == at_end
    assert np.isfinite(peaks["signal"]).all()


@pytest.mark.parametrize("letter", ["\x1f", "\x0b", "\xa0", "\u2003"])
def test_only_spaces_and_tabs_stand_between_columns(tmp_path, letter):
    path = write(tmp_path / "x.bed", f"chr1\t43700{letter}000\n")
    with pytest.raises(InputError, match="line 1: 2 columns, expected chrom, start and end"):
        read_bed(path)
