"""The parts of T2T-ViT against plain loops and torch's own layers, and the whole against the authors' outputs."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from genebert.models.backbones import build_region_encoder
from genebert.models.image_encoder import fold
from genebert.models.t2t_vit import T2T_SIZES, T2TViT, TokenPerformer, TokensToToken, sinusoids, sum_colours
from genebert.settings.models import RegionEncoderSettings

SMALL = {"embed_dim": 16, "depth": 2, "num_heads": 2, "img_size": 64, "token_dim": 8}


def fill(model):
    """Set all tensors by the formulas of the reference file."""
    state = {}
    for j, (name, tensor) in enumerate(sorted(model.state_dict().items())):
        values = 0.02 * np.sin(0.37 * np.arange(1, tensor.numel() + 1) + j)
        if name.endswith(("norm.weight", "norm1.weight", "norm2.weight")):
            values += 1
        state[name] = torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape)
    return state


def build_filled(**arguments):
    with torch.device("meta"):
        model = T2TViT(**arguments)
    model.load_state_dict(fill(model), assign=True)
    return model.eval()


# -------------------------------------------------------------------------------------------------------- the parts


@torch.no_grad()
def test_performer_against_loops():
    torch.manual_seed(0)
    layer = TokenPerformer(12, 8, 4).eval()
    for name in ("kqv", "proj"):
        nn.init.normal_(getattr(layer, name).weight, std=0.5)
    x = torch.randn(2, 7, 12)
    found = layer(x)
    normal = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    projected = normal @ layer.kqv.weight.T + layer.kqv.bias
    for b in range(2):
        key, query, value = projected[b, :, :8], projected[b, :, 8:16], projected[b, :, 16:]

        def feature(vector):
            return [math.exp(float(w @ vector) - float(vector @ vector) / 2) / 2 for w in layer.w]  # 2 = sqrt(m)

        for t in range(7):
            own = feature(query[t])
            kernel = torch.tensor([sum(a * b for a, b in zip(own, feature(other), strict=True)) for other in key])
            mixed = value[t] + layer.proj(kernel / (kernel.sum() + 1e-8) @ value)
            narrow = (mixed - mixed.mean()) / (mixed.var(unbiased=False) + 1e-5).sqrt()
            expected = mixed + layer.mlp[2](nn.functional.gelu(layer.mlp[0](narrow)))
            assert torch.allclose(found[b, t], expected, atol=1e-5)


@torch.no_grad()
def test_many_random_features_estimate_the_softmax_kernel():
    torch.manual_seed(0)
    layer = TokenPerformer(4, 4, 200_000)
    layer.w.copy_(torch.randn_like(layer.w))
    x, y = torch.tensor([0.5, -0.3, 0.2, 0.1]), torch.tensor([-0.2, 0.4, 0.3, 0.6])
    estimate = layer.features(x[None, None])[0, 0] @ layer.features(y[None, None])[0, 0]
    assert float(estimate) == pytest.approx(math.exp(x @ y), rel=0.02)


def test_random_features_have_orthogonal_rows_and_stay_fixed():
    w = TokenPerformer(12, 8, 4).w
    assert torch.allclose(w @ w.T, 4 * torch.eye(4), atol=1e-5)
    assert not w.requires_grad


@torch.no_grad()
def test_performer_under_autocast_keeps_float32_where_it_matters():
    torch.manual_seed(0)
    layer = TokenPerformer(12, 8, 4).eval()
    key, query, value = (2 * torch.randn(3, 1, 3000, 8)).unbind(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = layer.attend(key, query, value)
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, layer.attend(key, query, value))


@torch.no_grad()
def test_block_against_the_layer_of_torch():
    torch.manual_seed(0)
    block = T2TViT(12, 1, 3, img_size=32, token_dim=8).blocks[0].eval()
    layer = nn.TransformerEncoderLayer(12, 3, 36, 0.0, "gelu", batch_first=True, norm_first=True).eval()
    layer.self_attn.in_proj_weight.copy_(block.attn.qkv.weight)
    layer.self_attn.in_proj_bias.zero_()
    pairs = (
        (layer.self_attn.out_proj, block.attn.proj), (layer.linear1, block.mlp.fc1), (layer.linear2, block.mlp.fc2),
    )  # fmt: skip
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 9, 12)
    assert torch.allclose(block(x), layer(x), atol=1e-5)


@torch.no_grad()
def test_soft_split_against_loops():
    """With the performers taken out, tokens are patches of patches of patches."""
    module = TokensToToken(2, 5, 8)
    module.attention1 = module.attention2 = module.project = nn.Identity()

    def split(image, size, stride, padding):
        image = nn.functional.pad(image, (padding,) * 4)
        n = (image.shape[1] - size) // stride + 1
        starts = [stride * i for i in range(n)]
        patches = [image[:, i : i + size, j : j + size].flatten() for i in starts for j in starts]
        return torch.stack(patches).T.reshape(-1, n, n)

    image = torch.randn(2, 32, 32)
    expected = split(split(split(image, 7, 4, 2), 3, 2, 1), 3, 2, 1)
    assert expected.shape[1:] == (2, 2)
    assert torch.equal(module(image[None])[0], expected.flatten(1).T)


def test_sinusoids():
    table = sinusoids(5, 6)
    assert table.dtype == torch.float32
    for row in range(5):
        for column in range(6):
            angle = row / 10000 ** (2 * (column // 2) / 6)
            assert float(table[row, column]) == pytest.approx((math.sin, math.cos)[column % 2](angle), abs=1e-6)


# -------------------------------------------------------------------------------------------------------- the whole


def test_every_trained_tensor_gets_a_gradient_and_none_is_nan():
    torch.manual_seed(0)
    model = T2TViT(**SMALL, num_classes=3)
    model(torch.randn(2, 3, 64, 64)).square().sum().backward()
    fixed = {name for name, p in model.named_parameters() if not p.requires_grad}
    attention = "tokens_to_token.attention"
    assert fixed == {"pos_embed", f"{attention}1.w", f"{attention}2.w"}
    for name, p in model.named_parameters():
        if name not in fixed:
            assert p.grad.isfinite().all() and p.grad.any(), name


def test_parts_come_together_in_the_published_order():
    """Class token first, positions added to all, features of the class token after the last norm."""
    model = build_filled(**SMALL, num_classes=3)
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        tokens = model.tokens_to_token(image)
        assert tokens.shape == (2, 16, 16)
        tokens = torch.stack([torch.cat((model.cls_token[0], sample)) + model.pos_embed[0] for sample in tokens])
        for block in model.blocks:
            tokens = block(tokens)
        assert torch.equal(model(image), model.head(model.norm(tokens[:, 0])))


@torch.no_grad()
def test_sum_of_colours():
    """Scales and shifts differ by colour, as after training."""
    torch.manual_seed(0)
    model = T2TViT(**SMALL, num_classes=0).eval()
    for tensor in model.state_dict().values():
        tensor += 0.3 * torch.randn(tensor.shape)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    grey = T2TViT(**SMALL, num_classes=0, in_chans=1).eval()
    grey.load_state_dict(sum_colours(model.state_dict()))
    image = torch.randn(2, 1, 64, 64)
    expected = model(image.repeat(1, 3, 1, 1))
    assert expected.std() > 0.1
    assert torch.allclose(grey(image), expected, atol=1e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@torch.no_grad()
def test_a_file_of_the_published_form_at_its_published_size(tmp_path):
    model = build_filled(**T2T_SIZES["t2t-vit-14"])
    torch.save({"state_dict_ema": model.state_dict()}, tmp_path / "t2t.pth.tar")
    settings = RegionEncoderSettings("t2t-vit-14", "fold", str(tmp_path / "t2t.pth.tar"))
    encoder = build_region_encoder(settings, 579, 10).eval()
    model.head = nn.Identity()
    matrix = torch.sin(torch.arange(5790.0)).reshape(1, 10, 579)
    assert torch.allclose(encoder(matrix), model(fold(matrix, 224).repeat(1, 3, 1, 1)), atol=1e-5)


# ------------------------------------------------------------------------------------- against the authors' network


@pytest.mark.shared
@pytest.mark.parametrize("name", T2T_SIZES)
def test_reference(name, shared_data):
    reference = json.loads((shared_data / "encoders" / "t2t_vit_reference.json").read_text())["models"]
    reference = reference[name.replace("-", "_")]
    model = build_filled(**T2T_SIZES[name])
    assert sum(p.numel() for p in model.parameters()) == reference["parameters"]
    shapes = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    later = [key for key in shapes if key.startswith("blocks.") and not key.startswith("blocks.0.")]
    assert {key: shape for key, shape in shapes.items() if key not in later} == reference["state_dict"]
    blocks = {key.split(".")[1] for key in shapes if key.startswith("blocks.")}
    assert len(blocks) == reference["blocks"]
    image = torch.from_numpy(np.sin(0.011 * np.arange(3 * 224 * 224)).astype(np.float32)).reshape(1, 3, 224, 224)
    with torch.no_grad():
        logits = model(image)[0]
        model.head = nn.Identity()
        features = model(image)[0]
    assert features[:16].tolist() == pytest.approx(reference["features_first16"], abs=1e-5)
    assert float(features.norm()) == pytest.approx(reference["features_l2"], abs=1e-4)
    assert logits[:8].tolist() == pytest.approx(reference["logits_first8"], abs=1e-5)
