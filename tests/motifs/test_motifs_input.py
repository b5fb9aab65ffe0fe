"""JASPAR matrices and their text form; bad input of the motif stage."""

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
from motif_reference import BACKGROUND, build, consensus_motif

from genebert.errors import InputError
from genebert.motifs.jaspar import Motif, load_jaspar, read_jaspar, write_jaspar
from genebert.motifs.matrix import load_motif_matrix
from genebert.settings.data import MotifSettings

# JASPAR


def test_jaspar_2018(jaspar):
    assert len(jaspar) == 579
    assert [motif.matrix_id for motif in jaspar] == sorted(motif.matrix_id for motif in jaspar)
    assert min(motif.width for motif in jaspar) == 6 and max(motif.width for motif in jaspar) == 21
    ctcf = next(motif for motif in jaspar if motif.matrix_id == "MA0139.1")
    assert (ctcf.name, ctcf.width, ctcf.tf_class) == ("CTCF", 19, "C2H2 zinc finger factors")
    families = load_jaspar(order="family")
    assert {motif.matrix_id for motif in families} == {motif.matrix_id for motif in jaspar}
    keys = [(motif.tf_class, motif.tf_family) for motif in families]
    assert keys == sorted(keys)
    changes = sum(a != b for a, b in itertools.pairwise(keys))
    assert changes == len(set(keys)) - 1, "each family stands in one run of columns"


def test_jaspar_text_round_trip(jaspar, tmp_path):
    odd = Motif("MX1.1", "Odd", np.array([[0.1, 1e7 + 1], [2, 1 / 3], [0, 5], [1, 1]]), "class", "")
    write_jaspar([*jaspar, odd], tmp_path / "jaspar.txt", tmp_path / "jaspar.tsv")
    again = read_jaspar(tmp_path / "jaspar.txt", tmp_path / "jaspar.tsv")
    for before, after in zip([*jaspar, odd], again, strict=True):
        np.testing.assert_array_equal(before.counts, after.counts)
        assert [before.matrix_id, before.name, before.tf_class, before.tf_family] == [
            after.matrix_id, after.name, after.tf_class, after.tf_family,
        ]  # fmt: skip
    assert read_jaspar(tmp_path / "jaspar.txt")[0].tf_class == ""
    (tmp_path / "marked.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + (tmp_path / "jaspar.txt").read_bytes()))
    assert [motif.name for motif in read_jaspar(tmp_path / "marked.gz")] == [motif.name for motif in again]


@pytest.mark.shared
def test_jaspar_equals_the_public_text_file(jaspar, shared_data, tmp_path):
    path = shared_data / "motifs" / "JASPAR2018_CORE_vertebrates_non-redundant_pfms_jaspar.txt"
    other = read_jaspar(path)
    assert len(other) == 579
    for ours, theirs in zip(jaspar, other, strict=True):
        assert (ours.matrix_id, ours.name) == (theirs.matrix_id, theirs.name)
        np.testing.assert_allclose(ours.counts, theirs.counts, atol=0.5)
    whole = [np.array_equal(a.counts, b.counts) for a, b in zip(jaspar, other, strict=True)]
    assert sum(whole) >= 578


# Bad input


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"matrix": "best"}, r"motifs.matrix: found 'best', expected one of max_score, binary, counts, descartes"),
        ({"source": "ppm"}, r"motifs.source: found 'ppm', expected one of counts, pwm"),
        ({"pseudocount": 0}, r"motifs.pseudocount: found 0, expected a number above 0"),
        ({"p_value": 1}, r"motifs.p_value: found 1, expected a number above 0 and below 1"),
        ({"background": "genome"}, r"motifs.background: found 'genome', expected regions, or four frequencies"),
        ({"background": (0.3, 0.3, 0.3, 0.3)}, r"found \[0.3, 0.3, 0.3, 0.3\] with the sum 1.2, expected the sum 1"),
        ({"background": (0.5, 0.0, 0.0, 0.5)}, r"expected regions, or four frequencies of A, C, G, T above 0"),
        ({"background": (0.5, 0.5)}, r"expected regions, or four frequencies of A, C, G, T above 0"),
    ],
)
def test_bad_settings(options, sentence):
    with pytest.raises(InputError, match=sentence):
        MotifSettings(**options)


@pytest.mark.parametrize(
    ("strings", "chosen", "options", "sentence"),
    [
        ([], ["ACGT"], {}, r"sequences: found 0 regions with 0 bases, expected at least one"),
        (["NNNN"], ["ACGT"], {}, r"motifs.background: A and T have frequency 0, C and G 0; expected both above 0"),
        (["ATTA"], ["ACGT"], {}, r"motifs.background: A and T have frequency 2, C and G 0; expected both above 0"),
        (["NNNN"], ["ACGT"], {"kind": "descartes"}, r"sequences: all bases are N; expected some A, C, G or T"),
    ],
)
def test_bad_input_of_the_matrix(strings, chosen, options, sentence, tmp_path):
    options = {"kind": "max_score", "processes": 1, **options}
    with pytest.raises(InputError, match=sentence):
        build(tmp_path, strings, [consensus_motif(word) for word in chosen], options["kind"], options["processes"])
    assert list(tmp_path.iterdir()) == []


def test_flat_motif(tmp_path):
    flat = Motif("MF", "Flat", np.full((4, 5), 25.0))
    with pytest.raises(InputError, match="motifs: matrix MF prefers no base at any position"):
        build(tmp_path, ["ACGTACGT"], [flat], "binary", background=(0.25,) * 4)


@pytest.mark.parametrize("processes", [1, 2])
def test_more_hits_than_the_matrix_can_hold(tmp_path, processes):
    with pytest.raises(InputError, match=r"a region has 69998 hits of one motif, expected at most 65535"):
        build(tmp_path, ["A" * 70_000, "ACGT"], [consensus_motif("AAA")], "counts", processes, background=BACKGROUND)
    assert list(tmp_path.iterdir()) == [], "nothing half-written stays behind"


def test_no_space_for_the_matrix(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(InputError, match=r"matrix.npy: cannot reserve 0.0 GB \(No space left on device\)"):
        build(tmp_path, ["ACGT"], [consensus_motif("ACG")], "binary")


def test_unknown_release_and_order():
    with pytest.raises(
        InputError, match=r"motifs.release: found 'JASPAR2019', expected one of .*JASPAR2018, JASPAR2020"
    ):
        load_jaspar("JASPAR2019")
    with pytest.raises(InputError, match=r"motifs.order: found 'name', expected one of matrix_id, family"):
        load_jaspar(order="name")


GOOD = ">M1 one\nA [1 2]\nC [1 2]\nG [1 2]\nT [3 2]\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"jaspar.txt: holds no matrix; expected JASPAR text"),
        ("<html>\nnot found\n</html>\n", "jaspar.txt: is an HTML or XML page; expected text"),
        (GOOD.replace("A [1 2]", "A [1 x]"), r"jaspar.txt: malformed \(ValueError: could not convert.*'x'\)"),
        (GOOD.replace("A [1 2]", "A [1]"), r"jaspar.txt: malformed \(Exception: data has inconsistent lengths\)"),
        (GOOD.replace("T [3 2]\n", ""), r"jaspar.txt: found 1 header lines, but 0 complete matrices; expected"),
        (GOOD + GOOD.replace("M1", "M2")[:-8], r"jaspar.txt: found 2 header lines, but 1 complete matrices;"),
        (GOOD.replace("A [1 2]", "A [1 -2]"), r"jaspar.txt: matrix M1 has a negative or non-finite count"),
        (GOOD.replace("A [1 2]", "A [1 nan]"), r"jaspar.txt: matrix M1 has a negative or non-finite count"),
        (">M1 one\nA [1 0]\nC [1 0]\nG [1 0]\nT [1 0]\n", r"matrix M1 has .* a position without counts"),
        (GOOD + GOOD, r"jaspar.txt: matrix M1 occurs twice; ids must be unique"),
        (GOOD.split("\n", 1)[1], r"jaspar.txt: a matrix without id"),
    ],
)
def test_malformed_jaspar_text(text, sentence, tmp_path):
    path = tmp_path / "jaspar.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_jaspar(path)


def test_missing_jaspar_text_and_bad_table(tmp_path):
    with pytest.raises(InputError, match=r"none.txt: cannot be read \(No such file or directory\)"):
        read_jaspar(tmp_path / "none.txt")
    (tmp_path / "jaspar.txt").write_text(GOOD)
    (tmp_path / "jaspar.tsv").write_text("matrix_id\ttf_class\tfamily\nM1\ta\tb\n")
    with pytest.raises(
        InputError, match=r"jaspar.tsv: line 1: the column tf_family is missing; found matrix_id, tf_class"
    ):
        read_jaspar(tmp_path / "jaspar.txt", tmp_path / "jaspar.tsv")
    (tmp_path / "jaspar.tsv").write_text("matrix_id\ttf_class\ttf_family\nM2\ta\tb\n")
    with pytest.raises(InputError, match=r"jaspar.tsv: matrix M1 of .*jaspar.txt is missing"):
        read_jaspar(tmp_path / "jaspar.txt", tmp_path / "jaspar.tsv")


def test_matrix_that_does_not_fit_its_record(small_motifs, tmp_path):
    build(tmp_path, ["ACGTACGT", "GGCATTA"], small_motifs, "binary")
    good = np.load(tmp_path / "matrix.npy")
    for wrong in (good[:, :4], good[0], good[:1], good.astype(np.float16)):
        np.save(tmp_path / "matrix.npy", wrong)
        with pytest.raises(InputError, match=r"matrix.npy has shape .* but motifs.json says \(2, 6\) of kind binary;"):
            load_motif_matrix(tmp_path)


def test_unwritable_folder(small_motifs, tmp_path):
    Path(tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written"):
        build(tmp_path / "file", ["ACGTACGT"], small_motifs, "binary")
