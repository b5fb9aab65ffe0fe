"""Fine-tuning of a BERT over k-mers on labelled sequences, or of a linear probe on its frozen states.

The network is a :class:`~genebert.methods.classifier.Classifier` or a :class:`~genebert.methods.classifier.Probe`.
AdamW, linear warm-up and decay, clipping as DNABERT (docs/facts.md 18); early stopping on the validation metric, and
the weights of the best epoch make the scores.
"""

import copy
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Self
from weakref import WeakKeyDictionary

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.files import read_json, sha256
from genebert.genome.kmers import save_tokenizer, vocabulary_k
from genebert.methods.base import Fitted, Method, Unavailable
from genebert.methods.classifier import Classifier, Features, Probe, Reading, distance_from_top, encode, predict
from genebert.methods.probes import fit_sparse
from genebert.models.bert import load_encoder, read_bert_config, save_code
from genebert.models.devices import autocast, choose_device, computed_in
from genebert.models.folders import REGRESSION_FILE, WEIGHTS, weights_file
from genebert.models.motif_scores import MotifScores
from genebert.models.tokens import Tokens, tokenise
from genebert.models.weights import fill, read_tensors
from genebert.settings.fitting import MOTIFS, SPARSE, FinetuneSettings, only_of_two_classes
from genebert.training.fit import Course, Diverged, fit
from genebert.training.optimiser import make_adamw

logger = logging.getLogger(__name__)
# A probe before all weights are trained (`start`). Features are read once, so that an epoch takes a second.
PROBE = {"frozen": True, "epochs": 5, "patience": 5, "learning_rate": 1e-2}
SEEN = {
    "cls": "the last hidden state of [CLS]",
    "mean": "the mean of the last hidden states of all tokens, [CLS] and [SEP] included",
    "max": "each unit's largest last hidden state over all tokens, [CLS] and [SEP] included",
    MOTIFS: "each motif's predicted score, the largest over all k-mers",
}
READ = {"given": "as given", "both": "both, as two training examples; the mean of both probabilities"}
STRANDS = {"given": 1, "both": 2}  # readings of each sequence
HEAD = "head.safetensors"
ELSEWHERE = ("encoder.", "reading.")  # tensors of a network that are in other files


def _optimiser(model: nn.Module, settings: FinetuneSettings, steps: int):
    """Return AdamW and its schedule: linear warm-up to the peak, linear decay to zero."""
    rate: dict[str, Any] = {}
    if settings.layer_decay < 1 and isinstance(model, Classifier):
        layers = model.encoder.config.num_hidden_layers
        rate = {"rate": lambda name: settings.layer_decay ** distance_from_top(name, layers)}
    optimiser = make_adamw(model, settings, **rate)
    warmup = int(settings.warmup_fraction * steps)

    def factor(step: int) -> float:
        return (step + 1) / (warmup + 1) if step < warmup else (steps - step) / max(1, steps - warmup)

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def order_of(n: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the training examples in an epoch (int64 [n])."""
    return np.random.default_rng((seed, epoch)).permutation(n)


def precision_of(settings: FinetuneSettings, place: torch.device) -> str:
    """Return what the encoder computes in: float32 or bfloat16."""
    if settings.frozen and settings.precision == "auto":
        return "float32"
    return computed_in(settings.precision, place)


class Encoder:
    """A model folder, and what networks read of examples through it, made once for each set.

    The folder holds a BERT in Hugging Face's form with DNABERT's k-mer vocabulary (``config.json``, weights,
    ``vocab.txt``).
    """

    def __init__(self, folder: str | Path, kind: Kind):
        self.folder, self.kind = Path(folder), kind
        self.place = choose_device()
        self.k = vocabulary_k(folder)
        self.config = read_bert_config(folder)
        self.positions = self.config.get("max_position_embeddings", 512)
        self._made: WeakKeyDictionary[Examples, dict[Any, Tokens | Features]] = WeakKeyDictionary()

    @cached_property
    def frozen(self) -> nn.Module:
        """The BERT as it is, for probes."""
        return load_encoder(self.folder, 0.0).to(self.place)

    @cached_property
    def motif_scores(self) -> MotifScores:
        """The map to predicted scores as it is; an InputError where the model has none."""
        return MotifScores.read(self.folder).to(self.place)

    def reading(self, settings: FinetuneSettings) -> tuple[Reading, int]:
        """Return what heads read of states, and how many values that is; a module where it has weights of its own."""
        if settings.pooling == MOTIFS:
            scores = self.motif_scores if settings.frozen else copy.deepcopy(self.motif_scores)  # to be trained
            return scores, scores.regression.out_features
        return partial(self.kind.states, pooling=settings.pooling, k=self.k), self.config["hidden_size"]

    def tokens(self, examples: Examples, strands: str = "given") -> Tokens:
        """Return token ids; those of both strands one after the other."""
        made = self._made.setdefault(examples, {})
        if strands not in made:
            both = strands == "both"
            found = self.tokens(examples).both_strands(self.k) if both else tokenise(examples, self.k, self.positions)
            made[strands] = found.to(self.place)
        return made[strands]

    def inputs(self, examples: Examples, settings: FinetuneSettings) -> Tokens | Features:
        """Return what a network of these settings reads."""
        tokens = self.tokens(examples, settings.strands)
        if not settings.frozen:
            return tokens
        made, precision = self._made[examples], precision_of(settings, self.place)
        key = (settings.strands, settings.pooling, precision)
        if key not in made:
            made[key] = encode(self.frozen, tokens, self.reading(settings)[0], precision)
        return made[key]

    def network(self, training: Tokens | Features | None, settings: FinetuneSettings, seed: int) -> Classifier | Probe:
        """Return a network before training; `seed` sets its weights and the dropout that follows.

        A probe needs the `training` examples as it reads them.
        """
        if settings.frozen:
            torch.manual_seed(seed)
            sd = self.config.get("initializer_range", 0.02)
            return Probe(training, self.kind.outputs, settings.dropout, sd).to(self.place)
        encoder = load_encoder(self.folder, settings.dropout, settings.attention_dropout)
        torch.manual_seed(seed)
        return self.classifier(encoder, settings)

    def classifier(self, encoder: nn.Module, settings: FinetuneSettings) -> Classifier:
        """Return a BERT with a new head."""
        reading, width = self.reading(settings)
        return Classifier(encoder, reading, self.kind.outputs, settings.dropout, width).to(self.place)


@dataclass(frozen=True)
class Training:
    """What the epochs of a training see."""

    n: int  # examples an epoch
    epoch: Callable[[int], tuple[Tokens | Features, torch.Tensor, torch.Tensor]]  # -> inputs, labels, order of rows


@dataclass(frozen=True, eq=False)
class FinetunedModel(Fitted):
    """A trained network, the encoder that it reads through, and the settings: of a grid, the chosen combination."""

    encoder: Encoder
    network: Classifier | Probe
    settings: FinetuneSettings
    Encoder: ClassVar = Encoder
    Settings: ClassVar = FinetuneSettings

    def score(self, examples: Examples) -> np.ndarray:
        """Return the scores of the task's kind (float64 [n, ...]), means over the strands read."""
        inputs = self.encoder.inputs(examples, self.settings)
        precision = precision_of(self.settings, self.encoder.place)
        found = predict(self.network, inputs, self.kind, precision)
        found = found.reshape(STRANDS[self.settings.strands], len(examples), *found.shape[1:])
        return np.stack([found[0], *map(self.kind.turn, found[1:])]).mean(0)

    def write(self, folder: Path) -> None:
        """Write encoder and tokenizer in Hugging Face's form, and the rest of the network as ``head.safetensors``."""
        bert = self.encoder.frozen if self.settings.frozen else self.network.encoder
        bert.config.save_pretrained(folder)
        save_code(folder, bert.config)
        save_file(bert.state_dict(), folder / WEIGHTS[0], metadata={"format": "pt"})
        save_tokenizer(folder, self.encoder.k, self.encoder.positions)
        if self.settings.pooling == MOTIFS:
            (self.encoder.motif_scores if self.settings.frozen else self.network.reading).write(folder)
        state = {name: value for name, value in self.network.state_dict().items() if not name.startswith(ELSEWHERE)}
        save_file(state, folder / HEAD)

    @classmethod
    def read(cls, folder: Path, method: str, kind: Kind, record: dict[str, Any]) -> Self:
        """Read what :meth:`write` wrote; it computes in the precision that it was trained in."""
        used = record["settings"]
        values = {one.name: used[one.name] for one in fields(cls.Settings) if one.name in used}
        settings = cls.Settings(**values | {"precision": used["precision_used"]})
        encoder, head = cls.Encoder(folder, kind), read_tensors(folder / HEAD)
        if settings.frozen:
            mean = head.get("mean", torch.zeros(1))  # a missing tensor is told below
            network = Probe(Features(mean[None]), kind.outputs, settings.dropout, 0.0)
        else:
            network = encoder.classifier(load_encoder(folder, settings.dropout), settings)
        fill(network, folder / HEAD, head, but=ELSEWHERE)
        return cls(method, kind, record, encoder, network.to(encoder.place), settings)


class Finetune(Method):
    """``finetune``: fine-tuning of the BERT in the folder ``model``.

    Unavailable where its ``model.json`` has a key ``unavailable``, the reason; an InputError where it is no such model.
    """

    name = "finetune"
    fitted = FinetunedModel
    Settings = FinetuneSettings
    packages = ("torch", "transformers", "numpy")

    def __init__(self, kind: Kind, options: dict[str, Any], files: dict[str, str | Path], card: dict[str, Any]):
        super().__init__(kind, options, files, card)
        for _, one in self.settings.combinations():
            if kind.one_strand and one.strands != "given":
                raise InputError(f"finetune.strands: found {one.strands}, expected given: {kind.one_strand}")
        for why in () if kind.name == TwoClass.name else only_of_two_classes(asdict(self.settings)):
            raise InputError(f"finetune.{why}")
        folder = Path(files["model"])
        path = folder / "model.json"
        record = read_json(path) if path.is_file() else None
        if record and "unavailable" in record:
            raise Unavailable(record["unavailable"])
        self.encoder = self.fitted.Encoder(folder, self.kind)
        weights = weights_file(folder)
        self.source = {"model_sha256": sha256(weights), "model_file": weights.name, "model_record": record}
        combinations = [one for _, one in self.settings.combinations()]
        if any(one.pooling == MOTIFS for one in combinations):
            _ = self.encoder.motif_scores  # a model that has none is told here, before any example is read
            self.source["regression_sha256"] = sha256(folder / REGRESSION_FILE)
        # Nothing is drawn where a fit has no epochs.
        self.deterministic = all(one.frozen and one.probe == SPARSE for one in combinations)

    def prepare(self, examples: Examples) -> None:
        """Tokenise them, which refuses sequences that do not fit the model."""
        self.encoder.tokens(examples)

    def fit(self, train: Examples, valid: Examples, seed: int) -> FinetunedModel:
        """Train on `train`; `valid` chooses the epoch and the combination of the grid.

        The seed is of the classifier's initial weights, the order of the examples and dropout. A grid fails only where
        all of its combinations diverge.
        """
        trials: list[dict[str, Any]] = []
        best, failed, encoder = None, None, self.encoder
        metric = f"valid_{self.kind.selects.lower()}"
        # The caller's random state is left as it was.
        with torch.random.fork_rng(devices=[encoder.place] if encoder.place.type == "cuda" else []):
            for change, one in self.settings.combinations():
                if change:
                    logger.info("grid: %s", ", ".join(f"{name} {value}" for name, value in change.items()))
                try:
                    model, trained = self._fit_one(train, valid, one, seed)
                except Diverged as error:
                    failed = failed or error
                    logger.warning("%s", error)
                    trials.append({"settings": change, metric: None, "best_epoch": None, "diverged": str(error)})
                    continue
                epoch = trained["best_epoch"]
                value = next(line[metric] for line in trained["history"] if line["epoch"] == epoch)
                trials.append({"settings": change, metric: value, "best_epoch": epoch})
                if best is None or value > best[0]:
                    best = value, change, model, trained
        if best is None:
            raise failed
        _, chosen, model, trained = best
        record = self.about(model.settings) | trained | self.source
        if self.settings.grid:
            record["grid_search"] = {"trials": trials, "chosen": chosen}
        return replace(model, record=record)

    def _fit_one(
        self, train: Examples, valid: Examples, settings: FinetuneSettings, seed: int
    ) -> tuple[FinetunedModel, dict[str, Any]]:
        """Return a trained model and what the record says of its training, with that of a probe that it began as."""
        model, training = self._untrained(train, settings, seed)
        if settings.frozen and settings.probe == SPARSE:
            return model, self._sparse(model, training, train, valid)
        if settings.frozen or settings.start == "all":
            return model, self._train(model, training, valid, seed)
        logger.info("a probe first")
        probe, seen = self._untrained(train, replace(settings, **PROBE), seed)
        if settings.probe == SPARSE:
            found = self._sparse(probe, seen, train, valid)
        else:
            # The plain loop: what methods do to scores after a training is done once, after that of all weights.
            found = Finetune._train(self, probe, seen, valid, seed)
        probe.network.put_into(model.network.linear)
        # As before a training that begins with all weights: what a probe draws is not seen by what follows.
        torch.manual_seed(seed)
        return model, {**self._train(model, training, valid, seed, begun=True), "probe": found}

    def _sparse(self, model: FinetunedModel, training: "Training", train: Examples, valid: Examples) -> dict[str, Any]:
        """Fit a probe that uses few units; return what the record says of it.

        With ``keep: last`` folds of the training examples choose them, so that no validation label does.
        """
        strands = STRANDS[model.settings.strands]
        sequences = np.tile(np.arange(len(train.labels)), strands) if model.settings.keep == "last" else None
        inputs, of_valid = training.epoch(1)[0], self.encoder.inputs(valid, model.settings)
        labels = [np.tile(one.labels, strands) for one in (train, valid)]
        where = str(self.encoder.folder)
        found = fit_sparse(model.network, inputs, labels[0], of_valid, labels[1], where, sequences=sequences)
        if model.settings.pooling == MOTIFS and (ids := self.encoder.motif_scores.motif_ids):
            found["largest_weights"] = {ids[int(unit)]: weight for unit, weight in found["largest_weights"].items()}
        value = self.kind.select(valid, model.score(valid))
        logger.info("probe of %d units: validation %s %.4f", found["units"], self.kind.selects, value)
        line = {"epoch": 0, "train_loss": None, f"valid_{self.kind.selects.lower()}": value}
        return {"best_epoch": 0, "history": [line], "sparse": found}

    def _untrained(self, train: Examples, settings: FinetuneSettings, seed: int) -> tuple[FinetunedModel, "Training"]:
        """Return a model with the weights that it begins with, and what the epochs of its training see."""
        training = self.training(train, settings, seed)
        network = self.encoder.network(training.epoch(1)[0] if settings.frozen else None, settings, seed)
        return self.model(network, settings, training), training

    def model(self, network: Classifier | Probe, settings: FinetuneSettings, training: Training) -> FinetunedModel:
        """Return a network with what it is read through, before it is trained and without a record."""
        return self.fitted(self.name, self.kind, {}, self.encoder, network, settings)

    def training(self, train: Examples, settings: FinetuneSettings, seed: int) -> Training:
        """Return what epochs see: all examples, in an order of their own; those of both strands one after the other."""
        inputs, labels = self.encoder.inputs(train, settings), train.labels
        readings = [labels, self.kind.turn(labels)][: STRANDS[settings.strands]]
        target = torch.from_numpy(np.concatenate(readings)).to(self.encoder.place)

        def epoch(number: int) -> tuple[Tokens | Features, torch.Tensor, torch.Tensor]:
            order = order_of(len(target), seed, number)
            return inputs, target, torch.from_numpy(order).to(self.encoder.place)

        return Training(len(target), epoch)

    def _train(
        self, model: FinetunedModel, training: Training, valid: Examples, seed: int, *, begun: bool = False
    ) -> dict[str, Any]:
        """Train a model; return the best epoch, whose weights it has then, and the history.

        With `begun` its weights, those that a probe began with, are epoch 0.
        """
        network, settings, n = model.network, model.settings, training.n
        place, precision = self.encoder.place, precision_of(settings, self.encoder.place)
        optimiser, schedule = _optimiser(network, settings, settings.epochs * -(-n // settings.batch))
        rates: list[float | None] = [None] * begun

        def train_epoch(epoch: int) -> float:
            total = torch.zeros((), device=place, dtype=torch.float64)
            inputs, target, order = training.epoch(epoch)
            for rows in order.split(settings.batch):
                with autocast(precision, place):
                    outputs = network(*inputs.batch(rows))
                loss = self.kind.loss(outputs, target[rows])
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad(set_to_none=True)
                total += loss.detach() * len(rows)
            rates.append(optimiser.param_groups[0]["lr"])
            return float(total) / n

        remedy = f"a learning rate below {settings.learning_rate}, or precision float32"
        course = Course(
            settings.epochs, settings.patience, str(self.encoder.folder), seed, remedy, begun, settings.keep
        )
        history, best = fit(network, self.kind, valid, course, train_epoch, lambda: model.score(valid))
        history = [epoch | {"learning_rate": rate} for epoch, rate in zip(history, rates, strict=True)]
        return {"best_epoch": best, "history": history}

    def about(self, used: FinetuneSettings) -> dict[str, Any]:
        """Return method and settings for the record."""
        head = f"linear, {self.kind.output_words}, on {SEEN[used.pooling]}" + (", standardised" if used.frozen else "")
        return {
            "method": {
                "kind": "finetune",
                "encoder": "frozen" if used.frozen else "fine-tuned",
                "classifier": head,
                "strands": READ[used.strands],
            },
            "settings": {
                **asdict(used),
                "grid": self.settings.grid,
                "precision_used": precision_of(used, self.encoder.place),
                "device": self.encoder.place.type,
                "k": self.encoder.k,
            },
        }
