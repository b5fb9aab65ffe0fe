"""The numbers beside Figure 2: how well cell types are separated, what chance gives, and what needs no model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from genebert.corpus.drawn import Drawn
from genebert.evaluation.separation import (
    DISTANCES,
    MEASURED,
    Space,
    by_chance,
    differences,
    interval,
    per_sample,
    space_of,
    summary,
    uniformity,
)
from genebert.genome.kmers import SPECIALS, kmer_ids
from genebert.genome.sequences import RegionSequences
from genebert.motifs.composition import composition
from genebert.report.figure2.words import WORD

DIGITS = 5


@dataclass(frozen=True)
class Counting:
    """How neighbours and chance are counted."""

    k: int  # neighbours
    permutations: int
    seed: int


def rounded(value: Any) -> Any:
    """Return numbers as they stand in the file, in blocks of any depth."""
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    return round(float(value), DIGITS) if isinstance(value, float | np.floating) else value


def labels_of(drawn: Drawn) -> np.ndarray:
    """Return the cell types of samples counted from 0, in their order (int64 [n])."""
    return np.unique(drawn.cell_type, return_inverse=True)[1]


def cosine(values: np.ndarray) -> np.ndarray:
    """Return cosine distances (float64 [n, n])."""
    from sklearn.metrics.pairwise import cosine_distances

    return cosine_distances(values.astype(np.float64))


def euclidean(values: np.ndarray) -> np.ndarray:
    """Return Euclidean distances (float64 [n, n])."""
    from sklearn.metrics.pairwise import euclidean_distances

    return euclidean_distances(values.astype(np.float64))


def overlap(drawn: Drawn) -> np.ndarray:
    """Return how many regions each pair of samples shares (float32 [n, n])."""
    n, width = drawn.regions.shape
    rows = np.repeat(np.arange(n), width)
    held = sp.csr_matrix((np.ones(n * width, np.float32), (rows, drawn.regions.ravel())))
    return (held @ held.T).toarray()


def shared_share(drawn: Drawn) -> np.ndarray:
    """Return the share of each sample's regions that samples of another cell type hold (float64 [n])."""
    pairs = np.unique(
        np.column_stack([drawn.regions.ravel(), np.repeat(drawn.cell_type, drawn.regions.shape[1])]), axis=0
    )
    types = np.bincount(pairs[:, 0].astype(np.int64), minlength=int(drawn.regions.max()) + 1)
    return (types[drawn.regions] > 1).mean(1)


def kmer_counts(sequences: RegionSequences, drawn: Drawn, k: int) -> np.ndarray:
    """Return the counts of all k-mers in each sample (float64 [n, 4^k]), without those with N or across a border.

    `sequences` are of the samples' regions one after the other.
    """
    n, width = drawn.regions.shape
    codes, ends = np.asarray(sequences.codes), sequences.offsets[width::width]
    ids = kmer_ids(codes, k) - len(SPECIALS)
    place = np.arange(len(ids))
    region = np.searchsorted(sequences.offsets, place, "right")  # of which each base is, from 1
    whole = (ids >= 0) & (place + k <= sequences.offsets[region])
    sample = np.searchsorted(ends, place, "right")
    return np.bincount(sample[whole] * 4**k + ids[whole], minlength=n * 4**k).reshape(n, 4**k).astype(np.float64)


def controls(drawn: Drawn, sequences: RegionSequences, counting: Counting) -> dict[str, dict[str, float]]:
    """Return the purity that each of :data:`genebert.report.figure2.words.CONTROLS` reaches, with what chance gives.

    Distances are Euclidean, of standardised shares of G or C and of CpG, or of cosines, of the square roots of counts.
    """
    bases = sequences.take(drawn.regions.ravel().astype(np.int64))
    content = composition(bases).reshape(*drawn.regions.shape, 2).mean(1)
    content = (content - content.mean(0)) / np.maximum(content.std(0), 1e-9)
    apart = {
        "shared_regions": -overlap(drawn),
        "shared_share": euclidean(shared_share(drawn)[:, None]),
        "gc_cpg": euclidean(content),
        "kmers": cosine(np.sqrt(kmer_counts(bases, drawn, WORD))),
    }
    labels, found = labels_of(drawn), {}
    for name, distances in apart.items():
        space = space_of(distances, counting.k)
        found[name] = with_chance(space, labels, counting, ["purity"])["purity"]
    return found


def with_chance(
    space: Space, labels: np.ndarray, counting: Counting, names: Sequence[str] = MEASURED
) -> dict[str, dict[str, float]]:
    """Return the measures of a space: value, and of permuted cell types the mean (chance) and the middle 95 %."""
    values = summary(per_sample(space, labels, names))
    chance = by_chance(space, labels, counting.permutations, counting.seed, names)
    return {
        name: {"value": float(value), "chance": float(chance[name].mean()), **interval(chance[name])}
        for name, value in values.items()
    }


def compared(spaces: Mapping[str, Space], labels: np.ndarray, counting: Counting) -> dict[str, Any]:
    """Return the measures of both models in spaces of one kind, and multi-modal less uni-modal."""
    measured = {name: with_chance(space, labels, counting) for name, space in spaces.items()}
    one, other = (per_sample(spaces[name], labels) for name in ("multi_modal", "uni_modal"))
    apart = dict(differences(one, other, counting.permutations, counting.seed))
    # Mean distances of two spaces have no common unit.
    return measured | {"difference": {name: value for name, value in apart.items() if name not in DISTANCES}}


def shared_neighbours(space: Space, shares: np.ndarray) -> dict[str, float]:
    """Return which share of the neighbours holds a region of the sample itself, and which share of all others does.

    `shares` (bool [n, n]): which pairs of samples share a region.
    """
    others = shares & ~np.eye(len(shares), dtype=bool)
    near = space.nearest * others
    return {
        "value": float(near.sum() / space.nearest.sum()),
        "chance": float(others.sum() / (others.size - len(others))),
    }


def numbers_of(
    drawn: Drawn,
    values: Mapping[str, np.ndarray],
    plane: Mapping[str, np.ndarray],
    sequences: RegionSequences,
    counting: Counting,
) -> dict[str, Any]:
    """Return all numbers of one set of samples.

    Parameters
    ----------
    values, plane : dict
        uni_modal and multi_modal -> embeddings (float [n, width]) and places in the plane (float [n, 2]).
    sequences : RegionSequences
        Of all regions of the run, as models see them.

    Returns
    -------
    dict
        samples; embedding (cosine distances) and plane (Euclidean): see :func:`compared`; uniformity of both models;
        shared_neighbours in both embeddings; controls.
    """
    labels = labels_of(drawn)
    apart = {name: cosine(value) for name, value in values.items()}
    embedded = {name: space_of(distances, counting.k) for name, distances in apart.items()}
    drawn_in = {name: space_of(euclidean(value), counting.k) for name, value in plane.items()}
    shares = overlap(drawn) > 0
    return {
        "samples": len(drawn),
        "embedding": compared(embedded, labels, counting),
        "plane": compared(drawn_in, labels, counting),
        "uniformity": {name: uniformity(distances) for name, distances in apart.items()},
        "shared_neighbours": {name: shared_neighbours(space, shares) for name, space in embedded.items()},
        "controls": controls(drawn, sequences, counting),
    }
