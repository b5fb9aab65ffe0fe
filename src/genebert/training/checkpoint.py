"""Checkpoints that survive a kill at any moment."""

import logging
from pathlib import Path

import torch

from genebert.files import atomic_path

logger = logging.getLogger(__name__)
KEPT = 2


def _found(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, newest first."""
    return sorted(folder.glob(f"step{'[0-9]' * 9}.pt"), reverse=True)


def save_checkpoint(folder: Path, step: int, state: dict) -> None:
    """Write the checkpoint of a step under a temporary name, rename it, and delete all but the last two."""
    # Given a path, torch writes itself and does not say why it cannot.
    with atomic_path(folder / f"step{step:09d}.pt") as temporary, temporary.open("wb") as handle:
        torch.save(state, handle)
    for path in _found(folder)[KEPT:]:
        path.unlink()


def load_checkpoint(folder: Path, device: torch.device) -> tuple[int, dict] | None:
    """Return (step, state) of the newest readable checkpoint, or None if there is none at all.

    A damaged one is reported and the one before it is taken.

    Raises
    ------
    RuntimeError
        Checkpoints exist and none can be read: starting again from nothing is the user's decision.
    """
    found = _found(folder)
    for path in found:
        try:
            return int(path.stem[4:]), torch.load(path, map_location=device, weights_only=True)
        except Exception as error:  # torch raises many kinds for damaged files
            logger.warning("checkpoint %s cannot be read (%s); trying the one before", path, type(error).__name__)
    if found:
        raise RuntimeError(f"{folder}: none of {len(found)} checkpoints can be read; delete it to start from step 0")
    return None
