"""Named models: entries of ``config/models.yaml`` and of the configuration, laid over `model`."""

from collections.abc import Iterator
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.models.backbones import IMAGE_BACKBONES
from genebert.settings.fields import complete
from genebert.settings.figure2 import PANELS
from genebert.settings.fitting import lay_over
from genebert.settings.load import PLACEHOLDER, expand, load_yaml, merge
from genebert.settings.models import REGION_TRANSFORMER, ConvolutionSettings, reads
from genebert.settings.sentences import suggest

# Region encoder -> the file of config/sources.tsv with its ImageNet weights.
IMAGENET_FILES = {
    **{name: f"{name}/model.safetensors" for name in IMAGE_BACKBONES},
    "t2t-vit-14": "t2t-vit-14/81.5_T2T_ViT_14.pth.tar",
    "t2t-vit-24": "t2t-vit-24/82.3_T2T_ViT_24.pth.tar",
}
# Keys of an entry that are none of `model`.
OF_ENTRIES = ("finetune", "of", "ablation", "equal_samples", "pretrain_seeds")
# Between the name of a model and another seed that it is pre-trained with; no model's own name has it.
SEEDED = "@"
# Before the name of another model whose sequence encoder a model starts from.
OTHER_MODEL = "model:"


def load_models(path: str | Path) -> dict[str, dict]:
    """Return the entries of ``config/models.yaml``, model name to changes, unchecked; an InputError without them."""
    value = load_yaml(path)
    if list(value) != ["models"] or not isinstance(value["models"], dict):
        raise InputError(f"{path}: found the keys {', '.join(map(str, value))}, expected one block named models")
    return value["models"]


def _lay_over(model: dict, changes: dict) -> dict:
    """Merge an entry over a model.

    Arguments written for one region encoder are not handed to another, and a micro-batch larger than the entry's batch
    becomes that batch.
    """
    name = changes.get("region_encoder", {}).get("name", model["region_encoder"]["name"])
    if name != model["region_encoder"]["name"]:
        model = model | {"region_encoder": model["region_encoder"] | {"arguments": {}}}
    merged = merge(model, changes)
    training, changed = merged["training"], changes.get("training", {})
    if "batch" in changed and "micro_batch" not in changed and training["micro_batch"] is not None:
        training["micro_batch"] = min(training["micro_batch"], training["batch"])
    return merged


def starts_from(model: dict) -> str | None:
    """Return the name of the model that a model's sequence encoder starts from, None for a folder or random weights."""
    weights = model["sequence_encoder"]["weights"] or ""
    return weights.removeprefix(OTHER_MODEL) if weights.startswith(OTHER_MODEL) else None


def _filters(convolution: dict | None) -> str:
    return f"{convolution['filters']} filters of {convolution['width']} bases" if convolution else "no filters"


def is_trained(model: dict) -> bool:
    """Say whether a model's settings have steps and a loss."""
    return bool(reads(model))


class Models:
    """All models of a run: those of a complete configuration, over the entries of ``config/models.yaml``."""

    def __init__(self, config: dict, entries: dict[str, dict]):
        self.config, self.entries = config, entries
        own = dict.fromkeys([*entries, *config["models"]])
        self.names = [one for name in own for one in (name, *self.further(name))]
        self._ways: dict[str, dict[str, tuple[dict, dict]]] = {}

    def entry(self, name: str) -> dict[str, Any]:
        """Return what both say of a model, the configuration over ``config/models.yaml``; with any seed the same."""
        name = name.partition(SEEDED)[0]
        return merge(self.entries.get(name, {}), self.config["models"].get(name, {}))

    def further(self, name: str) -> list[str]:
        """Return the names of a model pre-trained with its further seeds; none of one that is such a model."""
        seeds = [] if SEEDED in name else self.entry(name).get("pretrain_seeds", [])
        return [f"{name}{SEEDED}{seed}" for seed in seeds]

    def seeded(self, name: str) -> list[str]:
        """Return what stands in a row of that name: a model with all its seeds of pre-training, or a baseline."""
        return [name, *(self.further(name) if name in self.names else [])]

    def seed(self, name: str) -> int:
        """Return the seed that a model is pre-trained with."""
        return int(name.partition(SEEDED)[2] or self.config["seed"])

    def _of_same_seed(self, other: str, name: str) -> str:
        """Return another model with the seed of a model, where it has that, else as it is."""
        seeded = SEEDED.join([other, name.partition(SEEDED)[2]])
        return seeded if seeded in self.further(other) else other

    def origin(self, name: str) -> str | None:
        """Return the model that an entry is another way of fine-tuning of."""
        origin = self.entry(name).get("of")
        return self._of_same_seed(origin, name) if origin else None

    def resolve(self, name: str) -> dict[str, Any]:
        """Return the full settings of a model before fine-tuning, paths expanded; those of its origin, if it has one.

        The word `imagenet` for the weights of an image backbone becomes the path of its file in IMAGENET_FILES. An
        InputError where there is no such model.
        """
        if name not in self.names:
            raise InputError(f"unknown model {name}; {suggest(name, self.names)}")
        if origin := self.origin(name):
            return self.resolve(origin)
        entry, model = self.entry(name), self.config["model"]
        batch = model["training"]["batch"]
        if entry.get("ablation") and self.config["ablation_steps"] is not None:
            model = merge(model, {"training": {"steps": self.config["ablation_steps"]}})
        own = name.partition(SEEDED)[0]
        for changes in (self.entries.get(own, {}), self.config["models"].get(own, {})):
            model = _lay_over(model, {key: value for key, value in changes.items() if key not in OF_ENTRIES})
        training = model["training"]
        own_steps = "steps" in entry.get("training", {})
        if entry.get("equal_samples") and training["steps"] and not own_steps:
            steps = max(1, round(training["steps"] * batch / training["batch"]))
            model = merge(model, {"training": {"steps": steps}})
        if model["matrix"] is None:
            model = merge(model, {"matrix": self.config["motifs"]["matrix"]})
        if start := starts_from(model):
            weights = OTHER_MODEL + self._of_same_seed(start, name)
            model = merge(model, {"sequence_encoder": {"weights": weights}})
        encoder, region = model["sequence_encoder"], model["region_encoder"]
        if encoder.get("convolution") is None:
            # Models from before there was that key are made from what they were made from: nothing is trained anew.
            encoder.pop("convolution", None)
        else:
            encoder["convolution"] = complete(ConvolutionSettings, encoder["convolution"])
        if region["weights"] == "imagenet" and region["name"] in IMAGENET_FILES:
            region["weights"] = f"{PLACEHOLDER}/{IMAGENET_FILES[region['name']]}"
        if region["name"] == REGION_TRANSFORMER:
            region["image"] = "fold"  # it reads rows: models that differ in the image alone are one
        return expand(model, self.config["data"])

    def finetune_layers(self, task: str, name: str) -> dict[str, dict[str, Any]]:
        """Return what says how a model is fine-tuned on a task, by the key where it stands, each over those before."""
        blocks, model = self.config["finetune"], name.partition(SEEDED)[0]
        own = {f"models.{model}.finetune": self.entry(name).get("finetune", {})}
        return {f"finetune.{block}": blocks[block] for block in ("default", task)} | own

    def finetune_settings(self, task: str, name: str) -> dict[str, Any]:
        """Return how a model is fine-tuned on a task: the default, the task's settings, those of the model's entry."""
        return reduce(lay_over, self.finetune_layers(task, name).values())

    @cached_property
    def resolved(self) -> dict[str, dict[str, Any]]:
        """The full settings of every model."""
        return {name: self.resolve(name) for name in self.names}

    @cached_property
    def canonical(self) -> dict[str, str]:
        """For every model the first name with equal settings and seed: those are trained once."""
        models = {name: (settings, self.seed(name)) for name, settings in self.resolved.items()}
        return {name: next(other for other, known in models.items() if known == own) for name, own in models.items()}

    def fits_of(self, task: str, row: str) -> list[str]:
        """Return the names under which a row of tables is fitted on a task, one for each seed of pre-training.

        It is the first model that is pre-trained and fine-tuned as this one is: they are fitted once, and share the
        further seeds that any of them names. One that cannot be had stands for itself alone.
        """
        if self.reason_of_absence(row):
            return [row]
        if task not in self._ways:  # asked for each row of each table, whenever a job reads the Snakefile
            self._ways[task] = {
                one: (self.resolved[one.partition(SEEDED)[0]], self.finetune_settings(task, one)) for one in self.names
            }
        found: dict[int, str] = {}
        for one, way in self._ways[task].items():
            if way == self._ways[task][row] and not self.reason_of_absence(one):
                found.setdefault(self.seed(one), one)
        own = self.seed(row)
        further = [] if SEEDED in row else [name for seed, name in found.items() if seed != own]
        return [found[own], *further]

    def pretrainings_of(self, name: str) -> list[str]:
        """Return the models that a model is trained as, one for each seed that it or an equal one names, its own first.

        How they are fine-tuned does not count; those that cannot be had are left out.
        """
        own, found = self.canonical[name], {}
        for one in [name, *self.names]:
            same = self.canonical[one.partition(SEEDED)[0]] == own
            if same and not self.reason_of_absence(one):
                found.setdefault(self.seed(one), self.canonical[one])
        return list(found.values())

    def ancestry(self, name: str) -> list[str]:
        """Return a model, the one that it starts from, and so on; each once, also where they go round in a circle.

        Of a model that is another, fine-tuned in another way, those of that.
        """
        found, name = [], self.origin(name) or name
        while name in self.resolved and name not in found:
            found.append(name)
            name = starts_from(self.resolved[name])
        return found

    def reason_of_absence(self, name: str, data_set: str = "") -> str | None:
        """Return why a model, or a data set (task/data set), cannot be had, None where both can."""
        reasons = self.config["unavailable"]
        own, origin = (one and one.partition(SEEDED)[0] for one in (name, self.origin(name)))
        return next((reasons[one] for one in (own, origin, data_set) if one in reasons), None)

    def of_figure2(self) -> dict[str, str]:
        """Return the models of Figure 2, panel to name; none where the run goes without, or cannot have one of them."""
        models = {panel: self.config["figure2"][panel] for panel in PANELS}
        without = None in models.values() or any(map(self.reason_of_absence, models.values()))
        return {} if without else models

    def origin_problems(self) -> Iterator[str]:
        """Say what is wrong with entries that are another model, fine-tuned in another way."""
        origins = {name: self.origin(name) for name in self.names if SEEDED not in name}
        others = [name for name, origin in origins.items() if origin is None]
        for name, origin in origins.items():
            seeds = self.entry(name).get("pretrain_seeds", [])
            if (own := self.config["seed"]) in seeds:
                expected = "expected others: the run's own seed is always among them"
                yield f"model {name}.pretrain_seeds: found {own}, {expected}"
                continue
            if origin is None:
                continue
            if origin not in others:
                yield f"model {name}.of: found {origin}, expected a model that is trained; {suggest(origin, others)}"
            elif unknown := [seed for seed in seeds if f"{origin}{SEEDED}{seed}" not in self.names]:
                yield f"model {name}.pretrain_seeds: found {unknown[0]}, expected one of model {origin}.pretrain_seeds"
            for key in self.entry(name):
                if key not in ("of", "finetune", "pretrain_seeds"):
                    expected = "expected finetune alone: it is the same pre-trained model"
                    yield f"model {name}.{key}: found beside `of`, {expected}"

    def start_problems(self) -> Iterator[str]:
        """Say what is wrong with models that start from another."""
        starts = {name: starts_from(model) for name, model in self.resolved.items() if SEEDED not in name}
        trained = [name for name, model in self.resolved.items() if is_trained(model) and SEEDED not in name]
        for name in starts:
            fixed = self.resolved[name]["sequence_encoder"]["weights"] is not None and name not in trained
            if fixed and self.further(name) and self.origin(name) is None:
                expected = "expected none: it is not trained, and its weights are the same with every seed"
                yield f"model {name}.pretrain_seeds: found {len(self.further(name))}, {expected}"
        for name, origin in starts.items():
            if origin is None or self.origin(name) is not None:
                continue
            where = f"model {name}: sequence_encoder.weights: found {OTHER_MODEL}{origin}"
            if SEEDED in origin:
                expected = "expected the model's own name: one of the same seed is taken where there is one"
                yield f"{where}, {expected}"
                continue
            if origin not in trained:
                yield f"{where}, expected a model that is trained; {suggest(origin, trained)}"
                continue
            before = self.ancestry(name)
            if (again := starts[before[-1]]) in before:
                circle = "itself start from" if again == name else "lead into a circle, that of"
                yield f"{where}, expected a model that does not {circle} {again}"
                continue
            source, model = (self.resolved[one] | self.resolved[one]["sequence_encoder"] for one in (origin, name))
            for key in ("layers", "hidden", "heads", "intermediate", "k"):
                if source[key] != model[key]:
                    yield f"{where} with {key} {source[key]}, expected {model[key]}, as this model has"
            has, wanted = source.get("convolution"), model.get("convolution")
            if has and has != wanted:
                expected = f"{_filters(wanted)}, as this model has" + ", or none" * bool(wanted)
                yield f"{where} with {_filters(has)}, expected {expected}"
