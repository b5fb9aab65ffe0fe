"""Best motif score: against Biopython, strands, choice of the matrix, calibration, sequences it cannot score."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from baseline_inputs import planted, reverse_complement, toy
from Bio.motifs.matrix import FrequencyPositionMatrix
from hypothesis import given
from hypothesis import strategies as st
from method_inputs import examples, make_method, write_motifs
from motif_reference import both_strand_background, consensus_motif, random_motif
from sklearn.metrics import roc_auc_score

from genebert.errors import InputError
from genebert.methods.base import Unavailable
from genebert.motifs.jaspar import Motif, factor_motifs, read_jaspar

WORD = "TTCAGGCTAAC"


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {"train": planted(300, 0, WORD), "valid": planted(80, 1, WORD), "test": planted(200, 2, WORD)}


@pytest.fixture(scope="module")
def fit_pwm(tmp_path_factory):
    """Return a function that fits on tables, with these matrices as those of the factor TF."""
    path = tmp_path_factory.mktemp("motifs") / "jaspar.txt"

    def fit(tables, motifs):
        write_motifs(path, [replace(motif, name="TF") for motif in motifs])
        method = make_method("pwm", card={"factor": "TF"}, jaspar=path)
        model = method.fit(examples(tables["train"]), examples(tables["valid"]), 0)
        return model, model.record["settings"]

    return fit


def biopython_best(motif: Motif, sequences: list[str], background: tuple[float, ...]) -> np.ndarray:
    """Best natural-log score over both strands; Biopython's logarithm has base 2."""
    shares = dict(zip("ACGT", background, strict=True))
    counts = FrequencyPositionMatrix("ACGT", dict(zip("ACGT", motif.counts.tolist(), strict=True)))
    scores = counts.normalize(pseudocounts=shares).log_odds(shares)
    both = scores, scores.reverse_complement()
    return np.log(2) * np.array([max(np.max(matrix.calculate(text)) for matrix in both) for text in sequences])


def named(name: str, matrix_id: str = "M") -> Motif:
    return Motif(matrix_id, name, np.ones((4, 3)))


# ------------------------------------------------------------------------------------------------------ scores


def test_scores_are_those_of_biopython(tables, fit_pwm):
    motif = random_motif(np.random.default_rng(5), 9, "MA")
    model, settings = fit_pwm(tables, [motif])
    background = both_strand_background(tables["train"]["sequence"])
    assert settings["background"] == pytest.approx(background)
    expected = biopython_best(motif, tables["test"]["sequence"].tolist(), background)
    assert model.matrix.best_scores(examples(tables["test"])) == pytest.approx(expected, abs=1e-4)


def test_a_planted_motif_is_found_on_both_strands(tables, fit_pwm):
    model, _ = fit_pwm(tables, [consensus_motif(WORD)])
    probability = model.score(examples(tables["test"]))
    assert roc_auc_score(tables["test"]["label"], probability) > 0.999
    assert np.array_equal(probability >= 0.5, tables["test"]["label"] == 1)
    turned = tables["test"].assign(sequence=tables["test"]["sequence"].map(reverse_complement))
    assert model.score(examples(turned)) == pytest.approx(probability, abs=1e-6)


def test_the_background_comes_from_the_training_set_alone(tables, fit_pwm):
    other = {**tables, "valid": tables["valid"].assign(sequence="GC" * 30)}
    assert fit_pwm(other, [consensus_motif(WORD)])[1]["background"] == pytest.approx(
        fit_pwm(tables, [consensus_motif(WORD)])[1]["background"]
    )


def test_windows_with_n_do_not_count(tables, fit_pwm, caplog):
    model, _ = fit_pwm(tables, [consensus_motif(WORD)])
    lowest = model.matrix.log_odds.min(axis=0).sum()
    half = "N" * 20 + WORD + "N" * 5
    broken = WORD[:5] + "N" + WORD[6:]
    table = pd.DataFrame({"sequence": [half, "N" * 40, broken]})
    with caplog.at_level(logging.WARNING):
        found = model.matrix.best_scores(examples(table))
    assert found[0] == pytest.approx(model.matrix.log_odds.max(axis=0).sum(), abs=1e-4)
    assert found[1:] == pytest.approx([lowest, lowest], abs=1e-5)
    assert "2 of 3 sequences have N in every window" in caplog.text
    probability = model.score(examples(table))
    assert np.isfinite(probability).all() and probability[1] < model.score(examples(tables["test"])).min()


# ------------------------------------------------------------------------------------------------------ calibration


@given(seed=st.integers(0, 10_000), width=st.integers(2, 12))
def test_probabilities_keep_the_order_of_the_scores(fit_pwm, seed, width):
    """Whatever the matrix, also one that negatives match better."""
    motif = random_motif(np.random.default_rng(seed), width, "MA")
    tables = {"train": toy(120, seed), "valid": toy(40, seed + 1)}
    model, settings = fit_pwm(tables, [motif])
    assert settings["calibration"]["slope"] > 0
    score, probability = model.matrix.best_scores(examples(tables["train"])), model.score(examples(tables["train"]))
    order = np.argsort(score, kind="stable")
    assert np.array_equal(np.diff(score[order]) > 0, np.diff(probability[order]) > 0)
    assert (np.diff(probability[order]) >= 0).all()


def test_a_matrix_that_negatives_match_better_says_so_and_is_not_turned_round(tables, fit_pwm, caplog):
    flipped = {split: table.assign(label=1 - table["label"]) for split, table in tables.items()}
    with caplog.at_level(logging.WARNING):
        model, _ = fit_pwm(flipped, [consensus_motif(WORD)])
    assert "negatives match the matrix better than positives" in caplog.text
    probability = model.score(examples(flipped["test"]))
    assert roc_auc_score(flipped["test"]["label"], probability) < 0.001
    assert np.ptp(probability) < 0.01 and abs(probability.mean() - 0.5) < 0.01


def test_calibration_is_that_of_scikit_learn(tables, fit_pwm):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model, _ = fit_pwm(tables, [random_motif(np.random.default_rng(5), 9, "MA"), consensus_motif(WORD)])
    score = model.matrix.best_scores(examples(tables["train"]))[:, None]
    reference = make_pipeline(StandardScaler(), LogisticRegression()).fit(score, tables["train"]["label"])
    expected = reference.predict_proba(model.matrix.best_scores(examples(tables["test"]))[:, None])[:, 1]
    assert model.score(examples(tables["test"])) == pytest.approx(expected, abs=1e-6)


# ------------------------------------------------------------------------------------------------------ matrices


def test_the_best_matrix_on_the_validation_set_is_taken(tables, fit_pwm):
    chosen = [consensus_motif("AAAAAA", "MA"), consensus_motif(WORD, "MB"), consensus_motif("CCCCC", "MC")]
    _, settings = fit_pwm(tables, chosen)
    assert settings["matrix"] == "MB"
    assert list(settings["valid_auc_of_matrices"]) == ["MA", "MB", "MC"]
    assert settings["valid_auc_of_matrices"]["MB"] > 0.99 and settings["valid_auc_of_matrices"]["MA"] < 0.7
    # Where the validation set prefers another matrix, that one is taken.
    other = {**tables, "valid": planted(80, 1, "AAAAAA")}
    assert fit_pwm(other, chosen)[1]["matrix"] == "MA"


def test_matrices_of_a_factor():
    names = ["CTCF", "CTCFL", "JUN", "JUN(var.2)", "FOS::JUN", "FOS::JUN(var.2)", "Bach1::Mafk", "EWSR1-FLI1"]
    motifs = [named(name) for name in names]

    def found(factor):
        return [motif.name for motif in factor_motifs(motifs, factor)]

    assert found("CTCF") == ["CTCF"]
    assert found("ctcf") == ["CTCF"]
    assert found("JUN") == ["JUN", "JUN(var.2)"]
    assert found("FOS") == ["FOS::JUN", "FOS::JUN(var.2)"]
    assert found("BACH1") == ["Bach1::Mafk"]
    assert found("FLI1") == [] and found("POLR2A") == []


def test_bad_input(tables, fit_pwm, tmp_path):
    with pytest.raises(Unavailable, match=r"^JASPAR 2018 CORE vertebrates has no matrix of OTHER$"):
        path = write_motifs(tmp_path / "jaspar.txt", [consensus_motif(WORD)])
        make_method("pwm", card={"factor": "OTHER"}, jaspar=path)
    short = tables["test"].assign(sequence=tables["test"]["sequence"].str[:10])
    model, _ = fit_pwm(tables, [consensus_motif(WORD)])
    with pytest.raises(InputError, match=r"pwm: a sequence of 10 bases found; expected at least 11, the width of MX"):
        model.score(examples(short))
    with pytest.raises(InputError, match="expected at least 11, the width of MX"):
        fit_pwm({**tables, "train": short}, [consensus_motif(WORD)])
    poor = tables["train"].assign(sequence="AT" * 30)
    with pytest.raises(InputError, match="C and G 0; expected both above 0"):
        fit_pwm({**tables, "train": poor}, [consensus_motif(WORD)])


# ------------------------------------------------------------------------------------------------------ real data


@pytest.mark.shared
def test_real_factors(shared_data):
    motifs = read_jaspar(shared_data / "motifs" / "JASPAR2018_CORE_vertebrates_non-redundant_pfms_jaspar.txt")
    found = {name: [motif.matrix_id for motif in factor_motifs(motifs, name)] for name in ("CTCF", "JUN", "MYC")}
    assert found["CTCF"] == ["MA0139.1"]
    assert found["JUN"] == ["MA0488.1", "MA0489.1"]
    assert factor_motifs(motifs, "EP300") == []
    assert [motif.name for motif in factor_motifs(motifs, "BACH1")] == ["Bach1::Mafk"]
