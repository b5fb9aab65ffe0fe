"""From scored examples to score files, the same for every method.

But for `seconds`, the same seed on the same machine gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.kinds.base import Kind, Scored
from genebert.files import atomic_path, read_json, write_json

NAME, OBJECT = (str, "a name"), (dict, "an object")
KINDS = {
    **dict.fromkeys(("task", "dataset", "model"), NAME),
    **dict.fromkeys(("settings", "data_sha256"), OBJECT),
    "model_record": (dict | None, "an object"),  # null where the model's folder has none
}


@dataclass(frozen=True)
class Outcome:
    """What one fit of a method gave."""

    names: dict[str, str]  # task, dataset, model, as the tables show them
    seed: int
    kind: Kind
    valid: Scored
    test: Scored
    deterministic: bool  # the method has no random part: all seeds give the same scores
    record: dict[str, Any]  # settings, versions, hashes of model and data: further keys of the score file
    seconds: float  # wall time of fit and scoring: the one number in the file that differs from run to run
    transfer: dict[str, Scored] = field(default_factory=dict)  # other data set of the task -> its test set


def write_score(path: str | Path, outcome: Outcome) -> dict[str, Any]:
    """Write a score file, and beside it, as ``.parquet``, the test predictions; return the score file's content."""
    kind = outcome.kind
    score = {
        **outcome.names,
        "seed": outcome.seed,
        "deterministic": outcome.deterministic,
        **kind.report(outcome.valid, outcome.test),
        **outcome.record,
        "seconds": round(outcome.seconds, 1),
    }
    if outcome.transfer:
        score["transfer"] = {
            name: {"metrics": kind.metrics(tested), "left_out": tested.examples.left_out}
            for name, tested in outcome.transfer.items()
        }
    _write_predictions(path, kind.predictions(outcome.test))
    write_json(path, score)
    return score


def write_unavailable(
    path: str | Path, names: dict[str, Any], seed: int, reason: str, kind: Kind | None = None
) -> None:
    """Write the score file of a model that cannot be had, with the reason and no number.

    For a point of a learning curve `names` has n_train, the number of examples that was asked for. With a `kind` there
    are predictions beside it, without rows.
    """
    if kind is not None:
        _write_predictions(path, pd.DataFrame(columns=list(kind.columns)).astype(kind.columns))
    write_json(path, {**names, "seed": seed, "unavailable": reason})


def read_predictions(paths: Sequence[Path]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Read the labels [n] of one test set, and the scores [n] beside each of some score files of two classes.

    Raises
    ------
    InputError
        No such file, not Parquet, without these columns, or not of the same test examples.
    """
    tables = [_predictions(path) for path in paths]
    label = tables[0]["label"].to_numpy()
    for table, path in zip(tables, paths, strict=True):
        if not np.array_equal(table["label"], label):
            raise InputError(f"{path}: labels are not those of {paths[0]}; expected one test set")
    return label, [table["score"].to_numpy() for table in tables]


def _predictions(path: Path) -> pd.DataFrame:
    """Read the predictions beside a score file."""
    path = path.with_suffix(".parquet")
    try:
        return pd.read_parquet(path, columns=["label", "score"])
    except (OSError, ValueError) as error:
        why = "no such file" if isinstance(error, FileNotFoundError) else str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read ({why}); expected the predictions of the score file") from error


def _write_predictions(path: str | Path, table: pd.DataFrame) -> None:
    with atomic_path(Path(path).with_suffix(".parquet")) as temporary:
        table.to_parquet(temporary, index=False)


def read_score(path: str | Path) -> dict[str, Any]:
    """Read a score file.

    Raises
    ------
    InputError
        Not JSON, or without the keys that :func:`write_score` and :func:`write_unavailable` write.
    """
    score = read_json(path)
    needed = ["task", "dataset", "model", "seed"]
    if not isinstance(score, dict):
        raise InputError(f"{path}: not a score file; expected an object with the keys {', '.join(needed)}")
    if "unavailable" not in score:
        needed += ["deterministic", "metrics"]
    missing = [key for key in needed if key not in score]
    metrics = score.get("metrics")
    if not missing and "metrics" in needed and not (isinstance(metrics, dict) and "n" in metrics):
        missing = ["metrics.n"]
    if missing:
        raise InputError(f"{path}: not a score file; the key {missing[0]!r} is missing")
    if not isinstance(score["seed"], int):
        raise InputError(f"{path}: not a score file; found the seed {score['seed']!r}, expected a whole number")
    for key, (kind, expected) in KINDS.items():
        if key in score and not isinstance(score[key], kind):
            raise InputError(f"{path}: not a score file; found {key} {score[key]!r}, expected {expected}")
    return score
