"""Examples, methods and jobs for the tests of methods."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.evaluation.examples import Examples, training_rows
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.evaluation.scores import read_score
from genebert.methods.base import Fitted
from genebert.methods.registry import baselines, find_method
from genebert.methods.run import FitJob, run_method
from genebert.motifs.jaspar import Motif, jaspar_text

NAMES = {"task": "tfbs", "dataset": "toy", "model": "x"}
BASELINES = baselines("two-class")
OPTIONS = {"cnn": {"few": 0}}  # one fit, for tests of what all have


def examples(given: pd.DataFrame | list[str], name: str = "examples") -> Examples:
    """Return examples of a table, or of sequences without labels."""
    return Examples(given if isinstance(given, pd.DataFrame) else pd.DataFrame({"sequence": given}), name)


def sets(tables: dict[str, pd.DataFrame]) -> dict[str, Examples]:
    """Return examples of tables."""
    return {name: examples(table, name) for name, table in tables.items()}


def part(given: Examples, n: int, seed: int) -> Examples:
    """Return `n` training examples."""
    return given.subset(training_rows(given.labels, n, seed))


def make_method(name: str, options: dict | None = None, card: dict | None = None, **files):
    """Return a method for a two-class task."""
    return find_method(name)(TwoClass({}), options or {}, files, card or {})


def write_folder(folder: Path, tables: dict[str, pd.DataFrame], **card) -> Path:
    """Write a task folder."""
    folder.mkdir(exist_ok=True)
    for split, table in tables.items():
        table.to_parquet(folder / f"{split}.parquet")
    (folder / "card.json").write_text(json.dumps({"task": "tfbs", **card}))
    return folder


def write_motifs(path: Path, motifs: list[Motif]) -> Path:
    """Write matrices as JASPAR text."""
    path.write_text(jaspar_text(motifs))
    return path


def fit_job(method: str, data: Path, folder: Path, **changes) -> FitJob:
    """Return a job with seed 5 that writes below `folder`."""
    given = {"seeds": [5], "output": folder / "out", "checkpoints": folder / "checkpoints"} | changes
    return FitJob(task="tfbs", dataset="toy", name="x", method=method, data=data, **given)


def run(method: str, data: Path, folder: Path, **changes) -> dict:
    """Run a job; return the last of its score files."""
    job = fit_job(method, data, folder, **changes)
    run_method(job)
    *_, (stem, _, _) = job.fits()
    return read_score(job.output / f"{stem}.json")


def predictions(folder: Path, stem: str = "seed5") -> pd.DataFrame:
    """Read what a job of :func:`fit_job` predicted."""
    return pd.read_parquet(folder / "out" / f"{stem}.parquet")


def scores(fitted: Fitted, *given: Examples) -> list[np.ndarray]:
    """Return the scores of several sets."""
    return [fitted.score(one) for one in given]
