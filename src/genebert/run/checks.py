"""Checks of the merged configuration: each block by itself, and what one key demands of another."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.genome.builds import BUILD_LENGTHS
from genebert.genome.chromosomes import normalise_chromosome
from genebert.methods.registry import METHODS, baselines
from genebert.models.backbones import HUB, IMAGE_BACKBONES, REGION_ENCODERS
from genebert.run.config import TABLE_KINDS, Entries, config_class
from genebert.run.models import SEEDED, Models
from genebert.run.together import Sets, said_once, together_problems
from genebert.settings.data import SimulationSettings
from genebert.settings.fields import complete, key_names, problems, without_removed
from genebert.settings.figure2 import PANELS
from genebert.settings.load import PLACEHOLDER
from genebert.settings.models import TrainedModelSettings
from genebert.settings.sentences import dotted, show, suggest
from genebert.simulate.landscape import layout_regions
from genebert.tasks.disease import SIMULATED_PEOPLE
from genebert.tasks.registry import all_tasks

TWO_CLASSES = TwoClass.name
SIMULATED = "resources/simulated/"  # paths below it are made by the simulation


def checked(config: Mapping, entries: dict[str, dict], folder: Path) -> dict[str, Any]:
    """Return the merged configuration, complete, if it and the `entries` of ``config/models.yaml`` are right.

    Else an InputError names all problems, one line each: the dotted key, what was found, what was expected. Entries of
    mappings in `config` that are null are removed. `folder` is the folder ``config``.
    """
    cls = config_class()
    config = without_removed(cls, config)
    found = list(problems(cls, config, names=key_names(cls)))
    of_entries = list(problems(Entries, entries, ("models",), names=key_names(cls)))
    lines = [f"config: {one}" for one in found] + [f"models.yaml: {one}" for one in of_entries]
    broken = {one.where[0] for one in [*found, *of_entries] if one.where}
    whole = complete(cls, {key: value for key, value in config.items() if key not in broken})
    if not broken:
        with suppress(InputError):  # told with the rows
            whole["unavailable"] = absences(whole, data_sets(whole, folder)) | whole["unavailable"]
    models = Models(whole, {} if of_entries else entries)  # wrong ones are told; nothing below is said of models then
    across = [
        (set(), _placeholder_problems(config)),
        ({"chromosomes", "corpus"}, _chromosome_problems(whole)),
        ({"chromosomes", "genome"}, _build_problems(whole)),
        ({"simulate", "seed"}, _simulation_problems(whole)),
        ({"motifs", "corpus", "accessibility"}, _crop_problems(whole)),
        ({"methods"}, _method_problems(whole["methods"])),
        ({"model", "models"}, _encoder_problems(whole, entries)),
        ({"tasks", "tables", "learning_curves", "unavailable", "models"}, _row_problems(whole, models, folder)),
        ({"cell_accessibility", "models", "corpus"}, _cell_accessibility_problems(whole, models)),
        ({"figure2", "models"}, _figure2_problems(whole["figure2"], models)),
    ]
    lines += [f"config: {text}" for blocks, texts in across if not broken & blocks for text in texts]
    if not broken & {"data", "model", "models", "corpus"} and not any("region_encoder.name" in line for line in lines):
        lines += _model_problems(whole, models)
    if not lines:  # what follows needs models and data sets that are right by themselves
        lines += said_once(together_problems(whole, models, data_sets(whole, folder)))
    if lines:
        raise InputError("\n".join(dict.fromkeys(lines)))
    return whole


def absences(config: dict[str, Any], sets: Sets) -> dict[str, str]:
    """Return task/data set -> why the run cannot have it, as the tasks say."""
    found = {task: all_tasks()[task].absences(own, config) for task, own in sets.items()}
    return {f"{task}/{name}": reason for task, reasons in found.items() for name, reason in reasons.items()}


def _strings(value: Any, where: tuple = ()) -> Iterator[tuple[tuple, str]]:
    """Return all texts, each with its place."""
    if isinstance(value, Mapping | list):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _strings(item, (*where, key))
    elif isinstance(value, str):
        yield where, value


def _placeholder_problems(config: Mapping) -> Iterator[str]:
    for where, text in _strings(config):
        allowed = () if where in (("data",), ("run",)) else (PLACEHOLDER,)
        for found in re.findall(r"\{[^}]*\}?", text):
            if found not in allowed:
                yield f"{dotted(where)}: found the placeholder {found}, expected {' or '.join(allowed) or 'none here'}"


def _chromosome_problems(config: Mapping) -> Iterator[str]:
    held_out = "corpus.holdout_chromosomes"
    lists = {"chromosomes": config["chromosomes"], held_out: config["corpus"]["holdout_chromosomes"]}
    for key, names in lists.items():
        bare = list(map(normalise_chromosome, names))
        for i, name in enumerate(names):
            if bare[i] in bare[:i]:
                yield f"{key}: found {name} and {names[bare.index(bare[i])]}, which are the same; expected no repeats"
    known, held = (set(map(normalise_chromosome, names)) for names in lists.values())
    missing = [str(name) for name in lists[held_out] if normalise_chromosome(name) not in known]
    if missing:
        yield f"{held_out}: found {', '.join(missing)}, expected only names that chromosomes lists"
    elif held == known:
        yield f"{held_out}: found all of chromosomes, expected at least one left for pre-training"


def _build_problems(config: Mapping) -> Iterator[str]:
    """Numbers and letters that a known build does not have; of names of contigs only the genome's file can tell."""
    build = config["genome"]["build"]
    bare = {normalise_chromosome(name): str(name) for name in config["chromosomes"]}
    main = [name for name in bare if re.fullmatch(r"chr(\d[^_.]*|[A-Z])", name) and name != "chrM"]
    if absent := [bare[name] for name in main if name not in BUILD_LENGTHS.get(build, main)]:
        yield f"chromosomes: found {', '.join(absent)}, expected some of those of {build}: chr1 to chr22, chrX, chrY"


def _simulation_problems(config: Mapping) -> Iterator[str]:
    paths = [text for _, text in _strings(config) if text.startswith(SIMULATED)]
    if not all(path.startswith(SIMULATED_PEOPLE) for path in paths):
        try:
            layout_regions(SimulationSettings(seed=config["seed"], **config["simulate"]))
        except InputError as error:
            yield str(error)


def _method_problems(methods: Mapping) -> Iterator[str]:
    """Settings of baselines, each of which has a class of them or none."""
    simple = baselines()
    able = [name for name in simple if METHODS[name].settings]
    for name, settings in methods.items():
        if name not in simple:
            yield f"methods: unknown baseline {name}; {suggest(name, able)}"
        elif cls := METHODS[name].settings:
            yield from map(str, problems(cls, settings, ("methods", name), names=key_names(config_class())))
        elif settings:
            yield f"methods.{name}: found {', '.join(map(str, settings))}, expected nothing: it has no settings"


def _crop_problems(config: Mapping) -> Iterator[str]:
    cropped, scanned = config["corpus"]["region_bp"], config["motifs"]["region_bp"]
    if scanned not in (None, cropped):
        yield f"motifs.region_bp: found {scanned}, expected null or the same as corpus.region_bp, {show(cropped)}"
    windows = config["accessibility"]["windows_bp"]
    if windows is not None and cropped is not None and windows > cropped:
        yield f"accessibility.windows_bp: found {windows}, expected at most corpus.region_bp, {cropped}"


def _encoder_problems(config: dict, entries: dict[str, dict]) -> Iterator[str]:
    blocks = {"model": config["model"]} | {f"models.{name}": entry for name, entry in config["models"].items()}
    for where, block in (blocks | {f"models.yaml: models.{name}": entry for name, entry in entries.items()}).items():
        encoder = block.get("region_encoder", {})
        if "name" in encoder and encoder["name"] not in REGION_ENCODERS:
            found, known = show(encoder["name"]), ", ".join(REGION_ENCODERS)
            yield f"{where}.region_encoder.name: found {found}, expected one of {known}"


def _model_problems(config: dict, models: Models) -> list[str]:
    """Check the full settings of every model; what several models share is said once."""
    if origins := list(models.origin_problems()):
        return origins
    return [*models.start_problems(), *said_once(_settings_problems(config, models))]


def _settings_problems(config: dict, models: Models) -> Iterator[tuple[str, str]]:
    for name, model in models.resolved.items():
        if SEEDED in name:  # says the same
            continue
        own = [str(one) for one in problems(TrainedModelSettings, model)]
        yield from ((name, problem) for problem in own or _network_problems(model, *_shown(config)))


def _shown(config: dict) -> tuple[int | None, str]:
    """Return the most bases of a region that models are shown, None where that is all, and the key that says so."""
    keys = {
        "corpus.region_bp": config["corpus"]["region_bp"],
        "accessibility.windows_bp": config["accessibility"]["windows_bp"],
    }
    some = {key: value for key, value in keys.items() if value is not None}
    key = min(some, key=some.get, default="corpus.region_bp")
    return some.get(key), key


def _network_problems(model: dict, region_bp: int | None, key: str) -> Iterator[str]:
    region, convolution = model["region_encoder"], model["sequence_encoder"].get("convolution")
    if region_bp is not None and region_bp < model["k"]:
        yield f"k: found {model['k']}, expected at most {key}, {region_bp}"
    elif region_bp is not None and convolution and region_bp < convolution["width"]:
        found = f"sequence_encoder.convolution.width: found {convolution['width']}"
        yield f"{found}, expected at most {key}, {region_bp}: no filter would lie within a region"
    if region["weights"] == HUB and IMAGE_BACKBONES.get(region["name"]) is None:
        yield f"region_encoder.weights: found 'hub', expected a path, imagenet or null: the hub has no {region['name']}"


def _figure2_problems(figure2: dict, models: Models) -> Iterator[str]:
    for panel in PANELS:
        if (name := figure2[panel]) is not None and name not in models.names:
            yield f"figure2.{panel}: unknown model {name}; {suggest(name, models.names)}"


def _cell_accessibility_problems(config: dict, models: Models) -> Iterator[str]:
    asked, corpus = config["cell_accessibility"], config["corpus"]
    for name in asked["models"]:
        if name not in models.names:
            yield f"cell_accessibility.models: unknown model {name}; {suggest(name, models.names)}"
    if asked["features"] and not corpus["validation_fraction"] and not corpus["holdout_chromosomes"]:
        yield (
            "corpus.validation_fraction: found 0, without holdout_chromosomes; expected regions to test "
            "cell_accessibility on (its features: [] leaves it out)"
        )


# ------------------------------------------------------------------------------------------------- data sets and rows


def data_sets(config: dict, folder: Path) -> Sets:
    """Return task -> data set -> settings of a complete configuration; an InputError for a set that does not exist."""
    return {name: task.data_sets(config["tasks"][name], folder) for name, task in all_tasks().items()}


def _row_problems(config: dict, models: Models, folder: Path) -> Iterator[str]:
    """Say what is wrong with tasks, tables, learning curves and `unavailable`, taken together."""
    try:
        sets = data_sets(config, folder)
    except InputError as error:
        yield str(error)
        return
    names, simple = models.names, baselines()
    for name in set(names).intersection(simple):
        yield f"the model name {name} is that of a baseline, expected another name"
    known = [f"{task}/{name}" for task, found in sets.items() for name in found]
    places = {f"tables.{table}": (rows, [*known, *sets]) for table, rows in config["tables"].items()}
    curves = {key: curve["models"] for key, curve in config["learning_curves"].items()}
    places["learning_curves"] = (curves, [*known, *sets])
    kinds = {name: task.kind for name, task in all_tasks().items()}
    factors = [name for name, task in all_tasks().items() if task.has_factor]
    for where, (rows, keys) in places.items():
        for key, row in rows.items():
            if key not in keys:
                yield f"{where}: unknown data set {key}; {suggest(str(key), keys)}"
            for name in row:
                if name not in names and name not in simple:
                    yield f"{where}.{key}: unknown model or baseline {name}; {suggest(name, [*simple, *names])}"
                task = str(key).partition("/")[0]
                if name in simple and task in kinds and name not in (able := baselines(kinds[task])):
                    expected = f"expected a model or one of {', '.join(able)}"
                    yield f"{where}.{key}: found {name}, which is not for tasks of the kind {kinds[task]}; {expected}"
                elif name in simple and METHODS[name].factor and task not in factors:
                    expected = f"expected it below {', '.join(factors)} only"
                    yield f"{where}.{key}: found {name}, which needs a factor; {expected}"
    for where, (rows, _) in places.items():
        expected = TABLE_KINDS.get(where.removeprefix("tables."), TWO_CLASSES)
        for key in rows:
            if (kind := kinds.get(str(key).partition("/")[0], expected)) != expected:
                yield f"{where}: found {key}, whose kind is {kind}; expected data sets of the kind {expected}"
    for name in config["unavailable"]:
        if name not in (able := [*known, *simple, *(one for one in names if SEEDED not in one)]):
            yield f"unavailable: unknown model or data set {name}; {suggest(str(name), able)}"
    for task, found in sets.items():
        yield from all_tasks()[task].problems(found, list(map(normalise_chromosome, config["chromosomes"])))
