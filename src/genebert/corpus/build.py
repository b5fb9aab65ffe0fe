"""The corpus of a run, from its accessible regions."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from genebert.corpus.groups import TRAIN, group_regions
from genebert.corpus.order import SampleOrder
from genebert.files import sha256, write_json
from genebert.paper import PAPER_SEQUENCES
from genebert.settings.data import CorpusSettings

logger = logging.getLogger(__name__)


def _percentiles(values: np.ndarray) -> list[int]:
    return np.percentile(values, np.arange(101), method="higher").astype(int).tolist()


@dataclass(frozen=True)
class Places:
    """How many tokens a model has places for, and what becomes a token."""

    k: int
    max_tokens: int
    layout: str  # concatenated: of a sample; windows: of a region

    def cropped(self, lengths: np.ndarray) -> np.ndarray:
        """Return which samples have more k-mers than places (bool [n]), of their regions' bases (int [n, regions])."""
        kmers = np.maximum(lengths - self.k + 1, 0)  # none crosses a region border
        if self.layout == "windows":
            return (kmers > self.max_tokens - 2).any(1)
        return kmers.sum(1) > self.max_tokens - 3


def cropped_share(info: dict, places: Places) -> float:
    """Return the share of training samples that a model has too few positions for, from ``corpus.json``.

    Such a sample shows only the middles of its longest regions, beside motif rows of all their bases. What
    ``corpus.json`` tells of the run's own models is exact. That of others is to a percent, for samples as they are
    grouped: one with a second half from elsewhere is as long on average. With ``layout: windows`` regions are cropped
    one by one, and their lengths are taken as independent.
    """
    n, known = info["regions_per_sample"], info.get("cropped_samples")
    if known and asdict(places) == known["places"]:
        return known["share"]
    if places.layout == "windows":
        longest = places.max_tokens - 2 + places.k - 1
        beyond = np.mean(np.array(info["shown_bases_per_region"]) > longest)
        return float(1 - (1 - beyond) ** n)
    longest = places.max_tokens - 3 + n * (places.k - 1)  # no k-mer crosses a region border
    return float(np.mean(np.array(info["shown_bases_per_sample"]) > longest))


def build_corpus(settings: CorpusSettings, places: Places, accessible_path: str | Path, folder: str | Path) -> dict:
    """Write ``groups.npz`` and ``corpus.json`` from ``accessible.h5ad``; see :func:`group_regions`.

    `places` are those of the run's models (`model`), for the share of samples that they crop; groups do not depend on
    them.
    """
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
    shown = lengths if settings.region_bp is None else np.minimum(lengths, settings.region_bp)
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
        "shown_bases_per_sample": _percentiles(shown[train.regions].sum(axis=1)),
        "shown_bases_per_region": _percentiles(shown[train.regions].ravel()),
        "cropped_samples": {
            "places": asdict(places),
            "share": round(float(places.cropped(shown[train.regions]).mean()), 6),
        },
        "median_span": int(np.median(spans)),
        "by_cell_type": counts,
        "accessible_sha256": sha256(accessible_path),
    }
    groups.save(folder)
    write_json(Path(folder) / "corpus.json", info)
    logger.info("%d groups for training, %d for validation", info["groups"], info["validation_groups"])
    return info
