"""Samples by their strongest family of motifs, beside a plain loop."""

import numpy as np
import pytest

from genebert.motifs import families as module
from genebert.motifs.families import family_order


def by_hand(matrix, samples, families):
    """The strongest family of each sample and its strength, one region and one motif at a time."""
    mean, sd = np.nanmean(matrix, 0), np.nanstd(matrix, 0)
    names = sorted(set(families) - {""})
    regions = np.unique(samples)
    best = {}
    for name in names:
        columns = [i for i, family in enumerate(families) if family == name]
        values = {r: max(0 if np.isnan(matrix[r, i]) else (matrix[r, i] - mean[i]) / sd[i] for i in columns)
                  for r in regions}  # fmt: skip
        centre, spread = np.mean(list(values.values())), np.std(list(values.values()))
        best[name] = {r: (value - centre) / spread for r, value in values.items()}
    strength = [[np.mean([best[name][r] for r in sample]) for name in names] for sample in samples]
    return [names[np.argmax(one)] for one in strength], [max(one) for one in strength]


@pytest.mark.parametrize("block", [3, 1 << 14])
def test_order_equals_a_plain_loop(monkeypatch, block):
    monkeypatch.setattr(module, "_BLOCK_ROWS", block)
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(80, 9))
    matrix[5, 3] = np.nan
    samples = rng.integers(0, 70, (25, 4))
    families = ["b", "a", "b", "", "c", "a", "c", "c", ""]
    order = family_order(matrix, samples, families, np.nanmean(matrix, 0), np.nanstd(matrix, 0))
    strongest, strength = by_hand(matrix, samples, families)
    expected = sorted(range(25), key=lambda i: (strongest[i], strength[i]))
    assert order.tolist() == expected and len(set(strongest)) == 3


def test_a_family_of_many_motifs_is_no_stronger_for_it():
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(4000, 21)).astype(np.float16)
    families = ["many"] * 20 + ["one"]
    samples = np.arange(4000).reshape(-1, 4)
    order = family_order(matrix, samples, families, matrix.mean(0, dtype=np.float32), matrix.std(0, dtype=np.float32))
    of_one = matrix[samples[order]].astype(float)[:, :, 20].mean(1)
    # those of `one` come last; the best of twenty alone would leave it none of them
    assert of_one[:400].max() < of_one[-100:].min() and of_one[:400].mean() < -0.1 < 0.2 < of_one[-400:].mean()
