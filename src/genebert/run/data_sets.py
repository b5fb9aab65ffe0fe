"""What the tables are made of, from the configuration: data sets, models and how each is fine-tuned."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.methods.registry import BASELINES, METHODS
from genebert.paper import TABLE2, TABLE6
from genebert.run.configuration import model_entry, model_names
from genebert.settings.sentences import suggest
from genebert.sources.registry import in_506

# Baselines that need a motif matrix of the data set's factor.
NEED_FACTOR = tuple(name for name, entry in METHODS.items() if "jaspar" in entry.needs)
_TFBS_OWN_KEYS = ("data_sets", "folder", "own", "transfer")
DataSets = dict[str, dict[str, dict[str, Any]]]


def _listed(names: Sequence[str] | str, entries: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """Return name -> row of ``tfbs.tsv``; of files with one name the first untreated one of good quality.

    Raises
    ------
    InputError
        A name is not in the list.
    """
    first: dict[str, dict[str, str]] = {}
    for entry in sorted(entries, key=lambda entry: not in_506(entry)):  # stable: else in the list's order
        first.setdefault(entry["name"], entry)
    if names == "all_506":
        return {name: entry for name, entry in first.items() if in_506(entry)}
    names = TABLE2 if names == "table2" else names
    if isinstance(names, str):
        raise InputError(f"tasks.tfbs.data_sets: found {names!r}, expected table2, all_506 or a list of names")
    for name in names:
        if name not in first:
            raise InputError(f"tasks.tfbs.data_sets: unknown name {name}; {suggest(name, first)}")
    return {name: first[name] for name in names}


def _tfbs(section: Mapping[str, Any], entries: list[dict[str, str]]) -> dict[str, dict[str, Any]]:
    shared = {key: value for key, value in section.items() if key not in _TFBS_OWN_KEYS}
    sets: dict[str, dict[str, Any]] = {}
    for name, entry in _listed(section["data_sets"], entries).items():
        about = {key: entry[key] for key in ("factor", "cell", "tissue")}
        sets[name] = {"peaks": f"{section['folder']}/{entry['file']}", **about}
    for name, own in section["own"].items():
        if name in sets:
            raise InputError(f"tasks.tfbs.own: found {name}, which data_sets has too; expected another name")
        sets[name] = {"cell": "", "tissue": "", **own}
    wanted = section["transfer"]
    if wanted in ("table6", "all"):
        wanted = [name for name in sets if wanted == "all" or name in TABLE6]
    elif isinstance(wanted, str):
        raise InputError(f"tasks.tfbs.transfer: found {wanted!r}, expected table6, all or a list of data sets")
    for name in wanted:
        if name not in sets:
            raise InputError(f"tasks.tfbs.transfer: unknown data set {name}; {suggest(name, sets)}")
    return {
        name: {**own, **shared, "transfer": [other for other in wanted if other != name] if name in wanted else []}
        for name, own in sets.items()
    }


def data_sets(config: Mapping[str, Any], entries: list[dict[str, str]]) -> DataSets:
    """Return task -> data set -> settings.

    Parameters
    ----------
    config : dict
        Merged configuration, paths expanded.
    entries : list of dict
        From :func:`genebert.sources.registry.read_tfbs_list`.

    Returns
    -------
    dict
        TFBS sets have the keys peaks, factor, cell, tissue, the shared settings, and transfer: the other sets that a
        model trained on this one is tested on.

    Raises
    ------
    InputError
        A set that does not exist, or one name twice.
    """
    return {**config["tasks"], "tfbs": _tfbs(config["tasks"]["tfbs"], entries)}


def table_rows(config: Mapping[str, Any], sets: DataSets, table: str) -> dict[str, list[str]]:
    """Return ``task/data set`` -> models of a table; a key that is a task stands for all of its data sets.

    Empty where its tasks have none: a run without data for a table goes without it.
    """
    rows: dict[str, list[str]] = {}
    for key, models in config["tables"][table].items():
        for name in [f"{key}/{one}" for one in sets[key]] if key in sets else [key]:
            rows[name] = list(dict.fromkeys([*rows.get(name, ()), *models]))
    return rows


def finetune_settings(config: Mapping[str, Any], models: dict[str, dict], task: str, name: str) -> dict[str, Any]:
    """Return how a model is fine-tuned on a task: the task's settings under the entry's own.

    What the entry sets itself is not searched over: it leaves the task's grid. A grid of the entry replaces that.
    """
    own = model_entry(config, models, name).get("finetune", {})
    return lay_over_finetune(config["finetune"][task], own)


def lay_over_finetune(settings: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Lay settings of fine-tuning over others; see :func:`finetune_settings`."""
    left = {key: values for key, values in settings["grid"].items() if key not in own}
    return {**settings, "grid": left, **own}


def raw_files(settings: Mapping[str, Any]) -> dict[str, str | Path]:
    """Return key -> file that a data set is made from, beside the genome."""
    keys = ["peaks", "path"]
    if settings.get("source") == "epdnew":
        keys.append("motifs")
    return {key: settings[key] for key in keys if settings.get(key)}


def check(config: dict, models: dict[str, dict], entries: list[dict[str, str]]) -> Iterator[str]:
    """Say what is wrong with tasks, tables, learning curves and `unavailable`, taken together."""
    try:
        sets = data_sets(config, entries)
    except InputError as error:
        yield str(error)
        return
    names = model_names(config, models)
    for name in set(names).intersection(BASELINES):
        yield f"the model name {name} is that of a baseline, expected another name"
    known = [f"{task}/{name}" for task, found in sets.items() for name in found]
    places = {f"tables.{table}": rows for table, rows in config["tables"].items()}
    curves = config["learning_curves"]
    places["learning_curves"] = {key: curve["models"] for key, curve in curves.items()}
    for where, rows in places.items():
        for key, row in rows.items():
            keys = known if where == "learning_curves" else [*known, *sets]
            if key not in keys:
                yield f"{where}: unknown data set {key}; {suggest(str(key), keys)}"
            for name in row:
                if name not in names and name not in BASELINES:
                    yield f"{where}.{key}: unknown model or baseline {name}; {suggest(name, [*BASELINES, *names])}"
                if name in NEED_FACTOR and str(key).partition("/")[0] != "tfbs":
                    yield f"{where}.{key}: found {name}, which needs a factor; expected it below tfbs only"
    for name in config["unavailable"]:
        if name not in (*known, *names, *BASELINES):
            yield f"unavailable: unknown model or data set {name}; {suggest(str(name), [*known, *names])}"
    for task, found in sets.items():
        for name, settings in found.items():
            lists = settings["test_chromosomes"], settings["valid_chromosomes"]
            if settings["split"] == "chromosome" and not all(lists):
                where = f"tasks.{task}" if task == "tfbs" else f"tasks.{task}.{name}"
                yield f"{where}: found split chromosome, but no test_chromosomes or no valid_chromosomes; expected both"
