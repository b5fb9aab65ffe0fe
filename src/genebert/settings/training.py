"""Settings of pre-training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of the loop.

    Attributes
    ----------
    steps : int
        Optimiser steps; 0 leaves the encoders as initialised.
    batch : int
        Samples a step, over all processes; all of them are contrasted with each other.
    micro_batch : int or None
        Samples at a time through the encoders. The gradient is that of the whole batch: embeddings are computed first
        without gradient, then again piece by piece (gradient caching). None: all of a process at once.
    learning_rate : float
        Peak.
    warmup_fraction : float
        Share of the steps with rising rate.
    decay_horizon : float
        Multiple of the steps at which the linear decay would reach zero.
    betas, epsilon, weight_decay : AdamW
    clip : float
        Largest gradient norm.
    mask_rate, late_mask_rate, late_mask_from : float
        Share of k-mers masked, and the later share from that fraction of the steps on.
    strands : {"given", "random"}
        ``random``: each region is read from the reverse strand in half of the steps. Its motif row is the same: motifs
        are scanned for on both strands. Validation always reads the strand of the reference.
    precision : {"auto", "float32", "bfloat16"}
    compile : bool
        Compile both encoders with torch.compile.
    checkpoint_activations : bool
        Compute the activations of BERT's layers again in the backward pass instead of keeping them.
    checkpoint_every, log_every, validate_every : int
        In steps.
    validation_batches : int
    """

    steps: int
    batch: int
    micro_batch: int | None
    learning_rate: float
    warmup_fraction: float
    decay_horizon: float
    betas: tuple[float, float]
    epsilon: float
    weight_decay: float
    clip: float
    mask_rate: float
    late_mask_rate: float
    late_mask_from: float
    strands: str
    precision: str
    compile: bool
    checkpoint_activations: bool
    checkpoint_every: int
    log_every: int
    validate_every: int
    validation_batches: int
