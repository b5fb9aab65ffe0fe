"""One line of progress for a run of Snakemake: jobs done, time gone, time left, and the rules that run now.

    python workflow/progress.py --cores 2 --configfile config/demo.yaml -- all

All arguments are Snakemake's, and so is the exit status. What Snakemake says of jobs that start and end is left out;
everything else stands above the line: warnings, errors, the logs of failed jobs. Without a terminal, as in the logs of
a CI service, the line is printed every half minute instead of in place.
"""

import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from datetime import timedelta
from statistics import mean
from threading import Lock

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

EVERY = 30.0  # seconds between two lines where there is no terminal
COUNT = re.compile(r"(\w+) +(\d+)$")  # a line of the table "Job stats"
STARTED = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):$")
ABOUT = re.compile(r"    (?:input|output|log|jobid|benchmark|reason|wildcards|priority|threads|resources): ")
JOB = re.compile(r"    jobid: (\d+)$")
FINISHED = re.compile(r"Finished jobid: (\d+) \(Rule: \w+\)$")
LEFT_OUT = re.compile(
    r"$|\[\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}\]$|\d+ of \d+ steps |Select jobs to execute|Execute \d+ jobs|job +count$"
    r"|-+ +-+$|Config file .* is extended|Assuming unrestricted|Building DAG|Using shell|Provided cores"
    r"|Rules claiming more|Group jobs: inactive|Conda environments: ignored"
)


class Run:
    """What has been said of the jobs so far."""

    def __init__(self):
        self.jobs: Counter[str] = Counter()  # by rule, not yet finished
        self.total = self.done = 0
        self.began = 0.0  # when the first job did
        self.running: dict[str, tuple[str, float]] = {}  # job: rule, when it started
        self.took: defaultdict[str, list[float]] = defaultdict(list)  # rule: seconds of its finished jobs
        self.part = ""  # the table of jobs, the start of a job of a rule, or neither

    def read(self, line: str, now: float) -> bool:
        """Take in a line that came at `now` (seconds); return whether it is to be shown."""
        if line == "Job stats:":
            self.part = "table"
        elif self.part == "table" and (found := COUNT.match(line)):
            if found[1] == "total":
                self.part, self.total = "", int(found[2])
            else:
                self.jobs[found[1]] = int(found[2])
        elif found := STARTED.match(line):
            self.part = found[1]
        elif self.part and ABOUT.match(line):
            if found := JOB.match(line):
                self.began = self.began or now
                self.running[found[1]] = (self.part, now)
        elif found := FINISHED.match(line):
            rule, began = self.running.pop(found[1])
            self.took[rule].append(now - began)
            self.jobs[rule] -= 1
            self.done += 1
        elif not LEFT_OUT.match(line):
            self.part = ""
            if found := JOB.match(line):  # of a job that failed
                self.running.pop(found[1], None)
            return True
        return False

    def left(self, now: float) -> float | None:
        """Return the seconds left if a rule's jobs take as long as its finished ones, or else as all did on average."""
        if not self.done:
            return None
        overall = mean(seconds for times in self.took.values() for seconds in times)
        gone = {job: now - began for job, (_, began) in self.running.items()}
        expected = {}
        for rule in self.jobs:
            longest = max((gone[job] for job, (other, _) in self.running.items() if other == rule), default=0.0)
            expected[rule] = mean(self.took[rule]) if self.took[rule] else max(overall, longest)
        work = sum(number * expected[rule] for rule, number in self.jobs.items())
        work -= sum(min(gone[job], expected[rule]) for job, (rule, _) in self.running.items())
        busy = sum(map(sum, self.took.values())) + sum(gone.values())
        at_once = max(1.0, busy / (now - self.began or 1.0))
        return work / at_once

    def texts(self, seconds: float, now: float) -> dict[str, str]:
        """Return the parts of the line after `seconds` of running."""
        left = self.left(now)
        return {
            "jobs": f"{self.done} of {self.total} jobs ({self.done / self.total:.0%})" if self.total else "planning",
            "gone": f"{_clock(seconds)} gone",
            "left": "" if left is None else f"about {_clock(left)} left",
            "rules": ", ".join(f"{n} x {rule}" if n > 1 else rule
                               for rule, n in Counter(rule for rule, _ in self.running.values()).items()),
        }  # fmt: skip


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds))).removeprefix("0:")


class _Line(Progress):
    """The line, its figures as of now whenever it is drawn."""

    def __init__(self, run: Run, console: Console):
        self.state, self.began = run, time.monotonic()
        self.reading = Lock()  # a thread draws the line
        columns = [TextColumn(f"{{task.fields[{name}]}}") for name in ("jobs", "gone", "left", "rules")]
        options = {"console": console, "disable": not console.is_terminal, "transient": True, "refresh_per_second": 2}
        super().__init__(columns[0], BarColumn(24), *columns[1:], **options)

    def read(self, text: str) -> bool:
        with self.reading:
            return self.state.read(text, time.monotonic())

    def texts(self) -> dict[str, str]:
        now = time.monotonic()
        with self.reading:
            return self.state.texts(now - self.began, now)

    def get_renderables(self):
        for task in self.tasks:
            task.completed, task.total = self.state.done, self.state.total or None
            task.fields.update(self.texts())
        yield from super().get_renderables()


def main(arguments: list[str]) -> int:
    """Run Snakemake and return its exit status."""
    command = [sys.executable, "-u", "-m", "snakemake", "--quiet", "host", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches Snakemake, whose last words are shown
    run, console, printed = Run(), Console(soft_wrap=True, highlight=False), time.monotonic()
    with _Line(run, console) as line:
        line.add_task("")
        for text in process.stdout:
            if line.read(text.rstrip("\n")):
                console.print(text, end="", markup=False)
            if not console.is_terminal and time.monotonic() - printed > EVERY:
                printed = time.monotonic()
                console.print(", ".join(filter(None, line.texts().values())))
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
