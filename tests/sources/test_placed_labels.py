import gzip
import json

import pytest
from placed_files import check, refused

from genebert.genome.builds import BUILD_LENGTHS
from genebert.sources import dream_labels as labels

TRAIN, FINAL = "dream/CTCF.train.labels.tsv.gz", "dream/CTCF.final.labels.tsv.gz"

CELLS = ("K562", "liver")
WINDOWS = [("chr10", 600, "BU"), ("chr10", 650, "UU"), ("chr10", 700, "UA"), ("chr10", 900, "UB"), ("chr9", 0, "UU"),
           ("chr9", 50, "AU"), ("chrX", 100, "AU")]  # fmt: skip


def label_file(windows=WINDOWS, cells=CELLS, change=lambda text: text):
    lines = ["\t".join(["chr", "start", "stop", *cells])]
    lines += ["\t".join([chrom, str(start), str(start + 200), *found]) for chrom, start, found in windows]
    return gzip.compress(change("\n".join(lines) + "\n").encode())


@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 18])
def test_labels(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(labels, "_CHUNK", chunk)
    record = check(tmp_path, TRAIN, label_file())
    assert record["counts"] == {
        "windows": 7,
        "gaps": 1,
        "chromosomes": {"chr9": 2, "chr10": 4, "chrX": 1},
        "labels": {"K562": {"B": 1, "U": 4, "A": 2}, "liver": {"B": 1, "U": 5, "A": 1}},
        "held_out": {"chromosomes": ["chr1", "chr8", "chr21"], "present": [], "status": "unconfirmed"},
    }
    assert record["build"] == "not told"
    assert record["evidence"] == {"windows_inside_chromosomes_of": ["hg19", "hg38"]}
    json.dumps(record, allow_nan=False)
    marked = gzip.compress(b"\xef\xbb\xbf" + gzip.decompress(label_file()).replace(b"\n", b"\r\n"))
    assert check(tmp_path, TRAIN, marked)["counts"] == record["counts"]


def test_blank_lines_hold_nothing(tmp_path, monkeypatch):
    for chunk in (1, 2, 1 << 18):
        monkeypatch.setattr(labels, "_CHUNK", chunk)
        whole = check(tmp_path, TRAIN, label_file())["counts"]
        blanks = label_file(change=lambda text: text.replace("chr9\t0", "\n \nchr9\t0") + "\n\t\t\t\t\n")
        assert check(tmp_path, TRAIN, blanks)["counts"] == whole
        wrong = label_file(change=lambda text: text.replace("chr9\t0", "\nchr9\t-1"))
        refused(tmp_path, TRAIN, wrong, "line 7: start is '-1', expected 0 or more")


def test_labels_that_only_one_build_has_room_for(tmp_path):
    last = BUILD_LENGTHS["hg19"]["chr1"] - 200
    data = label_file([("chr1", last - 50, "BB"), ("chr1", last, "BB")])
    record = check(tmp_path, TRAIN, data)
    assert record["build"] == "hg19" and record["counts"]["held_out"]["present"] == ["chr1"]
    refused(tmp_path, TRAIN, label_file([("chr1", last + 1, "BB")]), "ends beyond chr1, which is 249250621 bases long")


def test_final_labels_hold_the_cell_types_of_the_final_sets(tmp_path):
    cells = ("liver", "induced_pluripotent_stem_cell", "PC-3")
    data = label_file([("chr1", 600, "BUA")], cells)
    assert list(check(tmp_path, FINAL, data)["counts"]["labels"]) == list(cells)
    expected = "line 1: found the cell types K562, liver; expected PC-3 and induced_pluripotent_stem_cell among them"
    refused(tmp_path, FINAL, label_file(), expected)
    assert check(tmp_path, "dream/MAX.final.labels.tsv.gz", label_file())["counts"]["windows"] == 7
    refused(tmp_path, "dream/NANOG.final.labels.tsv.gz", label_file(), "expected induced_pluripotent_stem_cell among")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("stop", "end", "line 1: found the columns chr, start, end, K562, liver; expected chr, start, stop and one"),
        ("liver", "K562", "line 1: found the columns chr, start, stop, K562, K562; expected"),
        ("\tK562\tliver", "", "line 1: found the columns chr, start, stop; expected"),
        ("\t700\t900", "\t700\t901", "line 4: the width of the window is '201', expected 200 bp"),
        ("\t700\t900", "\t690\t890", "line 4: the step to this window is '40', expected 50 bp or more"),
        ("\t700\t900", "\t600\t800", "line 4: the step to this window is '-50', expected 50 bp or more"),
        ("\t700\t900", "\t7x\t900", "line 4: start is '7x', expected a whole number"),
        ("\t700\t900", "\t700\t", "line 4: stop is '', expected a whole number"),
        ("\t700\t900", "\t-700\t-500", "line 4: start is '-700', expected 0 or more"),
        ("900\tU\tA", "900\tU\tN", "line 4: the label of liver is 'N', expected B, U or A"),
        ("900\tU\tA", "900\t\tA", "line 4: the label of K562 is '', expected B, U or A"),
        ("900\tU\tA", "900\tA", "line 4: the label of liver is '', expected B, U or A"),
        ("900\tU\tA", "900\tU\tA\tA", "not a table of 5 columns"),
        ("chr9\t0", "\t0", "line 6: chr is '', expected a chromosome"),
        ("chr9", "chr99", "found the chromosome 'chr99', expected one of"),
        ("chrX", "chr10", "line 8: chr10 begins a second time, expected all its windows together"),
    ],
)
def test_bad_labels(tmp_path, monkeypatch, old, new, sentence):
    for chunk in (2, 1 << 18):
        monkeypatch.setattr(labels, "_CHUNK", chunk)
        refused(tmp_path, TRAIN, label_file(change=lambda text: text.replace(old, new)), sentence)


def test_label_files_without_windows_or_step(tmp_path):
    refused(tmp_path, TRAIN, label_file([]), "found a header but no window")
    apart = [("chr10", start, "UU") for start in (0, 200, 400, 450)]
    refused(tmp_path, TRAIN, label_file(apart), "1 of 3 windows begin 50 bp after the one before, expected most")
    refused(tmp_path, TRAIN, label_file()[:-12], "gzip data cut short or damaged")
    wide = label_file(change=lambda text: "".join(f"{line}\tU\n" if i else f"{line}\n"
                                                 for i, line in enumerate(text.splitlines())))  # fmt: skip
    refused(tmp_path, TRAIN, wide, "lines have more columns than the header, which has 5")
