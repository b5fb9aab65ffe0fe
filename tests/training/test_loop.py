import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy_training import MODEL, TRAINING, at_step, contents, run, toy_data

from genebert.genome.sequences import RegionSequences
from genebert.training.checkpoint import load_checkpoint, save_checkpoint
from genebert.training.loop import Interrupted
from genebert.training.objectives.genebert import GeneBERTObjective, mask_rate, stream_seed

CPU = torch.device("cpu")


def die():
    raise KeyboardInterrupt


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Equal bytes are promised for an equal number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def uninterrupted(one_thread, tmp_path_factory):
    return contents(run(tmp_path_factory.mktemp("whole")))


def test_late_masks():
    late = replace(TRAINING, steps=1200, late_mask_from=5 / 6)
    assert [mask_rate(step, late) for step in (0, 999, 1000, 1199)] == [0.15, 0.15, 0.2, 0.2]


def test_every_part_of_a_key_makes_another_seed():
    keys = [(1, 2), (1, 3), (2, 2), (2, 1), (1, 2, 3), (1, 2, 4), (1,)]
    seeds = [stream_seed(*key) for key in keys]
    assert len(set(seeds)) == len(keys) and min(seeds) >= 0 and max(seeds) < 2**63
    assert seeds == [stream_seed(*key) for key in keys]


def test_validations_come_as_often_as_they_are_asked_for(tmp_path):
    """Also between lines of the log."""
    folder = run(tmp_path, replace(TRAINING, steps=11, log_every=4, validate_every=3))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 4, 6, 8, 9, 11]
    assert [line["step"] for line in lines if "valid_loss" in line] == [3, 6, 9, 11]


def test_strands_are_those_of_training_only(tmp_path):
    """Without learning, validation is the same and training is not: it read other strands."""
    lines = []
    for strands in ("given", "random"):
        training = replace(TRAINING, steps=1, learning_rate=1e-12, log_every=1, validate_every=1, strands=strands)
        folder = run(tmp_path / strands, training)
        lines.append(json.loads((folder / "metrics.jsonl").read_text()))
        assert json.loads((folder / "model.json").read_text())["training"]["strands"] == strands
    given, turned = lines
    assert given["valid_loss"] == pytest.approx(turned["valid_loss"], abs=1e-5)
    assert given["mgm"] != turned["mgm"]


def test_folder_is_complete_and_the_same_every_time(uninterrupted, tmp_path):
    assert set(uninterrupted) == {
        "config.json", "model.safetensors", "region_encoder.safetensors", "model.json", "metrics.jsonl", "vocab.txt",
        "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert contents(run(tmp_path)) == uninterrupted
    assert not any((tmp_path / "checkpoints").iterdir())
    lines = [json.loads(line) for line in uninterrupted["metrics.jsonl"].decode().splitlines()]
    assert [line["step"] for line in lines] == [4, 8, 12]
    assert "valid_srm_accuracy" not in lines[0]
    assert {"mgm", "ngsp", "srm", "temperature", "valid_mgm", "valid_srm_accuracy"} <= set(lines[1]) & set(lines[2])


@pytest.mark.parametrize("kills", [(2,), (5, 9), (3, 4, 10)])
def test_resumed_equals_uninterrupted(uninterrupted, tmp_path, monkeypatch, kills):
    """Dies in the middle of the given steps, each time going on from the last checkpoint."""
    for kill in kills:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            at_step(patch, kill, die)
            run(tmp_path)
        assert not (tmp_path / "model").exists()
    assert contents(run(tmp_path)) == uninterrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_makes_a_checkpoint(uninterrupted, tmp_path, monkeypatch, number):
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="after step 5: checkpoint written"):
        at_step(patch, 4, lambda: signal.raise_signal(number))
        run(tmp_path)
    assert [p.name for p in (tmp_path / "checkpoints").glob("*/*")][-1].endswith(".pt")
    assert contents(run(tmp_path)) == uninterrupted


def test_other_settings_never_take_up_a_checkpoint(uninterrupted, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        at_step(patch, 7, die)
        run(tmp_path, replace(TRAINING, learning_rate=5e-4))
    assert contents(run(tmp_path)) == uninterrupted


def test_damaged_checkpoint_falls_back(tmp_path, caplog):
    for step in (3, 6, 9):
        save_checkpoint(tmp_path, step, {"value": torch.tensor(step)})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step000000006.pt", "step000000009.pt"]
    newest = tmp_path / "step000000009.pt"
    newest.write_bytes(newest.read_bytes()[:100])
    step, state = load_checkpoint(tmp_path, CPU)
    assert step == 6
    assert state["value"] == 6
    assert "step000000009.pt cannot be read" in caplog.text
    (tmp_path / "step000000006.pt").write_bytes(b"")
    with pytest.raises(RuntimeError, match="none of 2 checkpoints can be read"):
        load_checkpoint(tmp_path, CPU)
    assert load_checkpoint(tmp_path / "nothing", CPU) is None


def test_regions_of_n_only_give_no_nan(tmp_path):
    sequences, motifs, groups = toy_data()
    motifs[:] = np.nan
    data = (RegionSequences(np.full_like(sequences.codes, 4), sequences.offsets, "toy"), motifs, groups)
    with np.errstate(all="ignore"):
        folder = run(tmp_path, replace(TRAINING, steps=2), data=data)
    for tensor in load_file(folder / "model.safetensors").values():
        assert torch.isfinite(tensor).all()


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_samples(tmp_path, monkeypatch):
    monkeypatch.setattr(GeneBERTObjective, "compute", lambda *a, **k: {"loss": float("nan")})
    with pytest.raises(FloatingPointError, match=r"step 0: loss nan.*groups \[\d+, "):
        run(tmp_path)
    assert not (tmp_path / "model").exists()


def test_no_steps_leave_the_encoders_as_initialised(tmp_path):
    losses = replace(MODEL.losses, mgm=False, ngsp=False, srm=None)
    folder = run(tmp_path, replace(TRAINING, steps=0), replace(MODEL, losses=losses))
    assert (folder / "metrics.jsonl").read_text() == ""
    assert not (folder / "region_encoder.safetensors").exists()


def test_training_lowers_all_three_losses(tmp_path):
    training = replace(TRAINING, steps=150, batch=16, learning_rate=2e-3, log_every=30, validate_every=1000)
    lines = [json.loads(line) for line in (run(tmp_path, training) / "metrics.jsonl").read_text().splitlines()]
    first, last = lines[0], lines[-1]
    for name in ("mgm", "ngsp", "srm"):
        assert last[name] < first[name] * 0.95, name
    assert last["srm_accuracy"] > 2 / 16
    assert last["ngsp_accuracy"] > 0.6
