"""The project's configuration, and what its check says with an overlay."""

from pathlib import Path

from genebert.errors import InputError
from genebert.run.checks import checked
from genebert.run.models import Models, load_models
from genebert.run.run import Run
from genebert.settings.load import load_yaml, merge

ROOT = Path(__file__).resolve().parent.parent
CONFIG = load_yaml(ROOT / "config" / "config.yaml")
MODELS = load_models(ROOT / "config" / "models.yaml")


def problems(overlay: dict, models: dict | None = None) -> list[str]:
    """Return the lines of complaint about the paper's config with an overlay."""
    try:
        checked(merge(CONFIG, overlay), MODELS if models is None else models, ROOT / "config")
    except InputError as error:
        return str(error).splitlines()
    return []


def models_of(config: dict, entries: dict[str, dict] = MODELS) -> Models:
    """Return the models of a merged configuration."""
    return Models(config, entries)


def run_of(overlay: dict) -> Run:
    """Return the run of the paper's config with an overlay."""
    return Run(merge(CONFIG, overlay), ROOT / "config")


def nested(path: str, value: object) -> dict:
    """Return `value` below a dotted path."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value
