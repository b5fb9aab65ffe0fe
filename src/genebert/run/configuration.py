"""Reading and merging the configuration, and looking up models in it.

Imported each time the Snakefile is parsed, also by every cluster job: no heavy imports. Only this module, `validation`,
`data_sets` and `budget` know the layout of the configuration; the rest of the package takes plain values.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from genebert.errors import InputError
from genebert.genome.chromosomes import normalise_chromosome
from genebert.methods.registry import BASELINES
from genebert.models.backbones import IMAGE_BACKBONES
from genebert.settings.sentences import show, suggest

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
# Before the name of another model whose sequence encoder a model starts from.
OTHER_MODEL = "model:"
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
    """Return the models that the configured tables compare, in the order of :func:`model_names`.

    Baselines and what `unavailable` names are left out.
    """
    used = {name for rows in config["tables"].values() for row in rows.values() for name in row}
    absent = {*BASELINES, *config["unavailable"]}
    names = [name for name in model_names(config, models) if name in used]
    return [name for name in names if not absent.intersection({name, model_entry(config, models, name).get("of")})]


def model_entry(config: dict, models: dict[str, dict], name: str) -> dict:
    """Return what ``config/models.yaml`` and `models:` of the config say of a model, the latter over the former."""
    return merge(models.get(name, {}), config.get("models", {}).get(name, {}))


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
    """Return the full settings of a model before fine-tuning, paths expanded; an entry with `of` has those of another.

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
    origin = model_entry(config, models, name).get("of")
    if origin is not None:
        return resolve_model(config, models, origin)
    model = config["model"]
    for entry in (models.get(name, {}), config.get("models", {}).get(name, {})):
        model = _lay_over(model, {key: value for key, value in entry.items() if key != "finetune"})
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


def starts_from(model: dict) -> str | None:
    """Return the name of the model that a model's sequence encoder starts from, None for a folder or random weights."""
    weights = model["sequence_encoder"]["weights"] or ""
    return weights.removeprefix(OTHER_MODEL) if weights.startswith(OTHER_MODEL) else None


def is_trained(model: dict) -> bool:
    """Say whether a model's settings have steps and a loss."""
    losses = model["losses"]
    return model["training"]["steps"] > 0 and bool(losses["mgm"] or losses["ngsp"] or losses["srm"])
