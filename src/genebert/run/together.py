"""What the rows of tables and learning curves ask of models, data sets and processes together: told at the plan.

A job says the same, but only once all before it has run: pre-training, for example, before a sequence is too long.
"""

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

from genebert.errors import InputError
from genebert.evaluation.kinds.registry import KINDS
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.evaluation.site_labels import KIND as BASES
from genebert.genome.kmers import check_length
from genebert.methods.layouts import make_layout
from genebert.run.models import OTHER_MODEL, Models, is_trained
from genebert.settings.fitting import MOTIFS, lay_over, only_of_taggers, only_of_two_classes, values_of
from genebert.settings.models import LossSettings, predicts_scores
from genebert.settings.resources import Resources
from genebert.settings.training import share_of
from genebert.tasks.base import Task
from genebert.tasks.registry import all_tasks

Sets = dict[str, dict[str, dict[str, Any]]]  # task -> data set -> settings
Layers = dict[str, dict[str, Any]]  # key of the configuration -> settings of fine-tuning, each over those before


def common(sets: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return the data sets of a task that its name alone stands for: all but those of extended tables."""
    return [name for name, settings in sets.items() if not settings.get("extended")]


def expanded(rows: Mapping[str, list[str]], sets: Sets) -> dict[str, list[str]]:
    """Return task/data set -> methods of a table; a key that is a task stands for its data sets.

    Empty where its tasks have none: a run without data for a table goes without it.
    """
    found: dict[str, list[str]] = {}
    for key, names in rows.items():
        for name in [f"{key}/{one}" for one in common(sets[key])] if key in sets else [key]:
            found[name] = list(dict.fromkeys([*found.get(name, ()), *names]))
    return found


def curves_of(curves: Mapping[str, dict[str, Any]], sets: Sets) -> dict[str, dict[str, Any]]:
    """Return task/data set -> settings of its learning curve; a key that is a task stands for its first data sets.

    A data set's own key counts before its task's.
    """
    found = {}
    for key, curve in curves.items():
        if key in sets:
            found |= {f"{key}/{one}": curve for one in common(sets[key])[: curve["first"]]}
    return found | {key: curve for key, curve in curves.items() if key not in sets}


def said_once(problems: Iterator[tuple[str, str]]) -> list[str]:
    """Return one line for each problem of pairs (model, problem), with the first models that have it."""
    found: dict[str, list[str]] = {}
    for name, problem in problems:
        names = found.setdefault(problem, [])
        names += [] if name in names else [name]
    more = {problem: f" and {len(names) - 3} more" if len(names) > 3 else "" for problem, names in found.items()}
    return [f"model {', '.join(names[:3])}{more[problem]}: {problem}" for problem, names in found.items()]


def together_problems(config: dict[str, Any], models: Models, sets: Sets) -> Iterator[tuple[str, str]]:
    """Say what is wrong with the models that tables and figures show, as pairs (model, problem)."""
    tasks = all_tasks()
    asked = Resources(**config["resources"]).of("pretrain")
    processes = asked["processes"] * asked["nodes"]
    for data_set, name, over in _fits(config, sets):
        if name in models.names and not models.reason_of_absence(name, data_set):
            yield from _start_problems(models, name)
            yield from _process_problems(models, name, processes)
            task, _, one = data_set.partition("/")
            bases = tasks[task].bases(sets[task][one])
            yield from _length_problems(models.resolved[name], name, bases, f"tasks.{task}: a sequence")
            yield from _method_problems(
                models.resolved[name], name, tasks[task], models.finetune_layers(task, name) | over
            )
    yield from _figure2_problems(models, processes)
    for name in config["cell_accessibility"]["models"] if config["cell_accessibility"]["features"] else ():
        if not models.reason_of_absence(name):
            yield from _start_problems(models, name)
            yield from _process_problems(models, name, processes)


def _fits(config: dict[str, Any], sets: Sets) -> Iterator[tuple[str, str, Layers]]:
    """Return data set, row, and what a learning curve lays over the row's fine-tuning: nothing in tables."""
    for rows in config["tables"].values():
        for data_set, names in expanded(rows, sets).items():
            yield from ((data_set, name, {}) for name in names)
    curves = config["learning_curves"]
    for data_set, curve in curves_of(curves, sets).items():
        key = data_set if data_set in curves else data_set.partition("/")[0]
        over = {f"learning_curves.{key}.finetune": curve["finetune"]}
        yield from ((data_set, name, over) for name in curve["models"])


def _figure2_problems(models: Models, processes: int) -> Iterator[tuple[str, str]]:
    """Say what is wrong with the models of Figure 2, where the run draws it."""
    names = list(models.of_figure2().values())
    for name in names:
        yield from _start_problems(models, name)
        yield from _process_problems(models, name, processes)
    if names and models.canonical[names[0]] == models.canonical[names[1]]:
        yield names[0], f"figure2.uni_modal: found the same model as multi_modal, {names[1]}; expected another one"


def _start_problems(models: Models, name: str) -> Iterator[tuple[str, str]]:
    for other in models.ancestry(name):
        model = models.resolved[other]
        meant = LossSettings(**model["losses"]).any  # one from scratch has no loss
        if meant and not model["training"]["steps"] and model["sequence_encoder"]["weights"] is None:
            yield (
                other,
                "training.steps: found 0, and no sequence_encoder.weights: its weights would be random; expected one",
            )
    for other in models.ancestry(name)[1:]:
        if models.reason_of_absence(other):
            found = f"found {OTHER_MODEL}{other}, which `unavailable` lists"
            yield (
                models.origin(name) or name,
                f"sequence_encoder.weights: {found}; expected another start, or this model there too",
            )


def _process_problems(models: Models, name: str, processes: int) -> Iterator[tuple[str, str]]:
    for other in models.ancestry(name):
        if is_trained(model := models.resolved[other]):
            try:
                share_of(model["training"]["batch"], processes)
            except InputError as error:
                yield other, str(error)


def _places(layers: Layers) -> dict[str, str]:
    """Return where the values that count stand, by key: names of places are laid over each other as values are."""
    named = []
    for where, block in layers.items():
        places: dict[str, Any] = {key: f"{where}.{key}" for key in block}
        if "grid" in block:
            places["grid"] = {key: f"{where}.grid.{key}" for key in block["grid"]}
        named.append(places)
    laid = reduce(lay_over, named)
    return laid | laid["grid"]


def _method_problems(model: dict[str, Any], name: str, task: Task, layers: Layers) -> Iterator[tuple[str, str]]:
    """Say which settings of fine-tuning a task's method does not read, or cannot have."""
    settings, places = reduce(lay_over, layers.values()), _places(layers)
    if why := KINDS[task.kind].one_strand:
        for value in values_of(settings, "strands"):
            if value != "given":
                yield name, f"{places['strands']}: found {value}, expected given: {why}"
    if task.kind != TwoClass.name:
        for why in only_of_two_classes(settings):
            key, _, found = why.partition(": ")
            if (task.kind, key) != (BASES, "pooling"):  # told below
                yield name, f"{places[key]}: {found}"
    elif MOTIFS in values_of(settings, "pooling") and not predicts_scores(model):
        expected = "expected losses.srm regression and losses.readout max, and training.steps above 0"
        yield name, f"{places['pooling']}: found {MOTIFS} of a model that predicts no scores; {expected}"
    if task.kind != BASES:
        for where, block in layers.items():
            for key in only_of_taggers(block):
                yield name, f"{where}.{key}: found in a row of {task.name}, expected it for classes of bases only"
        return
    try:
        make_layout(settings.get("context"), model["sequence_encoder"]["max_tokens"], model["k"])
    except InputError as error:
        yield name, f"sequence_encoder.{error}"
    if (where := places["pooling"]) != "finetune.default.pooling":
        found = ", ".join(values_of(settings, "pooling"))
        yield name, f"{where}: found {found}, expected none: each base has a state of its own"


def _length_problems(model: dict[str, Any], name: str, bases: int | None, where: str) -> Iterator[tuple[str, str]]:
    if bases is not None:
        try:
            check_length(bases, model["k"], model["sequence_encoder"]["max_tokens"], where)
        except InputError as error:
            yield name, str(error)
