"""Whether a claim holds in a run, by one rule that the page prints (:data:`RULE`)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genebert.evaluation.intervals import Interval, error_over_pretrainings, with_all_errors
from genebert.report.page.claims import Claim, Pair
from genebert.report.page.fits import AllFits
from genebert.report.page.intervals import common_seeds, interval_over_examples, interval_over_seeds
from genebert.report.tables.blocks import number
from genebert.report.tables.kinds.base import Place, Shown, value_at

HOLDS, FAILS, OPEN, ABSENT = "holds", "does not hold", "cannot be told from these seeds", "not part of this run"
VERDICTS = (HOLDS, FAILS, OPEN, ABSENT)
ONE_MODEL = "one model under both names"
NO_DATA_SET = "not a data set of this run"
RULE = (
    "A comparison is of two models on one test set: the difference of the means of the table's last metric, over the "
    "fine-tuning seeds that both have. Two 95 % intervals of it are made. One is over the fine-tuning seeds (Student's "
    "t of the paired differences; of several pre-trainings the mean of each seed). The other is over the test "
    "examples: where predictions are kept, by DeLong's variance of AUCs on shared examples; else from both models' own "
    "intervals, as if they were independent, which is wider. Where a model is pre-trained with several seeds, a third "
    "is over these (Student's t of the means of each; paired where both models have the same seeds). The interval "
    "shown holds all of these errors, as if they were independent: their variances add, and Student's t has the "
    "degrees of freedom of their sum (Welch and Satterthwaite).",
    "A comparison holds if the whole interval lies above 0. It does not hold if the whole interval lies below 0, or if "
    "it contains 0 and ends below half of the gain that the paper reports. Of that gain no more is counted than can be "
    "reached here: 1, the most of these metrics, less the other model's mean. Otherwise it cannot be told from these "
    "seeds; neither can it from a single seed of a model that has a random part. Two names of one model, fitted once, "
    "are no comparison: the same model, which is not part of this run.",
    "A claim holds if all of its comparisons that this run has hold, and does not hold if one of them does not. It is "
    "not part of this run if none is. Of models that are pre-trained once no interval counts what another pre-training "
    "would give. No correction is made for the number of comparisons.",
)


@dataclass(frozen=True)
class Measured:
    """A comparison as a run has it."""

    pair: Pair
    verdict: str
    why: str
    seeds: tuple[int, ...] = ()
    pretrainings: int = 1  # seeds of pre-training, of the side that has more of them
    ours: tuple[float, float] | None = None  # mean, sd over seeds (NaN of one)
    other: tuple[float, float] | None = None
    difference: float | None = None
    over_seeds: Interval | None = None
    over_pretrainings: Interval | None = None
    over_examples: Interval | None = None
    interval: Interval | None = None
    missing: str = ""  # model that the run has no row of, on a data set that it has


def verdict_of(interval: Interval | None, gain: float | None) -> str:
    """Return what an interval of a difference says, see :data:`RULE`; `gain` is the paper's, as far as in reach."""
    if interval is None:
        return OPEN
    low, high = interval
    if low > 0:
        return HOLDS
    return FAILS if high < 0 or (gain is not None and high < gain / 2) else OPEN


def within_reach(gain: float | None, other: float) -> float | None:
    """Return the paper's gain, or what is left to the most of the metric, 1, where that is less.

    `other` is the mean of the model that the paper calls worse, as this run has it.
    """
    return None if gain is None else min(gain, 1.0 - other)


def _reason(interval: Interval | None, gain: float | None, reach: float | None, seeds: Sequence[int]) -> str:
    """Say in words why :func:`verdict_of` says so; `reach` is the part of the paper's `gain` that can be had."""
    if interval is None:
        return f"one seed ({seeds[0]}) has no interval" if len(seeds) == 1 else "no interval"
    low, high = interval
    if low > 0:
        return "the whole interval lies above 0"
    if high < 0:
        return "the whole interval lies below 0"
    if reach is not None and high < reach / 2:
        most = f", of which at most {number(reach, '+')} is left here" if reach < gain else ""
        return f"the interval contains 0 and ends below half of the paper's gain of {number(gain, '+')}{most}"
    if gain is not None and high > gain > 0:
        return f"the interval contains both 0 and the paper's gain of {number(gain, '+')}"
    return "the interval contains 0"


def measure(pair: Pair, fits: AllFits, shown: Shown, place: Place) -> Measured:
    """Compare two models of a run.

    Parameters
    ----------
    pair : Pair
    fits : dict
        From :func:`read_fits`.
    shown : Shown
        The kind of the pair's table.
    place : tuple of str
        Of the metric in a score file.
    """
    sides = [fits.get((pair.dataset, model)) for model in (pair.ours, pair.other)]
    for model, side in zip((pair.ours, pair.other), sides, strict=True):
        if side is None:
            if all(dataset != pair.dataset for dataset, _ in fits):
                return Measured(pair, ABSENT, NO_DATA_SET)
            return Measured(pair, ABSENT, f"no row of this run: {model}", missing=model)
        if not side.scores:
            return Measured(pair, ABSENT, f"{model} cannot be had: {side.unavailable}")
    if sides[0].paths == sides[1].paths:
        return Measured(pair, ABSENT, ONE_MODEL)
    seeds = common_seeds(sides)
    if not seeds:
        return Measured(pair, ABSENT, "the two have no seed in common")
    ours, other = (side.of_seeds(seeds) for side in sides)
    values = ours.values(place), other.values(place)
    difference = float(np.mean(values[0]) - np.mean(values[1]))
    fixed = all(score["deterministic"] for side in (ours, other) for score in side.scores)
    over_seeds = None if fixed else interval_over_seeds(ours, other, place)
    means_of_each = (side.mean_by_pretraining(place) for side in (ours, other))
    over_pretrainings, freedom = error_over_pretrainings(*means_of_each) or (None, math.inf)
    over_examples = interval_over_examples(ours, other, shown, place)
    errors = (over_seeds, len(seeds) - 1), (over_pretrainings, freedom), (over_examples, math.inf)
    known = [error for error in errors if error[0] is not None]
    told = known and (fixed or over_seeds is not None)
    interval = with_all_errors(difference, known) if told else None
    means = [side.mean_and_sd(place) for side in (ours, other)]
    reach = within_reach(pair.gain, means[1][0])
    verdict, why = verdict_of(interval, reach), _reason(interval, pair.gain, reach, seeds)
    trained = max(len(side.by_pretraining(place)) for side in (ours, other))
    return Measured(
        pair, verdict, why, seeds, trained, *means, difference, over_seeds, over_pretrainings, over_examples, interval
    )


def claim_verdict(measured: Sequence[Measured]) -> str:
    """Return the verdict of a claim from those of its comparisons, see :data:`RULE`."""
    verdicts = {one.verdict for one in measured} - {ABSENT}
    if not verdicts:
        return ABSENT
    return FAILS if FAILS in verdicts else OPEN if OPEN in verdicts else HOLDS


def best_of(dataset: str, fits: AllFits, methods: Iterable[str], place: Place) -> dict[str, Any] | None:
    """Return the best of some methods on a data set, chosen on its validation examples; None where none was run.

    Returns
    -------
    dict
        model; mean and sd of the test metric over seeds.
    """
    candidates = []
    for (where, model), one in fits.items():
        if where == dataset and model in methods and one.scores:
            valid = [value_at(score, ("validation", place[-1])) for score in one.scores]
            if None not in valid:
                candidates.append((float(np.mean(valid)), model, one))
    if not candidates:
        return None
    _, model, one = max(candidates, key=lambda found: found[:2])
    mean, sd = one.mean_and_sd(place)
    return {"model": model, "mean": mean, "sd": sd}


@dataclass(frozen=True)
class Judged:
    """A claim with what a run says of it."""

    claim: Claim
    metric: str  # heading of the compared metric
    measured: tuple[Measured, ...]
    verdict: str
    simple: dict[str, dict[str, Any]]  # data set -> see :func:`best_of`


def judge(claim: Claim, fits: AllFits, shown: Shown, metric: str, simple: Iterable[str]) -> Judged:
    """Return what a run says of a claim; `metric` is a key of :attr:`Shown.metrics`, `simple` names no network."""
    about = shown.metrics[metric]
    measured = tuple(measure(pair, fits, shown, about.place) for pair in claim.pairs)
    sets = dict.fromkeys(one.pair.dataset for one in measured if one.verdict != ABSENT)
    best = {dataset: best_of(dataset, fits, list(simple), about.place) for dataset in sets}
    known = {dataset: found for dataset, found in best.items() if found}
    return Judged(claim, about.heading, measured, claim_verdict(measured), known)
