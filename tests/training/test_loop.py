import itertools
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from genebert.corpus.batches import SampleEncoder
from genebert.corpus.groups import group_regions
from genebert.corpus.masks import mask_kmers
from genebert.corpus.order import SampleOrder
from genebert.genome.sequences import RegionSequences
from genebert.models.genebert import GeneBERT
from genebert.settings.models import LossSettings, ModelSettings, RegionEncoderSettings, SequenceEncoderSettings
from genebert.settings.training import TrainingSettings
from genebert.training import loop
from genebert.training.checkpoint import load_checkpoint, save_checkpoint
from genebert.training.loop import Interrupted, draw_pieces, pretrain
from genebert.training.parallel import ALONE
from genebert.training.schedule import learning_rate, mask_rate, stream_seed
from genebert.training.step import compute

CPU = torch.device("cpu")
MODEL = ModelSettings(
    3,
    "concatenated",
    SequenceEncoderSettings(1, 32, 2, 64, 0.1, 0.0, 512, weights=None),
    RegionEncoderSettings("region-transformer", "fold", None, {"layers": 1, "hidden": 32, "heads": 2}),
    LossSettings(True, True, "infonce", 0.5, 0.07, "cls", True),
)
TRAINING = TrainingSettings(
    steps=12, batch=8, micro_batch=None, learning_rate=1e-3, warmup_fraction=0.1, decay_horizon=1.67, betas=(0.9, 0.98),
    epsilon=1e-6, weight_decay=0.01, clip=1.0, mask_rate=0.15, late_mask_rate=0.2, late_mask_from=0.83, strands="given",
    precision="float32", compile=False, checkpoint_activations=False, checkpoint_every=3, log_every=4,
    validate_every=8, validation_batches=2,
)  # fmt: skip


def toy_data(n=400, seed=0):
    """Regions in stretches of two kinds of base composition, with motif scores that follow the composition."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(20, 40, n)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    rich = np.repeat(rng.random(n // 20) < 0.5, 20)
    codes = np.concatenate(
        [
            rng.choice(4, size, p=[0.1, 0.4, 0.4, 0.1] if r else [0.4, 0.1, 0.1, 0.4])
            for size, r in zip(lengths, rich, strict=True)
        ]
    ).astype(np.uint8)
    counts = np.array([np.bincount(codes[a:b], minlength=4) for a, b in itertools.pairwise(offsets)])
    motifs = (counts @ rng.normal(size=(4, 12)) / 5 + rng.normal(size=(n, 12)) * 0.1).astype(np.float16)
    start = np.arange(n, dtype=np.int64) * 100
    regions = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + lengths})
    groups, _ = group_regions(sp.csr_matrix(rng.random((3, n)) < 0.8), regions, ["a", "b", "c"], 4, (), 0.15)
    return RegionSequences(codes, offsets, "toy"), motifs, groups


def run(folder, training=TRAINING, model=MODEL, data=None):
    pretrain(model, training, *(data or toy_data()), 7, folder / "checkpoints", folder / "model", {"x": "y"}, "cpu")
    return folder / "model"


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


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


def test_schedule():
    settings = replace(TRAINING, steps=1200, learning_rate=4e-4, warmup_fraction=1 / 12, decay_horizon=5 / 3)
    rates = [learning_rate(step, settings) for step in range(1200)]
    assert rates[0] == pytest.approx(4e-4 / 101)
    assert max(rates) == rates[100] == pytest.approx(4e-4)
    assert np.allclose(np.diff(rates[100:]), -4e-4 / 1900)
    assert rates[-1] == pytest.approx(4e-4 * 801 / 1900)
    late = replace(settings, late_mask_from=5 / 6)
    assert [mask_rate(step, late) for step in (0, 999, 1000, 1199)] == [0.15, 0.15, 0.2, 0.2]


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
    real = compute
    for kill in kills:

        def dying(model, pieces, regions, step, *rest, kill=kill, **more):
            if step == kill and more["train"]:
                raise KeyboardInterrupt
            return real(model, pieces, regions, step, *rest, **more)

        monkeypatch.setattr(loop, "compute", dying)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
        assert not (tmp_path / "model").exists()
    monkeypatch.setattr(loop, "compute", real)
    assert contents(run(tmp_path)) == uninterrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_makes_a_checkpoint(uninterrupted, tmp_path, monkeypatch, number):
    real = compute

    def signalled(model, pieces, regions, step, *rest, **more):
        if step == 4:
            signal.raise_signal(number)
        return real(model, pieces, regions, step, *rest, **more)

    monkeypatch.setattr(loop, "compute", signalled)
    with pytest.raises(Interrupted, match="after step 5: checkpoint written"):
        run(tmp_path)
    monkeypatch.setattr(loop, "compute", real)
    assert [p.name for p in (tmp_path / "checkpoints").glob("*/*")][-1].endswith(".pt")
    assert contents(run(tmp_path)) == uninterrupted


def test_sigkill_at_a_random_moment(uninterrupted, tmp_path):
    code = (
        "import sys, torch; sys.path.insert(0, sys.argv[1]); torch.set_num_threads(1); import pathlib, test_loop; "
        "test_loop.run(pathlib.Path(sys.argv[2]))"
    )
    killed = []
    for delay in (0.0, 0.1):
        process = subprocess.Popen([sys.executable, "-c", code, str(__file__).rsplit("/", 1)[0], str(tmp_path)])
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if any((tmp_path / "checkpoints").glob("*/*.pt")):
                time.sleep(delay)
                process.kill()
                break
            time.sleep(0.01)
        killed.append(process.wait() == -signal.SIGKILL)
    assert any(killed)
    assert contents(run(tmp_path)) == uninterrupted


def test_other_settings_never_take_up_a_checkpoint(uninterrupted, tmp_path, monkeypatch):
    real = compute

    def dying(model, pieces, regions, step, *rest, **more):
        if step == 7 and more["train"]:
            raise KeyboardInterrupt
        return real(model, pieces, regions, step, *rest, **more)

    monkeypatch.setattr(loop, "compute", dying)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, replace(TRAINING, learning_rate=5e-4))
    monkeypatch.setattr(loop, "compute", real)
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


def one_batch(model_settings=MODEL, micro=None):
    """A model, one batch in pieces, and the regions of the whole batch."""
    sequences, scores, groups = toy_data()
    torch.manual_seed(0)
    model = GeneBERT(model_settings, torch.zeros(12), torch.ones(12), 4)
    encoder = SampleEncoder(sequences, scores, 3, 512, CPU, model_settings.layout)
    return model, *draw_pieces(SampleOrder(groups, 8, 0), encoder, 0, micro, ALONE)[:2]


def without_dropout(settings):
    region = {**settings.region_encoder.arguments, "dropout": 0.0}
    return replace(
        settings,
        sequence_encoder=replace(settings.sequence_encoder, dropout=0.0),
        region_encoder=replace(settings.region_encoder, arguments=region),
    )


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
        model, batch, regions = one_batch(settings, micro)
        result = compute(model, batch, regions, 0, 0.15, TRAINING, 1, train=True)
        gradients.append((result, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}))
    (whole, expected), (pieces, found) = gradients
    assert whole == pytest.approx(pieces, rel=1e-5)
    assert expected.keys() == found.keys()
    assert "log_scale" in found
    for name in expected:
        size = float(expected[name].abs().max())
        assert torch.allclose(expected[name], found[name], rtol=tolerance, atol=tolerance * size + 1e-6), name


def test_recomputed_activations_and_compiled_encoders_change_nothing():
    gradients = []
    settings = replace(MODEL, losses=replace(MODEL.losses, centre=False))
    for options in ({}, {"checkpoint_activations": True}, {"compile_encoders": True}):
        model, pieces, regions = one_batch(without_dropout(settings) if "compile_encoders" in options else settings)
        plain = one_batch(model.settings)[0].train()
        model.train().prepare(**({"compile_encoders": False, "checkpoint_activations": False} | options))
        for which in (plain, model):
            which.zero_grad()
            result = compute(which, pieces, regions, 0, 0.15, TRAINING, 1, train=True)
            gradients.append((result, {n: p.grad for n, p in which.named_parameters() if p.grad is not None}))
        (expected, whole), (found, other) = gradients[-2:]
        assert found == pytest.approx(expected, rel=1e-4), options
        assert whole.keys() == other.keys()
        for name in whole:
            size = float(whole[name].abs().max())
            assert torch.allclose(whole[name], other[name], rtol=1e-3, atol=1e-4 * size + 1e-6), (options, name)


def test_eq4_and_each_loss_by_hand():
    model, (batch,), regions = one_batch()
    model.eval()
    result = compute(model, [batch], regions, 0, 0.15, TRAINING, 1, train=False)
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
    model, (batch,), regions = one_batch(replace(MODEL, layout="windows"))
    model.eval()
    result = compute(model, [batch], regions, 0, 0.15, TRAINING, 1, train=False)
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
        srm, _ = model.matching(first.mean(1), model.encode_regions(batch.motifs), regions)
    assert result["mgm"] == pytest.approx(mgm.item(), rel=1e-4)
    assert result["ngsp"] == pytest.approx(ngsp.item(), rel=1e-4)
    assert result["srm"] == pytest.approx(srm.item(), rel=1e-4)


@pytest.mark.parametrize("pooling", ["cls", "mean", "regions"])
def test_windows_train(tmp_path, pooling):
    model = replace(MODEL, layout="windows", losses=replace(MODEL.losses, pooling=pooling))
    folder = run(tmp_path, replace(TRAINING, micro_batch=4), model)
    assert json.loads((folder / "model.json").read_text())["settings"]["layout"] == "windows"


@pytest.mark.parametrize("losses", [{"mgm": False}, {"ngsp": False}, {"srm": None}, {"srm": "paper_exp"}])
def test_switches(losses):
    settings = replace(MODEL, losses=replace(MODEL.losses, **losses))
    model, batch, regions = one_batch(settings)
    result = compute(model, batch, regions, 0, 0.15, TRAINING, 1, train=True)
    for name in ("mgm", "ngsp", "srm"):
        assert (name in result) is bool(getattr(settings.losses, name))
    assert np.isfinite(result["loss"])


def test_regions_of_n_only_give_no_nan(tmp_path):
    sequences, motifs, groups = toy_data()
    motifs[:] = np.nan
    data = (RegionSequences(np.full_like(sequences.codes, 4), sequences.offsets, "toy"), motifs, groups)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning):
        folder = run(tmp_path, replace(TRAINING, steps=2), data=data)
    for tensor in load_file(folder / "model.safetensors").values():
        assert torch.isfinite(tensor).all()


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_samples(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "compute", lambda *a, **k: {"loss": float("nan")})
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
