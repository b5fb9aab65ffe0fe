"""The pre-training loop: Algorithm 1 of the paper with DNABERT's schedule (FACTS D.5)."""

import hashlib
import json
import logging
import shutil
import signal
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from genebert.batches import Batch, SampleEncoder, mask_kmers
from genebert.corpus import TRAIN, VALID, Groups, SampleOrder
from genebert.devices import autocast, choose_device
from genebert.genome import RegionSequences
from genebert.models.genebert import GeneBERT, ModelSettings
from genebert.training.checkpoint import load_checkpoint, save_checkpoint
from genebert.training.optimiser import make_adamw

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of the loop.

    Attributes
    ----------
    steps : int
        Optimiser steps; 0 leaves the encoders as initialised.
    batch : int
        Samples a step; all of them are contrasted with each other.
    micro_batch : int or None
        Samples at a time through the encoders. The gradient is that of the whole batch: embeddings are computed first
        without gradient, then again piece by piece (gradient caching). None: all at once.
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
    precision : {"auto", "float32", "bfloat16"}
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
    precision: str
    checkpoint_every: int
    log_every: int
    validate_every: int
    validation_batches: int


class Interrupted(RuntimeError):
    """Training was asked to stop; a checkpoint was written."""


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """Return the rate of a step: linear warm-up, then linear decay towards the horizon."""
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


def _piece(batch: Batch, rows: slice) -> Batch:
    return replace(
        batch,
        ids=batch.ids[rows],
        segments=batch.segments[rows],
        lengths=batch.lengths[rows],
        regions=batch.regions[rows],
        motifs=None if batch.motifs is None else batch.motifs[rows],
        label=batch.label[rows],
    )


def compute(
    model: GeneBERT, batch: Batch, step: int, rate: float, settings: TrainingSettings, seed: int, *, train: bool
) -> dict[str, float | torch.Tensor]:
    """Return the losses and accuracies of a batch and, when training, add its gradient to the parameters.

    All randomness (masks, dropout) is a function of (seed, step, piece).
    """
    losses, device = model.settings.losses, batch.ids.device
    generator = torch.Generator(device).manual_seed(stream_seed(seed, step, 2))
    vocabulary = model.sequence_encoder.config.vocab_size
    ids, chosen = batch.ids, torch.zeros_like(batch.ids, dtype=torch.bool)
    if losses.mgm:
        ids, chosen = mask_kmers(batch.ids, model.settings.k, rate, vocabulary, generator)
    n_masked, n_samples = int(chosen.sum()), len(batch.label)
    size = settings.micro_batch or n_samples
    rows = [slice(start, start + size) for start in range(0, n_samples, size)]

    def encode(i: int):
        torch.manual_seed(stream_seed(seed, step, 3, i))
        with autocast(settings.precision, device):
            return model(_piece(batch, rows[i]), ids[rows[i]], chosen[rows[i]])

    result: dict[str, float | torch.Tensor] = {}
    cached = None
    matching = torch.zeros((), device=device)
    if losses.srm is not None and len(rows) > 1:
        with torch.no_grad():
            pieces = [encode(i) for i in range(len(rows))]
        sequence = torch.cat([p.sequence for p in pieces]).requires_grad_(train)
        region = torch.cat([p.region for p in pieces]).requires_grad_(train)
        with torch.set_grad_enabled(train):
            matching, result["srm_accuracy"] = model.matching(sequence, region, batch.regions)
        if train:
            (losses.srm_weight * matching).backward()
            cached = sequence.grad, region.grad
    totals = torch.zeros(4, device=device)
    with torch.set_grad_enabled(train):
        for i, piece in enumerate(rows):
            out = encode(i)
            totals += torch.stack([out.mgm, out.mgm_correct, out.ngsp, out.ngsp_correct]).detach()
            # A batch may have no masked k-mer (short or N-only regions): no target, no loss, and no 0/0.
            loss = out.mgm / max(n_masked, 1) + out.ngsp / n_samples
            if losses.srm is not None and len(rows) == 1:
                matching, result["srm_accuracy"] = model.matching(out.sequence, out.region, batch.regions)
                loss = loss + losses.srm_weight * matching
            elif cached is not None:
                loss = loss + (out.sequence * cached[0][piece]).sum() + (out.region * cached[1][piece]).sum()
            if train:
                loss.backward()
    total = torch.zeros((), device=device)
    if losses.mgm and n_masked:
        result["mgm"], result["mgm_accuracy"] = totals[0] / n_masked, totals[1] / n_masked
        total = total + result["mgm"]
    if losses.ngsp:
        result["ngsp"], result["ngsp_accuracy"] = totals[2] / n_samples, totals[3] / n_samples
        total = total + result["ngsp"]
    if losses.srm is not None:
        result["srm"], result["temperature"] = matching.detach(), 1 / model.scale.detach()
        total = total + losses.srm_weight * result["srm"]
    result["loss"] = total
    return {name: float(value) for name, value in result.items()}


def evaluate(
    model: GeneBERT, order: SampleOrder, encoder: SampleEncoder, settings: TrainingSettings
) -> dict[str, float]:
    """Return mean losses and accuracies over the first validation batches, masked the same way every time."""
    model.eval()
    n_batches = max(1, min(settings.validation_batches, len(order.groups) // order.batch))
    results = [
        compute(model, encoder.encode(order.draw(i)), i, settings.mask_rate, settings, order.seed, train=False)
        for i in range(n_batches)
    ]
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
    where = choose_device(device)
    train, valid = groups.subset(TRAIN), groups.subset(VALID)
    n_regions = groups.regions.shape[1]
    torch.manual_seed(stream_seed(seed, 0))
    mean = sd = None
    if model_settings.losses.srm is not None:
        mean, sd = motif_statistics(motifs, np.unique(train.regions))
    model = GeneBERT(model_settings, mean, sd, n_regions).to(where)
    record = {
        "training": asdict(settings),
        "seed": seed,
        "data": data,
        "regions_per_sample": n_regions,
        "samples_seen": settings.steps * settings.batch,
    }
    fingerprint = hashlib.sha256(json.dumps([asdict(model_settings), record], sort_keys=True).encode()).hexdigest()
    folder = Path(checkpoints) / fingerprint[:16]
    history: list[str] = []
    if settings.steps and model_settings.losses.any:
        encoder = SampleEncoder(
            sequences,
            motifs if model_settings.losses.srm is not None else None,
            model_settings.k,
            model_settings.sequence_encoder.max_tokens,
            where,
        )
        history = _train(model, settings, train, valid, encoder, seed, folder)
    model.eval().save(output, record, {"metrics.jsonl": "".join(f"{line}\n" for line in history)})
    shutil.rmtree(folder, ignore_errors=True)


def _train(
    model: GeneBERT,
    settings: TrainingSettings,
    train: Groups,
    valid: Groups,
    encoder: SampleEncoder,
    seed: int,
    folder: Path,
) -> list[str]:
    """Run or resume the steps; return the lines of ``metrics.jsonl``."""
    order = SampleOrder(train, settings.batch, seed)
    valid_order = SampleOrder(valid, min(settings.batch, len(valid)), seed) if len(valid) >= 2 else None
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
    n_parameters = sum(p.numel() for p in model.parameters())
    logger.info(
        "%s parameters, %d groups (%d for validation), batch %d, %d steps = %.2f epochs, on %s",
        f"{n_parameters:,}", len(train), len(valid), settings.batch, settings.steps,
        settings.steps * settings.batch / len(train), encoder.device,
    )  # fmt: skip

    asked: list[int] = []
    handlers = {s: signal.signal(s, lambda number, _: asked.append(number)) for s in (signal.SIGTERM, signal.SIGUSR1)}
    model.train()
    began, tokens, shortened, logged = time.perf_counter(), 0, 0, first
    try:
        for step in range(first, settings.steps):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, settings)
            draw = order.draw(step)
            batch = encoder.encode(draw)
            optimiser.zero_grad(set_to_none=True)
            result = compute(model, batch, step, mask_rate(step, settings), settings, seed, train=True)
            norm = float(nn.utils.clip_grad_norm_(model.parameters(), settings.clip))
            if not (np.isfinite(norm) and np.isfinite(result["loss"])):
                raise FloatingPointError(
                    f"step {step}: loss {result['loss']}, gradient norm {norm}; groups {draw.group.tolist()}"
                )
            optimiser.step()
            tokens += int(batch.lengths.sum())
            shortened += batch.shortened
            for name, value in {**result, "gradient_norm": norm}.items():
                running.setdefault(name, []).append(value)

            done = step + 1
            if done % settings.log_every == 0 or done == settings.steps:
                line = {"step": done, "learning_rate": learning_rate(step, settings)}
                line |= {name: round(float(np.mean(values)), 6) for name, values in running.items()}
                if valid_order and (done % settings.validate_every == 0 or done == settings.steps):
                    line |= evaluate(model, valid_order, encoder, settings)
                history.append(json.dumps(line))
                running = {}
                seconds = time.perf_counter() - began
                logger.info(
                    "step %d/%d, %s, %.0f tokens/s, %d samples shortened, %.0f s left",
                    done, settings.steps,
                    ", ".join(f"{k} {v:.4g}" for k, v in line.items() if k != "step"),
                    tokens / seconds, shortened, seconds / (done - logged) * (settings.steps - done),
                )  # fmt: skip
                began, tokens, logged = time.perf_counter(), 0, done
            if asked or (done % settings.checkpoint_every == 0 and done < settings.steps):
                state = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
                save_checkpoint(folder, done, {**state, "history": history, "running": running})
                if asked:
                    raise Interrupted(f"signal {asked[0]} after step {done}: checkpoint written, run again to resume")
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return history
