"""The project's configuration, and what validation says of it with an overlay."""

from pathlib import Path

from genebert.errors import InputError
from genebert.run import checks as validation
from genebert.run.configuration import load_models, load_yaml, merge

ROOT = Path(__file__).resolve().parent.parent
CONFIG = load_yaml(ROOT / "config" / "config.yaml")
MODELS = load_models(ROOT / "config" / "models.yaml")


def problems(overlay: dict, models: dict | None = None) -> list[str]:
    """Return the lines of complaint about the paper's config with an overlay."""
    try:
        validation.validate_config(merge(CONFIG, overlay), MODELS if models is None else models, ROOT / "config")
    except InputError as error:
        return str(error).splitlines()
    return []


def nested(path: str, value: object) -> dict:
    """Return `value` below a dotted path."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value
