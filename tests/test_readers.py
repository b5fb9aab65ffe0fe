"""Every reader of text beside every kind of file that people have: the same text in another dress, and what is none.

The table names, for each reader, the functions that open the file. A function that opens text and is not named fails
the last test, so that no reader is left out.
"""

import ast
import bz2
import gzip
import lzma
from pathlib import Path

import pandas as pd
import pytest

from genebert.accessibility.cells import read_barcodes, read_cells
from genebert.errors import InputError
from genebert.evaluation.people import read_people
from genebert.evaluation.risk_variants import EFFECT_COLUMNS, read_effects
from genebert.files import read_json
from genebert.genome.bed import read_bed, read_chip_peaks, read_peaks
from genebert.genome.fasta import prepare_genome
from genebert.genome.kmers import vocabulary, vocabulary_k
from genebert.motifs.jaspar import read_jaspar
from genebert.report.curves import read_metrics
from genebert.report.tables.paper import read_paper
from genebert.settings.load import load_yaml
from genebert.settings.people import PeopleSettings
from genebert.sources.cohort import PHENOTYPE_COLUMNS, check_phenotypes
from genebert.sources.dream_labels import check_labels
from genebert.sources.registry import COLUMNS, TFBS_COLUMNS, read_registry, read_tfbs_list
from genebert.sources.splice_table import check_splice_table
from genebert.tasks.epd import read_promoters, read_tata_flags
from genebert.tasks.kmer_table import read_kmer_tsv

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "genebert"
MATRIX = ">MA1.1 X\nA [ 1 2 ]\nC [ 3 4 ]\nG [ 5 6 ]\nT [ 7 8 ]\n"


def genome(path):
    return prepare_genome(path, path.parent / "out" / "genome.fa", "toy", ["chr1"])


def matrices(path):
    return [(motif.matrix_id, motif.name, motif.counts.tolist()) for motif in read_jaspar(path)]


def families(path):
    (path.parent / "m.txt").write_text(MATRIX)
    return [(motif.tf_class, motif.tf_family) for motif in read_jaspar(path.parent / "m.txt", path)]


def columns(names, *values):
    return "".join("\t".join(row) + "\n" for row in (names, *values))


# Reader: how it is called, a text that it reads (with a comment in Latin-1 where it has comments), who opens the file.
BED_FILE = "genome/bed.py:data_lines"
REGISTRY = "sources/registry.py:_rows"
READERS = {
    "BED": (read_bed, "# für\nchr1\t5\t9\n2\t7\t8\n", BED_FILE),
    "peaks, BED": (read_peaks, "# für\nchr1 5 9\n2 7 8\n", BED_FILE),
    "peaks, names": (read_peaks, "# für\nchr1-5-9\n2:7-8\n", BED_FILE),
    "narrowPeak": (read_chip_peaks, "# für\nchr1\t5\t9\tp\t0\t.\t1.5\t-1\t-1\t2\n", BED_FILE),
    "EPDnew": (read_promoters, "# für\nchr1 50 110 X_1 900 + 99 110\n", BED_FILE),
    "SGA": (read_promoters, "# für\nNC_000001.10\tTSS\t50\t+\t1\tX_1\n", BED_FILE),
    "TATA flags": (read_tata_flags, "#Name\tTATA-box\nX_1\t1\nY_1\t0\n", "tasks/epd.py:read_tata_flags"),
    "k-mers": (read_kmer_tsv, "sequence\tlabel\nACG CGT\t1\n", "tasks/kmer_table.py:read_kmer_tsv"),
    "FASTA": (genome, ">1 für\nACGT\nACg\n>2\nA\n", "genome/fasta.py:_copy_chromosomes"),
    "JASPAR": (matrices, MATRIX, "motifs/jaspar.py:read_jaspar"),
    "classes of factors": (
        families, columns(("matrix_id", "tf_class", "tf_family"), ("MA1.1", "für", "b")),
        "motifs/jaspar.py:_read_metadata",
    ),
    "cells": (read_cells, columns(("cell", "type"), ("a", "für"), ("b", "x")), "accessibility/cells.py:read_cells"),
    "barcodes": (read_barcodes, "AAC-1\nfür-1\n", "accessibility/cells.py:read_barcodes"),
    "phenotypes": (
        check_phenotypes,
        columns(PHENOTYPE_COLUMNS, ("a", "1", "M", "S", "für"), ("b", "0", "F", "NA", "x")),
        "sources/cohort.py:_read_phenotypes",
    ),
    "people": (
        lambda path: read_people(path, PeopleSettings(family="family")).to_dict(),
        columns(("sample_id", "status", "sex", "family"), ("a", "1", "M", "für"), ("b", "0", "F", "NA")),
        "evaluation/people.py:read_people",
    ),
    "effects": (
        lambda path: read_effects(path).to_dict(),
        "# für\n" + columns(EFFECT_COLUMNS, ("1", "5", "A", "C", "0.5")),
        "evaluation/risk_variants.py:read_effects",
    ),
    "labels": (
        check_labels,
        columns(("chr", "start", "stop", "für"), ("chr1", "0", "200", "B"), ("chr1", "50", "250", "U")),
        "sources/dream_labels.py:_read_header", "sources/dream_labels.py:check_labels",
    ),
    "SpliceAI's table": (
        lambda path: check_splice_table(path, paired=True),
        columns(("für", "0", "1", "+", "10", "90", "20,", "30,")), "sources/splice_table.py:read_splice_table",
    ),
    "registry": (
        read_registry,
        columns(COLUMNS, ("a/b", "https://host.org/b", "", "unknown", "", "paper", "open", "für", "")), REGISTRY,
    ),
    "list of peaks": (
        read_tfbs_list,
        columns(TFBS_COLUMNS, ("a.narrowPeak.gz", "0" * 32, *["für"] * (len(TFBS_COLUMNS) - 2))), REGISTRY,
    ),
    "vocabulary": (lambda path: vocabulary_k(path.parent), "\n".join(vocabulary(3)), "genome/kmers.py:vocabulary_k"),
    "JSON": (read_json, '{"a": "für"}\n', "files.py:read_json"),
    "metrics": (read_metrics, '{"step": 1, "a": "für"}\n{"step": 2}\n', "report/curves.py:read_metrics"),
    "YAML": (load_yaml, "a: für\n", "settings/load.py:load_yaml"),
    "the paper's values": (
        read_paper, columns(("dataset", "model", "our_model", "auc", "source"), ("a/b", "für", "cnn", "0.5", "x")),
        "report/tables/paper.py:_read",
    ),
}  # fmt: skip
# The one way in itself, functions that are given lines, and text that only the workflow writes.
OTHERS = {
    "files.py:read_text", "files.py:read_lines", "genome/bed.py:split_columns", "genome/bed.py:read_bed",
    "genome/bed.py:read_peaks", "genome/bed.py:read_chip_peaks", "tasks/epd.py:read_promoters",
    "sources/registry.py:expected_checksum", "sources/download.py:_resumable", "training/job.py:main",
    "genome/tables.py:read_table", "cli/plan.py:local_rules", "cli/status.py:_calls", "cli/status.py:read_status",
    "cli/doctor.py:_requirements",
    # what this workflow has written, and its own documents
    "report/page/pictures.py:learning_figures", "report/page/markdown.py:read_markdown",
    "report/page/benchmarks.py:read_benchmark", "report/page/build.py:_open_questions",
    "report/page/tables.py:read_text_of_page", "models/bert.py:save_code",
    "training/objectives/genebert_data.py:_columns",
}  # fmt: skip


def same(one, other):
    return one.equals(other) if isinstance(one, pd.DataFrame | pd.Series) else one == other


def written(folder, reader, data):
    # The vocabulary is looked for under its own name.
    path = folder / ("vocab.txt" if reader == "vocabulary" else "x")
    folder.mkdir()
    path.write_bytes(data)
    return path


def values(result):
    """Return what was read as something that can be compared."""
    return list(map(values, result)) if isinstance(result, tuple) else result


DRESSES = {
    "mark": lambda text: text.encode("utf-8-sig"),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16, other order": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "Latin-1": lambda text: text.encode("latin-1"),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "blank lines at the end": lambda text: f"{text}\n \n".encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip of a marked CRLF": lambda text: gzip.compress(text.replace("\n", "\r\n").encode("utf-8-sig")),
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("reader", READERS)
def test_the_same_text_in_another_dress(tmp_path, reader, dress, caplog):
    read, text, *_ = READERS[reader]
    plain = values(read(written(tmp_path / "a", reader, text.encode())))
    other = values(read(written(tmp_path / "b", reader, DRESSES[dress](text))))
    pairs = zip(plain, other, strict=True) if isinstance(plain, list) else [(plain, other)]
    assert all(same(*pair) for pair in pairs)
    assert ("read as Latin-1" in caplog.text) == (dress == "Latin-1" and "ü" in text)


NO_TEXT = {
    "xz": (lzma.compress, "is xz data"),
    "bzip2": (bz2.compress, "is bzip2 data"),
    "gzip twice": (lambda data: gzip.compress(gzip.compress(data)), "is gzip data packed twice"),
    "cut gzip": (lambda data: gzip.compress(data)[:-9], "gzip data cut short or damaged"),
    "page": (lambda data: b"<html>moved</html>", "is an HTML or XML page"),
    "archive": (lambda data: b"PK\3\4" + data, "is a zip archive or an Excel file"),
    "2bit": (lambda data: b"C'A\x1a" + bytes(12), "is a 2bit file"),
    "pointer": (lambda data: b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
    "utf-16 without a mark": (lambda data: data.decode().encode("utf-16-le"), "is binary data"),
    "nothing": (None, "cannot be read (No such file or directory)"),
}


@pytest.mark.parametrize("kind", NO_TEXT)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_text_is_named(tmp_path, reader, kind):
    read, text, *_ = READERS[reader]
    change, words = NO_TEXT[kind]
    path = written(tmp_path / "a", reader, change(text.encode()) if change else b"")
    if change is None:
        path.unlink()
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "\n" not in str(caught.value)


BOUNDS = {
    "start before 0": ((-1, 9), "start is -1, expected 0 or more"),
    "end before start": ((9, 5), "end 5 is before start 9"),
    "empty": ((9, 9), "region 9-9 is empty"),
    "no chromosome is so long": ((5, 10**15), f"end is {10**15}, which is more than any chromosome has"),
}
# How each reader writes a region, and how it counts the places of its file.
PLACED = {
    "BED": "chr1\t{}\t{}\n", "peaks, BED": "chr1 {} {} name\n", "peaks, names": "chr1-{}-{}\n",
    "narrowPeak": "chr1\t{}\t{}\tp\t0\t.\t1.5\t-1\t-1\t2\n", "EPDnew": "chr1 {} {} X_1 900 + 99 110\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", BOUNDS)
@pytest.mark.parametrize("reader", PLACED)
def test_bounds_have_a_sentence_each(tmp_path, reader, kind):
    read, text, *_ = READERS[reader]
    bounds, sentence = BOUNDS[kind]
    unit = "row 3" if reader == "peaks, names" else f"line {text.count(chr(10)) + 1}"
    path = written(tmp_path / "a", reader, (text + PLACED[reader].format(*bounds)).encode())
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: {unit}: {sentence}")


OPENERS = {"open_text", "read_text", "read_lines", "data_lines", "read_csv", "read_table", "loadtxt", "genfromtxt"}


def openers():
    """Return file:function of every function of the package that opens text."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                calls = {getattr(node.func, "attr", getattr(node.func, "id", None))
                         for node in ast.walk(function) if isinstance(node, ast.Call)}  # fmt: skip
                if calls & OPENERS:
                    found.add(f"{path.relative_to(PACKAGE)}:{function.name}")
    return found


def test_no_reader_is_left_out():
    named = {place for _, _, *places in READERS.values() for place in places}
    assert named | OTHERS == openers()
