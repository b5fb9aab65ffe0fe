"""Region encoders: from a sample's 10 x TFs matrix to one vector E_reg (paper section 3.2)."""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from genebert.errors import InputError

# Table 7 name -> timm model. Untagged timm names change their weights between releases (FACTS J).
IMAGE_BACKBONES = {"swin-t-224": "swin_tiny_patch4_window7_224.ms_in1k"}
REGION_ENCODERS = (*IMAGE_BACKBONES, "region-transformer")


def fold(matrix: torch.Tensor, size: int) -> torch.Tensor:
    """Lay a matrix out as a square image without losing a value (FACTS K.12, O).

    Each region's vector is padded to a multiple of `size` and wrapped into rows of `size` pixels; rows are repeated to
    fill the image, regions lie below each other.

    Parameters
    ----------
    matrix : float [batch, regions, tfs]
    size : int
        Edge of the image in pixels.

    Returns
    -------
    float [batch, 1, size, size]
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


class ImageRegionEncoder(nn.Module):
    """A timm image backbone on the matrix laid out as a one-channel image.

    Parameters
    ----------
    name : str
        Key of IMAGE_BACKBONES.
    image : {"fold", "resize", "area"}
    weights : path or None
        ImageNet weights; timm sums the first layer's weights over colours, as if the image were repeated three times.
    arguments : dict
        Further arguments of ``timm.create_model``, for small encoders.
    """

    def __init__(self, name: str, image: str, weights: str | Path | None, arguments: dict):
        import timm

        super().__init__()
        if image not in ("fold", "resize", "area"):
            raise InputError(f"region_encoder.image: found {image!r}, expected fold, resize or area")
        self.image = image
        overlay = None if weights is None else {"file": str(weights)}
        self.backbone = timm.create_model(
            IMAGE_BACKBONES[name],
            pretrained=weights is not None,
            pretrained_cfg_overlay=overlay,
            num_classes=0,
            in_chans=1,
            **arguments,
        )
        self.size = self.backbone.pretrained_cfg["input_size"][-1]
        self.width = self.backbone.num_features

    def forward(self, matrix: torch.Tensor) -> torch.Tensor:
        """Return E_reg [batch, width] of matrices [batch, regions, tfs]."""
        if self.image == "fold":
            picture = fold(matrix, self.size)
        else:
            picture = resize(matrix, self.size, antialias=self.image == "area")
        return self.backbone(picture)


class RegionTransformer(nn.Module):
    """An encoder made for the matrix: one token a region, position, transformer layers, mean over regions (FACTS O).

    Parameters
    ----------
    n_tfs, n_regions : int
    layers, hidden, heads : int
    dropout : float
    """

    def __init__(
        self, n_tfs: int, n_regions: int, layers: int = 4, hidden: int = 256, heads: int = 4, dropout: float = 0.1
    ):
        super().__init__()
        self.embed = nn.Linear(n_tfs, hidden)
        self.position = nn.Parameter(torch.zeros(n_regions, hidden))
        nn.init.normal_(self.position, std=0.02)
        layer = nn.TransformerEncoderLayer(
            hidden, heads, 4 * hidden, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(hidden), enable_nested_tensor=False)
        self.width = hidden

    def forward(self, matrix: torch.Tensor) -> torch.Tensor:
        """Return E_reg [batch, hidden] of matrices [batch, regions, tfs]."""
        return self.encoder(self.embed(matrix) + self.position).mean(1)


def build_region_encoder(
    name: str, image: str, weights: str | Path | None, arguments: dict, n_tfs: int, n_regions: int
) -> nn.Module:
    """Return the region encoder of that name.

    Raises
    ------
    InputError
        Unknown name, or weights for an encoder that has none.
    """
    if name in IMAGE_BACKBONES:
        return ImageRegionEncoder(name, image, weights, arguments)
    if name != "region-transformer":
        raise InputError(f"region_encoder.name: found {name!r}, expected one of {', '.join(REGION_ENCODERS)}")
    if weights is not None:
        raise InputError(f"region_encoder.weights: found {weights}; region-transformer has no weights, expected null")
    return RegionTransformer(n_tfs, n_regions, **arguments)
