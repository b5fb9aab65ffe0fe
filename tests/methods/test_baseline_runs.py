"""Score files of the simple models: what is in them, other data sets, smaller training sets, factors without matrix."""

import pandas as pd
import pytest
import torch
from baseline_inputs import TATA, at_places, toy
from method_inputs import (
    BASELINES,
    NAMES,
    OPTIONS,
    make_method,
    part,
    predictions,
    run,
    scores,
    sets,
    write_folder,
    write_motifs,
)
from motif_reference import consensus_motif
from sklearn.metrics import roc_auc_score

from genebert.errors import InputError
from genebert.files import sha256
from genebert.genome.fasta import prepare_genome
from genebert.tasks.base import Sources
from genebert.tasks.tfbs import TASK

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {
        "train": at_places(toy(240, 0), 0),
        "valid": at_places(toy(80, 1), 100_000),
        "test": at_places(toy(150, 2), 200_000),
    }


@pytest.fixture
def folder(tables, tmp_path):
    return write_folder(tmp_path / "toy", tables, factor="TFMX", cell="A")


@pytest.fixture
def jaspar(tmp_path):
    return {"jaspar": write_motifs(tmp_path / "jaspar.txt", [consensus_motif("GGGCGC", "MA"), *TATA])}


def expected_scores(name, tables, seed, jaspar):
    """Return the scores of valid and test by the method alone."""
    given = sets(tables)
    fitted = make_method(name, OPTIONS.get(name), card={"factor": "TFMX"}, **jaspar).fit(
        given["train"], given["valid"], seed
    )
    return scores(fitted, given["valid"], given["test"])


@pytest.mark.parametrize("name", BASELINES)
def test_score_file(name, tables, folder, jaspar, tmp_path):
    score = run(name, folder, tmp_path, files=jaspar, options=OPTIONS.get(name, {}))
    assert {key: score[key] for key in NAMES} == NAMES and score["seed"] == 5
    assert score["deterministic"] == make_method(name, card={"factor": "TFMX"}, **jaspar).deterministic
    assert score["method"] == {"kind": "baseline", "name": name}
    assert score["n_train"] == 240 and "transfer" not in score and score["seconds"] >= 0
    assert score["data_sha256"] == {split: sha256(folder / f"{split}.parquet") for split in tables}
    valid, expected = expected_scores(name, tables, 5, jaspar)
    written = predictions(tmp_path)
    assert written["score"].tolist() == expected.tolist()
    assert written["label"].tolist() == tables["test"]["label"].tolist()
    assert score["metrics"]["roc_auc"] == pytest.approx(roc_auc_score(tables["test"]["label"], expected))
    assert score["validation"]["roc_auc"] == pytest.approx(roc_auc_score(tables["valid"]["label"], valid))
    assert score["data_set"] == {"factor": "TFMX", "cell": "A"}
    first = (tmp_path / "out" / "seed5.parquet").read_bytes()
    again = run(name, folder, tmp_path, files=jaspar, options=OPTIONS.get(name, {}))
    assert {**again, "seconds": 0} == {**score, "seconds": 0}
    assert (tmp_path / "out" / "seed5.parquet").read_bytes() == first


@pytest.mark.parametrize("name", BASELINES)
def test_scores_on_other_data_sets(name, tables, folder, jaspar, tmp_path):
    """Cell B shares 20 places with the training examples of A; those are not asked."""
    foreign = pd.concat([at_places(toy(20, 7), 10_000), at_places(toy(80, 8), 500_000)], ignore_index=True)
    other = write_folder(tmp_path / "B(2)", {**tables, "test": foreign}, factor="TFMX", cell="B")
    score = run(name, folder, tmp_path, files=jaspar, transfer={"B(2)": other}, options=OPTIONS.get(name, {}))
    assert list(score["transfer"]) == ["B(2)"]
    found = score["transfer"]["B(2)"]
    assert found["left_out"] == 20 and found["metrics"]["n"] == 80
    _, expected = expected_scores(name, {**tables, "test": foreign[20:]}, 5, jaspar)
    assert found["metrics"]["roc_auc"] == pytest.approx(roc_auc_score(foreign["label"][20:], expected), abs=1e-3)
    alone = run(name, folder, tmp_path, files=jaspar, options=OPTIONS.get(name, {}))
    assert score["metrics"] == alone["metrics"]


def test_no_other_data_sets_is_no_entry(tables, tmp_path):
    nowhere = {split: table.drop(columns=["chrom", "start", "end", "parent"]) for split, table in tables.items()}
    folder = write_folder(tmp_path / "nowhere", nowhere)
    assert "transfer" not in run("kmer-logreg", folder, tmp_path, transfer={})


def test_fewer_training_examples(tables, folder, jaspar, tmp_path):
    score = run("kmer-logreg", folder, tmp_path, sizes=[240, 60])
    assert score["n_train"] == 60
    given = sets(tables)
    fitted = make_method("kmer-logreg").fit(part(given["train"], 60, 5), given["valid"], 5)
    assert predictions(tmp_path, "n60_seed5")["score"].tolist() == fitted.score(given["test"]).tolist()
    # The seed chooses the examples: no method is deterministic any more, but for the whole set.
    assert not score["deterministic"]
    assert not run("pwm", folder, tmp_path, files=jaspar, sizes=[60])["deterministic"]
    assert run("kmer-logreg", folder, tmp_path, sizes=[60, 240])["deterministic"]
    with pytest.raises(InputError, match="n_train: found 1, expected 2 to 240"):
        run("kmer-logreg", folder, tmp_path, sizes=[1])


def test_the_factor_of_the_card_chooses_the_matrix(tables, folder, jaspar, tmp_path):
    settings = run("pwm", folder, tmp_path, files=jaspar, options={"release": "JASPAR2020"})["settings"]
    assert (settings["factor"], settings["matrix"], settings["matrix_name"]) == ("TFMX", "MX", "TFMX")
    assert (settings["jaspar_release"], settings["jaspar_sha256"]) == ("JASPAR2020", sha256(jaspar["jaspar"]))
    other = write_folder(tmp_path / "other", tables, factor="tfma")
    assert run("pwm", other, tmp_path, files=jaspar)["settings"]["matrix"] == "MA"


def test_a_factor_without_matrix_is_unavailable(tables, jaspar, tmp_path):
    folder = write_folder(tmp_path / "toy", tables, factor="POLR2A")
    score = run("pwm", folder, tmp_path, files=jaspar, seeds=[4, 5], classifiers=tmp_path / "kept")
    assert score == {**NAMES, "seed": 5, "unavailable": "JASPAR 2018 CORE vertebrates has no matrix of POLR2A"}
    assert len(predictions(tmp_path)) == len(predictions(tmp_path, "seed4")) == 0
    assert not list((tmp_path / "kept").iterdir())


def test_trees_of_positions_cannot_be_had_of_sequences_of_several_lengths(tables, tmp_path):
    first = tables["test"]["sequence"].iloc[0]
    tables = tables | {"test": tables["test"].replace({"sequence": {first: first + "ACGT"}})}
    score = run("boosted-trees", write_folder(tmp_path / "toy", tables), tmp_path)
    assert score["unavailable"].startswith("sequences of 40 to 44 bases: each position is a feature")
    assert "metrics" in run("kmer-logreg", tmp_path / "toy", tmp_path)


def test_bad_input(tables, folder, jaspar, tmp_path):
    with pytest.raises(InputError, match="pwm: found no jaspar among its files, expected a path"):
        run("pwm", folder, tmp_path)
    promoters = write_folder(tmp_path / "promoters", tables)
    message = "pwm: the card of the data set says factor None, expected the name of a transcription factor"
    with pytest.raises(InputError, match=message):
        run("pwm", promoters, tmp_path, files=jaspar)
    (promoters / "card.json").unlink()
    with pytest.raises(InputError, match=message):
        run("pwm", promoters, tmp_path, files=jaspar)
    with pytest.raises(InputError, match="method: found 'svm', expected one of finetune, tag, haplotypes, pwm"):
        run("svm", folder, tmp_path)
    nowhere = {split: table.assign(chrom=None, start=None, end=None, parent=None) for split, table in tables.items()}
    with pytest.raises(InputError, match="transfer: the training examples have no places"):
        run("kmer-logreg", write_folder(tmp_path / "nowhere", nowhere), tmp_path, transfer={"toy": folder})
    one_class = write_folder(tmp_path / "one", {**tables, "valid": tables["valid"].assign(label=1)})
    with pytest.raises(InputError, match=r"valid\.parquet: 80 positives and 0 negatives; expected both classes"):
        run("kmer-logreg", one_class, tmp_path)
    ranking = write_folder(tmp_path / "ranking", tables, kind="ranking")
    with pytest.raises(InputError, match=r"card\.json: found the kind 'ranking', expected one of two-class"):
        run("kmer-logreg", ranking, tmp_path)
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------------------------------ real data


@pytest.mark.slow
@pytest.mark.shared
def test_real_ctcf(shared_data, tmp_path):
    """CTCF of K562 on chr20 against dinucleotide shuffles."""
    genome = tmp_path / "genome.fa"
    prepare_genome(shared_data / "genome" / "chr20.fa.gz", genome, "hg19", ["chr20"])
    peaks = shared_data / "tfbs" / "ChIPseq.K562.CTCF.conservative.train.narrowPeak.gz"
    about = {"factor": "CTCF", "cell": "K562", "tissue": "blood"}
    TASK.build(about, Sources({"peaks": peaks}, genome, ["chr20"], 42), tmp_path / "K562")
    jaspar = shared_data / "motifs" / "JASPAR2018_CORE_vertebrates_non-redundant_pfms_jaspar.txt"
    score = run("pwm", tmp_path / "K562", tmp_path, files={"jaspar": jaspar})
    assert score["settings"]["matrix"] == "MA0139.1" and score["metrics"]["n"] == 1000
    assert score["metrics"]["roc_auc"] == pytest.approx(0.963, abs=0.005)
    assert score["metrics"]["precision"] > 0.88  # at 0.5: the calibration puts it where it belongs
    logistic = run("kmer-logreg", tmp_path / "K562", tmp_path)
    assert 0.7 < logistic["metrics"]["roc_auc"] < 0.82
    network = run("cnn", tmp_path / "K562", tmp_path)
    assert network["metrics"]["roc_auc"] > 0.95
