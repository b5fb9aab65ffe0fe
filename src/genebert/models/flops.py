"""Floating-point operations of a training step, and parameters, without running or allocating anything.

A multiplication and an addition are two operations. Counted is what matrix products, convolutions and attention do;
norms, activations, look-ups and the optimiser are left out, as in torch.utils.flop_counter and in published figures.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from genebert.corpus.masks import SPAN_OFFSETS
from genebert.genome.kmers import SPECIALS
from genebert.models.genebert import GeneBERT
from genebert.settings.models import REGRESSION, ModelSettings, SequenceEncoderSettings

# A backward pass computes the gradients of inputs and of weights: twice the products of the forward pass.
TRAINING = 3
# [CLS], [SEP], [SEP] of a sample; [CLS], [SEP] of a region's window.
SPECIALS_PER_ROW = {"concatenated": 3, "windows": 2}


class Parameters(NamedTuple):
    """Numbers of parameters; the output layer shares the table of embeddings, which is counted once."""

    sequence_encoder: int  # BERT with its embeddings and pooler
    region_encoder: int  # 0 without SRM
    heads: int  # masked k-mers, segment pairs, projection of E_reg, temperature


@dataclass(frozen=True)
class StepFlops:
    """Operations of one optimiser step, forward and backward."""

    sequence: float
    region: float  # with the projection of E_reg
    heads: float  # with the contrast
    recomputed: float  # forward passes that only save memory: of gradient caching and of checkpointed activations

    @property
    def model(self) -> float:
        """What the step needs; the measure of model FLOP utilisation."""
        return self.sequence + self.region + self.heads

    @property
    def total(self) -> float:
        """What the machine does."""
        return self.model + self.recomputed


def sequence_forward(settings: SequenceEncoderSettings, lengths: Sequence[float]) -> float:
    """Return the operations of BERT's layers, forward.

    With h = hidden, f = intermediate and a row of T tokens, a layer does

    - ``2 T (4 h² + 2 h f)``: queries, keys, values and output (h² each), and both matrices of the feed-forward part;
    - ``2 · 2 T² h``: scores and weighted sums, every token with all T tokens of its row, over all heads.

    A convolution of F filters of w bases does ``2 T (2 · 4 w F)`` on both strands, and ``2 T F h`` where F is not h.

    `lengths` are the tokens of each row, without padding.
    """
    h, f, convolution = settings.hidden, settings.intermediate, settings.convolution
    tokens, squares = sum(lengths), sum(length * length for length in lengths)
    filters = 0
    if convolution is not None:
        filters = 16 * convolution.width * convolution.filters
        filters += 2 * convolution.filters * h if convolution.filters != h else 0
    return tokens * filters + settings.layers * (2 * tokens * (4 * h * h + 2 * h * f) + 4 * squares * h)


def heads_forward(
    settings: ModelSettings, kmers: float, masked: float, samples: int, n_regions: int, n_tfs: int = 0
) -> float:
    """Return the operations of the heads and of the contrast, forward.

    - MGM: ``2 h² + 2 h V`` a masked token, V = size of the vocabulary;
    - NGSP: ``2 h² + 2 · 2 h`` a sample;
    - SRM: ``2 w B²`` for the scores of all pairs of B samples; w = h, or h a region with ``pooling: regions``;
      regression: ``2 h`` a region and TF, a k-mer and TF with ``readout: max``.
    """
    h = settings.sequence_encoder.hidden
    vocabulary = len(SPECIALS) + 4**settings.k
    flops = 0.0
    if settings.losses.mgm:
        flops += masked * (2 * h * h + 2 * h * vocabulary)
    if settings.losses.ngsp:
        flops += samples * (2 * h * h + 4 * h)
    if settings.losses.srm == REGRESSION:
        read = kmers if settings.losses.readout == "max" else samples * n_regions
        flops += 2 * h * read * n_tfs
    elif settings.losses.srm is not None:
        width = h * n_regions if settings.losses.pooling == "regions" else h
        flops += 2 * width * samples * samples
    return flops


def masked_share(k: int, rate: float) -> float:
    """Return the expected share of k-mers that batches.mask_kmers masks: spans of k around centres at ``rate / k``."""
    return 1 - (1 - rate / k) ** len(SPAN_OFFSETS[k])


def region_forward(settings: ModelSettings, n_tfs: int, n_regions: int) -> int:
    """Return the operations of the region encoder with its projection, forward, for one sample; counted by torch."""
    return _outline(_key(settings), n_tfs, n_regions)[1]


def parameters(settings: ModelSettings, n_tfs: int, n_regions: int) -> Parameters:
    """Return the numbers of parameters; motif matrices are [n_regions, n_tfs]."""
    return _outline(_key(settings), n_tfs, n_regions)[0]


def step_flops(
    settings: ModelSettings,
    lengths: Sequence[float],
    n_tfs: int,
    n_regions: int,
    *,
    rate: float,
    cached: bool = False,
    checkpoint_activations: bool = False,
) -> StepFlops:
    """Return the operations of one optimiser step: three times the forward pass, and what is recomputed.

    Parameters
    ----------
    lengths : sequence of float
        Tokens of each row of the batch, without padding: a row a sample, or a row a region with ``layout: windows``.
        Its samples are contrasted with each other.
    n_tfs, n_regions : int
        Shape of a sample's motif matrix.
    rate : float
        Share of k-mers masked; see :func:`masked_share`.
    cached : bool
        The batch goes through the encoders in pieces: with SRM both encoders run once more, without gradient. (That
        the heads then run along is not counted; it adds less than 1 %.)
    checkpoint_activations : bool
        The layers of BERT run once more in the backward pass.
    """
    samples = len(lengths) // (n_regions if settings.layout == "windows" else 1)
    sequence = sequence_forward(settings.sequence_encoder, lengths)
    region = samples * region_forward(settings, n_tfs, n_regions)
    kmers = sum(lengths) - SPECIALS_PER_ROW[settings.layout] * len(lengths)
    heads = heads_forward(settings, kmers, kmers * masked_share(settings.k, rate), samples, n_regions, n_tfs)
    recomputed = 0.0
    if cached and settings.losses.contrasts:
        recomputed += sequence + region
    if checkpoint_activations:
        recomputed += sequence
    return StepFlops(TRAINING * sequence, TRAINING * region, TRAINING * heads, recomputed)


def _key(settings: ModelSettings) -> str:
    """Return the settings as text, without what changes no shape: the default's tables have 16 networks, not 21."""
    value = asdict(settings)
    value["losses"] |= {"srm_weight": 1.0, "temperature": 1.0, "centre": False, "contrast": "samples"}
    value["losses"]["negatives"] = "random"
    value["sequence_encoder"]["weights"] = value["region_encoder"]["weights"] = None
    return json.dumps(value, sort_keys=True)


@lru_cache(maxsize=64)
def _outline(key: str, n_tfs: int, n_regions: int) -> tuple[Parameters, int]:
    """Return the parameters, and the operations of the region encoder: a network of shapes without any memory."""
    settings = ModelSettings.from_dict(json.loads(key))
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        model = GeneBERT(settings, torch.zeros(n_tfs), torch.ones(n_tfs), n_regions).to("meta")
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            if model.region_encoder is not None:
                model.train().encode_regions(torch.zeros(1, n_regions, n_tfs))
    parts = model, model.sequence_encoder.bert, model.region_encoder
    whole, sequence, region = (0 if part is None else sum(p.numel() for p in part.parameters()) for part in parts)
    return Parameters(sequence, region, whole - sequence - region), counter.get_total_flops()
