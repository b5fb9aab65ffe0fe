"""What linear maps explain of scores: shares by hand, probes of known sources; regression as an objective."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from test_genebert_objective import computed, one_batch
from toy_training import MODEL, TRAINING, at_step, contents, run, toy_data, toy_objective, without_dropout

from genebert.corpus.groups import TRAIN, VALID
from genebert.corpus.order import Draw
from genebert.errors import InputError
from genebert.models.embedding import embed_samples, read_model
from genebert.models.genebert import GeneBERT
from genebert.settings.models import ConvolutionSettings, LossSettings, TrainedModelSettings, has_region_encoder
from genebert.training.objectives.genebert_explained import Probe, Shares, explained
from genebert.training.objectives.genebert_matching import Rows

REGRESSED = replace(MODEL, losses=replace(MODEL.losses, srm="regression", pooling="regions"))
ALONE = replace(REGRESSED, losses=replace(REGRESSED.losses, mgm=False, ngsp=False))
READOUTS = pytest.mark.parametrize("readout", ["mean", "max"])


def read_out(settings, readout):
    return replace(settings, losses=replace(settings.losses, readout=readout))


def test_shares_by_hand():
    true = np.array([[0.0, 1.0, 5.0], [2.0, 1.0, 7.0]])
    found = np.array([[0.5, 1.0, 7.0], [1.5, 2.0, 5.0]])
    # squared errors 0.5 and 8, of squares about the mean 2 and 2; the second column does not vary
    assert explained(true, found) == pytest.approx([0.75, np.nan, -3], nan_ok=True)


def test_figures_are_the_median_and_that_of_ctcf():
    values = np.array([0.1, np.nan, 0.5, 0.2])
    assert Shares(values, 2).figures("linear") == {"linear_explained": 0.2, "linear_explained_ctcf": 0.5}
    assert Shares(values, None).figures("srm") == {"srm_explained": 0.2}
    assert Shares(values, 1).figures("srm") == {"srm_explained": 0.2}  # CTCF's score is the same everywhere
    assert Shares(values[1:2], 0).figures("srm") == {}


def probe_of(motifs=None, ids=(), **more):
    sequences, other, groups = toy_data(1200)
    motifs = other if motifs is None else motifs
    train, valid = groups.subset(TRAIN), groups.subset(VALID)
    return Probe(Rows(motifs, train), train, valid, 30, ids, **more), sequences


def test_samples_are_fixed_held_out_and_shared_out_evenly():
    probe, _ = probe_of(each=4)
    again, _ = probe_of(each=4)
    assert np.array_equal(probe.held, again.held) and np.array_equal(probe.fitted, again.fitted)
    assert len(probe.held) == 28 and len(probe.fitted) == 120
    assert not set(probe.fit_regions) & set(probe.held_regions)
    # cell types share regions, and each counts once
    assert len(set(probe.held_regions)) == len(probe.held_regions) < probe.held.size


@pytest.mark.parametrize(("noise", "low", "high"), [(0.0, 0.99, 1.0), (1.0, 0.4, 0.6), (1e6, -0.2, 0.05)])
def test_a_linear_map_of_what_was_mixed_explains_what_is_not_noise(noise, low, high):
    rng = np.random.default_rng(0)
    states = rng.normal(size=(1200, 8))
    mixed = states @ rng.normal(size=(8, 5)) / np.sqrt(8)
    motifs = mixed / mixed.std(0) + noise * rng.normal(size=mixed.shape)
    probe, _ = probe_of(motifs, ["MA0001.1", "MA0002.1", "MA0139.1", "MA0003.1", "MA0004.1"])
    assert probe.ctcf == 2
    shares = probe.linear(*(states[one.ravel()] for one in (probe.fitted, probe.held)))
    assert low < np.median(shares.values) <= high
    assert shares.figures("linear")["linear_explained_ctcf"] == shares.values[2]


def test_the_floor_is_what_composition_explains():
    """Toy scores follow how often each base occurs, and lengths differ."""
    probe, sequences = probe_of()
    floors = probe.floors(sequences, ("linear", "srm"))
    assert floors.keys() == {"linear_explained", "srm_explained"} and floors["srm_explained"].keys() == {
        "length", "GC and CpG", "dinucleotides",
    }  # fmt: skip
    assert floors["linear_explained"] == floors["srm_explained"]
    assert floors["linear_explained"]["GC and CpG"] > 0.5 > floors["linear_explained"]["length"]


@torch.no_grad()
def test_filters_over_bases_end_where_a_region_does():
    """Also in validation: the states of regions that are explained are those that training sees."""
    settings = without_dropout(REGRESSED)
    convolution = ConvolutionSettings(8, 9)
    settings = replace(settings, sequence_encoder=replace(settings.sequence_encoder, convolution=convolution))
    objective = toy_objective(model=settings, data=toy_data())
    objective.model.eval()
    regions = objective.probe.held
    none = np.zeros(len(regions), np.int64)
    batch = objective.encoder.encode(Draw(regions, none, none))
    hidden = objective.model.encode_sequences(batch.ids, batch.segments, batch.lengths, batch.owners)
    expected = objective.model.region_means(hidden, batch).flatten(0, 1)
    (found,) = objective._read(regions, objective.model.region_means)
    assert found == pytest.approx(expected.detach().numpy(), abs=1e-5)
    across = objective.model.encode_sequences(batch.ids, batch.segments, batch.lengths)
    assert not torch.allclose(objective.model.region_means(across, batch).flatten(0, 1), expected, atol=1e-5)


# ----------------------------------------------------------------------------------------------------------- regression


@READOUTS
def test_the_loss_by_hand_without_missing_scores(readout):
    sequences, motifs, groups = toy_data()
    motifs[::3, 5] = np.nan
    settings = read_out(without_dropout(REGRESSED), readout)
    objective = toy_objective(model=settings, data=(sequences, motifs, groups))
    share = objective.draw(0)
    objective.model.train()
    result, gradients = computed(objective, share)
    model, (batch,) = objective.model, share.pieces
    ids, _ = objective._mask(batch, 0, 0.15)
    with torch.no_grad():
        hidden = model.encode_sequences(ids, batch.segments, batch.lengths)
        errors = []
        for sample in range(len(batch.label)):
            for region in range(4):
                states = hidden[sample][batch.owners[sample] == region]
                row = (batch.motifs[sample, region] - model.motif_mean) / model.motif_sd
                largest = model.regression(states).max(0).values
                wrong = (largest if readout == "max" else model.regression(states.mean(0))) - row
                errors.append(wrong[~row.isnan()].square())
    assert result["srm"] == pytest.approx(torch.cat(errors).mean().item(), rel=1e-4)
    assert result["loss"] == pytest.approx(result["mgm"] + result["ngsp"] + 0.5 * result["srm"], rel=1e-5)
    assert not {"srm_accuracy", "temperature"} & result.keys()
    assert all(torch.isfinite(one).all() for one in gradients.values()) and "regression.weight" in gradients


@pytest.mark.parametrize("layout", ["concatenated", "windows"])
@pytest.mark.parametrize("size", [1, 3])
@READOUTS
def test_pieces_give_the_gradient_of_the_whole_batch(layout, size, readout):
    settings = read_out(without_dropout(replace(REGRESSED, layout=layout)), readout)
    (whole, expected), (pieces, found) = (computed(*one_batch(settings, micro_batch=one)) for one in (None, size))
    assert whole == pytest.approx(pieces, rel=1e-5) and expected.keys() == found.keys()
    for name in expected:
        size = float(expected[name].abs().max())
        assert torch.allclose(expected[name], found[name], rtol=1e-3, atol=1e-4 * size + 1e-7), name


def test_contrast_and_negatives_change_nothing():
    """A linear map of each region has nobody to be told from."""
    losses = replace(REGRESSED.losses, contrast="regions", negatives="composition", temperature=0.5, centre=False)
    (first, one), (second, other) = (computed(*one_batch(m)) for m in (REGRESSED, replace(REGRESSED, losses=losses)))
    assert first == second and all(torch.equal(one[name], other[name]) for name in one)


@READOUTS
def test_it_learns_and_its_folder_holds_no_region_encoder(tmp_path, readout):
    training = replace(TRAINING, steps=150, learning_rate=3e-3, log_every=50, validate_every=50)
    settings = read_out(replace(ALONE, layout="windows"), readout)
    folder = run(tmp_path, training, settings)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["valid_srm"] < 0.7 * lines[0]["srm"]
    assert lines[-1]["valid_srm_explained"] > 0.4 and lines[-1]["valid_linear_explained"] > 0.4
    assert not any("accuracy" in key or "matched" in key for key in lines[-1])
    info = json.loads((folder / "model.json").read_text())
    assert info["parameters"].keys() == info["initial_weights"].keys() == {"sequence_encoder"}
    assert {"linear_explained", "srm_explained"} <= info["floors"].keys() and "srm_accuracy" not in info["floors"]
    names = {path.name for path in folder.iterdir()}
    assert "regression.safetensors" in names and "region_encoder.safetensors" not in names
    loaded = GeneBERT.load(folder)
    assert loaded.rest().keys() == {"motif_mean", "motif_sd", "regression.weight", "regression.bias"}
    # what validation told, again from the folder
    objective = toy_objective(training, settings)
    objective.model = loaded.eval()
    assert objective.validate()["srm_explained"] == pytest.approx(lines[-1]["valid_srm_explained"], abs=1e-4)
    states = embed_samples(read_model(folder, "regions"), objective.sequences, objective.probe.held)
    (again,) = objective._read(objective.probe.held, objective.model.region_means)
    assert states.reshape(-1, 32) == pytest.approx(again, abs=1e-5)
    assert embed_samples(read_model(folder, "cls"), objective.sequences, objective.probe.held[:1]).shape == (1, 32)


def test_killed_and_resumed_equals_uninterrupted(tmp_path, monkeypatch):
    whole = contents(run(tmp_path / "whole", model=REGRESSED))

    def die():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        at_step(patch, 7, die)
        run(tmp_path / "killed", model=REGRESSED)
    assert contents(run(tmp_path / "killed", model=REGRESSED)) == whole


@pytest.mark.parametrize("pooling", ["cls", "mean", "regions"])
def test_every_model_that_reads_the_matrix_is_probed(pooling):
    objective = toy_objective(model=replace(MODEL, losses=replace(MODEL.losses, pooling=pooling)))
    objective.model.eval()
    found = objective.validate()
    assert "linear_explained" in found and "srm_explained" not in found
    without = toy_objective(model=replace(MODEL, losses=replace(MODEL.losses, srm=None)))
    without.model.eval()
    assert "linear_explained" not in without.validate() and "linear_explained" not in without.floors()


def test_what_regression_needs():
    with pytest.raises(InputError, match=r"srm: found regression beside pooling cls, expected pooling regions"):
        LossSettings(srm="regression", pooling="cls")
    settings = {"losses": LossSettings(srm="regression")}
    assert not has_region_encoder(asdict(TrainedModelSettings(**settings, matrix="max_score")))
    assert has_region_encoder(asdict(TrainedModelSettings()))
    for matrix in ("binary", "counts", "descartes"):
        sentence = rf"losses\.srm: found regression beside matrix {matrix}, expected matrix max_score, graded scores"
        with pytest.raises(InputError, match=sentence):
            TrainedModelSettings(**settings, matrix=matrix)
