"""A sequence classifier on top of a BERT over k-mers: tokens, encoder, head, predictions.

The input is ``[CLS] k-mers [SEP]`` in segment 0; the classifier is dropout and one linear layer to two logits on the
last hidden state of [CLS], the paper's E_seq (FACTS K.28: the sequence encoder alone). DNABERT's own classifier sends
that state through BERT's pooler first; the pooler of a checkpoint without next-sentence training is random, so it is
left out here for every model alike.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from genebert.devices import autocast
from genebert.errors import InputError
from genebert.files import read_json
from genebert.kmers import CLS, PAD, SEP, kmer_ids
from genebert.models.folders import weights_file
from genebert.scores import sequence_codes

ROWS = 1 << 14  # sequences turned into tokens at a time: bounds the int64 intermediates
PREDICT_BATCH = 256


@dataclass(frozen=True)
class Tokens:
    """Token ids of a whole set.

    Attributes
    ----------
    ids : int16 tensor [n, longest]
        ``[CLS] k-mers [SEP]``, then [PAD].
    lengths : int64 tensor [n]
        Tokens that are not padding.
    padded : bool
        Any is; known beforehand so that a GPU need not be asked at every batch.
    """

    ids: torch.Tensor
    lengths: torch.Tensor
    padded: bool

    def to(self, device: torch.device) -> "Tokens":
        """Return the same on another device."""
        return Tokens(self.ids.to(device), self.lengths.to(device), self.padded)

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return ids (int64 [rows, longest of them]) and the attention mask, None for a set without padding."""
        if not self.padded:
            return self.ids[rows].long(), None
        lengths = self.lengths[rows]
        longest = int(lengths.max())
        mask = (torch.arange(longest, device=lengths.device) < lengths[:, None]).long()
        return self.ids[rows, :longest].long(), mask


def tokenise(sequences: Sequence[str], k: int, max_tokens: int, where: str = "sequences") -> Tokens:
    """Return the token ids of DNA strings.

    Parameters
    ----------
    sequences : sequence of str
    k : int
    max_tokens : int
        Positions of the model; [CLS] and [SEP] take two.
    where : str
        What the sequences are, for messages.

    Raises
    ------
    InputError
        A sequence without a k-mer, or longer than the model's positions.
    """
    n_bases = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    if len(n_bases) == 0 or n_bases.min() < k:
        row = int(n_bases.argmin()) if len(n_bases) else 0
        raise InputError(
            f"{where}: row {row} has {n_bases[row] if len(n_bases) else 0} bases; expected at least {k}, one k-mer"
        )
    lengths = n_bases - k + 3
    if lengths.max() > max_tokens:
        raise InputError(
            f"{where}: row {int(lengths.argmax())} has {n_bases.max()} bases, {lengths.max()} tokens; expected at most "
            f"{max_tokens}, the positions of the model ({max_tokens + k - 3} bases)"
        )
    ids = np.full((len(lengths), int(lengths.max())), PAD, dtype=np.int16)
    ids[:, 0] = CLS
    for start in range(0, len(lengths), ROWS):
        codes, _ = sequence_codes(sequences[start : start + ROWS])
        tokens = kmer_ids(codes, k)
        inside = np.arange(tokens.shape[1]) < lengths[start : start + ROWS, None] - 2
        ids[start : start + ROWS, 1 : tokens.shape[1] + 1] = np.where(inside, tokens, PAD)
    ids[np.arange(len(ids)), lengths - 1] = SEP
    return Tokens(torch.from_numpy(ids), torch.from_numpy(lengths), bool(lengths.min() < lengths.max()))


@contextlib.contextmanager
def _quiet_loading() -> Iterator[None]:
    """Silence the library's loading report; what matters in it is checked by the caller."""
    from transformers.utils import logging as library

    verbosity, bar = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(verbosity)
        if bar:
            library.enable_progress_bar()


def load_encoder(folder: str | Path, dropout: float) -> nn.Module:
    """Return the ``transformers.BertModel`` of a Hugging Face folder, without pooler, in float32.

    Raises
    ------
    InputError
        Not a folder with a BERT, or weights of the encoder are missing in it.
    """
    from pickle import UnpicklingError

    from safetensors import SafetensorError
    from transformers import BertModel

    folder = Path(folder)
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    if config.get("model_type") != "bert":
        raise InputError(
            f"{folder}: config.json says model_type {config.get('model_type')!r}; expected a Hugging Face folder of a "
            "BERT"
        )
    weights_file(folder)
    with _quiet_loading():
        try:
            encoder, report = BertModel.from_pretrained(
                folder,
                add_pooling_layer=False,
                attn_implementation="sdpa",
                hidden_dropout_prob=dropout,
                attention_probs_dropout_prob=dropout,
                dtype=torch.float32,
                local_files_only=True,
                output_loading_info=True,
            )
        except (OSError, EOFError, ValueError, RuntimeError, SafetensorError, UnpicklingError) as error:
            raise InputError(f"{folder}: weights cannot be loaded ({str(error).splitlines()[0]})") from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise InputError(f"{folder}: {len(missing)} tensors of the encoder are missing, the first is {missing[0]}")
    return encoder


class Classifier(nn.Module):
    """Encoder, dropout and a linear layer to two logits on the last hidden state of [CLS]."""

    def __init__(self, encoder: nn.Module, dropout: float):
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(encoder.config.hidden_size, 2)
        nn.init.normal_(self.linear.weight, std=encoder.config.initializer_range)
        nn.init.zeros_(self.linear.bias)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return float32 logits [n, 2] of ids int64 [n, tokens]."""
        state = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
        # bfloat16 logits have 8 significant bits: scores would tie, and the AUC would suffer.
        with torch.autocast(ids.device.type, enabled=False):
            return self.linear(self.dropout(state.float()))


def predict(model: Classifier, tokens: Tokens, precision: str = "auto") -> np.ndarray:
    """Return the probability of class 1 (float64 [n])."""
    device = next(model.parameters()).device
    model.eval()
    margins = []
    # Sequences of like length together: a batch is as wide as its longest.
    order = torch.argsort(tokens.lengths, stable=True)
    with torch.inference_mode(), autocast(precision, device):
        for rows in order.split(PREDICT_BATCH):
            logits = model(*tokens.batch(rows)).double()
            margins.append(logits[:, 1] - logits[:, 0])
    score = torch.empty(len(order), dtype=torch.float64, device=device)
    score[order] = torch.cat(margins).sigmoid()
    return score.cpu().numpy()
