"""What of matching is composition: features and decoys against plain counts, floors of known sources, the objective."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_training import MODEL, TRAINING, toy_data, toy_objective

from genebert.corpus.groups import Groups
from genebert.corpus.order import SampleOrder
from genebert.genome.sequences import RegionSequences
from genebert.motifs.composition import composition, dinucleotides
from genebert.motifs.families import family_order
from genebert.training.objectives.genebert import Data, GeneBERTObjective, motif_statistics
from genebert.training.objectives.genebert_matching import MATCHED, Matches, Rows, srm_floors

NAMES = ("srm_accuracy", "srm_matched", "srm_swapped")


def regions_of(n, seed=0, length=60):
    """Regions of one length whose GC content varies, and their groups of four: three quarters for training."""
    rng = np.random.default_rng(seed)
    gc = rng.uniform(0.3, 0.7, n)
    codes = np.where(
        rng.random((n, length)) < gc[:, None], rng.integers(1, 3, (n, length)), 3 * rng.integers(0, 2, (n, length))
    )
    sequences = RegionSequences(codes.astype(np.uint8).ravel(), np.arange(n + 1) * length, "toy")
    zeros = np.zeros(n // 4, dtype=np.int32)
    split = (np.arange(n // 4) >= 3 * n // 16).astype(np.uint8)
    groups = Groups(np.arange(n, dtype=np.int32).reshape(-1, 4), zeros.astype(np.int16), zeros, split)
    return sequences, groups.subset(0), groups.subset(1)


@given(lengths=st.lists(st.integers(0, 30), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_dinucleotides_equal_a_plain_count(lengths, seed):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    sequences = RegionSequences(rng.integers(0, 5, offsets[-1]).astype(np.uint8), offsets, "toy")
    found = dinucleotides(sequences)
    for i in range(len(lengths)):
        after = sequences.codes[offsets[i + 1] : offsets[i + 1] + 1].tolist()  # the next region's first base
        pairs = [a * 4 + b for a, b in itertools.pairwise(sequences[i].tolist() + after) if a < 4 and b < 4]
        expected = np.bincount(np.array(pairs[: lengths[i]], dtype=int), minlength=16)
        assert found[i] == pytest.approx(expected / max(1, expected.sum()))


def test_decoys_are_the_nearest_in_composition_and_none_of_the_sample():
    sequences, _, valid = regions_of(400)
    pool = np.unique(valid.regions).astype(np.int64)
    matches = Matches(sequences, pool, MATCHED + 4)
    samples = valid.regions[:10].astype(np.int64)
    chosen = matches.draw(samples, MATCHED)
    assert chosen.shape == (10, MATCHED, 4) and set(chosen.ravel()) <= set(pool)
    values = composition(sequences)
    values = (values - values[pool].mean(0)) / values[pool].std(0)
    for sample, decoys in zip(samples, chosen, strict=True):
        assert not set(sample) & set(decoys.ravel())
        for region, own in zip(sample, decoys.T, strict=True):
            others = np.setdiff1d(pool, sample)
            apart = np.linalg.norm(values[others] - values[region], axis=1)
            assert np.linalg.norm(values[own] - values[region], axis=1) == pytest.approx(np.sort(apart)[:MATCHED])


def floors_of(motifs, contrast="samples", n=8000):
    sequences, train, valid = regions_of(n)
    matches = Matches(sequences, np.unique(valid.regions).astype(np.int64), MATCHED + 4)
    return srm_floors(sequences, Rows(motifs(sequences), train), SampleOrder(valid, 16, 0), matches, contrast, 3)


def gc_rows(sequences):
    rng = np.random.default_rng(1)
    return (composition(sequences)[:, :1] + 0.02 * rng.normal(size=(len(sequences), 6))).astype(np.float16)


def test_rows_that_speak_of_composition_are_found_by_it_and_not_among_matched_ones():
    found = floors_of(gc_rows)
    assert list(found) == list(NAMES) and all(list(one) == ["GC and CpG", "dinucleotides"] for one in found.values())
    assert found["srm_accuracy"]["GC and CpG"] > 0.8 and found["srm_swapped"]["GC and CpG"] > 0.6
    assert found["srm_matched"]["GC and CpG"] < 0.45  # chance is 0.25
    by_region = floors_of(gc_rows, "regions")
    assert 1 / 64 < by_region["srm_accuracy"]["GC and CpG"] < 0.4


def test_rows_that_say_nothing_are_at_chance():
    found = floors_of(lambda s: np.random.default_rng(1).normal(size=(len(s), 6)).astype(np.float16))
    for name, chance in zip(NAMES, (1 / 16, 1 / 4, 1 / 16), strict=True):
        assert max(found[name].values()) < chance + 0.2


def test_rows_that_speak_of_pairs_are_found_among_matched_ones():
    """GC and CpG of the decoys are nearly the same, other pairs are not."""
    found = floors_of(lambda s: dinucleotides(s).astype(np.float16))
    assert found["srm_matched"]["dinucleotides"] > 0.9 > 0.45 > found["srm_matched"]["GC and CpG"]
    assert found["srm_swapped"]["dinucleotides"] < found["srm_accuracy"]["dinucleotides"] - 0.2


def test_length_is_a_floor_where_regions_differ_in_it():
    sequences, motifs, groups = toy_data()
    lengths = np.diff(sequences.offsets)[:, None]
    motifs = np.hstack([motifs, lengths]).astype(np.float16)
    floors = toy_objective(data=(sequences, motifs, groups)).floors()
    assert floors["srm_accuracy"]["length"] > 0.9 and list(floors["srm_matched"]) == list(floors["srm_accuracy"])


@pytest.mark.parametrize("contrast", ["samples", "regions"])
@pytest.mark.parametrize("micro_batch", [None, 3])
def test_validation_tells_matched_and_swapped_retrieval(contrast, micro_batch):
    losses = replace(MODEL.losses, pooling="regions", contrast=contrast)
    objective = toy_objective(replace(TRAINING, micro_batch=micro_batch), replace(MODEL, losses=losses))
    objective.model.eval()
    found = objective.validate()
    assert 0 <= found["srm_swapped"] <= 1 and 0 <= found["srm_matched"] <= 1
    # by hand, from embeddings of single samples
    import torch

    share = objective._samples(objective.valid_order, 0)
    objective.compute(share, 0, train=False)
    sequence, region = objective._embedded
    chosen = objective.matches.draw(share.regions.numpy(), MATCHED)
    with torch.no_grad():
        decoys = objective.model.encode_regions(
            objective.encoder.motif_rows(torch.from_numpy(chosen)).flatten(0, 1)
        ).unflatten(0, (len(chosen), MATCHED))
    if contrast == "regions":
        width = decoys.shape[-1] // 4
        sequence, region = sequence.reshape(-1, width), region.reshape(-1, width)
        decoys = decoys.unflatten(2, (4, width)).transpose(1, 2).reshape(-1, MATCHED, width)
    centre_s, centre_r = sequence.mean(0), region.mean(0)
    wins = 0
    for one, own, others in zip(sequence, region, decoys, strict=True):
        cosine = [torch.cosine_similarity(one - centre_s, other - centre_r, dim=0).item() for other in (own, *others)]
        wins += cosine[0] > max(cosine[1:])
    assert objective._matched(share)["srm_matched"] == pytest.approx(wins / len(sequence))


def test_too_few_regions_for_decoys_are_no_figure():
    sequences, motifs, groups = toy_data()
    few = Groups(*(array[np.concatenate([np.flatnonzero(groups.split == 0), np.flatnonzero(groups.split == 1)[:1]])]
                   for array in vars(groups).values()))  # fmt: skip
    objective = toy_objective(data=(sequences, motifs, few))
    assert objective.matches is None and "srm_matched" not in objective.validate()
    assert "srm_accuracy" not in objective.floors()


def test_batches_of_hard_negatives():
    sequences, motifs, groups = toy_data()
    gc = composition(sequences)[:, 0]

    def spread(negatives):
        losses = replace(MODEL.losses, negatives=negatives)
        objective = toy_objective(model=replace(MODEL, losses=losses), data=(sequences, motifs, groups))
        draws = [objective.order.draw(step).group for step in range(4)]
        mean = gc[objective.train.regions].mean(1)
        return np.mean([mean[one].std() for one in draws]), np.mean([np.ptp(one) for one in draws])

    (any_gc, any_place), (_, near_place), (alike_gc, _) = map(spread, ("random", "neighbours", "composition"))
    assert alike_gc < any_gc / 3 and near_place < any_place / 3


def test_batches_of_one_family():
    """Every batch but those at borders has samples of one strongest family; a resumed run makes the same ones."""
    data = toy_data()
    families = ["a", "b", "c", "d"] * 3
    model = replace(MODEL, losses=replace(MODEL.losses, negatives="families"))

    def draws():
        objective = GeneBERTObjective(model, TRAINING, Data(*data, 4, {}, (), families), 7)
        return objective, [objective.order.draw(step).group for step in range(20)]

    (objective, first), (_, again) = draws(), draws()
    assert np.array_equal(first, again)
    mean, sd = (one.numpy() for one in motif_statistics(data[1], np.unique(objective.train.regions)))
    order = family_order(data[1], objective.train.regions, families, mean, sd)
    place = np.argsort(order)
    assert np.median([np.ptp(place[one]) for one in first]) == TRAINING.batch - 1


def test_a_motif_without_a_score_anywhere_is_counted_silently(recwarn):
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]], dtype=np.float32)
    mean, sd = motif_statistics(values, np.arange(3))
    assert mean[0] == 2 and mean[1].isnan() and sd.tolist() == [1, 1]
    assert not recwarn.list
