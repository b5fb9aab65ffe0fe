"""Region encoders by name; no heavy imports, for the configuration is checked with the names.

To add one, write a module with a function ``build(settings, n_tfs, n_regions)``, of RegionEncoderSettings and the shape
of a sample's motif matrix, and name it in REGION_ENCODERS. It returns a ``torch.nn.Module`` that takes matrices [batch,
regions, tfs], with

- `width`: of its vectors;
- `per_region`: whether it gives one vector a region [batch, regions, width], or one a sample [batch, width];
- `weights_source`: where its weights are from; see :func:`genebert.models.weights.locate_weights`.
"""

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from genebert.errors import InputError
from genebert.joblog import loading
from genebert.settings.models import RegionEncoderSettings

if TYPE_CHECKING:
    from torch import nn

# Table 7 name -> timm model; untagged timm names change their weights between releases (docs/facts.md 7). None: written
# here.
IMAGE_BACKBONES = {
    "vit-b-384": "vit_base_patch16_384.augreg_in21k_ft_in1k",
    "vit-l-384": "vit_large_patch16_384.augreg_in21k_ft_in1k",
    "t2t-vit-14": None,
    "t2t-vit-24": None,
    "deit-s-224": "deit_small_patch16_224.fb_in1k",
    "deit-b-224": "deit_base_patch16_224.fb_in1k",
    "deit-b-384": "deit_base_patch16_384.fb_in1k",
    "swin-t-224": "swin_tiny_patch4_window7_224.ms_in1k",
    "swin-s-224": "swin_small_patch4_window7_224.ms_in1k",
    "swin-b-224": "swin_base_patch4_window7_224.ms_in1k",
    "swin-b-384": "swin_base_patch4_window12_384.ms_in1k",
}
HUB = "hub"  # in place of a path of weights: the library downloads them

# Name -> module of code.
REGION_ENCODERS = dict.fromkeys(IMAGE_BACKBONES, "genebert.models.image_encoder") | {
    "region-transformer": "genebert.models.region_transformer",
}


def build_region_encoder(settings: RegionEncoderSettings, n_tfs: int, n_regions: int) -> "nn.Module":
    """Return the region encoder of the settings; InputError for an unknown name, or what the encoder does not take."""
    if settings.name not in REGION_ENCODERS:
        raise InputError(f"region_encoder.name: found {settings.name!r}, expected one of {', '.join(REGION_ENCODERS)}")
    with loading():
        module = import_module(REGION_ENCODERS[settings.name])
    return module.build(settings, n_tfs, n_regions)


def check_region_encoder(settings: RegionEncoderSettings, n_regions: int) -> None:
    """Raise what :func:`build_region_encoder` raises, but for weights, without taking time or memory."""
    import torch

    with torch.device("meta"):
        build_region_encoder(replace(settings, weights=None), 1, n_regions)
