"""Settings of fine-tuning and of learning curves."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from genebert.settings.fields import Block, key
from genebert.settings.rules import Count, NotNegative, Positive, Rule, ShareBelow1, SomeShare
from genebert.settings.training import Precision

MOTIFS, SPARSE = "motifs", "sparse"  # of pooling, and of probe


@dataclass(frozen=True)
class FinetuneSettings(Block):
    """How a pre-trained model is fine-tuned."""

    block = "finetune"

    learning_rate: Positive = key(
        3.0e-5,
        "peak",
        more="A linear probe (`frozen`) needs a far larger one than a whole network: about 1e-3 to 1e-2.",
    )
    epochs: Count = key(10, "most epochs; the schedule's length")
    batch: Count = key(32, "sequences, or windows of genes, a step")
    warmup_fraction: ShareBelow1 = key(0.1, "share of the steps with rising rate; then linear decay to zero")
    weight_decay: NotNegative = key(0.01, "not on biases and LayerNorm")
    patience: Count = key(3, "epochs without a better validation AUC, of splice sites AUPRC, before training stops")
    keep: Literal["best", "last"] = key(
        "best",
        "whose weights are kept: the best epoch's on validation, or the last one's (no validation label chooses it)",
        more="last: all epochs are trained, and patience is not read; folds of the training examples choose the units "
        "of a sparse probe. Thresholds and a grid are still chosen on validation.",
    )
    dropout: ShareBelow1 = key(0.1, "of the encoder's hidden states, and before the classifier")
    attention_dropout: ShareBelow1 | None = key(
        None, "of attention weights; null: as dropout; 0 is faster on a CPU, which has no fused kernel for it"
    )
    clip: Positive = key(1.0, "largest gradient norm")
    betas: tuple[ShareBelow1, ShareBelow1] = key((0.9, 0.999), "of AdamW")
    epsilon: Positive = key(1.0e-8, "of AdamW")
    precision: Precision = key(
        "auto",
        "auto: bf16 autocast where the processor has it; or float32, bfloat16",
        more="auto is float32 for a frozen encoder: its [CLS] states differ so little between sequences that bfloat16 "
        "moves them by up to 8 % of their standard deviation. The classifier itself is always float32.",
    )
    pooling: Literal["mean", "cls", "max", "motifs"] = key(
        "mean",
        "of the tokens' states: mean, the largest of each unit (max), cls (paper; docs/choices.md), or motifs",
        more="Over all tokens of the sequence, [CLS] and [SEP] included. With `losses.pooling` regions or mean, "
        "pre-training shapes means of states and never trains [CLS]. motifs: the scores that a model which was "
        "pre-trained with `losses.srm: regression` and `readout: max` predicts, the largest of each motif over all "
        "k-mers; of two classes only.",
    )
    strands: Literal["given", "both"] = key(
        "given",
        "both: the reverse complement is an example too, and both scores are averaged",
        more="For what binds to either strand, not for promoters.",
    )
    frozen: bool = key(
        False,
        "true: the encoder stays as pre-trained, only the classifier learns",
        more="On pooled states, standardised with mean and sd of the training examples: a linear probe.",
    )
    start: Literal["all", "probe"] = key(
        "all",
        "what is trained first: all weights, or the classifier alone (probe) and then all from there",
        more="A probe is linear, on standardised states of the frozen encoder. By gradient descent it has 5 epochs at "
        "1e-2, and the best on validation counts. There all weights begin, and it is kept where no later epoch is "
        "better. With `keep: last` the last epoch of either counts. Not read where the encoder stays `frozen`.",
    )
    probe: Literal["gradient", "sparse"] = key(
        "gradient",
        "how a probe is fitted: by gradient descent, or sparse: on one unit, or several by an L1 penalty",
        more="sparse: scikit-learn's logistic regression; what has the smallest loss on validation (with `keep: last`, "
        "over folds of the training examples) is kept, and of few labels that is mostly the one unit. Of two classes "
        "only. Read where `frozen` is true or `start` probe; of a frozen encoder rate, epochs and batch are then not "
        "read.",
    )
    layer_decay: SomeShare = key(
        1.0,
        "factor of the learning rate from a layer to the one below; 1: all layers learn at the same rate",
        more="The classifier has the rate itself, the last layer `layer_decay` times as much, and so on down to the "
        "embeddings. Not read where the encoder stays `frozen`.",
    )
    grid: dict[str, Any] = key(
        {},
        "such as {learning_rate: [3.0e-5, 2.0e-4]}: the best on validation is kept, all are recorded",
        more="All combinations have the same seed; the first of equals is kept. The last key varies fastest.",
        grid=True,
    )

    def combinations(self) -> list[tuple[dict[str, Any], "FinetuneSettings"]]:
        """Return the grid's combinations, each with the settings that it makes; one, empty, without a grid."""
        changes = [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]
        return [(change, replace(self, grid={}, **change)) for change in changes]


@dataclass(frozen=True)
class TaggerSettings(FinetuneSettings):
    """How a pre-trained model is fine-tuned to say the class of every base.

    It reads windows, and a step has `batch` of them; `pooling` is not read, for each base has a state of its own.
    """

    context: Annotated[int, Rule(at_least=2, at_most=20_000, even=True)] | None = key(
        None,
        "splicing: bases that each base sees at least, half on either side; null: an eighth of the encoder's length "
        "on either side",
        more="A base sees up to half as many more, or 15, as it lies in its window. What is longer than the encoder's "
        "length is read in overlapping pieces; a base then has its own state and the mean of those of its context.",
    )
    negatives: SomeShare = key(
        1.0,
        "splicing: share of the windows without a site that an epoch sees, drawn anew for each",
        more="The probabilities are made those among all bases again.",
    )


Changes = Annotated[FinetuneSettings, Rule(partial=True)]
TaggerChanges = Annotated[TaggerSettings, Rule(partial=True)]
Row = Annotated[
    list[Annotated[str, Rule(some=True, expected="the name of a model or baseline")]], Rule(some=True, unique=True)
]

# Baselines that know no motifs, and that know all; then the networks, the paper's and ours with filters over bases.
CURVE = ["kmer-logreg", "boosted-trees", "motif-best", "motif-l1", "motif-trees", "cnn", "from-scratch", "dnabert",
         "genebert", "from-scratch-conv", "dnabert-conv", "genebert-conv", "genebert-conv-last",
         "genebert-conv-regression", "genebert-conv-regression-last"]  # fmt: skip


@dataclass(frozen=True)
class CurveSettings(Block):
    """A learning curve: test AUC against the number of labelled examples."""

    block = "learning_curves"

    models: Row = key(CURVE, "models and baselines")
    sizes: Annotated[
        list[Annotated[int, Rule(at_least=2)]], Rule(least=2, unique=True, expected="at least two numbers of examples")
    ] = key([50, 100, 200, 500, 1000, 2000], "numbers of examples; those beyond what there is are left out")
    finetune: Changes = key({}, "over the fine-tuning of task and model")
    first: Count = key(1, "where the key is a task: how many of its data sets, from the first, have a curve")


def values_of(settings: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    """Return the values of a key of fine-tuning: those that its grid tries, or the one that it has."""
    return tuple(settings["grid"].get(name, [settings.get(name)]))


def only_of_two_classes(settings: Mapping[str, Any]) -> Iterator[str]:
    """Say which settings of fine-tuning, those of the grid among them, are for sequences of two classes only."""
    pooling, probe, frozen, start = (values_of(settings, name) for name in ("pooling", "probe", "frozen", "start"))
    if MOTIFS in pooling:
        yield f"pooling: found {MOTIFS}, expected mean, max or cls: it is for sequences of two classes"
    if SPARSE in probe and (True in frozen or "probe" in start):
        yield f"probe: found {SPARSE}, expected gradient: it is for sequences of two classes"


def only_of_taggers(settings: Mapping[str, Any]) -> list[str]:
    """Return the keys among settings, ``grid.KEY`` of those that the grid tries, that only classes of bases read."""
    own = FinetuneSettings.__dataclass_fields__
    return [name for name in settings if name not in own] + [
        f"grid.{name}" for name in settings.get("grid", {}) if name not in own
    ]


def lay_over(settings: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Lay settings of fine-tuning over others.

    What the upper ones set is not searched over: it leaves the lower ones' grid. A grid among the upper ones replaces
    that.
    """
    left = {name: values for name, values in settings["grid"].items() if name not in own}
    return {**settings, "grid": left, **own}
