"""Simple models of splice sites: matrices and sums by hand, the prevalence, N, learning, saved ones, bad input."""

import math

import numpy as np
import pytest
from splice_blocks import ACCEPTOR, BLOCK, DONOR, average_precision, gene_blocks, gene_sets, make

from genebert.errors import InputError
from genebert.evaluation.kinds.base_classes import BaseClasses
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.genome.bases import decode, encode
from genebert.methods.registry import baselines, find_method
from genebert.methods.splice_sites import TREES, WindowModel, base_frequencies, log_odds, sample_windows

NAMES = ("splice-pwm", "splice-logreg", "splice-trees")
LEAST = {"splice-pwm": 0.9, "splice-logreg": 0.9, "splice-trees": 0.8}


@pytest.fixture(scope="module")
def sets():
    return gene_sets()


@pytest.fixture(scope="module")
def fitted(sets):
    return {name: make(name).fit(sets["train"], sets["valid"], 3) for name in NAMES}


def altered(examples, **columns):
    return type(examples)(examples.table.assign(**columns), examples.name, genes=examples.genes)


# ----------------------------------------------------------------------------------------------------------- by hand


def test_log_odds_by_hand():
    background = np.array([0.3, 0.2, 0.2, 0.3])
    found = log_odds(np.array([encode("AC"), encode("AG"), encode("TN")]), background, 2.0)
    assert found.shape == (2, 5)
    shares = [[(2 + 0.6) / 5, 0.4 / 5, 0.4 / 5, (1 + 0.6) / 5], [0.6 / 4, (1 + 0.4) / 4, (1 + 0.4) / 4, 0.6 / 4]]
    for place in range(2):
        for base in range(4):
            assert found[place, base] == pytest.approx(math.log(shares[place][base] / background[base]))
    assert (found[:, 4] == 0).all()


def test_the_matrices_stand_where_the_sites_are():
    examples = gene_blocks(30, 5)
    sample = sample_windows(examples, 20, 1, 0, "x")
    # The planted words, cut as the matrices are: 20 + 3 bases round an acceptor, 3 + 6 round a donor.
    assert {decode(window[:23]) for window in sample.windows[sample.classes == 1]} == {ACCEPTOR}
    assert {decode(window[18:27]) for window in sample.windows[sample.classes == 2]} == {DONOR}
    model = make("splice-pwm").fit(examples, gene_blocks(10, 6), 0)
    assert not model.weights[27:].any() and not model.weights[:, :, 0].any()
    assert model.weights[:23, :, 1].any(axis=1).all() and not model.weights[23:, :, 1].any()
    assert model.weights[18:27, :, 2].any(axis=1).all() and not model.weights[:18, :, 2].any()
    assert decode(model.weights[18:27, :, 2].argmax(axis=1).astype(np.uint8)) == DONOR


def test_logits_are_a_plain_sum():
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(5, 5, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    weights[3] = 0
    codes = rng.integers(0, 5, (2, 9)).astype(np.uint8)
    found = WindowModel("x", BaseClasses({}), {}, weights, bias).logits(codes)
    for row in range(2):
        for place in range(5):
            expected = bias + sum(weights[i, codes[row, place + i]] for i in range(5))
            np.testing.assert_allclose(found[row, place], expected, rtol=1e-5)


def test_base_frequencies_are_of_the_bases_that_are_evaluated(sets):
    letters = "".join(sets["valid"].genes.values())
    expected = [letters.count(base) / len(letters) for base in "ACGT"]
    np.testing.assert_allclose(base_frequencies(sets["valid"], "x"), expected)


def test_a_sample_has_all_sites_and_the_stated_share_of_other_bases():
    examples = gene_blocks(40, 1)
    labels = examples.labels
    found = sample_windows(examples, 3, 5, 0, "x")
    for one in (1, 2):
        assert (found.classes == one).sum() == (labels == one).sum() == 80
    assert found.kept == pytest.approx(5 * 160 / (labels == 0).sum())
    assert (found.classes == 0).sum() == pytest.approx(800, rel=0.1)
    assert set(found.classes) == {0, 1, 2}  # never what is not evaluated
    whole = sample_windows(examples, 3, 1000, 0, "x")
    assert whole.kept == 1 and len(whole.classes) == (labels >= 0).sum()
    codes = examples.codes(flank=3)[0]
    rows, places = np.nonzero(labels >= 0)
    assert all(np.array_equal(window, codes[row, place : place + 7]) for window, row, place
               in zip(whole.windows, rows, places, strict=True))  # fmt: skip
    assert not np.array_equal(sample_windows(examples, 3, 5, 1, "x").windows, found.windows)


# ------------------------------------------------------------------------------------------------------- the methods


def test_the_registry_has_them():
    assert set(NAMES) < set(baselines("base-classes")) and not set(NAMES) & set(baselines("two-class"))


@pytest.mark.parametrize("name", NAMES)
def test_they_find_planted_sites_with_probabilities_that_add_up(fitted, sets, name):
    test = sets["test"]
    scores = fitted[name].score(test)
    assert scores.shape == (len(test), BLOCK, 3) and scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-5)
    assert average_precision(test, scores) > LEAST[name]
    # The prevalence is that of all bases, not that of the sample.
    at = test.labels >= 0
    for one in (1, 2):
        assert scores[at][:, one].sum() == pytest.approx((test.labels == one).sum(), rel=0.25)
    assert np.array_equal(fitted[name].score(altered(test, label=[np.full(BLOCK, -1, np.int8)] * len(test))), scores)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_one_scores_the_same(fitted, sets, tmp_path, name):
    model = fitted[name]
    model.save(tmp_path / "kept")
    back = type(model).read(tmp_path / "kept", model.method, model.kind, model.record)
    assert np.array_equal(back.score(sets["test"]), model.score(sets["test"]))
    (file,) = (path for path in (tmp_path / "kept").iterdir() if path.name != "classifier.json")
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match=file.name):
        type(model).read(tmp_path / "kept", model.method, model.kind, model.record)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_draws_the_other_bases(sets, name):
    method = make(name)
    first, again, other = (method.fit(sets["valid"], sets["test"], seed).score(sets["test"]) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == method.deterministic == (name == "splice-pwm")


@pytest.mark.parametrize("name", NAMES)
def test_how_many_are_scored_at_once_does_not_matter(fitted, sets, monkeypatch, name):
    whole = fitted[name].score(sets["test"])
    monkeypatch.setattr("genebert.methods.splice_sites.AT_ONCE", 7 * BLOCK)
    np.testing.assert_allclose(fitted[name].score(sets["test"]), whole, atol=1e-6)


def test_matrices_that_match_the_wrong_bases_keep_their_ranking(sets, caplog):
    # Validation "sites" where the matrices match worst, for the planted ones are not among them.
    scores = make("splice-pwm").fit(sets["train"], sets["valid"], 0).score(sets["valid"])
    labels = sets["valid"].labels.copy()
    for one in (1, 2):
        worst = np.where(labels == 0, scores[:, :, one], 1)
        labels[labels == one] = 0
        labels[np.unravel_index(np.argsort(worst, axis=None)[:20], labels.shape)] = one
    moved = list(labels)
    model = make("splice-pwm").fit(sets["train"], altered(sets["valid"], label=moved), 0)
    slopes = [one["slope"] for one in model.record["settings"]["calibration"].values()]
    assert min(slopes) > 0 and "other bases match a matrix better than its sites" in caplog.text
    assert average_precision(sets["test"], model.score(sets["test"])) > 0.5


def test_trees_bear_sites_where_none_should_be(monkeypatch):
    """Without the penalty on their leaves a few such sites give bases without one a probability of 1."""
    monkeypatch.setitem(TREES, "max_iter", 20)
    train, valid, test = (gene_blocks(size, seed) for seed, size in enumerate((100, 20, 20)))
    rng, labels = np.random.default_rng(0), train.labels.copy()
    rows, places = np.nonzero(labels == 0)
    odd = rng.choice(len(rows), 40, replace=False)
    labels[rows[odd], places[odd]] = rng.integers(1, 3, 40)
    model = make("splice-trees", ratio=200).fit(altered(train, label=list(labels)), valid, 0)
    scores = model.score(test)
    assert average_precision(test, scores) > 0.95
    assert scores[test.labels == 0][:, 1:].max() < 0.9


@pytest.mark.parametrize("name", NAMES)
def test_bad_input(sets, name):
    with pytest.raises(InputError, match=f"{name}: found a task of kind two-class, expected base-classes"):
        find_method(name)(TwoClass({}), {}, {}, {})
    without = [np.where(label == 2, 0, label).astype(np.int8) for label in sets["train"].table["label"]]
    with pytest.raises(InputError, match=f"{name}: train: found no donor, expected at least one"):
        make(name).fit(altered(sets["train"], label=without), sets["valid"], 0)
    uneven = sets["valid"].table["end"].to_numpy() + (np.arange(len(sets["valid"])) == 0)
    with pytest.raises(InputError, match=rf"{name}: valid: found blocks of 100 to 101 bases, expected"):
        make(name).fit(sets["train"], altered(sets["valid"], end=uneven), 0)
    with pytest.raises(InputError, match="ratio: found 0, expected"):
        make(name, ratio=0)
