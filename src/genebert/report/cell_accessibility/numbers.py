"""The numbers of the table: what each feature says of held-out regions, and of what is specific to cell types."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from genebert.corpus.groups import TRAIN, VALID
from genebert.corpus.region_blocks import LabelledRegions, RegionBlocks
from genebert.evaluation.cell_types import (
    ACCESSIBILITY,
    SPECIFIC,
    TARGETS,
    Resampled,
    average_precisions,
    correlations,
    mean_over_types,
    others_mean,
    resampled_blocks,
    targets_of,
)
from genebert.report.cell_accessibility.features import Feature
from genebert.report.cell_accessibility.fits import Parts, lasso, ridge, standardised, trees
from genebert.report.cell_accessibility.readings import Reading
from genebert.report.cell_accessibility.words import COMPOSITION, OTHER_TYPES, TRAINING_MEAN

logger = logging.getLogger(__name__)
LASSO, TREES = "motif-l1", "motif-trees"


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
    name: str, feature: Feature, targets: Mapping[str, np.ndarray], parts: Parts, seed: int
) -> Iterator[tuple[str, dict[int | None, np.ndarray], tuple[float | None, ...]]]:
    """Yield target, predictions of the test regions [n, types] by pre-training, and penalties of regressions."""
    fit = {LASSO: lasso, TREES: partial(trees, seed=seed)}.get(name, ridge)
    given = {one: values if name == TREES else standardised(values, parts.train) for one, values in feature.items()}
    for target, truth in targets.items():
        fits = {one: fit(values, truth, parts) for one, values in given.items()}
        penalties = tuple(penalty for _, penalty in fits.values())
        yield target, {one: found for one, (found, _) in fits.items()}, penalties
    logger.info("%s: %d columns read, %d times", name, _width(feature), len(feature))


def _width(feature: Feature) -> int:
    """Return the number of columns, which all pre-trainings share."""
    return int(next(iter(feature.values())).shape[1])


def _measure(truth: np.ndarray, found: np.ndarray, *, precision: bool) -> np.ndarray:
    """Return what is measured of each type (float64 [types])."""
    return average_precisions(truth, found) if precision else correlations(truth, found)


def measure_all(
    labelled: LabelledRegions,
    features: Mapping[str, Feature],
    counting: Counting,
    pairs: Iterable[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Fit all features, and measure what they say of the test regions.

    Parameters
    ----------
    labelled : LabelledRegions
    features : dict
        By name; ``composition`` is among them.
    counting : Counting
    pairs : iterable of (str, str)
        Features whose cell-specific parts are compared: of the first is said how much more it tells than the second.

    Returns
    -------
    dict
        `metric` of the accessibility (``average precision`` of open or not, else ``Pearson``), numbers of regions,
        `rows` and `between`.

        `rows`: name -> target -> mean over cell types and pre-trainings (`value`), of a model the mean of each
        (`pretrainings`, seed -> value), `types` (name -> value), and, of correlations, ``low`` and ``high`` of the mean
        and the same of its gain over ``composition`` (`gain`, `gain_low`, `gain_high`): over resampled blocks, and over
        pre-trainings where there are several. Of a baseline without a prediction of a target nothing stands there.

        `between`: of each pair `row`, `than`, `gain`, `gain_low`, `gain_high`.
    """
    parts = parts_of(labelled.blocks, counting.valid_fraction)
    targets = targets_of(labelled.labels.astype(np.float64), parts.train)
    test = {name: truth[parts.test] for name, truth in targets.items()}
    width, blocks = labelled.blocks.regions.shape[1], int((labelled.blocks.split == VALID).sum())
    owner, weights = np.repeat(np.arange(blocks), width), resampled_blocks(blocks, counting.resamples, counting.seed)
    precision = not labelled.counted

    def read(target: str, found: Mapping[int | None, np.ndarray], penalties: tuple[float | None, ...]) -> Reading:
        as_precision = precision and target == ACCESSIBILITY
        values = {seed: _measure(test[target], one, precision=as_precision) for seed, one in found.items()}
        drawn = {} if as_precision else {
            seed: mean_over_types(Resampled.of(test[target], one, owner).correlations(weights))
            for seed, one in found.items()
        }  # fmt: skip
        return Reading(values, drawn, penalties)

    constant = np.broadcast_to(targets[ACCESSIBILITY][parts.train].mean(0), test[ACCESSIBILITY].shape)
    means = {TRAINING_MEAN: constant, OTHER_TYPES: others_mean(test[ACCESSIBILITY])}
    readings = {name: {ACCESSIBILITY: read(ACCESSIBILITY, {None: found}, (None,))} for name, found in means.items()}
    for name, feature in features.items():
        predicted = _predictions(name, feature, targets, parts, counting.seed)
        readings[name] = {target: read(target, found, penalties) for target, found, penalties in predicted}
    rows: dict[str, dict[str, Any]] = {}
    for name, of_targets in readings.items():
        rows[name] = {target: _entry(reading, labelled.names.tolist()) for target, reading in of_targets.items()}
        for target, reading in of_targets.items() if name not in (COMPOSITION, *means) else ():
            if reading.drawn:
                rows[name][target] |= _gain(reading, readings[COMPOSITION][target])
    return {
        "metric": "average precision" if precision else "Pearson",
        "labels": "open or not" if precision else "log counts per million",
        "cell_types": labelled.names.tolist(),
        "columns": {name: _width(feature) for name, feature in features.items()},
        **{f"{name}_regions": int(getattr(parts, name).sum()) for name in ("train", "valid", "test")},
        "test_blocks": blocks,
        "shared_by_all": float((labelled.labels[parts.test] > 0).all(axis=1).mean()),
        "specific_share": _specific_share(test),
        "rows": rows,
        "between": [
            {"row": one, "than": other} | _gain(readings[one][SPECIFIC], readings[other][SPECIFIC])
            for one, other in pairs
        ],
    }


def _entry(reading: Reading, names: list[str]) -> dict[str, Any]:
    """Return what a row says of a target, but for its gain."""
    entry: dict[str, Any] = {"value": _plain(reading.value), "penalties": list(reading.penalties)}
    entry["types"] = dict(zip(names, map(_plain, reading.of_types), strict=True))
    if None not in reading.means:
        entry["pretrainings"] = {str(seed): _plain(value) for seed, value in reading.means.items()}
    if reading.drawn:
        entry["low"], entry["high"] = reading.beyond()[1] or (None, None)
    return entry


def _gain(reading: Reading, other: Reading) -> dict[str, float | None]:
    """Return how much more a reading tells than another."""
    value, ends = reading.beyond(other)
    low, high = ends or (None, None)
    return {"gain": _plain(value), "gain_low": low, "gain_high": high}


def _specific_share(test: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the share of the labels' variance that is left in the other targets, all types together."""
    whole = test[ACCESSIBILITY].var(axis=0).sum()
    return {name: float(test[name].var(axis=0).sum() / whole) if whole else 0.0 for name in TARGETS[1:]}


def _plain(value: float) -> float | None:
    """Return a number for JSON, None for one that is not there."""
    return float(value) if np.isfinite(value) else None
