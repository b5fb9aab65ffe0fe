"""Training on labelled examples with early stopping, for every network alike."""

import copy
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import nn

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind

logger = logging.getLogger(__name__)


class Diverged(InputError):
    """Training gave something else than numbers."""


@dataclass(frozen=True)
class Course:
    """How long to train, and what messages say."""

    epochs: int  # most
    patience: int  # epochs without a better validation metric before training stops
    where: str  # what is trained
    seed: int
    remedy: str  # what helps against divergence
    begun: bool = False  # the weights that the network comes with are those of a training: epoch 0
    keep: Literal["best", "last"] = "best"  # whose weights are kept; to the last epoch's, no epoch is left out


def _diverged(course: Course, epoch: int, loss: float | None, n: int) -> Diverged:
    """Return what to raise where the loss or `n` of the scores are not finite."""
    if not epoch:
        return Diverged(
            f"{course.where}: the probe with seed {course.seed} gives {n} validation scores that are not finite; "
            "expected numbers"
        )
    return Diverged(
        f"{course.where}: training diverged in epoch {epoch} with seed {course.seed}: loss {loss}, "
        f"{n} validation scores not finite; expected numbers ({course.remedy})"
    )


def fit(
    network: nn.Module,
    kind: Kind,
    valid: Examples,
    course: Course,
    train: Callable[[int], float],
    score: Callable[[], np.ndarray],
) -> tuple[list[dict[str, Any]], int]:
    """Train a network epoch by epoch, and leave it with the weights of the best one, or the last (`course.keep`).

    Parameters
    ----------
    kind : Kind
        Its metric on `valid` selects: the first of the epochs where it is largest.
    train : callable
        Number of the epoch (from 1) -> training loss, after all of its steps.
    score : callable
        Returns the scores of `valid` with the weights as they are.

    Returns
    -------
    history : list of dict
        For each epoch: epoch, train_loss (None in epoch 0), and the metric as ``valid_`` and its name in lower case.
    kept : int
        The epoch whose weights the network has.

    Raises
    ------
    Diverged
        The loss or a score is not finite.
    InputError
        The metric cannot be computed on `valid`: a class is missing.
    """
    kind.check(valid.labels, f"{course.where}: validation examples")
    history: list[dict[str, Any]] = []
    best_value, kept, state = -np.inf, 0, {}
    for epoch in range(0 if course.begun else 1, course.epochs + 1):
        start, loss = time.perf_counter(), None
        if epoch:
            network.train()
            loss = train(epoch)
        scores = score()
        if not np.isfinite(loss or 0.0) or not np.isfinite(scores).all():
            raise _diverged(course, epoch, loss, int((~np.isfinite(scores)).sum()))
        value = kind.select(valid, scores)
        history.append({"epoch": epoch, "train_loss": loss, f"valid_{kind.selects.lower()}": value})
        logger.info(
            "epoch %d of %d: loss %s, validation %s %.4f, %.1f s",
            epoch, course.epochs, "-" if loss is None else f"{loss:.4f}", kind.selects, value,
            time.perf_counter() - start,
        )  # fmt: skip
        if course.keep == "last" or value > best_value:
            best_value, kept, state = value, epoch, copy.deepcopy(network.state_dict())
        elif epoch - kept >= course.patience:
            logger.info("stopped: no better validation %s in %d epochs", kind.selects, course.patience)
            break
    network.load_state_dict(state)
    return history, kept
