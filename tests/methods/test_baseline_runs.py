"""Score files of the simple models: what is in them, other data sets, smaller training sets, factors without matrix."""

import json

import pandas as pd
import pytest
import torch
from baseline_inputs import TATA, at_places, toy
from motif_reference import consensus_motif
from sklearn.metrics import roc_auc_score

from genebert.errors import InputError
from genebert.evaluation.examples import training_subset
from genebert.evaluation.scores import read_score
from genebert.files import sha256, write_json
from genebert.genome.fasta import prepare_genome
from genebert.methods.baselines import BASELINES, fit_and_score
from genebert.methods.run import run_baseline
from genebert.motifs.jaspar import write_jaspar
from genebert.tasks.tfbs import TfbsSettings, build_tfbs_task

torch.set_num_threads(1)
NAMES = {"task": "tfbs", "dataset": "toy", "model": "x"}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {
        "train": at_places(toy(240, 0), 0),
        "valid": at_places(toy(80, 1), 100_000),
        "test": at_places(toy(150, 2), 200_000),
    }


def write_folder(folder, tables, **card):
    folder.mkdir()
    for split, table in tables.items():
        table.to_parquet(folder / f"{split}.parquet")
    write_json(folder / "card.json", {"task": "tfbs", **card})
    return folder


@pytest.fixture
def folder(tables, tmp_path):
    return write_folder(tmp_path / "toy", tables, factor="TFMX", cell="A")


@pytest.fixture
def jaspar(tmp_path):
    path = tmp_path / "jaspar.txt"
    write_jaspar([consensus_motif("GGGCGC", "MA"), *TATA], path)
    return path


def run(name, folder, tmp_path, seed=5, **options):
    return run_baseline(name, folder, seed, tmp_path / "out.json", tmp_path / "out.parquet", NAMES, **options)


@pytest.mark.parametrize("name", BASELINES)
def test_score_file(name, tables, folder, jaspar, tmp_path):
    score = run(name, folder, tmp_path, jaspar=jaspar)
    assert json.loads((tmp_path / "out.json").read_text()) == score == read_score(tmp_path / "out.json")
    assert {key: score[key] for key in NAMES} == NAMES and score["seed"] == 5
    assert score["deterministic"] == BASELINES[name].deterministic
    assert score["method"] == {"kind": "baseline", "name": name}
    assert score["n_train"] == 240 and "transfer" not in score and score["seconds"] >= 0
    assert score["data_sha256"] == {split: sha256(folder / f"{split}.parquet") for split in tables}
    valid, expected = fit_and_score(name, **tables, seed=5, motifs=TATA)
    written = pd.read_parquet(tmp_path / "out.parquet")
    assert written["score"].tolist() == expected.tolist()
    assert written["label"].tolist() == tables["test"]["label"].tolist()
    assert score["metrics"]["roc_auc"] == pytest.approx(roc_auc_score(tables["test"]["label"], expected))
    assert score["validation"]["roc_auc"] == pytest.approx(roc_auc_score(tables["valid"]["label"], valid))
    first = (tmp_path / "out.parquet").read_bytes()
    again = run(name, folder, tmp_path, jaspar=jaspar)
    assert {**again, "seconds": 0} == {**score, "seconds": 0}
    assert (tmp_path / "out.parquet").read_bytes() == first


@pytest.mark.parametrize("name", BASELINES)
def test_scores_on_other_data_sets(name, tables, folder, jaspar, tmp_path):
    """Cell B shares 20 places with the training examples of A; those are not asked."""
    foreign = pd.concat([at_places(toy(20, 7), 10_000), at_places(toy(80, 8), 500_000)], ignore_index=True)
    other = write_folder(tmp_path / "B(2)", {**tables, "test": foreign}, factor="TFMX", cell="B")
    score = run(name, folder, tmp_path, jaspar=jaspar, transfer={"B(2)": other})
    assert list(score["transfer"]) == ["B(2)"]
    found = score["transfer"]["B(2)"]
    assert found["left_out"] == 20 and found["metrics"]["n"] == 80
    _, expected = fit_and_score(name, tables["train"], tables["valid"], foreign[20:], 5, TATA)
    assert found["metrics"]["roc_auc"] == pytest.approx(roc_auc_score(foreign["label"][20:], expected), abs=1e-3)
    alone = run(name, folder, tmp_path, jaspar=jaspar)
    assert score["metrics"] == alone["metrics"]


def test_no_other_data_sets_is_no_entry(tables, tmp_path):
    nowhere = {split: table.drop(columns=["chrom", "start", "end", "parent"]) for split, table in tables.items()}
    folder = write_folder(tmp_path / "nowhere", nowhere)
    assert "transfer" not in run("kmer-logreg", folder, tmp_path, transfer={})


def test_fewer_training_examples(tables, folder, jaspar, tmp_path):
    score = run("kmer-logreg", folder, tmp_path, n_train=60)
    assert score["n_train"] == 60
    part = training_subset(tables["train"], 60, 5)
    _, expected = fit_and_score("kmer-logreg", part, tables["valid"], tables["test"], 5)
    assert pd.read_parquet(tmp_path / "out.parquet")["score"].tolist() == expected.tolist()
    # The seed chooses the examples: no model is deterministic any more, but for the whole set.
    assert not score["deterministic"]
    assert not run("pwm", folder, tmp_path, jaspar=jaspar, n_train=60)["deterministic"]
    assert run("kmer-logreg", folder, tmp_path, n_train=240)["deterministic"]
    with pytest.raises(InputError, match="n_train: found 241, expected 2 to 240"):
        run("kmer-logreg", folder, tmp_path, n_train=241)


def test_the_factor_of_the_card_chooses_the_matrix(tables, folder, jaspar, tmp_path):
    settings = run("pwm", folder, tmp_path, jaspar=jaspar, release="JASPAR2020")["settings"]
    assert (settings["factor"], settings["matrix"], settings["matrix_name"]) == ("TFMX", "MX", "TFMX")
    assert (settings["jaspar_release"], settings["jaspar_sha256"]) == ("JASPAR2020", sha256(jaspar))
    other = write_folder(tmp_path / "other", tables, factor="tfma")
    assert run("pwm", other, tmp_path, jaspar=jaspar)["settings"]["matrix"] == "MA"


def test_a_factor_without_matrix_is_unavailable(tables, jaspar, tmp_path):
    folder = write_folder(tmp_path / "toy", tables, factor="POLR2A")
    score = run("pwm", folder, tmp_path, jaspar=jaspar)
    assert score == {**NAMES, "seed": 5, "unavailable": "JASPAR 2018 CORE vertebrates has no matrix of POLR2A"}
    assert read_score(tmp_path / "out.json") == score
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == 0


def test_bad_input(tables, folder, jaspar, tmp_path):
    with pytest.raises(InputError, match="pwm: no JASPAR file given; expected the path"):
        run("pwm", folder, tmp_path)
    promoters = write_folder(tmp_path / "promoters", tables)
    with pytest.raises(InputError, match=r"card.json: factor is None, expected the name of a transcription factor"):
        run("pwm", promoters, tmp_path, jaspar=jaspar)
    (promoters / "card.json").unlink()
    with pytest.raises(InputError, match=r"card.json: does not exist; expected the card of a task"):
        run("pwm", promoters, tmp_path, jaspar=jaspar)
    with pytest.raises(InputError, match="baseline: found 'svm', expected one of pwm"):
        run("svm", folder, tmp_path)
    nowhere = {split: table.assign(chrom=None, start=None, end=None, parent=None) for split, table in tables.items()}
    with pytest.raises(InputError, match="transfer: the training examples have no places"):
        run("kmer-logreg", write_folder(tmp_path / "nowhere", nowhere), tmp_path, transfer={"toy": folder})
    assert not (tmp_path / "out.json").exists()


# ------------------------------------------------------------------------------------------------------ real data


@pytest.mark.shared
def test_real_ctcf(shared_data, tmp_path):
    """CTCF of K562 on chr20 against dinucleotide shuffles."""
    genome = tmp_path / "genome.fa"
    prepare_genome(shared_data / "genome" / "chr20.fa.gz", genome, "hg19", ["chr20"])
    peaks = shared_data / "tfbs" / "ChIPseq.K562.CTCF.conservative.train.narrowPeak.gz"
    about = {"factor": "CTCF", "cell": "K562", "tissue": "blood"}
    build_tfbs_task(TfbsSettings(), peaks, genome, about, ["chr20"], tmp_path / "K562")
    jaspar = shared_data / "motifs" / "JASPAR2018_CORE_vertebrates_non-redundant_pfms_jaspar.txt"
    score = run("pwm", tmp_path / "K562", tmp_path, jaspar=jaspar)
    assert score["settings"]["matrix"] == "MA0139.1" and score["metrics"]["n"] == 1000
    assert score["metrics"]["roc_auc"] == pytest.approx(0.963, abs=0.005)
    assert score["metrics"]["precision"] > 0.88  # at 0.5: the calibration puts it where it belongs
    logistic = run("kmer-logreg", tmp_path / "K562", tmp_path)
    assert 0.7 < logistic["metrics"]["roc_auc"] < 0.82
    network = run("cnn", tmp_path / "K562", tmp_path)
    assert network["metrics"]["roc_auc"] > 0.95
