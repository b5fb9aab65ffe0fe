"""Checks of the merged configuration: the schema, and what one key demands of another."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.genome.chromosomes import normalise_chromosome
from genebert.models.backbones import HUB
from genebert.run import data_sets
from genebert.run.configuration import (
    FORMAT_KEYS,
    NOT_ON_THE_HUB,
    OTHER_MODEL,
    PLACEHOLDER,
    is_trained,
    load_yaml,
    model_entry,
    model_names,
    resolve_model,
    starts_from,
)
from genebert.settings.sentences import dotted, make_validator, sentences, show, suggest
from genebert.sources.registry import read_tfbs_list


def validate_config(config: dict, models: dict[str, dict], folder: str | Path) -> None:
    """Check the merged configuration and the named models.

    Parameters
    ----------
    config : dict
        ``config/config.yaml`` with the overlays laid over it.
    models : dict
        From :func:`load_models`.
    folder : path
        The folder ``config``: the schemas, and ``tfbs.tsv``.

    Raises
    ------
    InputError
        All problems, one line each: the dotted key, what was found, what was expected.
    """
    names = ("config.schema.yaml", "models.schema.yaml")
    schemas = {name: load_yaml(Path(folder) / "schemas" / name) for name in names}
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
        origins = list(_check_origins(config, models))
        problems.update(
            dict.fromkeys(origins or [*_check_starts(config, models), *_model_problems(config, models, schemas)])
        )
    if not broken.intersection({"tasks", "tables", "learning_curves", "unavailable", "models"}):
        entries = read_tfbs_list(Path(folder) / "tfbs.tsv")
        problems.update(dict.fromkeys(f"config: {problem}" for problem in data_sets.check(config, models, entries)))
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


def _check_origins(config: dict, models: dict[str, dict]) -> Iterator[str]:
    """Check the entries that are another model, fine-tuned differently."""
    names = model_names(config, models)
    for name in names:
        entry = model_entry(config, models, name)
        origin = entry.get("of")
        if origin is None:
            continue
        others = [other for other in names if "of" not in model_entry(config, models, other)]
        if origin not in others:
            yield f"model {name}.of: found {origin}, expected a model that is trained; {suggest(origin, others)}"
        for key in entry.keys() - {"of", "finetune"}:
            yield f"model {name}.{key}: found beside `of`, expected finetune alone: it is the same pre-trained model"


def _check_starts(config: dict, models: dict[str, dict]) -> Iterator[str]:
    """Check the models whose sequence encoder starts from that of another one."""
    resolved = {name: resolve_model(config, models, name) for name in model_names(config, models)}
    starts = {name: starts_from(model) for name, model in resolved.items()}
    trained = [name for name, model in resolved.items() if is_trained(model)]
    for name, origin in starts.items():
        if origin is None or "of" in model_entry(config, models, name):
            continue
        where = f"model {name}: sequence_encoder.weights: found {OTHER_MODEL}{origin}"
        if origin not in trained:
            yield f"{where}, expected a model that is trained; {suggest(origin, trained)}"
            continue
        seen, other = {name}, origin
        while other in starts and other not in seen:
            seen.add(other)
            other = starts[other]
        if other in seen:
            yield f"{where}, expected a model that does not itself start from {name}"
            continue
        source, model = resolved[origin], resolved[name]
        for key in ("layers", "hidden", "heads", "intermediate"):
            theirs, ours = source["sequence_encoder"][key], model["sequence_encoder"][key]
            if theirs != ours:
                yield f"{where} with {key} {theirs}, expected {ours}, as this model has"
        if source["k"] != model["k"]:
            yield f"{where} with k {source['k']}, expected {model['k']}, as this model has"


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
    if losses["contrast"] == "regions" and losses["pooling"] != "regions":
        yield f"losses.contrast: found regions beside pooling {losses['pooling']}, expected pooling regions"
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
