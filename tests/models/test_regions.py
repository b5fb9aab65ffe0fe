import argparse
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from genebert.errors import InputError
from genebert.files import sha256
from genebert.models.backbones import IMAGE_BACKBONES, REGION_ENCODERS, build_region_encoder
from genebert.models.image_encoder import build_backbone, fold, resize
from genebert.models.region_transformer import RegionTransformer
from genebert.models.t2t_vit import T2TViT
from genebert.run.models import IMAGENET_FILES, load_models
from genebert.settings.models import RegionEncoderSettings, RegionTransformerArguments

ROOT = Path(__file__).resolve().parents[2]
# One small encoder of each family.
SMALL = {
    "swin-t-224": {"img_size": 64, "window_size": 4, "embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)},
    "vit-b-384": {"img_size": 64, "embed_dim": 16, "depth": 2, "num_heads": 2},
    "deit-s-224": {"img_size": 64, "embed_dim": 16, "depth": 2, "num_heads": 2},
    "t2t-vit-14": {"img_size": 64, "embed_dim": 16, "depth": 2, "num_heads": 2, "token_dim": 8},
}
N_TFS = 60
# Published with 1,000 classes: the model cards of timm, and the T2T-ViT authors' figures; width of the features.
PUBLISHED = {
    "vit-b-384": (86_859_496, 768),
    "vit-l-384": (304_715_752, 1024),
    "t2t-vit-14": (21_545_550, 384),
    "t2t-vit-24": (64_105_934, 512),
    "deit-s-224": (22_050_664, 384),
    "deit-b-224": (86_567_656, 768),
    "deit-b-384": (86_859_496, 768),
    "swin-t-224": (28_288_354, 768),
    "swin-s-224": (49_606_258, 768),
    "swin-b-224": (87_768_224, 1024),
    "swin-b-384": (87_903_584, 1024),
}


def small(name, weights=None, image="fold"):
    weights = None if weights is None else str(weights)
    return build_region_encoder(RegionEncoderSettings(name, image, weights, SMALL[name]), N_TFS, 10)


# -------------------------------------------------------------------------------------------------- matrix to image


@pytest.mark.parametrize(("n_tfs", "size", "rows"), [(579, 224, 3), (579, 384, 2), (224, 224, 1), (100, 224, 1)])
def test_fold_loses_nothing(n_tfs, size, rows):
    matrix = torch.randn(2, 10, n_tfs)
    image = fold(matrix, size)
    assert image.shape == (2, 1, size, size)
    repeat = size // (10 * rows)
    # undo it: one row of each repeated stack, without padding
    unfolded = image[:, 0, : 10 * rows * repeat : repeat].reshape(2, 10, rows * size)[..., :n_tfs]
    assert torch.equal(unfolded, matrix)
    assert image.count_nonzero() == repeat * matrix.numel()


@pytest.mark.parametrize("size", [224, 384])
def test_the_fold_of_the_paper_fills_the_image(size):
    """579 TFs of ten regions: less than one patch of 16 rows stays empty below."""
    image = fold(torch.ones(1, 10, 579), size)[0, 0]
    assert size - 16 < image.any(1).sum() <= size
    assert image.any(0).all()


def test_fold_of_too_large_a_matrix():
    with pytest.raises(InputError, match=r"40 x 2000 matrix has 360 rows of 224 values and does not fit"):
        fold(torch.zeros(1, 40, 2000), 224)


def test_bilinear_resize_reads_at_most_448_columns():
    """docs/facts.md 27: why fold is the default; the antialiased form reads all of them."""
    matrix = torch.zeros(1, 10, 579, requires_grad=True)
    for antialias, read in ((False, 448), (True, 579)):
        (gradient,) = torch.autograd.grad(resize(matrix, 224, antialias=antialias).sum(), matrix)
        columns = (gradient[0].abs().sum(0) > 1e-6).sum()
        assert columns <= read
        assert bool(columns == 579) is antialias


# ------------------------------------------------------------------------------------------- the eleven of Table 7


@pytest.mark.parametrize("name", IMAGE_BACKBONES)
def test_published_sizes(name):
    count, width = PUBLISHED[name]
    with torch.device("meta"):
        assert sum(p.numel() for p in build_backbone(name, {}, in_chans=3, num_classes=1000).parameters()) == count
        encoder = build_region_encoder(RegionEncoderSettings(name, "fold", None), 579, 10)
        assert encoder(torch.empty(2, 10, 579)).shape == (2, width)
    assert encoder.width == width
    assert encoder.size == (384 if name.endswith("384") else 224)
    # without the head, and with one colour less twice
    trained = sum(p.numel() for p in encoder.parameters())
    assert 0.99 * (count - 1000 * (width + 1)) < trained < count - 1000 * (width + 1)


def test_names_files_and_entries_agree():
    lines = (ROOT / "config" / "sources.tsv").read_text().splitlines()
    registry = {line.split("\t")[0]: line.split("\t")[1] for line in lines[1:]}
    models = load_models(ROOT / "config" / "models.yaml")
    assert list(PUBLISHED) == list(IMAGE_BACKBONES)
    assert IMAGENET_FILES.keys() == IMAGE_BACKBONES.keys()
    for name, model in IMAGE_BACKBONES.items():
        address = registry[IMAGENET_FILES[name]]
        assert (model is None) is ("T2T-ViT" in address)
        if model is not None:
            assert f"/timm/{model}/resolve/main/model.safetensors" in address
            assert timm.get_pretrained_cfg(model).hf_hub_id == f"timm/{model}"
        assert models[name] == {"ablation": True, "region_encoder": {"name": name}}
    assert REGION_ENCODERS.keys() == {*IMAGE_BACKBONES, "region-transformer"}


@pytest.mark.parametrize("image", ["fold", "resize", "area"])
@pytest.mark.parametrize("name", SMALL)
def test_every_value_of_the_matrix_counts(name, image):
    torch.manual_seed(0)
    encoder = small(name, image=image).eval()
    assert encoder.weights_source == {"kind": "none"}
    matrix = torch.randn(2, 10, N_TFS, requires_grad=True)
    embedded = encoder(matrix)
    assert embedded.shape == (2, encoder.width)
    embedded[0].square().sum().backward()
    assert (matrix.grad[0] != 0).all()
    assert (matrix.grad[1] == 0).all()


def test_region_transformer_sees_every_value_and_the_order_of_regions():
    torch.manual_seed(0)
    encoder = RegionTransformer(30, 10, RegionTransformerArguments(layers=2, hidden=32, heads=4)).eval()
    assert encoder.weights_source == {"kind": "none"}
    matrix = torch.randn(1, 10, 30, requires_grad=True)
    encoder(matrix)[0, 3, 0].backward()
    assert (matrix.grad != 0).all()
    with torch.no_grad():
        assert not torch.allclose(encoder(matrix), encoder(matrix.flip(1)), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "image", "weights", "arguments", "sentence"),
    [
        ("swin", "fold", None, {}, "region_encoder.name: found 'swin', expected one of vit-b-384, vit-l-384, t2t-vit-"),
        (
            "region-transformer",
            "fold",
            "file",
            {},
            "found 'file', expected null: region-transformer has no published weights",
        ),
        (
            "swin-t-224",
            "stretch",
            None,
            {},
            "region_encoder.image: found 'stretch', expected one of fold, resize, area",
        ),
        ("vit-b-384", "fold", None, {"depht": 2}, "vit-b-384 does not take what was given .* argument 'depht'"),
        ("t2t-vit-14", "fold", None, {"depths": [2]}, "t2t-vit-14 does not take what was given .* argument 'depths'"),
        ("t2t-vit-14", "fold", None, {"img_size": 60}, "img_size: found 60, expected a multiple of 16"),
        ("t2t-vit-14", "fold", None, {"num_heads": 7}, "embed_dim: found 384, expected a multiple of num_heads, 7"),
        ("deit-s-224", "fold", None, {"img_size": [64, 32]}, r"img_size: found \[64, 32\], expected one number"),
    ],
)
def test_bad_settings(name, image, weights, arguments, sentence):
    with torch.device("meta"), pytest.raises(InputError, match=sentence) as caught:
        build_region_encoder(RegionEncoderSettings(name, image, weights, arguments), 579, 10)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------ published weights


def published(name):
    """A network of the published form (three colours, a head of 1,000 classes) with values in all tensors."""
    torch.manual_seed(1)
    if IMAGE_BACKBONES[name] is None:
        model = T2TViT(**SMALL[name])
    else:
        model = timm.create_model(IMAGE_BACKBONES[name], pretrained=False, **SMALL[name])
    for tensor in model.state_dict().values():
        tensor += 0.1 * torch.randn(tensor.shape)
    return model.eval()


def features(model, image):
    model.reset_classifier(0) if hasattr(model, "reset_classifier") else setattr(model, "head", torch.nn.Identity())
    return model(image)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth.tar"])
@pytest.mark.parametrize("name", SMALL)
def test_weights_from_a_file(name, suffix, tmp_path):
    """One channel gives what the network of three colours gives for the image three times."""
    model = published(name)
    path = tmp_path / name / f"model{suffix}"
    path.parent.mkdir()
    if suffix == ".safetensors":
        save_file(model.state_dict(), path)
    else:
        worse = {key: torch.zeros_like(tensor) for key, tensor in model.state_dict().items()}
        best = {f"module.{key}": tensor for key, tensor in model.state_dict().items()}
        torch.save({"args": argparse.Namespace(lr=1), "state_dict": worse, "state_dict_ema": best, "epoch": 3}, path)
    encoder = small(name, path).eval()
    assert encoder.weights_source == {"kind": "file", "name": f"{name}/model{suffix}", "sha256": sha256(path)}
    matrix = torch.randn(2, 10, N_TFS)
    with torch.no_grad():
        found, expected = encoder(matrix), features(model, fold(matrix, 64).repeat(1, 3, 1, 1))
    assert expected.std() > 0.1
    assert torch.allclose(found, expected, atol=1e-5)


def test_one_channel_as_timm_makes_it(tmp_path):
    for name in ("swin-t-224", "vit-b-384"):
        path = tmp_path / f"{name}.safetensors"
        save_file(published(name).state_dict(), path)
        theirs = timm.create_model(
            IMAGE_BACKBONES[name], pretrained=True, pretrained_cfg_overlay={"file": str(path)}, in_chans=1,
            num_classes=0, **SMALL[name],
        ).state_dict()  # fmt: skip
        ours = small(name, path).backbone.state_dict()
        assert ours.keys() == theirs.keys()
        for key, tensor in ours.items():
            assert torch.allclose(tensor, theirs[key], atol=1e-6), key


def test_checkpoint_of_the_swin_authors(tmp_path):
    """There the layer between stages belongs to the earlier stage, constants are stored, and the head has no `fc`."""
    state = published("swin-t-224").state_dict()
    theirs = {"layers.0.blocks.0.attn.relative_position_index": torch.zeros(16, 16, dtype=torch.long)}
    for key, tensor in state.items():
        for stage in (1, 2, 3):
            key = key.replace(f"layers.{stage}.downsample", f"layers.{stage - 1}.downsample")
        theirs[key.replace("head.fc.", "head.")] = tensor
    torch.save({"model": theirs}, tmp_path / "swin.pth")
    ours = small("swin-t-224", tmp_path / "swin.pth").backbone.state_dict()
    assert len(ours) == len(state) - 2
    for key, tensor in ours.items():
        if key != "patch_embed.proj.weight":
            assert torch.equal(tensor, state[key]), key


def rename(state):
    state["blocks.1.extra"] = state.pop("blocks.1.norm1.bias")


@pytest.mark.parametrize("name", ["t2t-vit-14", "vit-b-384"])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: state.pop("blocks.1.mlp.fc1.bias"), "the tensor blocks.1.mlp.fc1.bias is missing"),
        (rename, "the tensor blocks.1.norm1.bias is missing"),
        (lambda state: state.update(extra=torch.zeros(1)), "found the tensor extra, expected only those"),
        (
            lambda state: state.update(pos_embed=torch.zeros(1, 26, 16)),
            r"the tensor pos_embed has the shape \(1, 26, 16\), expected \(1, 17, 16\)",
        ),
    ],
)
def test_weights_of_another_network(name, change, sentence, tmp_path):
    state = published(name).state_dict()
    change(state)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=f"model.safetensors: {sentence}") as caught:
        small(name, tmp_path / "model.safetensors")
    assert "\n" not in str(caught.value)


def test_weights_of_one_channel_are_not_those_published(tmp_path):
    save_file(small("vit-b-384").backbone.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"proj.weight has the shape \(16, 1, 16, 16\), expected \(16, 3, 16, 16\)"):
        small("vit-b-384", tmp_path / "model.safetensors")


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("trap-has-sprung"),))


DAMAGED = ": damaged, cut short or not what its name says; expected a .safetensors file or"


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("a.safetensors", None, "a.safetensors, which is no file; expected a file of weights"),
        ("a.safetensors", b"no weights", rf"cannot be read \(SafetensorError\){DAMAGED}"),
        ("a.pth", b"no weights", rf"cannot be read \(UnpicklingError\){DAMAGED}"),
        ("a.pth", b"", rf"cannot be read \(EOFError\){DAMAGED}"),
        ("a.pth", [1], "holds something else than named tensors"),
        ("a.pth", {"epoch": 3}, "holds something else than named tensors"),
        ("a.pth", {"state_dict": {}, "code": Trap()}, r"cannot be read \(UnpicklingError\)"),
    ],
)
def test_files_that_are_no_weights(file, content, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        (tmp_path / file).write_bytes(content)
    elif content is not None:
        torch.save(content, tmp_path / file)
    with pytest.raises(InputError, match=sentence) as caught:
        small("t2t-vit-14", tmp_path / file)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "trap-has-sprung").exists()


def test_weights_from_the_hub(tmp_path, monkeypatch):
    import huggingface_hub

    path = tmp_path / "model.safetensors"
    save_file(published("swin-t-224").state_dict(), path)
    asked = []
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *names: asked.append(names) or str(path))
    encoder = small("swin-t-224", "hub")
    name = "timm/swin_tiny_patch4_window7_224.ms_in1k"
    assert asked == [(name, "model.safetensors")]
    assert encoder.weights_source == {"kind": "hub", "id": name, "sha256": sha256(path)}
    assert torch.equal(encoder.backbone.norm.weight, small("swin-t-224", path).backbone.norm.weight)


def test_the_hub_without_a_connection(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    sentence = (
        "region_encoder.weights: found hub, but timm/swin_tiny_patch4_window7_224.ms_in1k cannot be had from the hub "
        r"and is not in its cache \(LocalEntryNotFoundError\); expected a connection, or a file instead of hub$"
    )
    with pytest.raises(InputError, match=sentence):
        small("swin-t-224", "hub")
    with pytest.raises(InputError, match="found hub, but T2T-ViT is not on the hub; expected a file or null"):
        small("t2t-vit-14", "hub")
