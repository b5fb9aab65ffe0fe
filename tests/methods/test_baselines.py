"""Simple models: features by hand, determinism, what the seed changes, and the public prom-core figures."""

import numpy as np
import pandas as pd
import pytest
import torch
from baseline_inputs import TATA, toy
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from genebert.errors import InputError
from genebert.genome.bases import encode, sequence_codes
from genebert.genome.kmers import vocabulary
from genebert.methods.baselines import BASELINES, cross_validate, fit, fit_and_score
from genebert.methods.features import kmer_counts, positional_one_hot
from genebert.run import configuration
from genebert.tasks.kmer_table import read_kmer_tsv

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {"train": toy(400, 0), "valid": toy(100, 1), "test": toy(200, 2)}


def test_the_config_knows_the_same_names():
    assert tuple(BASELINES) == configuration.BASELINES


# ------------------------------------------------------------------------------------------------------ features


@given(st.lists(st.text("ACGTN", max_size=12), min_size=1, max_size=5))
def test_kmer_counts_equal_a_plain_count(sequences):
    codes, _ = sequence_codes(sequences)
    counts = kmer_counts(codes, (1, 2, 3))
    assert counts.shape == (len(sequences), 4 + 16 + 64)
    words = [a + b for a in ["", *"ATCG"] for b in "ATCG"]  # 1-mers, then 2-mers in the vocabulary's order
    words += vocabulary(3)[5:]
    for sequence, row in zip(sequences, counts, strict=True):
        expected = [
            sum(sequence[i : i + len(word)] == word for i in range(len(sequence) - len(word) + 1)) for word in words
        ]
        assert row.tolist() == expected


def test_positional_one_hot():
    found = positional_one_hot(np.stack([encode("ACGTN"), encode("tAnnC")]))
    assert found.reshape(2, 5, 4).argmax(2)[0, :4].tolist() == [0, 1, 2, 3]
    assert found.reshape(2, 5, 4).sum(2).tolist() == [[1, 1, 1, 1, 0], [1, 1, 0, 0, 1]]
    assert found[1].reshape(5, 4)[4].tolist() == [0, 1, 0, 0]


# ------------------------------------------------------------------------------------------------------ fits


@pytest.mark.parametrize("name", BASELINES)
def test_learns_repeats_and_does_not_read_the_labels_of_the_test_set(name, tables):
    valid, test = fit_and_score(name, **tables, seed=0, motifs=TATA)
    assert valid.shape == (100,) and test.shape == (200,)
    assert valid.dtype == test.dtype == np.float64
    assert ((test >= 0) & (test <= 1)).all()
    assert roc_auc_score(tables["test"]["label"], test) > 0.8
    flipped = tables["test"].assign(label=1 - tables["test"]["label"])
    again = fit_and_score(name, **{**tables, "test": flipped}, seed=0, motifs=TATA)
    assert np.array_equal(valid, again[0]) and np.array_equal(test, again[1])


@pytest.mark.parametrize("name", BASELINES)
def test_seed_matters_where_the_method_is_random(name, tables):
    first, second = (fit_and_score(name, **tables, seed=seed, motifs=TATA)[1] for seed in (0, 1))
    assert np.array_equal(first, second) == BASELINES[name].deterministic


@pytest.mark.parametrize("name", BASELINES)
def test_a_fitted_model_scores_any_further_table(name, tables):
    fitted = fit(name, {split: tables[split] for split in ("train", "valid")}, 0, TATA)
    _, expected = fit_and_score(name, **tables, seed=0, motifs=TATA)
    assert fitted.name == name
    assert fitted.score(tables["test"][:50]) == pytest.approx(expected[:50], abs=1e-6)
    without_labels = tables["test"][["sequence"]]
    assert np.array_equal(fitted.score(without_labels), expected)


def test_position_is_what_the_trees_see():
    """A motif that every sequence has, at one place or at another: composition says nothing."""
    rng = np.random.default_rng(0)
    letters = rng.choice(list("ACGT"), size=(500, 40))
    label = np.arange(500) % 2
    for row, positive in zip(letters, label, strict=True):
        start = 10 if positive else 25
        row[start : start + 6] = list("TATAAA")
    table = pd.DataFrame({"sequence": ["".join(row) for row in letters], "label": label})
    parts = {"train": table[:300], "valid": table[300:400], "test": table[400:]}
    assert roc_auc_score(parts["test"]["label"], fit_and_score("boosted-trees", **parts, seed=0)[1]) > 0.99
    assert roc_auc_score(parts["test"]["label"], fit_and_score("kmer-logreg", **parts, seed=0)[1]) < 0.75


def test_lengths_may_differ_only_where_positions_are_no_features(tables):
    longer = tables["test"].assign(sequence=tables["test"]["sequence"] + "ACGTACGT")
    _, scores = fit_and_score("kmer-logreg", tables["train"], tables["valid"], longer, 0)
    assert len(scores) == 200
    with pytest.raises(InputError, match="boosted-trees: sequences of 40 to 48 bases; expected one length"):
        fit_and_score("boosted-trees", tables["train"], tables["valid"], longer, 0)
    with pytest.raises(InputError, match="boosted-trees: sequences of 40 to 48 bases; expected one length"):
        fit("boosted-trees", {"train": tables["train"], "valid": longer}, 0)


def test_bad_input(tables):
    with pytest.raises(InputError, match="baseline: found 'svm', expected one of pwm, kmer-logreg, boosted-trees, cnn"):
        fit_and_score("svm", **tables, seed=0)
    one_class = tables["train"].assign(label=1)
    with pytest.raises(InputError, match="train: 400 positives and 0 negatives; expected both classes"):
        fit_and_score("kmer-logreg", one_class, tables["valid"], tables["test"], 0)
    with pytest.raises(InputError, match="folds: found 1, expected 2 to 200"):
        cross_validate("kmer-logreg", tables["train"], folds=1)


def test_cross_validation_leaves_each_fold_out():
    """Without signal the AUC is a half; a leak of the fold's own labels would lift it far above."""
    noise = toy(600, 3, share=0.0)
    found = cross_validate("kmer-logreg", noise, folds=4, seed=1)
    assert abs(found["roc_auc"] - 0.5) < 0.08
    assert (found["n"], found["folds"], len(found["roc_auc_folds"])) == (600, 4, 4)
    assert found["roc_auc"] == pytest.approx(np.mean(found["roc_auc_folds"]))
    signal = cross_validate("kmer-logreg", toy(600, 4), folds=4, seed=1)
    assert signal["roc_auc"] > 0.8 and signal["precision"] > 0.7 and signal["recall"] > 0.7


# ------------------------------------------------------------------------------------------------------ real data


@pytest.mark.shared
def test_prom_core_figures(shared_data):
    """docs/facts.md 35, 5-fold cross-validation: k-mer logistic regression 0.843, boosted trees 0.905."""
    table, _ = read_kmer_tsv(shared_data / "promoters" / "dnabert_prom_core_test.tsv")
    assert len(table) == 5919
    logistic = cross_validate("kmer-logreg", table)
    assert logistic["roc_auc"] == pytest.approx(0.843, abs=0.006)
    assert logistic["precision"] == pytest.approx(0.764, abs=0.01)
    assert logistic["recall"] == pytest.approx(0.764, abs=0.01)
    trees = cross_validate("boosted-trees", table)
    assert trees["roc_auc"] == pytest.approx(0.905, abs=0.006)
