"""SpliceAI's network: size, what an output depends on, the original's filling up, and the published weights."""

import gzip
import json

import h5py
import numpy as np
import pytest
import torch
from splice_blocks import write_keras
from torch.nn import functional

from genebert.errors import InputError
from genebert.genome.bases import encode
from genebert.models.spliceai import CONTEXTS, PUBLISHED, SpliceNet, count_weights, find_published, read_published

torch.set_num_threads(1)
# 93,763 = 160 (first) + 8 x (11 x 32 x 32 + 32) + 8 x 4 x 32 (normalisation) + 2 x 1,056 (skips) + 99 (last); each
# further stage adds eight convolutions and normalisations and a skip. 698,787 is what Keras says of the files.
WEIGHTS = {80: 93_763, 400: 186_211, 2000: 360_579, 10000: 698_787}


def make(context: int, seed: int = 0) -> SpliceNet:
    """A network whose normalisation has seen something, for evaluation."""
    torch.manual_seed(seed)
    network = SpliceNet(context)
    for name, buffer in network.named_buffers():
        if "running" in name:
            buffer.uniform_(*((-0.3, 0.1) if "mean" in name else (0.1, 0.3)))
    return network.eval()


def random_codes(n: int, length: int, seed: int = 0, letters: int = 5) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, letters, (n, length)).astype(np.uint8))


@pytest.mark.parametrize("context", CONTEXTS)
def test_size_and_form(context):
    network = make(context)
    assert count_weights(network) == WEIGHTS[context]
    with torch.inference_mode():
        logits = network(random_codes(2, 3 + context))
    assert logits.shape == (2, 3, 3) and logits.dtype == torch.float32 and logits.isfinite().all()


def test_other_contexts_are_refused():
    with pytest.raises(InputError, match="context: found 81, expected one of 80, 400, 2000, 10000"):
        SpliceNet(81)


@pytest.mark.parametrize("context", CONTEXTS)
def test_an_output_depends_on_its_context_and_on_nothing_else(context):
    network = make(context).double()
    for name, tensor in network.state_dict().items():  # nothing cancels out, no unit is off
        tensor.copy_(tensor.abs() + 0.01 if "running_mean" not in name else -tensor.abs())
    seen = []

    def watch(_module, inputs):
        seen.append(inputs[0].requires_grad_())

    network.first.register_forward_pre_hook(watch)
    network(random_codes(1, 5 + context, letters=4))[0, 2].sum().backward()
    touched = (seen[0].grad[0, :, 0] != 0).all(0)
    assert touched.nonzero()[:, 0].tolist() == list(range(2, 2 + context + 1))


@pytest.mark.parametrize("context", [80, 400])
def test_a_changed_base_outside_changes_nothing_at_the_edge_it_does(context):
    network, codes = make(context).double(), random_codes(1, 5 + context, letters=4)
    with torch.inference_mode():
        before = network(codes)[0, 2]
        for place, within in ((1, False), (2, True), (2 + context, True), (3 + context, False)):
            changed = codes.clone()
            changed[0, place] = (changed[0, place] + 1) % 4
            assert (network(changed)[0, 2] != before).any() == within, place


def filled_up(network: SpliceNet, codes: torch.Tensor) -> torch.Tensor:
    """The original's way: each convolution keeps the length with zeros, the sum is cropped."""

    def same(convolution, values):
        weight, dilation = convolution.weight[:, :, 0], convolution.dilation[1]
        return functional.conv1d(values, weight, convolution.bias, dilation=dilation, padding="same")

    values = same(network.first, functional.one_hot(codes.long(), 5)[..., :4].transpose(1, 2).float())
    total = same(network.skips[0], values)
    for stage, skip in zip(network.stages, network.skips[1:], strict=True):
        for unit in stage:
            changed = values
            for norm, convolution in zip(unit.norms, unit.convolutions, strict=True):
                scaled = (changed - norm.running_mean[:, None]) / (norm.running_var[:, None] + 1e-3).sqrt()
                changed = same(convolution, (scaled * norm.weight[:, None] + norm.bias[:, None]).clamp(min=0))
            values = values + changed
        total = total + same(skip, values)
    half = network.context // 2
    return same(network.last, total[..., half:-half]).transpose(1, 2)


@pytest.mark.parametrize("context", [80, 400, 2000])
def test_it_computes_what_the_original_does(context):
    network, codes = make(context), random_codes(2, 30 + context)
    with torch.inference_mode():
        torch.testing.assert_close(network(codes), filled_up(network, codes), rtol=1e-4, atol=1e-5)


def test_n_is_a_column_of_zeros():
    network = make(80)
    with torch.inference_mode():
        network.one_hot[4] += 1
        changed = network(torch.full((1, 81), 4))
        network.one_hot[4] -= 1
        assert not torch.equal(changed, network(torch.full((1, 81), 4))) and (network.one_hot[4] == 0).all()


# ------------------------------------------------------------------------------------------------- published weights


def test_a_keras_file_is_read(tmp_path):
    network = make(10000, seed=3)
    write_keras(tmp_path / "spliceai1.h5", network)
    found = read_published(tmp_path / "spliceai1.h5")
    assert not found.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[name]), name


def damaged(path, how):
    """Spoil a file of weights."""
    if how == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "text":
        path.write_text("<html>sign in</html>")
    else:
        with h5py.File(path, "a") as file:
            layers = file["model_weights"]
            if how == "layer":
                del layers["conv1d_20"]
            elif how == "tensor":
                del layers["batch_normalization_7/batch_normalization_7/moving_mean:0"]
            elif how == "number":
                layers["conv1d_5/conv1d_5/bias:0"][3] = np.nan
            elif how == "other":
                del file["model_weights"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut", "trunc"),
        ("text", "signature"),
        ("layer", "shorter|longer"),
        ("tensor", "moving_mean"),
        ("number", "not numbers"),
        ("other", "model_weights"),
    ],
)
def test_other_files_are_refused(tmp_path, how, words):
    write_keras(path := tmp_path / "spliceai2.h5", make(10000))
    damaged(path, how)
    with pytest.raises(InputError, match=rf"spliceai2\.h5: cannot be read as .*({words}).*; expected a file of the"):
        read_published(path)


def test_a_network_of_another_context_is_refused(tmp_path):
    write_keras(path := tmp_path / "spliceai2.h5", make(2000))
    with pytest.raises(InputError, match=r"network of 10,000 bases \(found a tensor of the shape|\(zip"):
        read_published(path)


def test_files_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("GENEBERT_SPLICEAI", str(tmp_path))
    assert find_published() is None
    for name in PUBLISHED:
        (tmp_path / name).touch()
    assert find_published() == tuple(tmp_path / f"spliceai{n}.h5" for n in (1, 2, 3, 4, 5))
    assert find_published(tmp_path / "elsewhere") is None
    # The installed package, which must not be imported: that would load TensorFlow.
    monkeypatch.delenv("GENEBERT_SPLICEAI")
    package = tmp_path / "site" / "spliceai"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    for name in PUBLISHED:
        (package / "models" / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert [path.parent for path in find_published()] == [package / "models"] * 5


@pytest.fixture(scope="module")
def published():
    paths = find_published()
    if paths is None:
        pytest.skip("SpliceAI's weights not found; install spliceai 1.3.1 or set GENEBERT_SPLICEAI to their folder")
    return [read_published(path) for path in paths]


def start_of_chr20(shared_data, length: int) -> np.ndarray:
    """The first bases of chr20 as codes."""
    with gzip.open(shared_data / "genome/chr20.fa.gz", "rt") as handle:
        next(handle)
        letters = handle.read(length + length // 50)  # with its line ends
    return encode(letters.replace("\n", ""))[:length]


@pytest.mark.shared
def test_the_published_models_give_the_published_outputs(published, shared_data):
    reference = json.loads((shared_data / "splicing/spliceai10k_reference.json").read_text())
    assert count_weights(published[0]) == reference["parameters"]
    bases = start_of_chr20(shared_data, reference["start"] - 1 + 6000)[-6000:]
    codes = np.concatenate([np.full(5000, 4, np.uint8), bases])
    with torch.inference_mode():
        found = [one(torch.from_numpy(codes)[None]).softmax(-1)[0].numpy() for one in published]
    assert np.abs(found[0][:20] - reference["model1_first20"]).max() < 1e-4
    mean = np.mean(found, axis=0)
    np.testing.assert_allclose(mean.sum(0), reference["mean_first1000_sum"], rtol=0, atol=1e-3)
    for column, name in ((1, "acceptor"), (2, "donor")):
        best = np.argsort(-mean[:, column])[:5]
        assert best.tolist() == reference[f"mean_top_{name}"]
        assert np.abs(mean[best, column] - reference["mean_top_scores"][column - 1]).max() < 1e-4
