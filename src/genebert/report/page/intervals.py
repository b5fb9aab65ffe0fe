"""Intervals of the difference of two models: over fine-tuning seeds, pre-trainings and test examples."""

import math
from collections.abc import Sequence

import numpy as np

from genebert.evaluation.intervals import Interval, interval_of_mean
from genebert.evaluation.metrics import paired_auc_interval
from genebert.evaluation.scores import read_predictions
from genebert.report.page.fits import Fits
from genebert.report.tables.kinds.base import Place, Shown, pretraining_of, value_at


def common_seeds(sides: Sequence[Fits]) -> tuple[int, ...]:
    """Return the fine-tuning seeds that every pre-training of all sides has."""
    groups: dict[tuple[int, int | None], set[int]] = {}
    for i, side in enumerate(sides):
        for score in side.scores:
            groups.setdefault((i, pretraining_of(score)), set()).add(score["seed"])
    return tuple(sorted(set.intersection(*groups.values()))) if groups else ()


def interval_over_seeds(ours: Fits, other: Fits, place: Place) -> Interval | None:
    """Return the 95 % interval over fine-tuning seeds, which all fits share; None of one seed.

    Of several pre-trainings it is the mean of a seed that is compared: fits of one classifier seed are not independent
    of those that they are paired with, of which there may be fewer.
    """
    sides = [np.mean(list(side.by_pretraining(place).values()), axis=0) for side in (ours, other)]
    return interval_of_mean((sides[0] - sides[1]).tolist())


def interval_over_examples(ours: Fits, other: Fits, shown: Shown, place: Place) -> Interval | None:
    """Return the 95 % interval of the difference over draws of test examples, see :data:`RULE`; None without any.

    Raises
    ------
    InputError
        The predictions of both are not of the same test examples.
    """
    if place == ("metrics", "roc_auc") and not any("n_folds" in score["metrics"] for score in ours.scores):
        label, scores = read_predictions([*ours.paths, *other.paths])
        return paired_auc_interval(label, scores[: len(ours.paths)], scores[len(ours.paths) :])
    ends = [[value_at(score, shown.interval) for score in one.scores] for one in (ours, other)]
    if any(None in side for side in ends):
        return None
    difference = np.mean(ours.values(place)) - np.mean(other.values(place))
    half = math.hypot(*(float(np.mean([high - low for low, high in side])) / 2 for side in ends))
    return float(difference - half), float(difference + half)
