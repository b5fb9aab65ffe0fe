"""Scores without composition: against a plain regression, missing scores, what is stored, what is refused."""

import json

import numpy as np
import pytest
from motif_reference import consensus_motif

from genebert.errors import InputError
from genebert.genome.sequences import RegionSequences
from genebert.motifs.composition import FEATURES, composition, log_lengths, remove_composition
from genebert.motifs.matrix import build_motif_matrix, load_motif_matrix
from genebert.settings.data import MotifSettings


def regions(n=600, seed=0):
    """Regions of 30 to 90 bases whose GC content varies."""
    rng = np.random.default_rng(seed)
    lengths, gc = rng.integers(30, 90, n), rng.uniform(0.2, 0.8, n)
    codes = [rng.choice(4, k, p=[(1 - g) / 2, g / 2, g / 2, (1 - g) / 2]) for k, g in zip(lengths, gc, strict=True)]
    return RegionSequences(np.concatenate(codes).astype(np.uint8), np.concatenate([[0], np.cumsum(lengths)]), "toy")


def features(sequences):
    plain = np.column_stack([composition(sequences), log_lengths(sequences)])
    return np.hstack([plain, plain**2])


def test_what_is_left_is_that_of_a_plain_regression_on_the_training_regions():
    from sklearn.linear_model import LinearRegression

    sequences, training = regions(), np.arange(0, 400)
    values = features(sequences)
    scores = values @ np.random.default_rng(1).normal(size=(6, 4)) + np.random.default_rng(2).normal(size=(600, 4))
    found = scores.copy()
    record = remove_composition(found, sequences, training)
    plain = LinearRegression().fit(values[training], scores[training])
    assert found == pytest.approx(scores - plain.predict(values), abs=1e-6)
    assert record["features"] == list(FEATURES)
    assert record["explained"] == pytest.approx(1 - found[training].var(0) / scores[training].var(0), abs=1e-3)
    # The stored coefficients give the same for other regions.
    other = regions(50, 5)
    design = np.hstack([np.ones((50, 1)), (features(other) - record["mean"]) / record["sd"]])
    assert design @ np.array(record["coefficients"]).T == pytest.approx(plain.predict(features(other)), abs=1e-3)


def test_missing_scores_stay_missing_and_equal_lengths_are_no_problem():
    codes = np.random.default_rng(0).integers(0, 4, 200 * 50).astype(np.uint8)
    sequences = RegionSequences(codes, np.arange(201) * 50, "toy")
    scores = np.repeat(composition(sequences)[:, :1] * 9, 3, axis=1).astype(np.float16)
    scores[:50, 1] = np.nan
    scores[:, 2] = np.nan
    remove_composition(scores, sequences, np.arange(200))
    assert np.abs(scores[:, 0]).max() < 0.01
    assert np.isnan(scores[:50, 1]).all() and np.isfinite(scores[50:, 1]).all() and np.isnan(scores[:, 2]).all()


def test_the_matrix_of_a_run(tmp_path):
    """In a file: what is left has nothing to do with GC; the same for any number of processes."""
    sequences, motifs = regions(), [consensus_motif("GCGCGG", "MA"), consensus_motif("TTAATA", "MB")]
    training = np.arange(0, 600, 2)
    for name, settings, n in (
        ("kept", {}, 1),
        ("one", {"composition": "remove"}, 1),
        ("two", {"composition": "remove"}, 2),
    ):
        build_motif_matrix(sequences, motifs, MotifSettings(**settings), tmp_path / name, n, training)
    kept, one = (load_motif_matrix(tmp_path / name).astype(float) for name in ("kept", "one"))
    gc = composition(sequences)[training, 0]
    assert min(abs(np.corrcoef(gc, column[training])[0, 1]) for column in kept.T) > 0.5
    assert max(abs(np.corrcoef(gc, column[training])[0, 1]) for column in one.T) < 0.01
    assert one.std() > 0.5
    for file in ("matrix.npy", "motifs.tsv", "motifs.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    told = [json.loads((tmp_path / name / "motifs.json").read_text())["composition"] for name in ("kept", "one")]
    assert told[0] is None and len(told[1]["coefficients"]) == 2 and min(told[1]["explained"]) > 0.2


def test_only_scores_can_be_without_it():
    with pytest.raises(InputError, match=r"motifs\.composition: found remove beside matrix binary, expected keep, or"):
        MotifSettings(matrix="binary", composition="remove")
