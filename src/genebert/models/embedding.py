"""Embeddings of pre-training samples by the sequence encoder of a pre-trained model."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from genebert.corpus.batches import Batch, SampleEncoder
from genebert.corpus.drawn import Drawn, Embeddings, draw_samples, draw_specific, draw_types
from genebert.corpus.groups import TRAIN, Groups
from genebert.corpus.order import Draw
from genebert.errors import InputError
from genebert.files import read_json
from genebert.genome.sequences import RegionSequences
from genebert.models.devices import choose_device
from genebert.models.genebert import GeneBERT

logger = logging.getLogger(__name__)
BATCH = 8  # samples; of 5,000 tokens each they take 0.4 GB in BERT-base


@dataclass(frozen=True)
class EmbedJob:
    """What to embed: at most `samples` samples of at most `cell_types` types that have at least `least`."""

    cell_types: int
    samples: int
    least: int
    pooling: str  # own, or one of losses.pooling
    seed: int
    region_bp: int | None


def read_model(folder: str | Path, pooling: str) -> GeneBERT:
    """Return a pre-trained model that pools states in its own way, or in another (a value of ``losses.pooling``)."""
    model = GeneBERT.load(folder).eval()
    if pooling != "own":
        # What is done to single regions takes pooling by region; nothing is matched here.
        losses = replace(model.settings.losses, pooling=pooling, contrast="samples", srm=None)
        model.settings = replace(model.settings, losses=losses)
    return model


def embed_samples(
    model: GeneBERT,
    sequences: RegionSequences,
    regions: np.ndarray,
    of: Callable[[torch.Tensor, Batch], torch.Tensor] | None = None,
) -> np.ndarray:
    """Return E_seq of samples (float32 [n, width]; see :meth:`GeneBERT.pool`), of whole sequences without a mask.

    Parameters
    ----------
    model : GeneBERT
        On the device that computes; in float32, for states of samples differ little.
    sequences : RegionSequences
        As shown to the model (cropped, if the run crops regions).
    regions : int [n, regions_per_sample]
    of : callable, optional
        What to return of hidden states [rows, tokens, hidden] and their batch in place of E_seq.
    """
    device = next(model.parameters()).device
    settings = model.settings
    positions = settings.sequence_encoder.max_tokens
    encoder = SampleEncoder(sequences, None, settings.k, positions, device, settings.layout)
    found, shortened = [], 0
    with torch.inference_mode():
        for first in range(0, len(regions), BATCH):
            part = np.asarray(regions[first : first + BATCH], dtype=np.int64)
            none = np.zeros(len(part), np.int64)
            batch = encoder.encode(Draw(part, none, none))
            hidden = model.encode_sequences(batch.ids, batch.segments, batch.lengths, batch.owners)
            found.append((model.pool if of is None else of)(hidden, batch).float().cpu().numpy())
            shortened += batch.shortened
    if shortened:
        logger.warning("%d of %d samples are cut to the model's %d positions", shortened, len(regions), positions)
    return np.concatenate(found)


def write_embeddings(
    job: EmbedJob, model: str | Path, sequences: str | Path, corpus: str | Path, path: str | Path
) -> None:
    """Draw samples, embed them and write ``.npz``; `model`, `sequences` and `corpus` are folders of a run.

    What is drawn depends on corpus, job and seed alone, so it is the same for every model.

    Raises
    ------
    InputError
        Too few cell types (:func:`draw_types`), or a model whose embeddings are not finite.
    """
    groups, names = Groups.load(corpus), read_json(Path(corpus) / "corpus.json")["cell_types"]
    available = np.bincount(groups.subset(TRAIN).cell_type, minlength=len(names))
    types = draw_types(groups, job.cell_types, job.least, job.seed)
    drawn = draw_samples(groups, types, job.samples, job.seed)
    specific = draw_specific(groups, types, job.samples, job.least, job.seed)
    for t in np.flatnonzero(available < job.least):
        logger.warning(
            "%s: left out, with %d training samples; expected at least %d", names[t], available[t], job.least
        )
    bases = RegionSequences.load(sequences).crop(job.region_bp)
    network = read_model(model, job.pooling).to(choose_device())

    def values(samples: Drawn) -> np.ndarray:
        if not len(samples):
            return np.empty((0, 0), np.float32)
        found = embed_samples(network, bases, samples.regions)
        if not np.isfinite(found).all():
            odd = int((~np.isfinite(found).all(1)).sum())
            raise InputError(f"{model}: embeddings of {odd} of {len(found)} samples are not finite; expected numbers")
        return found

    Embeddings(np.array(names), available, drawn, specific, values(drawn), values(specific)).save(path)
    logger.info("%d samples of %d cell types, and %d without shared regions", len(drawn), len(types), len(specific))
