"""What a pre-trained model makes of single regions: states of its sequence encoder, vectors of its region encoder."""

import logging
from pathlib import Path

import numpy as np
import torch

from genebert.corpus.region_blocks import LabelledRegions, RegionStates
from genebert.errors import InputError
from genebert.genome.sequences import RegionSequences
from genebert.models.devices import choose_device
from genebert.models.embedding import embed_samples, read_model
from genebert.models.genebert import GeneBERT
from genebert.motifs.matrix import load_motif_matrix

logger = logging.getLogger(__name__)
BATCH = 32  # blocks of motif rows at once


def region_vectors(model: GeneBERT, motifs: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Return what the region encoder makes of each region of blocks (float32 [n * width of a block, width]).

    An encoder with a vector a region, and one whose vector of a sample is compared region by region (``pooling:
    regions``), see the block; one that has a single vector of a whole sample is shown each region's row in all places.

    Parameters
    ----------
    model : GeneBERT
        With a region encoder, on the device that computes.
    motifs : array [n_regions, n_tfs]
        In the form that the model was trained with.
    regions : int [n, width of a block]
    """
    device, width = next(model.parameters()).device, regions.shape[1]
    found = []
    with torch.inference_mode():
        for first in range(0, len(regions), BATCH):
            block = regions[first : first + BATCH]
            rows = torch.from_numpy(np.asarray(motifs[block.ravel()], dtype=np.float32)).to(device)
            rows = rows.view(*block.shape, -1)
            one = torch.nan_to_num(model.standardised(rows), nan=0.0)
            if model.region_encoder.per_region:
                vectors = model.projection(model.region_encoder(one)).flatten(0, 1)
            elif model.settings.losses.pooling == "regions":
                vectors = model.encode_regions(rows).view(block.size, -1)
            else:
                repeated = rows.flatten(0, 1)[:, None].expand(-1, width, -1)
                vectors = torch.cat([model.encode_regions(part) for part in repeated.split(BATCH)])
            found.append(vectors.float().cpu().numpy())
    return np.concatenate(found)


def write_region_states(
    model: str | Path,
    labelled: str | Path,
    sequences: str | Path,
    motifs: str | Path | None,
    region_bp: int | None,
    path: str | Path,
) -> None:
    """Encode the regions of drawn blocks, without their labels, and write :class:`RegionStates`.

    Parameters
    ----------
    model, sequences : path
        Folders of a run.
    labelled : path
        A file of :class:`LabelledRegions`.
    motifs : path, optional
        Folder of the region x TF matrix in the form of the model; without region encoder it is not read.
    region_bp : int, optional
        Of each region the middle, as the models read it.

    Raises
    ------
    InputError
        States that are not finite.
    """
    blocks = LabelledRegions.load(labelled).blocks
    network, own = (read_model(model, how).to(choose_device()) for how in ("regions", "own"))
    bases = RegionSequences.load(sequences).crop(region_bp)
    states = embed_samples(network, bases, blocks.regions).reshape(blocks.regions.size, -1)
    vectors = np.empty((len(states), 0), np.float32)
    if own.region_encoder is not None and motifs is not None:
        vectors = region_vectors(own, load_motif_matrix(motifs), blocks.regions)
    for name, values in (("states", states), ("vectors of the region encoder", vectors)):
        if not np.isfinite(values).all():
            odd = int((~np.isfinite(values).all(1)).sum())
            raise InputError(f"{model}: {name} of {odd} of {len(values)} regions are not finite; expected numbers")
    RegionStates(blocks.regions.ravel(), states, vectors).save(path)
    logger.info("%s: %d regions, states of %d units, region vectors of %d", model, *states.shape, vectors.shape[1])
