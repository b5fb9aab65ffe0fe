"""Files of weights: finding them, naming them in records, reading their tensors, and that these fit.

All weights are read by :func:`read_tensors`, and go into a network only after a check that nothing is missing or left
over: :func:`fill`, :func:`check_tensors`, and for a BERT :func:`genebert.models.bert.load_weights`.
"""

import argparse
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from genebert.errors import InputError
from genebert.files import is_lfs_pointer, is_web_page, sha256
from genebert.models.backbones import HUB

# Where training scripts keep the tensors: moving averages, which are what is published, before the last step's.
_KEYS = ("state_dict_ema", "state_dict", "model")
# What DataParallel and torch.compile put before the names of all tensors.
_PREFIXES = ("module.", "_orig_mod.")
_EXPECTED = "expected a .safetensors file or a PyTorch checkpoint of tensors"


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


def _without_prefix(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors by the names that the network itself gives them; a prefix is taken off where all of them have it.

    It is that of DataParallel (``module.``) or of a compiled network (``_orig_mod.``), in any order.
    """
    state = dict(state)
    while state and (prefix := next((one for one in _PREFIXES if all(name.startswith(one) for name in state)), None)):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _in_its_place(path: Path) -> str | None:
    """Say what a file is that stands in place of one of weights, where that is known."""
    if is_web_page(path):
        return "a web page"
    return "a pointer of Git LFS, which `git lfs pull` replaces by the file" if is_lfs_pointer(path) else None


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say in one sentence what a file is that stands in place of one of weights, or that it cannot be read."""
    if not path.is_file():
        raise InputError(f"{path}: is no file; {_EXPECTED}")
    try:
        if found := _in_its_place(path):
            raise InputError(f"{path}: is {found}; {_EXPECTED}")
        yield
    except InputError:
        raise
    except Exception as error:  # a damaged file makes the readers raise nearly anything
        raise InputError(
            f"{path}: cannot be read ({type(error).__name__}): damaged, cut short or not what its name says; "
            f"{_EXPECTED}"
        ) from error


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a ``.safetensors`` file or a PyTorch checkpoint by name.

    Checkpoints may hold the tensors directly or, first of these, as ``state_dict_ema``, ``state_dict`` or ``model``.
    They are read without running code from the file. Names are without the prefix of a wrapped network; see
    :func:`_without_prefix`.

    Raises
    ------
    InputError
        The file is damaged or holds something else.
    """
    with _reading(path):
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            # Training scripts keep their command line beside the weights: a plain record.
            with torch.serialization.safe_globals([argparse.Namespace]):
                state = torch.load(path, map_location="cpu", weights_only=True)
    key = next((key for key in _KEYS if isinstance(state, Mapping) and isinstance(state.get(key), Mapping)), None)
    state = state if key is None else state[key]
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()
    ):
        raise InputError(f"{path}: holds something else than named tensors; {_EXPECTED}")
    return _without_prefix(state)


def read_metadata(path: Path) -> dict[str, str]:
    """Return what a ``.safetensors`` file says of itself; an InputError for a damaged one."""
    with _reading(path), safe_open(path, "pt") as file:
        return file.metadata() or {}


def check_tensors(path: Path, found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Make sure that just the expected tensors are there, in their shapes; InputError names the first that is not."""
    for name, tensor in expected.items():
        if name not in found:
            raise InputError(f"{path}: the tensor {name} is missing; expected the weights of the configured network")
        if found[name].shape != tensor.shape:
            raise InputError(
                f"{path}: the tensor {name} has the shape {tuple(found[name].shape)}, expected {tuple(tensor.shape)} "
                "as in the configured network"
            )
    for name in found:
        if name not in expected:
            raise InputError(f"{path}: found the tensor {name}, expected only those of the configured network")


def fill(network: nn.Module, path: Path, tensors: Mapping[str, torch.Tensor], but: tuple[str, ...] = ()) -> None:
    """Put the tensors of a file into a network whose others, if any, have names that begin with one of `but`.

    Raises
    ------
    InputError
        One is missing, left over or of another shape.
    """
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(but)}
    check_tensors(path, tensors, own)
    network.load_state_dict(tensors, strict=False)
