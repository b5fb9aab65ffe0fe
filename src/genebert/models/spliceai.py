"""SpliceAI's dilated convolutional network, and the weights that its authors published.

Jaganathan et al. 2019 (Cell 176:535); layers and their tables: docs/facts.md 38. A unit is normalisation, ReLU and a
dilated convolution, twice, added to its input. After the first convolution and after every fourth unit a convolution
of width 1 leads to the sum from which the three classes of a base are told.

The original fills up with zeros before each convolution and crops the sum; here no convolution is filled up, and what
goes past it is cropped. The numbers that come out are the same, for no output sees a filled-up place, and blocks of
5,000 bases cost the 10k network 0.76 of the products. In training the statistics of the batch are over the places that
outputs depend on. Convolutions are of rows of pixels one high, with the filters last in memory: on a CPU that takes
half to nine tenths of the time of one-dimensional ones.
"""

import importlib.util
import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from genebert.errors import InputError
from genebert.genome.bases import N_CODE

CONTEXTS = (80, 400, 2000, 10000)
CLASSES = 3  # none, acceptor, donor
FILTERS = 32
UNITS = 4  # that a connection to the output comes after
# Width and dilation of four units each; a network of the n-th context has the first n.
STAGES = ((11, 1), (11, 4), (21, 10), (41, 25))
EPSILON = 1e-3  # Keras' default for normalisation, with which the published weights were trained
PUBLISHED = tuple(f"spliceai{n}.h5" for n in range(1, 6))
PUBLISHED_CONTEXT = 10000


def stages_of(context: int) -> tuple[tuple[int, int], ...]:
    """Return width and dilation of the stages of four units; InputError for a context that has no published table."""
    if context not in CONTEXTS:
        raise InputError(f"context: found {context}, expected one of {', '.join(map(str, CONTEXTS))}")
    return STAGES[: CONTEXTS.index(context) + 1]


def _crop(values: torch.Tensor, length: int) -> torch.Tensor:
    """Return the middle of values, [..., length]."""
    left = (values.shape[-1] - length) // 2
    return values[..., left : left + length]


def _convolution(inputs: int, outputs: int, width: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Return a convolution along the last axis of [n, inputs, 1, length]."""
    return nn.Conv2d(inputs, outputs, (1, width), dilation=(1, dilation))


class Unit(nn.Module):
    """A residual unit; its output is (width - 1) x dilation places shorter at both ends than its input."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(FILTERS, EPSILON) for _ in range(2))
        self.convolutions = nn.ModuleList(_convolution(FILTERS, FILTERS, width, dilation) for _ in range(2))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return float [n, filters, 1, shorter length] for float [n, filters, 1, length]."""
        changed = values
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            changed = convolution(functional.relu(norm(changed)))
        return changed + _crop(values, changed.shape[-1])


class SpliceNet(nn.Module):
    """The network of a context.

    Parameters
    ----------
    context : int
        Bases beside a base that its classes depend on, both sides together: one of `CONTEXTS`.

    Raises
    ------
    InputError
        Another context.
    """

    def __init__(self, context: int):
        super().__init__()
        self.context = context
        stages = stages_of(context)
        self.first = _convolution(N_CODE, FILTERS)
        self.stages = nn.ModuleList(nn.Sequential(*(Unit(*stage) for _ in range(UNITS))) for stage in stages)
        self.skips = nn.ModuleList(_convolution(FILTERS, FILTERS) for _ in range(len(stages) + 1))
        self.last = _convolution(FILTERS, CLASSES)
        self.register_buffer("one_hot", torch.eye(N_CODE + 1, N_CODE), persistent=False)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the logits of none, acceptor and donor.

        Parameters
        ----------
        codes : integers [n, length + context]
            Base codes; N is a column of zeros.

        Returns
        -------
        float32 [n, length, 3]
            Of the bases that have half the context on either side. They are float32 under autocast too: sites are
            ranked among millions of bases, and bfloat16 has few different numbers.
        """
        bases = self.one_hot[codes.int()].transpose(1, 2)[:, :, None]
        values = self.first(bases.contiguous(memory_format=torch.channels_last))
        length = values.shape[-1] - self.context
        total = self.skips[0](_crop(values, length)).to(self.last.weight.dtype)
        for stage, skip in zip(self.stages, self.skips[1:], strict=True):
            values = stage(values)
            total = total + skip(_crop(values, length)).to(total.dtype)
        with torch.autocast(total.device.type, enabled=False):
            return self.last(total)[:, :, 0].transpose(1, 2)


def count_weights(network: nn.Module) -> int:
    """Return the numbers of a network as Keras counts them: parameters, and means and variances of normalisation."""
    state = network.state_dict().items()
    return sum(tensor.numel() for name, tensor in state if not name.endswith("num_batches_tracked"))


# ------------------------------------------------------------------------------------------------- published weights

VARIABLE = "GENEBERT_SPLICEAI"  # of the environment: the folder of the published files


def find_published(folder: str | Path | None = None) -> tuple[Path, ...] | None:
    """Return the five published files; None where they are not all there.

    Parameters
    ----------
    folder : path, optional
        Where they lie; by default the folder that the environment variable ``GENEBERT_SPLICEAI`` names, else that of
        the package spliceai, which is found without importing it: it would import TensorFlow.
    """
    folder = folder or os.environ.get(VARIABLE)
    if not folder:
        package = importlib.util.find_spec("spliceai")
        if package is None or not package.submodule_search_locations:
            return None
        folder = Path(package.submodule_search_locations[0]) / "models"
    paths = tuple(Path(folder) / name for name in PUBLISHED)
    return paths if all(path.is_file() for path in paths) else None


def _layers(file: Any, kind: str) -> list[dict[str, np.ndarray]]:
    """Return name -> array of each layer of a kind, such as ``conv1d``, in the order in which the layers were made."""
    import h5py

    layers = {}
    for name, group in file["model_weights"].items():
        if number := re.fullmatch(rf"{kind}_(\d+)", name):
            arrays: dict[str, np.ndarray] = {}
            group.visititems(partial(_collect, arrays, h5py.Dataset))
            layers[int(number[1])] = arrays
    return [layers[number] for number in sorted(layers)]


def _collect(arrays: dict[str, np.ndarray], dataset: type, place: str, item: Any) -> None:
    if isinstance(item, dataset):
        arrays[place.rpartition("/")[2].partition(":")[0]] = item[()]


def _in_keras_order(network: SpliceNet) -> list[nn.Conv2d]:
    """Return the convolutions in the order in which SpliceAI's program makes them."""
    order = [network.first, network.skips[0]]
    for stage, skip in zip(network.stages, network.skips[1:], strict=True):
        order += [convolution for unit in stage for convolution in unit.convolutions]
        order.append(skip)
    return [*order, network.last]


def _pairs(path: Path, network: SpliceNet) -> list[tuple[torch.Tensor, np.ndarray]]:
    """Return each tensor of the network and what the file holds for it; a KeyError or ValueError if it does not fit."""
    import h5py

    with h5py.File(path) as file:
        convolutions, norms = _layers(file, "conv1d"), _layers(file, "batch_normalization")
    pairs = []
    for ours, theirs in zip(_in_keras_order(network), convolutions, strict=True):
        # Keras: width, filters in, filters out; here: out, in, 1, width.
        pairs += [(ours.weight, theirs["kernel"].transpose(2, 1, 0)[:, :, None]), (ours.bias, theirs["bias"])]
    in_order = [norm for stage in network.stages for unit in stage for norm in unit.norms]
    for ours, theirs in zip(in_order, norms, strict=True):
        pairs += [(ours.weight, theirs["gamma"]), (ours.bias, theirs["beta"])]
        pairs += [(ours.running_mean, theirs["moving_mean"]), (ours.running_var, theirs["moving_variance"])]
    for ours, theirs in pairs:
        if tuple(ours.shape) != theirs.shape:
            raise ValueError(f"found a tensor of the shape {theirs.shape} in place of {tuple(ours.shape)}")
        if not np.isfinite(theirs).all():
            raise ValueError("found a tensor with values that are not numbers")
    return pairs


def read_published(path: str | Path) -> SpliceNet:
    """Return the network of 10,000 bases with the weights of a Keras file, such as ``spliceai1.h5``.

    The files are part of the package spliceai 1.3.1 (docs/facts.md 39); the project neither holds nor copies them.
    Only arrays are read from them, and nothing that they hold is run.

    Raises
    ------
    InputError
        The file is damaged or holds another network.
    """
    path, network = Path(path), SpliceNet(PUBLISHED_CONTEXT)
    try:
        pairs = _pairs(path, network)
    except Exception as error:  # a damaged file makes HDF5 raise nearly anything
        raise InputError(
            f"{path}: cannot be read as SpliceAI's network of {PUBLISHED_CONTEXT:,} bases ({error}); "
            f"expected a file of the package spliceai 1.3.1, such as {PUBLISHED[0]}"
        ) from error
    with torch.no_grad():
        for ours, theirs in pairs:
            ours.copy_(torch.from_numpy(np.ascontiguousarray(theirs)))
    return network.eval()
