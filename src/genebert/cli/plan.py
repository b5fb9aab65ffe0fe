"""What a run asks of a cluster: jobs, submissions and hours of each target, from a dry-run of Snakemake itself."""

import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from genebert.errors import InputError
from genebert.report.text import NOTHING, text_table
from genebert.run.cell_accessibility import cell_accessibility_files
from genebert.run.run import Run
from genebert.settings.load import load_yaml

HALVES = ("retrieve", "corpus", "card")  # targets before the tables
GROUP = re.compile(r"Group job (\w+) \(")
RULE = re.compile(r"( *)(?:rule|checkpoint) (\w+):$")
FIELD = re.compile(r" +(\w+): (.*)$")
# A dry-run does not say which rules run where Snakemake does; the files of rules do.
LOCAL = re.compile(r"^(?:use rule \w+ as |rule )(\w+)\b(?:(?!^\w).*\n)*?    localrule: True$", re.MULTILINE)
HEAD = ("target", "jobs", "local", "submitted", "core-hours", "GPU jobs", "GPU-hours", "A100-hours of training")


@dataclass(frozen=True)
class Job:
    """A planned job; threads, GPUs and minutes are those of its first attempt."""

    rule: str
    group: str  # name of the group that it is submitted with, or nothing
    inputs: frozenset[str]
    outputs: frozenset[str]
    wildcards: dict[str, str]
    threads: int
    gpus: int
    minutes: int


def read_jobs(printed: str) -> list[Job]:
    """Return the jobs that a dry-run of Snakemake prints."""
    found: list[tuple[str, str, dict[str, str]]] = []
    group = ""
    for line in printed.splitlines():
        if header := GROUP.search(line):
            group = header[1]
        elif rule := RULE.match(line):
            group = group if rule[1] else ""  # what belongs to a group stands further to the right
            found.append((rule[2], group, {}))
        elif found and (field := FIELD.match(line)):
            found[-1][2].setdefault(field[1], field[2])
    return [_job(rule, group, fields) for rule, group, fields in found if "jobid" in fields]


def _job(rule: str, group: str, fields: dict[str, str]) -> Job:
    wildcards, resources = (
        dict(one.split("=", 1) for one in fields.get(name, "").split(", ") if "=" in one)
        for name in ("wildcards", "resources")
    )
    gpus = int(resources.get("gpu", 0))
    if (gres := resources.get("gres", "")).startswith("gpu"):
        gpus = int(gres.rpartition(":")[2]) * int(resources.get("nodes", 1))
    inputs, outputs = (frozenset(fields.get(name, "").split(", ")) - {""} for name in ("input", "output"))
    threads, minutes = int(fields.get("threads", 1)), int(resources["runtime"])
    return Job(rule, group, inputs, outputs, wildcards, threads * int(resources.get("nodes", 1)), gpus, minutes)


def local_rules(folder: Path) -> set[str]:
    """Return the rules of a folder's files that run where Snakemake does."""
    return {name for path in sorted(folder.glob("*.smk")) for name in LOCAL.findall(path.read_text())}


def needed_for(target: str, jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs that a target waits for, itself included where it makes files."""
    maker = {path: job for job in jobs for path in job.outputs}
    todo, seen = [job for job in jobs if job.rule == target], {}
    while todo:
        job = todo.pop()
        if id(job) not in seen:
            seen[id(job)] = job
            todo += [maker[path] for path in job.inputs if path in maker]
    return [job for job in seen.values() if job.outputs]


def dry_run(root: Path, configfiles: Iterable[Path], settings: Iterable[str], targets: Iterable[str]) -> str:
    """Return what Snakemake prints of all jobs of some targets, done or not, under the project's profile.

    Raises
    ------
    InputError
        Snakemake or its plugin for SLURM is not installed, or the plan fails: what it says then.
    """
    overlays = ["--configfile", *map(str, configfiles)] if configfiles else []
    overlays += ["--config", *settings] if settings else []
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-n",
        "--forceall",
        "--nocolor",
        "--snakefile",
        str(root / "Snakefile"),
    ]
    # A dry-run shows no more threads than it is given cores, one by default.
    command += ["--cores", "100000", "--profile", str(root / "slurm"), *overlays, "--", *targets]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        missing = "No module named" in done.stderr or "invalid choice: 'slurm'" in done.stderr
        expected = "; expected Snakemake and its plugin for SLURM (pip install '.[workflow]')" if missing else ""
        raise InputError(f"snakemake -n: found an error{expected}: {' '.join(said[-4:])}")
    return done.stdout


def make_plan(run: Run, root: Path, configfiles: Sequence[Path], settings: Sequence[str] = ()) -> dict:
    """Return what each target of a configuration asks for.

    Parameters
    ----------
    run : Run
    root : path
        The checkout, with Snakefile, rules and profile.
    configfiles : sequence of path
        Overlays, those of `run`.
    settings : sequence of str
        ``KEY=VALUE`` that are laid over them, those of `run`.

    Returns
    -------
    dict
        run, group_components (group to jobs that go together), targets (a list: target; jobs; local, those that run
        where Snakemake does; submitted, where a group counts once; core_hours, gpu_jobs and gpu_hours: what is asked
        for at the first attempt, the most that it can take; pretrained, the models).

    Raises
    ------
    InputError
        See :func:`dry_run`.
    """
    tables = [table for table, rows in run.rows.items() if rows]
    made = {"figure2": run.figure2_files(), "cell_accessibility": cell_accessibility_files(run)}
    figures = ["learning_curves", *(name for name, files in made.items() if files)]
    targets = [*HALVES, *tables, *figures, "all"]
    jobs = read_jobs(dry_run(root, configfiles, settings, targets))
    sizes, local = load_yaml(root / "slurm" / "config.yaml")["group-components"], local_rules(root / "rules")
    rows = [{"target": target, **sums(needed_for(target, jobs), sizes, local)} for target in targets]
    return {"run": run.name, "group_components": sizes, "targets": rows}


def sums(jobs: Sequence[Job], sizes: dict[str, int], local: set[str]) -> dict:
    """Return the counts and hours of some jobs; see :func:`make_plan`."""
    away = [job for job in jobs if job.rule not in local]
    groups = Counter(job.group for job in away)
    alone = groups.pop("", 0)
    return {
        "jobs": len(jobs),
        "local": len(jobs) - len(away),
        "submitted": alone + sum(math.ceil(n / sizes.get(name, 1)) for name, n in groups.items()),
        "core_hours": sum(job.threads * job.minutes for job in away) / 60,
        "gpu_jobs": sum(job.gpus > 0 for job in away),
        "gpu_hours": sum(job.gpus * job.minutes for job in away) / 60,
        "pretrained": sorted(job.wildcards["model"] for job in jobs if job.rule == "pretrain"),
    }


def render_plan(plan: dict, hours: dict[str, float]) -> str:
    """Return a plan as text; `hours` are those that the pre-training of each model takes on an A100."""
    rows = [HEAD]
    for row in plan["targets"]:
        training = sum(hours.get(name, 0.0) for name in row["pretrained"])
        figures = [row["jobs"], row["local"], row["submitted"], row["core_hours"], row["gpu_jobs"], row["gpu_hours"]]
        rows.append((row["target"], *(f"{value:,.0f}" if value else NOTHING for value in (*figures, training))))
    together = ", ".join(f"{n} of {name}" for name, n in plan["group_components"].items())
    notes = [
        f"run {plan['run']}: every job of each target, also where it is done",
        "local: on the node where Snakemake runs; the others are submitted, a group of jobs as one",
        f"group: {together}",
        "core-hours, GPU-hours: asked for at the first attempt (threads or GPUs x time limit), the most that it takes",
        "A100-hours of training: those that pre-training needs, as `genebert budget` prices it; it resumes",
    ]
    return "\n".join([*notes, "", *text_table(rows, "l" + "r" * (len(HEAD) - 1))])
