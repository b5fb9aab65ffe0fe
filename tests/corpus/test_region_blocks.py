"""Blocks of regions drawn for single regions, and their labels."""

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from genebert.corpus.groups import TRAIN, VALID, group_regions
from genebert.corpus.region_blocks import BlockSettings, LabelledRegions, RegionStates, draw_blocks, label_regions
from genebert.errors import InputError


def regions_of(**chromosomes):
    parts = [
        pd.DataFrame({"chrom": name, "start": np.arange(n) * 100, "end": np.arange(n) * 100 + 50})
        for name, n in chromosomes.items()
    ]
    return pd.concat(parts, ignore_index=True)


def settings(**changes):
    own = {"width": 4, "train": 1000, "test": 1000, "holdout_chromosomes": (), "validation_fraction": 0.3, "seed": 1}
    return BlockSettings(**own | changes)


def test_blocks_are_consecutive_on_one_chromosome_and_in_one_part():
    blocks = draw_blocks(regions_of(chr1=43, chr2=30), settings())
    # chr1: 31 for training, then 12; chr2: 21, then 9; remainders are dropped
    assert blocks.regions[:, 0].tolist() == [0, 4, 8, 12, 16, 20, 24, 31, 35, 39, 43, 47, 51, 55, 59, 64, 68]
    assert (np.diff(blocks.regions, axis=1) == 1).all()
    assert blocks.split.tolist() == [TRAIN] * 7 + [VALID] * 3 + [TRAIN] * 5 + [VALID] * 2
    assert blocks.chromosome.tolist() == [0] * 10 + [1] * 7


def test_what_is_held_out_is_what_pre_training_has_not_read():
    table = regions_of(chr1=400, chr2=300, chr3=90)
    accessible = sp.csr_matrix(np.random.default_rng(0).random((3, len(table))) < 0.6)
    groups, _ = group_regions(accessible, table, list("abc"), 4, ("chr3",), 0.3)
    blocks = draw_blocks(table, settings(holdout_chromosomes=("chr3",)))
    held = set(blocks.regions[blocks.split == VALID].ravel())
    assert not held & set(groups.subset(TRAIN).regions.ravel())
    assert not set(blocks.regions[blocks.split == TRAIN].ravel()) & set(groups.subset(VALID).regions.ravel())
    assert {r for r in held if r >= 700} == {*range(700, 760), *range(763, 787)}  # all of chr3, but for remainders


def test_some_are_drawn_where_there_are_more():
    table = regions_of(chr1=4000)
    one, again, other = (draw_blocks(table, settings(train=80, test=40, seed=seed)) for seed in (1, 1, 2))
    assert (one.split == TRAIN).sum() == 20 and (one.split == VALID).sum() == 10
    assert np.array_equal(one.regions, again.regions) and not np.array_equal(one.regions, other.regions)
    assert (np.diff(one.regions[:, 0]) >= 4).all() and one.regions[:, 0].max() > 3000


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"validation_fraction": 0.0}, "found 0 blocks of 4 held-out regions, expected at least 2"),
        ({"holdout_chromosomes": ("chr1",)}, "found 0 blocks of 4 training regions, expected at least 2"),
    ],
)
def test_too_few_regions_are_one_sentence(changes, sentence):
    with pytest.raises(InputError) as caught:
        draw_blocks(regions_of(chr1=40), settings(**changes))
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def write_matrices(folder, counts, n_cells):
    table = regions_of(chr1=counts.shape[1])
    types = pd.Index(["A", "B b"], dtype=object)
    obs = pd.DataFrame({"n_cells": pd.array(n_cells, "Int64"), "n_fragments": counts.sum(1)}, index=types)
    # anndata cannot write the strings that pandas makes of names.
    chrom = pd.Categorical.from_codes(np.zeros(len(table), int), pd.Index(["chr1"], dtype=object))
    names = pd.Index([f"r{i}" for i in range(len(table))], dtype=object)
    var = table.set_index(names).assign(chrom=chrom)
    paths = folder / "pseudobulk.h5ad", folder / "accessible.h5ad"
    for path, matrix in zip(paths, (counts, (counts > 0).astype(np.uint8)), strict=True):
        anndata.AnnData(X=sp.csr_matrix(matrix), obs=obs, var=var).write_h5ad(path)
    return paths


def test_labels_of_counts_and_of_peaks(tmp_path):
    counts = np.random.default_rng(0).poisson(1.0, (2, 40)).astype(np.int32)
    counted = label_regions(*write_matrices(tmp_path, counts, [30, 40]), settings(), tmp_path / "regions.npz")
    rows = counted.blocks.regions.ravel()
    by_hand = np.log(1 + counts[:, rows] * 1e6 / counts.sum(1, keepdims=True)).T
    assert counted.counted and counted.labels == pytest.approx(by_hand, rel=1e-6)
    assert counted.names.tolist() == ["A", "B b"]
    again = LabelledRegions.load(tmp_path / "regions.npz")
    assert np.array_equal(again.labels, counted.labels) and again.counted and again.names.tolist() == ["A", "B b"]
    assert np.array_equal(again.blocks.regions, counted.blocks.regions)
    peaks = label_regions(*write_matrices(tmp_path, counts, [pd.NA, pd.NA]), settings(), tmp_path / "regions.npz")
    assert not peaks.counted and np.array_equal(peaks.labels, counts[:, rows].T > 0)


def test_a_cell_type_without_counts_is_one_sentence(tmp_path):
    counts = np.stack([np.ones(40, np.int32), np.zeros(40, np.int32)])
    with pytest.raises(InputError, match="cell type 'B b' has no count left, expected some of each"):
        label_regions(*write_matrices(tmp_path, counts, [3, 3]), settings(), tmp_path / "regions.npz")
    assert not (tmp_path / "regions.npz").exists()


@pytest.mark.parametrize("kind", [LabelledRegions, RegionStates])
def test_other_files_are_one_sentence(tmp_path, kind):
    np.savez(tmp_path / "x.npz", values=np.ones(3))
    with pytest.raises(InputError, match=r"x\.npz: not a file of .* again"):
        kind.load(tmp_path / "x.npz")
