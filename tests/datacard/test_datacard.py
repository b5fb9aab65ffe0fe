"""The data card: every number against an independent count on small runs made by the package's own stages."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from motif_reference import random_motif

from genebert import accessibility as acc
from genebert.corpus import TRAIN, VALID, Groups, build_corpus
from genebert.datacard import compute as dc
from genebert.datacard import write_card
from genebert.datacard.page import render_card
from genebert.datacard.plots import plot_regions_per_type, plot_sharing
from genebert.errors import InputError
from genebert.files import read_json, write_json
from genebert.genome import Genome, RegionSequences, encode, extract_sequences, prepare_genome
from genebert.motifs import MotifMatrix, MotifSettings, build_motif_matrix

CHROMOSOMES = ["chr1", "chr2", "chr3"]
TYPES = ["Astrocytes", "Astrocytes/Oligodendrocytes", "a|b"]
PICTURES = [f"{name}.{suffix}" for name in ("regions_per_type", "sharing") for suffix in ("svg", "png")]


def make_inputs(folder, rng):
    """A genome of three chromosomes, 240 peaks of differing length, 30 cells of three types and one without."""
    sizes = dict(zip(CHROMOSOMES, (50_000, 40_000, 20_000), strict=True))
    text = "".join(f">{name}\n{''.join(rng.choice(list('ACGT'), size))}\n" for name, size in sizes.items())
    (folder / "source.fa").write_text(text)
    prepare_genome(folder / "source.fa", folder / "genome" / "genome.fa", "toy", CHROMOSOMES)
    starts = {name: 450 * np.arange(size // 460) for name, size in sizes.items()}
    rows = [(name, int(s), int(s + rng.integers(40, 440))) for name, at in starts.items() for s in at]
    pd.DataFrame(rows).to_csv(folder / "peaks.bed", sep="\t", header=False, index=False)
    types = [*rng.choice(TYPES, 29), ""]
    counts = (rng.random((len(rows), 30)) < rng.beta(0.3, 2, len(rows))[:, None]) * rng.integers(1, 4, 30)
    scipy.io.mmwrite(folder / "matrix.mtx", sp.coo_matrix(counts))
    pd.DataFrame({"cell": range(30), "cell_type": types}).to_csv(folder / "cells.tsv", sep="\t", index=False)
    (folder / "blacklist.bed").write_text("chr1\t4000\t5000\nchr2\t100\t200\n")
    for i, name in enumerate(TYPES):
        open_ = counts[:, np.array(types) == name].any(axis=1)
        pd.DataFrame([row for row, is_open in zip(rows, open_, strict=True) if is_open]).to_csv(
            folder / f"type{i}.bed", sep="\t", header=False, index=False
        )


def examples(folder, rng, genome):
    """Promoters with a place and shuffles without, one split of each."""
    for split in ("train", "valid", "test"):
        rows = []
        for i in range(40):
            chrom, start = str(rng.choice(CHROMOSOMES)), int(rng.integers(0, 19_000))
            place = (chrom, start, start + 70) if i % 2 else (None, None, None)
            rows.append((genome[chrom][start : start + 70], i % 2, "promoter" if i % 2 else "shuffle", *place))
        frame = pd.DataFrame(rows, columns=["sequence", "label", "source", "chrom", "start", "end"])
        frame.astype({"chrom": "string", "start": "Int64", "end": "Int64"}).to_parquet(folder / f"{split}.parquet")


def make_run(folder, form, seed, motif_region_bp=None):
    """Run all stages before pre-training; return what compute_card takes."""
    rng = np.random.default_rng(seed)
    make_inputs(folder, rng)
    if form == "mtx":
        files = {key: folder / name for key, name in
                 (("matrix", "matrix.mtx"), ("peaks", "peaks.bed"), ("cells", "cells.tsv"))}  # fmt: skip
        inputs = acc.MatrixInputs("mtx", **files)
    else:
        files = {name: folder / f"type{i}.bed" for i, name in enumerate(TYPES)}
        inputs = acc.MatrixInputs("bed", beds=files)
    files = {**files, "blacklist": folder / "blacklist.bed", "genome": folder / "source.fa"}
    out = folder / "accessibility"
    acc.build_accessibility(
        acc.AccessibilitySettings(blacklist=folder / "blacklist.bed"), inputs, folder / "genome/genome.fa", "toy",
        CHROMOSOMES, out / "pseudobulk.h5ad", out / "accessible.h5ad", out / "summary.json",
    )  # fmt: skip
    genome = Genome(folder / "genome/genome.fa")
    sequences = extract_sequences(genome, acc.load_regions(out / "accessible.h5ad"), "toy", "test")
    sequences.save(folder / "sequences")
    motifs = [random_motif(rng, width, f"M{width}") for width in (5, 7, 9)]
    settings = MotifSettings(matrix="binary", release="test")
    build_motif_matrix(sequences.crop(motif_region_bp), motifs, settings, folder / "motifs", 1)
    build_corpus(out / "accessible.h5ad", folder / "corpus", 4, ["chr3"], 0.1)
    text = {name: (folder / "source.fa").read_text().split(f">{name}\n")[1].split("\n")[0] for name in CHROMOSOMES}
    (folder / "tasks").mkdir()
    examples(folder / "tasks", rng, text)
    return {
        "accessibility": out, "sequences_folder": folder / "sequences", "motifs_folder": folder / "motifs",
        "corpus_folder": folder / "corpus", "genome_json": folder / "genome/genome.json", "inputs": files,
        "data_sets": {
            "promoter/toy": {split: folder / f"tasks/{split}.parquet" for split in ("train", "valid", "test")}
        },
    }  # fmt: skip


SETTINGS = dc.CardSettings("toy", "simulated, test size", ("A note.",), region_bp=51)


@pytest.fixture(scope="module", params=[("mtx", 1), ("bed", 2)], ids=["mtx", "bed"])
def made(request, tmp_path_factory):
    """A finished run: its folders and its card."""
    run = make_run(tmp_path_factory.mktemp("run"), *request.param)
    return run, dc.compute_card(SETTINGS, **run)


def the_run(run):
    data = anndata.read_h5ad(run["accessibility"] / "accessible.h5ad")
    sequences, groups = RegionSequences.load(run["sequences_folder"]), Groups.load(run["corpus_folder"])
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
    sums = anndata.read_h5ad(run["accessibility"] / "pseudobulk.h5ad")
    for name, row in card["cell_types"].items():
        assert row["fragments"] == int(sums[name].X.sum())
    cells = [row["cells"] for row in card["cell_types"].values()]
    page = render_card(card)
    if card["steps"]["format"] == "bed":
        assert cells == [None, None, None]
        assert "BED input has no cells" in page
        assert "| Astrocytes | - |" in page
    else:
        table = pd.read_csv(run["inputs"]["cells"], sep="\t", keep_default_na=False)
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
    values = MotifMatrix.load(run["motifs_folder"]).values
    assert card["motifs"]["motifs_hit_per_region"] == pytest.approx(values.sum(axis=1).mean(), abs=1e-4)
    assert card["motifs"]["share_of_ones"] == pytest.approx((values > 0).mean(), abs=1e-6)
    assert card["motifs"]["expected"]["motifs_hit_per_region"] == 52.4


@pytest.mark.parametrize(
    ("p", "region_bp", "expected"), [(1e-5, None, "| expected by chance | 9.1 | 1.60 % |"), (1e-7, 51, "4.5 | 0.80 %"),
                                     (2e-4, None, None)],
)  # fmt: skip
def test_expected_motifs_are_shown_only_for_the_p_they_hold_for(made, p, region_bp, expected):
    info = read_json(made[0]["motifs_folder"] / "motifs.json")
    info["settings"]["p_value"] = p
    card = {**made[1], "motifs": dc.motif_density(info, region_bp)}
    page = render_card(card)
    assert (expected or "No expected values are known for this p") in page
    assert ("expected by chance" in page) is (expected is not None)
    assert ("only the middle 51 bp of each region were scanned" in page) is (region_bp == 51)
    if expected:
        assert "random sequences of 505 bp" in page
        assert "not scaled" in page


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
    found = dc.duplicates(Groups(regions, zeros, zeros, split, ["a"]), sequences, 7)
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
    for key, path in run["inputs"].items():
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        assert card["inputs"][key] == {"file": Path(path).name, "bytes": Path(path).stat().st_size, "sha256": digest}
    assert list(card["inputs"]) == list(run["inputs"])
    whole = hashlib.sha256((run["accessibility"] / "accessible.h5ad").read_bytes()).hexdigest()
    assert card["made"]["accessible.h5ad"] == whole
    assert card["made"]["sequences"] == read_json(run["sequences_folder"] / "regions.json")["sha256"]
    assert card["made"]["motifs"] == read_json(run["motifs_folder"] / "motifs.json")["sha256"]
    assert str(run["accessibility"].parent) not in json.dumps(card)


def test_leakage_is_that_of_the_runs_own_groups(made):
    run, card = made
    data, _, _, groups = the_run(run)
    used = set(groups.subset(TRAIN).regions.ravel().tolist())
    places = data.var.iloc[sorted(used)]
    test = pd.read_parquet(run["data_sets"]["promoter/toy"]["test"])
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


# ----------------------------------------------------------------------------------------------------------- the page


def test_the_page_shows_the_run_and_the_numbers(made):
    _, card = made
    page = render_card(card)
    assert page.startswith("# Data card of run toy\n\n**Scale: simulated, test size.**")
    assert "- A note." in page
    for row in card["cell_types"].values():
        assert f"| {row['accessible_regions']:,} | {100 * row['share_of_union']:.1f} % | {row['only_here']:,} |" in page
    for picture in ("regions_per_type.png", "sharing.png"):
        assert f"]({picture})" in page
    assert "| a\\|b |" in page
    for row in card["inputs"].values():
        assert f"`{row['sha256'][:16]}`" in page
    found = card["leakage"]["data_sets"]["promoter/toy"]["test"]["training"]
    assert f"| promoter/toy | test | all | training | 20 | {found['placed']['overlapping']} (" in page
    assert "without any label" in page
    # Every table row has as many cells as its heading.
    for block in re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_other_numbers_give_another_page(made):
    """No figure of the page stands in the code: change any number of the card, and the page changes."""
    _, card = made

    def bump(value, path=()):
        """Yield (path, card with one number changed) for all numbers that the page is to show."""
        if isinstance(value, dict):
            for key, item in value.items():
                for where, changed in bump(item, (*path, key)):
                    yield where, {**value, key: changed}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield path, value + 1000
        elif isinstance(value, list) and path[-1] == "regions_open_in":
            yield path, [value[0] + 1000, *value[1:]]

    parts = ("paper", "steps", "cell_types", "region_lengths", "motifs", "genome", "sharing", "duplicates")
    only_in_json = {
        ("genome", "regions_bases"),  # also in `paper`
        ("genome", "n_bases_in_regions"),  # also in `steps`
        ("region_lengths", "histogram", "at_least_last_edge"),
        ("duplicates", "sequences", "in_repeats"),
        ("duplicates", "groups", "different"),
    }
    page = render_card(card)
    shown = 0
    for part in parts:
        for path, changed in bump(card[part]):
            if (part, *path) not in only_in_json:
                assert render_card({**card, part: changed}) != page, (part, path)
                shown += 1
    assert shown > 60


def test_many_data_sets_keep_the_page_short(made):
    _, card = made
    one = card["leakage"]["data_sets"]["promoter/toy"]
    many = {**card, "leakage": {**card["leakage"], "data_sets": {f"tfbs/set{i}": one for i in range(9)}}}
    page = render_card(many)
    assert page.count("| tfbs/set") == 9 * 3
    assert "label 1" not in page
    assert "label 1" in render_card(card)
    none = {**card, "leakage": {**card["leakage"], "data_sets": {}}}
    assert "No downstream data set is configured." in render_card(none)


def test_the_same_card_gives_the_same_bytes(made, tmp_path):
    """In this process, and in another one with another hash seed and another matplotlibrc."""
    _, card = made
    write_card(card, tmp_path / "one")
    assert json.loads((tmp_path / "one/card.json").read_text()) == card
    (tmp_path / "matplotlibrc").write_text("axes.linewidth: 5\nsvg.hashsalt: other\n")
    code = "import sys; from genebert import datacard, files; datacard.write_card(files.read_json(sys.argv[1]), 'two')"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "one/card.json")], cwd=tmp_path, check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")},
    )  # fmt: skip
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(["card.json", "card.md", *PICTURES])
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


@pytest.mark.parametrize("n", [1, 3, 21])
@pytest.mark.filterwarnings("error")
def test_pictures_of_few_and_many_types(tmp_path, n):
    """Names are whole, values stand in the heat map up to twenty types, and other numbers give other pictures."""
    rng = np.random.default_rng(n)
    open_ = rng.random((n, 60)) < 0.4
    names = [f"Astrocytes/Oligodendrocytes {i}" for i in range(n)]
    if n == 3:
        open_[2] = False
    shared = dc.sharing(sp.csr_matrix(open_), names)
    bars = {name: {"accessible_regions": int(open_[i].sum()), "only_here": shared["only_here"][i]}
            for i, name in enumerate(names)}  # fmt: skip
    plot_sharing(shared, tmp_path, "title")
    plot_regions_per_type(bars, tmp_path, "title")
    pictures = {name: (tmp_path / name).read_bytes() for name in PICTURES}
    assert all(pictures.values())
    text = pictures["sharing.svg"].decode()
    drawn = re.findall(r"<!-- (.*?) -->", text)
    assert sum("Oligodendrocytes" in word for word in drawn) == 2 * n
    values = [word for word in drawn if re.fullmatch(r"0\.\d\d", word)]
    assert (len(values) >= n * (n - 1)) is (n <= 20)
    assert all(f"{row['accessible_regions']}" in pictures["regions_per_type.svg"].decode() for row in bars.values())
    bars[names[0]]["accessible_regions"] += 1
    plot_regions_per_type(bars, tmp_path, "title")
    assert (tmp_path / "regions_per_type.svg").read_bytes() != pictures["regions_per_type.svg"]


# --------------------------------------------------------------------------------------------- parts that do not belong


def change(run, tmp_path, part, name, edit):
    """Return the arguments of a run with one JSON file of one part changed."""
    folder = tmp_path / part
    folder.mkdir()
    for path in Path(run[part]).iterdir():
        (folder / path.name).symlink_to(path)
    content = read_json(folder / name)
    edit(content)
    (folder / name).unlink()
    write_json(folder / name, content)
    return {**run, part: folder}


@pytest.mark.parametrize(
    ("part", "name", "edit", "sentence"),
    [
        ("accessibility", "summary.json", {"regions": 7}, "summary.json: of 7 regions, but accessible.h5ad has"),
        ("motifs_folder", "motifs.json", {"regions": 7}, "motifs.json: of 7 regions"),
        ("corpus_folder", "corpus.json", {"regions": 7}, "corpus.json: of 7 regions"),
        ("corpus_folder", "corpus.json", {"cell_types": ["x"]}, "corpus.json: cell types x; expected Astrocytes"),
        ("accessibility", "summary.json", {"cell_types": {"x": 0}}, "summary.json: cell types x; expected"),
        ("corpus_folder", "corpus.json", {"accessible_sha256": "0"}, "made from another accessible.h5ad"),
        ("motifs_folder", "motifs.json", {"sha256": {"sequences": "0"}}, "motifs.json: other bases were scanned"),
    ],
)
def test_parts_of_different_runs(made, tmp_path, part, name, edit, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        dc.compute_card(SETTINGS, **change(made[0], tmp_path, part, name, lambda content: content.update(edit)))


def test_sequences_of_another_run(made, tmp_path):
    run, _ = made
    sequences = RegionSequences.load(run["sequences_folder"])
    offsets = sequences.offsets.copy()
    RegionSequences(sequences.codes[: offsets[-2]], offsets[:-1], "toy").save(tmp_path / "fewer")
    with pytest.raises(InputError, match=f"the region sequences: of {len(offsets) - 2} regions"):
        dc.compute_card(SETTINGS, **{**run, "sequences_folder": tmp_path / "fewer"})
    offsets[1] += 1
    RegionSequences(sequences.codes, offsets, "toy").save(tmp_path / "shifted")
    with pytest.raises(InputError, match=r"lengths differ from those in accessible\.h5ad"):
        dc.compute_card(SETTINGS, **{**run, "sequences_folder": tmp_path / "shifted"})


def test_cropped_motifs_must_be_said_to_be_cropped(tmp_path):
    run = make_run(tmp_path, "bed", 3, motif_region_bp=51)
    with pytest.raises(InputError, match=r"with motifs\.region_bp None"):
        dc.compute_card(SETTINGS, **run)
    card = dc.compute_card(dc.CardSettings("toy", "test", (), 51, 51), **run)
    assert card["motifs"]["region_bp"] == 51


def test_a_missing_input(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.bed: cannot be read .*; expected the input file blacklist"):
        dc.hash_inputs({"blacklist": tmp_path / "nowhere.bed"})


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
