"""Settings of Figure 2: embeddings of pre-training samples, drawn and measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from genebert.settings.fields import Block, key
from genebert.settings.rules import Count, Name, Positive, Rule

PANELS = {"uni_modal": "uni-modal", "multi_modal": "multi-modal"}  # key of the model -> in words, from left to right
MOST_TYPES = 20  # that colours and markers tell apart


@dataclass(frozen=True)
class Figure2Settings(Block):
    """Figure 2: samples of two models in the plane, by cell type (docs/figure2.md)."""

    block = "figure2"

    uni_modal: Name | None = key("mgm-ngsp", "model of the left panel; null: the run goes without Figure 2")
    multi_modal: Name = key("mgm-ngsp-srm", "model of the right panel")
    cell_types: Annotated[int, Rule(at_least=2, at_most=MOST_TYPES)] = key(
        10, "drawn at random (paper: ten); all where there are fewer"
    )
    samples: Annotated[int, Rule(at_least=3, at_most=500)] = key(
        200, "training samples of each cell type, drawn at random; all where there are fewer"
    )
    pooling: Literal["own", "regions", "mean", "cls"] = key(
        "own",
        "of BERT's states to an embedding: own (the model's losses.pooling), or the same for both models",
        more="As `losses.pooling`: regions is the mean of each region, all end to end; mean that of all tokens; cls "
        "the state at [CLS].",
    )
    perplexity: Positive = key(30.0, "of t-SNE; at most a third of the samples in all")
    neighbours: Count = key(15, "nearest samples that purity looks at; a cell type with no more samples is left out")
    permutations: Annotated[int, Rule(at_least=99, at_most=9999)] = key(
        999, "of the cell types, for what is reached by chance; and bootstrap samples of differences"
    )

    def check(self) -> Iterator[str]:
        """Enough samples for the neighbours and for t-SNE."""
        if self.neighbours >= self.samples:
            yield f"neighbours: found {self.neighbours}, expected fewer than figure2.samples, {self.samples}"
        most = self.samples * self.cell_types / 3
        if self.perplexity > most:
            yield f"perplexity: found {self.perplexity}, expected at most {most:g}, a third of the samples in all"
