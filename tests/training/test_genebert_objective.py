import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from config_inputs import CONFIG
from torch import nn
from toy_training import MODEL, TRAINING, run, toy_data, toy_objective, without_dropout

from genebert.corpus.masks import mask_kmers
from genebert.errors import InputError
from genebert.models.backbones import REGION_ENCODERS
from genebert.settings.models import reads
from genebert.training.job import PretrainJob
from genebert.training.objectives.genebert import build, stream_seed
from genebert.training.parallel import ALONE


def one_batch(model=MODEL, **training):
    """An objective and the batch of its first step."""
    objective = toy_objective(replace(TRAINING, **training), model, seed=1)
    return objective, objective.draw(0)


def computed(objective, share, train=True):
    """Return losses and gradients of the first step."""
    result = objective.compute(share, 0, train=train)
    return result, {name: p.grad for name, p in objective.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("layout", ["concatenated", "windows"])
@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize(
    ("losses", "tolerance"),
    [({"centre": False}, 1e-6), ({}, 1e-2), ({"pooling": "regions", "contrast": "regions"}, 1e-2)],
    ids=["plain", "centred", "regions"],
)
def test_gradient_caching_equals_the_whole_batch(size, layout, losses, tolerance):
    # Dropout is drawn piece by piece, so it must be off for the comparison. With centring the samples' gradients of
    # what all share, such as [CLS], cancel to rounding errors.
    settings = without_dropout(replace(MODEL, layout=layout, losses=replace(MODEL.losses, **losses)))
    gradients = []
    for micro in (None, size):
        gradients.append(computed(*one_batch(settings, micro_batch=micro)))
    (whole, expected), (pieces, found) = gradients
    assert whole == pytest.approx(pieces, rel=1e-5)
    assert expected.keys() == found.keys()
    assert "log_scale" in found
    for name in expected:
        size = float(expected[name].abs().max())
        assert torch.allclose(expected[name], found[name], rtol=tolerance, atol=tolerance * size + 1e-6), name


@pytest.mark.parametrize("option", ["checkpoint_activations", "compile"])
def test_recomputed_activations_and_compiled_encoders_change_nothing(option, monkeypatch):
    settings = replace(MODEL, losses=replace(MODEL.losses, centre=False))
    plain, compiled = nn.Module.compile, []

    def compile_graphs(self, **more):
        """Take graphs and their gradients apart as torch.compile does, without the compiler of C++ behind it."""
        compiled.append(self)
        plain(self, backend="aot_eager", **more)

    monkeypatch.setattr(nn.Module, "compile", compile_graphs)
    if option == "compile":
        settings = without_dropout(settings)
    runs = []
    for on in (False, True):
        objective, share = one_batch(settings, **{option: on})
        objective.model.train()
        runs.append(computed(objective, share))
    (expected, whole), (found, other) = runs
    assert len(compiled) == (4 if option == "compile" else 0)  # three parts of the layer, and the region encoder
    assert found == pytest.approx(expected, rel=1e-4)
    assert whole.keys() == other.keys()
    for name in whole:
        size = float(whole[name].abs().max())
        assert torch.allclose(whole[name], other[name], rtol=1e-3, atol=1e-4 * size + 1e-6), name


def test_eq4_and_each_loss_by_hand():
    objective, share = one_batch()
    model, (batch,) = objective.model.eval(), share.pieces
    result, _ = computed(objective, share, train=False)
    assert result["loss"] == pytest.approx(result["mgm"] + result["ngsp"] + 0.5 * result["srm"], rel=1e-5)
    # masks are a function of (seed, step): make them again and recompute the losses with plain operations
    ids, chosen = mask_kmers(batch.ids, 3, 0.15, 69, stream_seed(1, 0, 2))
    with torch.no_grad():
        out = model.sequence_encoder(ids, token_type_ids=batch.segments, attention_mask=(batch.ids != 0).long())
        log_p = out.prediction_logits.log_softmax(-1)
        mgm = -torch.stack([log_p[i, j, batch.ids[i, j]] for i, j in chosen.nonzero()]).mean()
        ngsp = -out.seq_relationship_logits.log_softmax(-1)[torch.arange(8), batch.label].mean()
    assert result["mgm"] == pytest.approx(mgm.item(), rel=1e-4)
    assert result["ngsp"] == pytest.approx(ngsp.item(), rel=1e-4)


def test_windows_by_hand():
    """One row a region: E_seq is the mean of the rows' [CLS], segment prediction sees the difference of the halves."""
    objective, share = one_batch(replace(MODEL, layout="windows"))
    model, (batch,) = objective.model.eval(), share.pieces
    result, _ = computed(objective, share, train=False)
    ids, chosen = mask_kmers(batch.ids, 3, 0.15, 69, stream_seed(1, 0, 2))
    assert len(ids) == 8 * 4
    with torch.no_grad():
        bert = model.sequence_encoder.bert
        hidden = bert(ids, attention_mask=(batch.ids != 0).long()).last_hidden_state
        log_p = model.sequence_encoder.cls.predictions(hidden).log_softmax(-1)
        mgm = -torch.stack([log_p[i, j, batch.ids[i, j]] for i, j in chosen.nonzero()]).mean()
        first = hidden[:, 0].view(8, 4, -1)
        pooled = bert.pooler((first[:, :2].mean(1) - first[:, 2:].mean(1)).abs()[:, None])
        ngsp = F.cross_entropy(model.sequence_encoder.cls.seq_relationship(pooled), batch.label)
        srm, _ = model.matching(first.mean(1), model.encode_regions(batch.motifs), share.regions)
    assert result["mgm"] == pytest.approx(mgm.item(), rel=1e-4)
    assert result["ngsp"] == pytest.approx(ngsp.item(), rel=1e-4)
    assert result["srm"] == pytest.approx(srm.item(), rel=1e-4)


@pytest.mark.parametrize("losses", [{"mgm": False}, {"ngsp": False}, {"srm": None}, {"srm": "paper_exp"}])
def test_switches(losses):
    settings = replace(MODEL, losses=replace(MODEL.losses, **losses))
    result, _ = computed(*one_batch(settings))
    for name in ("mgm", "ngsp", "srm"):
        assert (name in result) is bool(getattr(settings.losses, name))
    assert np.isfinite(result["loss"])


@pytest.mark.parametrize("pooling", ["cls", "mean", "regions"])
def test_windows_train(tmp_path, pooling):
    model = replace(MODEL, layout="windows", losses=replace(MODEL.losses, pooling=pooling))
    folder = run(tmp_path, replace(TRAINING, micro_batch=4), model)
    assert json.loads((folder / "model.json").read_text())["settings"]["layout"] == "windows"


def test_a_model_without_matching_needs_no_motifs(tmp_path):
    """Its weights and figures are those of a training that was given them."""
    sequences, motifs, groups = toy_data()
    model = replace(MODEL, losses=replace(MODEL.losses, srm=None))
    given = run(tmp_path / "given", model=model, data=(sequences, motifs, groups))
    without = run(tmp_path / "without", model=model, data=(sequences, None, groups))
    for name in ("model.safetensors", "metrics.jsonl", "model.json"):
        assert (given / name).read_bytes() == (without / name).read_bytes()


@pytest.mark.parametrize("losses", [{}, {"mgm": False, "ngsp": False, "srm": None}])
def test_a_model_that_is_not_trained_is_its_sequence_encoder_and_needs_no_data(losses, tmp_path):
    model = replace(MODEL, losses=replace(MODEL.losses, **losses))
    folder = run(tmp_path, replace(TRAINING, steps=0), model, (None, None, None))
    assert (folder / "metrics.jsonl").read_text() == ""
    assert not (folder / "region_encoder.safetensors").exists()
    info = json.loads((folder / "model.json").read_text())
    assert (info["settings"]["losses"]["srm"], info["samples_seen"], "floors" in info) == (None, 0, False)
    start = toy_objective(model=MODEL).model.sequence_encoder.state_dict()
    saved = type(toy_objective().model).load(folder).sequence_encoder.state_dict()
    assert all(torch.equal(tensor, start[name]) for name, tensor in saved.items())


def test_a_region_encoder_from_elsewhere_is_trained(tmp_path, monkeypatch):
    monkeypatch.setitem(REGION_ENCODERS, "toy-sum", "toy_encoder")
    encoder = replace(MODEL.region_encoder, name="toy-sum", arguments={"width": 8})
    folder = run(tmp_path, model=replace(MODEL, region_encoder=encoder))
    start = toy_objective(model=replace(MODEL, region_encoder=encoder)).model.state_dict()
    trained = toy_objective().model.load(folder).state_dict()
    for name in ("region_encoder.weight", "projection.weight"):
        assert trained[name].shape == start[name].shape and not torch.equal(trained[name], start[name])


def test_wrong_arguments_of_an_image_backbone_stop_before_data_are_read(tmp_path):
    """timm is too heavy for the plan; the job does not read motif matrix and sequences first."""
    model = json.loads(json.dumps(CONFIG["model"]))
    model["region_encoder"] = {**model["region_encoder"], "weights": None, "arguments": {"depht": 3}}
    absent = {part: str(tmp_path / part) for part in reads(model)}
    job = PretrainJob(model, absent, [], None, 10, 0, str(tmp_path), str(tmp_path / "out"), 1, str(tmp_path / "log"))
    with pytest.raises(InputError, match=r"region_encoder\.arguments: swin-t-224 does not take what was given"):
        build(job, TRAINING, ALONE, torch.device("cpu"))
    model["region_encoder"]["arguments"] = {}
    with pytest.raises(InputError, match=str(tmp_path)):  # then the data are asked for
        build(job, TRAINING, ALONE, torch.device("cpu"))
