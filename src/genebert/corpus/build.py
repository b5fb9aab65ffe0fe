"""The corpus of a run, from its accessible regions."""

import logging
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from genebert.corpus.groups import TRAIN, group_regions
from genebert.corpus.order import SampleOrder
from genebert.files import sha256, write_json
from genebert.paper import PAPER_SEQUENCES
from genebert.settings.data import CorpusSettings

logger = logging.getLogger(__name__)


def build_corpus(settings: CorpusSettings, accessible_path: str | Path, folder: str | Path) -> dict:
    """Write ``groups.npz`` and ``corpus.json`` from ``accessible.h5ad``; see :func:`group_regions`."""
    import anndata

    data = anndata.read_h5ad(accessible_path)
    groups, counts = group_regions(
        sp.csr_matrix(data.X),
        data.var,
        list(data.obs_names),
        settings.regions_per_sample,
        tuple(settings.holdout_chromosomes),
        settings.validation_fraction,
    )
    train = groups.subset(TRAIN)
    starts, ends = data.var["start"].to_numpy(), data.var["end"].to_numpy()
    lengths = ends - starts
    spans = ends[train.regions[:, -1]] - starts[train.regions[:, 0]]
    info = {
        "cell_types": list(data.obs_names),
        "regions_per_sample": settings.regions_per_sample,
        "holdout_chromosomes": list(settings.holdout_chromosomes),
        "validation_fraction": settings.validation_fraction,
        "regions": len(lengths),
        "bases": int(lengths.sum()),
        "region_cell_type_pairs": int(sum(c["accessible_regions"] for c in counts.values())),
        "paper_sequences": PAPER_SEQUENCES,
        "groups": len(train),
        "validation_groups": len(groups) - len(train),
        "groups_without_negative": int((~SampleOrder(train, 1, 0).has_negative).sum()),
        "median_bases_per_sample": int(np.median(lengths[train.regions].sum(axis=1))),
        "median_span": int(np.median(spans)),
        "by_cell_type": counts,
        "accessible_sha256": sha256(accessible_path),
    }
    groups.save(folder)
    write_json(Path(folder) / "corpus.json", info)
    logger.info("%d groups for training, %d for validation", info["groups"], info["validation_groups"])
    return info
