"""The numbers of the table: what each feature says of held-out regions, and of what is specific to cell types."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from genebert.corpus.groups import TRAIN, VALID
from genebert.corpus.region_blocks import LabelledRegions, RegionBlocks
from genebert.evaluation.cell_types import (
    ACCESSIBILITY,
    TARGETS,
    Resampled,
    average_precisions,
    correlations,
    interval,
    mean_over_types,
    others_mean,
    resampled_blocks,
    targets_of,
)
from genebert.report.cell_accessibility.fits import Parts, ridge, standardised, trees
from genebert.report.cell_accessibility.words import COMPOSITION, OTHER_TYPES, TRAINING_MEAN

logger = logging.getLogger(__name__)
TREES = "motif-trees"


@dataclass(frozen=True)
class Counting:
    """How penalties are chosen and intervals made."""

    valid_fraction: float
    resamples: int
    seed: int


def parts_of(blocks: RegionBlocks, valid_fraction: float) -> Parts:
    """Return which regions train, choose and test: the last share of each chromosome's training blocks chooses."""
    trains = blocks.split == TRAIN
    valid = np.zeros(len(blocks), bool)
    for chromosome in np.unique(blocks.chromosome):
        own = np.flatnonzero(trains & (blocks.chromosome == chromosome))
        valid[own[len(own) - round(len(own) * valid_fraction) :]] = True
    if not valid.any():  # one block a chromosome, or few: the last of all
        valid[np.flatnonzero(trains)[-1]] = True
    width = blocks.regions.shape[1]
    return Parts(*(np.repeat(one, width) for one in (trains & ~valid, valid, blocks.split == VALID)))


def _predictions(
    features: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray], parts: Parts, seed: int
) -> Iterator[tuple[str, str, np.ndarray, float | None]]:
    """Yield feature, target, predictions of the test regions [n, types], and the penalty of a ridge regression."""
    for name, values in features.items():
        given = values if name == TREES else standardised(values, parts.train)
        for target, truth in targets.items():
            if name == TREES:
                yield name, target, trees(given, truth, parts, seed), None
            else:
                yield name, target, *ridge(given, truth, parts)
        logger.info("%s: %d columns read", name, values.shape[1])


def _measure(truth: np.ndarray, found: np.ndarray, *, precision: bool) -> np.ndarray:
    """Return what is measured of each type (float64 [types])."""
    return average_precisions(truth, found) if precision else correlations(truth, found)


def measure_all(labelled: LabelledRegions, features: Mapping[str, np.ndarray], counting: Counting) -> dict[str, Any]:
    """Fit all features, and measure what they say of the test regions.

    Parameters
    ----------
    labelled : LabelledRegions
    features : dict
        Name -> float [regions, some]; ``composition`` is among them.
    counting : Counting

    Returns
    -------
    dict
        `metric` of the accessibility (``average precision`` of open or not, else ``Pearson``), numbers of regions, and
        `rows`: name -> target -> mean over cell types (`value`), `types` (name -> value) and, of correlations,
        ``low`` and ``high`` of the mean and the same of its gain over ``composition`` (`gain`, `gain_low`,
        `gain_high`), over resampled blocks. Of a baseline without a prediction of a target nothing stands there.
    """
    parts = parts_of(labelled.blocks, counting.valid_fraction)
    targets = targets_of(labelled.labels.astype(np.float64), parts.train)
    test = {name: truth[parts.test] for name, truth in targets.items()}
    width, blocks = labelled.blocks.regions.shape[1], int((labelled.blocks.split == VALID).sum())
    owner, weights = np.repeat(np.arange(blocks), width), resampled_blocks(blocks, counting.resamples, counting.seed)
    precision = not labelled.counted
    rows: dict[str, dict[str, Any]] = {}
    drawn: dict[tuple[str, str], np.ndarray] = {}

    def add(name: str, target: str, found: np.ndarray, penalty: float | None = None) -> None:
        as_precision = precision and target == ACCESSIBILITY
        values = _measure(test[target], found, precision=as_precision)
        entry: dict[str, Any] = {"value": _plain(mean_over_types(values))}
        entry["types"] = dict(zip(labelled.names.tolist(), map(_plain, values), strict=True))
        entry["penalty"] = penalty
        if not as_precision:
            drawn[name, target] = mean_over_types(Resampled.of(test[target], found, owner).correlations(weights))
            entry["low"], entry["high"] = interval(drawn[name, target]) or (None, None)
        rows.setdefault(name, {})[target] = entry

    constant = np.broadcast_to(targets[ACCESSIBILITY][parts.train].mean(0), test[ACCESSIBILITY].shape)
    add(TRAINING_MEAN, ACCESSIBILITY, constant)
    add(OTHER_TYPES, ACCESSIBILITY, others_mean(test[ACCESSIBILITY]))
    for name, target, found, penalty in _predictions(features, targets, parts, counting.seed):
        add(name, target, found, penalty)
    for (name, target), values in drawn.items():
        base = drawn.get((COMPOSITION, target))
        if base is not None and name not in (COMPOSITION, TRAINING_MEAN, OTHER_TYPES):
            entry, other = rows[name][target], rows[COMPOSITION][target]["value"]
            both = entry["value"] is not None and other is not None
            entry["gain"] = entry["value"] - other if both else None
            entry["gain_low"], entry["gain_high"] = interval(values - base) or (None, None)
    return {
        "metric": "average precision" if precision else "Pearson",
        "labels": "open or not" if precision else "log counts per million",
        "cell_types": labelled.names.tolist(),
        "columns": {name: int(values.shape[1]) for name, values in features.items()},
        **{f"{name}_regions": int(getattr(parts, name).sum()) for name in ("train", "valid", "test")},
        "test_blocks": blocks,
        "shared_by_all": float((labelled.labels[parts.test] > 0).all(axis=1).mean()),
        "specific_share": _specific_share(test),
        "rows": rows,
    }


def _specific_share(test: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the share of the labels' variance that is left in the other targets, all types together."""
    whole = test[ACCESSIBILITY].var(axis=0).sum()
    return {name: float(test[name].var(axis=0).sum() / whole) if whole else 0.0 for name in TARGETS[1:]}


def _plain(value: float) -> float | None:
    """Return a number for JSON, None for one that is not there."""
    return float(value) if np.isfinite(value) else None
