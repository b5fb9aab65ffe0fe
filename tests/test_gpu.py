"""What a GPU computes, beside what a CPU does: skipped where there is none."""

import json
import signal
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from finetune_inputs import SETTINGS, make_folder, toy
from method_inputs import examples, make_method
from safetensors.torch import load_file
from splice_blocks import gene_sets, make
from toy_training import MODEL, TRAINING, at_step, contents, run, toy_objective, without_dropout

from genebert.corpus.masks import mask_kmers
from genebert.evaluation.kinds.base_classes import BaseClasses
from genebert.methods.dilated_cnn import DilatedCnnModel
from genebert.methods.registry import find_method, load_classifier
from genebert.models.devices import has_bfloat16
from genebert.models.embedding import embed_samples
from genebert.training.loop import Interrupted
from genebert.training.meter import matrix_rate

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU with CUDA")]
GPU, CPU = torch.device("cuda"), torch.device("cpu")
LAYOUTS = ("concatenated", "windows")


@pytest.fixture(autouse=True)
def exact_products():
    """Products of float32 as such, not as of TF32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize("strands", ["given", "random"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_batches_and_masks_are_the_same(layout, strands):
    shares = []
    for device in (CPU, GPU):
        objective = toy_objective(
            replace(TRAINING, micro_batch=3, strands=strands), replace(MODEL, layout=layout), device=device
        )
        assert objective.encoder.home.type == device.type
        shares.append(objective.draw(5))
    for one, other in zip(*(share.pieces for share in shares), strict=True):
        assert other.ids.device.type == "cuda"
        for name in ("ids", "segments", "lengths", "label", "motifs"):
            assert torch.equal(getattr(one, name), getattr(other, name).cpu()), name
        masked = [mask_kmers(ids, 3, 0.15, 69, 11, one.first) for ids in (one.ids, other.ids)]
        assert all(torch.equal(a, b.cpu()) for a, b in zip(*masked, strict=True))


def test_tables_too_large_for_half_the_memory_stay_with_the_host(monkeypatch):
    expected = toy_objective(device=GPU).draw(2).pieces[0]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 1000))
    objective = toy_objective(device=GPU)
    assert objective.encoder.home.type == "cpu"
    found = objective.draw(2).pieces[0]
    assert found.ids.device.type == found.motifs.device.type == "cuda"
    assert torch.equal(found.ids, expected.ids) and torch.equal(found.motifs, expected.motifs)


@pytest.mark.parametrize("losses", [{}, {"srm": "regression", "pooling": "regions", "readout": "max"}])
@pytest.mark.parametrize("micro", [None, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_losses_and_gradients_are_those_of_a_cpu(layout, micro, losses):
    settings = without_dropout(replace(MODEL, layout=layout, losses=replace(MODEL.losses, centre=False, **losses)))
    found = []
    for device in (CPU, GPU):
        objective = toy_objective(replace(TRAINING, micro_batch=micro), settings, device=device)
        result = objective.compute(objective.draw(0), 0)
        found.append((result, {n: p.grad.cpu() for n, p in objective.model.named_parameters() if p.grad is not None}))
    (expected, gradients), (result, others) = found
    assert result == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert gradients.keys() == others.keys()
    for name, gradient in gradients.items():
        size = float(gradient.abs().max())
        assert torch.allclose(gradient, others[name], rtol=1e-3, atol=1e-3 * size + 1e-6), name


def test_a_training_is_that_of_a_cpu(tmp_path):
    lines, weights = [], []
    for device in ("cpu", "cuda"):
        folder = run(tmp_path / device, model=without_dropout(MODEL), device=device)
        lines.append([json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()])
        weights.append(load_file(folder / "model.safetensors"))
    for a, b in zip(*lines, strict=True):
        assert b == pytest.approx(a, rel=1e-2, abs=1e-3)
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=3e-3), name


def test_bfloat16_is_used_and_learns(tmp_path):
    """On average over the last 150 steps: single steps of NGSP vary by a tenth, and here as dropout draws."""
    assert has_bfloat16(GPU)
    training = replace(TRAINING, steps=450, batch=16, learning_rate=2e-3, log_every=30, precision="auto")
    folder = run(tmp_path, training, device="cuda")
    first, *lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for name in ("mgm", "ngsp", "srm"):
        assert np.mean([line[name] for line in lines if line["step"] > 300]) < first[name] * 0.95, name
    assert all(value.dtype == torch.float32 for value in load_file(folder / "model.safetensors").values())


def test_a_stopped_training_goes_on(tmp_path, monkeypatch):
    """With the same bytes, dropout included: its random numbers are a function of seed, step and place."""
    expected = contents(run(tmp_path / "whole", device="cuda"))
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        at_step(patch, 4, lambda: signal.raise_signal(signal.SIGTERM))
        run(tmp_path / "stopped", device="cuda")
    assert contents(run(tmp_path / "stopped", device="cuda")) == expected


@pytest.mark.parametrize("option", ["compile", "checkpoint_activations"])
def test_options_of_memory_and_speed_change_nothing(option):
    settings, found = without_dropout(replace(MODEL, losses=replace(MODEL.losses, centre=False))), []
    for on in (False, True):
        objective = toy_objective(replace(TRAINING, **{option: on}), settings, device=GPU)
        objective.model.train()
        found.append(objective.compute(objective.draw(0), 0))
    assert found[1] == pytest.approx(found[0], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_classifier_is_trained_saved_and_read(tmp_path, frozen, monkeypatch):
    """It learns on a GPU, and scores there and on a CPU alike after it was read."""
    tables = {"train": toy(600, 0), "valid": toy(150, 1), "test": toy(200, 2)}
    settings = replace(SETTINGS, frozen=frozen, precision="float32")
    method = make_method("finetune", asdict(settings), model=make_folder(tmp_path / "model"))
    train, valid, test = (examples(one) for one in tables.values())
    fitted = method.fit(train, valid, 0)
    assert fitted.record["settings"]["device"] == "cuda"
    history, scores = fitted.record["history"], fitted.score(test)
    assert frozen or history[-1]["train_loss"] < 0.7 * history[0]["train_loss"]
    folder = tmp_path / "saved"
    folder.mkdir()
    fitted.write(folder)
    for available in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        read = type(fitted).read(folder, fitted.method, fitted.kind, fitted.record)
        assert read.encoder.place.type == ("cuda" if available else "cpu")
        assert np.allclose(read.score(test), scores, atol=1e-4)


def test_a_network_on_splice_sites_is_trained_saved_and_read(tmp_path, monkeypatch):
    sets = gene_sets(30)
    model = make("spliceai-80", epochs=3, batch=6).fit(sets["train"], sets["valid"], 1)
    settings = model.record["settings"]
    assert settings["device"] == "cuda" and settings["precision_used"] == "bfloat16"
    scores = replace(model, precision="float32").score(sets["test"])
    np.testing.assert_allclose(model.score(sets["test"]), scores, atol=0.1)
    model.save(tmp_path / "kept")
    monkeypatch.setattr("genebert.methods.dilated_cnn.choose_device", lambda: CPU)
    back = DilatedCnnModel.read(tmp_path / "kept", model.method, model.kind, model.record)
    np.testing.assert_allclose(replace(back, precision="float32").score(sets["test"]), scores, atol=1e-4)


def test_a_tagger_is_trained_saved_and_read(tmp_path, monkeypatch):
    """In windows of several pieces, a part of them drawn anew for each epoch."""
    sets, folder = gene_sets(30), make_folder(tmp_path / "model", positions=128)
    options = {"context": 300, "negatives": 0.5, "epochs": 2, "learning_rate": 2e-3, "precision": "float32"}
    method = find_method("tag")(BaseClasses({}), options, {"model": folder}, {})
    model = method.fit(sets["train"], sets["valid"], 0)
    assert model.record["settings"]["device"] == "cuda"
    scores = model.score(sets["test"])
    model.save(tmp_path / "kept")
    for available in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        read = load_classifier(tmp_path / "kept")
        assert read.encoder.place.type == ("cuda" if available else "cpu")
        np.testing.assert_allclose(read.score(sets["test"]), scores, atol=1e-4)


def test_memory_and_rate_are_told(tmp_path, caplog):
    caplog.set_level("INFO")
    run(tmp_path, device="cuda")
    assert " x cuda" in caplog.text and " GB, " in caplog.text
    assert matrix_rate(GPU, "bfloat16") > 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_embeddings_are_the_same(layout):
    """Up to the order of sums; the GPU joins rows of unequal length."""
    objective = toy_objective(model=replace(MODEL, layout=layout))
    regions, model = objective.train.regions[:11], objective.model.eval()
    expected = embed_samples(model, objective.sequences, regions)
    found = embed_samples(model.to(GPU), objective.sequences, regions)
    np.testing.assert_allclose(found, expected, atol=1e-5)
