"""Whether a claim holds in a run, by one rule that the page prints (:data:`RULE`)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genebert.errors import InputError
from genebert.evaluation.metrics import paired_auc_interval
from genebert.evaluation.scores import read_score
from genebert.report.page.claims import Claim, Pair
from genebert.report.tables.blocks import number
from genebert.report.tables.kinds.base import Place, Score, Shown, pretraining_of, value_at
from genebert.report.tables.values import mean_and_sd

HOLDS, FAILS, OPEN, ABSENT = "holds", "does not hold", "cannot be told from these seeds", "not part of this run"
VERDICTS = (HOLDS, FAILS, OPEN, ABSENT)
ONE_MODEL = "one model under both names"
NO_DATA_SET = "not a data set of this run"
RULE = (
    "A comparison is of two models on one test set: the difference of the table's last metric, fit by fit of one seed, "
    "and its mean. Two 95 % intervals of that mean are made. One is over the fine-tuning seeds (Student's t of the "
    "paired differences). The other is over the test examples: where predictions are kept, from 1,000 draws of them "
    "that both models share; else from both models' own intervals, as if they were independent, which is wider. Where "
    "a model is pre-trained with several seeds, a third is over these (Student's t of the mean differences of each; "
    "paired where both models have several). From the lowest of their lower ends to the highest of their upper ends "
    "is the interval shown.",
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
class Fits:
    """What the score files of one model on one data set say, in the order of seeds, first those of pre-training."""

    scores: tuple[Score, ...]
    paths: tuple[Path, ...]
    unavailable: str = ""  # why there is none

    def values(self, place: Place) -> list[float]:
        """Return a number of every seed."""
        found = [value_at(score, place) for score in self.scores]
        if None in found:
            raise InputError(f"{self.paths[found.index(None)]}: has no {'.'.join(place)}; expected the paper's metric")
        return found

    def pretrainings(self) -> list[int | None]:
        """Return the seed of pre-training behind each fit."""
        return [pretraining_of(score) for score in self.scores]


AllFits = Mapping[tuple[str, str], Fits]  # ``task/dataset``, model


def read_fits(
    paths: Iterable[str | Path], fitted_as: Mapping[str, Mapping[str, Sequence[str]]] | None = None
) -> dict[tuple[str, str], Fits]:
    """Read score files; an InputError where one is none, or two are of one seed.

    `fitted_as` names rows whose fits have other names than the row, or several: data set -> row -> those names, the
    first for the run's own seed of pre-training. The others stand for no row of their own.
    """
    found: dict[tuple[str, str], dict[int, tuple[Score, Path]]] = {}
    for path in map(Path, paths):
        score = read_score(path)
        seeds = found.setdefault((f"{score['task']}/{score['dataset']}", score["model"]), {})
        if score["seed"] in seeds:
            raise InputError(f"{path}: seed {score['seed']} as in {seeds[score['seed']][1]}; expected each once")
        seeds[score["seed"]] = score, path
    fits = {}
    for place, seeds in found.items():
        sets = [seeds[seed] for seed in sorted(seeds) if "unavailable" not in seeds[seed][0]]
        reasons = sorted({score["unavailable"] for score, _ in seeds.values() if "unavailable" in score})
        why = "; ".join(reasons) if not sets else ""
        fits[place] = Fits(tuple(score for score, _ in sets), tuple(path for _, path in sets), why)
    joined, further = {}, set()
    for dataset, rows in (fitted_as or {}).items():
        for row, names in rows.items():
            if all((dataset, name) in fits for name in names):
                own = [fits[dataset, name] for name in names]
                scores, places = (
                    tuple(one for part in own for one in getattr(part, key)) for key in ("scores", "paths")
                )
                joined[dataset, row] = Fits(scores, places, own[0].unavailable)
                further |= {(dataset, name) for name in names[1:]}
    return {place: one for place, one in (fits | joined).items() if place not in further}


Interval = tuple[float, float]


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


def interval_over_seeds(differences: Sequence[float]) -> Interval | None:
    """Return the 95 % interval of the mean of paired differences (Student's t), None for fewer than two."""
    from scipy.stats import t

    n = len(differences)
    if n < 2:
        return None
    mean, sd = mean_and_sd(list(differences))
    half = float(t.ppf(0.975, n - 1)) * sd / math.sqrt(n)
    return mean - half, mean + half


def interval_over_pretrainings(ours: Fits, other: Fits, differences: Sequence[float]) -> Interval | None:
    """Return the same of the mean differences of each pre-training, None where neither side has several.

    `ours` and `other` are the two sides of pairs of fits, `differences` theirs.
    """
    groups: dict[int | None, list[float]] = {}
    side = max(ours.pretrainings(), other.pretrainings(), key=lambda seeds: len(set(seeds)))
    for seed, difference in zip(side, differences, strict=True):
        groups.setdefault(seed, []).append(difference)
    return interval_over_seeds([float(np.mean(group)) for group in groups.values()])


def interval_over_examples(ours: Fits, other: Fits, shown: Shown, place: Place) -> Interval | None:
    """Return the 95 % interval of the difference over draws of test examples, see :data:`RULE`; None without any.

    Raises
    ------
    InputError
        The predictions of both are not of the same test examples.
    """
    import pandas as pd

    if place == ("metrics", "roc_auc") and not any("n_folds" in score["metrics"] for score in ours.scores):
        tables = [[pd.read_parquet(path.with_suffix(".parquet")) for path in one.paths] for one in (ours, other)]
        label = tables[0][0]["label"].to_numpy()
        for table, path in zip([*tables[0], *tables[1]], [*ours.paths, *other.paths], strict=True):
            if not np.array_equal(table["label"], label):
                raise InputError(f"{path}: labels are not those of {ours.paths[0]}; expected one test set")
        return paired_auc_interval(label, *([table["score"].to_numpy() for table in side] for side in tables))
    ends = [[value_at(score, shown.interval) for score in one.scores] for one in (ours, other)]
    if any(None in side for side in ends):
        return None
    difference = np.mean(ours.values(place)) - np.mean(other.values(place))
    half = math.hypot(*(float(np.mean([high - low for low, high in side])) / 2 for side in ends))
    return float(difference - half), float(difference + half)


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
    ours, other = _paired(*sides)
    seeds = tuple(dict.fromkeys(score["seed"] for score in ours.scores))
    if not seeds:
        return Measured(pair, ABSENT, "the two have no seed in common")
    values = ours.values(place), other.values(place)
    differences = [a - b for a, b in zip(*values, strict=True)]
    fixed = all(score["deterministic"] for side in (ours, other) for score in side.scores)
    over_seeds = None if fixed else interval_over_seeds(differences)
    over_pretrainings = interval_over_pretrainings(ours, other, differences)
    over_examples = interval_over_examples(ours, other, shown, place)
    known = [one for one in (over_seeds, over_pretrainings, over_examples) if one is not None]
    told = known and (fixed or over_seeds is not None)
    interval = (min(low for low, _ in known), max(high for _, high in known)) if told else None
    means = [mean_and_sd(one) for one in values]
    reach = within_reach(pair.gain, means[1][0])
    verdict, why = verdict_of(interval, reach), _reason(interval, pair.gain, reach, seeds)
    trained = max(len(set(side.pretrainings())) for side in (ours, other))
    return Measured(
        pair, verdict, why, seeds, trained, *means, float(np.mean(differences)), over_seeds, over_pretrainings,
        over_examples, interval,
    )  # fmt: skip


def _paired(ours: Fits, other: Fits) -> tuple[Fits, Fits]:
    """Return pairs of fits of the same seed, and of the same seed of pre-training where both have several."""
    sides = (ours, other)
    several = all(len(set(side.pretrainings())) > 1 for side in sides)
    keys = [[(pretraining_of(one) if several else None, one["seed"]) for one in side.scores] for side in sides]
    pairs = [(i, j) for i, mine in enumerate(keys[0]) for j, theirs in enumerate(keys[1]) if mine == theirs]
    one, two = (
        Fits(tuple(side.scores[pair[k]] for pair in pairs), tuple(side.paths[pair[k]] for pair in pairs))
        for k, side in enumerate(sides)
    )
    return one, two


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
    mean, sd = mean_and_sd(one.values(place))
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
