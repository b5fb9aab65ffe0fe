"""Intervals of a difference that several errors bear on: of fits, of pre-trainings, of test examples."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

Interval = tuple[float, float]
Error = tuple[Interval, float]  # the 95 % interval of one error alone, its degrees of freedom (inf: no Student's t)


def middle_95(values: np.ndarray) -> Interval | None:
    """Return the ends of the middle 95 % of draws, None where none of them has a value (is finite)."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def interval_of_mean(values: Sequence[float]) -> Interval | None:
    """Return the 95 % interval of a mean (Student's t), None of fewer than two values."""
    from scipy.stats import t

    n = len(values)
    if n < 2:
        return None
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(t.ppf(0.975, n - 1)) * sd / math.sqrt(n)
    return mean - half, mean + half


def error_over_pretrainings(one: Mapping[int | None, float], two: Mapping[int | None, float]) -> Error | None:
    """Return the error of a difference over pre-trainings, None where neither side has several.

    Parameters
    ----------
    one, two : dict
        Seed of pre-training -> what is measured of it, a mean of fits or one number.

    Returns
    -------
    Error or None
        Paired where both have the same seeds, by Welch's t where both have others; where one side has a single
        pre-training, of the other's alone. The freedom is infinite where the interval has no width.
    """
    from scipy.stats import ttest_ind

    both = len(one) > 1 and len(two) > 1
    values = [np.array(list(side.values())) for side in (one, two)]
    if both and set(one) != set(two):
        if np.ptp(values[0]) or np.ptp(values[1]):
            test = ttest_ind(*values, equal_var=False)
            return tuple(map(float, test.confidence_interval(0.95))), float(test.df)
        return (float(values[0].mean() - values[1].mean()),) * 2, math.inf
    differences = [value - two[seed] for seed, value in one.items()] if both else (values[0] - values[1]).tolist()
    interval = interval_of_mean(differences)
    return interval and (interval, len(differences) - 1)


def with_all_errors(difference: float, errors: Sequence[Error]) -> Interval:
    """Return the 95 % interval of a difference with several independent errors.

    Parameters
    ----------
    difference : float
    errors : list of Error

    Returns
    -------
    Interval
        On either side the variances add, and t has the degrees of freedom of the sum: Satterthwaite, Biometrics
        Bulletin 2 (1946) 110. The widest interval alone leaves out a true difference too often (tests simulate it).
    """
    below = _reach([(max(0.0, difference - low), freedom) for (low, _), freedom in errors])
    above = _reach([(max(0.0, high - difference), freedom) for (_, high), freedom in errors])
    return difference - below, difference + above


def _reach(reaches: Sequence[tuple[float, float]]) -> float:
    """Return how far the interval of a sum of errors reaches, from how far each does and its degrees of freedom."""
    from scipy.stats import t

    variances = [(reach / float(t.ppf(0.975, freedom))) ** 2 for reach, freedom in reaches]
    total = sum(variances)
    left = sum(variance**2 / freedom for variance, (_, freedom) in zip(variances, reaches, strict=True))
    return float(t.ppf(0.975, total**2 / left if left else math.inf)) * math.sqrt(total)
