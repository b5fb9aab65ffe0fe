"""Which file of a Hugging Face folder holds the weights; light, since the Snakefile needs it too."""

from pathlib import Path

from genebert.errors import InputError

WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # in the order in which `transformers` looks for them

REGRESSION_FILE = "regression.safetensors"  # of a model that was pre-trained by regression: the map of its states


def weights_file(folder: str | Path) -> Path:
    """Return the file with the weights of a model folder; InputError where there is none."""
    for name in WEIGHTS:
        if (path := Path(folder) / name).is_file():
            return path
    raise InputError(f"{folder}: holds no weights; expected {' or '.join(WEIGHTS)}")
