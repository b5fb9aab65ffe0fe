"""Whether this machine can run a configuration: one verdict a line, with advice where something is missing."""

import importlib.metadata
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

from genebert.errors import InputError
from genebert.report.text import text_table
from genebert.run.run import Run
from genebert.run.together import common
from genebert.sources.registry import Source, state_of

PYTHON = (3, 11)
UNFIT = re.compile(r"[\s'\"\\`$&;()<>|*?]")  # in Python's path: Snakemake calls it without quotes
GUESS = 2e9  # bytes of a download whose size nobody says
MADE = ("resources/jaspar/", "resources/simulated/", "results/")  # by rules
FOLDERS = ("results", "resources", "logs", ".snakemake")
PATIENCE = 5  # seconds for a server, or a command
GB = 1e9
REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[.*?\])?\s*(>=\S+)?")


@dataclass(frozen=True)
class Verdict:
    """What is found of one thing: ``ok``, ``note`` (some things will not work, or differ), or ``wrong``."""

    state: str
    what: str
    found: str
    advice: str = ""


def examine(run: Run, root: Path, reach: Callable[[str], str] | None = None) -> list[Verdict]:
    """Return all verdicts on the working folder and this machine.

    Parameters
    ----------
    run : Run
        The chosen configuration.
    root : path
        The checkout, with ``pyproject.toml``, ``requirements.txt`` and the profile.
    reach : function
        Takes an address and returns why its server does not answer, or nothing; default: asks it.
    """
    parts = (
        _python(), _place(), _packages(root), _devices(run), _memory(run), _disk(run), _folders(_written(run)),
        _slurm(run), _conda(), _own_files(run), _sources(run, reach or answers),
    )  # fmt: skip
    return [verdict for part in parts for verdict in part]


def render_verdicts(verdicts: list[Verdict]) -> str:
    """Return verdicts as text, and how many are not ``ok``."""
    rows = [(one.state, one.what, one.found + (f"; {one.advice}" if one.advice else "")) for one in verdicts]
    counts = {state: sum(one.state == state for one in verdicts) for state in ("ok", "note", "wrong")}
    return "\n".join([*text_table(rows, "lll"), ", ".join(f"{n} {state}" for state, n in counts.items())])


# ------------------------------------------------------------------------------------------------------------- software


def _python() -> Iterator[Verdict]:
    version = ".".join(map(str, sys.version_info[:3]))
    found = f"{version} at {sys.executable}"
    if sys.version_info[:2] < PYTHON:
        yield Verdict("wrong", "Python", found, "expected 3.11 or later")
    elif odd := UNFIT.search(sys.executable):
        advice = f"found {odd[0]!r} in the path; expected an environment in a folder without (make VENV=/such/a/folder)"
        yield Verdict("wrong", "Python", found, advice)
    else:
        yield Verdict("ok", "Python", found)


def _place() -> Iterator[Verdict]:
    here = str(Path.cwd())
    if odd := re.search(r"[\s'\"]", here):
        yield Verdict("note", "working folder", here, f"found {odd[0]!r}; commands that you type need quotes")
    else:
        yield Verdict("ok", "working folder", here)


def _requirements(root: Path) -> tuple[list[str], dict[str, str]]:
    """Return the packages that the project declares, and the versions that it was tested with."""
    project = root / "pyproject.toml"
    if project.exists():
        about = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        names = [*about["dependencies"], *about["optional-dependencies"]["workflow"]]
    else:
        names = [one for one in importlib.metadata.requires("genebert") or [] if "extra" not in one]
    pins = root / "requirements.txt"
    lines = pins.read_text(encoding="utf-8").splitlines() if pins.exists() else []
    return names, dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def _packages(root: Path) -> Iterator[Verdict]:
    names, pins = _requirements(root)
    missing, other = [], []
    for text in names:
        name = REQUIREMENT.match(text)[1]
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if pins.get(name, version) != version.partition("+")[0]:
            other.append(f"{name} {version} (tested: {pins[name]})")
    if missing:
        workflow = any(name.startswith("snakemake") for name in missing)
        install = "pip install '.[workflow]'" if workflow else "pip install ."
        yield Verdict("wrong", "packages", f"missing {', '.join(missing)}", f"{install} -c requirements.txt")
    if other:
        yield Verdict(
            "note", "packages", ", ".join(other), "tested versions: pip install -c requirements.txt '.[workflow]'"
        )
    if not missing and not other:
        yield Verdict("ok", "packages", f"all {len(names)}, in the tested versions")


# -------------------------------------------------------------------------------------------------------------- machine


def _devices(run: Run) -> Iterator[Verdict]:
    try:
        import torch

        gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    except Exception as error:  # a broken installation raises whatever it likes
        yield Verdict("wrong", "GPU", f"torch cannot be loaded ({str(error).splitlines()[0]})", "install it again")
        return
    asked = run.resources.of("pretrain")["gpu"]
    if gpus:
        yield Verdict("ok", "GPU", ", ".join(gpus))
    elif asked:
        advice = "pre-training asks for one: on a cluster its node must have it, here it trains on the CPU"
        yield Verdict("note", "GPU", "none on this machine", advice)
    else:
        yield Verdict("ok", "GPU", "none, and none asked for")


def _memory(run: Run) -> Iterator[Verdict]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    asked = {rule: run.resources.of(rule)["mem_mb"] for rule in vars(run.resources) if rule != "default"}
    rule = max(asked, key=asked.get)
    found = f"{total / 1000:.0f} GB, {os.cpu_count()} cores"
    if asked[rule] > total:
        advice = f"{rule} asks for {asked[rule] / 1000:.0f} GB or more: see resources.{rule}.mem_mb"
        yield Verdict("note", "memory", found, advice)
    else:
        yield Verdict("ok", "memory", found)


def bytes_needed(run: Run, resources: Path) -> float:
    """Return about how many bytes a run writes: downloads that are missing, data, models and checkpoints."""
    from genebert.cli.budget import make_budget

    missing = [source for source in needed_sources(run) if not (resources / source.name).exists()]
    fetched = sum(source.bytes or _guess(source) for source in missing)
    models = run.shown_models(ablations=True)
    total = make_budget(run, models, 1.0)["sum"] if models else {}
    return fetched + sum(total.get(key, 0) for key in ("data_bytes", "model_bytes", "checkpoint_bytes"))


def _guess(source: Source) -> float:
    return 1e6 if source.name.startswith("tfbs/") else GUESS


def _disk(run: Run) -> Iterator[Verdict]:
    free, needed = shutil.disk_usage(Path.cwd()).free, bytes_needed(run, Path("resources"))
    found = f"{free / GB:.1f} GB free, about {needed / GB:.1f} GB needed by {run.name}"
    if free < needed:
        yield Verdict("wrong", "disk", found, "make room, or work in a folder on a larger disk (--directory)")
    else:
        yield Verdict("ok", "disk", found)


def _written(run: Run) -> tuple[str, ...]:
    """Return the folders that a run writes to: `resources` may be read-only once everything is there."""
    complete = all(Path(path).exists() for path in needed_files(run)[0] if path.startswith("resources/"))
    return tuple(name for name in FOLDERS if name != "resources" or not complete)


def _folders(names: Iterable[str] = FOLDERS) -> Iterator[Verdict]:
    """Write a file where each folder is, or will be made."""
    for name in names:
        folder = Path(name)
        while not os.path.lexists(folder):  # a link to nowhere stands where the folder is to be
            folder = folder.parent
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            where = folder.absolute()
            yield Verdict("wrong", "folder", f"{where} cannot be written ({error.strerror})", f"{name}/ is made there")
            break
    else:
        yield Verdict("ok", "folders", f"{', '.join(names)} can be written")


# -------------------------------------------------------------------------------------------------------------- cluster


def _said(*command: str) -> str | None:
    """Return what a command prints, None where there is none, or it fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _minutes(limit: str) -> float:
    """Return a time limit of SLURM (``infinite``, ``2-00:00:00``, ``12:00:00``, ``30:00``) in minutes."""
    days, _, clock = limit.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in (days or "0", *parts)):
        return math.inf
    hours, minutes = (["0", "0", *parts])[-3:-1]
    return int(days or 0) * 1440 + int(hours) * 60 + int(minutes)


def _slurm(run: Run) -> Iterator[Verdict]:
    if shutil.which("sbatch") is None:
        yield Verdict(
            "note", "SLURM", "no sbatch on PATH", "`--profile slurm` needs it; without, jobs run on this machine"
        )
        return
    partitions = _said("sinfo", "--noheader", "--format=%P|%l|%G")
    if not partitions:
        yield Verdict(
            "wrong", "SLURM", "sbatch is there, but sinfo shows no partition", "is the controller up? (scontrol ping)"
        )
        return
    rows = sorted({tuple(line.split("|")) for line in partitions.splitlines()})
    found = ", ".join(f"{name} (limit {limit}{', ' + gres if gres != '(null)' else ''})" for name, limit, gres in rows)
    gpus = any("gpu" in gres for _, _, gres in rows)
    longest = max(_minutes(limit) for _, limit, _ in rows)
    asked = {rule: run.resources.of(rule)["runtime"] for rule in vars(run.resources) if rule != "default"}
    rule = max(asked, key=asked.get)
    if asked[rule] > longest:
        # SLURM takes such a job, and never begins it.
        advice = f"{rule} asks for {asked[rule]} minutes, which none allows: lower resources.{rule}.runtime"
        yield Verdict("wrong", "SLURM", f"partitions {found}", advice)
    elif run.resources.of("pretrain")["gpu"] and not gpus:
        yield Verdict(
            "note", "SLURM", f"partitions {found}", "none shows GPUs: pre-training asks for one (docs/slurm.md)"
        )
    elif "*" not in partitions:
        yield Verdict(
            "note", "SLURM", f"partitions {found}", "none is the default: set slurm_partition in slurm/config.yaml"
        )
    else:
        yield Verdict("ok", "SLURM", f"partitions {found}")


def _conda() -> Iterator[Verdict]:
    version = _said("conda", "--version")
    if version is None:
        yield Verdict(
            "note", "conda", "not on PATH", "`--use-conda` needs it (Miniforge); without, jobs run in this environment"
        )
        return
    priority = _said("conda", "config", "--show", "channel_priority") or ""
    if "strict" not in priority:
        found = f"{version}, {priority or 'channel priority not known'}"
        yield Verdict("note", "conda", found, "expected strict: conda config --set channel_priority strict")
    elif _said("nvidia-smi", "-L") is None and not os.environ.get("CONDA_OVERRIDE_CUDA"):
        advice = "torch then comes without CUDA: for GPU nodes set CONDA_OVERRIDE_CUDA (docs/slurm.md)"
        yield Verdict("note", "conda", f"{version}, no GPU on this machine", advice)
    else:
        yield Verdict("ok", "conda", f"{version}, strict channel priority")


# -------------------------------------------------------------------------------------------------------------- sources


def needed_files(run: Run) -> tuple[list[str], list[str]]:
    """Return the files that a run's data, data sets and models are made from, and what is wrong with weights."""
    paths, wrong = set(run.raw_files().values()), set()
    for task, sets in run.sets.items():
        able = set(run.data_set_names()) - set(run.absent)
        here = (name for name in common(sets) if f"{task}/{name}" in able)
        paths.update(path for name in here for path in run.tasks[task].files(sets[name]).values())
    for name in {run.models.canonical[name] for name in run.shown_models(ablations=True)}:
        try:
            paths.update(run.pretrain_inputs(SimpleNamespace(model=name))["weights"])
        except InputError as error:
            wrong.add(str(error))
    return sorted(paths), sorted(wrong)


def needed_sources(run: Run) -> list[Source]:
    """Return the registered ones of them, in the registry's order."""
    names = {path.removeprefix("resources/") for path in needed_files(run)[0]}
    return [source for source in run.registry.values() if source.name in names]


def _own_files(run: Run) -> Iterator[Verdict]:
    """Say which files are missing that nothing fetches and no rule makes."""
    paths, wrong = needed_files(run)
    for sentence in wrong:
        yield Verdict("wrong", "weights", sentence)
    fetched = {f"resources/{name}" for name in run.registry}
    own = [path for path in paths if path not in fetched and not path.startswith(MADE)]
    if missing := [path for path in own if not Path(path).is_file()]:
        more = f" and {len(missing) - 1} more" * (len(missing) > 1)
        yield Verdict("wrong", "own files", f"{missing[0]}{more} not found", "the configuration names them")


def answers(address: str) -> str:
    """Return why a server does not give a file, or nothing where it begins to; the file itself is not fetched."""
    import pycurl

    from genebert.sources.download import trust

    curl = pycurl.Curl()
    options = {
        pycurl.URL: address,
        pycurl.FOLLOWLOCATION: True,
        pycurl.FAILONERROR: True,
        pycurl.USERAGENT: "genebert",
        pycurl.TIMEOUT_MS: int(1000 * PATIENCE),
        pycurl.RANGE: "0-0",
        pycurl.WRITEFUNCTION: lambda _: -1,  # ends it with the first byte; some servers refuse HEAD
    } | dict([trust()])
    for option, value in options.items():
        curl.setopt(option, value)
    try:
        curl.perform()
    except pycurl.error as error:
        return "" if error.args[0] == pycurl.E_WRITE_ERROR else error.args[1]
    finally:
        curl.close()
    return ""


def _sources(run: Run, reach: Callable[[str], str]) -> Iterator[Verdict]:
    """Say what stands of the needed files, and whether the missing ones can be had: each server is asked for one."""
    states = {source: state_of(source, Path("resources")) for source in needed_sources(run)}
    for source, state in states.items():
        if state.state == "wrong":
            yield Verdict("wrong", "source", f"{source.name}: {state.detail}", "remove it, to have it fetched again")
        elif state.state == "to place":
            advice = f"snakemake --cores 1 resources/placed/{source.name}.json says where to get it"
            yield Verdict("wrong", "source", f"{source.name}: to be placed by hand", advice)
    missing = [source for source, state in states.items() if state.state in ("missing", "partial")]
    if not missing:
        yield Verdict("ok", "sources", f"{len(states)} files needed, all there")
        return
    mirror = run.config["mirror"]
    if mirror and "://" not in mirror:
        yield _mirrored(missing, Path(mirror))
        return
    addresses = {}
    for source in missing:
        address = f"{mirror.rstrip('/')}/{quote(source.name)}" if mirror else source.url
        addresses.setdefault(urlsplit(address).netloc, address)
    silent = {host: why for host, address in addresses.items() if (why := reach(address))}
    if silent:
        found = ", ".join(f"{host} ({why})" for host, why in silent.items())
        advice = f"{len(missing)} files are missing: fetch them elsewhere, or set `mirror` (docs/sources.md)"
        yield Verdict("wrong", "sources", f"no answer from {found}", advice)
    else:
        yield Verdict("ok", "sources", f"{len(missing)} files to fetch; {', '.join(addresses)} answer")


def _mirrored(missing: list[Source], mirror: Path) -> Verdict:
    absent = [source.name for source in missing if not (mirror / source.name).is_file()]
    if not absent:
        return Verdict("ok", "sources", f"{len(missing)} files to fetch, all in the mirror {mirror}")
    found = f"the mirror {mirror} lacks {absent[0]}" + f" and {len(absent) - 1} more" * (len(absent) > 1)
    return Verdict("wrong", "sources", found, "copy them there under their names (docs/sources.md)")


def examine_all(read: Callable[[], Run], root: Path, reach: Callable[[str], str] | None = None) -> list[Verdict]:
    """Return all verdicts, that on the configuration first; where it is wrong, those that need none."""
    try:
        run = read()
    except InputError as error:
        wrong = [Verdict("wrong", "configuration", line) for line in str(error).splitlines()]
        return [*wrong, *_python(), *_place(), *_packages(root), *_folders(), *_conda()]
    return [Verdict("ok", "configuration", f"run {run.name} ({run.config['scale']})"), *examine(run, root, reach)]
