"""What training says of itself: the plan before the first step, then its speed beside what the machine can do."""

import logging
import resource
import time

import torch

from genebert.models.devices import autocast
from genebert.settings.training import TrainingSettings
from genebert.training.objective import Objective, Share

logger = logging.getLogger(__name__)
PLANNED_SHARE = 0.4  # of the matrix rate, for the plan's estimate only; later lines say what was measured
PROBE_SECONDS = 0.3
PROBE_SIZE = {"cpu": 1024, "cuda": 8192}


def matrix_rate(device: torch.device, precision: str) -> float:
    """Measure how many floating-point operations a second a large matrix product does on this device (FLOP/s)."""
    size = PROBE_SIZE[device.type]
    a, b = torch.ones(2, size, size, device=device)

    def seconds(repeats: int) -> float:
        began = time.perf_counter()
        with torch.no_grad(), autocast(precision, device):
            for _ in range(repeats):
                product = a @ b
        float(product[0, 0])  # waits for the device
        return time.perf_counter() - began

    seconds(3)
    repeats = max(1, round(PROBE_SECONDS / seconds(1)))
    return repeats * 2 * size**3 / seconds(repeats)


class Meter:
    """Counts tokens and operations between two lines of the log.

    Model FLOP utilisation is what the step needs (not what it computes twice to save memory) over what matrix products
    reach on this device, measured at the start. Several processes are taken to be equally fast.
    """

    def __init__(self, objective: Objective, settings: TrainingSettings):
        self.objective, self.settings = objective, settings
        self.device, self.processes = objective.device, objective.ranks.size
        self.rate = matrix_rate(self.device, settings.precision)
        self.start()

    def start(self) -> None:
        """Begin a new stretch, whose time counts from now."""
        self.began, self.rows, self.shortened = time.perf_counter(), [], 0

    def count(self, share: Share) -> None:
        """Add one step of this process."""
        # Kept on the device until the next line of the log: reading them would stop a GPU in every step.
        self.rows.append(share.lengths)
        self.shortened += share.shortened

    def plan(self, share: Share, first: int) -> None:
        """Log the whole plan in one line, from the batch of the first step."""
        settings, objective = self.settings, self.objective
        lengths = share.lengths.tolist()
        needed, done = objective.flops(lengths)
        left = settings.steps - first
        seconds = done * left / (PLANNED_SHARE * self.rate)
        logger.info(
            "%s parameters; %d samples an epoch, %d for validation; batch %d, about %s tokens a step; %d steps to go "
            "of %d, %.2f epochs; %.3g FLOP; about %s at %.0f %% of %.3g TFLOP/s (measured) on %d x %s",
            f"{sum(p.numel() for p in objective.model.parameters()):,}", objective.epoch, objective.validation,
            settings.batch, f"{sum(lengths) * self.processes:,}", left, settings.steps,
            settings.steps * settings.batch / objective.epoch, needed * self.processes * left, _duration(seconds),
            100 * PLANNED_SHARE, self.rate / 1e12, self.processes, self.device,
        )  # fmt: skip

    def report(self, done: int) -> str:
        """Return speed, utilisation, memory and remaining time since the last call, and begin a new stretch."""
        steps = [lengths.tolist() for lengths in self.rows]
        seconds, tokens = time.perf_counter() - self.began, sum(map(sum, steps))
        flops = sum(self.objective.flops(lengths)[0] for lengths in steps)
        if self.device.type == "cuda":
            memory = torch.cuda.max_memory_allocated(self.device)
        else:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        text = (
            f"{tokens * self.processes / seconds:,.0f} tokens/s, {flops / seconds / 1e12:.3g} TFLOP/s a process "
            f"({100 * flops / seconds / self.rate:.1f} % of matrix products), {memory / 1e9:.2f} GB, "
            f"{self.shortened} samples shortened, "
            f"{_duration(seconds / len(steps) * (self.settings.steps - done))} left"
        )
        self.start()
        return text


def _duration(seconds: float) -> str:
    """Return a time for people: 45 s, 12 min, 3.4 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
