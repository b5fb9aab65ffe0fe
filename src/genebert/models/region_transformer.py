"""An encoder made for the region x TF matrix: a transformer over regions (docs/facts.md 36)."""

import torch
from torch import nn

from genebert.settings.models import RegionEncoderSettings, RegionTransformerArguments


class RegionTransformer(nn.Module):
    """One token a region, position, transformer layers."""

    per_region = True

    def __init__(self, n_tfs: int, n_regions: int, sizes: RegionTransformerArguments):
        super().__init__()
        hidden = sizes.hidden
        self.embed = nn.Linear(n_tfs, hidden)
        self.position = nn.Parameter(torch.zeros(n_regions, hidden))
        nn.init.normal_(self.position, std=0.02)
        layer = nn.TransformerEncoderLayer(
            hidden, sizes.heads, 4 * hidden, sizes.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, sizes.layers, norm=nn.LayerNorm(hidden), enable_nested_tensor=False)
        self.width = hidden
        self.weights_source = {"kind": "none"}

    def forward(self, matrix: torch.Tensor) -> torch.Tensor:
        """Return one vector a region [batch, regions, hidden] of matrices [batch, regions, tfs]."""
        return self.encoder(self.embed(matrix) + self.position)


def build(settings: RegionEncoderSettings, n_tfs: int, n_regions: int) -> RegionTransformer:
    """Return the encoder with random weights; see :mod:`genebert.models.backbones`."""
    return RegionTransformer(n_tfs, n_regions, RegionTransformerArguments(**settings.arguments))
