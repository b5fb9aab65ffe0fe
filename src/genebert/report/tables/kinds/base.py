"""What a table needs to know of a kind of task: where score files hold its numbers, how they are headed, and notes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

Score = dict[str, Any]  # a score file
Scores = dict[tuple[str, str], list[Score]]  # ``task/dataset``, model -> score files in the order of seeds
Place = tuple[str, ...]  # keys of a value in a score file, from the outside in

IN_TRAINING = "in its training"  # in the remark of a model that has seen what it is tested on


def value_at(score: Mapping[str, Any], place: Place) -> Any:
    """Return a value of a score file, None where it has none."""
    found: Any = score
    for key in place:
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return found


def pretraining_of(score: Mapping[str, Any]) -> int | None:
    """Return the seed that a score file's model was pre-trained with, None of what is no such model."""
    return (score.get("model_record") or {}).get("seed")


def available(scores: list[Score]) -> list[Score]:
    """Return the score files that hold scores."""
    return [score for score in scores if "unavailable" not in score]


def with_own_values(scores: Sequence[Score]) -> list[Score]:
    """Return the fits whose values are no copies of others'.

    Of several pre-trainings that no seed of fine-tuning changes that is one each: copies would make the standard
    deviation over pre-trainings smaller than it is.
    """
    if not all(score["deterministic"] for score in scores):
        return list(scores)
    first = {pretraining_of(score): score for score in reversed(scores)}
    return list(scores) if len(first) == 1 else list(first.values())[::-1]


@dataclass(frozen=True)
class Metric:
    """A number shown as mean and sd over seeds."""

    place: Place
    heading: str
    spanner: str = ""  # heading over this and its neighbours


@dataclass(frozen=True)
class Count:
    """A whole number that all seeds of a model agree on."""

    place: Place
    heading: str
    words: str  # what is counted, in the plural
    always: bool = False  # a column also where no score file has it


@dataclass(frozen=True)
class Figure:
    """A further number of a fit, of which the median over seeds is shown."""

    place: Place
    heading: str  # nothing: in the csv file only
    form: Callable[[float | None], str]


@dataclass(frozen=True)
class Shown:
    """What tables show of a kind. Names of metrics, counts and figures are columns of the csv file."""

    metrics: dict[str, Metric]  # those of the paper, columns of its file; the last one that a table has is its headline
    interval: Place  # the headline's 95 % interval
    drawn: str  # what its bootstrap draws again
    further: dict[str, Metric]  # what the paper does not report, where score files have it
    counts: dict[str, Count]
    figures: dict[str, Figure]
    collapsed: Place | None = None  # whether a seed predicts one class only
    # Column of the paper's file -> its text for a row of ours, from score files that hold scores.
    labels: dict[str, Callable[[list[Score]], str]] = field(default_factory=dict)
    remarks: Callable[[list[Score]], list[str]] = lambda _had: []
    notes: Callable[[pd.DataFrame, Scores], list[str]] = lambda _values, _scores: []  # below the main block
    further_notes: Callable[[pd.DataFrame], list[str]] = lambda _values: []
