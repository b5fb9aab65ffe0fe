"""Ranks of rare positions: against scikit-learn, a direct transcription of SpliceAI's definition, and plain sorting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from genebert.evaluation import site_ranks as module
from genebert.evaluation.site_ranks import METRICS, TOP, highest, interval, rank_sites, resampled, site_metrics


def spliceai(true: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """SpliceAI's `print_topl_statistics`, line by line; scores must differ."""
    found, order = {}, np.argsort(score)
    sites = np.nonzero(true == 1)[0]
    for name, top_length in TOP.items():
        taken = order[-max(1, int(top_length * len(sites))) :]
        found[name] = np.size(np.intersect1d(sites, taken)) / float(min(len(taken), len(sites)))
    return found | {"auprc": average_precision_score(true, score)}


def measured(score, labels, genes=None, label=1):
    genes = np.zeros(len(labels), dtype=np.int64) if genes is None else genes
    return site_metrics(rank_sites(score, labels, label, genes))


LABELS = st.lists(st.lists(st.sampled_from([0, 0, 1, 2, -1]), min_size=6, max_size=6), min_size=1, max_size=12)


@given(labels=LABELS, seed=st.integers(0, 99), block=st.integers(1, 20), kind=st.sampled_from(["float32", "float64"]))
def test_as_spliceai_defines_them(labels, seed, block, kind):
    labels = np.array([*labels, [1, 0, 2, 0, 0, 1]], dtype=np.int8)
    score = np.random.default_rng(seed).permutation(labels.size).reshape(labels.shape).astype(kind)
    score += (labels == 1) * (seed % 7) * 5  # some of them good; still all different within true and others
    flat = labels >= 0
    before, module.BLOCK = module.BLOCK, block
    try:
        found = measured(score, labels)
    finally:
        module.BLOCK = before
    expected = spliceai(labels[flat] == 1, score[flat])
    if len(np.unique(score[flat])) == flat.sum():
        assert found == pytest.approx(expected)
    assert found["auprc"] == pytest.approx(expected["auprc"])


@given(labels=LABELS, levels=st.integers(1, 4), seed=st.integers(0, 99))
def test_equal_scores_count_as_on_average(labels, levels, seed):
    labels = np.array([*labels, [1, 0, 2, 0, 0, 1]], dtype=np.int8)
    rng = np.random.default_rng(seed)
    score = rng.integers(0, levels, labels.shape).astype(float)
    found, flat = measured(score, labels), labels >= 0
    true, given_scores = labels[flat] == 1, score[flat]
    assert found["auprc"] == pytest.approx(average_precision_score(true, given_scores))
    # Of the positions at the lowest score that is taken, each is taken with the same chance.
    for name, factor in TOP.items():
        taken = min(max(1, int(factor * true.sum())), len(true))
        last = np.sort(given_scores)[::-1][taken - 1]
        above, at = given_scores > last, given_scores == last
        hits = true[above].sum() + true[at].sum() * (taken - above.sum()) / at.sum()
        assert found[name] == pytest.approx(hits / min(taken, true.sum()))


def test_a_perfect_and_a_random_predictor():
    rng = np.random.default_rng(0)
    labels = np.where(rng.random((200, 1000)) < 0.004, 1, 0).astype(np.int8)
    labels[:, 900:] = -1
    density = (labels == 1).sum() / (labels >= 0).sum()
    assert measured((labels == 1).astype(float), labels) == dict.fromkeys(METRICS, 1.0)
    constant = measured(np.zeros(labels.shape), labels)
    assert constant["top_k"] == pytest.approx(density) and constant["auprc"] == pytest.approx(density)
    random = measured(rng.random(labels.shape), labels)
    assert density / 2 < random["auprc"] < 2 * density and random["top_k"] < 5 * density
    assert random["top_4k"] < 12 * density


def test_what_is_not_evaluated_changes_nothing():
    rng = np.random.default_rng(1)
    labels, score = rng.integers(0, 3, (5, 40)).astype(np.int8), rng.random((5, 40))
    padded = np.concatenate([labels, np.full((5, 9), -1, dtype=np.int8)], axis=1)
    assert measured(np.concatenate([score, np.full((5, 9), 2.0)], axis=1), padded) == measured(score, labels)


def test_resamples_are_those_of_whole_genes():
    """A resample is worth what its genes, put one after the other, are worth."""
    rng = np.random.default_rng(2)
    genes = np.repeat(np.arange(6), [1, 3, 2, 2, 1, 4])
    labels = (rng.random((len(genes), 50)) < 0.1).astype(np.int8)
    labels[genes == 4] = 0  # a gene without a site
    score = np.round(rng.random(labels.shape) + labels * 0.3, 1)
    ranks = rank_sites(score, labels, 1, genes)
    (found,) = resampled([ranks], 70, seed=3)
    draws = np.random.default_rng(3).multinomial(6, np.full(6, 1 / 6), size=module.RESAMPLES)
    for i, draw in enumerate(draws[:20]):
        rows = np.concatenate([np.flatnonzero(genes == gene) for gene, n in enumerate(draw) for _ in range(n)])
        expected = measured(score[rows], labels[rows])
        assert {name: found[name][i] for name in METRICS} == pytest.approx(expected)
    assert {len(values) for values in found.values()} == {70}
    low, high = interval(found["auprc"])
    assert low < site_metrics(ranks)["auprc"] < high
    assert (found["auprc"] == resampled([ranks], 70, seed=3)[0]["auprc"]).all()
    assert (found["auprc"] != resampled([ranks], 70, seed=4)[0]["auprc"]).any()


def test_the_same_draws_for_all_classes():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, (30, 20)).astype(np.int8)
    ranks = rank_sites(rng.random(labels.shape), labels, 1, np.arange(30) // 2)
    one, other = resampled([ranks, ranks], 10)
    assert all((one[name] == other[name]).all() for name in METRICS)


def test_an_interval_leaves_out_resamples_without_a_site():
    assert interval(np.array([np.nan, 0.5, 0.5])) == [0.5, 0.5]


@given(labels=LABELS, number=st.integers(0, 30), levels=st.integers(1, 50), block=st.integers(1, 20))
def test_the_highest(labels, number, levels, block):
    labels = np.array(labels, dtype=np.int8)
    score = np.random.default_rng(number).integers(0, levels, labels.shape).astype(float)
    before, module.BLOCK = module.BLOCK, block
    try:
        found = highest(score, labels, number)
    finally:
        module.BLOCK = before
    flat = np.flatnonzero(labels.ravel() >= 0)
    expected = flat[np.argsort(-score.ravel()[flat], kind="stable")][:number]
    assert found.tolist() == sorted(expected.tolist())
