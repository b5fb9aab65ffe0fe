"""Settings of pre-training, and what follows from them for one step: learning rate, share of masks, seeds."""

from dataclasses import dataclass

import numpy as np


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


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """Return the rate of a step: linear warm-up, then linear decay towards the horizon (docs/facts.md 17)."""
    warmup = settings.warmup_fraction * settings.steps
    if step < warmup:
        return settings.learning_rate * (step + 1) / (warmup + 1)
    horizon = settings.decay_horizon * settings.steps
    return settings.learning_rate * max(0.0, (horizon - step) / max(1.0, horizon - warmup))


def mask_rate(step: int, settings: TrainingSettings) -> float:
    """Return the share of k-mers to mask at a step (paper: 15 %, then 20 % for the last sixth)."""
    return settings.late_mask_rate if step >= settings.late_mask_from * settings.steps else settings.mask_rate


def stream_seed(*key: int) -> int:
    """Return a 63-bit seed that is a pure function of its key, so that streams of random numbers need no state."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
