"""Fine-tuning of a BERT over k-mers on labelled sequences.

The network is :class:`genebert.classifier.Classifier`. AdamW, linear warm-up and decay, clipping as DNABERT (FACTS
D.4); early stopping on the validation AUC, and the weights of the best epoch make the scores.
"""

import copy
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from genebert.classifier import Classifier, load_encoder, predict, tokenise
from genebert.devices import autocast, choose_device
from genebert.errors import InputError
from genebert.files import read_json, sha256
from genebert.kmers import vocabulary_k
from genebert.models.folders import weights_file
from genebert.scores import check_examples, read_splits, versions, write_score, write_unavailable
from genebert.training.optimiser import make_adamw

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of fine-tuning.

    Attributes
    ----------
    learning_rate : float
        Peak.
    epochs : int
        Most epochs; the schedule's length.
    batch : int
        Sequences a step.
    warmup_fraction : float
        Share of the steps with rising rate; then linear decay to zero.
    weight_decay : float
        Not on biases and LayerNorm.
    patience : int
        Epochs without a better validation AUC before training stops.
    dropout : float
        In the encoder (hidden states and attention) and before the classifier.
    clip : float
        Largest gradient norm.
    betas, epsilon : AdamW
    precision : {"auto", "float32", "bfloat16"}
        ``auto``: bfloat16 autocast where the processor has it. The classifier itself is always float32.

    Raises
    ------
    InputError
        A value out of its range.
    """

    learning_rate: float = 3e-5
    epochs: int = 10
    batch: int = 32
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    patience: int = 3
    dropout: float = 0.1
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name in ("learning_rate", "clip", "epsilon"):
            if not getattr(self, name) > 0:
                raise InputError(f"finetune.{name}: found {getattr(self, name)}, expected a number above 0")
        for name in ("epochs", "batch", "patience"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InputError(f"finetune.{name}: found {value}, expected a whole number of at least 1")
        for name in ("warmup_fraction", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"finetune.{name}: found {getattr(self, name)}, expected 0 or more and less than 1")
        if not self.weight_decay >= 0:
            raise InputError(f"finetune.weight_decay: found {self.weight_decay}, expected 0 or more")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise InputError(f"finetune.precision: found {self.precision!r}, expected one of auto, float32, bfloat16")


def _optimiser(model: nn.Module, settings: FinetuneSettings, steps: int):
    """Return AdamW and its schedule: linear warm-up to the peak, linear decay to zero."""
    optimiser = make_adamw(model, settings.learning_rate, settings.betas, settings.epsilon, settings.weight_decay)
    warmup = int(settings.warmup_fraction * steps)

    def factor(step: int) -> float:
        return (step + 1) / (warmup + 1) if step < warmup else (steps - step) / max(1, steps - warmup)

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def _order(n: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the training examples in an epoch (int64 [n])."""
    return np.random.default_rng((seed, epoch)).permutation(n)


@dataclass(frozen=True)
class FinetuneResult:
    """What fine-tuning gives.

    Attributes
    ----------
    scores : dict
        ``valid`` and ``test`` -> probability of class 1 (float64 [n]) with the weights of the best epoch.
    history : list of dict
        For each epoch: epoch (from 1), train_loss, valid_auc, learning_rate at its end.
    best_epoch : int
        The first of the epochs with the largest validation AUC.
    k : int
    precision : str
        float32 or bfloat16, as used.
    device : str
        cpu or cuda.
    seconds : float
    """

    scores: dict[str, np.ndarray]
    history: list[dict[str, float]]
    best_epoch: int
    k: int
    precision: str
    device: str
    seconds: float


def finetune(
    model_folder: str | Path,
    tables: dict[str, pd.DataFrame],
    settings: FinetuneSettings,
    seed: int,
    device: str = "auto",
) -> FinetuneResult:
    """Fine-tune a model on labelled sequences and score the validation and test sequences.

    On a CPU with the same number of threads, equal arguments give equal scores, bit for bit.

    Parameters
    ----------
    model_folder : path
        Hugging Face folder of a BERT with DNABERT's k-mer vocabulary (``config.json``, weights, ``vocab.txt``).
    tables : dict
        ``train``, ``valid`` and ``test`` -> DataFrame with columns sequence and label (0, 1).
    settings : FinetuneSettings
    seed : int
        Of the classifier's initial weights, the order of the examples and dropout.
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    InputError
        The folder is not such a model, a sequence does not fit it, a table lacks a class, or the loss is no longer a
        number.
    """
    from sklearn.metrics import roc_auc_score

    start = time.perf_counter()
    place = choose_device(device)
    k = vocabulary_k(model_folder)
    for split, table in tables.items():
        check_examples(table, split)
    # The caller's random state is left as it was.
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        encoder = load_encoder(model_folder, settings.dropout)
        model = Classifier(encoder, settings.dropout).to(place)
        positions = encoder.config.max_position_embeddings
        tokens = {
            split: tokenise(table["sequence"].tolist(), k, positions, split).to(place)
            for split, table in tables.items()
        }
        labels = {split: torch.from_numpy(table["label"].to_numpy(np.int64)) for split, table in tables.items()}
        train_labels, valid_labels = labels["train"].to(place), labels["valid"].numpy()
        n = len(train_labels)
        steps = settings.epochs * -(-n // settings.batch)
        optimiser, schedule = _optimiser(model, settings, steps)

        history: list[dict[str, float]] = []
        best_auc, best_epoch, best_state = -np.inf, 0, {}
        for epoch in range(1, settings.epochs + 1):
            model.train()
            epoch_start = time.perf_counter()
            order = torch.from_numpy(_order(n, seed, epoch)).to(place)
            total = torch.zeros((), device=place, dtype=torch.float64)
            for rows in order.split(settings.batch):
                with autocast(settings.precision, place):
                    logits = model(*tokens["train"].batch(rows))
                loss = functional.cross_entropy(logits, train_labels[rows])
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad(set_to_none=True)
                total += loss.detach() * len(rows)
            train_loss = float(total) / n
            valid_scores = predict(model, tokens["valid"], settings.precision)
            if not np.isfinite(train_loss) or not np.isfinite(valid_scores).all():
                raise InputError(
                    f"{model_folder}: training diverged in epoch {epoch} with seed {seed}: loss {train_loss}, "
                    f"{int((~np.isfinite(valid_scores)).sum())} validation scores not finite; expected numbers "
                    f"(a learning rate below {settings.learning_rate}, or precision float32)"
                )
            auc = float(roc_auc_score(valid_labels, valid_scores))
            history.append(
                {
                    "epoch": epoch,
                    "train_loss": train_loss,
                    "valid_auc": auc,
                    "learning_rate": optimiser.param_groups[0]["lr"],
                }
            )
            logger.info(
                "epoch %d of %d: loss %.4f, validation AUC %.4f, %.0f sequences/s",
                epoch, settings.epochs, train_loss, auc, n / (time.perf_counter() - epoch_start),
            )  # fmt: skip
            if auc > best_auc:
                best_auc, best_epoch, best_state = auc, epoch, copy.deepcopy(model.state_dict())
            elif epoch - best_epoch >= settings.patience:
                logger.info("stopped: no better validation AUC in %d epochs", settings.patience)
                break
        model.load_state_dict(best_state)
        scores = {split: predict(model, tokens[split], settings.precision) for split in ("valid", "test")}
        with autocast(settings.precision, place):
            used = "bfloat16" if torch.is_autocast_enabled(place.type) else "float32"
    seconds = time.perf_counter() - start
    return FinetuneResult(scores, history, best_epoch, k, used, place.type, seconds)


def run_finetune(
    model_folder: str | Path,
    task_folder: str | Path,
    settings: FinetuneSettings,
    seed: int,
    out_json: str | Path,
    out_parquet: str | Path,
    names: dict[str, str],
    device: str = "auto",
) -> dict[str, Any]:
    """Fine-tune a model on a task folder and write its score file.

    Parameters
    ----------
    model_folder : path
        As for :func:`finetune`. ``model.json`` in it, if there, is copied into the score file; a key ``unavailable``
        in it (the reason) gives a score file that says so and holds no number.
    task_folder : path
        Holds train, valid and test.parquet.
    settings : FinetuneSettings
    seed : int
    out_json, out_parquet : path
    names : dict
        task, dataset, model, as the table will show them.
    device : str

    Returns
    -------
    dict
        The content of the score file.
    """
    record_file = Path(model_folder) / "model.json"
    record = read_json(record_file) if record_file.is_file() else None
    if record and "unavailable" in record:
        logger.warning("%s cannot be had: %s", names["model"], record["unavailable"])
        return write_unavailable(out_json, out_parquet, names, seed, record["unavailable"])
    tables, hashes = read_splits(task_folder)
    result = finetune(model_folder, tables, settings, seed, device)
    weights = weights_file(model_folder)
    provenance = {
        "method": {"kind": "finetune", "classifier": "linear, two logits, on the last hidden state of [CLS]"},
        "settings": {**asdict(settings), "precision_used": result.precision, "device": result.device, "k": result.k},
        "best_epoch": result.best_epoch,
        "history": result.history,
        "model_sha256": sha256(weights),
        "model_file": weights.name,
        "model_record": record,
        "data_sha256": hashes,
        "n_train": len(tables["train"]),
        "versions": versions("torch", "transformers", "numpy"),
    }
    labels = {split: table["label"].to_numpy() for split, table in tables.items()}
    score = write_score(
        out_json, out_parquet, names, seed, labels, result.scores, deterministic=False, provenance=provenance
    )
    metrics = score["metrics"]
    logger.info(
        "%s, seed %d: test AUC %.4f (epoch %d of %d), %s, %.1f s",
        names["model"], seed, metrics["roc_auc"], result.best_epoch, len(result.history),
        "collapsed to one class" if metrics["collapsed"] else f"MCC {metrics['mcc']:.3f}", result.seconds,
    )  # fmt: skip
    return score
