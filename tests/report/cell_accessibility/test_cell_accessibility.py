"""The table of accessibility in each cell type: a truth that is found, features, and what is written."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Lasso

from genebert.accessibility.build import build_accessibility, load_regions
from genebert.corpus.groups import TRAIN, VALID
from genebert.corpus.region_blocks import BlockSettings, LabelledRegions, RegionBlocks, RegionStates, label_regions
from genebert.errors import InputError
from genebert.genome.fasta import Genome, prepare_genome
from genebert.genome.sequences import RegionSequences, extract_sequences
from genebert.motifs.jaspar import load_jaspar
from genebert.motifs.matrix import build_motif_matrix, load_motif_matrix
from genebert.report.cell_accessibility.features import FeatureFiles, StatesFile, kmer_shares, read_features
from genebert.report.cell_accessibility.fits import Parts, lasso, ridge, standardised
from genebert.report.cell_accessibility.numbers import Counting, measure_all, parts_of
from genebert.report.cell_accessibility.write import write_cell_accessibility
from genebert.report.text import ReportSettings
from genebert.settings.cell_accessibility import CellAccessibilitySettings
from genebert.settings.data import AccessibilitySettings, MotifSettings, SimulationSettings
from genebert.simulate.atlas import simulate
from genebert.simulate.programs import HOUSEKEEPING, PROGRAMS

CHROMOSOMES = ["chr1", "chr2"]
TYPES = 4
SETTINGS = CellAccessibilitySettings(models=[], resamples=100)
GIVEN = {"seed": 1, "region_bp": None}
REPORT = ReportSettings("toy", "a test", ("A note of the run.",))


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    """Files of a simulated atlas whose regions follow programs of motifs; only the motifs that it plants are scored."""
    folder = tmp_path_factory.mktemp("atlas")
    motifs = load_jaspar()
    settings = SimulationSettings(
        chromosomes=dict.fromkeys(CHROMOSOMES, 900_000), mostly_n=(), n_regions=2400, n_promoters=100, n_genes=0,
        n_cell_types=TYPES, regions_per_domain=10,
    )  # fmt: skip
    simulate(settings, motifs, folder)
    fasta = folder / "genome.fa"
    prepare_genome(folder / "genome.fa.gz", fasta, "toy", CHROMOSOMES)
    names = {"matrix": "matrix.mtx.gz", "peaks": "peaks.bed", "cells": "cells.tsv"}
    files = {name: str(folder / file) for name, file in names.items()}
    build_accessibility(AccessibilitySettings(format="mtx", **files), fasta, "toy", CHROMOSOMES, folder)
    sequences = extract_sequences(Genome(fasta), load_regions(folder / "accessible.h5ad"), "toy", "atlas")
    sequences.save(folder / "sequences")
    planted = {name for names in PROGRAMS.values() for name in names} | set(HOUSEKEEPING)
    scored = [motif for motif in motifs if motif.name in planted]
    build_motif_matrix(sequences, scored, MotifSettings(), folder / "motifs", 1)
    label_regions(
        folder / "pseudobulk.h5ad", folder / "accessible.h5ad", BlockSettings(10, 5000, 5000, (), 0.3, 1),
        folder / "regions.npz",
    )  # fmt: skip
    return folder


def files_of(folder, *states):
    return FeatureFiles(folder / "sequences", folder / "motifs", [StatesFile(*one) for one in states])


@pytest.fixture(scope="module")
def written(atlas):
    out = [atlas / f"cell_accessibility.{form}" for form in ("csv", "md", "html", "tex", "json")]
    return write_cell_accessibility(atlas / "regions.npz", files_of(atlas), SETTINGS, GIVEN, REPORT, out), out


def test_planted_programs_are_found_in_motif_rows(written):
    """The atlas' regions follow programs of their cell types: motifs tell what is specific, composition does not."""
    found, _ = written
    rows = {name: row.get("specific") for name, row in found["rows"].items()}
    assert found["metric"] == "Pearson" and len(found["cell_types"]) == TYPES
    assert rows["motifs"]["low"] > 0.2 and rows["motifs"]["gain_low"] > 0.15
    assert all(value > 0.1 for value in rows["motifs"]["types"].values())
    assert rows["composition-motifs"]["gain_low"] > 0.15 and rows["kmers"]["gain_low"] > 0
    assert rows["motif-l1"]["gain_low"] > 0.15 and rows["motif-trees"]["gain_low"] > 0.15
    assert rows["composition"]["value"] < 0.15
    assert rows["other-types-mean"] is None and rows["training-mean"] is None


def test_motif_rows_of_other_regions_tell_nothing(atlas):
    labelled = LabelledRegions.load(atlas / "regions.npz")
    features = read_features(["composition", "motifs"], files_of(atlas), labelled.blocks, None)
    own = features["motifs"][None]

    def told(rows):
        found = measure_all(labelled, features | {"motifs": {None: rows}}, Counting(0.1, 100, 1))
        return found["rows"]["motifs"]["specific"]["value"]

    others = [told(np.random.default_rng(seed).permutation(own)) for seed in range(5)]
    assert told(own) > 0.2 and abs(np.mean(others)) < 0.05


def test_all_forms_say_the_same(written):
    found, out = written
    table = pd.read_csv(out[0])
    assert set(table["run"]) == {"toy"} and set(table["scale"]) == {"a test"}
    motifs = table[(table["known_by"] == "motifs") & (table["target"] == "specific")]
    mean = motifs[motifs["cell_type"] == "mean over types"].iloc[0]
    assert mean["value"] == pytest.approx(motifs[motifs["cell_type"] != "mean over types"]["value"].mean())
    assert json.loads(out[4].read_text()) == found
    for path in out[1:4]:
        text = path.read_text()
        assert f"{mean['value']:.3f}" in text and "A note of the run." in text and "Astrocytes" in text
    assert 'id="table-cell-accessibility-main"' in out[2].read_text()


def test_parts_do_not_overlap_and_the_last_training_blocks_choose():
    split = np.array([TRAIN] * 10 + [VALID] * 2 + [TRAIN] * 5 + [VALID], np.uint8)
    chromosome = np.repeat([0, 1], [12, 6])
    parts = parts_of(RegionBlocks(np.arange(36).reshape(18, 2), split, chromosome), 0.2)
    assert np.flatnonzero(parts.valid).tolist() == [16, 17, 18, 19, 32, 33]
    assert ((parts.train * 1 + parts.valid + parts.test) == 1).all() and parts.test.sum() == 6
    few = parts_of(RegionBlocks(np.arange(8).reshape(4, 2), split[[0, 1, 10, 11]], chromosome[[0, 1, 10, 11]]), 0.1)
    assert np.flatnonzero(few.valid).tolist() == [2, 3] and few.train.sum() == 2


def test_ridge_finds_a_line_and_its_penalty():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(900, 5)) * [1, 10, 1, 1, 1] + 3
    values[:, 4] = 7.0
    values[::50, 2] = np.nan
    rows = np.arange(900)
    parts = Parts(rows < 600, (rows >= 600) & (rows < 700), rows >= 700)
    known = standardised(values, parts.train)
    assert known[parts.train].mean(0) == pytest.approx(0, abs=1e-12) and (known[:, 4] == 0).all()
    assert known[parts.train, 1].std() == pytest.approx(1) and (known[::50, 2] == 0).all()
    line = np.column_stack([known[:, 0] - 2 * known[:, 1], known[:, 3]])
    found, penalty = ridge(known, line, parts)
    assert penalty == 1e-3 and found == pytest.approx(line[parts.test], abs=0.02)
    many = generator.normal(size=(900, 500))
    assert ridge(many, generator.normal(size=(900, 2)), parts)[1] == 10.0  # nothing to find


def test_lasso_keeps_the_columns_of_each_type_and_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(900, 60))
    rows = np.arange(900)
    parts = Parts(rows < 600, (rows >= 600) & (rows < 700), rows >= 700)
    known = standardised(values, parts.train)
    line = np.column_stack([known[:, 0] - 2 * known[:, 1], known[:, 3], np.full(900, 5.0)]) + 1
    target = line + generator.normal(size=line.shape) * [0.5, 0.5, 0]
    found, share = lasso(known, target, parts)
    assert 0.01 <= share < 0.5 and found == pytest.approx(line[parts.test], abs=0.3)
    assert (found[:, 2] == 6).all()  # a type of one label
    given, own = known[parts.train], target[parts.train, 0]
    largest = np.abs(given.T @ (own - own.mean())).max() / 600
    expected = Lasso(alpha=share * largest, tol=1e-8).fit(given, own).predict(known[parts.test])
    assert found[:, 0] == pytest.approx(expected, abs=1e-3)
    alike = standardised(generator.normal(size=(900, 1)) + 0.2 * generator.normal(size=(900, 200)), parts.train)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that it has not converged
        lasso(alike, alike[:, :3] + generator.normal(size=(900, 3)), parts)
    noise = generator.normal(size=(900, 2))
    mean = noise[parts.train].mean(0)
    nothing, share = lasso(known, noise, parts)
    assert share >= 0.35 and np.abs(nothing - mean).mean() < 0.15


def test_shares_of_kmers_are_counted_within_each_region():
    codes = np.array([0, 1, 2, 3, 0, 0, 0, 4, 1], np.uint8)
    found = kmer_shares(RegionSequences(codes, np.array([0, 4, 4, 9]), "toy"))
    assert found.shape == (3, 4 + 16 + 64 + 256)
    sums = [block.sum(1).tolist() for block in np.split(found, [4, 20, 84], axis=1)]
    assert sums == [[1, 0, 1], [1, 0, 1], [1, 0, 1], [1, 0, 0]]
    assert sorted(found[2, :4].tolist()) == [0, 0, 0.25, 0.75]  # AAA, then N and C


def test_peaks_are_measured_by_average_precision(atlas):
    labelled = LabelledRegions.load(atlas / "regions.npz")
    opened = LabelledRegions(labelled.blocks, (labelled.labels > np.median(labelled.labels, axis=0)) * 1.0,
                             labelled.names, counted=False)  # fmt: skip
    features = read_features(["composition", "motifs"], files_of(atlas), labelled.blocks, None)
    found = measure_all(opened, features, Counting(0.1, 100, 1))
    rows = {name: row["accessibility"]["value"] for name, row in found["rows"].items()}
    assert found["metric"] == "average precision"
    test = opened.labels[np.repeat(opened.blocks.split == VALID, 10)]
    assert rows["training-mean"] == pytest.approx(test.mean())  # a constant has the share of open regions
    assert rows["motifs"] > rows["training-mean"] + 0.1
    assert "low" not in found["rows"]["motifs"]["accessibility"]


def test_states_of_models_are_features_and_must_be_of_these_regions(atlas, tmp_path):
    blocks = LabelledRegions.load(atlas / "regions.npz").blocks
    n = blocks.regions.size
    states = RegionStates(blocks.regions.ravel(), np.ones((n, 3), np.float32), np.ones((n, 2), np.float32))
    states.save(tmp_path / "mine.npz")
    RegionStates(states.regions, states.sequence, np.ones((n, 0), np.float32)).save(tmp_path / "other.npz")
    mine, other = tmp_path / "mine.npz", tmp_path / "other.npz"
    files = files_of(atlas, ("mine", 42, mine), ("mine", 43, mine), ("other", 42, other))
    found = read_features(["composition"], files, blocks, 100)
    assert [(name, {seed: one.shape[1] for seed, one in each.items()}) for name, each in found.items()] == [
        ("composition", {None: 6}), ("E_seq of mine", {42: 3, 43: 3}), ("E_reg of mine", {42: 2, 43: 2}),
        ("E_seq of other", {42: 3}),
    ]  # fmt: skip
    RegionStates(states.regions[::-1], states.sequence, states.region).save(tmp_path / "mine.npz")
    with pytest.raises(InputError, match=r"mine\.npz: holds other regions than this run draws"):
        read_features(["composition"], files, blocks, None)


@pytest.fixture(scope="module")
def of_models(atlas):
    """The table with two models, whose states are motif rows and noise: three pre-trainings with more noise each."""
    labelled = LabelledRegions.load(atlas / "regions.npz")
    rows = labelled.blocks.regions.ravel()
    motifs = np.nan_to_num(np.asarray(load_motif_matrix(atlas / "motifs")[rows], np.float64))
    motifs, draw = (motifs - motifs.mean(0)) / motifs.std(0), np.random.default_rng(0)
    states = []
    for model, noise in (("plain", (3.0,)), ("good", (0.1, 0.5, 1.0))):
        for seed, more in enumerate(noise, 42):
            path = atlas / f"{model}@{seed}.npz"
            vectors = (motifs + draw.normal(0, more, motifs.shape)).astype(np.float32)
            RegionStates(rows, vectors, vectors[:, : 9 * (model == "good")]).save(path)
            states.append((model, seed, path))
    out = [atlas / f"of_models.{form}" for form in ("csv", "md")]
    settings = CellAccessibilitySettings(
        features=["composition", "kmers", "motifs"], models=["plain", "good"], resamples=100
    )
    return write_cell_accessibility(atlas / "regions.npz", files_of(atlas, *states), settings, GIVEN, REPORT, out), out


def test_a_row_is_the_mean_of_its_pretrainings(of_models):
    found, _ = of_models
    good, plain = (found["rows"][f"E_seq of {name}"]["specific"] for name in ("good", "plain"))
    values = list(good["pretrainings"].values())
    assert list(good["pretrainings"]) == ["42", "43", "44"] and values == sorted(values, reverse=True)
    assert good["value"] == pytest.approx(np.mean(values)) and len(good["penalties"]) == 3
    assert good["value"] == pytest.approx(np.mean(list(good["types"].values())))
    assert good["low"] < values[2] and values[0] < good["high"]
    assert list(plain["pretrainings"]) == ["42"] and len(plain["penalties"]) == 1
    assert "pretrainings" not in found["rows"]["composition"]["specific"]
    gain = good["value"] - found["rows"]["composition"]["specific"]["value"]
    assert good["gain"] == pytest.approx(gain) and good["gain_low"] < gain < good["gain_high"]


def test_models_are_compared_with_each_other_and_with_what_they_read(of_models):
    found, (csv, text) = of_models
    good, plain = (found["rows"][f"E_seq of {name}"]["specific"]["value"] for name in ("good", "plain"))
    pair, *others = found["between"]
    assert (pair["row"], pair["than"]) == ("E_seq of good", "E_seq of plain")
    assert [(one["row"], one["than"]) for one in others] == [
        ("E_seq of plain", "kmers"), ("E_seq of plain", "motifs"), ("E_seq of good", "kmers"),
        ("E_seq of good", "motifs"), ("E_reg of good", "motifs"),
    ]  # fmt: skip
    assert others[2]["gain"] == pytest.approx(good - found["rows"]["kmers"]["specific"]["value"])
    assert pair["gain"] == pytest.approx(good - plain) and pair["gain_low"] < good - plain < pair["gain_high"]
    table = pd.read_csv(csv)
    fits = 3 * 6 + 2  # targets and features; two means, of accessibility alone
    assert table["kind"].value_counts().to_dict() == {"mean": fits, "type": TYPES * fits, "pair": 6}
    line = table[(table["kind"] == "pair") & (table["than"] == "E_seq of plain")].iloc[0]
    assert (line["known_by"], line["target"]) == ("E_seq of good", "specific")
    assert line[["gain", "gain_low", "gain_high"]].tolist() == [pair[key] for key in ("gain", "gain_low", "gain_high")]
    means = table[(table["kind"] == "mean") & (table["target"] == "specific")].set_index("known_by")
    mean = means.loc["E_seq of good"]
    assert mean["pretrainings"] == 3 and mean["than"] == "composition"
    sd = np.std(list(found["rows"]["E_seq of good"]["specific"]["pretrainings"].values()), ddof=1)
    assert f"{good:.3f} ± {sd:.3f}" in text.read_text() and mean["sd"] == pytest.approx(sd)
    assert means["pretrainings"]["E_seq of plain"] == 1 and np.isnan(means["pretrainings"]["composition"])


def test_a_pretraining_that_tells_nothing_is_named(atlas, tmp_path):
    labelled = LabelledRegions.load(atlas / "regions.npz")
    rows = labelled.blocks.regions.ravel()
    states = []
    for seed, vectors in ((42, np.random.default_rng(0).normal(size=(len(rows), 3))), (43, np.ones((len(rows), 3)))):
        path = tmp_path / f"{seed}.npz"
        RegionStates(rows, vectors.astype(np.float32), np.ones((len(rows), 0), np.float32)).save(path)
        states.append(("mine", seed, path))
    out = [tmp_path / f"table.{form}" for form in ("csv", "md")]
    settings = CellAccessibilitySettings(features=["composition"], models=["mine"], resamples=100)
    found = write_cell_accessibility(atlas / "regions.npz", files_of(atlas, *states), settings, GIVEN, REPORT, out)
    assert found["rows"]["E_seq of mine"]["specific"]["pretrainings"]["43"] is None
    assert "Constant, so without a correlation: E_seq of mine with seed 43." in out[1].read_text()
    table = pd.read_csv(out[0])
    mean = table[(table["known_by"] == "E_seq of mine") & (table["kind"] == "mean") & (table["target"] == "specific")]
    assert mean[["value", "sd", "gain"]].isna().all(axis=None) and mean["pretrainings"].item() == 2


def test_without_models_nothing_is_compared(written):
    found, out = written
    assert found["between"] == [] and "beside others" not in out[1].read_text()


def test_composition_stands_beside_the_others():
    with pytest.raises(InputError, match="found no composition, expected it: all others are compared with it"):
        CellAccessibilitySettings(features=["motifs"])
    assert CellAccessibilitySettings(features=[]).features == []
