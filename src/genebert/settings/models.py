"""Settings of models."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from genebert.settings.data import Matrix
from genebert.settings.fields import Block, Problem, Where, key, problems
from genebert.settings.fitting import TaggerChanges
from genebert.settings.rules import Count, FilePath, Name, NotNegative, Positive, Rule, Seed, ShareBelow1
from genebert.settings.sentences import show
from genebert.settings.training import TrainingSettings

REGION_TRANSFORMER = "region-transformer"
# The form of losses.srm that contrasts nothing, and the only form of the matrix that it is a loss for.
REGRESSION, REGRESSION_MATRIX = "regression", "max_score"

# The parts of a run that a loss reads; see :func:`reads`.
READS = {
    "srm": ("sequences", "motifs", "corpus"),
    "mgm": ("sequences", "corpus"),
    "ngsp": ("sequences", "corpus"),
}


@dataclass(frozen=True)
class ConvolutionSettings(Block):
    """Filters over the bases of both strands, added to the embeddings of k-mers."""

    block = "model.sequence_encoder.convolution"

    filters: Count = key(256, "number of filters; projected where it is not `hidden`")
    width: Count = key(19, "bases of a filter; CTCF's matrix has 19")


@dataclass(frozen=True)
class SequenceEncoderSettings(Block):
    """BERT's sizes, and where its weights come from."""

    block = "model.sequence_encoder"

    layers: Count = key(12, "BERT-base")
    hidden: Count = key(768, "units of a state")
    heads: Count = key(12, "attention heads")
    intermediate: Count = key(3072, "units of the feed-forward layers")
    dropout: ShareBelow1 = key(0.1, "of hidden states")
    attention_dropout: ShareBelow1 = key(
        0.1, "DNABERT's; 0 is about twice as fast on a CPU, which has no fused kernel for it"
    )
    max_tokens: Annotated[int, Rule(at_least=16)] = key(
        5120,
        "longer samples are cut (and counted in the log)",
        more="Rows of the position table; a checkpoint's shorter table is tiled (docs/facts.md 20).",
    )
    weights: FilePath | None = key(
        "{data}/dnabert6", "Hugging Face folder to start from, model:NAME (of another model), or null"
    )
    positions: Literal["random", "sinusoidal"] = key(
        "random", "start of the learned position table without weights: random or sinusoidal (docs/learning.md)"
    )
    convolution: ConvolutionSettings | None = key(
        None,
        "null (paper), or {filters: 256, width: 19}: filters over bases, added to embeddings (docs/pretraining.md)",
        more="A model that starts from weights without one is at first what it is without.",
    )

    def check(self) -> Iterator[str]:
        """Heads share out the units."""
        if self.hidden % self.heads:
            yield f"hidden: found {self.hidden}, expected a multiple of sequence_encoder.heads, {self.heads}"


@dataclass(frozen=True)
class RegionTransformerArguments(Block):
    """Arguments of the encoder made for the matrix."""

    block = "model.region_encoder.arguments"

    layers: Count = key(4, "layers")
    hidden: Count = key(256, "units of a state")
    heads: Count = key(4, "attention heads")
    dropout: ShareBelow1 = key(0.1, "of hidden states")


@dataclass(frozen=True)
class RegionEncoderSettings(Block):
    """The encoder of the region x TF matrix."""

    block = "model.region_encoder"

    name: Annotated[str, Rule(some=True, expected="the name of a region encoder")] = key(
        "swin-t-224", "a row of Table 7 (config/models.yaml names all eleven), or region-transformer"
    )
    image: Literal["fold", "resize", "area"] = key("fold", "fold (lossless), resize (bilinear) or area (antialiased)")
    weights: Annotated[FilePath | None, Rule(expected="imagenet, hub, a path or null")] = key(
        "imagenet", "imagenet: the encoder's file in {data}; hub: timm's download; a path; or null"
    )
    arguments: dict[str, Any] = key({}, "further arguments of timm.create_model, or layers, hidden, heads, dropout")

    @classmethod
    def check_part(cls, value: Mapping, where: Where) -> Iterator[Problem]:
        """The arguments of our own encoder; an image backbone checks its own when it is built."""
        if value.get("name") == REGION_TRANSFORMER:
            yield from problems(
                RegionTransformerArguments, value.get("arguments", {}), (*where, "arguments"), partial=True
            )

    def check(self) -> Iterator[str]:
        """What our own encoder cannot have."""
        if self.name == REGION_TRANSFORMER:
            if self.weights is not None:
                expected = f"expected null: {REGION_TRANSFORMER} has no published weights"
                yield f"weights: found {show(self.weights)}, {expected}"
            default = RegionTransformerArguments()
            hidden, heads = (self.arguments.get(name, getattr(default, name)) for name in ("hidden", "heads"))
            if hidden % heads:
                expected = f"a multiple of region_encoder.arguments.heads, {heads}"
                yield f"arguments.hidden: found {hidden}, expected {expected}"


@dataclass(frozen=True)
class LossSettings(Block):
    """Which losses are on; Eq. 4 is ``mgm + ngsp + srm_weight * srm``."""

    block = "model.losses"

    mgm: bool = key(True, "masked genome modelling, Eq. 1")
    ngsp: bool = key(True, "next genome-segment prediction, Eq. 2")
    srm: Literal["infonce", "paper_exp", "paper_literal", "regression", None] = key(
        "infonce",
        "sequence-region matching, Eq. 3: infonce, paper_exp, paper_literal; or regression, or null",
        more="regression contrasts nothing, so that it has no region encoder and does not saturate: a linear map of "
        "each region's states predicts its row of standardised scores, by mean squared error. It needs `pooling: "
        "regions` and the matrix max_score.",
    )
    srm_weight: NotNegative = key(0.5, "lambda of Eq. 4")
    temperature: Positive = key(0.07, "start value; learned")
    pooling: Literal["regions", "mean", "cls"] = key(
        "regions",
        "E_seq of Eq. 3: regions (mean of each), mean (of all tokens), or cls (paper); docs/choices.md",
        more="cls: E_seq, and what segment prediction sees, is the hidden state at [CLS]; with `layout: windows` the "
        "mean over the regions' [CLS]. regions: the mean over each region's k-mers, those of all regions end to end, "
        "so that the inner product of Eq. 3 is a sum over regions. But for cls, segment prediction sees the difference "
        "between the means of both segments.",
    )
    centre: bool = key(True, "infonce: without the batch's mean in all embeddings (docs/choices.md)")
    contrast: Literal["samples", "regions"] = key(
        "samples",
        "what Eq. 3 tells apart: samples (paper), or their regions one by one (docs/learning.md)",
        more="regions: each region's sequence and matrix row from those of all other regions of the batch; needs "
        "`pooling: regions`. For a region encoder that reads the matrix a region at a time (region-transformer): "
        "an image backbone, which gives one vector for all, has not learnt it (docs/learning.md).",
    )
    negatives: Literal["random", "neighbours", "composition", "families"] = key(
        "random",
        "whose matrices a batch holds: any samples', of neighbours on a chromosome, of equal GC content, or families",
        more="families: of samples whose strongest motifs are of the same family of transcription factors (TFClass, in "
        "motifs.tsv). An epoch has the same samples in either case, and validation always those of any.",
    )
    readout: Literal["mean", "max"] = key(
        "mean",
        "regression: a map of a region's mean state, or the largest over its k-mers of a map of each state (max)",
        more="A score of the matrix is the largest over the region's windows too.",
    )

    @property
    def any(self) -> bool:
        """Whether there is anything to train."""
        return self.mgm or self.ngsp or self.srm is not None

    @property
    def contrasts(self) -> bool:
        """Whether sequences are told from each other by their rows, which takes a region encoder."""
        return self.srm not in (None, REGRESSION)

    def check(self) -> Iterator[str]:
        """What is done to single regions needs a vector for each, and only regression reads scores."""
        if self.srm == REGRESSION and self.pooling != "regions":
            yield f"srm: found regression beside pooling {self.pooling}, expected pooling regions"
        elif self.contrasts and self.contrast == "regions" and self.pooling != "regions":
            yield f"contrast: found regions beside pooling {self.pooling}, expected pooling regions or contrast samples"
        if self.contrasts and self.readout == "max":
            yield f"readout: found max beside srm {self.srm}, expected mean: only srm regression reads scores"


@dataclass(frozen=True)
class ModelSettings(Block):
    """All that defines a GeneBERT network."""

    block = "model"

    k: Annotated[int, Rule(at_least=3, at_most=6)] = key(6, "bases of a k-mer")
    layout: Literal["concatenated", "windows"] = key(
        "concatenated", "one token sequence a sample; windows: one a region, at most max_tokens (512) long"
    )
    sequence_encoder: SequenceEncoderSettings = key(SequenceEncoderSettings(), "BERT over k-mers")
    region_encoder: RegionEncoderSettings = key(RegionEncoderSettings(), "encoder of the region x TF matrix")
    losses: LossSettings = key(LossSettings(), "losses of pre-training")

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "ModelSettings":
        """Return the network's part of a model's full settings."""
        return cls(**{name: value[name] for name in cls.__dataclass_fields__})

    def record(self) -> dict[str, Any]:
        """Return the settings for records and for what is known by them, without later keys that are at their default.

        Models from before there were those keys are known as they were.
        """
        value = asdict(self)
        if self.sequence_encoder.convolution is None:
            del value["sequence_encoder"]["convolution"]
        if self.losses.readout == "mean" or self.losses.srm != REGRESSION:
            del value["losses"]["readout"]
        return value


@dataclass(frozen=True)
class TrainedModelSettings(ModelSettings):
    """What every model of ``config/models.yaml`` starts from; an entry there lists only what differs."""

    training: TrainingSettings = key(TrainingSettings(), "the loop of pre-training")
    matrix: Matrix | None = key(
        None,
        "form of the region x TF matrix that its region encoder reads; null: motifs.matrix",
        more="Another form than motifs.matrix is scanned for it, with all other settings of `motifs` but composition.",
    )

    def check(self) -> Iterator[str]:
        """Steps and losses go together."""
        if self.training.steps > 0:
            if not self.losses.any:
                yield f"training.steps: found {self.training.steps}, but no loss is on; expected 0, or a loss"
            if self.losses.srm == REGRESSION and self.matrix not in (None, REGRESSION_MATRIX):
                yield regression_needs(self.matrix)
            if self.losses.contrasts and self.training.batch < 2:
                yield "training.batch: found 1, expected at least 2: losses.srm contrasts the samples of a batch"


@dataclass(frozen=True)
class ModelEntry(TrainedModelSettings):
    """An entry of ``config/models.yaml`` or of `models`: what differs from `model`."""

    block = "models"

    of: Name | None = key(None, "the same pre-trained model as that one, fine-tuned in another way")
    ablation: bool = key(False, "a row of Tables 5, 7 and 8: trained for `ablation_steps`")
    equal_samples: bool = key(
        False,
        "for as many samples as model.training.batch sees in these steps: fewer steps of a larger batch, at least one",
        more="Steps that the entry itself names stay as they are.",
    )
    finetune: TaggerChanges = key({}, "how it is fine-tuned")
    pretrain_seeds: Annotated[list[Seed], Rule(unique=True)] = key(
        [],
        "further seeds that it is pre-trained with: its row shows the fits of all, the run's `seed` among them",
        more="NAME@SEED is the model of such a seed. A model that starts from another's weights starts from those of "
        "the same seed, where that has it; an entry with `of` names seeds of that model.",
    )


def predicts_scores(model: Mapping[str, Any]) -> bool:
    """Return whether a model's full settings give one that predicts motif scores as a matrix has them."""
    losses = model["losses"]
    return model["training"]["steps"] > 0 and (losses["srm"], losses["readout"]) == (REGRESSION, "max")


def regression_needs(matrix: str) -> str:
    """Return what is wrong with regression on another form of the matrix; the squared error of hits says little."""
    return f"losses.srm: found regression beside matrix {matrix}, expected matrix {REGRESSION_MATRIX}, graded scores"


def has_region_encoder(model: Mapping[str, Any]) -> bool:
    """Say whether a model with full settings is trained with a region encoder."""
    return "motifs" in reads(model) and model["losses"]["srm"] != REGRESSION


def reads(model: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the parts of a run (folders of these names) that the losses of a model with full settings read.

    None where nothing is trained.
    """
    if not model["training"]["steps"]:
        return ()
    return tuple(dict.fromkeys(part for loss, parts in READS.items() if model["losses"][loss] for part in parts))
