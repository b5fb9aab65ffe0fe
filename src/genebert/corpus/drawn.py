"""Samples of some cell types, drawn from those of pre-training, and the embeddings that a model gives them."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from genebert.corpus.groups import TRAIN, Groups
from genebert.errors import InputError
from genebert.files import atomic_path

_TYPES, _SAMPLES = 0, 1  # streams of random numbers


@dataclass(frozen=True)
class Drawn:
    """Samples of cell types, sorted by type and position."""

    regions: np.ndarray  # int32 [n, regions_per_sample]: row numbers of the run's regions
    cell_type: np.ndarray  # int16 [n]: row number of the run's cell types

    def __len__(self) -> int:
        return len(self.regions)


def draw_types(groups: Groups, n_types: int, least: int, seed: int) -> np.ndarray:
    """Return the row numbers of cell types drawn from those with at least `least` training samples, ascending.

    All of them where there are no more than `n_types` (int64 [at most n_types]).

    Raises
    ------
    InputError
        Fewer than two cell types have as many samples.
    """
    numbers = np.bincount(groups.subset(TRAIN).cell_type)
    able = np.flatnonzero(numbers >= least)
    if len(able) < 2:
        raise InputError(
            f"figure2: found {len(able)} cell types with at least {least} training samples (figure2.neighbours and one "
            f"more; the most that a type has are {numbers.max(initial=0)}), expected at least 2; figure2.uni_modal: "
            "null leaves the figure out"
        )
    if len(able) <= n_types:
        return able
    return np.sort(np.random.default_rng([seed, _TYPES]).choice(able, n_types, replace=False))


def _some(regions: np.ndarray, n: int, seed: int, cell_type: int) -> np.ndarray:
    """Return at most `n` samples of a type, in their order; what is drawn of one does not depend on the others."""
    if len(regions) <= n:
        return regions
    generator = np.random.default_rng([seed, _SAMPLES, cell_type])
    return regions[np.sort(generator.choice(len(regions), n, replace=False))]


def _joined(parts: dict[int, np.ndarray], width: int) -> Drawn:
    """Return the samples of types as one."""
    types = np.repeat(np.array(list(parts), np.int16), [len(part) for part in parts.values()])
    return Drawn(np.concatenate([np.empty((0, width), np.int32), *parts.values()]), types)


def draw_samples(groups: Groups, types: np.ndarray, n: int, seed: int) -> Drawn:
    """Return at most `n` training samples of each of some cell types (row numbers)."""
    train = groups.subset(TRAIN)
    parts = {int(t): _some(train.regions[train.cell_type == t], n, seed, int(t)) for t in types}
    return _joined(parts, train.regions.shape[1])


def draw_specific(groups: Groups, types: np.ndarray, n: int, least: int, seed: int) -> Drawn:
    """Return such samples of regions that training samples of one of these types alone hold.

    Regions that samples of two of the `types` hold are taken out of each stretch of consecutive samples, and what is
    left is cut into samples anew; a remainder shorter than a sample is dropped. A type that has fewer than `least` of
    them then has none here.
    """
    train = groups.subset(TRAIN)
    width = train.regions.shape[1]
    ours = np.isin(train.cell_type, types)
    # Samples of one type are disjoint, so a region that counts twice is of two types.
    shared = np.bincount(train.regions[ours].ravel()) > 1
    parts = {}
    for t in types:
        here = train.cell_type == t
        cut = [np.empty((0, width), np.int32)]
        for block in np.unique(train.block[here]):
            rows = train.regions[here & (train.block == block)].ravel()
            own = rows[~shared[rows]]
            cut.append(own[: len(own) // width * width].reshape(-1, width))
        regions = np.concatenate(cut)
        if len(regions) >= least:
            parts[int(t)] = _some(regions, n, seed, int(t))
    return _joined(parts, width)


@dataclass(frozen=True)
class Embeddings:
    """What a model makes of drawn samples, with and without regions that cell types share."""

    names: np.ndarray  # str [n_cell_types]: of the run's cell types
    available: np.ndarray  # int64 [n_cell_types]: training samples that each has
    drawn: Drawn
    specific: Drawn  # of regions of one type alone; may be none
    values: np.ndarray  # float32 [n drawn, width]
    specific_values: np.ndarray  # float32 [n specific, width]

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` file."""
        arrays = {name: value for name, value in vars(self).items() if not isinstance(value, Drawn)}
        for name in ("drawn", "specific"):
            arrays |= {f"{name}_{key}": value for key, value in vars(getattr(self, name)).items()}
        with atomic_path(path) as temporary:
            np.savez(temporary, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Embeddings":
        """Read what :meth:`save` wrote; an InputError if it is another file, or a damaged one."""
        try:
            with np.load(path) as arrays:
                both = [Drawn(arrays[f"{name}_regions"], arrays[f"{name}_cell_type"]) for name in ("drawn", "specific")]
                names = ("names", "available", "values", "specific_values")
                first, second, third, fourth = (arrays[name] for name in names)
        except (OSError, ValueError, EOFError, KeyError, TypeError, BadZipFile) as error:
            raise InputError(f"{path}: not a file of embeddings ({error}); run the rule `embed` again") from error
        return cls(first, second, *both, third, fourth)
