"""Weights are loaded checked, wherever weights are loaded: every loader with every kind of file that is not as it was.

A loader of this table writes a file of weights and loads it again; the tests put something else in the file's place.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import timm
import torch
from finetune_inputs import make_folder
from safetensors.torch import load_file, save_file

from genebert.errors import InputError
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.files import read_json, sha256, write_json
from genebert.genome.kmers import save_tokenizer
from genebert.methods.cnn import CnnModel, CnnSettings, Network
from genebert.methods.finetune import Encoder, FinetunedModel
from genebert.models.backbones import IMAGE_BACKBONES, build_region_encoder
from genebert.models.bert import load_encoder
from genebert.models.genebert import GeneBERT
from genebert.models.t2t_vit import T2TViT
from genebert.settings.fitting import FinetuneSettings
from genebert.settings.models import LossSettings, ModelSettings, RegionEncoderSettings, SequenceEncoderSettings

TWO = TwoClass({})
IMAGES = {
    "swin-t-224": {"img_size": 64, "window_size": 4, "embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)},
    "t2t-vit-14": {"img_size": 64, "embed_dim": 16, "depth": 2, "num_heads": 2, "token_dim": 8},
}
ENCODER = SequenceEncoderSettings(2, 32, 2, 64, 0.1, 0.1, 64)
REGIONS = RegionEncoderSettings("region-transformer", "fold", None, {"layers": 1, "hidden": 16, "heads": 2})
LOSSES = LossSettings(srm="infonce", pooling="cls")


def genebert(weights: Path | None = None) -> GeneBERT:
    encoder = SequenceEncoderSettings(2, 32, 2, 64, 0.1, 0.1, 64, None if weights is None else str(weights))
    return GeneBERT(ModelSettings(3, "concatenated", encoder, REGIONS, LOSSES), torch.zeros(5), torch.ones(5), 4)


def save_genebert(folder: Path) -> None:
    genebert().save(folder, {"regions_per_sample": 4})


def save_finetuned(folder: Path, frozen: bool) -> None:
    settings = FinetuneSettings(frozen=frozen)
    encoder = Encoder(make_folder(folder), TWO)
    network = encoder.classifier(load_encoder(folder, 0.1), settings)
    if frozen:
        network = torch.nn.Module()
        network.linear = torch.nn.Linear(32, 2)
        network.register_buffer("mean", torch.zeros(32))
        network.register_buffer("sd", torch.ones(32))
    FinetunedModel("finetune", TWO, {}, encoder, network, settings).write(folder)


def read_finetuned(folder: Path, frozen: bool) -> torch.nn.Module:
    record = {"settings": vars(FinetuneSettings(frozen=frozen)) | {"precision_used": "float32"}}
    return FinetunedModel.read(folder, "finetune", TWO, record).network


def save_cnn(folder: Path) -> None:
    CnnModel("cnn", TWO, {}, Network(CnnSettings(), 2)).write(folder)


def image(name: str, weights: Path) -> torch.nn.Module:
    settings = RegionEncoderSettings(name, "fold", str(weights), IMAGES[name])
    return build_region_encoder(settings, 60, 10).backbone


def save_image(name: str, folder: Path) -> None:
    model = T2TViT(**IMAGES[name]) if IMAGE_BACKBONES[name] is None else timm.create_model(
        IMAGE_BACKBONES[name], pretrained=False, **IMAGES[name]
    )  # fmt: skip
    save_file(model.state_dict(), folder / "model.safetensors")


@dataclass(frozen=True)
class Loader:
    """A place where weights are loaded."""

    write: Callable[[Path], object]
    load: Callable[[Path], torch.nn.Module]  # of the folder, or of the file where it is given by its path
    tensor: str  # one of the file, without which nothing can do
    file: str = "model.safetensors"
    own: str = "{}"  # name of that tensor in the loaded network
    pickles: str | None = "pytorch_model.bin"  # the name of a PyTorch checkpoint in its place, if it may be one


QUERY = "encoder.layer.1.attention.self.query.weight"
LOADERS = {
    "pre-training": Loader(
        lambda folder: make_folder(folder, head="BertForMaskedLM"), lambda folder: genebert(folder).sequence_encoder,
        f"bert.{QUERY}",
    ),
    "fine-tuning": Loader(make_folder, lambda folder: load_encoder(folder, 0.1), QUERY),
    "a pre-trained model": Loader(
        save_genebert, lambda folder: GeneBERT.load(folder).sequence_encoder, f"bert.{QUERY}"
    ),
    "its region encoder": Loader(
        save_genebert, GeneBERT.load, "region_encoder.embed.weight", "region_encoder.safetensors", pickles=None
    ),
    **{
        name: Loader(
            lambda folder, name=name: save_image(name, folder),
            lambda path, name=name: image(name, path), tensor, pickles="model.pth",
        )
        for name, tensor in (
            ("swin-t-224", "layers.1.blocks.0.mlp.fc1.weight"), ("t2t-vit-14", "blocks.1.mlp.fc1.weight")
        )
    },
    "a classifier's encoder": Loader(
        lambda folder: save_finetuned(folder, False), lambda folder: read_finetuned(folder, False), QUERY,
        own="encoder.{}",
    ),
    **{
        f"a {kind}'s head": Loader(
            lambda folder, frozen=frozen: save_finetuned(folder, frozen),
            lambda folder, frozen=frozen: read_finetuned(folder, frozen), tensor, "head.safetensors", pickles=None,
        )
        for kind, frozen, tensor in (("classifier", False, "linear.weight"), ("probe", True, "mean"))
    },
    "cnn": Loader(
        save_cnn, lambda folder: CnnModel.read(folder, "cnn", TWO, {"settings": vars(CnnSettings())}), "head.1.weight",
        pickles=None,
    ),
}  # fmt: skip


def write(loader: Loader, folder: Path) -> tuple[dict[str, torch.Tensor], Path]:
    """Write a folder, its tensors all random; return them and the file."""
    loader.write(folder)
    path = folder / loader.file
    torch.manual_seed(5)
    tensors = {name: torch.randn(tensor.shape) for name, tensor in load_file(path).items()}
    save_file(tensors, path)
    return tensors, path


def load(loader: Loader, path: Path) -> torch.nn.Module:
    found = loader.load(path if loader.pickles == "model.pth" else path.parent)
    return getattr(found, "network", found)


def in_a_pickle(loader: Loader, path: Path, content: object) -> Path:
    path.unlink()
    path = path.with_name(loader.pickles)
    torch.save(content, path)
    return path


def less(tensors, name):
    return {other: tensor for other, tensor in tensors.items() if other != name}


# What is in place of the file: its bytes, of those that were right.
NO_WEIGHTS = {
    "a pointer": (lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "of Git LFS"),
    "a page": (lambda _: b"<!DOCTYPE html><html>404</html>", "is a web page"),
    "nothing": (lambda _: b"", "cannot be read"),
    "a part": (lambda right: right[: len(right) // 2], "cannot be read"),
    "a line": (lambda _: b"not here", "cannot be read"),
}  # fmt: skip
# Tensors that do not fit; of a tensor's name.
CHANGES = {
    "one missing": (less, "missing"),
    "one of another shape": (lambda tensors, name: tensors | {name: torch.ones(3, 7)}, r"the shape \(3, 7\), expected"),
    "one renamed": (lambda tensors, name: less(tensors, name) | {f"{name}.x": tensors[name]}, "missing"),
    "one left over": (
        lambda tensors, name: tensors | {f"{name}.x": torch.ones(1)},
        r"found the tensor \S+\.x|are not those of config\.json, the first is \S+\.x",
    ),
    "another prefix": (lambda tensors, _: {f"model.{name}": one for name, one in tensors.items()}, "missing"),
    "a prefix in part": (
        lambda tensors, name: less(tensors, name) | {f"module.{name}": tensors[name]}, "missing",
    ),
}  # fmt: skip
# Other forms of the right tensors; `True`: only a PyTorch checkpoint can have it.
FORMS = {
    "as written": (False, lambda tensors: tensors),
    "of DataParallel": (False, lambda tensors: {f"module.{name}": one for name, one in tensors.items()}),
    "compiled": (False, lambda tensors: {f"_orig_mod.module.{name}": one for name, one in tensors.items()}),
    "plain checkpoint": (True, lambda tensors: tensors),
    "below state_dict": (True, lambda tensors: {"state_dict": tensors, "epoch": 3}),
    "below model, of DataParallel": (True, lambda tensors: {"model": {f"module.{n}": t for n, t in tensors.items()}}),
}


def refused(loader: Loader, path: Path, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        load(loader, path)
    assert "\n" not in str(caught.value)
    assert str(path.parent) in str(caught.value)
    assert "weights_only" not in str(caught.value)  # the library's advice, which would run code of the file


def with_pickles(name: str, needed: bool = True) -> bool:
    """What a loader has written itself it reads in one form."""
    return LOADERS[name].pickles is not None or not needed


@pytest.mark.parametrize(
    ("name", "pickled"),
    [(name, pickled) for name in LOADERS for pickled in (False, True) if with_pickles(name, pickled)],
)
@pytest.mark.parametrize("kind", NO_WEIGHTS)
def test_a_file_that_is_no_weights_is_refused(name, kind, pickled, tmp_path):
    loader, (content, sentence) = LOADERS[name], NO_WEIGHTS[kind]
    tensors, path = write(loader, tmp_path)
    if pickled:
        path = in_a_pickle(loader, path, tensors)
    path.write_bytes(content(path.read_bytes()))
    refused(loader, path, f"{path.name}: .*{sentence}")


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("name", LOADERS)
def test_tensors_that_do_not_fit_are_refused(name, kind, tmp_path):
    loader, (change, sentence) = LOADERS[name], CHANGES[kind]
    tensors, path = write(loader, tmp_path)
    save_file(change(tensors, loader.tensor), path)
    refused(loader, path, sentence)


@pytest.mark.parametrize(
    ("name", "form"), [(name, form) for name in LOADERS for form in FORMS if with_pickles(name, FORMS[form][0])]
)
def test_the_right_tensors_are_taken_in_every_form(name, form, tmp_path):
    loader, (pickle_only, change) = LOADERS[name], FORMS[form]
    tensors, path = write(loader, tmp_path)
    if pickle_only:
        path = in_a_pickle(loader, path, change(tensors))
    else:
        save_file(change(tensors), path)
    taken = load(loader, path).state_dict()[loader.own.format(loader.tensor)]
    assert torch.equal(taken, tensors[loader.tensor])


def test_what_is_recorded_is_what_was_used(tmp_path):
    """Of two files the one that `transformers` takes."""
    tensors, path = write(LOADERS["pre-training"], tmp_path)
    torch.save({name: torch.zeros_like(tensor) for name, tensor in tensors.items()}, tmp_path / "pytorch_model.bin")
    model = genebert(tmp_path)
    name = f"bert.{QUERY}"
    assert torch.equal(model.sequence_encoder.state_dict()[name], tensors[name])
    record = model.initial_weights["sequence_encoder"]
    assert record == {"kind": "file", "name": f"{tmp_path.name}/model.safetensors", "sha256": sha256(path)}


def test_a_vocabulary_of_another_size_than_the_networks(tmp_path):
    make_folder(tmp_path)
    save_tokenizer(tmp_path, 4, 64)
    with pytest.raises(InputError, match=r"config\.json says vocab_size 69, but vocab\.txt has 261 tokens"):
        load_encoder(tmp_path, 0.1)


@pytest.mark.parametrize(("key", "value"), [("num_hidden_layers", 0.5), ("hidden_size", -1), ("hidden_act", "none")])
def test_a_configuration_that_makes_no_network(tmp_path, key, value):
    config = make_folder(tmp_path) / "config.json"
    write_json(config, read_json(config) | {key: value})
    with pytest.raises(InputError, match="weights cannot be loaded") as caught:
        load_encoder(tmp_path, 0.1)
    assert "\n" not in str(caught.value)


def test_no_other_module_reads_weights(root):
    """A loader that is not of these would not be in the table above."""
    reads = re.compile(r"load_file\(|torch\.load\(|safe_open\(|kind\.from_pretrained\(|Model\w*\.from_pretrained\(")
    package = root / "src/genebert"
    found = {str(path.relative_to(package)) for path in package.rglob("*.py") if reads.search(path.read_text())}
    assert found == {"models/weights.py", "models/bert.py", "training/checkpoint.py"}  # the last: its own, to resume
