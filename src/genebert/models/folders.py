"""Files of weights: finding them in a model folder, and naming them in records."""

from pathlib import Path

from genebert.errors import InputError
from genebert.files import sha256

WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # in the order in which `transformers` looks for them


def weights_file(folder: str | Path) -> Path:
    """Return the file with the weights of a model folder.

    Raises
    ------
    InputError
        There is none.
    """
    for name in WEIGHTS:
        if (path := Path(folder) / name).is_file():
            return path
    raise InputError(f"{folder}: holds no weights; expected {' or '.join(WEIGHTS)}")


def file_source(path: Path) -> dict[str, str]:
    """Return what names a file of weights in the record of a model: kind, folder and name, SHA-256."""
    return {"kind": "file", "name": "/".join(path.parts[-2:]), "sha256": sha256(path)}
