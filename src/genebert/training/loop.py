"""The pre-training loop: Algorithm 1 of the paper with DNABERT's schedule (docs/facts.md 17)."""

import hashlib
import json
import logging
import shutil
import signal
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from genebert.corpus.batches import Batch, SampleEncoder
from genebert.corpus.groups import TRAIN, VALID, Groups
from genebert.corpus.order import Draw, SampleOrder
from genebert.genome.sequences import RegionSequences
from genebert.models.genebert import GeneBERT
from genebert.settings.models import ModelSettings
from genebert.settings.training import TrainingSettings
from genebert.training.checkpoint import load_checkpoint, save_checkpoint
from genebert.training.floors import kmer_counts, mgm_floors, ngsp_floors
from genebert.training.meter import Meter
from genebert.training.optimiser import make_adamw
from genebert.training.parallel import ALONE, Ranks, processes
from genebert.training.schedule import learning_rate, mask_rate, stream_seed
from genebert.training.step import compute

logger = logging.getLogger(__name__)


class Interrupted(RuntimeError):
    """Training was asked to stop; a checkpoint was written."""


def draw_pieces(
    order: SampleOrder, encoder: SampleEncoder, step: int, micro_batch: int | None, ranks: Ranks
) -> tuple[list[Batch], torch.Tensor, Draw]:
    """Return this process's share of a step's batch in pieces, the regions of the whole batch, and its draw."""
    draw = order.draw(step)
    mine = ranks.share(len(draw.label))
    size = micro_batch or len(mine)
    pieces = [
        encoder.encode(draw.rows(start, min(start + size, mine.stop)), start)
        for start in range(mine.start, mine.stop, size)
    ]
    return pieces, torch.from_numpy(draw.regions).to(encoder.device), draw


def evaluate(
    model: GeneBERT, order: SampleOrder, encoder: SampleEncoder, settings: TrainingSettings, ranks: Ranks = ALONE
) -> dict[str, float]:
    """Return mean losses and accuracies over the first validation batches, masked the same way every time."""
    model.eval()
    results = []
    for i in range(max(1, min(settings.validation_batches, len(order.groups) // order.batch))):
        pieces, regions, _ = draw_pieces(order, encoder, i, settings.micro_batch, ranks)
        results.append(
            compute(model, pieces, regions, i, settings.mask_rate, settings, order.seed, train=False, ranks=ranks)
        )
    model.train()
    return {f"valid_{name}": round(float(np.mean([r[name] for r in results if name in r])), 6) for name in results[0]}


def motif_statistics(values: np.ndarray, regions: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return per-TF mean and standard deviation over the given regions, without missing values."""
    mean, sd = np.empty(values.shape[1], np.float32), np.empty(values.shape[1], np.float32)
    for first in range(0, values.shape[1], 64):  # float32 copies of 64 columns at a time
        part = np.asarray(values[:, first : first + 64], dtype=np.float32)[regions]
        mean[first : first + 64], sd[first : first + 64] = np.nanmean(part, 0), np.nanstd(part, 0)
    # A TF that is the same everywhere says nothing; dividing by 1 keeps it finite.
    return torch.from_numpy(np.nan_to_num(mean)), torch.from_numpy(np.where(sd > 0, sd, 1).astype(np.float32))


def pretrain(
    model_settings: ModelSettings,
    settings: TrainingSettings,
    sequences: RegionSequences,
    motifs: np.ndarray | None,
    groups: Groups,
    seed: int,
    checkpoints: str | Path,
    output: str | Path,
    data: dict,
    device: str = "auto",
) -> None:
    """Train a model and write its folder.

    Parameters
    ----------
    sequences : RegionSequences
        As shown to the model.
    motifs : array [n_regions, n_tfs] or None
        Needed when SRM is on.
    groups : Groups
    seed : int
        Of initial weights, order, masks and dropout.
    checkpoints : path
        Folder under which this run's checkpoints live, in a subfolder named after settings and data; a run with other
        settings never takes them up. The subfolder is deleted when training ends.
    output : path
        Model folder; see :meth:`GeneBERT.save`, plus ``metrics.jsonl``.
    data : dict
        What names the data (file to hash); recorded in ``model.json``, and part of the checkpoint's subfolder.

    Raises
    ------
    Interrupted
        SIGTERM or SIGUSR1 came; a checkpoint was written and the same call resumes from it.
    FloatingPointError
        A loss was not finite; the message names step and samples.
    """
    train, valid = groups.subset(TRAIN), groups.subset(VALID)
    regions, n_regions = np.unique(train.regions), groups.regions.shape[1]
    matching = model_settings.losses.srm is not None
    record = {
        "training": asdict(settings),
        "seed": seed,
        "data": data,
        "regions_per_sample": n_regions,
        "samples_seen": settings.steps * settings.batch,
    }
    fingerprint = hashlib.sha256(json.dumps([asdict(model_settings), record], sort_keys=True).encode()).hexdigest()
    folder = Path(checkpoints) / fingerprint[:16]
    with processes(device) as (ranks, where):
        ranks.share(settings.batch)
        torch.manual_seed(stream_seed(seed, 0))
        mean, sd = motif_statistics(motifs, regions) if matching else (None, None)
        model = GeneBERT(model_settings, mean, sd, n_regions).to(where)
        history: list[str] = []
        if settings.steps and ranks.rank == 0:
            record["floors"] = _floors(model_settings, sequences, regions, train, valid, seed)
        if settings.steps and model_settings.losses.any:
            encoder = SampleEncoder(
                sequences,
                motifs if matching else None,
                model_settings.k,
                model_settings.sequence_encoder.max_tokens,
                where,
                model_settings.layout,
            )
            history = _train(model, settings, train, valid, encoder, seed, folder, ranks)
        if ranks.rank == 0:
            model.eval().save(output, record, {"metrics.jsonl": "".join(f"{line}\n" for line in history)})
            shutil.rmtree(folder, ignore_errors=True)
        ranks.wait()


def _floors(
    model: ModelSettings, sequences: RegionSequences, regions: np.ndarray, train: Groups, valid: Groups, seed: int
) -> dict[str, dict[str, float]]:
    """Return what the losses that are on reach without a network: metric to label to value; `regions`: of `train`."""
    floors = {}
    if model.losses.mgm:
        floors["mgm"] = mgm_floors(kmer_counts(sequences, regions, model.k))
    if model.losses.ngsp:
        floors |= {
            key: {"base composition": value} for key, value in ngsp_floors(sequences, train, valid, seed).items()
        }
    return floors


def _train(
    model: GeneBERT,
    settings: TrainingSettings,
    train: Groups,
    valid: Groups,
    encoder: SampleEncoder,
    seed: int,
    folder: Path,
    ranks: Ranks,
) -> list[str]:
    """Run or resume the steps; return the lines of ``metrics.jsonl``."""
    order = SampleOrder(train, settings.batch, seed, settings.strands)
    n_valid = min(settings.batch, len(valid)) // ranks.size * ranks.size
    valid_order = SampleOrder(valid, n_valid, seed) if n_valid >= 2 else None
    optimiser = make_adamw(model, settings.learning_rate, settings.betas, settings.epsilon, settings.weight_decay)
    history: list[str] = []
    running: dict[str, list[float]] = {}
    first = 0
    found = load_checkpoint(folder, encoder.device)
    if found:
        first, state = found
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        history, running = state["history"], state["running"]
        logger.info("resumed from step %d", first)
    model.prepare(compile_encoders=settings.compile, checkpoint_activations=settings.checkpoint_activations)
    meter = Meter(model, settings, encoder.device, ranks)
    meter.plan(draw_pieces(order, encoder, first, settings.micro_batch, ranks)[0], len(train), len(valid), first)

    asked: list[int] = []
    handlers = {s: signal.signal(s, lambda number, _: asked.append(number)) for s in (signal.SIGTERM, signal.SIGUSR1)}
    model.train()
    try:
        for step in range(first, settings.steps):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, settings)
            pieces, regions, draw = draw_pieces(order, encoder, step, settings.micro_batch, ranks)
            optimiser.zero_grad(set_to_none=True)
            result = compute(
                model, pieces, regions, step, mask_rate(step, settings), settings, seed, train=True, ranks=ranks
            )
            norm = float(nn.utils.clip_grad_norm_(model.parameters(), settings.clip))
            if not (np.isfinite(norm) and np.isfinite(result["loss"])):
                raise FloatingPointError(
                    f"step {step}: loss {result['loss']}, gradient norm {norm}; groups {draw.group.tolist()}"
                )
            optimiser.step()
            meter.count(pieces)
            for name, value in {**result, "gradient_norm": norm}.items():
                running.setdefault(name, []).append(value)

            done = step + 1
            if done % settings.log_every == 0 or done == settings.steps:
                line = {"step": done, "learning_rate": learning_rate(step, settings)}
                line |= {name: round(float(np.mean(values)), 6) for name, values in running.items()}
                speed = meter.report(done)
                if valid_order and (done % settings.validate_every == 0 or done == settings.steps):
                    line |= evaluate(model, valid_order, encoder, settings, ranks)
                    meter.start()
                history.append(json.dumps(line))
                running = {}
                shown = ", ".join(f"{name} {value:.4g}" for name, value in line.items() if name != "step")
                logger.info("step %d/%d, %s, %s", done, settings.steps, shown, speed)
            stop = ranks.any(bool(asked), encoder.device)
            if stop or (done % settings.checkpoint_every == 0 and done < settings.steps):
                if ranks.rank == 0:
                    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
                    save_checkpoint(folder, done, {**state, "history": history, "running": running})
                ranks.wait()
                if stop:
                    raise Interrupted(
                        f"signal {asked[0] if asked else 'to another process'} after step {done}: checkpoint written, "
                        "run again to resume"
                    )
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return history
