"""From labelled splits to score files: what the baselines and fine-tuning share.

But for `seconds`, the same seed on the same machine gives the same bytes.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.metrics import classification_metrics, threshold_from_validation, threshold_metrics
from genebert.files import atomic_path, read_json, write_json

NAMES = ("task", "dataset", "model")


def versions(*packages: str) -> dict[str, str]:
    """Return the installed versions of packages, for the record in a score file."""
    return {name: version(name) for name in packages}


def write_score(
    path_json: str | Path,
    path_parquet: str | Path,
    names: dict[str, str],
    seed: int,
    labels: dict[str, np.ndarray],
    scores: dict[str, np.ndarray],
    *,
    deterministic: bool,
    provenance: dict[str, Any],
    seconds: float,
    transfer: dict[str, tuple[np.ndarray, np.ndarray, int]] | None = None,
) -> dict[str, Any]:
    """Write one score file and the test predictions behind it.

    Parameters
    ----------
    path_json, path_parquet : path
        Score file; predictions (columns label int8, score float64, in the order of the test table).
    names : dict
        task, dataset, model.
    seed : int
    labels, scores : dict
        ``valid`` and ``test`` -> array [n]. The threshold of the second set of metrics comes from ``valid``.
    deterministic : bool
        The method has no random part: all seeds give the same scores.
    provenance : dict
        Settings, versions, hashes of model and data: whatever else says where the numbers come from. Keys are added
        at the top level.
    seconds : float
        Wall time of fit and scoring: the one number in the file that differs from run to run.
    transfer : dict, optional
        Other data set of the task -> labels, scores and the number of examples left out of its test set; see
        :func:`genebert.evaluation.transfer.transfer_tables`.

    Returns
    -------
    dict
        The content of the score file.
    """
    threshold = threshold_from_validation(labels["valid"], scores["valid"])
    validation = classification_metrics(labels["valid"], scores["valid"], n_bootstrap=1)
    score = {
        **{name: names[name] for name in NAMES},
        "seed": seed,
        "deterministic": deterministic,
        "metrics": classification_metrics(labels["test"], scores["test"]),
        "metrics_at_validation_threshold": threshold_metrics(labels["test"], scores["test"], threshold),
        "validation": {name: validation[name] for name in ("roc_auc", "auprc", "n", "n_positive")},
        **provenance,
        "seconds": round(seconds, 1),
    }
    if transfer is not None:
        score["transfer"] = {
            name: {"metrics": classification_metrics(label, predicted), "left_out": left_out}
            for name, (label, predicted, left_out) in transfer.items()
        }
    table = pd.DataFrame(
        {"label": np.asarray(labels["test"], dtype=np.int8), "score": np.asarray(scores["test"], dtype=np.float64)}
    )
    with atomic_path(path_parquet) as temporary:
        table.to_parquet(temporary, index=False)
    write_json(path_json, score)
    return score


def write_unavailable(
    path_json: str | Path, path_parquet: str | Path | None, names: dict[str, str], seed: int, reason: str
) -> dict[str, Any]:
    """Write the score file of a model that cannot be had, with the reason and no number; predictions are empty."""
    score = {**{name: names[name] for name in NAMES}, "seed": seed, "unavailable": reason}
    if path_parquet is not None:
        with atomic_path(path_parquet) as temporary:
            empty = pd.DataFrame({"label": np.array([], dtype=np.int8), "score": np.array([], dtype=np.float64)})
            empty.to_parquet(temporary, index=False)
    write_json(path_json, score)
    return score


def read_score(path: str | Path) -> dict[str, Any]:
    """Read a score file.

    Raises
    ------
    InputError
        Not JSON, or without the keys that :func:`write_score` and :func:`write_unavailable` write.
    """
    score = read_json(path)
    needed = [*NAMES, "seed"]
    if not isinstance(score, dict):
        raise InputError(f"{path}: not a score file; expected an object with the keys {', '.join(needed)}")
    if "unavailable" not in score:
        needed += ["deterministic", "metrics"]
    missing = [key for key in needed if key not in score]
    if not missing and "metrics" in needed and "n" not in score["metrics"]:
        missing = ["metrics.n"]
    if missing:
        raise InputError(f"{path}: not a score file; the key {missing[0]!r} is missing")
    return score
