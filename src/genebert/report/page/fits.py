"""Fits behind the rows of a run: what score files say of one model on one data set, all its seeds."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genebert.errors import InputError
from genebert.evaluation.scores import read_score
from genebert.report.tables.kinds.base import Place, Score, pretraining_of, value_at, with_own_values
from genebert.report.tables.values import mean_and_sd


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
        for value, path in zip(found, self.paths, strict=True):
            if not isinstance(value, (int, float)) or not math.isfinite(value):
                raise InputError(f"{path}: found {'.'.join(place)} {value!r}, expected a number")
        return found

    def mean_and_sd(self, place: Place) -> tuple[float, float]:
        """Return mean and standard deviation of a number, NaN of one value; of copies one counts."""
        own = with_own_values(self.scores)
        return mean_and_sd(
            [value for score, value in zip(self.scores, self.values(place), strict=True) if score in own]
        )

    def by_pretraining(self, place: Place) -> dict[int | None, list[float]]:
        """Return the same for each seed of pre-training, None of what has none."""
        found: dict[int | None, list[float]] = {}
        for score, value in zip(self.scores, self.values(place), strict=True):
            found.setdefault(pretraining_of(score), []).append(value)
        return found

    def mean_by_pretraining(self, place: Place) -> dict[int | None, float]:
        """Return the mean of the same."""
        return {seed: float(np.mean(values)) for seed, values in self.by_pretraining(place).items()}

    def of_seeds(self, seeds: Collection[int]) -> "Fits":
        """Return the fits of some fine-tuning seeds."""
        kept = [i for i, score in enumerate(self.scores) if score["seed"] in seeds]
        return Fits(tuple(self.scores[i] for i in kept), tuple(self.paths[i] for i in kept))


AllFits = Mapping[tuple[str, str], Fits]  # ``task/dataset``, model


def read_fits(
    paths: Iterable[str | Path], fitted_as: Mapping[str, Mapping[str, Sequence[str]]] | None = None
) -> dict[tuple[str, str], Fits]:
    """Read score files; an InputError where one is none, or two are of one seed.

    `fitted_as` names rows whose fits have other names than the row, or several: data set -> row -> those names, the
    first for the run's own seed of pre-training. The others stand for no row of their own.
    """
    return fits_of(((read_score(path), Path(path)) for path in paths), fitted_as)


def fits_of(
    read: Iterable[tuple[Score, Path]], fitted_as: Mapping[str, Mapping[str, Sequence[str]]] | None = None
) -> dict[tuple[str, str], Fits]:
    """Return what :func:`read_fits` does, of files that are read."""
    found: dict[tuple[str, str], dict[int, tuple[Score, Path]]] = {}
    for score, path in read:
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
