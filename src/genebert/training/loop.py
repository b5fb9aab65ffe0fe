"""The pre-training loop: any objective with DNABERT's schedule (docs/facts.md 17)."""

import hashlib
import json
import logging
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from torch import nn

from genebert.settings.training import TrainingSettings
from genebert.training.checkpoint import load_checkpoint, save_checkpoint
from genebert.training.meter import Meter
from genebert.training.objective import Objective
from genebert.training.optimiser import learning_rate, make_adamw

logger = logging.getLogger(__name__)


class Interrupted(RuntimeError):
    """Training was asked to stop; a checkpoint was written."""


def pretrain(
    objective: Objective, settings: TrainingSettings, seed: int, checkpoints: str | Path, output: str | Path
) -> None:
    """Train a model and write its folder; without steps, write it with its initial weights.

    Parameters
    ----------
    seed : int
        That the objective was made with; recorded.
    checkpoints : path
        Folder under which this run's checkpoints live, in a subfolder named after settings and data; a run with other
        settings never takes them up. The subfolder is deleted when training ends.
    output : path
        Model folder; see :meth:`Objective.save`, with ``metrics.jsonl``.

    Raises
    ------
    Interrupted
        SIGTERM or SIGUSR1 came; a checkpoint was written and the same call resumes from it.
    FloatingPointError
        A loss was not finite; the message names step and samples.
    """
    ranks = objective.ranks
    ranks.share(settings.batch)
    record = {
        "training": asdict(settings),
        "seed": seed,
        **objective.record,
        "samples_seen": settings.steps * settings.batch,
    }
    fingerprint = hashlib.sha256(json.dumps([objective.settings, record], sort_keys=True).encode()).hexdigest()
    folder = Path(checkpoints) / fingerprint[:16]
    history: list[str] = []
    if settings.steps:
        if ranks.rank == 0:
            record["floors"] = objective.floors()
        history = _Training(objective, settings, folder).run()
    if ranks.rank == 0:
        objective.model.eval()
        objective.save(output, record, {"metrics.jsonl": "".join(f"{line}\n" for line in history)})
        shutil.rmtree(folder, ignore_errors=True)
    ranks.wait()


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the signals that ask to stop."""
    asked: list[int] = []
    handlers = {s: signal.signal(s, lambda number, _: asked.append(number)) for s in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield asked
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


class _Training:
    """The steps of one training, begun or resumed."""

    def __init__(self, objective: Objective, settings: TrainingSettings, folder: Path):
        self.objective, self.settings, self.folder = objective, settings, folder
        self.optimiser = make_adamw(objective.model, settings)
        self.first, self.history = 0, []  # steps that are done already, and lines of metrics.jsonl
        self.running: dict[str, list[float]] = {}  # figures of the steps since the last line
        found = load_checkpoint(folder, objective.device)
        if found:
            self.first, state = found
            objective.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.history, self.running = state["history"], state["running"]
            logger.info("resumed from step %d", self.first)
        self.meter = Meter(objective, settings)

    def run(self) -> list[str]:
        """Run the steps that are left; return the lines of ``metrics.jsonl``."""
        objective, settings, ranks = self.objective, self.settings, self.objective.ranks
        self.meter.plan(objective.draw(self.first), self.first)
        objective.model.train()
        with _signals() as asked:
            for step in range(self.first, settings.steps):
                self._step(step)
                done = step + 1
                if done % settings.log_every == 0 or self._validates(done):
                    self._log(done)
                stop = ranks.any(bool(asked), objective.device)
                if stop or (done % settings.checkpoint_every == 0 and done < settings.steps):
                    self._save(done)
                if stop:
                    raise Interrupted(
                        f"signal {asked[0] if asked else 'to another process'} after step {done}: checkpoint written, "
                        "run again to resume"
                    )
        return self.history

    def _step(self, step: int) -> None:
        objective, model = self.objective, self.objective.model
        rate = learning_rate(step, self.settings)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        share = objective.draw(step)
        self.optimiser.zero_grad(set_to_none=True)
        result = objective.compute(share, step)
        objective.ranks.add_gradients(model)
        norm = float(nn.utils.clip_grad_norm_(model.parameters(), self.settings.clip))
        if not (np.isfinite(norm) and np.isfinite(result["loss"])):
            raise FloatingPointError(f"step {step}: loss {result['loss']}, gradient norm {norm}; {share.names}")
        self.optimiser.step()
        self.meter.count(share)
        for name, value in {**result, "gradient_norm": norm}.items():
            self.running.setdefault(name, []).append(value)

    def _validates(self, done: int) -> bool:
        """Say whether a validation follows a step: every `validate_every` steps, and the last."""
        return done % self.settings.validate_every == 0 or done == self.settings.steps

    def _log(self, done: int) -> None:
        """Add a line to the history, and show it."""
        settings, model = self.settings, self.objective.model
        line = {"step": done, "learning_rate": learning_rate(done - 1, settings)}
        line |= {name: round(float(np.mean(values)), 6) for name, values in self.running.items()}
        speed = self.meter.report(done)
        if self._validates(done):
            model.eval()
            line |= {f"valid_{name}": round(value, 6) for name, value in self.objective.validate().items()}
            model.train()
            self.meter.start()
        self.history.append(json.dumps(line))
        self.running = {}
        shown = ", ".join(f"{name} {value:.4g}" for name, value in line.items() if name != "step")
        logger.info("step %d/%d, %s, %s", done, settings.steps, shown, speed)

    def _save(self, done: int) -> None:
        if self.objective.ranks.rank == 0:
            state = {"model": self.objective.model.state_dict(), "optimiser": self.optimiser.state_dict()}
            save_checkpoint(self.folder, done, {**state, "history": self.history, "running": self.running})
        self.objective.ranks.wait()
