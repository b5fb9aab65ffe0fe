"""Files of weights: finding them, naming them in records, reading their tensors, and that these fit."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from genebert.errors import InputError
from genebert.files import sha256
from genebert.models.backbones import HUB

WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # in the order in which `transformers` looks for them
# Where training scripts keep the tensors: moving averages, which are what is published, before the last step's.
_KEYS = ("state_dict_ema", "state_dict", "model")
# Constants that older checkpoints store and the models compute.
_CONSTANTS = ("relative_position_index", "attn_mask")


def weights_file(folder: str | Path) -> Path:
    """Return the file with the weights of a model folder; InputError where there is none."""
    for name in WEIGHTS:
        if (path := Path(folder) / name).is_file():
            return path
    raise InputError(f"{folder}: holds no weights; expected {' or '.join(WEIGHTS)}")


def file_source(path: Path) -> dict[str, str]:
    """Return what names a file of weights in the record of a model: kind, folder and name, SHA-256."""
    return {"kind": "file", "name": "/".join(path.parts[-2:]), "sha256": sha256(path)}


def locate_weights(weights: str | Path | None, hub_id: str | None) -> tuple[Path | None, dict[str, str]]:
    """Return the file of an image backbone's ImageNet weights, and a record of where it is from.

    Parameters
    ----------
    weights : path, "hub" or None
        ``hub``: the file of timm's repository on the Hugging Face hub, downloaded unless it is in the hub's cache.
    hub_id : str or None
        That repository; None if there is none.

    Raises
    ------
    InputError
        There is no such file, or the hub has none or cannot be reached.
    """
    if weights is None:
        return None, {"kind": "none"}
    if weights != HUB:
        path = Path(weights)
        if not path.is_file():
            raise InputError(f"region_encoder.weights: found {path}, which is no file; expected a file of weights")
        return path, file_source(path)
    if hub_id is None:
        raise InputError("region_encoder.weights: found hub, but T2T-ViT is not on the hub; expected a file or null")
    from huggingface_hub import hf_hub_download

    try:
        path = Path(hf_hub_download(hub_id, "model.safetensors"))
    except OSError as error:  # all errors of the hub and of the network are of this kind
        raise InputError(
            f"region_encoder.weights: found hub, but {hub_id} cannot be had from the hub and is not in its cache "
            f"({type(error).__name__}); expected a connection, or a file instead of hub"
        ) from error
    return path, {"kind": "hub", "id": hub_id, "sha256": sha256(path)}


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a ``.safetensors`` file or a PyTorch checkpoint, the classifier's left out.

    Checkpoints may hold the tensors directly or, first of these, as ``state_dict_ema``, ``state_dict`` or ``model``.
    They are read without running code from the file. Names are those of present timm: in Swin checkpoints of the
    original authors the layer between two stages belongs to the first of them.

    Raises
    ------
    InputError
        The file is damaged or holds something else.
    """
    expected = "expected a .safetensors file or a PyTorch checkpoint of tensors"
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            # Training scripts keep their command line beside the weights: a plain record.
            with torch.serialization.safe_globals([argparse.Namespace]):
                state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the readers raise nearly anything
        raise InputError(f"{path}: cannot be read ({type(error).__name__}); {expected}") from error
    key = next((key for key in _KEYS if isinstance(state, Mapping) and isinstance(state.get(key), Mapping)), None)
    state = state if key is None else state[key]
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path}: holds something else than named tensors; {expected}")
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    if "layers.0.downsample.reduction.weight" in state:
        stage = re.compile(r"(?<=^layers\.)\d+(?=\.downsample)")
        state = {stage.sub(lambda found: str(int(found[0]) + 1), name): tensor for name, tensor in state.items()}
    return {name: t for name, t in state.items() if not name.startswith("head.") and not name.endswith(_CONSTANTS)}


def check_tensors(path: Path, found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Make sure that just the expected tensors are there, in their shapes; InputError names the first that is not."""
    for name, tensor in expected.items():
        if name not in found:
            raise InputError(f"{path}: the tensor {name} is missing; expected the weights of the configured encoder")
        if found[name].shape != tensor.shape:
            raise InputError(
                f"{path}: the tensor {name} has the shape {tuple(found[name].shape)}, expected {tuple(tensor.shape)} "
                "as in the configured encoder"
            )
    for name in found:
        if name not in expected:
            raise InputError(f"{path}: found the tensor {name}, expected only those of the configured encoder")
