"""What stands of a run: jobs that are done, at work, waiting or failed, from its logs and benchmarks on disk.

Snakemake writes a job's benchmark when it has ended well, so that one as young as the job's log means done. What else
there is to know, which jobs were begun, which failed and how many there are, is in Snakemake's own log. Nothing is
asked of the cluster, and nothing is written: it works beside a run, and after one that was killed.

Downloads and what else runs share have their logs outside ``logs/{run}``: those of the last call belong to it.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from genebert.errors import InputError
from genebert.report.text import text_table

STATES = ("done", "running", "waiting", "failed", "stopped")
TICK = 2.0  # seconds by which clocks of two nodes may differ
TAIL = 20_000  # bytes at the end of a log that are read
SHOWN = 100  # letters of a log's last line
STEP = re.compile(r"step (\d+)/(\d+), .*?([\d.]+ (?:s|min|h)) left$")
WRONG = re.compile(r"error: (.*)$")
TIME = re.compile(r"\d\d:\d\d:\d\d ")
# Lines of Snakemake's own log; blocks of a group stand further to the right.
BEGUN = re.compile(r" *(?:local)?(?:rule|checkpoint) \w+:$")
ERROR = re.compile(r"Error in (?:rule|group) ")
LOGS = re.compile(r" +log: (.*?)(?: \(check log file\(s\) for error details\))?$")
PROGRESS = re.compile(r"(\d+) of (\d+) steps ")
ENDED = "Complete log(s):"


@dataclass(frozen=True)
class JobState:
    """One job: `name` is its rule and wildcards, `detail` its last words, `age` seconds since them, None for none."""

    name: str
    state: str  # of STATES
    log: str
    detail: str = ""
    age: float | None = None


@dataclass(frozen=True)
class RunState:
    """A run: `steps` of the last call of Snakemake, done and all, if it says so; `ended` if that call has."""

    run: str
    jobs: tuple[JobState, ...]
    steps: tuple[int, int] | None
    ended: bool
    age: float | None  # seconds since Snakemake's last word


def read_status(results: str | Path) -> RunState:
    """Return what stands of a run.

    Parameters
    ----------
    results : path
        The folder ``results/{run}``; ``logs/{run}`` and ``.snakemake`` are looked for beside ``results``.

    Raises
    ------
    InputError
        There is no such folder, or no log of a job of it.
    """
    folder = Path(results)
    whole = Path(os.path.normpath(folder.absolute()))  # `..` taken out, links left as they are
    base, run = whole.parent.parent, whole.name
    logs = base / "logs" / run
    first = "; downloads come first, and have theirs in logs/download" if (logs.parent / "download").is_dir() else ""
    if not folder.is_dir() and not logs.is_dir():
        what = "no folder" if folder.exists() else "not found"
        raise InputError(f"{folder}: {what}; expected the results of a run, such as results/demo{first}")
    if not logs.is_dir():
        raise InputError(f"{folder}: found no logs at {logs}; expected those of the run beside its results{first}")
    now, calls = time.time(), _calls(base, run)
    text = calls.read_text(errors="replace") if calls else ""
    begun, failed, steps = _read_call(text)
    ended = calls is None or ENDED in text
    shared = (base / path for path in sorted(begun | failed) if not path.startswith(f"logs/{run}/"))
    paths = [*filter(Path.is_file, shared), *sorted(logs.rglob("*.log"))]
    seen = (_job(path, base, run, now) for path in paths)
    jobs = [_as_snakemake_says(job, failed, ended) for job in seen if job]
    # Begun, as Snakemake calls it when it submits, and without a line of their own yet.
    names = {job.log for job in jobs}
    waiting = [path for path in sorted(begun) if path not in names and not ended]
    jobs += [JobState(_name(Path(path), run), "waiting", path) for path in waiting]
    early = "ended before it wrote a log; SLURM's, or what Snakemake printed, says more"
    jobs += [JobState(_name(Path(path), run), "failed", path, early) for path in sorted(failed - names)]
    return RunState(run, tuple(jobs), steps, ended, now - calls.stat().st_mtime if calls else None)


def _calls(base: Path, run: str) -> Path | None:
    """Return Snakemake's log of its last call that had to do with a run."""
    found = (base / ".snakemake" / "log").glob("*.snakemake.log")
    mine = (path for path in sorted(found, reverse=True) if f"logs/{run}/" in path.read_text(errors="replace"))
    return next(mine, None)


def _read_call(text: str) -> tuple[set[str], set[str], tuple[int, int] | None]:
    """Return the logs of jobs that are begun, those of failed ones, and the steps done and all."""
    begun: set[str] = set()
    failed: set[str] = set()
    steps, wrong = None, False
    for line in text.splitlines():
        if ERROR.match(line):
            wrong = True
        elif BEGUN.match(line):
            # Also within a group that failed, of which the first block says so.
            wrong = wrong and line.startswith("        ")
        elif found := LOGS.match(line):
            paths = {path for path in found[1].split(", ") if path.startswith("logs/")}  # SLURM's own stand beside them
            (failed if wrong else begun).update(paths)
            (begun if wrong else failed).difference_update(paths)  # the last word counts: a retry begins again
        elif found := PROGRESS.match(line):
            steps = (int(found[1]), int(found[2]))
    return begun, failed, steps


def _within(log: Path, run: str) -> tuple[str, Path]:
    """Return the folder of results that a log belongs to, and where it lies in its folder of logs."""
    own = Path("logs", run)
    return (f"results/{run}", log.relative_to(own)) if own in log.parents else ("results", log.relative_to("logs"))


def _name(log: Path, run: str) -> str:
    """Return rule and wildcards of a log's job."""
    rule, *wildcards = _within(log, run)[1].with_suffix("").parts
    return " ".join(filter(None, (rule, "/".join(wildcards))))


def _job(log: Path, base: Path, run: str, now: float) -> JobState | None:
    """Return what a job's log and benchmark say of it, None for a log that has gone since it was listed."""
    try:
        return _told(log, base, run, now)
    except FileNotFoundError:  # its job begins again, or somebody cleans up
        return None


def _told(log: Path, base: Path, run: str, now: float) -> JobState:
    """Return what they say: done, failed or running."""
    results, place = _within(log.relative_to(base), run)
    about = (_name(log.relative_to(base), run), str(log.relative_to(base)))
    name, written = about[0], log.stat().st_mtime
    benchmark = base / results / "benchmark" / place.with_suffix(".tsv")
    if benchmark.exists() and benchmark.stat().st_mtime + TICK >= written:
        return JobState(name, "done", about[1])
    lines = list(_last_lines(log))
    wrong = next((found[1] for line in lines if (found := WRONG.match(line))), None)
    if wrong is not None:
        # Of an unexpected error the last line says which.
        return JobState(name, "failed", about[1], _short(lines[0] if wrong == "unexpected" else wrong), now - written)
    return JobState(name, "running", about[1], _progress(lines), now - written)


def _as_snakemake_says(job: JobState, failed: set[str], ended: bool) -> JobState:
    """Return a job that seems to run as what it is: failed without a word of its own, or stopped with Snakemake."""
    if job.state != "running":
        return job
    if job.log in failed:
        return replace(job, state="failed", detail=f"no error of its own (killed?); last line: {job.detail or 'none'}")
    return replace(job, state="stopped") if ended else job


def _progress(lines: list[str]) -> str:
    """Return the step of a training with the time left, else the last line."""
    for line in lines:
        if found := STEP.match(line):
            return f"step {int(found[1]):,} of {int(found[2]):,}, {found[3]} left"
    return _short(lines[0]) if lines else ""


def _short(line: str) -> str:
    """Return a line that fits beside the others, and that a terminal can show: of killed jobs it may hold anything."""
    line = "".join(letter if letter.isprintable() else " " for letter in line).rstrip()
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 4]} ..."


def _last_lines(log: Path) -> Iterator[str]:
    """Yield the lines at a log's end, the last one first, without their time."""
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - TAIL))
        text = handle.read().decode(errors="replace")
    for line in reversed(text.splitlines()):
        if line.strip():
            yield TIME.sub("", line, count=1)


def as_dict(state: RunState) -> dict:
    """Return a run's state as plain values."""
    return asdict(state) | {"counts": Counter(job.state for job in state.jobs)}


def _ago(seconds: float | None) -> str:
    """Return an age for people."""
    if seconds is None:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"


def render_status(state: RunState) -> str:
    """Return a run's state as text: what Snakemake says, the finished jobs by rule, a line for each other job."""
    head = f"run {state.run}"
    if state.steps:
        done, total = state.steps
        head += f": {done:,} of {total:,} steps ({done / total:.0%})"
    if state.age is not None:
        words = "Snakemake has ended" if state.ended else "Snakemake at work (or killed: then --unlock)"
        head += f"; {words}, its last word {_ago(state.age)}"
    counts = Counter(job.name.split()[0] for job in state.jobs if job.state == "done")
    finished = ", ".join(f"{rule} {n}" for rule, n in sorted(counts.items())) or "none"
    rows = []
    for name in STATES[1:]:
        for job in state.jobs:
            if job.state == name:
                where = f"  ({job.log})" if name in ("failed", "stopped") else ""
                rows.append((name, job.name, _ago(job.age), f"{job.detail}{where}".strip()))
    return "\n".join(
        [head, f"done: {sum(counts.values()):,} ({finished})", *(text_table(rows, "llrl") if rows else [])]
    )


def watch(results: str | Path, every: float, show: Callable[[str], None]) -> RunState:
    """Show a run's state every few seconds until Snakemake has ended; return the last one."""
    while True:
        state = read_status(results)
        show(render_status(state))
        if state.ended:
            return state
        time.sleep(every)
