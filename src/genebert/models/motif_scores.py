"""What a model that was pre-trained by regression says of a sequence's motifs: its own scores, read by classifiers."""

from pathlib import Path
from typing import Self

import torch
from safetensors.torch import save_file
from torch import nn

from genebert.errors import InputError
from genebert.files import read_json
from genebert.models.folders import REGRESSION_FILE
from genebert.models.weights import fill, read_motif_ids, read_tensors


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
        self.motif_ids: list[str] = []  # JASPAR's, where they are known

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
        save_file(tensors, folder / REGRESSION_FILE, metadata={"motifs": " ".join(self.motif_ids)})

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read a pre-trained model's, or what :meth:`write` wrote.

        Raises
        ------
        InputError
            The model was not pre-trained by regression of best scores, or the file is damaged.
        """
        path, about = Path(folder) / REGRESSION_FILE, Path(folder) / "model.json"
        losses = read_json(about)["settings"]["losses"] if about.is_file() else {}
        if not path.is_file() or losses.get("readout", "max" if not losses else "mean") != "max":
            raise InputError(
                f"{folder}: found losses.srm {losses.get('srm')} and readout {losses.get('readout', 'mean')}; pooling "
                "motifs expects a model that was pre-trained with losses.srm regression and readout max"
            )
        tensors = {name: one for name, one in read_tensors(path).items() if name.startswith("regression.")}
        weight = tensors.get("regression.weight", torch.zeros(1, 1))  # a missing tensor is told below
        found = cls(weight.shape[1], weight.shape[0])
        fill(found, path, tensors)
        found.motif_ids = read_motif_ids(path)
        return found
