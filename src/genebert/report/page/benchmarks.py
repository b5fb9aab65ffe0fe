"""Time and memory of a run's jobs, from the files that Snakemake's `benchmark` wrote."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from genebert.errors import InputError

COLUMNS = ("s", "max_rss", "cpu_time")


@dataclass(frozen=True)
class RuleTime:
    """The finished jobs of a rule."""

    rule: str
    jobs: int
    seconds: float  # wall time of all jobs
    longest: float  # of one
    cpu_seconds: float | None
    max_rss: float | None  # MB, of the largest job; None where all were too short to be measured


def read_benchmark(path: str | Path) -> dict[str, float | None]:
    """Return s (seconds), max_rss (MB) and cpu_time (seconds) of a job, the last where it was repeated.

    Memory and CPU time are None where a job was too short to be measured.

    Raises
    ------
    InputError
        Not such a file.
    """
    try:
        table = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a benchmark of Snakemake ({error})") from error
    if missing := [name for name in COLUMNS if name not in table]:
        raise InputError(f"{path}: has no column {missing[0]}; expected a benchmark of Snakemake")
    if table.empty or pd.isna(table["s"].iloc[-1]):
        raise InputError(f"{path}: holds no time; expected a benchmark of Snakemake")
    last = table.iloc[-1]
    return {name: None if pd.isna(last[name]) else float(last[name]) for name in COLUMNS}


def rule_times(folder: str | Path, without: str = "") -> list[RuleTime]:
    """Return time and memory of each rule, the longest first.

    Parameters
    ----------
    folder : path
        ``results/{run}/benchmark``: a folder a rule, a file a job. One that does not exist gives no rule.
    without : str
        A rule that is left out: that of the page, which has a file only when the page is made again.
    """
    jobs: dict[str, list[dict[str, float | None]]] = {}
    for path in sorted(Path(folder).rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0]
        if rule != without:
            jobs.setdefault(rule, []).append(read_benchmark(path))
    found = []
    for rule, times in jobs.items():
        seconds, memory, cpu = ([one[name] for one in times if one[name] is not None] for name in COLUMNS)
        largest = max(memory) if memory else None
        found.append(RuleTime(rule, len(times), sum(seconds), max(seconds), sum(cpu) if cpu else None, largest))
    return sorted(found, key=lambda one: (-one.seconds, one.rule))
