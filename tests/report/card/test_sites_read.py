"""Test sites that lie in what pre-training has read, against counting base by base."""

import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from corpus_inputs import write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from genebert.corpus.groups import TRAIN, VALID, Groups
from genebert.errors import InputError
from genebert.files import read_json
from genebert.report.card.sites_read import sites_read

places = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 250), st.integers(1, 40)), min_size=1, max_size=10
)


def frame(rows):
    table = pd.DataFrame([(chrom, start, start + size) for chrom, start, size in rows])
    return table.set_axis(["chrom", "start", "end"], axis=1)


def write_examples(path, rows, labels):
    """Write examples, those of a place None without one."""
    table = pd.DataFrame([row or (None, 0, 0) for row in rows], columns=["chrom", "start", "size"])
    placed = table["chrom"].notna()
    ends = (table["start"] + table["size"]).astype("Int64").where(placed)
    starts = table["start"].astype("Int64").where(placed)
    table = table.assign(start=starts, end=ends, label=np.array(labels, np.int8), sequence="ACGTACGT", source="peak")
    table[["sequence", "label", "source", "chrom", "start", "end"]].to_parquet(path)
    return path


def groups_of(trained, n_regions):
    pairs = np.array([[one, one] for one in range(n_regions)], np.int32)
    split = np.array([TRAIN if one in trained else VALID for one in range(n_regions)], np.uint8)
    return Groups(pairs, np.zeros(n_regions, np.int16), np.arange(n_regions, dtype=np.int32), split)


@settings(max_examples=40)
@given(
    regions=places, examples=st.lists(st.tuples(st.none() | places.map(lambda rows: rows[0]), st.booleans()),
                                      min_size=1, max_size=12),
    region_bp=st.none() | st.integers(1, 30), data=st.data(),
)  # fmt: skip
def test_against_brute_force(tmp_path_factory, regions, examples, region_bp, data):
    regions = frame(regions).sort_values(["chrom", "start", "end"], ignore_index=True)
    trained = data.draw(st.sets(st.integers(0, len(regions) - 1), min_size=1))
    rows, labels = zip(*examples, strict=True)
    path = write_examples(tmp_path_factory.mktemp("test") / "test.parquet", rows, labels)
    found = sites_read(path, regions, groups_of(trained, len(regions)), region_bp)
    shown = set()
    for one in sorted(trained):
        chrom, start, end = regions.iloc[one]
        size = min(end - start, region_bp or end - start)
        first = start + (end - start - size) // 2
        shown |= {(chrom, base) for base in range(first, first + size)}
    expected = {"read": [], "others": []}
    for number, (row, label) in enumerate(examples):
        if row is not None and label:
            is_read = any((row[0], base) in shown for base in range(row[1], row[1] + row[2]))
            expected["read" if is_read else "others"].append(number)
    assert {part: found[part] for part in expected} == expected
    assert found["n_test"] == len(examples)
    assert found["regions"] == {"number": len(trained), "bases": len(shown), "region_bp": region_bp}


def test_the_rule_from_the_files_of_a_run(tmp_path, root, monkeypatch):
    """Its script, with what Snakemake gives it."""
    regions = frame([("chr1", 10 * number, 8) for number in range(30)])
    groups = write_corpus(tmp_path, regions)
    rows = [("chr1", 0, 30), ("chr1", 8, 2), ("chr1", 290, 5), ("chr1", 0, 30)]
    test = write_examples(tmp_path / "test.parquet", rows, [1, 1, 1, 0])
    job = SimpleNamespace(
        input=SimpleNamespace(
            accessible=str(tmp_path / "accessible.h5ad"),
            corpus=[str(tmp_path / "groups.npz"), str(tmp_path / "corpus.json")],
            test=str(test),
        ),
        output=[str(tmp_path / "sites_read.json")],
        params=SimpleNamespace(region_bp=4),
        wildcards=SimpleNamespace(task="tfbs", dataset="toy"),
        log=[str(tmp_path / "log")],
    )
    scripts = root / "workflow" / "scripts"
    monkeypatch.syspath_prepend(str(scripts))
    runpy.run_path(str(scripts / "sites_read.py"), {"snakemake": job})
    assert "tfbs/toy: 1 sites lie in what was read, 2 do not" in (tmp_path / "log").read_text()
    assert read_json(tmp_path / "sites_read.json") == {"data_set": "tfbs/toy", **sites_read(test, regions, groups, 4)}


def test_a_file_of_another_kind_is_refused(tmp_path):
    pd.DataFrame({"chrom": ["chr1"]}).to_parquet(tmp_path / "test.parquet")
    with pytest.raises(InputError, match=r"test\.parquet: has no column sequence, label"):
        sites_read(tmp_path / "test.parquet", frame([("chr1", 0, 10)]), groups_of([0], 1))
