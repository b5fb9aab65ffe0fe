"""Kill the workflow at random moments and in many ways, and compare what the next run makes with an undisturbed run.

    make kills
    PYTHONPATH=tests .venv/bin/python tests/long/kills.py --kills 10 --rules pretrain,fit --kinds SIGKILL

One undisturbed run is the reference. For each kill, a job of it is chosen (by a fixed seed, as its kind and moment),
the folder brought back to where this job was still to do, and Snakemake started and disturbed. Then no final name may
hold another content than in the reference; a run that failed for its disk must have said which file and why. The next
run (`--rerun-incomplete`, after `--unlock` where Snakemake was killed itself) must end in the same files, byte for
byte, with nothing left behind. What may differ: benchmarks, logs, and `seconds` in score files.
"""

import argparse
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from http_server import Page, serve
from kills_faults import ROOM, Running, inside_a_mount_namespace, may_mount, read_only, small_disk
from kills_reference import DOWNLOAD, Job, differences, files, jobs_of, take_back, targets, words

ROOT = Path(__file__).resolve().parents[2]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
KINDS = (
    *(f"{number.name} to {whom}" for number in SIGNALS for whom in ("all", "job", "snakemake")),
    "full disk", "full data disk", "read-only",
)  # fmt: skip
WRITING = 0.2  # seconds after the first unfinished file in which a kill is aimed at writing
CAUSE = re.compile("No space left on device|Read-only file system|Disk quota exceeded|Permission denied")


@dataclass(frozen=True)
class Kill:
    """What is done to which job.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    aim : str
        From when the moment of a signal is counted: ``call`` (start of Snakemake), ``job`` (of the script), ``write``
        (first new name in the folders that the job writes).
    share : float
        Where in the measured duration; of a disk: of the bytes that the job writes.
    at_once : bool
        Run again without waiting for processes that outlive their Snakemake.
    """

    job: Job
    kind: str
    aim: str
    share: float
    at_once: bool


@dataclass(frozen=True)
class Setting:
    """How Snakemake is called (`options`), and where.

    Attributes
    ----------
    options : list of str
    reference, work : path
        The undisturbed run, and the folder that is disturbed.
    printed : path
        Folder for what Snakemake prints, on a disk that is never full.
    startup : float
        Seconds until a first job.
    """

    options: list[str]
    reference: Path
    work: Path
    printed: Path
    startup: float

    def command(self, *more: str) -> list[str]:
        program = str(Path(sys.executable).with_name("snakemake"))
        return [program, "--cores", "1", "--directory", str(self.work), *self.options, *more]

    def run(self, output: str, *more: str) -> Running:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return Running(self.command(*more), environment, self.printed / output)


def plan(jobs: list[Job], rules: list[str], kinds: list[str], number: int, rng: random.Random) -> list[Kill]:
    """Choose kills: each rule and each kind as often as any other, in random pairs."""

    def spread(values: list[str]) -> list[str]:
        order = [value for _ in range(-(-number // len(values))) for value in rng.sample(values, len(values))]
        return order[:number]

    chosen = []
    for rule, kind in zip(spread(rules), spread(kinds), strict=True):
        job = rng.choice([job for job in jobs if job.rule == rule])
        aim = rng.choice(["call", "job", "job", "write", "write"])
        chosen.append(Kill(job, kind, aim, rng.random(), rng.random() < 0.5))
    return chosen


def names(folders: list[Path]) -> set[str]:
    """Return all names below folders."""
    return {f"{where}/{one}" for folder in folders for where, inner, own in os.walk(folder) for one in (*inner, *own)}


def wait_for(kill: Kill, share: float, running: Running, setting: Setting) -> None:
    """Wait for the moment, or for the end of the run."""
    seconds = kill.job.seconds
    if kill.aim == "call":
        seconds += setting.startup
    elif kill.aim == "job":
        while not running.ended() and running.job() is None:
            time.sleep(0.01)
    else:
        folders = kill.job.writes_into(setting.work)
        before = names(folders)
        while not running.ended() and not names(folders) - before:
            time.sleep(0.002)
        seconds, share = WRITING, share**3  # most files are written in milliseconds
    until = time.monotonic() + share * seconds
    while not running.ended() and time.monotonic() < until:
        time.sleep(0.005)


def signalled(kill: Kill, setting: Setting) -> Running:
    """Start Snakemake and send the signal; a run that had ended before is started again and struck earlier."""
    name, _, whom = kill.kind.partition(" to ")
    for attempt in range(8):
        take_back(setting.reference, setting.work, kill.job)
        running = setting.run("first.txt", "--", kill.job.target)
        wait_for(kill, kill.share * 0.6**attempt, running, setting)
        while whom == "job" and running.job() is None and not running.ended():
            time.sleep(0.01)
        if running.strike(whom, signal.Signals[name]):
            running.finish()
            return running
        running.finish()
    raise RuntimeError(f"{kill}: ended eight times before it was struck")


def on_bad_disk(kill: Kill, setting: Setting, stage: ExitStack) -> Running:
    """Run with too little space, or without the right to write, and make good again; `stage` ends with the next run."""
    take_back(setting.reference, setting.work, kill.job)
    tops = sorted({Path(path).parts[0] for path in kill.job.outputs})
    if kill.kind == "read-only":
        folders = tops if kill.share < 0.5 else sorted({str(Path(path).parent) for path in kill.job.outputs})
        for folder in folders:
            (setting.work / folder).mkdir(parents=True, exist_ok=True)
        with read_only([setting.work / folder for folder in folders]):
            running = setting.run("first.txt", "--", kill.job.target)
            running.finish()
            running.outlived()
        return running
    disk = stage.enter_context(small_disk(setting.work if kill.kind == "full disk" else setting.work / tops[0]))
    disk.leave(int(kill.share * kill.job.bytes))
    running = setting.run("first.txt", "--", kill.job.target)
    running.finish()
    running.outlived()
    disk.leave(ROOM // 2)
    return running


def says_why(running: Running, log: str) -> list[str]:
    """Return what is wrong with the message of a run that failed for its disk."""
    text = running.text()
    if any(line.startswith("error: ") and CAUSE.search(line) and "/" in line for line in text.splitlines()):
        return []
    if "/src/genebert/" not in text and "error: unexpected" not in log and CAUSE.search(text):
        return []  # not the script: Snakemake could not write its own files, and need not say which
    return ["no line says which file could not be written and why"]


def try_one(kill: Kill, setting: Setting) -> tuple[list[str], Counter]:
    """Disturb a run, run again, and return what is wrong, and what was counted on the way."""
    counts: Counter = Counter()
    with ExitStack() as stage:
        if signalled_run := " to " in kill.kind:
            running = signalled(kill, setting)
        else:
            running = on_bad_disk(kill, setting, stage)
        outlives = kill.kind.endswith("to snakemake") and bool(running.members())
        if not (outlives and kill.at_once):
            running.outlived()
        counts["orphans beside the next run"] += outlives and kill.at_once
        wrong = [f"after the kill: {one}" for one in differences(setting.reference, setting.work, None)]
        failed = running.process.returncode != 0
        counts["ended well all the same" if signalled_run else "had room enough"] += not failed
        log = kill.job.log_text(setting.work)
        if failed and not signalled_run:
            wrong += says_why(running, log)
        if list((setting.work / ".snakemake/locks").glob("*")):
            counts["unlocked"] += 1
            if status := setting.run("unlock.txt", "--unlock").finish():
                wrong.append(f"--unlock ended with {status}")
        again = setting.run("second.txt", "--rerun-incomplete", "--", kill.job.target)
        if status := again.finish():
            wrong.append(f"the next run ended with {status}")
        running.outlived()
        again.outlived()
        expected = files(setting.reference) - kill.job.later
        wrong += differences(setting.reference, setting.work, expected)
        if wrong:
            for title, text in (("first run", running.text()), ("its log", log), ("next run", again.text()),
                                ("its log", kill.job.log_text(setting.work))):  # fmt: skip
                print(f"--- {title}\n{text[-3000:]}", flush=True)
        return wrong, counts


def undisturbed(setting: Setting) -> None:
    """Run everything once."""
    running = setting.run("reference.txt", "--", *targets(setting.work))
    if running.finish():
        raise RuntimeError(running.text())


def startup(setting: Setting) -> float:
    """Return the seconds of a dry-run."""
    began = time.monotonic()
    running = setting.run("plan.txt", "-n", "--", "all")
    if running.finish():
        raise RuntimeError(running.text())
    return time.monotonic() - began


def one(number: int, kill: Kill, setting: Setting) -> tuple[bool, Counter]:
    """Do a kill in a folder of its own and print what came of it; return whether anything is wrong, and the counts."""
    began, folder = time.monotonic(), setting.printed / str(number)
    folder.mkdir()
    try:
        wrong, counts = try_one(kill, replace(setting, work=folder / "work", printed=folder))
    except Exception as error:  # a run without an end is one fault, and not the end of the others
        wrong, counts = [f"{type(error).__name__}: {error}"], Counter()
    shutil.rmtree(folder)
    happened = "; ".join([*wrong, *(key for key, value in counts.items() if value)]) or "-"
    moment = f"{kill.aim} {kill.share:.3f}, " if " to " in kill.kind else f"{kill.share:.3f}, "
    seconds = time.monotonic() - began
    print(f"{number:3d} {kill.job.name}, {kill.kind} ({moment}{seconds:.0f} s): {happened}", flush=True)
    return bool(wrong), counts


def report(kills: list[Kill], setting: Setting, workers: int) -> int:
    """Do all kills, and print the line at the end; return the number of those with a fault."""
    with ThreadPoolExecutor(workers) as pool:
        done = list(pool.map(one, range(1, len(kills) + 1), kills, [setting] * len(kills)))
    bad, total = sum(wrong for wrong, _ in done), sum((counts for _, counts in done), Counter())
    by_kind = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(kill.kind for kill in kills).items()))
    by_rule = ", ".join(f"{rule} {count}" for rule, count in sorted(Counter(kill.job.rule for kill in kills).items()))
    on_the_way = ", ".join(f"{key} {total[key]}" for key in sorted(total) if total[key]) or "nothing"
    left_out = "" if may_mount() else "; full disks and read-only folders left out: no mounts here"
    print(
        f"{len(kills)} kills ({by_kind}) in {len({kill.job.rule for kill in kills})} stages ({by_rule}): "
        f"{bad} with differences; on the way: {on_the_way}{left_out}"
    )
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="how many at once")
    parser.add_argument("--rules", help="only these, separated by commas")
    parser.add_argument("--kinds", default="", help="only kinds that hold this word")
    parser.add_argument("--reference", type=Path, help="a finished run, or where to make one that stays")
    asked = parser.parse_args()
    inside_a_mount_namespace([sys.executable, *sys.argv])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # processes started in the background ignore it
    with tempfile.TemporaryDirectory(prefix="kills.") as name, serve() as server:
        began, folder = time.monotonic(), Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        server.pages[f"/{DOWNLOAD}"] = Page(words(), ["slow"])
        reference = asked.reference or folder / "reference"
        # The tests have a finished run of tiny.yaml alone.
        overlays = ["config/demo.yaml", "tests/config/tiny.yaml", "tests/config/kills.yaml"]
        overlays = overlays[:2] if (reference / "results/tiny").is_dir() else overlays
        options = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", *(str(ROOT / one) for one in overlays)]
        setting = Setting([*options, "--config", f"mirror={server.url}"], reference, reference, folder, 0.0)
        if not reference.is_dir():
            undisturbed(setting)
        jobs = jobs_of(reference)
        print(f"reference: {len(jobs)} jobs in {time.monotonic() - began:.0f} s", flush=True)
        rules = asked.rules.split(",") if asked.rules else sorted({job.rule for job in jobs})
        kinds = [kind for kind in KINDS if asked.kinds in kind and (may_mount() or " to " in kind)]
        kills = plan(jobs, rules, kinds, asked.kills, random.Random(asked.seed))
        if any(kill.aim == "call" and " to " in kill.kind for kill in kills):
            setting = replace(setting, startup=startup(setting))
        return 1 if report(kills, setting, asked.workers) else 0


if __name__ == "__main__":
    sys.exit(main())
