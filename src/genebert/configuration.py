"""Checking the merged configuration, and looking up models in it.

Imported each time the Snakefile is parsed, also by every cluster job: no heavy imports. Only this module knows the
layout of the configuration; the rest of the package takes plain values.
"""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from genebert.chromosomes import normalise_chromosome
from genebert.errors import InputError
from genebert.models.backbones import HUB, IMAGE_BACKBONES
from genebert.schemas import dotted, make_validator, sentences, show, suggest

BASELINES = ("kmer-logreg", "boosted-trees")
# What each form of the matrix is read from.
FORMAT_KEYS = {
    "mtx": ("matrix", "peaks", "cells", "group_by"),
    "dgcmatrix": ("matrix", "cells", "group_by"),
    "seurat": ("matrix", "assay", "group_by"),
    "h5ad": ("matrix", "group_by"),
    "bed": ("beds",),
}
PLACEHOLDER = "{data}"
# Region encoder -> the file of config/sources.tsv with its ImageNet weights.
IMAGENET_FILES = {
    **{name: f"{name}/model.safetensors" for name in IMAGE_BACKBONES},
    "t2t-vit-14": "t2t-vit-14/81.5_T2T_ViT_14.pth.tar",
    "t2t-vit-24": "t2t-vit-24/82.3_T2T_ViT_24.pth.tar",
}
NOT_ON_THE_HUB = tuple(name for name, model in IMAGE_BACKBONES.items() if model is None)


# ------------------------------------------------------------------------------------------------ reading and merging


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # libyaml where PyYAML was built with it
    """YAML with keys that occur twice refused; PyYAML keeps the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key} occurs twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_yaml(path: str | Path) -> dict:
    """Read a YAML file of keys and values.

    Raises
    ------
    InputError
        The file cannot be read, is not YAML, repeats a key, or holds something else.
    """
    try:
        value = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else f"{path}"
        raise InputError(f"{where}: not valid YAML ({getattr(error, 'problem', None) or error})") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: found {show(value)}, expected keys and values")
    return value


def load_models(path: str | Path) -> dict[str, dict]:
    """Return the entries of ``config/models.yaml``, model name to changes, unchecked.

    Raises
    ------
    InputError
        The file is not YAML or has no block ``models``.
    """
    value = load_yaml(path)
    if list(value) != ["models"] or not isinstance(value["models"], dict):
        raise InputError(f"{path}: found the keys {', '.join(map(str, value))}, expected one block named models")
    return value["models"]


def merge(base: Mapping, overlay: Mapping) -> dict:
    """Return `base` with `overlay` laid over it as Snakemake does: blocks are merged, all else is replaced."""
    merged = copy.deepcopy(dict(base))
    for key, value in overlay.items():
        if isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def normalise(config: dict) -> dict:
    """Return the configuration with ``{data}`` replaced by its key `data`, and ``chr20`` for ``20``."""
    config = _expand(config, config["data"])
    corpus = config["corpus"]
    held_out = [normalise_chromosome(name) for name in corpus["holdout_chromosomes"]]
    return {
        **config,
        "chromosomes": [normalise_chromosome(name) for name in config["chromosomes"]],
        "corpus": {**corpus, "holdout_chromosomes": held_out},
    }


def _expand(value: Any, data: str) -> Any:
    if isinstance(value, str):
        return value.replace(PLACEHOLDER, data.rstrip("/") if value.startswith(PLACEHOLDER + "/") else data)
    if isinstance(value, Mapping):
        return {key: _expand(item, data) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, data) for item in value]
    return value


# ------------------------------------------------------------------------------------------------------------- models


def model_names(config: dict, models: dict[str, dict]) -> list[str]:
    """Return the names of all models: those of ``config/models.yaml``, then those only in the config."""
    return list(dict.fromkeys([*models, *config.get("models", {})]))


def table_models(config: dict, models: dict[str, dict]) -> list[str]:
    """Return the models that the configured tables compare, baselines left out, in the order of :func:`model_names`."""
    used = {name for rows in config["tables"].values() for row in rows.values() for name in row} - set(BASELINES)
    return [name for name in model_names(config, models) if name in used]


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


def resolve_model(config: dict, models: dict[str, dict], name: str) -> dict:
    """Return the full settings of a model, paths expanded.

    `model:` of the config, under the entry of ``config/models.yaml``, under the entry in `models:` of the config. The
    word `imagenet` for the weights of an image backbone becomes the path of its file in IMAGENET_FILES.

    Parameters
    ----------
    config : dict
        Merged configuration.
    models : dict
        From :func:`load_models`.
    name : str

    Raises
    ------
    InputError
        There is no such model.
    """
    names = model_names(config, models)
    if name not in names:
        raise InputError(f"unknown model {name}; {suggest(name, names)}")
    model = _lay_over(config["model"], models.get(name, {}))
    model = _lay_over(model, config.get("models", {}).get(name, {}))
    region = model["region_encoder"]
    if region["weights"] == "imagenet" and region["name"] in IMAGENET_FILES:
        region["weights"] = f"{PLACEHOLDER}/{IMAGENET_FILES[region['name']]}"
    return _expand(model, config["data"])


def canonical_models(config: dict, models: dict[str, dict]) -> dict[str, str]:
    """Return for every model the first name with equal settings: those are trained once."""
    distinct: dict[str, dict] = {}
    canonical = {}
    for name in model_names(config, models):
        settings = resolve_model(config, models, name)
        canonical[name] = next((other for other, known in distinct.items() if known == settings), name)
        distinct.setdefault(canonical[name], settings)
    return canonical


def is_trained(model: dict) -> bool:
    """Say whether a model's settings have steps and a loss."""
    losses = model["losses"]
    return model["training"]["steps"] > 0 and bool(losses["mgm"] or losses["ngsp"] or losses["srm"])


# --------------------------------------------------------------------------------------------------------- validation


def validate_config(config: dict, models: dict[str, dict], schema_folder: str | Path) -> None:
    """Check the merged configuration and the named models.

    Parameters
    ----------
    config : dict
        ``config/config.yaml`` with the overlays laid over it.
    models : dict
        From :func:`load_models`.
    schema_folder : path
        Folder of ``config.schema.yaml`` and ``models.schema.yaml``.

    Raises
    ------
    InputError
        All problems, one line each: the dotted key, what was found, what was expected.
    """
    names = ("config.schema.yaml", "models.schema.yaml")
    schemas = {name: load_yaml(Path(schema_folder) / name) for name in names}
    problems: dict[str, None] = {}  # an ordered set
    broken = set()
    for where, schema, instance in zip(("config", "models.yaml"), names, (config, {"models": models}), strict=True):
        for error in make_validator(schemas, schema).iter_errors(instance):
            problems.update(dict.fromkeys(sentences(error, where, schemas)))
            if error.path:
                broken.add(error.path[0])
            elif error.validator == "required":
                broken.update(key for key in error.validator_value if key not in instance)
    for sections, check in _CHECKS:
        if not broken.intersection(sections):
            problems.update(dict.fromkeys(f"config: {problem}" for problem in check(config)))
    if not broken.intersection({"data", "model", "models", "corpus"}):
        problems.update(dict.fromkeys(_model_problems(config, models, schemas)))
    if not broken.intersection({"tasks", "tables"}) and isinstance(config.get("models", {}), Mapping):
        problems.update(dict.fromkeys(f"config: {problem}" for problem in _check_tables(config, models)))
    if problems:
        raise InputError("\n".join(problems))


# ---------------------------------------------------------------------------------------------- rules across keys


def _check_placeholders(config: dict) -> Iterator[str]:
    def strings(value: Any, path: tuple) -> Iterator[tuple[tuple, str]]:
        if isinstance(value, Mapping | list):
            for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
                yield from strings(item, (*path, key))
        elif isinstance(value, str):
            yield path, value

    for path, text in strings(config, ()):
        allowed = () if path in (("data",), ("run",)) else (PLACEHOLDER,)
        for found in re.findall(r"\{[^}]*\}?", text):
            if found not in allowed:
                yield f"{dotted(path)}: found the placeholder {found}, expected {' or '.join(allowed) or 'none here'}"


def _check_chromosomes(config: dict) -> Iterator[str]:
    lists = {
        "chromosomes": config["chromosomes"],
        "corpus.holdout_chromosomes": config["corpus"]["holdout_chromosomes"],
    }
    for key, names in lists.items():
        bare = [normalise_chromosome(name) for name in names]
        for i, name in enumerate(names):
            if bare[i] in bare[:i]:
                yield f"{key}: found {name} and {names[bare.index(bare[i])]}, which are the same; expected no repeats"
    all_bare, held = (set(map(normalise_chromosome, names)) for names in lists.values())
    if held - all_bare:
        missing = [
            str(name) for name in lists["corpus.holdout_chromosomes"] if normalise_chromosome(name) not in all_bare
        ]
        yield f"corpus.holdout_chromosomes: found {', '.join(missing)}, expected only names that chromosomes lists"
    elif held == all_bare:
        yield "corpus.holdout_chromosomes: found all of chromosomes, expected at least one left for pre-training"


def _check_simulate(config: dict) -> Iterator[str]:
    simulate = config["simulate"]
    if "chromosomes" in simulate:
        for name in simulate.get("mostly_n", []):
            if name not in simulate["chromosomes"]:
                yield f"simulate.mostly_n: found {name}, expected only names that simulate.chromosomes lists"
    shares = [simulate.get(key, 0) for key in ("domain_purity", "housekeeping")]
    if sum(shares) > 1:
        yield f"simulate.domain_purity and housekeeping: found {shares[0]} and {shares[1]}, expected at most 1 together"


def _check_accessibility(config: dict) -> Iterator[str]:
    settings = config["accessibility"]
    kind = settings["format"]
    for key in FORMAT_KEYS[kind]:
        if not settings[key]:
            yield f"accessibility.{key}: found {show(settings[key])}, but accessibility.format {kind} needs it"
    if settings["binarise"] == "min_fraction" and settings["min_fraction"] is None:
        yield "accessibility.min_fraction: found null, but accessibility.binarise min_fraction needs it"


def _check_motifs(config: dict) -> Iterator[str]:
    background = config["motifs"]["background"]
    if background != "regions" and abs(sum(background) - 1) > 1e-3:
        yield f"motifs.background: found {show(background)} with the sum {sum(background):.4g}, expected the sum 1"
    cropped, scanned = config["corpus"]["region_bp"], config["motifs"]["region_bp"]
    if scanned not in (None, cropped):
        yield f"motifs.region_bp: found {scanned}, expected null or the same as corpus.region_bp, {show(cropped)}"


def _check_tables(config: dict, models: dict[str, dict]) -> Iterator[str]:
    names = model_names(config, models)
    for name in set(names).intersection(BASELINES):
        yield f"the model name {name} is that of a baseline, expected another name"
    data_sets = [f"{task}/{name}" for task, sets in config["tasks"].items() for name in sets]
    for table, rows in config["tables"].items():
        for data_set, row_models in rows.items():
            if data_set not in data_sets:
                yield f"tables.{table}: unknown data set {data_set}; {suggest(str(data_set), data_sets)}"
            for name in row_models:
                if name not in names and name not in BASELINES:
                    hint = suggest(name, [*BASELINES, *names])
                    yield f"tables.{table}.{data_set}: unknown model or baseline {name}; {hint}"


_CHECKS: tuple[tuple[set[str], Callable[[dict], Iterator[str]]], ...] = (
    (set(), _check_placeholders),
    ({"chromosomes", "corpus"}, _check_chromosomes),
    ({"simulate"}, _check_simulate),
    ({"accessibility"}, _check_accessibility),
    ({"motifs", "corpus"}, _check_motifs),
)


def _model_problems(config: dict, models: dict[str, dict], schemas: dict[str, dict]) -> Iterator[str]:
    """Check the full settings of every model; what several models share is said once."""
    found: dict[str, list[str]] = {}
    validator = make_validator(schemas, "models.schema.yaml#/$defs/settings")
    for name in model_names(config, models):
        model = resolve_model(config, models, name)
        # Entries are valid one by one; what remains is what depends on the chosen region encoder.
        errors = [sentence for error in validator.iter_errors(model) for sentence in sentences(error, "", schemas)]
        for problem in errors or (f": {problem}" for problem in _check_model(model, config["corpus"]["region_bp"])):
            found.setdefault(problem, []).append(name)
    for problem, names in found.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"model {', '.join(names[:3])}{more}{problem}"


def _check_model(model: dict, region_bp: int | None) -> Iterator[str]:
    sequence, region, losses, training = (
        model[key] for key in ("sequence_encoder", "region_encoder", "losses", "training")
    )
    if sequence["hidden"] % sequence["heads"]:
        yield (
            f"sequence_encoder.hidden: found {sequence['hidden']}, expected a multiple of "
            f"sequence_encoder.heads, {sequence['heads']}"
        )
    if region_bp is not None and region_bp < model["k"]:
        yield f"k: found {model['k']}, expected at most corpus.region_bp, {region_bp}"
    if region["name"] in NOT_ON_THE_HUB and region["weights"] == HUB:
        yield f"region_encoder.weights: found 'hub', expected a path, imagenet or null: the hub has no {region['name']}"
    if region["name"] == "region-transformer":
        if region["weights"] is not None:
            yield (
                f"region_encoder.weights: found {show(region['weights'])}, expected null: "
                "region-transformer has no published weights"
            )
        sizes = region["arguments"]
        hidden, heads = sizes.get("hidden"), sizes.get("heads")
        if hidden and heads and hidden % heads:
            yield (
                f"region_encoder.arguments.hidden: found {hidden}, expected a multiple of "
                f"region_encoder.arguments.heads, {heads}"
            )
    if training["steps"] > 0:
        if not (losses["mgm"] or losses["ngsp"] or losses["srm"]):
            yield f"training.steps: found {training['steps']}, but no loss is on; expected 0, or a loss"
        if losses["srm"] and training["batch"] < 2:
            yield "training.batch: found 1, expected at least 2: losses.srm contrasts the samples of a batch"
    micro_batch = training["micro_batch"]
    if micro_batch is not None and micro_batch > training["batch"]:
        yield f"training.micro_batch: found {micro_batch}, expected at most training.batch, {training['batch']}"
