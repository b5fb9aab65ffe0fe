"""Settings of baselines, in a module without torch: a plan checks them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from genebert.settings.fields import Block, key
from genebert.settings.rules import Count, Positive, Rule, SomeShare, Text, Whole
from genebert.settings.training import Precision


@dataclass(frozen=True)
class CnnSettings(Block):
    """The small convolutional network and its training."""

    block = "cnn"

    filters: Count = key(64, "filters")
    width: Count = key(15, "bases that a filter sees; at most the longest odd number of bases in a training sequence")
    hidden: Count = key(32, "units of the hidden layer")
    dropout: Annotated[float, Rule(at_least=0, below=1, expected="0 or more and less than 1")] = key(
        0.3, "before and after the hidden layer"
    )
    learning_rate: Positive = key(3e-3, "of AdamW")
    weight_decay: Annotated[float, Rule(at_least=0, expected="0 or more")] = key(0.1, "of AdamW")
    batch: Count = key(64, "sequences a step")
    epochs: Count = key(50, "most epochs")
    patience: Count = key(8, "epochs without a better validation AUC before training stops")
    few: Whole = key(
        1000,
        "training sets of at most so many sequences are fitted twice: as above, and with the next two keys",
        more="The better on validation is kept.",
    )
    few_batch: Count = key(16, "sequences a step of the second fit")
    few_steps: Count = key(
        400, "steps that it has room for: where epochs are too few for them, epochs and patience are multiplied"
    )

    def check(self) -> Iterator[str]:
        """A filter has a middle base."""
        if self.width % 2 == 0:
            yield f"width: found {self.width}, expected an odd number (a filter has a middle base)"


@dataclass(frozen=True)
class SplicePwmSettings(Block):
    """The matrices of splice sites and their calibration."""

    block = "splice_pwm"

    pseudocount: Positive = key(1.0, "sites that are added to each matrix, with the background's shares of bases")
    ratio: Count = key(100, "bases without a site in the calibration for each site")


@dataclass(frozen=True)
class SpliceWindowSettings(Block):
    """What logistic regression and trees on the bases round a base are fitted to."""

    block = "splice_windows"

    around: Count = key(40, "bases on each side that are seen, as by the network of 80")
    ratio: Count = key(20, "bases without a site in training and validation for each site")


@dataclass(frozen=True)
class CommonVariantsSettings(Block):
    """Logistic regression on all common variants of the regions."""

    block = "common_variants"

    frequency: Annotated[float, Rule(above=0, below=0.5)] = key(
        0.01, "of the rarer allele among the training people, at least"
    )


@dataclass(frozen=True)
class DisruptedMotifsSettings(Block):
    """Best motif scores of the factors whose sites risk variants disrupt."""

    block = "disrupted_motifs"

    factors: Annotated[list[Text], Rule(some=True, unique=True)] = key(
        ["SOX10", "GATA2", "RARB"], "factors, by their names in JASPAR; upper and lower case are the same"
    )
    around: Count = key(25, "bases on each side of the listed SNPs that are scanned; all regions where none is listed")


@dataclass(frozen=True)
class DilatedCnnSettings(Block):
    """SpliceAI's network and its training."""

    block = "dilated_cnn"

    context: Literal[80, 400, 2000, 10000] = key(
        400, "bases that a base's classes depend on, beside itself", internal=True
    )
    epochs: Count = key(10, "most epochs")
    learning_rate: Positive = key(1e-3, "of Adam, at first")
    halve_after: Count = key(6, "the epoch after which, and after each later one, the rate is halved")
    batch: Count | None = key(None, "blocks a step; null: as published for one GPU, 18, at 2,000 bases 12, at 10,000 6")
    patience: Count = key(10, "epochs without a better validation metric before training stops")
    negatives: SomeShare = key(
        1.0,
        "share of the blocks without a site that an epoch sees, drawn anew for each; as published all",
        more="The probabilities are made those among all bases again.",
    )
    ensemble: Count = key(1, "networks, each from weights and an order of its own; the mean of their probabilities")
    precision: Precision = key("auto", "auto: bf16 autocast where the processor has it; or float32, bfloat16")
