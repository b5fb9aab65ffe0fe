import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from genebert.corpus.build import Places, build_corpus, cropped_share
from genebert.corpus.groups import TRAIN, VALID, Groups, group_regions
from genebert.corpus.order import CONSECUTIVE, REPLACED, SampleOrder
from genebert.errors import InputError
from genebert.settings.data import CorpusSettings

PLACES = Places(3, 512, "concatenated")


def toy_regions(sizes):
    """Regions on chromosomes of the given numbers of regions."""
    chrom = np.repeat([f"chr{i + 1}" for i in range(len(sizes))], sizes)
    start = np.concatenate([np.arange(size) * 1000 for size in sizes]).astype(np.int64)
    return pd.DataFrame({"chrom": chrom, "start": start, "end": start + 300})


def accessible(seed, n_types, n_regions, density=0.7):
    return sp.csr_matrix(np.random.default_rng(seed).random((n_types, n_regions)) < density)


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    seed=st.integers(0, 100),
    size=st.sampled_from([2, 4, 10]),
    fraction=st.sampled_from([0.0, 0.1, 0.3]),
)
def test_groups_are_disjoint_consecutive_and_within_a_chromosome(sizes, seed, size, fraction):
    regions, open_ = toy_regions(sizes), accessible(seed, 3, sum(sizes))
    try:
        groups, counts = group_regions(open_, regions, ["a", "b", "c"], size, (), fraction)
    except InputError:
        return
    chrom = regions["chrom"].to_numpy()
    for t, name in enumerate("abc"):
        mine = groups.regions[groups.cell_type == t]
        flat = mine.ravel()
        expected = set(open_[t].indices)
        assert set(flat) <= expected
        assert len(set(flat)) == len(flat)
        for row in mine:
            assert len(set(chrom[row])) == 1
            # consecutive: no accessible region of the type lies between two neighbours of a group
            between = [r for r in expected if row[0] <= r <= row[-1]]
            assert sorted(between) == row.tolist()
        c = counts[name]
        assert c["accessible_regions"] == len(expected)
        assert c["left_over"] == len(expected) - len(flat)
        assert c["groups"] + c["validation_groups"] == len(mine)


def test_validation_regions_are_the_last_of_each_chromosome_and_never_trained_on():
    regions = toy_regions([200, 100])
    groups, _ = group_regions(accessible(1, 4, 300), regions, list("abcd"), 10, (), 0.2)
    train, valid = groups.subset(TRAIN), groups.subset(VALID)
    assert len(valid) > 0
    assert not set(train.regions.ravel()) & set(valid.regions.ravel())
    assert set(valid.regions.ravel()) <= set(range(160, 200)) | set(range(280, 300))


def test_validation_part_is_rounded_down():
    """A tenth of 35 regions is 3: the last three, of which two make a group."""
    everything = sp.csr_matrix(np.ones((1, 35), bool))
    groups, _ = group_regions(everything, toy_regions([35]), ["a"], 2, (), 0.1)
    assert groups.subset(TRAIN).regions.ravel().tolist() == list(range(32))
    assert groups.subset(VALID).regions.tolist() == [[32, 33]]


def test_columns_of_the_matrix_need_not_be_sorted():
    matrix = accessible(1, 3, 60)
    shuffled = matrix.copy()
    rng = np.random.default_rng(0)
    for low, high in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        shuffled.indices[low:high] = rng.permutation(matrix.indices[low:high])
    found, expected = (group_regions(m, toy_regions([40, 20]), list("abc"), 4)[0] for m in (shuffled, matrix))
    assert np.array_equal(found.regions, expected.regions)


def test_held_out_chromosomes_enter_no_group():
    matrix = accessible(1, 2, 200)
    groups, counts = group_regions(matrix, toy_regions([100, 100]), ["a", "b"], 10, ("chr2",), 0.2)
    assert groups.regions.max() < 100
    for name, row in zip("ab", matrix.toarray(), strict=True):
        used = 10 * (counts[name]["groups"] + counts[name]["validation_groups"])
        assert counts[name]["held_out"] == row[100:].sum()
        assert counts[name]["left_over"] == row[:100].sum() - used < 20


def test_too_few_regions():
    with pytest.raises(InputError, match="no cell type has 10 accessible regions in a row"):
        group_regions(accessible(1, 2, 12, 0.4), toy_regions([6, 6]), ["a", "b"], 10)


def test_a_cell_type_without_a_group_is_counted():
    few = sp.csr_matrix(np.arange(60) < np.array([[60], [9]]))
    groups, counts = group_regions(few, toy_regions([60]), ["all", "few"], 10)
    assert len(groups) == 6 and set(groups.cell_type) == {0}
    assert counts["few"] == {
        "accessible_regions": 9, "held_out": 0, "left_over": 9, "groups": 0, "validation_groups": 0,
    }  # fmt: skip


def toy_groups(seed=0, sizes=(300, 200, 35), n_types=3):
    return group_regions(
        accessible(seed, n_types, sum(sizes)), toy_regions(sizes), [f"type{t}" for t in range(n_types)], 10
    )[0]


def test_every_epoch_shows_every_group_once():
    groups = toy_groups()
    order = SampleOrder(groups, 7, seed=3)
    seen = np.concatenate([order.draw(step).group for step in range(2 * len(groups))])
    for epoch in range(14):
        part = seen[epoch * len(groups) : (epoch + 1) * len(groups)]
        assert np.array_equal(np.sort(part), np.arange(len(groups)))
    assert not np.array_equal(seen[: len(groups)], seen[len(groups) : 2 * len(groups)])


def test_draw_is_a_pure_function_of_seed_and_step():
    groups = toy_groups()
    forward = [SampleOrder(groups, 16, 5).draw(step) for step in range(20)]
    order = SampleOrder(groups, 16, 5)
    for step in reversed(range(20)):
        for a, b in zip(vars(order.draw(step)).values(), vars(forward[step]).values(), strict=True):
            assert np.array_equal(a, b)
    assert not np.array_equal(SampleOrder(groups, 16, 6).draw(0).group, forward[0].group)


def test_strands_are_drawn_anew_and_change_no_sample():
    groups = toy_groups()
    draws = [SampleOrder(groups, 64, 5, "random").draw(step) for step in range(4)]
    for step, draw in enumerate(draws):
        given = SampleOrder(groups, 64, 5).draw(step)
        assert given.reverse is None and given.rows(3, 9).reverse is None
        assert np.array_equal(draw.regions, given.regions) and np.array_equal(draw.label, given.label)
        assert draw.reverse.shape == draw.regions.shape and 0.3 < draw.reverse.mean() < 0.7
        # each region by itself: ten of one strand come once in 512 samples
        assert (draw.reverse.any(1) & ~draw.reverse.all(1)).mean() > 0.9
        assert np.array_equal(draw.rows(3, 9).reverse, draw.reverse[3:9])
    assert not np.array_equal(draws[0].reverse, draws[1].reverse)
    assert np.array_equal(SampleOrder(groups, 64, 5, "random").draw(2).reverse, draws[2].reverse)


@pytest.mark.parametrize("other", [(5, 1), (6, 0), (6, 1)])
def test_replacements_and_strands_of_another_seed_or_step_are_others(other):
    """As if independent: half of them agree (of 4,000 labels and 20 times as many strands)."""
    groups = toy_groups(sizes=(300,))
    seed, step = other
    a, b = (SampleOrder(groups, 4000, s, "random").draw(n) for s, n in ((5, 0), (seed, step)))
    assert abs((a.label == b.label).mean() - 0.5) < 0.05
    assert abs((a.reverse == b.reverse).mean() - 0.5) < 0.02


def test_segment_pairs():
    groups = toy_groups()
    order = SampleOrder(groups, 64, 1)
    # the short chromosome has blocks of two groups: without a partner that is not a neighbour
    assert 0 < (~order.has_negative).sum() < len(groups) / 4
    labels = []
    for step in range(60):
        draw = order.draw(step)
        own = groups.regions[draw.group]
        assert np.array_equal(draw.regions[:, :5], own[:, :5])
        kept = draw.label == CONSECUTIVE
        assert np.array_equal(draw.regions[kept, 5:], own[kept, 5:])
        replaced = np.flatnonzero(draw.label == REPLACED)
        for i in replaced:
            match = np.flatnonzero((groups.regions[:, 5:] == draw.regions[i, 5:]).all(1))
            match = match[groups.block[match] == groups.block[draw.group[i]]]
            assert len(match) == 1  # the same cell type and chromosome
            assert abs(match[0] - draw.group[i]) >= 2  # and no neighbour
        assert order.has_negative[draw.group[replaced]].all()
        labels.append(draw.label[order.has_negative[draw.group]])
    share = np.concatenate(labels).mean()
    assert abs(share - 0.5) < 0.03


def test_pairs_within_a_split():
    """Stretches of the validation part do not begin with number 0."""
    whole = group_regions(sp.csr_matrix(np.ones((1, 200), bool)), toy_regions([200]), ["a"], 10, (), 0.5)[0]
    groups = whole.subset(VALID)
    order = SampleOrder(groups, 64, 1)
    assert groups.block.min() == 1 and order.has_negative.all()
    draw = order.draw(0)
    assert draw.regions.min() >= 100 and 20 < draw.label.sum() < 44


def test_all_partners_are_equally_likely():
    groups = toy_groups(sizes=(120,), n_types=1)
    order = SampleOrder(groups, 256, 2)
    counts = np.zeros((len(groups), len(groups)), int)
    place = {tuple(row[5:]): i for i, row in enumerate(groups.regions)}
    for step in range(200):
        draw = order.draw(step)
        for group, regions, label in zip(draw.group, draw.regions, draw.label, strict=True):
            if label == REPLACED:
                counts[group, place[tuple(regions[5:])]] += 1
    allowed = np.abs(np.subtract.outer(np.arange(len(groups)), np.arange(len(groups)))) >= 2
    assert (counts[~allowed] == 0).all()
    expected = counts.sum(1, keepdims=True) / allowed.sum(1, keepdims=True)
    assert (np.abs(counts - expected)[allowed] < 6 * np.sqrt(np.broadcast_to(expected, counts.shape)[allowed])).all()


def write_accessible(path, matrix, regions, names):
    """Write an accessibility matrix of named cell types."""
    import anndata

    regions = regions.astype({"chrom": object})  # anndata writes no Arrow strings
    regions.index = pd.Index([f"r{i}" for i in range(len(regions))], dtype=object)
    obs = pd.DataFrame(index=pd.Index(names, dtype=object))
    anndata.AnnData(matrix.astype(np.uint8), obs=obs, var=regions).write_h5ad(path)


def test_medians_of_samples(tmp_path):
    start, length = np.array([0, 1000, 5000, 7000, 10_000, 90_000]), np.array([300, 100, 200, 250, 50, 50])
    regions = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + length})
    write_accessible(tmp_path / "accessible.h5ad", sp.csr_matrix(np.ones((1, 6))), regions, ["a"])
    settings = CorpusSettings(regions_per_sample=2, validation_fraction=0)
    info = build_corpus(settings, PLACES, tmp_path / "accessible.h5ad", tmp_path / "corpus")
    # from the first base of a sample to its last: 1,100, 2,250 and 80,050; bases: 400, 450 and 100
    assert (info["median_span"], info["median_bases_per_sample"]) == (2250, 400)


def test_share_of_samples_that_a_model_has_too_few_positions_for(tmp_path):
    """As the encoder counts them, to a percent."""
    import torch

    from genebert.corpus.batches import SampleEncoder
    from genebert.corpus.order import Draw
    from genebert.genome.sequences import RegionSequences

    rng = np.random.default_rng(0)
    length = rng.integers(60, 140, 4000)
    start = np.arange(4000) * 1000
    regions = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + length})
    write_accessible(tmp_path / "accessible.h5ad", sp.csr_matrix(np.ones((1, 4000))), regions, ["a"])
    for region_bp in (None, 100):
        settings = CorpusSettings(regions_per_sample=4, validation_fraction=0, region_bp=region_bp)
        info = build_corpus(settings, PLACES, tmp_path / "accessible.h5ad", tmp_path / "corpus")
        groups = Groups.load(tmp_path / "corpus")
        sequences = RegionSequences(np.zeros(length.sum(), np.uint8), np.concatenate([[0], np.cumsum(length)]), "toy")
        for layout, max_tokens in (("concatenated", 370), ("concatenated", 395), ("windows", 127), ("windows", 96)):
            encoder = SampleEncoder(sequences.crop(region_bp), None, 3, max_tokens, torch.device("cpu"), layout)
            draw = Draw(groups.regions.astype(np.int64), np.zeros(1000, np.int64), np.arange(1000))
            expected = encoder.encode(draw).shortened / 1000
            places = Places(3, max_tokens, layout)
            assert places.cropped(np.diff(encoder._offsets)[groups.regions]).mean() == expected
            own = build_corpus(settings, places, tmp_path / "accessible.h5ad", tmp_path / "own")["cropped_samples"]
            assert own == {"places": {"k": 3, "max_tokens": max_tokens, "layout": layout}, "share": expected}
            assert cropped_share({**info, "cropped_samples": own}, places) == expected
            assert cropped_share(info, places) == pytest.approx(expected, abs=0.035)


def test_build_corpus_writes_what_groups_load(tmp_path):
    matrix = accessible(4, 2, 200)
    names = ["Astrocytes/Oligodendrocytes", "b c"]
    write_accessible(tmp_path / "accessible.h5ad", matrix, toy_regions([120, 80]), names)
    settings = CorpusSettings(validation_fraction=0.2)
    info = build_corpus(settings, PLACES, tmp_path / "accessible.h5ad", tmp_path / "corpus")
    groups = Groups.load(tmp_path / "corpus")
    assert info["cell_types"] == ["Astrocytes/Oligodendrocytes", "b c"]
    assert set(groups.split) == {0, 1}  # as written in the file
    assert [array.dtype for array in vars(groups).values()] == [np.int32, np.int16, np.int32, np.uint8]
    assert len(groups.subset(TRAIN)) == info["groups"]
    assert len(groups.subset(VALID)) == info["validation_groups"]
    assert info["region_cell_type_pairs"] == matrix.nnz
    assert info["bases"] == 200 * 300
    first = (tmp_path / "corpus/groups.npz").read_bytes()
    build_corpus(CorpusSettings(validation_fraction=0.2), PLACES, tmp_path / "accessible.h5ad", tmp_path / "corpus")
    assert (tmp_path / "corpus/groups.npz").read_bytes() == first


def test_hard_negatives_are_alike_and_epochs_still_show_every_group_once():
    groups, batch = toy_groups(), 7
    rank = np.random.default_rng(5).permutation(len(groups))
    place = np.argsort(rank)
    order = SampleOrder(groups, batch, 3, alike=rank)
    n = len(groups) // batch
    batches = [order.draw(step).group for step in range(n)]
    seen = np.concatenate(batches)
    assert len(set(seen)) == n * batch
    later = [order.draw(step).group for step in range(n + 1, 2 * n)]  # without the one of both epochs
    for one in [*batches, *later]:  # consecutive in the order, round its end
        ahead = np.sort((place[one] - place[one[0]]) % len(groups))
        assert ahead.tolist() == list(range(batch))
    # another epoch begins elsewhere, and the same seed gives the same
    assert {tuple(sorted(one)) for one in batches} != {tuple(sorted(one)) for one in later}
    again = SampleOrder(groups, batch, 3, alike=rank)
    assert np.array_equal(again.draw(2).group, batches[2])
    whole = np.concatenate([order.draw(step).group for step in range(len(groups))])
    for epoch in range(batch):
        part = whole[epoch * len(groups) : (epoch + 1) * len(groups)]
        assert np.array_equal(np.sort(part), np.arange(len(groups)))
