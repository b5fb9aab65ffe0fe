import gzip
import json
import re
import runpy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from placed_files import PAGE, check, place, refused, source

from genebert.errors import InputError
from genebert.files import sha256
from genebert.genome.anchors import ANCHORS
from genebert.genome.builds import BUILD_LENGTHS
from genebert.sources import dream_labels as labels
from genebert.sources.placed import FORMS, check_placed, explain
from genebert.sources.registry import read_registry

CANONICAL, GTEX = "spliceai/canonical_dataset.txt", "spliceai/gtex_dataset.txt"


def test_every_file_that_is_not_open_has_a_form(root):
    registry = read_registry(root / "config/sources.tsv")
    assert {name for name, found in registry.items() if found.access != "open"} == set(FORMS)
    assert len(FORMS) == 2 + 4 + 2 * len(labels.FINAL_SETS) == 30
    assert sum(map(len, labels.FINAL_SETS.values())) == 13


@pytest.mark.parametrize("name", FORMS)
def test_a_missing_file_is_explained_in_four_lines(tmp_path, name):
    target = tmp_path / name
    with pytest.raises(InputError) as caught:
        check_placed(replace(source(name), note="a note\nof two lines"), target)
    page, there, folder, form = str(caught.value).split("\n")
    assert name in page and PAGE in page and "(a note of two lines)" in page
    assert FORMS[name].there in there
    assert f"folder {target.parent} " in folder and folder.endswith(f" {target.name}")
    assert form == f"it must be: {FORMS[name].describe}" and len(form) > 40
    assert str(caught.value) == explain(replace(source(name), note="a note of two lines"), target)
    assert not target.parent.exists()


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("", "an empty file"),
        (" \n", "an empty file"),
        ("\n<!DOCTYPE html>\n<html>", "an HTML page"),
        (None, "a folder"),
    ],
)
def test_what_is_no_file_of_data(tmp_path, name, data, found):
    if data is None:
        (tmp_path / name).mkdir(parents=True)
        with pytest.raises(InputError, match=f"{re.escape(name)}: found a folder, expected a file"):
            check_placed(source(name), tmp_path / name)
    else:
        refused(tmp_path, name, data, f"found {found}", FORMS[name].describe)


@pytest.mark.parametrize("name", FORMS)
def test_binary_data_are_refused_by_every_form(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    for data in (noise, gzip.compress(noise), gzip.compress(b"chr\tstart\tstop\tx\n" * 999)[:-30]):
        refused(tmp_path, name, data, name)


def test_unknown_names(tmp_path):
    with pytest.raises(InputError, match="spliceai/x: no check of its form is known, expected one of spliceai/can"):
        check_placed(source("spliceai/x"), tmp_path)


def run_script(root, monkeypatch, folder, path):
    monkeypatch.syspath_prepend(str(root / "workflow/scripts"))
    job = SimpleNamespace(
        log=[str(folder / "place.log")],
        output=[str(folder / "placed" / f"{CANONICAL}.json")],
        params=SimpleNamespace(registry=str(root / "config"), path=str(path)),
        wildcards=SimpleNamespace(source=CANONICAL),
    )
    runpy.run_path(str(root / "workflow/scripts/place.py"), {"snakemake": job})


def test_script(root, monkeypatch, tmp_path, capsys):
    path = tmp_path / CANONICAL
    with pytest.raises(SystemExit) as caught:
        run_script(root, monkeypatch, tmp_path, path)
    assert caught.value.code == 1
    shown, logged = capsys.readouterr().err, (tmp_path / "place.log").read_text()
    assert len(shown.splitlines()) == len(logged.splitlines()) == 4
    assert "basespace.illumina.com" in shown and shown.splitlines()[1:] == logged.splitlines()[1:]
    place(tmp_path, CANONICAL, table())
    run_script(root, monkeypatch, tmp_path, path)
    record = json.loads((tmp_path / "placed" / f"{CANONICAL}.json").read_text())
    assert record["name"] == CANONICAL and record["sha256"] == sha256(path) and record["bytes"] == path.stat().st_size
    assert record["form"] == FORMS[CANONICAL].describe


# ------------------------------------------------------------------------------------------------------ SpliceAI tables

GENES = [
    ["RET", "1", "chr10", "+", 43572475, 43625799, "43572779,43595907,", "43595906,43597789,"],
    ["CFTR", "0", "chr7", "+", 117120017, 117308719, "117120201,", "117144307,"],
    ["TP53", "1", "chr17", "-", 7571720, 7590856, "7573008,7574033,7577155,", "7573927,7576525,7577499,"],
    ["ONE", "0", "chr1", "-", 1000, 2000, "", ""],
    ["TWO", "1", "chr1", "-", 3000, 4000, "3100,", "3200,"],
]


def table(**changes):
    """The table, with values changed: r2c5=... is column 5 of row 2."""
    rows = [list(map(str, row)) for row in GENES]
    for key, value in changes.items():
        row, column = map(int, key[1:].split("c"))
        rows[row][column] = str(value)
    return "".join("\t".join(row) + "\n" for row in rows)


def moved(build, genes):
    """Changes that put genes where another build has them."""
    changes = {}
    for number, row in enumerate(GENES):
        if row[0] in genes:
            shift = ANCHORS[row[0]][1][build][0] - ANCHORS[row[0]][1]["hg19"][0]
            changes |= {f"r{number}c{column}": row[column] + shift for column in (4, 5)}
            for column in (6, 7):
                changes[f"r{number}c{column}"] = re.sub(r"\d+", lambda m, by=shift: str(int(m[0]) + by), row[column])
    return changes


@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(text.encode())])
def test_splice_table(tmp_path, pack):
    record = check(tmp_path, CANONICAL, pack(table()))
    assert record["build"] == "hg19"
    assert record["evidence"] == {"anchor_genes": 3, "at_their_place_in": {"hg19": 3, "hg38": 0}}
    assert record["counts"] == {
        "genes": 5,
        "genes_paralog_0": 2,
        "introns": 7,
        "positions_outside_transcripts": 0,
        "train": {"genes": 2, "introns": 5},
        "test": {"genes": 2, "introns": 1},
        "chromosomes": {
            "chr1": {"genes": 2, "genes_paralog_0": 1, "introns": 1},
            "chr7": {"genes": 1, "genes_paralog_0": 1, "introns": 1},
            "chr10": {"genes": 1, "genes_paralog_0": 0, "introns": 2},
            "chr17": {"genes": 1, "genes_paralog_0": 0, "introns": 3},
        },
    }
    assert list(record["counts"]["chromosomes"]) == ["chr1", "chr7", "chr10", "chr17"]
    assert record["published"]["status"] == "unconfirmed"
    assert record["published"]["train"] == {"genes": 13384, "introns": 130796}
    json.dumps(record, allow_nan=False)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"r0c0": ""}, "line 1: gene is '', expected a name"),
        ({"r1c1": "2"}, "line 2: paralog is '2', expected 0 or 1"),
        ({"r1c2": "chrM"}, "found the chromosome 'chrM', expected one of chr1 to chr22"),
        ({"r2c3": "."}, "line 3: strand is '.', expected + or -"),
        ({"r3c4": "0"}, "line 4: tx_start is '0', expected a position, counted from 1"),
        ({"r3c4": "1e3"}, "line 4: tx_start is '1e3', expected a position"),
        ({"r3c5": ""}, "line 4: tx_end is '', expected a position"),
        ({"r3c5": "1000"}, "line 4: tx_end is '1000', expected more than tx_start"),
        ({"r1c6": "117120201"}, "line 2: jn_start is '117120201', expected positions, each followed by a comma"),
        ({"r1c7": ",117144307,"}, "line 2: jn_end is ',117144307,', expected positions"),
        ({"r0c6": "43572779,"}, "line 1: the number of jn_start and jn_end is '1 and 2', expected as many of both"),
        ({"r4c6": "2999,"}, "line 5: jn_start is '2999,', expected all between tx_start and tx_end"),
        ({"r4c7": "4001,"}, "line 5: jn_end is '4001,', expected all between tx_start and tx_end"),
        ({"r4c7": "3100,"}, "line 5: jn_end is '3100,', expected each more than its jn_start"),
        ({"r4c0": "CFTR"}, "line 5: gene is 'CFTR', expected every gene once"),
        ({"r2c2": "17"}, "found the chromosomes 'chr10' and '17', expected all or none with chr"),
        ({"r4c7": "3200,\t9"}, "line 5: the number of columns is '9', expected 8 separated by tabs"),
        ({"r4c6": "3100,\n"}, "line 5: the number of columns is '7', expected 8 separated by tabs"),
        ({"r0c7": "43595906,43597789,\t9"}, "line 1: the number of columns is '9', expected 8 separated by tabs"),
        ({"r4c5": 249250622}, "ends beyond chr1, which is 249250621 bases long in hg19"),
        (
            moved("hg38", ["RET", "TP53"]),
            "1 of 3 well-known genes (RET, TP53 and others) lie where hg19 has them, and 2 where hg38 has them; "
            "expected coordinates of hg19",
        ),
        ({"r0c2": "chr11", "r1c2": "chr8"}, "1 of 3 well-known genes (RET, TP53 and others) lie where hg19 has them; "),
    ],
)
def test_bad_splice_tables(tmp_path, changes, sentence):
    refused(tmp_path, CANONICAL, table(**changes), sentence)


def test_build_of_splice_tables(tmp_path):
    moved_all = table(**moved("hg38", ["RET", "CFTR", "TP53"]))
    refused(tmp_path, CANONICAL, moved_all, "0 of 3 well-known genes", "3 where hg38 has them")
    # Most of them decide: one gene may lie elsewhere, and a table without any is of no known build.
    assert check(tmp_path, CANONICAL, table(**moved("hg38", ["TP53"])))["build"] == "hg19"
    unnamed = check(tmp_path, CANONICAL, table(r0c0="ENSG1", r1c0="ENSG2", r2c0="ENSG3"))
    assert unnamed["build"] == "not told" and unnamed["evidence"]["anchor_genes"] == 0


def test_gtex_table_may_hold_unequal_lists_and_positions_outside(tmp_path):
    text = table(r4c6="2999,3050,3100,", r4c7="3050,5000,")
    record = check(tmp_path, GTEX, text)
    assert record["counts"]["chromosomes"]["chr1"] == {"genes": 2, "genes_paralog_0": 1, "jn_start": 3, "jn_end": 2}
    assert record["counts"]["positions_outside_transcripts"] == 2
    assert record["counts"]["test"] == {"genes": 2, "jn_start": 1, "jn_end": 1}
    assert "published" not in record
    refused(tmp_path, CANONICAL, text, "line 5: jn_start is '2999,3050,3100,', expected all between")
    refused(tmp_path, GTEX, table(**moved("hg38", ["RET", "TP53"])), "2 where hg38 has them")


def test_anchor_genes_do_not_overlap_between_builds():
    for chrom, places in ANCHORS.values():
        (a, b), (c, d) = places["hg19"], places["hg38"]
        assert a < b and c < d and (b < c or d < a)
        assert b < BUILD_LENGTHS["hg19"][chrom] and d < BUILD_LENGTHS["hg38"][chrom]
        assert 0.9 < (b - a) / (d - c) < 1.1  # the same gene


@pytest.mark.shared
def test_real_splice_table(shared_data, tmp_path):
    with gzip.open(shared_data / "splicing/canonical_dataset.txt.gz", "rt") as handle:
        lines = handle.readlines()
    record = check(tmp_path, CANONICAL, "".join(lines))
    assert record["build"] == "hg19" and record["evidence"]["at_their_place_in"] == {"hg19": 12, "hg38": 0}
    counts = record["counts"]
    assert counts["genes"] == 18677 and len(counts["chromosomes"]) == 24
    assert counts["chromosomes"]["chr20"] == {"genes": 520, "genes_paralog_0": 164, "introns": 4533}
    assert {split: counts[split] for split in ("train", "test")} == {
        split: record["published"][split] for split in ("train", "test")
    }
    for number, line in enumerate(lines):
        fields = line.rstrip("\n").split("\t")
        if fields[0] in ANCHORS:
            places = ANCHORS[fields[0]][1]
            assert (int(fields[4]), int(fields[5])) == places["hg19"]
            shift = places["hg38"][0] - places["hg19"][0]
            lines[number] = "\t".join(
                [*fields[:4], *(re.sub(r"\d+", lambda m, by=shift: str(int(m[0]) + by), x) for x in fields[4:])]
            ) + "\n"  # fmt: skip
    refused(tmp_path, CANONICAL, "".join(lines), "0 of 12 well-known genes", "12 where hg38 has them; expected coord")
