"""People as a kind of task: folds, metrics within folds, and nothing about one person."""

import numpy as np
import pandas as pd
import pytest
from people_inputs import make_set, write_cohort
from sklearn.metrics import average_precision_score, roc_auc_score

from genebert.errors import InputError
from genebert.evaluation.examples import SPLITS
from genebert.evaluation.kinds.base import Scored
from genebert.evaluation.kinds.registry import kind_of
from genebert.evaluation.metrics import fold_metrics
from genebert.evaluation.people import concatenated
from genebert.genome.fasta import Genome


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    files = write_cohort(folder)
    card = make_set(folder, files)
    return folder, files, card


def read(folder, files, card):
    paths = {name: folder / "set" / f"{name}.parquet" for name in SPLITS}
    return kind_of(card, "card").read(paths, Genome(folder / "genome.fa"), files)


def test_labels_are_those_of_the_table(cohort):
    folder, files, _ = cohort
    splits = read(*cohort)
    table = pd.read_csv(files["phenotypes"], sep="\t")
    for name, people in splits.items():
        numbers = pd.read_parquet(folder / "set" / f"{name}.parquet")["person"]
        assert people.labels.tolist() == table["status"].iloc[numbers].tolist()
        assert people.lengths.tolist() == [900] * len(people)


def test_every_fold_is_tested_once_and_the_next_one_chooses(cohort):
    kind, splits = kind_of(cohort[2], "card"), read(*cohort)
    tested = []
    for number, parts in enumerate(kind.rotations(splits)):
        folds = {name: set(part.table["fold"]) for name, part in parts.items()}
        assert folds == {"test": {number}, "valid": {(number + 1) % 3}, "train": {(number + 2) % 3}}
        assert sum(map(len, parts.values())) == 60
        tested += parts["test"].rows.tolist()
    assert sorted(tested) == list(range(60))
    first = next(iter(kind.rotations(splits)))
    for name in SPLITS:
        assert sorted(first[name].rows) == sorted(splits[name].rows)


def test_files_that_have_changed_are_refused(cohort):
    """Also where as many people are left: a person fewer, in another order, with another status."""
    folder, files, card = cohort
    head, *lines = files["phenotypes"].read_text().splitlines()
    one, other = (next(i for i, line in enumerate(lines) if f"\t{status}\t" in line) for status in (0, 1))
    turned = dict(enumerate(lines)) | {
        one: lines[one].replace("\t0\t", "\t1\t"), other: lines[other].replace("\t1\t", "\t0\t"),
    }  # fmt: skip
    changed = folder / "changed.tsv"
    for kept in (lines[:-1], lines[::-1], list(turned.values())):
        changed.write_text("\n".join([head, *kept]) + "\n")
        with pytest.raises(InputError, match=r"are not those that the data set was made from|names person 59 of 59"):
            read(folder, files | {"phenotypes": changed}, card)
    with pytest.raises(InputError, match="found no genome, vcf, phenotypes or regions"):
        read(folder, {"vcf": files["vcf"]}, card)


def some(n: int = 120, folds: int = 4, seed: int = 0):
    rng = np.random.default_rng(seed)
    label, fold = rng.permutation(np.arange(n) % 2), np.arange(n) % folds
    return label, np.round(rng.normal(size=n) + 0.8 * label, 1) / 10 + 0.5, fold


def test_what_depends_on_order_is_that_of_folds():
    label, score, fold = some()
    found = fold_metrics(label, score, fold)
    parts = [(label[fold == one], score[fold == one]) for one in range(4)]
    assert found["roc_auc_folds"] == pytest.approx([roc_auc_score(*part) for part in parts])
    assert found["roc_auc"] == pytest.approx(np.mean(found["roc_auc_folds"]))
    assert found["auprc"] == pytest.approx(np.mean([average_precision_score(*part) for part in parts]))
    low, high = found["roc_auc_interval"]
    assert low < found["roc_auc"] < high and found["n_folds"] == 4 and (found["n"], found["n_positive"]) == (120, 60)
    # Another level in each fold, as fits have it, changes nothing.
    moved = fold_metrics(label, score + 10 * fold, fold)
    for key in ("roc_auc", "auprc", "roc_auc_interval", "permutation_p"):
        assert moved[key] == pytest.approx(found[key])


def test_the_interval_is_that_of_a_plain_bootstrap():
    label, score, fold = some(400, 2)
    low, high = fold_metrics(label, score, fold)["roc_auc_interval"]
    rng, drawn = np.random.default_rng(5), []
    for _ in range(600):
        parts = []
        for one in (0, 1):
            rows = [rng.choice(np.flatnonzero((fold == one) & (label == value)), 100) for value in (0, 1)]
            parts.append(roc_auc_score(label[np.concatenate(rows)], score[np.concatenate(rows)]))
        drawn.append(np.mean(parts))
    assert (low, high) == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.012)


def test_permutations():
    label, score, fold = some()
    assert fold_metrics(label, score, fold)["permutation_p"] < 0.01
    assert fold_metrics(label, np.full(len(label), 0.3), fold)["permutation_p"] == 1.0
    assert fold_metrics(label, 1 - score, fold)["permutation_p"] > 0.9
    # Of scores that say nothing p is uniform: means and tails of many sets.
    rng = np.random.default_rng(3)
    found = [fold_metrics(label, rng.random(len(label)), fold, 10, 200)["permutation_p"] for _ in range(200)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.07) and np.mean(np.array(found) <= 0.1) < 0.17


def test_predictions_are_counts(cohort):
    kind, splits = kind_of(cohort[2], "card"), read(*cohort)
    everyone = concatenated([splits[name] for name in SPLITS])
    scores = np.linspace(0, 1, len(everyone))
    table = kind.predictions(Scored(everyone, scores))
    assert list(table) == ["score_from", "score_to", "cases", "controls"] and len(table) == 10
    assert table["cases"].sum() == table["controls"].sum() == 30
    assert (table["cases"] + table["controls"]).tolist() == [6] * 10


def test_scores_of_folds_are_joined(cohort):
    kind, splits = kind_of(cohort[2], "card"), read(*cohort)
    parts = [
        Scored(one["test"], np.full(len(one["test"]), number)) for number, one in enumerate(kind.rotations(splits))
    ]
    joined = kind.joined(parts)
    assert (joined.examples.table["fold"] == joined.scores).all() and len(joined.scores) == 60
