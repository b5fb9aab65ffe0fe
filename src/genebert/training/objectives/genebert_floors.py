"""What masked genome modelling and segment prediction reach from frequencies and base composition alone."""

import numpy as np

from genebert.corpus.groups import Groups
from genebert.corpus.order import SampleOrder
from genebert.genome.kmers import SPECIALS, kmer_ids
from genebert.genome.sequences import RegionSequences
from genebert.motifs.composition import blocks, composition

_FLOOR_SAMPLES = 50_000


def kmer_counts(sequences: RegionSequences, regions: np.ndarray, k: int) -> np.ndarray:
    """Return how often each k-mer without N occurs in the given regions: int64 [4^k], in the vocabulary's order."""
    wanted = np.zeros(len(sequences), dtype=bool)
    wanted[regions] = True
    counts = np.zeros(4**k, dtype=np.int64)
    for block, offsets, codes in blocks(sequences):
        used = np.repeat(wanted[block], np.diff(offsets))
        # the last k - 1 bases of a region begin no k-mer of it
        ends = offsets[1:, None] - np.arange(1, k)
        used[ends[ends >= 0]] = False
        ids = kmer_ids(codes, k, np.int16)
        ids = ids[used[: len(ids)]]
        counts += np.bincount(ids[ids >= len(SPECIALS)].astype(np.int64) - len(SPECIALS), minlength=4**k)
    return counts


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def mgm_floors(counts: np.ndarray) -> dict[str, float]:
    """Return cross-entropies (nats) of guessing a k-mer from frequencies alone, of counts int64 [4^k].

    ``base frequencies``: letters independent; ``base trigrams``: each letter from the two before it; ``k-mer
    frequencies``: the k-mer as a whole (for k = 3 the same).
    """
    k = round(np.log2(len(counts)) / 2)
    table = counts.reshape((4,) * k)
    one, two, three = (_entropy(table.sum(axis=tuple(range(n, k)))) for n in (1, 2, 3))
    floors = {"base frequencies": k * one, "k-mer frequencies": _entropy(counts)}
    if k > 3:
        floors["base trigrams"] = three + (k - 3) * (three - two)
    return {name: round(value, 4) for name, value in floors.items()}


def _halves(shares: np.ndarray, groups: Groups, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels of `n` samples: by how much the composition of both halves differs."""
    draw = SampleOrder(groups, n, seed).draw(0)
    half = draw.regions.shape[1] // 2
    a, b = shares[draw.regions[:, :half]].mean(1), shares[draw.regions[:, half:]].mean(1)
    apart = np.abs(a - b)
    return np.hstack([apart, apart**2]), draw.label


def ngsp_floors(sequences: RegionSequences, train: Groups, valid: Groups, seed: int) -> dict[str, float]:
    """Return what logistic regression makes of segment prediction from GC and CpG content of both halves.

    What a model does beyond it is about more than the base composition of a neighbourhood (docs/learning.md).

    Returns
    -------
    dict of str to float
        ``ngsp`` (cross-entropy, nats) and ``ngsp_accuracy`` on validation samples; empty where there are none of both
        labels.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not len(valid):
        return {}
    shares = composition(sequences)
    # Several draws of each group: half of its partners are redrawn.
    features, labels = _halves(shares, train, min(5 * len(train), _FLOOR_SAMPLES), seed)
    tested, truth = _halves(shares, valid, min(10 * len(valid), _FLOOR_SAMPLES), seed + 1)
    if len(np.unique(labels)) < 2 or len(np.unique(truth)) < 2:
        return {}
    chance = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, labels).predict_proba(tested)[:, 1]
    return {
        "ngsp": round(float(log_loss(truth, chance)), 4),
        "ngsp_accuracy": round(float(((chance >= 0.5) == truth).mean()), 4),
    }
