"""EPD's files: start sites on both strands from three forms, the table of promoter elements; the TATA matrix."""

import gzip

import numpy as np
import pandas as pd
import pytest

from genebert.errors import InputError
from genebert.genome.bases import encode
from genebert.motifs.jaspar import load_jaspar
from genebert.tasks.epd import TATA_CUTOFF, TATA_WEIGHTS, read_promoters, read_tata_flags, tata_scores

EPD_BED = """chr1 960583 960643 KLHL17_1 900 + 960632 960643
chr1 959245 959305 NOC2L_1 900 - 959245 959256
"""
SGA = "NC_000001.10\tTSS\t   861123\t+\t1\tSAMD11_1\t2\nNC_000023.10\tTSS\t   894631\t-\t1\tNOC2L_1\t2\n"
TSS_BED = "chr1\t861122\t861123\tSAMD11_1\t.\t+\nX\t894630\t894631\tNOC2L_1\t.\t-\n"


def write(path, text):
    path.write_text(text)
    return path


def test_tss_of_epdnew_bed_on_both_strands(tmp_path):
    promoters = read_promoters(write(tmp_path / "any_name", "# comment\n" + EPD_BED))
    assert promoters.values.tolist() == [["KLHL17_1", "chr1", 960632, "+"], ["NOC2L_1", "chr1", 959255, "-"]]


def test_sga_is_one_based_and_single_base_bed_is_zero_based(tmp_path):
    sga = read_promoters(write(tmp_path / "a.bed", SGA))
    bed = read_promoters(write(tmp_path / "b.sga", TSS_BED))
    assert sga.values.tolist() == [["SAMD11_1", "chr1", 861122, "+"], ["NOC2L_1", "chrX", 894630, "-"]]
    pd.testing.assert_frame_equal(sga, bed)


def test_gzip_with_a_byte_order_mark_is_read(tmp_path):
    text = "\ufefftrack name=x\r\n" + EPD_BED.replace("\n", "\r\n")
    (tmp_path / "p.bed.gz").write_bytes(gzip.compress(text.encode()))
    assert read_promoters(tmp_path / "p.bed.gz").equals(read_promoters(write(tmp_path / "p.bed", EPD_BED)))


@pytest.mark.parametrize(
    "line",
    [
        "chr1 960583 960643 KLHL17_1 900 * 960632 960643",
        "chr1 960583 960643 KLHL17_1 900 + 960700 960643",
        "chr1 960583 960643 KLHL17_1 900 + 960582 960643",  # the thick block begins before its window
        "chr1 960583 960643 KLHL17_1 900 - 960632 960644",  # or ends behind it
        "chr1 960583 960643 KLHL17_1 900 + 960632 960632",  # or is empty
        "chr1 960583 960643 KLHL17_1 900 +",  # a window without its thick block says nothing about the TSS
        "NC_000001.10\tTSS\t0\t+\t1\tSAMD11_1",
        "NC_000099.1\tTSS\t100\t+\t1\tSAMD11_1",
        "NC_000001.10\tTSS\t100\t*\t1\tSAMD11_1",
        "chr1 960583 960643 KLHL17_1 900 + x 960643",
        "chr1 960583 960643 KLHL17_1 900 + 960632 x",
        "chr1 x 960643 KLHL17_1 900 + 960632 960643",
        "chr1 5 abc KLHL17_1 900 +",
        "chr1 abc",
        "chr1 960583 96064² KLHL17_1 900 + 960632 960643",
        "NC_000001.10\tTSS\t²\t+\t1\tSAMD11_1",
    ],
)
def test_malformed_promoter_line(tmp_path, line):
    path = write(tmp_path / "p.bed", EPD_BED + line + "\n")
    with pytest.raises(InputError, match=r"p\.bed: line 3: .* is not a promoter; expected EPDnew BED") as error:
        read_promoters(path)
    assert "\n" not in str(error.value)


def test_a_long_line_is_shown_in_part(tmp_path):
    with pytest.raises(InputError, match=f"line 1: '{'x' * 80}' is not a promoter"):
        read_promoters(write(tmp_path / "p.bed", "x" * 200 + "\n"))


def test_sga_of_six_columns_and_of_the_first_base(tmp_path):
    found = read_promoters(write(tmp_path / "p.sga", "NC_000001.10\tTSS\t1\t+\t1\tA_1\n"))
    assert found.values.tolist() == [["A_1", "chr1", 0, "+"]]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("chr1 -1 59 X_1 900 + 10 20", "start is -1, expected 0 or more"),
        ("chr1 60 9 X_1 900 + 10 20", "end 9 is before start 60"),
        ("chr1\t9\t9\tX_1\t.\t+", "region 9-9 is empty"),
    ],
)
def test_promoter_line_with_wrong_bounds(tmp_path, line, sentence):
    with pytest.raises(InputError, match=rf"p\.bed: line 3: {sentence}"):
        read_promoters(write(tmp_path / "p.bed", EPD_BED + line + "\n"))


@pytest.mark.parametrize("build", ["hg19", "GRCh37", "toy", None])
def test_accessions_of_the_genomes_build(tmp_path, build):
    assert len(read_promoters(write(tmp_path / "p.sga", SGA), build)) == 2


@pytest.mark.parametrize(
    ("version", "build", "found"), [(11, "hg19", "hg38"), (9, "hg19", "another build"), (10, "hg38", "hg19")]
)
def test_accessions_of_another_build_stop(tmp_path, version, build, found):
    path = write(tmp_path / "p.sga", EPD_BED + SGA.replace("NC_000001.10", f"NC_000001.{version}"))
    with pytest.raises(InputError, match=rf"line 3: NC_000001\.{version} is chr1 of {found}, but .* is {build}$"):
        read_promoters(path, build)


def test_no_promoter_at_all(tmp_path):
    with pytest.raises(InputError, match="line 1: 'X' is not a promoter"):
        read_promoters(write(tmp_path / "p.bed", "X\nchr1\n"))
    with pytest.raises(InputError, match="holds no promoter"):
        read_promoters(write(tmp_path / "p.bed", "# nothing\n"))
    with pytest.raises(InputError, match="cannot be read"):
        read_promoters(tmp_path / "missing.bed")


def test_tata_flags(tmp_path):
    path = write(tmp_path / "m.txt", "#Name\tTATA-box\tInr\tCCAAT-box\tGC-box\nA_1\t1\t0\t0\t1\nB_1\t0\t1\t1\t1\n")
    assert read_tata_flags(path).to_dict() == {"A_1": True, "B_1": False}
    # found by its name, not by its place
    assert read_tata_flags(write(path, "#Name\tInr\tTATA-box\nA_1\t1\t0\nB_1\t0\t1\n")).to_dict() == {
        "A_1": False, "B_1": True,
    }  # fmt: skip
    none = read_tata_flags(write(path, "#Name\tTATA-box\n"))
    assert none.empty and none.dtype == bool
    for lines in ("A_1\tyes", "A_1\t1\t0", "A_1"):
        with pytest.raises(InputError, match=r"line 4: 'A_1.* expected a name and flags"):
            read_tata_flags(write(path, f"#Name\tTATA-box\nB_1\t1\n\n{lines}\n"))
    for header in ("A_1\t1\t0", "#Name\tInr", "Promoter\tTATA-box", ""):
        with pytest.raises(InputError, match=f"first line is '{' '.join(header.split())}', expected #Name TATA-box"):
            read_tata_flags(write(path, header + "\n"))


def test_tata_scores_equal_a_loop():
    codes = np.random.default_rng(1).integers(0, 5, (20, 40), dtype=np.uint8)
    scores = tata_scores(codes)
    assert scores.shape == (20, 26)
    for row, values in zip(codes, scores, strict=True):
        for i, value in enumerate(values):
            word = row[i : i + 15]
            expected = sum(TATA_WEIGHTS[base, j] for j, base in enumerate(word)) if word.max() < 4 else None
            assert value < -50 if expected is None else value == pytest.approx(expected)


def test_tata_matrix_is_jaspars_tbp():
    """JASPAR's TBP has the counts from which Bucher made his weights; G at position 7 is 20 in one, 10 in the other."""
    tbp = next(motif for motif in load_jaspar(release="JASPAR2018") if motif.name == "TBP")
    log_counts = np.log(tbp.counts + 1)
    for j in range(15):
        assert np.corrcoef(log_counts[:, j], TATA_WEIGHTS[:, j])[0, 1] > 0.9


def test_the_cut_off_takes_in_what_rounding_has_moved():
    """-8.17 is a TATA box, as five of EPD's own TATA promoters have it; -8.18 is none."""
    # G G . . G . . . A A G . . . A is -2.74 -3.77 -0.01 -0.94 -0.09 -0.62
    scores = tata_scores(np.stack([encode("GGATGAAAAAGGGGA"), encode("CTACATAACCTCCTT")]))[:, 0]
    assert scores == pytest.approx([-8.17, -8.18])
    assert (scores >= TATA_CUTOFF).tolist() == [True, False]
