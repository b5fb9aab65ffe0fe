"""From accessible regions to pre-training samples: groups of ten regions.

A sample is ten consecutive accessible regions of one cell type on one chromosome (paper section 3): segment A is the
first half of them, segment B the second.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genebert.errors import InputError
from genebert.files import atomic_path

TRAIN, VALID = 0, 1


@dataclass(frozen=True)
class Groups:
    """Samples of a run, sorted by cell type, chromosome and position."""

    regions: np.ndarray  # int32 [n, regions_per_sample]: row numbers of the run's regions
    cell_type: np.ndarray  # int16 [n]: row number of the run's cell types
    block: np.ndarray  # int32 [n]: ascending number of the stretch of one cell type, chromosome and split
    split: np.ndarray  # uint8 [n]: TRAIN or VALID

    def __len__(self) -> int:
        return len(self.regions)

    def subset(self, split: int) -> "Groups":
        """Return the groups of one split."""
        return Groups(*(array[self.split == split] for array in vars(self).values()))

    def save(self, folder: str | Path) -> None:
        """Write ``groups.npz``."""
        with atomic_path(Path(folder) / "groups.npz") as temporary:
            np.savez(temporary, **vars(self))

    @classmethod
    def load(cls, folder: str | Path) -> "Groups":
        """Read ``groups.npz``."""
        with np.load(Path(folder) / "groups.npz") as arrays:
            return cls(**arrays)


def borders_of(regions: pd.DataFrame, validation_fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Return where the parts of the chromosomes begin, and the names of the chromosomes.

    Each chromosome has two parts: regions for training, then the last `validation_fraction` of all of them.

    Parameters
    ----------
    regions : DataFrame
        Column chrom, sorted by it.

    Returns
    -------
    int64 [2 * chromosomes + 1]
        First region of each part, and the number of regions.
    str [chromosomes]
    """
    chrom_ids, names = pd.factorize(regions["chrom"].to_numpy())
    starts = np.searchsorted(chrom_ids, np.arange(len(names) + 1))
    valid_from = starts[1:] - np.floor(np.diff(starts) * validation_fraction).astype(np.int64)
    return np.append(np.column_stack([starts[:-1], valid_from]).ravel(), len(regions)), names


def group_regions(
    accessible: sp.csr_matrix,
    regions: pd.DataFrame,
    cell_types: list[str],
    regions_per_sample: int,
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
        Their regions enter no group.

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
    size = regions_per_sample
    borders, chrom_names = borders_of(regions, validation_fraction)
    held_out = np.repeat(np.isin(chrom_names, holdout_chromosomes), 2)

    stretches, counts = [], {}
    for t, name in enumerate(cell_types):
        open_regions = np.sort(accessible.indices[accessible.indptr[t] : accessible.indptr[t + 1]])
        parts = np.split(open_regions, np.searchsorted(open_regions, borders[1:-1]))
        n_groups = np.where(held_out, 0, [len(part) // size for part in parts])
        stretches += [(t, i % 2, parts[i][: n_groups[i] * size].reshape(-1, size)) for i in np.flatnonzero(n_groups)]
        n_held_out = sum(len(parts[i]) for i in np.flatnonzero(held_out))
        counts[name] = {
            "accessible_regions": len(open_regions),
            "held_out": n_held_out,
            "left_over": len(open_regions) - n_held_out - int(n_groups.sum()) * size,
            "groups": int(n_groups[::2].sum()),
            "validation_groups": int(n_groups[1::2].sum()),
        }
    if not any(c["groups"] for c in counts.values()):
        raise InputError(
            f"corpus: no cell type has {size} accessible regions in a row on one chromosome outside the held-out part; "
            f"the largest has {max(c['accessible_regions'] for c in counts.values())} accessible regions in all"
        )
    types, splits, rows = zip(*stretches, strict=True)
    lengths = [len(stretch) for stretch in rows]
    groups = Groups(
        np.concatenate(rows).astype(np.int32),
        np.repeat(np.array(types, np.int16), lengths),
        np.repeat(np.arange(len(rows), dtype=np.int32), lengths),
        np.repeat(np.array(splits, np.uint8), lengths),
    )
    return groups, counts
