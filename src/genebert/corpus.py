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
from genebert.files import atomic_path, read_json, sha256, write_json

TRAIN, VALID = 0, 1
# Labels of next genome-segment prediction, as in transformers' BertForPreTraining.
CONSECUTIVE, REPLACED = 0, 1
PAPER_SEQUENCES = 17_000_000


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


def build_corpus(
    accessible_path: str | Path,
    folder: str | Path,
    regions_per_sample: int,
    holdout_chromosomes: list[str],
    validation_fraction: float,
) -> dict:
    """Write ``groups.npz`` and ``corpus.json`` from ``accessible.h5ad``; see :func:`group_regions`."""
    import anndata

    data = anndata.read_h5ad(accessible_path)
    groups, counts = group_regions(
        sp.csr_matrix(data.X),
        data.var,
        list(data.obs_names),
        regions_per_sample,
        tuple(holdout_chromosomes),
        validation_fraction,
    )
    train = groups.subset(TRAIN)
    lengths = (data.var["end"] - data.var["start"]).to_numpy()
    spans = data.var["end"].to_numpy()[train.regions[:, -1]] - data.var["start"].to_numpy()[train.regions[:, 0]]
    info = {
        "cell_types": list(data.obs_names),
        "regions_per_sample": regions_per_sample,
        "holdout_chromosomes": list(holdout_chromosomes),
        "validation_fraction": validation_fraction,
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
    folder = Path(folder)
    with atomic_path(folder / "groups.npz") as temporary:
        np.savez(
            temporary,
            regions=groups.regions,
            cell_type=groups.cell_type,
            block=groups.block,
            split=groups.split,
        )
    write_json(folder / "corpus.json", info)
    return info


@dataclass(frozen=True)
class Draw:
    """The samples of one step, before tokens are made.

    Attributes
    ----------
    regions : int64 [batch, regions_per_sample]
        Regions in the order shown: segment A, then segment B (which may come from another group).
    label : int64 [batch]
        CONSECUTIVE or REPLACED.
    cell_type : int64 [batch]
    group : int64 [batch]
        The group that segment A comes from; names the sample in messages.
    reverse : bool [batch, regions_per_sample] or None
        Regions to be read from the reverse strand; None: no region is.
    """

    regions: np.ndarray
    label: np.ndarray
    cell_type: np.ndarray
    group: np.ndarray
    reverse: np.ndarray | None = None

    def rows(self, start: int, stop: int) -> "Draw":
        """Return some of the samples."""
        part = slice(start, stop)
        reverse = None if self.reverse is None else self.reverse[part]
        return Draw(self.regions[part], self.label[part], self.cell_type[part], self.group[part], reverse)


class SampleOrder:
    """Which samples each step sees: a pure function of (seed, step).

    Every epoch is a new permutation of all groups. In half of the samples segment B is replaced by the second half of
    another group of the same cell type, chromosome and split that is not a neighbour (docs/facts.md 24); groups in
    stretches too short to have such a partner always stay consecutive.

    Parameters
    ----------
    groups : Groups
    batch : int
        Samples a step. The last, partial batch of an epoch is filled from the next epoch.
    seed : int
    strands : {"given", "random"}
        ``random``: half of the regions, anew in each step, are read from the reverse strand. Which samples are drawn
        does not depend on it.
    """

    def __init__(self, groups: Groups, batch: int, seed: int, strands: str = "given"):
        if len(groups) == 0:
            raise InputError("corpus: no groups to draw samples from")
        self.groups, self.batch, self.seed, self.strands = groups, batch, seed, strands
        first = np.flatnonzero(np.diff(groups.block, prepend=-1))
        last = np.append(first[1:], len(groups))
        which = np.searchsorted(first, np.arange(len(groups)), side="right") - 1
        self._low, self._high = first[which], last[which]
        index = np.arange(len(groups))
        # Groups i - 1, i, i + 1 are no negatives, as far as they exist.
        self._skip_from = np.maximum(index - 1, self._low)
        self._skip = np.minimum(index + 2, self._high) - self._skip_from
        self._choices = self._high - self._low - self._skip
        self._epoch, self._permutation = -1, np.empty(0, np.int64)

    @property
    def has_negative(self) -> np.ndarray:
        """Bool [n_groups]: whether a replacement for segment B exists."""
        return self._choices > 0

    def _group_of(self, position: np.ndarray) -> np.ndarray:
        """Return the group at each place of the endless sequence of epochs."""
        result = np.empty(len(position), dtype=np.int64)
        epochs = position // len(self.groups)
        for epoch in np.unique(epochs):
            if epoch != self._epoch:
                generator = np.random.default_rng([self.seed, int(epoch), 0])
                self._epoch, self._permutation = int(epoch), generator.permutation(len(self.groups))
            here = epochs == epoch
            result[here] = self._permutation[position[here] % len(self.groups)]
        return result

    def draw(self, step: int) -> Draw:
        """Return the samples of a step (the first step is 0)."""
        group = self._group_of(step * self.batch + np.arange(self.batch, dtype=np.int64))
        generator = np.random.default_rng([self.seed, step, 1])
        replaced = (generator.random(self.batch) < 0.5) & self.has_negative[group]
        place = (generator.random(self.batch) * self._choices[group]).astype(np.int64)
        partner = self._low[group] + place
        partner += np.where(partner >= self._skip_from[group], self._skip[group], 0)
        half = self.groups.regions.shape[1] // 2
        regions = self.groups.regions[group].astype(np.int64)
        regions[replaced, half:] = self.groups.regions[partner[replaced], half:]
        reverse = generator.random(regions.shape) < 0.5 if self.strands == "random" else None
        return Draw(
            regions,
            np.where(replaced, REPLACED, CONSECUTIVE),
            self.groups.cell_type[group].astype(np.int64),
            group,
            reverse,
        )
