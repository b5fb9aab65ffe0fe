"""Settings of the prediction of each region's accessibility in each cell type."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from genebert.settings.fields import Block, key
from genebert.settings.rules import Count, Name, ProperShare, Rule

Features = Literal["composition", "kmers", "motifs", "composition-motifs", "motif-l1", "motif-trees"]


@dataclass(frozen=True)
class CellAccessibilitySettings(Block):
    """Accessibility of held-out regions in each cell type, from their sequence (docs/cell-accessibility.md)."""

    block = "cell_accessibility"

    features: Annotated[list[Features], Rule(unique=True)] = key(
        ["composition", "kmers", "motifs", "composition-motifs", "motif-l1", "motif-trees"],
        "what regions are known by, without a model; []: the run goes without",
        more="composition: GC, CpG and length; kmers: shares of 1- to 4-mers; motifs: rows of the region x TF matrix. "
        "These are read by ridge regression; motif-l1: a regression with an L1 penalty on the matrix' rows, "
        "motif-trees: boosted trees on them.",
    )
    models: Annotated[list[Name], Rule(unique=True)] = key(
        ["from-scratch", "dnabert", "genebert"],
        "models whose region states are read, of every pre-training, and their encoders of the matrix",
    )
    train: Annotated[int, Rule(at_least=100)] = key(40_000, "most regions to train on, in blocks of a sample's size")
    test: Annotated[int, Rule(at_least=20)] = key(10_000, "most held-out regions; held out as those of pre-training")
    valid_fraction: ProperShare = key(0.1, "of the blocks to train on, the last of each chromosome choose the penalty")
    resamples: Annotated[Count, Rule(at_least=100, at_most=9999)] = key(
        500, "bootstrap samples, of blocks of regions, for intervals"
    )

    def check(self) -> Iterator[str]:
        """Composition is what all others are compared with."""
        if self.features and "composition" not in self.features:
            yield "features: found no composition, expected it: all others are compared with it"
