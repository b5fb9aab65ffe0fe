"""An encoder made for the region x TF matrix: a transformer over regions (docs/facts.md 36)."""

import torch
from torch import nn

from genebert.errors import InputError
from genebert.settings.models import RegionEncoderSettings


class RegionTransformer(nn.Module):
    """One token a region, position, transformer layers.

    Parameters
    ----------
    n_tfs, n_regions : int
    layers, hidden, heads : int
    dropout : float
    """

    per_region = True

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
        self.weights_source = {"kind": "none"}

    def forward(self, matrix: torch.Tensor) -> torch.Tensor:
        """Return one vector a region [batch, regions, hidden] of matrices [batch, regions, tfs]."""
        return self.encoder(self.embed(matrix) + self.position)


def build(settings: RegionEncoderSettings, n_tfs: int, n_regions: int) -> RegionTransformer:
    """Return the encoder with random weights; see :mod:`genebert.models.backbones`."""
    if settings.weights is not None:
        raise InputError(
            f"region_encoder.weights: found {settings.weights}; region-transformer has no weights, expected null"
        )
    return RegionTransformer(n_tfs, n_regions, **settings.arguments)
