"""What the table of accessibility in each cell type is made from, and what its rules' scripts are told."""

from typing import Any

from genebert.errors import InputError
from genebert.run.run import FORMATS, Run
from genebert.settings.models import reads

TARGET = "cell_accessibility"


def cell_models(run: Run) -> list[tuple[str, str]]:
    """Return the rows of models whose states are read, and the model of each of their pre-trainings.

    Each trained model is read once; those that cannot be had are left out.
    """
    models = run.models
    able = [name for name in run.config[TARGET]["models"] if not models.reason_of_absence(name)]
    found = [(models.canonical[name], one) for name in able for one in models.pretrainings_of(name)]
    return list(dict.fromkeys(found))


def cell_accessibility_files(run: Run) -> list[str]:
    """Return the table in all its forms; nothing where the run goes without."""
    wanted = bool(run.config[TARGET]["features"])
    return run.stage("tables", *(f"{TARGET}.{form}" for form in (*FORMATS, "json"))) if wanted else []


def asked_files(run: Run) -> list[str]:
    """Return the same for the target of that name; an InputError where the run goes without."""
    if not (files := cell_accessibility_files(run)):
        raise InputError(f"{TARGET}.features: found none, expected some, composition among them")
    return files


def extended_files(run: Run) -> list[str]:
    """Return the files of all tables of ours beside the paper's; an InputError where the run has none."""
    own = cell_accessibility_files(run)
    tables = run.tables(extended=True)
    return [*(run.files_of(tables, "extended") if tables or not own else []), *own]


def labelled_file(run: Run) -> str:
    """Return the file of the drawn regions and their labels."""
    return f"{run.results}/{TARGET}/regions.npz"


def states_file(run: Run, model: str) -> str:
    """Return the file of what a model makes of these regions."""
    return f"{run.results}/{TARGET}/{model}.npz"


def block_settings(run: Run) -> dict[str, Any]:
    """Return the fields of :class:`genebert.corpus.region_blocks.BlockSettings`."""
    own, corpus = run.config[TARGET], run.config["corpus"]
    return {
        "width": corpus["regions_per_sample"],
        "train": own["train"],
        "test": own["test"],
        "holdout_chromosomes": tuple(corpus["holdout_chromosomes"]),
        "validation_fraction": corpus["validation_fraction"],
        "seed": run.config["seed"],
    }


def embed_regions_inputs(run: Run, model: str) -> dict[str, Any]:
    """Return what the states of a model are made from: the matrix too where it has an encoder of it."""
    settings = run.models.resolved[model]
    matrix = {"motifs": run.motif_files(settings["matrix"])} if "motifs" in reads(settings) else {}
    return {"model": run.model_files(model), "regions": labelled_file(run), "sequences": run.sequences} | matrix


def cell_accessibility_inputs(run: Run) -> dict[str, Any]:
    """Return what the table is made from."""
    states = [states_file(run, model) for _, model in cell_models(run)]
    return {"regions": labelled_file(run), "sequences": run.sequences, "motifs": run.motifs, "states": states}


def cell_accessibility_notes(run: Run) -> list[str]:
    """Return what stands below the table: the run's notes, and which models cannot be had."""
    reasons = {name: run.models.reason_of_absence(name) for name in run.config[TARGET]["models"]}
    return [*run.config["notes"], *(f"Unavailable: {name}: {why}." for name, why in reasons.items() if why)]


def cell_accessibility_job(run: Run) -> dict[str, Any]:
    """Return what the script of the table is told beside the run's name, scale and notes."""
    return {
        "settings": run.config[TARGET],
        "models": [(name, run.models.seed(model)) for name, model in cell_models(run)],
        "given": {"seed": run.config["seed"], "region_bp": run.config["corpus"]["region_bp"]},
    }
