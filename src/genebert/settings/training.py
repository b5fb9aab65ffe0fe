"""Settings of pre-training."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from genebert.errors import InputError
from genebert.settings.fields import Block, key
from genebert.settings.rules import Count, NotNegative, Positive, Rule, Share, ShareBelow1, Whole

Precision = Literal["auto", "float32", "bfloat16"]


def share_of(batch: int, processes: int) -> int:
    """Return the samples of a batch for each process; InputError where it cannot be shared out evenly."""
    if batch % processes:
        raise InputError(f"training.batch: found {batch}, expected a multiple of the {processes} processes")
    return batch // processes


@dataclass(frozen=True)
class TrainingSettings(Block):
    """The loop of pre-training."""

    block = "model.training"

    steps: Whole = key(120000, "0: the encoders stay as initialised")
    batch: Count = key(
        128,
        "samples a step = contrastive batch (Table 8's headline; not the 2000 of section 4.1)",
        more="Over all processes; all samples are contrasted with each other.",
    )
    micro_batch: Count | None = key(
        8,
        "samples at a time through the encoders (same gradient, less memory); null: all",
        more="Embeddings are computed first without gradient, then again piece by piece (gradient caching).",
    )
    learning_rate: Positive = key(4.0e-4, "peak")
    warmup_fraction: ShareBelow1 = key(0.0833333, "share of the steps with rising rate: 10k of 120k")
    decay_horizon: Annotated[float, Rule(at_least=1)] = key(
        1.6666667, "linear decay reaches zero at this multiple of steps (200k of 120k)"
    )
    betas: tuple[ShareBelow1, ShareBelow1] = key((0.9, 0.98), "of AdamW")
    epsilon: Positive = key(1.0e-6, "of AdamW")
    weight_decay: NotNegative = key(0.01, "of AdamW")
    clip: Positive = key(1.0, "largest gradient norm")
    mask_rate: ShareBelow1 = key(0.15, "share of k-mers masked")
    late_mask_rate: ShareBelow1 = key(0.20, "the later share")
    late_mask_from: Share = key(0.8333333, "from this fraction of the steps on")
    strands: Literal["given", "random"] = key(
        "given",
        "as the reference has them (paper), or random: half the regions from the reverse strand",
        more="A region's motif row holds for both strands. Validation always reads the strand of the reference.",
    )
    precision: Precision = key("auto", "auto: bf16 autocast where the processor has it; or float32, bfloat16")
    compile: bool = key(False, "torch.compile of the region encoder, and of BERT but for its attention")
    checkpoint_activations: bool = key(False, "less memory for about a third more time")
    checkpoint_every: Count = key(1000, "steps between checkpoints")
    log_every: Count = key(100, "steps between lines of the log and of metrics.jsonl")
    validate_every: Count = key(5000, "steps between validations", more="The log has a line at each, and at the end.")
    validation_batches: Count = key(8, "batches of a validation")

    def check(self) -> Iterator[str]:
        """Pieces are of the batch."""
        if self.micro_batch is not None and self.micro_batch > self.batch:
            yield f"micro_batch: found {self.micro_batch}, expected at most training.batch, {self.batch}"
