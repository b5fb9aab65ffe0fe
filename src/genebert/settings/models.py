"""Settings of a model."""

from dataclasses import dataclass, field

# The parts of a run that a loss reads; see :func:`reads`.
READS = {
    "srm": ("sequences", "motifs", "corpus"),
    "mgm": ("sequences", "corpus"),
    "ngsp": ("sequences", "corpus"),
}


@dataclass(frozen=True)
class SequenceEncoderSettings:
    """BERT's sizes, and where its weights come from.

    Attributes
    ----------
    layers, hidden, heads, intermediate : int
    dropout : float
    attention_dropout : float
        Above 0 it costs the fused attention kernel on a CPU: 2.3 times the time of a step (463 tokens, 2 x 128).
    max_tokens : int
        Rows of the position table. A checkpoint's shorter table is tiled (docs/facts.md 22).
    weights : str or None
        Hugging Face folder with a BERT over the same k-mer vocabulary, or None for random weights.
    positions : {"random", "sinusoidal"}
        What the learned position table starts from without `weights`; see :func:`sinusoidal_positions`.
    """

    layers: int
    hidden: int
    heads: int
    intermediate: int
    dropout: float
    attention_dropout: float
    max_tokens: int
    weights: str | None = None
    positions: str = "random"


@dataclass(frozen=True)
class RegionEncoderSettings:
    """Region encoder: its name, the layout of the matrix as an image, initial weights, further arguments."""

    name: str
    image: str
    weights: str | None = None
    arguments: dict = field(default_factory=dict)


@dataclass(frozen=True)
class LossSettings:
    """Which losses are on; Eq. 4 is ``mgm + ngsp + srm_weight * srm``.

    Attributes
    ----------
    mgm, ngsp : bool
    srm : {"infonce", "paper_exp", "paper_literal"} or None
    srm_weight : float
        Lambda of Eq. 4.
    temperature : float
        Start value; learned.
    centre : bool
        Take the batch's mean from E_seq and E_reg before ``infonce`` contrasts them.
    pooling : {"regions", "mean", "cls"}
        ``cls``: E_seq, and what segment prediction sees, is the hidden state at [CLS] (paper); with ``layout: windows``
        the mean over the regions' [CLS] (docs/facts.md 22). ``mean``: E_seq is the mean over all tokens. ``regions``:
        the mean over each region's k-mers, those of all regions end to end, so that the inner product of Eq. 3 is a sum
        over regions; a mean over ten regions loses which is which. But for ``cls``, segment prediction sees the
        difference between the means of both segments.
    contrast : {"samples", "regions"}
        What Eq. 3 tells apart: whole samples (paper), or each region's sequence and matrix row from those of all other
        regions of the batch; needs ``pooling: regions``.
    """

    mgm: bool
    ngsp: bool
    srm: str | None
    srm_weight: float
    temperature: float
    pooling: str
    centre: bool
    contrast: str = "samples"

    @property
    def any(self) -> bool:
        """Whether there is anything to train."""
        return self.mgm or self.ngsp or self.srm is not None


@dataclass(frozen=True)
class ModelSettings:
    """All that defines a GeneBERT network.

    Attributes
    ----------
    k : int
    layout : {"concatenated", "windows"}
        One token sequence a sample, or one a region; see :class:`genebert.corpus.batches.SampleEncoder`.
    """

    k: int
    layout: str
    sequence_encoder: SequenceEncoderSettings
    region_encoder: RegionEncoderSettings
    losses: LossSettings

    @classmethod
    def from_dict(cls, value: dict) -> "ModelSettings":
        """Build from the `model` section of a config (its `training` key is left out here)."""
        return cls(
            value["k"],
            value["layout"],
            SequenceEncoderSettings(**value["sequence_encoder"]),
            RegionEncoderSettings(**value["region_encoder"]),
            LossSettings(**value["losses"]),
        )


def reads(model: dict) -> tuple[str, ...]:
    """Return the parts of a run (folders of these names) that a model's losses read; none where nothing is trained.

    Parameters
    ----------
    model : dict
        Full settings, with `training`.
    """
    if not model["training"]["steps"]:
        return ()
    return tuple(dict.fromkeys(part for loss, parts in READS.items() if model["losses"][loss] for part in parts))
