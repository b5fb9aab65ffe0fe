"""From accessible regions to pre-training samples: groups of ten, segment pairs, token ids.

A sample is ten consecutive accessible regions of one cell type on one chromosome (paper section 3): segment A is the
first half of them, segment B the second. Which samples a step sees, and in which order, is a pure function of the seed
and the step, so a resumed run needs no loader state.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genebert.errors import InputError
from genebert.files import read_json

TRAIN, VALID = 0, 1


@dataclass(frozen=True)
class Groups:
    """Samples of a run, sorted by cell type, chromosome and position.

    Attributes
    ----------
    regions : int32 [n, regions_per_sample]
        Row numbers of the run's regions.
    cell_type : int16 [n]
        Index into `cell_types`.
    block : int32 [n]
        Number of the stretch of one cell type, chromosome and split that the group lies in; stretches are contiguous.
    split : uint8 [n]
        TRAIN or VALID.
    cell_types : list of str
    """

    regions: np.ndarray
    cell_type: np.ndarray
    block: np.ndarray
    split: np.ndarray
    cell_types: list[str]

    def __len__(self) -> int:
        return len(self.regions)

    def subset(self, split: int) -> "Groups":
        """Return the groups of one split."""
        keep = self.split == split
        return Groups(self.regions[keep], self.cell_type[keep], self.block[keep], self.split[keep], self.cell_types)

    @classmethod
    def load(cls, folder: str | Path) -> "Groups":
        """Read ``groups.npz`` and ``corpus.json``."""
        folder = Path(folder)
        info = read_json(folder / "corpus.json")
        with np.load(folder / "groups.npz") as arrays:
            return cls(cell_types=list(info["cell_types"]), **{name: arrays[name] for name in arrays.files})


def group_regions(
    accessible: sp.csr_matrix,
    regions: pd.DataFrame,
    cell_types: list[str],
    regions_per_sample: int = 10,
    holdout_chromosomes: tuple[str, ...] = (),
    validation_fraction: float = 0.0,
) -> tuple[Groups, dict]:
    """Cut each cell type's accessible regions into disjoint groups of consecutive ones.

    Groups never span chromosomes; a remainder shorter than a group is dropped (the paper: "10 consecutive"). The last
    `validation_fraction` of each chromosome's regions, by position, is kept for validation: a random choice of groups
    would leak, since groups of different cell types share regions.

    Parameters
    ----------
    accessible : binary CSR [n_cell_types, n_regions]
    regions : DataFrame
        Columns chrom, start, end, sorted by chromosome and start.
    cell_types : list of str
        Row names of `accessible`.
    regions_per_sample : int
        Even.
    holdout_chromosomes : tuple of str
        Chromosomes whose regions enter no group.
    validation_fraction : float

    Returns
    -------
    Groups
    dict
        Counts for ``corpus.json``.

    Raises
    ------
    InputError
        No cell type has enough regions for a group.
    """
    chroms = regions["chrom"].to_numpy()
    chrom_ids, chrom_names = pd.factorize(chroms)
    if (np.diff(chrom_ids) < 0).any():
        raise ValueError("regions are not sorted by chromosome")
    starts = np.searchsorted(chrom_ids, np.arange(len(chrom_names) + 1))
    valid_from = starts[1:] - np.floor(np.diff(starts) * validation_fraction).astype(np.int64)
    held_out = np.isin(chrom_names, holdout_chromosomes)

    size = regions_per_sample
    rows, types, blocks, splits = [], [], [], []
    counts = {}
    for t, name in enumerate(cell_types):
        open_regions = np.sort(accessible.indices[accessible.indptr[t] : accessible.indptr[t + 1]])
        used, n_held_out, n_groups = 0, 0, {TRAIN: 0, VALID: 0}
        for c in range(len(chrom_names)):
            low, high = np.searchsorted(open_regions, (starts[c], starts[c + 1]))
            here = open_regions[low:high]
            if held_out[c]:
                n_held_out += len(here)
                continue
            cut = np.searchsorted(here, valid_from[c])
            for split, part in ((TRAIN, here[:cut]), (VALID, here[cut:])):
                n = len(part) // size
                if n == 0:
                    continue
                rows.append(part[: n * size].reshape(n, size))
                types.append(np.full(n, t, np.int16))
                splits.append(np.full(n, split, np.uint8))
                blocks.append(np.full(n, len(blocks), np.int32))
                n_groups[split] += n
                used += n * size
        counts[name] = {
            "accessible_regions": len(open_regions),
            "held_out": n_held_out,
            "left_over": len(open_regions) - n_held_out - used,
            "groups": n_groups[TRAIN],
            "validation_groups": n_groups[VALID],
        }
    if not any(c["groups"] for c in counts.values()):
        raise InputError(
            f"corpus: no cell type has {size} accessible regions in a row on one chromosome outside the held-out part; "
            f"the largest has {max(c['accessible_regions'] for c in counts.values())} accessible regions in all"
        )
    groups = Groups(
        np.concatenate(rows).astype(np.int32),
        np.concatenate(types),
        np.concatenate(blocks),
        np.concatenate(splits),
        list(cell_types),
    )
    return groups, counts
