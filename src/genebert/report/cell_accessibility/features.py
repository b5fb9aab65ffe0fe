"""What regions are known by: composition, k-mers, motif rows, and what models make of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genebert.corpus.region_blocks import RegionBlocks, RegionStates
from genebert.errors import InputError
from genebert.genome.bases import N_CODE
from genebert.genome.sequences import RegionSequences
from genebert.methods.features import kmer_counts
from genebert.motifs.composition import composition, log_lengths
from genebert.motifs.matrix import load_motif_matrix
from genebert.report.cell_accessibility.words import REGION, SEQUENCE

KMERS = (1, 2, 3, 4)
_ROWS = 1024  # regions of a block that k-mers are counted in

# Seed of pre-training -> float [regions, some]; None: of what has none.
Feature = Mapping[int | None, np.ndarray]


@dataclass(frozen=True)
class StatesFile:
    """What one pre-training of a model makes of regions."""

    model: str
    seed: int
    path: str | Path  # a file of :class:`RegionStates`


@dataclass(frozen=True)
class FeatureFiles:
    """Folders and files of a run that features are read from."""

    sequences: str | Path
    motifs: str | Path
    states: Sequence[StatesFile]


def composition_features(whole: RegionSequences, shown: RegionSequences) -> np.ndarray:
    """Return GC and CpG of the shown bases, log length of the whole region, and their squares (float64 [n, 6])."""
    plain = np.column_stack([composition(shown), log_lengths(whole)])
    return np.hstack([plain, plain**2])


def kmer_shares(sequences: RegionSequences) -> np.ndarray:
    """Return the share of each 1- to 4-mer among those of its length in each region (float32 [n, 340]); 0 without."""
    lengths = np.diff(sequences.offsets)
    parts = []
    for first in range(0, len(sequences), _ROWS):
        rows = np.arange(first, min(first + _ROWS, len(sequences)))
        codes = np.full((len(rows), max(lengths[rows].max(), max(KMERS))), N_CODE, np.uint8)
        for i, row in enumerate(rows):
            codes[i, : lengths[row]] = sequences[row]
        blocks = np.split(kmer_counts(codes, KMERS), np.cumsum([4**k for k in KMERS])[:-1], axis=1)
        parts.append(np.hstack([block / np.maximum(block.sum(1, keepdims=True), 1) for block in blocks]))
    return np.concatenate(parts)


def read_states(files: Iterable[StatesFile], blocks: RegionBlocks) -> dict[str, Feature]:
    """Return the vectors that models give the regions of blocks, by name; an InputError for those of other regions."""
    found: dict[str, dict[int | None, np.ndarray]] = {}
    for one in files:
        states = RegionStates.load(one.path)
        if not np.array_equal(states.regions, blocks.regions.ravel()):
            raise InputError(f"{one.path}: holds other regions than this run draws; run the rule `embed_regions` again")
        found.setdefault(SEQUENCE.format(one.model), {})[one.seed] = states.sequence
        if states.region.shape[1]:
            found.setdefault(REGION.format(one.model), {})[one.seed] = states.region
    return found


def read_features(
    names: Iterable[str], files: FeatureFiles, blocks: RegionBlocks, region_bp: int | None
) -> dict[str, Feature]:
    """Return the features of the regions of blocks, in the order of `names`, then those of models.

    ``motif-trees`` is the matrix as it is; what is missing there is NaN.
    """
    rows = blocks.regions.ravel()
    whole = RegionSequences.load(files.sequences).take(rows)
    shown = whole.crop(region_bp)
    motifs = np.asarray(load_motif_matrix(files.motifs)[rows], dtype=np.float64)
    makers = {
        "composition": lambda: composition_features(whole, shown),
        "kmers": lambda: kmer_shares(shown),
        "motifs": lambda: motifs,
        "composition-motifs": lambda: np.hstack([composition_features(whole, shown), motifs]),
        "motif-l1": lambda: motifs,
        "motif-trees": lambda: motifs,
    }
    return {name: {None: makers[name]()} for name in names} | read_states(files.states, blocks)
