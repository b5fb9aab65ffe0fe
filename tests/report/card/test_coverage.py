"""Splice sites within pre-training regions, against counting base by base."""

import runpy
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from corpus_inputs import write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from splice_inputs import chromosomes, make_set, table_text, write_genome

from genebert.corpus.groups import TRAIN, VALID, Groups
from genebert.errors import InputError
from genebert.files import read_json
from genebert.report.card.coverage import CONTEXTS, coverage, inner, stretches

LENGTH = 300
places = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, LENGTH - 1), st.integers(1, 90)),
    min_size=1, max_size=12, unique_by=lambda place: place[:2],
)  # fmt: skip


def frame(rows):
    table = pd.DataFrame([(chrom, start, min(start + size, LENGTH)) for chrom, start, size in rows])
    return table.set_axis(["chrom", "start", "end"], axis=1).sort_values(["chrom", "start"], ignore_index=True)


def masks(regions):
    """Return bases of each chromosome that lie in a region."""
    found = {chrom: np.zeros(LENGTH, dtype=bool) for chrom in ("chr1", "chr2")}
    for chrom, start, end in regions[["chrom", "start", "end"]].itertuples(index=False):
        found[chrom][start:end] = True
    return found


@given(places, st.integers(0, 200))
def test_bases_with_their_window_in_regions(rows, context):
    regions, half = frame(rows), context // 2
    seen = masks(inner(stretches(regions), context))
    for chrom, mask in masks(regions).items():
        for base in range(LENGTH):
            window = range(base - half, base + half + 1)
            expected = all(0 <= one < LENGTH and mask[one] for one in window)
            assert seen[chrom][base] == expected


def test_regions_that_touch_are_one_stretch_and_those_of_two_chromosomes_are_not():
    regions = frame([("chr1", 0, 10), ("chr1", 10, 5), ("chr1", 15, 5), ("chr1", 21, 4), ("chr2", 25, 5)])
    assert stretches(regions).to_numpy().tolist() == [["chr1", 0, 20], ["chr1", 21, 25], ["chr2", 25, 30]]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data set of genes on both strands, some of which overlap."""
    folder = tmp_path_factory.mktemp("genes")
    genome = write_genome(folder, chromosomes())
    make_set(folder, table_text(), genome, split="gene", test_fraction=0.4, valid_fraction=0.3)
    return {name: folder / f"{name}.parquet" for name in ("train", "valid", "test")}


@cache
def evaluated(path):
    """Return chromosome, place on the "+" strand and label of every base of a split that is evaluated."""
    found = []
    for block in pd.read_parquet(path).itertuples():
        for base, label in enumerate(block.label):
            place = block.end - 1 - base if block.strand == "-" else block.start + base
            found += [(block.chrom, place, int(label))] if label >= 0 else []
    return found


def by_hand(splits, regions, context):
    """Count sites and bases of some splits, base by base."""
    half, found = context // 2, {"sites": 0, "sites_covered": 0, "bases": 0, "bases_covered": 0}
    covered = {}
    for chrom, mask in masks(regions).items():
        for place in range(LENGTH):
            first, last = place - half, place + half + 1
            covered[chrom, place] = first >= 0 and last <= LENGTH and all(mask[first:last])
    for path in splits:
        for chrom, place, label in evaluated(path):
            found["bases"] += 1
            found["bases_covered"] += int(covered[chrom, place])
            found["sites"] += int(label > 0)
            found["sites_covered"] += int(covered[chrom, place] and label > 0)
    return found


def groups_of(rows, n_regions):
    """Return groups of pairs of regions: those for training, and all others for validation."""
    pairs = np.array([[one, one] for one in range(n_regions)], np.int32)
    split = np.array([TRAIN if one in rows else VALID for one in range(n_regions)], np.uint8)
    return Groups(pairs, np.zeros(n_regions, np.int16), np.arange(n_regions, dtype=np.int32), split)


@settings(max_examples=25)
@given(rows=places, region_bp=st.one_of(st.none(), st.integers(1, 120)), data=st.data())
def test_against_brute_force(made, rows, region_bp, data):
    regions = frame(rows)
    trained = data.draw(st.sets(st.integers(0, len(regions) - 1), min_size=1))
    found = coverage(made, regions, groups_of(trained, len(regions)), region_bp)
    shown = regions.iloc[sorted(trained)]
    if region_bp is not None:
        sizes = (shown["end"] - shown["start"]).clip(upper=region_bp)
        start = shown["start"] + (shown["end"] - shown["start"] - sizes) // 2
        shown = shown.assign(start=start, end=start + sizes)
    bases = sum(int(mask.sum()) for mask in masks(shown).values())
    assert found["regions"] == {"number": len(trained), "bases": bases, "region_bp": region_bp}
    assert list(found["contexts"]) == [str(context) for context in CONTEXTS]
    for context in CONTEXTS:
        for part, splits in (("all", made.values()), ("test", [made["test"]])):
            expected = by_hand(splits, shown, context)
            told = found["contexts"][str(context)][part]
            assert {name: told[name] for name in expected} == expected
            assert told["share_of_sites"] == pytest.approx(expected["sites_covered"] / expected["sites"], abs=1e-6)


def test_the_rule_from_the_files_of_a_run(made, tmp_path, root, monkeypatch):
    """Its script, with what Snakemake gives it."""
    regions = frame([("chr1", 10 * number, 8) for number in range(30)])
    groups = write_corpus(tmp_path, regions)
    job = SimpleNamespace(
        input=SimpleNamespace(
            accessible=str(tmp_path / "accessible.h5ad"),
            corpus=[str(tmp_path / "groups.npz"), str(tmp_path / "corpus.json")],
            splits=list(map(str, made.values())),
        ),
        output=[str(tmp_path / "coverage.json")],
        params=SimpleNamespace(region_bp=4),
        wildcards=SimpleNamespace(task="splicing", dataset="toy"),
        log=[str(tmp_path / "log")],
    )
    scripts = root / "workflow" / "scripts"
    monkeypatch.syspath_prepend(str(scripts))
    runpy.run_path(str(scripts / "coverage.py"), {"snakemake": job})
    assert "splicing/toy, context 80: 0 of" in (tmp_path / "log").read_text()
    assert read_json(tmp_path / "coverage.json") == {"data_set": "splicing/toy", **coverage(made, regions, groups, 4)}


def test_files_of_another_kind_are_refused(tmp_path):
    groups, regions = groups_of([0], 1), frame([("chr1", 0, 10)])
    with pytest.raises(InputError, match=r"test\.parquet: cannot be read as parquet"):
        coverage({"test": tmp_path / "test.parquet"}, regions, groups)
    pd.DataFrame({"chrom": ["chr1"], "sequence": ["ACGT"]}).to_parquet(tmp_path / "test.parquet")
    with pytest.raises(InputError, match=r"test\.parquet: has no column start, end, .*expected blocks of genes"):
        coverage({"test": tmp_path / "test.parquet"}, regions, groups)
