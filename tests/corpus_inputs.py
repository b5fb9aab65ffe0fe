"""A run's regions and groups as files, for what reads both."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

from genebert.corpus.groups import Groups, group_regions
from genebert.genome.intervals import region_names


def write_corpus(folder: Path, regions: pd.DataFrame) -> Groups:
    """Write ``accessible.h5ad`` of one cell type with these regions, and groups of two, half of them for training."""
    accessible = sp.csr_matrix(np.ones((1, len(regions))))
    # anndata writes no Arrow strings.
    var = regions.astype({"chrom": object}).set_axis(pd.Index(region_names(regions), dtype=object))
    obs = pd.DataFrame(index=pd.Index(["type"], dtype=object))
    anndata.AnnData(accessible, obs, var).write_h5ad(folder / "accessible.h5ad")
    groups, _ = group_regions(accessible, regions, ["type"], 2, validation_fraction=0.5)
    groups.save(folder)
    return groups
