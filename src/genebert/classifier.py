"""A sequence classifier on top of a BERT over k-mers: tokens, encoder, head, predictions.

The input is ``[CLS] k-mers [SEP]`` in segment 0; the classifier is dropout and one linear layer to two logits on the
pooled last hidden states, the paper's E_seq (docs/facts.md 30: the sequence encoder alone). DNABERT's own classifier
sends the state at [CLS] through BERT's pooler first; the pooler of a checkpoint without next-sentence training is
random, so it is left out here for every model alike.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from genebert.devices import autocast
from genebert.errors import InputError
from genebert.files import read_json
from genebert.genome import decode, reverse_complement
from genebert.genome import encode as encode_bases
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

    def order(self) -> torch.Tensor:
        """Return the rows by length, for batches that are as narrow as can be (int64 [n])."""
        return torch.argsort(self.lengths, stable=True)

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return ids (int64 [rows, longest of them]) and the attention mask, None for a set without padding."""
        if not self.padded:
            return self.ids[rows].long(), None
        lengths = self.lengths[rows]
        longest = int(lengths.max())
        mask = (torch.arange(longest, device=lengths.device) < lengths[:, None]).long()
        return self.ids[rows, :longest].long(), mask


@dataclass(frozen=True)
class Features:
    """Pooled states of a whole set, float32 [n, hidden]: what a :class:`Probe` reads."""

    values: torch.Tensor

    def order(self) -> torch.Tensor:
        """Return the rows (int64 [n])."""
        return torch.arange(len(self.values), device=self.values.device)

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the features of some rows."""
        return (self.values[rows],)


def both_strands(sequences: Sequence[str]) -> list[str]:
    """Return DNA strings, then their reverse complements in the same order."""
    return [*sequences, *(decode(reverse_complement(encode_bases(sequence))) for sequence in sequences)]


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


def read_bert_config(folder: str | Path) -> dict[str, Any]:
    """Return the ``config.json`` of a Hugging Face folder.

    Raises
    ------
    InputError
        Not a folder with a BERT.
    """
    path = Path(folder) / "config.json"
    config = read_json(path) if path.is_file() else {}
    if config.get("model_type") != "bert":
        raise InputError(
            f"{folder}: config.json says model_type {config.get('model_type')!r}; expected a Hugging Face folder of a "
            "BERT"
        )
    return config


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

    read_bert_config(folder)
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


def pool(states: torch.Tensor, mask: torch.Tensor | None, pooling: str) -> torch.Tensor:
    """Return one state a sequence, float32 [n, hidden], of hidden states [n, tokens, hidden].

    Parameters
    ----------
    states : float [n, tokens, hidden]
    mask : int64 [n, tokens] or None
        0 where a token is padding; None: none is.
    pooling : {"cls", "mean", "max"}
        The state at [CLS], or the mean over all tokens that are not padding, as
        :meth:`genebert.models.genebert.GeneBERT.pool` takes them; or each unit's largest value over these tokens.
    """
    if pooling == "cls":
        return states[:, 0].float()
    if pooling == "max":
        states = states.float()
        return (states if mask is None else states.masked_fill(mask[..., None] == 0, -torch.inf)).amax(1)
    if mask is None:
        return states.float().mean(1)
    return (states.float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


class _LinearHead(nn.Module):
    """Dropout and a linear layer to two logits, in float32."""

    def __init__(self, width: int, dropout: float, sd: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, 2)
        nn.init.normal_(self.linear.weight, std=sd)
        nn.init.zeros_(self.linear.bias)

    def classify(self, state: torch.Tensor) -> torch.Tensor:
        """Return float32 logits [n, 2] of states [n, width]."""
        # bfloat16 logits have 8 significant bits: scores would tie, and the AUC would suffer.
        with torch.autocast(state.device.type, enabled=False):
            return self.linear(self.dropout(state))


class Classifier(_LinearHead):
    """Encoder and linear head; all weights are trained."""

    def __init__(self, encoder: nn.Module, dropout: float, pooling: str):
        super().__init__(encoder.config.hidden_size, dropout, encoder.config.initializer_range)
        self.encoder = encoder
        self.pooling = pooling

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return float32 logits [n, 2] of ids int64 [n, tokens]."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.classify(pool(states, mask, self.pooling))


class Probe(_LinearHead):
    """Linear head on features that are standardised with fixed means and standard deviations.

    Pooled states of a BERT have means that are many times their standard deviations: as they are, gradient descent
    would hardly move on them.

    Parameters
    ----------
    training : Features
        Their mean and standard deviation are kept as the buffers `mean` and `sd`.
    dropout : float
        Of standardised features.
    sd : float
        Of the initial weights.
    """

    def __init__(self, training: Features, dropout: float, sd: float):
        super().__init__(training.values.shape[1], dropout, sd)
        spread, mean = torch.std_mean(training.values, 0, correction=0)
        self.register_buffer("mean", mean)
        self.register_buffer("sd", torch.where(spread > 0, spread, 1.0))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return float32 logits [n, 2] of features float32 [n, width]."""
        return self.classify((values - self.mean) / self.sd)


def encode(encoder: nn.Module, tokens: Tokens, pooling: str, precision: str) -> Features:
    """Return the pooled states of a whole set; without dropout, and nothing is trained."""
    encoder.eval()
    states, order = [], tokens.order()
    with torch.no_grad(), autocast(precision, order.device):
        for rows in order.split(PREDICT_BATCH):
            ids, mask = tokens.batch(rows)
            states.append(pool(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask, pooling))
    values = torch.cat(states)
    return Features(torch.empty_like(values).index_copy_(0, order, values))


def predict(model: Classifier | Probe, inputs: Tokens | Features, precision: str = "auto") -> np.ndarray:
    """Return the probability of class 1 (float64 [n])."""
    device = next(model.parameters()).device
    model.eval()
    margins, order = [], inputs.order()
    with torch.inference_mode(), autocast(precision, device):
        for rows in order.split(PREDICT_BATCH):
            logits = model(*inputs.batch(rows)).double()
            margins.append(logits[:, 1] - logits[:, 0])
    score = torch.empty(len(order), dtype=torch.float64, device=device)
    score[order] = torch.cat(margins).sigmoid()
    return score.cpu().numpy()
