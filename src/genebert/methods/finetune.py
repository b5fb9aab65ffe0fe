"""Fine-tuning of a BERT over k-mers on labelled sequences, or of a linear probe on its frozen states.

The network is a :class:`~genebert.methods.classifier.Classifier` or a :class:`~genebert.methods.classifier.Probe`.
AdamW, linear warm-up and decay, clipping as DNABERT (docs/facts.md 18); early stopping on the validation AUC, and the
weights of the best epoch make the scores.
"""

import copy
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from genebert.errors import InputError
from genebert.evaluation.examples import check_examples
from genebert.evaluation.inputs import read_inputs
from genebert.evaluation.scores import versions, write_score, write_unavailable
from genebert.files import read_json, sha256
from genebert.genome.kmers import vocabulary_k
from genebert.methods.classifier import Classifier, Features, Probe, encode, predict
from genebert.models.bert import load_encoder, read_bert_config
from genebert.models.devices import autocast, choose_device
from genebert.models.folders import weights_file
from genebert.models.tokens import Tokens, both_strands, tokenise
from genebert.settings.fitting import FinetuneSettings
from genebert.training.optimiser import make_adamw

logger = logging.getLogger(__name__)
SEEN = {
    "cls": "the last hidden state of [CLS]",
    "mean": "the mean of the last hidden states of all tokens, [CLS] and [SEP] included",
    "max": "each unit's largest last hidden state over all tokens, [CLS] and [SEP] included",
}
READ = {"given": "as given", "both": "both, as two training examples; the mean of both probabilities"}
STRANDS = {"given": 1, "both": 2}  # readings of each sequence


class Diverged(InputError):
    """Training gave something else than numbers."""


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
        Each table but ``train`` -> probability of class 1 (float64 [n]) with the weights of the best epoch.
    history : list of dict
        For each epoch: epoch (from 1), train_loss, valid_auc, learning_rate at its end.
    best_epoch : int
        The first of the epochs with the largest validation AUC.
    settings : FinetuneSettings
        Those that the scores come from: of a grid, the chosen combination.
    trials : list of dict
        For each combination of the grid: settings (what differs), valid_auc, best_epoch; for one that diverged the
        last two are None, and diverged says why. One entry without a grid.
    chosen : int
        Its place in `trials`.
    k : int
    precision : str
        float32 or bfloat16, as used by the encoder.
    device : str
        cpu or cuda.
    seconds : float
    """

    scores: dict[str, np.ndarray]
    history: list[dict[str, float]]
    best_epoch: int
    settings: FinetuneSettings
    trials: list[dict[str, Any]]
    chosen: int
    k: int
    precision: str
    device: str
    seconds: float


def _precision(settings: FinetuneSettings) -> str:
    return "float32" if settings.frozen and settings.precision == "auto" else settings.precision


def _scores(model: Classifier | Probe, inputs: Tokens | Features, settings: FinetuneSettings) -> np.ndarray:
    """Return a set's probabilities of class 1 (float64 [n]), means over the strands read."""
    return predict(model, inputs, _precision(settings)).reshape(STRANDS[settings.strands], -1).mean(0)


def _train(
    model: Classifier | Probe,
    inputs: dict[str, Tokens] | dict[str, Features],
    labels: dict[str, np.ndarray],
    settings: FinetuneSettings,
    seed: int,
    where: str | Path,
) -> tuple[list[dict[str, float]], int]:
    """Train a network on `train`, leave it with the weights of its best epoch; return the history and that epoch."""
    from sklearn.metrics import roc_auc_score

    place, precision = next(model.parameters()).device, _precision(settings)
    train, target = inputs["train"], torch.from_numpy(np.tile(labels["train"], STRANDS[settings.strands])).to(place)
    n = len(target)
    optimiser, schedule = _optimiser(model, settings, settings.epochs * -(-n // settings.batch))
    history: list[dict[str, float]] = []
    best_auc, best_epoch, best_state = -np.inf, 0, {}
    for epoch in range(1, settings.epochs + 1):
        model.train()
        start = time.perf_counter()
        order = torch.from_numpy(_order(n, seed, epoch)).to(place)
        total = torch.zeros((), device=place, dtype=torch.float64)
        for rows in order.split(settings.batch):
            with autocast(precision, place):
                logits = model(*train.batch(rows))
            loss = functional.cross_entropy(logits, target[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad(set_to_none=True)
            total += loss.detach() * len(rows)
        train_loss = float(total) / n
        valid_scores = _scores(model, inputs["valid"], settings)
        if not np.isfinite(train_loss) or not np.isfinite(valid_scores).all():
            raise Diverged(
                f"{where}: training diverged in epoch {epoch} with seed {seed}: loss {train_loss}, "
                f"{int((~np.isfinite(valid_scores)).sum())} validation scores not finite; expected numbers "
                f"(a learning rate below {settings.learning_rate}, or precision float32)"
            )
        auc = float(roc_auc_score(labels["valid"], valid_scores))
        rate = optimiser.param_groups[0]["lr"]
        history.append({"epoch": epoch, "train_loss": train_loss, "valid_auc": auc, "learning_rate": rate})
        logger.info(
            "epoch %d of %d: loss %.4f, validation AUC %.4f, %.0f sequences/s",
            epoch, settings.epochs, train_loss, auc, n / (time.perf_counter() - start),
        )  # fmt: skip
        if auc > best_auc:
            best_auc, best_epoch, best_state = auc, epoch, copy.deepcopy(model.state_dict())
        elif epoch - best_epoch >= settings.patience:
            logger.info("stopped: no better validation AUC in %d epochs", settings.patience)
            break
    model.load_state_dict(best_state)
    return history, best_epoch


def _network(
    model_folder: str | Path,
    place: torch.device,
    settings: FinetuneSettings,
    seed: int,
    tokens: Callable[[str], dict[str, Tokens]],
    features: Callable[[str, str, str], dict[str, Features]],
) -> tuple[Classifier | Probe, dict[str, Tokens] | dict[str, Features]]:
    """Return a network before training, and what it reads; `seed` sets its weights and the dropout that follows."""
    if settings.frozen:
        inputs = features(settings.strands, settings.pooling, _precision(settings))
        sd = read_bert_config(model_folder).get("initializer_range", 0.02)
        torch.manual_seed(seed)
        return Probe(inputs["train"], settings.dropout, sd).to(place), inputs
    encoder = load_encoder(model_folder, settings.dropout)
    torch.manual_seed(seed)
    return Classifier(encoder, settings.dropout, settings.pooling).to(place), tokens(settings.strands)


def finetune(
    model_folder: str | Path,
    tables: dict[str, pd.DataFrame],
    settings: FinetuneSettings,
    seed: int,
    device: str = "auto",
) -> FinetuneResult:
    """Fine-tune a model on labelled sequences and score all others.

    On a CPU with the same number of threads, equal arguments give equal scores, bit for bit.

    Parameters
    ----------
    model_folder : path
        Hugging Face folder of a BERT with DNABERT's k-mer vocabulary (``config.json``, weights, ``vocab.txt``).
    tables : dict
        ``train``, ``valid``, ``test`` and any others to score -> DataFrame with columns sequence and label (0, 1).
        Only labels of train and valid are used, those of valid for the epoch and the grid's combination.
    settings : FinetuneSettings
    seed : int
        Of the classifier's initial weights, the order of the examples and dropout.
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    InputError
        The folder is not such a model, a sequence does not fit it, a table lacks a class, or the loss is no longer a
        number (with a grid: in all of its combinations).
    """
    start = time.perf_counter()
    place = choose_device(device)
    k = vocabulary_k(model_folder)
    for split, table in tables.items():
        check_examples(table, split)
    positions = read_bert_config(model_folder).get("max_position_embeddings", 512)
    labels = {split: tables[split]["label"].to_numpy(np.int64) for split in ("train", "valid")}

    @cache
    def tokens(strands: str) -> dict[str, Tokens]:
        read = both_strands if strands == "both" else list
        return {
            split: tokenise(read(table["sequence"]), k, positions, split).to(place) for split, table in tables.items()
        }

    @cache
    def features(strands: str, pooling: str, precision: str) -> dict[str, Features]:
        encoder = load_encoder(model_folder, 0.0).to(place)
        return {split: encode(encoder, one, pooling, precision) for split, one in tokens(strands).items()}

    trials: list[dict[str, Any]] = []
    best, failed = None, None
    # The caller's random state is left as it was.
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        for number, (change, one) in enumerate(settings.combinations()):
            if change:
                logger.info("grid: %s", ", ".join(f"{name} {value}" for name, value in change.items()))
            model, inputs = _network(model_folder, place, one, seed, tokens, features)
            try:
                history, epoch = _train(model, inputs, labels, one, seed, model_folder)
            except Diverged as error:
                failed = failed or error
                logger.warning("%s", error)
                trials.append({"settings": change, "valid_auc": None, "best_epoch": None, "diverged": str(error)})
                continue
            auc = history[epoch - 1]["valid_auc"]
            trials.append({"settings": change, "valid_auc": auc, "best_epoch": epoch})
            if best is None or auc > trials[best[0]]["valid_auc"]:
                best = number, one, model, inputs, history, epoch
    if best is None:
        raise failed
    chosen, used, model, inputs, history, epoch = best
    scores = {split: _scores(model, one, used) for split, one in inputs.items() if split != "train"}
    with autocast(_precision(used), place):
        precision = "bfloat16" if torch.is_autocast_enabled(place.type) else "float32"
    seconds = time.perf_counter() - start
    return FinetuneResult(scores, history, epoch, used, trials, chosen, k, precision, place.type, seconds)


def run_finetune(
    model_folder: str | Path,
    task_folder: str | Path,
    settings: FinetuneSettings,
    seed: int,
    out_json: str | Path,
    out_parquet: str | Path,
    names: dict[str, str],
    device: str = "auto",
    transfer: dict[str, str | Path] | None = None,
    n_train: int | None = None,
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
    transfer : dict, optional
        Other data set of the task -> its folder: its test set is scored too, see
        :func:`genebert.evaluation.transfer.transfer_tables`.
    n_train : int, optional
        Train on so many of the training examples only, see :func:`genebert.evaluation.examples.training_subset`.

    Returns
    -------
    dict
        The content of the score file.
    """
    start = time.perf_counter()
    record_file = Path(model_folder) / "model.json"
    record = read_json(record_file) if record_file.is_file() else None
    if record and "unavailable" in record:
        logger.warning("%s cannot be had: %s", names["model"], record["unavailable"])
        return write_unavailable(out_json, out_parquet, names, seed, record["unavailable"])
    inputs = read_inputs(task_folder, seed, n_train, transfer)
    others = {f"transfer to {name}": one.table for name, one in inputs.foreign.items()}
    result = finetune(model_folder, inputs.tables | others, settings, seed, device)
    weights = weights_file(model_folder)
    used = result.settings
    provenance = {
        "method": {
            "kind": "finetune",
            "encoder": "frozen" if used.frozen else "fine-tuned",
            "classifier": f"linear, two logits, on {SEEN[used.pooling]}" + (", standardised" if used.frozen else ""),
            "strands": READ[used.strands],
        },
        "settings": {
            **asdict(used), "grid": settings.grid, "precision_used": result.precision, "device": result.device,
            "k": result.k,
        },
        "best_epoch": result.best_epoch,
        "history": result.history,
        "model_sha256": sha256(weights),
        "model_file": weights.name,
        "model_record": record,
        **inputs.record,
        "versions": versions("torch", "transformers", "numpy"),
    }  # fmt: skip
    if settings.grid:
        provenance["grid_search"] = {"trials": result.trials, "chosen": result.trials[result.chosen]["settings"]}
    labels = {split: table["label"].to_numpy() for split, table in inputs.tables.items()}
    score = write_score(
        out_json, out_parquet, names, seed, labels, result.scores,
        deterministic=False,
        provenance=provenance,
        seconds=time.perf_counter() - start,
        transfer={
            name: (one.table["label"].to_numpy(), result.scores[f"transfer to {name}"], one.left_out)
            for name, one in inputs.foreign.items()
        } or None,
    )  # fmt: skip
    metrics = score["metrics"]
    logger.info(
        "%s, seed %d: test AUC %.4f (epoch %d of %d), %s, %.1f s",
        names["model"], seed, metrics["roc_auc"], result.best_epoch, len(result.history),
        "collapsed to one class" if metrics["collapsed"] else f"MCC {metrics['mcc']:.3f}", score["seconds"],
    )  # fmt: skip
    return score
