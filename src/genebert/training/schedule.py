"""What follows from the settings for one step: learning rate, share of masks, seeds."""

import numpy as np

from genebert.settings.training import TrainingSettings


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
