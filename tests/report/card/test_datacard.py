"""The data card: every number against an independent count on small runs made by the package's own stages."""

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from datacard_inputs import SETTINGS, make_run, page_of
from hypothesis import given
from hypothesis import strategies as st

from genebert.corpus.groups import TRAIN, VALID, Groups
from genebert.files import read_json
from genebert.genome.bases import encode
from genebert.genome.sequences import RegionSequences
from genebert.motifs.matrix import load_motif_matrix
from genebert.report.card import compute as dc


def the_run(run):
    data = anndata.read_h5ad(run.accessibility / "accessible.h5ad")
    sequences, groups = RegionSequences.load(run.sequences), Groups.load(run.corpus)
    return data, data.X.toarray().astype(bool), sequences, groups


# -------------------------------------------------------------------------------------------------- numbers of the card


def test_types_and_sharing(made):
    run, card = made
    data, open_, _, groups = the_run(run)
    sets = {name: set(np.flatnonzero(row)) for name, row in zip(data.obs_names, open_, strict=True)}
    in_types = Counter(region for regions in sets.values() for region in regions)
    assert card["sharing"]["regions_open_in"] == [sum(n == i for n in in_types.values()) for i in (1, 2, 3)]
    assert sum(card["sharing"]["regions_open_in"]) == data.n_vars
    for i, (name, regions) in enumerate(sets.items()):
        row = card["cell_types"][name]
        assert row["accessible_regions"] == len(regions)
        assert row["share_of_union"] == pytest.approx(len(regions) / data.n_vars, abs=1e-6)
        assert row["only_here"] == sum(in_types[region] == 1 for region in regions) > 0
        mine = groups.cell_type == i
        assert row["groups"] == int((groups.split[mine] == TRAIN).sum())
        assert row["validation_groups"] == int((groups.split[mine] == VALID).sum())
        assert row["held_out"] == int((data.var["chrom"].to_numpy()[list(regions)] == "chr3").sum())
        assert len(regions) == row["held_out"] + row["left_over"] + 4 * int(mine.sum())
        for j, other in enumerate(sets.values()):
            assert card["sharing"]["shared"][i][j] == len(regions & other)
            assert card["sharing"]["jaccard"][i][j] == pytest.approx(
                len(regions & other) / len(regions | other), abs=1e-6
            )
    expected = {pair: len(sets[pair[0]] & sets[pair[1]]) / len(sets[pair[0]] | sets[pair[1]])
                for pair in combinations(sets, 2)}  # fmt: skip
    assert [tuple(p["cell_types"]) for p in card["sharing"]["pairs"]] == sorted(
        expected, key=expected.get, reverse=True
    )


def test_cells_and_fragments(made):
    run, card = made
    sums = anndata.read_h5ad(run.accessibility / "pseudobulk.h5ad")
    for name, row in card["cell_types"].items():
        assert row["fragments"] == int(sums[name].X.sum())
    cells = [row["cells"] for row in card["cell_types"].values()]
    page = page_of(card)
    if card["steps"]["format"] == "bed":
        assert cells == [None, None, None]
        assert "| Cell type | Cells | Peaks |" in page and "ragment" not in page
        assert "| Astrocytes | - |" in page
    else:
        table = pd.read_csv(run.raw["cells"], sep="\t", keep_default_na=False)
        assert cells == [int((table["cell_type"] == name).sum()) for name in card["cell_types"]]
        assert card["steps"]["cells_without_type"] == 1
        assert "BED" not in page


def test_steps(made):
    run, card = made
    steps, (data, _, sequences, groups) = card["steps"], the_run(run)
    assert steps["input_regions"] - sum(step["dropped"] for step in steps["dropped_regions"]) == data.n_vars
    assert {step["step"]: step["dropped"] for step in steps["dropped_regions"]}["blacklist"] > 0
    assert steps["region_bases"] == len(sequences.codes)
    assert steps["pairs"] == data.X.nnz
    assert steps["pairs"] == steps["pairs_held_out"] + steps["pairs_left_over"] + groups.regions.size
    assert (steps["groups"], steps["validation_groups"]) == (
        int((groups.split == TRAIN).sum()),
        int(groups.split.sum()),
    )
    lengths = np.diff(sequences.offsets)
    shown = [sum(min(51, lengths[r]) for r in row) for row in groups.subset(TRAIN).regions]
    assert steps["mean_bases_shown_per_sample"] == pytest.approx(np.mean(shown), abs=0.05)
    kmers = [sum(max(0, min(51, lengths[r]) - 2) for r in row) for row in groups.subset(TRAIN).regions]
    assert steps["cropped_samples"] == {
        "places": {"k": 3, "max_tokens": 180, "layout": "concatenated"},
        "share": pytest.approx(np.mean(np.array(kmers) > 177), abs=1e-6),
    }
    whole = [sum(lengths[r] for r in row) for row in groups.subset(TRAIN).regions]
    assert card["paper"]["mean_bases_per_sample"] == {"run": round(np.mean(whole)), "paper": round(504.6423 * 4)}


def test_lengths(made):
    run, card = made
    lengths = sorted(np.diff(the_run(run)[2].offsets).tolist())
    found = card["region_lengths"]
    assert (found["min"], found["max"]) == (lengths[0], lengths[-1])
    assert found["mean"] == pytest.approx(sum(lengths) / len(lengths), abs=1e-3)
    for percent in (5, 25, 50, 75, 95):  # linear between the two nearest
        place = percent / 100 * (len(lengths) - 1)
        low = int(place)
        high = min(low + 1, len(lengths) - 1)
        assert found[f"p{percent}"] == pytest.approx(lengths[low] + (place - low) * (lengths[high] - lengths[low]))
    edges = found["histogram"]["edges"]
    expected = [sum(low <= n < high for n in lengths) for low, high in pairwise(edges)]
    assert found["histogram"]["counts"] == expected


def test_lengths_beyond_the_histogram_are_counted():
    found = dc.region_lengths(np.array([10, 49, 50, 1999, 2000, 9000]))["histogram"]
    assert (found["counts"][0], found["counts"][1], found["counts"][-1]) == (2, 1, 1)
    assert found["at_least_last_edge"] == 2
    assert found["edges"][-1] == 2000


def test_motifs(made):
    run, card = made
    values = load_motif_matrix(run.motifs)
    assert card["motifs"]["motifs_hit_per_region"] == pytest.approx(values.sum(axis=1).mean(), abs=1e-4)
    assert card["motifs"]["share_of_ones"] == pytest.approx((values > 0).mean(), abs=1e-6)


@pytest.mark.parametrize("region_bp", [None, 51])
def test_chance_is_that_of_the_bases_that_were_scanned(tmp_path, region_bp):
    """The regions of the toy run are random: chance must come out, of whole regions as of their middles."""
    run = make_run(tmp_path, "mtx", 3, region_bp)
    card = dc.compute_card(SETTINGS, replace(run, motif_region_bp=region_bp))
    motifs = card["motifs"]
    chance, ones = motifs["by_chance"].values()
    n = card["duplicates"]["regions"]
    assert abs(motifs["motifs_hit_per_region"] - chance) * n < 3.5 * np.sqrt(chance * n)
    page = page_of(card)
    assert f"| by chance, in as many bases | {chance:.1f} | {100 * ones:.2f} % |" in page
    assert ("only the middle 51 bp of each region were scanned" in page) is (region_bp == 51)


@given(st.lists(st.text("ACGTN", min_size=1, max_size=3), min_size=1, max_size=25))
def test_identical_sequences_against_sets(texts):
    offsets = np.concatenate(([0], np.cumsum([len(text) for text in texts])))
    found = dc.count_identical(RegionSequences(encode("".join(texts)), offsets, "toy"))
    either = [min(text, text.translate(str.maketrans("ACGT", "TGCA"))[::-1]) for text in texts]
    for suffix, values in (("", texts), ("_up_to_strand", either)):
        times = Counter(values)
        assert found[f"different{suffix}"] == len(times)
        assert found[f"in_repeats{suffix}"] == sum(n for n in times.values() if n > 1)


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 2), min_size=1, max_size=20), st.integers(0, 5))
def test_groups_of_the_same_regions_against_tuples(rows, n_valid):
    n = len(rows)
    regions = np.array([*rows, *[(0, 1)] * n_valid], dtype=np.int32)
    split = np.array([TRAIN] * n + [VALID] * n_valid, dtype=np.uint8)
    zeros = np.zeros(n + n_valid, dtype=np.int32)
    sequences = RegionSequences(encode("ACG"), np.arange(4), "toy")
    found = dc.duplicates(Groups(regions, zeros, zeros, split), sequences, 7)
    times = Counter(rows)
    assert found["groups"] == {
        "groups": n, "different": len(times), "same_regions_in_several_types": sum(k for k in times.values() if k > 1),
        "share": round(sum(k for k in times.values() if k > 1) / n, 6),
    }  # fmt: skip
    assert found["pairs_per_region"] == round(7 / 3, 4)
    assert found["paper_pairs"] == 17_000_493


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(1, 30)), min_size=1, max_size=8))
def test_share_of_the_genome_counts_no_base_twice(places):
    regions = pd.DataFrame({"chrom": "chr1", "start": [s for s, _ in places], "end": [s + n for s, n in places]})
    found = dc.genome_share(regions, {"build": "toy", "lengths": {"chr1": 200, "chr2": 50}, "md5": {}}, 3)
    covered = len({i for s, n in places for i in range(s, s + n)})
    assert (found["covered_bases"], found["bases"], found["n_bases_in_regions"]) == (covered, 250, 3)
    assert found["regions_bases"] == sum(n for _, n in places)
    assert found["share"] == round(covered / 250, 6)
    assert found["paper"]["share"] == pytest.approx(504_657_456 / 3_036_303_846, abs=1e-6)


def test_the_papers_figures(made):
    run, card = made
    data, _, sequences, _ = the_run(run)
    ours = {"cell_types": 3, "regions": data.n_vars, "bases_of_regions": len(sequences.codes),
            "mean_region_length": round(len(sequences.codes) / data.n_vars, 1),
            "region_cell_type_pairs": data.X.nnz}  # fmt: skip
    paper = {"cell_types": 17, "regions": 1_000_029, "bases_of_regions": 504_657_456, "mean_region_length": 504.6,
             "region_cell_type_pairs": 17_000_000}  # fmt: skip
    for key, value in ours.items():
        assert card["paper"][key] == {"run": value, "paper": paper[key]}
    assert dc.paper_comparison(1, 1, 1, 1, 1.0, 10)["mean_bases_per_sample"]["paper"] == 5046


def test_hashes(made):
    run, card = made
    for key, path in run.raw.items():
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        assert card["inputs"][key] == {"file": Path(path).name, "bytes": Path(path).stat().st_size, "sha256": digest}
    assert list(card["inputs"]) == list(run.raw)
    whole = hashlib.sha256((run.accessibility / "accessible.h5ad").read_bytes()).hexdigest()
    assert card["made"]["accessible.h5ad"] == whole
    assert card["made"]["sequences"] == read_json(run.sequences / "regions.json")["sha256"]
    assert card["made"]["motifs"] == read_json(run.motifs / "motifs.json")["sha256"]
    assert str(run.accessibility.parent) not in json.dumps(card)


def test_leakage_is_that_of_the_runs_own_groups(made):
    run, card = made
    data, _, _, groups = the_run(run)
    used = set(groups.subset(TRAIN).regions.ravel().tolist())
    places = data.var.iloc[sorted(used)]
    test = pd.read_parquet(run.data_sets["promoter/toy"]["test"])
    placed = test[test["chrom"].notna()]
    hits = [
        ((places["chrom"] == row.chrom) & (places["start"] < row.end) & (places["end"] > row.start)).any()
        for row in placed.itertuples()
    ]
    found = card["leakage"]["data_sets"]["promoter/toy"]["test"]
    assert found["training"]["placed"]["overlapping"] == sum(hits) > 0
    assert found["on_holdout_chromosomes"] == int((placed["chrom"] == "chr3").sum()) > 0
    assert "training_shown" in found
    assert found["training"]["unplaced"]["found"] > 0


# ----------------------------------------------------------------------------------------------------------- the rule


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("config", "inputs"),
    [
        ("config/demo.yaml", ["matrix.mtx.gz", "peaks.bed", "cells.tsv", "blacklist.bed", "genome.fa.gz", "epdnew.bed",
                              "promoter_motifs.txt"]),
        ("config/config.yaml", ["cerebrum", "hg19.fa.gz", "Hs_EPDnew_006_hg19.bed", "promoter_motifs.txt"]),
    ],
)  # fmt: skip
def test_the_rule_reads_all_raw_files_and_all_splits(root, tmp_path, config, inputs):
    run = {"config/demo.yaml": "demo", "config/config.yaml": "paper"}[config]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("snakemake")), "-n", "--directory", str(tmp_path), "--configfile", config,
         "--", f"results/{run}/corpus/card.md"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plan = done.stdout.split("rule card:")[1]
    listed = re.search(r"input: (.*)", plan)[1]
    for name in (*inputs, *(f"promoter/prom-core/{split}.parquet" for split in ("train", "valid", "test"))):
        assert name in listed
