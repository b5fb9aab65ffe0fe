"""Regions drawn for what is asked of each in every cell type: blocks of consecutive ones, and their labels."""

import logging
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from genebert.corpus.groups import TRAIN, VALID, borders_of
from genebert.errors import InputError
from genebert.files import atomic_path

logger = logging.getLogger(__name__)
_STREAM = 7  # of random numbers
PER_MILLION = 1e6


@dataclass(frozen=True)
class RegionBlocks:
    """Blocks in the order of the regions, whichever cell type these are open in; no region is in two."""

    regions: np.ndarray  # int32 [n, width]: row numbers of the run's regions
    split: np.ndarray  # uint8 [n]: TRAIN or VALID (held out)
    chromosome: np.ndarray  # int32 [n]: number of the chromosome

    def __len__(self) -> int:
        return len(self.regions)


@dataclass(frozen=True)
class BlockSettings:
    """Which regions are drawn; see :func:`draw_blocks`."""

    width: int
    train: int
    test: int
    holdout_chromosomes: tuple[str, ...]
    validation_fraction: float
    seed: int


@dataclass(frozen=True)
class LabelledRegions:
    """Blocks of regions, and how accessible each region is in each cell type."""

    blocks: RegionBlocks
    labels: np.ndarray  # float32 [regions of all blocks, types]
    names: np.ndarray  # str [types]
    counted: bool  # labels are log counts per million; else 1 for open and 0 for not

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` file."""
        arrays = vars(self.blocks) | {"labels": self.labels, "names": self.names, "counted": np.array(self.counted)}
        with atomic_path(path) as temporary, temporary.open("wb") as handle:
            np.savez(handle, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "LabelledRegions":
        """Read what :meth:`save` wrote; an InputError if it is another file, or a damaged one."""
        try:
            with np.load(path) as arrays:
                blocks = RegionBlocks(*(arrays[name] for name in ("regions", "split", "chromosome")))
                return cls(blocks, arrays["labels"], arrays["names"], bool(arrays["counted"]))
        except (OSError, ValueError, EOFError, KeyError, TypeError, BadZipFile) as error:
            raise InputError(f"{path}: not a file of labelled regions ({error}); run `region_labels` again") from error


@dataclass(frozen=True)
class RegionStates:
    """What a model makes of the regions of drawn blocks."""

    regions: np.ndarray  # int32 [n]: row numbers of the run's regions
    sequence: np.ndarray  # float32 [n, hidden]: mean state of each region's k-mers
    region: np.ndarray  # float32 [n, width]: of the region encoder; width 0 where the model has none

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` file."""
        with atomic_path(path) as temporary, temporary.open("wb") as handle:
            np.savez(handle, **vars(self))

    @classmethod
    def load(cls, path: str | Path) -> "RegionStates":
        """Read what :meth:`save` wrote; an InputError if it is another file, or a damaged one."""
        try:
            with np.load(path) as arrays:
                return cls(*(arrays[name] for name in ("regions", "sequence", "region")))
        except (OSError, ValueError, EOFError, KeyError, TypeError, BadZipFile) as error:
            raise InputError(f"{path}: not a file of region states ({error}); run `embed_regions` again") from error


def _some(found: np.ndarray, number: int, settings: BlockSettings, split: int) -> np.ndarray:
    """Return blocks of a split, drawn at random where there are more than enough."""
    if len(found) < 2:
        what = "training" if split == TRAIN else "held-out"
        raise InputError(
            f"cell_accessibility: found {len(found)} blocks of {settings.width} {what} regions, expected at least 2 "
            "(held out are corpus.holdout_chromosomes and corpus.validation_fraction of the others); features: [] "
            "leaves it out"
        )
    wanted = max(2, number // settings.width)
    if len(found) <= wanted:
        return found
    return np.random.default_rng([settings.seed, _STREAM, split]).choice(found, wanted, replace=False)


def draw_blocks(regions: pd.DataFrame, settings: BlockSettings) -> RegionBlocks:
    """Cut regions into blocks of consecutive ones on a chromosome, and draw some for training and for testing.

    Held out are the regions that :func:`genebert.corpus.groups.group_regions` keeps out of training: the last share of
    each chromosome, and whole chromosomes. A remainder shorter than a block is dropped.

    Parameters
    ----------
    regions : DataFrame
        Columns chrom, start, end, sorted by chromosome and start.
    settings : BlockSettings
        At most `train` and `test` regions are drawn.

    Raises
    ------
    InputError
        Either part has fewer than two blocks.
    """
    borders, names = borders_of(regions, settings.validation_fraction)
    held = np.isin(names, settings.holdout_chromosomes)
    width = settings.width
    parts, splits, chromosomes = [], [], []
    for i, (first, end) in enumerate(pairwise(borders)):
        n = (end - first) // width
        parts.append(np.arange(first, first + n * width, dtype=np.int32).reshape(-1, width))
        splits.append(np.full(n, VALID if i % 2 or held[i // 2] else TRAIN, np.uint8))
        chromosomes.append(np.full(n, i // 2, np.int32))
    every, split, chromosome = map(np.concatenate, (parts, splits, chromosomes))
    most = {TRAIN: settings.train, VALID: settings.test}
    kept = [_some(np.flatnonzero(split == one), number, settings, one) for one, number in most.items()]
    rows = np.sort(np.concatenate(kept))
    return RegionBlocks(every[rows], split[rows], chromosome[rows])


def label_regions(
    pseudobulk: str | Path, accessible: str | Path, settings: BlockSettings, path: str | Path
) -> LabelledRegions:
    """Write the labels of drawn regions: log counts per million or, where the run has peaks alone, open or not.

    Parameters
    ----------
    pseudobulk, accessible : path
        As :func:`genebert.accessibility.build.build_accessibility` writes them: cell types x regions. Peaks have no
        number of cells.
    path : path
        Gets what :meth:`LabelledRegions.load` reads, which is returned. A label of counts is the natural logarithm of
        one more than the region's count per million counts of the cell type.

    Raises
    ------
    InputError
        Fewer than two cell types, one without a count, or too few regions.
    """
    import anndata

    opened = anndata.read_h5ad(accessible)
    if len(opened.obs) < 2:
        raise InputError(
            f"{accessible}: found {len(opened.obs)} cell type, expected at least 2 to compare; "
            "cell_accessibility.features: [] leaves the table out"
        )
    counted = bool(opened.obs["n_cells"].notna().all())
    blocks = draw_blocks(opened.var, settings)
    rows = blocks.regions.ravel()
    if counted:
        bulk = anndata.read_h5ad(pseudobulk)
        totals = bulk.obs["n_fragments"].to_numpy(dtype=np.float64)
        if empty := [name for name, total in zip(bulk.obs_names, totals, strict=True) if total <= 0]:
            raise InputError(f"{pseudobulk}: cell type {empty[0]!r} has no count left, expected some of each")
        labels = np.log1p(bulk.X[:, rows].toarray().T * (PER_MILLION / totals))
    else:
        labels = opened.X[:, rows].toarray().T
    found = LabelledRegions(blocks, labels.astype(np.float32), np.array(list(opened.obs_names), str), counted)
    found.save(path)
    kinds = "log counts per million" if counted else "open or not"
    logger.info("%d regions of %d blocks, %d cell types: %s", len(labels), len(blocks), labels.shape[1], kinds)
    return found
