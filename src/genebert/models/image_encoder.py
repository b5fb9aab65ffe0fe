"""Image backbones on the region x TF matrix laid out as a picture (paper section 3.2)."""

import math
import re
from collections.abc import Mapping

import timm
import torch
import torch.nn.functional as F
from torch import nn

from genebert.errors import InputError
from genebert.models.backbones import IMAGE_BACKBONES
from genebert.models.t2t_vit import T2T_SIZES, T2TViT, sum_colours
from genebert.models.weights import check_tensors, locate_weights, read_tensors
from genebert.settings.models import RegionEncoderSettings


def fold(matrix: torch.Tensor, size: int) -> torch.Tensor:
    """Lay matrices [batch, regions, tfs] out as images [batch, 1, size, size] without losing a value.

    Each region's vector is padded to a multiple of `size` and wrapped into rows of `size` pixels; rows are repeated to
    fill the image, regions lie below each other (docs/facts.md 27, 36).

    Raises
    ------
    InputError
        The matrix does not fit.
    """
    batch, n_regions, n_tfs = matrix.shape
    rows = math.ceil(n_tfs / size)
    repeat = size // (n_regions * rows)
    if repeat == 0:
        raise InputError(
            f"region_encoder.image: a {n_regions} x {n_tfs} matrix has {n_regions * rows} rows of {size} values and "
            f"does not fit a {size} x {size} image without loss; use image: area"
        )
    image = F.pad(matrix, (0, rows * size - n_tfs)).view(batch, 1, n_regions * rows, size)
    image = image.repeat_interleave(repeat, dim=2)
    return F.pad(image, (0, 0, 0, size - image.shape[2]))


def resize(matrix: torch.Tensor, size: int, *, antialias: bool) -> torch.Tensor:
    """Stretch a matrix [batch, regions, tfs] to an image [batch, 1, size, size] by bilinear interpolation."""
    return F.interpolate(matrix[:, None], (size, size), mode="bilinear", align_corners=False, antialias=antialias)


def build_backbone(name: str, arguments: dict, *, in_chans: int, num_classes: int) -> nn.Module:
    """Return an image backbone with random weights.

    Parameters
    ----------
    arguments : dict
        What differs from the published sizes: arguments of ``timm.create_model``, or of T2TViT.
    in_chans, num_classes : int
        Published are 3 and 1,000; without classes the output is the pooled features.

    Raises
    ------
    InputError
        The backbone does not take these arguments.
    """
    model = IMAGE_BACKBONES[name]
    try:
        if model is None:
            return T2TViT(**T2T_SIZES[name] | arguments, in_chans=in_chans, num_classes=num_classes)
        return timm.create_model(model, pretrained=False, in_chans=in_chans, num_classes=num_classes, **arguments)
    except (TypeError, ValueError, AssertionError) as error:
        raise InputError(f"region_encoder.arguments: {name} does not take what was given ({error})") from error


# Constants that older checkpoints store and the models compute.
_CONSTANTS = ("relative_position_index", "attn_mask")


def _as_in_timm(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return published tensors by the names of present timm, the classifier's left out.

    In Swin checkpoints of the original authors the layer between two stages belongs to the first of them.
    """
    if "layers.0.downsample.reduction.weight" in state:
        stage = re.compile(r"(?<=^layers\.)\d+(?=\.downsample)")
        state = {stage.sub(lambda found: str(int(found[0]) + 1), name): tensor for name, tensor in state.items()}
    return {name: t for name, t in state.items() if not name.startswith("head.") and not name.endswith(_CONSTANTS)}


class ImageRegionEncoder(nn.Module):
    """An image backbone on the matrix laid out as a one-channel image.

    Published weights are for three colours. They are summed over colours in the first layer, so that the output is the
    same as for the image repeated three times: timm's backbones begin with a convolution, for T2T-ViT see
    :func:`genebert.models.t2t_vit.sum_colours`.
    """

    per_region = False

    def __init__(self, settings: RegionEncoderSettings):
        super().__init__()
        name, self.image, arguments = settings.name, settings.image, settings.arguments
        self.backbone = build_backbone(name, arguments, in_chans=1, num_classes=0)
        timm_settings = getattr(self.backbone, "pretrained_cfg", {})
        self.size = arguments.get("img_size", timm_settings.get("input_size", [224])[-1])
        if not isinstance(self.size, int):
            raise InputError(f"region_encoder.arguments.img_size: found {self.size}, expected one number: a square")
        self.width = self.backbone.num_features
        path, self.weights_source = locate_weights(settings.weights, timm_settings.get("hf_hub_id"))
        if path is not None:
            state = _as_in_timm(read_tensors(path))
            with torch.device("meta"):
                check_tensors(path, state, build_backbone(name, arguments, in_chans=3, num_classes=0).state_dict())
            if IMAGE_BACKBONES[name] is None:
                state = sum_colours(state)
            else:
                first = timm_settings["first_conv"] + ".weight"
                state[first] = state[first].sum(1, keepdim=True)
            self.backbone.load_state_dict(state)

    def forward(self, matrix: torch.Tensor) -> torch.Tensor:
        """Return E_reg [batch, width] of matrices [batch, regions, tfs]."""
        if self.image == "fold":
            picture = fold(matrix, self.size)
        else:
            picture = resize(matrix, self.size, antialias=self.image == "area")
        return self.backbone(picture)


def build(settings: RegionEncoderSettings, n_tfs: int, n_regions: int) -> ImageRegionEncoder:
    """Return the encoder of a backbone's name; see :mod:`genebert.models.backbones`."""
    return ImageRegionEncoder(settings)
