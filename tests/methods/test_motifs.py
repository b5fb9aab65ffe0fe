"""Baselines on the scores of all motifs: which is found, both strands, what is chosen on validation, scores once."""

from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from baseline_inputs import TATA, planted, reverse_complement, toy
from method_inputs import examples, make_method, part, run, sets, write_folder, write_motifs
from motif_reference import both_strand_background, consensus_motif, random_motif
from sklearn.metrics import roc_auc_score

from genebert.errors import InputError
from genebert.methods.best_scores import BestScores
from genebert.methods.motifs import PENALTIES, aucs
from genebert.motifs.scan import BestScorer

WORD = "TTCAGGCTAAC"
NAMES = ("motif-best", "motif-l1", "motif-trees")


@pytest.fixture(scope="module")
def jaspar(tmp_path_factory):
    """Nine random matrices, and among them that of the planted word."""
    motifs = [random_motif(np.random.default_rng(i), 8 + i % 3, f"MR{i}") for i in range(9)]
    return write_motifs(
        tmp_path_factory.mktemp("motifs") / "jaspar.txt", [*motifs[:4], consensus_motif(WORD), *motifs[4:]]
    )


@pytest.fixture(scope="module")
def given():
    return sets({"train": planted(300, 0, WORD), "valid": planted(100, 1, WORD), "test": planted(200, 2, WORD)})


def auc_of(model, tested):
    return roc_auc_score(tested.labels, model.score(tested))


@pytest.mark.parametrize("name", NAMES)
def test_a_known_motif_is_found_with_few_labels_on_both_strands(name, given, jaspar):
    method = make_method(name, jaspar=jaspar)
    assert auc_of(method.fit(part(given["train"], 30, 0), given["valid"], 0), given["test"]) > 0.97
    model = method.fit(given["train"], given["valid"], 0)
    assert auc_of(model, given["test"]) > 0.99
    if name != "motif-trees":  # which may look at places
        turned = given["test"].table.assign(sequence=given["test"].table["sequence"].map(reverse_complement))
        assert model.score(examples(turned)) == pytest.approx(model.score(given["test"]), abs=1e-5)


def test_the_best_motif_is_that_of_the_training_labels(given, jaspar):
    settings = make_method("motif-best", jaspar=jaspar).fit(given["train"], given["valid"], 0).record["settings"]
    assert settings["matrix"] == "MX" and settings["train_auc"] > 0.99 and settings["motifs"] == 10
    # where the training labels speak of another word, that of validation counts for nothing
    other = toy(200, 5, length=60)
    (found,) = (make_method("motif-best", jaspar=jaspar).fit(examples(one), given["valid"], 0) for one in [other])
    assert found.record["settings"]["train_auc"] < 0.7


def test_aucs_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 6, (80, 5)).astype(np.float32), np.arange(80) % 2
    assert aucs(scores, labels) == pytest.approx([roc_auc_score(labels, column) for column in scores.T])


def test_the_penalty_is_chosen_on_validation(given, jaspar):
    def chosen(valid):
        settings = make_method("motif-l1", jaspar=jaspar).fit(given["train"], valid, 0).record["settings"]
        return settings["inverse_penalties"].index(settings["chosen_inverse_penalty"]), settings

    strong, settings = chosen(given["valid"])
    assert strong == len(PENALTIES) - 1  # the classes are told apart by the word: the surer the better
    assert next(iter(settings["largest_weights"])) == "MX"
    flipped = examples(given["valid"].table.assign(label=1 - given["valid"].labels))
    weak, settings = chosen(flipped)
    assert weak == 0 and settings["motifs_used"] <= 3


def test_trees_take_bases_where_validation_prefers_them_and_lengths_allow(tmp_path):
    """A motif that all sequences have, at one place or at another: only bases at places tell."""
    rng = np.random.default_rng(0)
    letters, label = rng.choice(list("ACGT"), size=(500, 40)), np.arange(500) % 2
    for row, positive in zip(letters, label, strict=True):
        start = 10 if positive else 25
        row[start : start + 6] = list("TATAAA")
    table = pd.DataFrame({"sequence": ["".join(row) for row in letters], "label": label})
    train, valid, test = examples(table[:300]), examples(table[300:400]), examples(table[400:])
    path = write_motifs(tmp_path / "jaspar.txt", TATA)
    model = make_method("motif-trees", jaspar=path).fit(train, valid, 0)
    settings = model.record["settings"]
    assert settings["features"] == "scores, bases and k-mers" and auc_of(model, test) > 0.99
    assert settings["valid_loss"]["scores"] > 0.6 > settings["valid_loss"]["scores, bases and k-mers"]
    longer = examples(test.table.assign(sequence=test.table["sequence"] + "ACGT"))
    with pytest.raises(InputError, match="motif-trees: sequences of 40 to 44 bases; expected one length"):
        model.score(longer)
    # a set of another length, seen before the fit: the scores alone, which any length has
    method = make_method("motif-trees", jaspar=path)
    for one in (train, valid, longer):
        method.prepare(one)
    model = method.fit(train, valid, 0)
    assert list(model.record["settings"]["valid_loss"]) == ["scores"] and len(model.score(longer)) == 100


def test_scores_are_made_once_for_all_seeds_and_sizes(given, jaspar):
    """And are those of each part by itself, with the background of the whole training set."""
    method, scored = make_method("motif-l1", jaspar=jaspar), []
    plain = BestScorer.score
    with patch.object(BestScorer, "score", lambda self, *args: scored.append(len(args[1])) or plain(self, *args)):
        for one in given.values():
            method.prepare(one)
        fitted = [
            method.fit(part(given["train"], size, seed), given["valid"], seed) for size in (40, 80) for seed in (0, 1)
        ]
        for one in fitted:
            one.score(given["test"])
    assert scored == [300, 100, 200]
    background = fitted[0].record["settings"]["background"]
    assert background == pytest.approx(both_strand_background(given["train"].table["sequence"]))
    some = part(given["train"], 40, 0)
    again = BestScores("x", method.motifs, tuple(background)).of(examples(some.table))
    assert np.array_equal(method.scores(some).of(some), again)


def test_a_run_uses_the_release_of_the_configuration_and_needs_no_factor(given, jaspar, tmp_path):
    folder = write_folder(tmp_path / "toy", {name: one.table for name, one in given.items()})
    score = run(
        "motif-l1", folder, tmp_path, files={"jaspar": jaspar}, options={"release": "JASPAR2020"}, sizes=[60, 300]
    )
    assert score["settings"]["jaspar_release"] == "JASPAR2020" and score["deterministic"]
    assert score["metrics"]["roc_auc"] > 0.99


def test_bad_input(given, jaspar, tmp_path):
    short = examples(given["test"].table.assign(sequence="ACGT"))
    with pytest.raises(
        InputError, match="motif-l1: a sequence of 4 bases found; expected at least 8, the width of MR0"
    ):
        make_method("motif-l1", jaspar=jaspar).fit(given["train"], short, 0)
    same = examples(pd.DataFrame({"sequence": ["ACGTTGCATTGACC"] * 10, "label": [0, 1] * 5}))
    with pytest.raises(InputError, match="motif-l1: all 10 training sequences have the same scores of all motifs"):
        make_method("motif-l1", jaspar=jaspar).fit(same, given["valid"], 0)
    with pytest.raises(InputError, match="motif-best: found no jaspar among its files, expected a path"):
        run("motif-best", write_folder(tmp_path / "toy", {name: one.table for name, one in given.items()}), tmp_path)
