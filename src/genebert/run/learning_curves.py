"""What learning curves are made from: lines, their fits, and files."""

from typing import Any

from genebert.run.run import Run


def _lines(run: Run, name: str) -> list[str]:
    """Return the methods of a learning curve (task/data set) that can be had."""
    return [method for method in run.curves[name]["models"] if not run.reason_of_absence(name, method)]


def learning_curve_rows(run: Run, wildcards: Any) -> dict[str, list[str]]:
    """Return the lines of a learning curve, each with the names of its fits, one for each seed of pre-training."""
    return {line: run.models.seeded(line) for line in _lines(run, f"{wildcards.task}/{wildcards.dataset}")}


def learning_curve_scores(run: Run, wildcards: Any) -> list[str]:
    """Return the folders of a learning curve's score files."""
    fits = (name for names in learning_curve_rows(run, wildcards).values() for name in names)
    return run.stage(f"learning_curves/{wildcards.task}/{wildcards.dataset}", *fits)


def learning_curve_files(run: Run) -> list[str]:
    """Return the figures of all learning curves with a method and a data set that can be had."""
    names = [name for name in run.curves if _lines(run, name)]
    files = (f"{name}.{suffix}" for name in names for suffix in ("svg", "png", "csv"))
    return run.stage("figures/learning_curves", *files)
