"""Probes that use few units, and fine-tuning on predicted motif scores that begins with one."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from finetune_inputs import SETTINGS, toy
from method_inputs import examples, fit_job, make_method, sets, write_folder
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from genebert.errors import InputError
from genebert.evaluation.kinds.base_classes import BaseClasses
from genebert.methods.classifier import Features, Probe
from genebert.methods.probes import fit_sparse
from genebert.methods.registry import find_method, load_classifier
from genebert.methods.run import run_method
from genebert.methods.scikit import least_l1
from genebert.models.genebert import GeneBERT
from genebert.settings.models import ConvolutionSettings, LossSettings, ModelSettings, SequenceEncoderSettings

torch.set_num_threads(1)
N_TFS = 6
AS_MOTIFS = replace(SETTINGS, pooling="motifs", probe="sparse", strands="both")


def features(n: int, seed: int, informative: int) -> tuple[Features, np.ndarray]:
    """Twenty units, of which the first differ between the classes, the first of all most; on scales of their own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    values = rng.normal(size=(n, 20))
    values[:, :informative] += np.where(labels, 1, -1)[:, None] * np.linspace(1.2, 0.6, informative)
    return Features(torch.from_numpy(values * np.linspace(1, 50, 20) + 7).float()), labels


def fitted(n: int, informative: int, seed: int = 0):
    train, labels = features(n, seed, informative)
    valid, valid_labels = features(400, 100, informative)
    probe = Probe(train, 2, 0.0, 0.5)
    return probe, fit_sparse(probe, train, labels, valid, valid_labels, "toy"), (train, labels, valid, valid_labels)


def test_of_few_examples_one_unit_is_left():
    probe, about, given = fitted(12, 1, seed=1)
    assert about["units"] == 1 and about["inverse_penalty"] is None and list(about["largest_weights"]) == ["0"]
    train, labels, valid, _ = given
    z = ((train.values - probe.mean) / probe.sd).numpy()
    expected = LogisticRegression().fit(z[:, [0]], labels)
    outputs = probe.eval()(valid.values).detach()
    found = (outputs[:, 1] - outputs[:, 0]).sigmoid().numpy()
    z = ((valid.values - probe.mean) / probe.sd).numpy()
    assert found == pytest.approx(expected.predict_proba(z[:, [0]])[:, 1], abs=1e-5)


def test_of_many_a_penalty_as_scikit_learn_has_it():
    probe, about, (train, labels, valid, _) = fitted(2000, 8)
    assert about["units"] >= 8 and about["inverse_penalty"] > 0
    z = ((train.values - probe.mean) / probe.sd).double().numpy()
    one = LogisticRegression(C=about["inverse_penalty"], l1_ratio=1, solver="liblinear", random_state=0)
    one.fit(z, labels)
    outputs = probe.eval()(valid.values).detach().double()
    z = ((valid.values - probe.mean) / probe.sd).double().numpy()
    assert (outputs[:, 1] - outputs[:, 0]).numpy() == pytest.approx(one.decision_function(z), abs=1e-4)
    assert about["inverse_penalty"] >= 2 * least_l1(z, np.arange(len(z)) % 2) / len(z)


def test_folds_of_the_training_examples_choose_where_sequences_are_told():
    """And no validation example is read; of few examples one unit, of many a penalty, as validation chooses."""
    for n, informative, few in ((24, 1, True), (2000, 8, False)):
        train, labels = features(n, 1, informative)
        found = []
        for valid in (train, Features(-train.values)):
            probe = Probe(train, 2, 0.0, 0.5)
            found.append(fit_sparse(probe, train, labels, valid, 1 - labels, "toy", sequences=np.arange(n)))
        assert found[0] == found[1] and (found[0]["inverse_penalty"] is None) == few
        assert (found[0]["units"] == 1) == few and "0" in found[0]["largest_weights"]


def test_both_strands_of_a_sequence_stand_in_one_fold():
    """Noise that is drawn for each sequence, and the same on both strands, is no reason to take many units."""
    rng, labels = np.random.default_rng(0), np.arange(40) % 2
    values = rng.normal(size=(40, 200))
    values[:, 0] += np.where(labels, 0.8, -0.8)
    both = Features(torch.from_numpy(np.tile(values, (2, 1))).float())
    units = []
    for sequences in (np.tile(np.arange(40), 2), np.arange(80)):
        probe = Probe(both, 2, 0.0, 0.5)
        about = fit_sparse(probe, both, np.tile(labels, 2), both, np.tile(labels, 2), "toy", sequences=sequences)
        units.append(about["units"])
    assert units[0] < 5 < units[1]


def test_one_sequence_of_a_class_is_too_few_for_folds():
    train, _ = features(10, 0, 1)
    labels = np.arange(10) % 5 == 0
    probe = Probe(train, 2, 0.0, 0.5)
    fit_sparse(probe, train, labels.astype(int), train, labels.astype(int), "toy", sequences=np.arange(10))
    labels = np.arange(10) == 0
    with pytest.raises(InputError, match="toy: found 1 training sequence of one class, expected at least 2 of each"):
        fit_sparse(probe, train, labels.astype(int), train, labels.astype(int), "toy", sequences=np.arange(10))


def test_a_unit_may_speak_for_the_other_class():
    train, labels = features(40, 0, 1)
    probe = Probe(train, 2, 0.0, 0.5)
    about = fit_sparse(probe, train, 1 - labels, train, 1 - labels, "toy")
    assert about["largest_weights"]["0"] < 0


def test_states_that_are_all_the_same_are_refused():
    same = Features(torch.ones(10, 4))
    both, one = np.arange(10) % 2, np.zeros(10, int)
    with pytest.raises(InputError, match="toy: no state differs between the classes of the training examples"):
        fit_sparse(Probe(same, 2, 0.0, 0.5), same, both, same, both, "toy")
    alike = Features(torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]))
    with pytest.raises(InputError, match="toy: no state differs"):
        fit_sparse(Probe(alike, 2, 0.0, 0.5), alike, both[:4], alike, both[:4], "toy")
    for labels, name in (((one, both), "training"), ((both, one), "validation")):
        with pytest.raises(InputError, match=f"toy: found {name} examples of one class, expected both"):
            fit_sparse(Probe(same, 2, 0.0, 0.5), same, labels[0], same, labels[1], "toy")


# ------------------------------------------------------------------------------------------------------- fine-tuning


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model that predicts six motifs: its filters look for TATAAA in the first, the others are random."""
    torch.manual_seed(1)
    encoder = SequenceEncoderSettings(1, 32, 2, 64, max_tokens=64, weights=None, convolution=ConvolutionSettings(32, 6))
    losses = LossSettings(srm="regression", pooling="regions", readout="max")
    model = GeneBERT(
        ModelSettings(3, "windows", encoder, losses=losses), torch.zeros(N_TFS), torch.ones(N_TFS), n_regions=4
    )
    model.motif_ids = [f"MA{i:04}.1" for i in range(N_TFS)]
    path = tmp_path_factory.mktemp("motifs") / "model"
    model.save(path, {"regions_per_sample": 4})
    return path


@pytest.fixture(scope="module")
def tables():
    return {"train": toy(300, 0), "valid": toy(100, 1), "test": toy(100, 2)}


def fit(folder, tables, settings, seed=0):
    method, given = make_method("finetune", asdict(settings), model=folder), sets(tables)
    return method.fit(given["train"], given["valid"], seed), given


def test_a_frozen_encoder_has_no_epochs(folder, tables):
    found, given = fit(folder, tables, replace(AS_MOTIFS, frozen=True))
    assert found.record["best_epoch"] == 0 and len(found.record["history"]) == 1
    assert found.record["history"][0]["valid_auc"] == roc_auc_score(given["valid"].labels, found.score(given["valid"]))
    assert set(found.record["sparse"]["largest_weights"]) <= {f"MA{i:04}.1" for i in range(N_TFS)}
    assert "predicted score" in found.record["method"]["classifier"]


def test_all_weights_begin_with_the_probe_which_is_kept_where_nothing_is_better(folder, tables):
    probe, given = fit(folder, tables, replace(AS_MOTIFS, frozen=True))
    kept, _ = fit(folder, tables, replace(AS_MOTIFS, start="probe", epochs=1, learning_rate=1e-12, dropout=0.0))
    assert np.allclose(kept.score(given["test"]), probe.score(given["test"]), atol=1e-4)
    spoilt, _ = fit(folder, tables, replace(AS_MOTIFS, start="probe", epochs=1, learning_rate=3.0, dropout=0.0))
    assert spoilt.record["best_epoch"] == 0
    assert np.allclose(spoilt.score(given["test"]), probe.score(given["test"]), atol=1e-4)
    better, _ = fit(folder, tables, replace(AS_MOTIFS, start="probe", epochs=8, learning_rate=5e-3))
    assert better.record["best_epoch"] > 0
    values = [line["valid_auc"] for line in better.record["history"]]
    assert max(values) > values[0] + 0.02 and values[0] == probe.record["history"][0]["valid_auc"]
    before = GeneBERT.load(folder)
    assert not torch.equal(better.network.reading.regression.weight, before.regression.weight)


def test_bfloat16_keeps_scores_apart(folder, tables):
    """Of one unit too: half of the scores of 8 significant bits would be equal."""
    few = {**tables, "train": tables["train"][:14]}
    found, given = fit(folder, few, replace(AS_MOTIFS, start="probe", epochs=1, precision="bfloat16"))
    scores = found.score(given["test"])
    assert len(np.unique(scores)) > 0.9 * len(scores)


def test_a_grid_chooses_between_probes(folder, tables):
    settings = replace(AS_MOTIFS, frozen=True, grid={"probe": ["gradient", "sparse"]}, learning_rate=1e-2)
    found, _ = fit(folder, tables, settings)
    trials = found.record["grid_search"]["trials"]
    assert [one["settings"]["probe"] for one in trials] == ["gradient", "sparse"] and trials[1]["best_epoch"] == 0
    assert found.settings.probe == max(trials, key=lambda one: one["valid_auc"])["settings"]["probe"]


@pytest.mark.parametrize("changes", [{"frozen": True}, {"start": "probe", "epochs": 2}])
def test_a_kept_classifier_scores_the_same(folder, tables, tmp_path, changes):
    small = {name: table[:96] for name, table in tables.items()}
    task, settings = write_folder(tmp_path / "task", small), replace(AS_MOTIFS, **changes)
    job = fit_job("finetune", task, tmp_path, files={"model": folder}, options=asdict(settings),
                  classifiers=tmp_path / "kept")  # fmt: skip
    run_method(job)
    loaded = load_classifier(tmp_path / "kept/seed5")
    expected = pd.read_parquet(tmp_path / "out/seed5.parquet")["score"].to_numpy()
    assert loaded.score(examples(small["test"])) == pytest.approx(expected, abs=1e-7)
    assert (tmp_path / "kept/seed5/regression.safetensors").is_file()


def test_a_model_without_predicted_scores_is_refused(tables, tmp_path):
    encoder = SequenceEncoderSettings(1, 32, 2, 64, max_tokens=64, weights=None)
    GeneBERT(ModelSettings(3, "windows", encoder, losses=LossSettings(srm=None))).save(
        tmp_path / "model", {"regions_per_sample": 10}
    )
    with pytest.raises(
        InputError, match=r"found losses\.srm None; pooling motifs expects a model that was pre-trained"
    ):
        make_method("finetune", asdict(AS_MOTIFS), model=tmp_path / "model")


@pytest.mark.parametrize("changes", [{"pooling": "motifs"}, {"probe": "sparse", "frozen": True}])
def test_bases_have_neither(folder, changes):
    with pytest.raises(InputError, match=f"finetune.{next(iter(changes))}: found .*: it is for sequences of two cl"):
        find_method("tag")(BaseClasses({}), changes, {"model": folder}, {})
