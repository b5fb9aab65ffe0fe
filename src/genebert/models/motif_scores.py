"""What a model that was pre-trained by regression says of a sequence's motifs: its own scores, read by classifiers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from safetensors.torch import save_file
from torch import nn

from genebert.errors import InputError
from genebert.files import read_json
from genebert.models.folders import REGRESSION_FILE
from genebert.models.weights import fill, read_metadata, read_tensors
from genebert.settings.models import REGRESSION


class About(NamedTuple):
    """What the file of a map says of it."""

    readout: str  # of losses
    motif_ids: Sequence[str]  # JASPAR's, in the order of the map's outputs; empty where they are not known

    def metadata(self) -> dict[str, str]:
        """Return the metadata of the file: one entry, for the order of several is another in each run."""
        return {"about": json.dumps({"readout": self.readout, "motifs": list(self.motif_ids)})}


def read_about(path: Path, losses: Mapping[str, Any]) -> About:
    """Return what a map's file says; of one from before it said so what the model's `losses` say, mean by default."""
    text = read_metadata(path).get("about", "{}")
    try:
        found = json.loads(text)
        about = About(found.get("readout", losses.get("readout", "mean")), list(found.get("motifs", [])))
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: found {text[:40]} in its metadata; expected JSON of a readout and motifs") from error
    return about


def best_scores(each: torch.Tensor, absent: torch.Tensor | None) -> torch.Tensor:
    """Return the largest over places of scores [..., places, tfs], those that are `absent` (bool [..., places]) apart.

    As a matrix's score is that of its best window.
    """
    if absent is not None:
        each = each.masked_fill(absent[..., None], -torch.inf)
    return each.max(-2).values


class MotifScores(nn.Module):
    """Each motif's predicted score, standardised over training regions: the largest over a sequence's k-mers.

    Parameters
    ----------
    hidden, n_tfs : int
        Units of a state, and motifs.
    """

    def __init__(self, hidden: int, n_tfs: int):
        super().__init__()
        self.regression = nn.Linear(hidden, n_tfs)
        self.motif_ids: Sequence[str] = ()  # JASPAR's, where they are known

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return scores (float32 [n, tfs]) of last hidden states [n, tokens, hidden] of ``[CLS] k-mers [SEP]``.

        `mask` (int64 [n, tokens]) is 0 where a token is padding; None: none is.
        """
        # A k-mer is followed by another or by [SEP]; nothing was learned of the scores of special tokens.
        absent = None if mask is None else mask[:, 2:] == 0
        # Scores in bfloat16 would tie, and so would what a classifier on one of them says.
        with torch.autocast(states.device.type, enabled=False):
            return best_scores(self.regression(states[:, 1:-1].float()), absent)

    def write(self, folder: Path) -> None:
        """Write ``regression.safetensors`` into the folder of a fine-tuned model."""
        tensors = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        save_file(tensors, folder / REGRESSION_FILE, metadata=About("max", self.motif_ids).metadata())

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read a pre-trained model's, or what :meth:`write` wrote.

        Raises
        ------
        InputError
            The model was not pre-trained by regression of best scores, or the file is damaged.
        """
        path, info = Path(folder) / REGRESSION_FILE, Path(folder) / "model.json"
        expected = "pooling motifs expects a model that was pre-trained with losses.srm regression and readout max"
        losses = read_json(info)["settings"]["losses"] if info.is_file() else {}
        if losses and losses["srm"] != REGRESSION:
            raise InputError(f"{folder}: found losses.srm {losses['srm']}; {expected}")
        if not path.is_file():
            raise InputError(f"{path}: does not exist; {expected}")
        about = read_about(path, losses)
        if about.readout != "max":
            raise InputError(f"{folder}: found losses.readout {about.readout}; {expected}")
        tensors = {name: one for name, one in read_tensors(path).items() if name.startswith("regression.")}
        weight = tensors.get("regression.weight", torch.zeros(1, 1))  # a missing tensor is told below
        if weight.ndim != 2:
            raise InputError(f"{path}: found regression.weight of {weight.ndim} dimensions, expected motifs x units")
        found = cls(weight.shape[1], weight.shape[0])
        fill(found, path, tensors)
        found.motif_ids = about.motif_ids
        if len(about.motif_ids) not in (0, len(weight)):
            raise InputError(f"{path}: found {len(about.motif_ids)} ids of motifs, expected {len(weight)}")
        return found
