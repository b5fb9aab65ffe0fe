"""Try every reader with thousands of damaged and changed files: a right result, or one sentence.

    python tests/long/fuzz.py                 # 10,000 cases
    python tests/long/fuzz.py --case 4711     # one of them again, with its files kept
    python tests/long/fuzz.py --reader bed    # only those of one reader

A case is a number: it chooses the reader, the seed file and what is changed, always the same (with the same version of
Hypothesis, whose strategies draw the changes). Each case runs in a process of its own kind: one that dies, takes more
than `SECONDS` or asks for more than `MEMORY` has failed, as has one that raises anything but an InputError of one line,
that gives another value than a second reading of the same file, or that leaves a file behind an error.
"""

import argparse
import contextlib
import faulthandler
import importlib
import io
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [path for path in (str(TESTS), str(TESTS / "long")) if path not in sys.path]

import fuzz_mutations as m  # noqa: E402
from fuzz_binary import BINARY_READERS  # noqa: E402
from fuzz_text import TEXT_READERS, Files, Reader  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from genebert.errors import InputError  # noqa: E402

READERS: tuple[Reader, ...] = (*TEXT_READERS, *BINARY_READERS)
CASES, SECONDS, MEMORY = 10_000, 10, 1 << 30
LONGEST = 1000  # letters of a message
RIGHT, REFUSED, FAILED = "right", "refused", "failed"
SAME, SAME_OR_REFUSED, ANY = "same", "same or refused", "any"
# Loaded before processes begin, so that no case pays for them.
HEAVY = ("anndata.io", "pyfaidx", "pysam", "scipy.io", "torch", "transformers", "rds2py.lib_rds_parser",
         "genebert.accessibility.build", "genebert.models.bert", "genebert.models.weights", "genebert.run.run",
         "genebert.report.curves", "genebert.sources.placed", "genebert.motifs.jaspar", "Bio.motifs")  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Files for a reader, and what may come of them."""

    seed: int  # which of the reader's seeds
    files: Files
    changes: tuple[str, ...]
    must: str  # SAME, SAME_OR_REFUSED or ANY: compared with what the seed gives


@dataclass(frozen=True)
class Outcome:
    number: int
    reader: str
    kind: str  # RIGHT, REFUSED or FAILED
    detail: str = ""


@cache
def seeds(reader: Reader) -> list[Files]:
    return reader.seeds()


@st.composite
def cases(draw: m.Draw, reader: Reader) -> Case:
    """Draw a case: a change that means nothing, damaged gzip data, or one to three changes of any kind."""
    number = m.place(draw, seeds(reader))
    files = dict(seeds(reader)[number])
    name = draw(st.sampled_from([name for name in reader.target if name in files]))
    whole, kinds = files[name], ("damaged",) * 4 + ("gzip",) * reader.gzip + ("same",) * bool(reader.same)
    kind = draw(st.sampled_from(kinds))
    if kind == "same":
        changes = draw(st.lists(st.sampled_from(reader.same), min_size=1, max_size=3, unique=True))
        changes += [m.packed] * (reader.gzip and draw(st.booleans()))
    elif kind == "gzip":
        changes = [m.damaged_gzip]
    else:
        changes = draw(st.lists(st.sampled_from(reader.changes), min_size=1, max_size=3))
        changes += [m.packed] * (reader.gzip and draw(st.integers(0, 7)) == 0)
    for change in changes:
        files[name] = change(draw, files[name])
    must = {"same": SAME, "gzip": SAME_OR_REFUSED}.get(kind, SAME if files[name] == whole else ANY)
    return Case(number, files, tuple(change.__name__ for change in changes), must)


@cache
def _target(reader: Reader) -> tuple[list[Case], Any]:
    drawn: list[Case] = []

    @given(cases(reader))
    def keep(case: Case) -> None:
        drawn.append(case)

    return drawn, keep.hypothesis.fuzz_one_input


def case_of(number: int, readers: Sequence[Reader] = READERS) -> tuple[Reader, Case]:
    """Return the case of a number."""
    reader = readers[number % len(readers)]
    drawn, target = _target(reader)
    drawn.clear()
    target(random.Random(number).randbytes(1 << 14))
    return reader, drawn[0]


def write(files: Files, folder: Path) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def read(reader: Reader, files: Files, folder: Path) -> str:
    """Write the files into `folder`, read them, and return the value as text."""
    (folder / "out").mkdir(parents=True)
    write(files, folder / "in")
    reader.prepare(folder / "in")
    return repr(reader.read(folder / "in", folder / "out"))


_VALUES: dict[tuple[str, int], str] = {}


def seed_value(reader: Reader, number: int) -> str:
    """Return what the reader makes of an unchanged seed."""
    if (reader.name, number) not in _VALUES:
        with tempfile.TemporaryDirectory() as folder:
            _VALUES[reader.name, number] = read(reader, seeds(reader)[number], Path(folder))
    return _VALUES[reader.name, number]


def judge(reader: Reader, case: Case, folder: Path) -> tuple[str, str]:
    """Run one case in `folder`; return RIGHT, REFUSED or FAILED, and why or the message."""
    before = seed_value(reader, case.seed)
    try:
        value = read(reader, case.files, folder)
    except InputError as error:
        return _judge_refusal(reader, case, str(error), folder)
    except BaseException:
        return FAILED, traceback.format_exc(limit=-6)
    if case.must != ANY and value != before:
        return FAILED, f"another value than the unchanged file: {value[:300]}; expected {before[:300]}"
    expected = None if case.must != ANY else reader.expected(folder / "in")
    if expected is not None and value != repr(expected):
        return FAILED, f"wrong value: {value[:300]}; expected {expected!r:.300}"
    return RIGHT, value


def _judge_refusal(reader: Reader, case: Case, message: str, folder: Path) -> tuple[str, str]:
    left = [str(path.relative_to(folder)) for path in (folder / "out").rglob("*")]
    lines = message.split("\n")
    if left:
        return FAILED, f"left behind {', '.join(left)} ({message})"
    if case.must == SAME:
        return FAILED, f"refused, although the change means nothing ({message})"
    if len(lines) > reader.lines or not all(line.strip() and len(line) <= LONGEST for line in lines):
        return FAILED, f"message of {len(lines)} lines and {len(message)} letters: {message[:300]!r}"
    if not all(line.isprintable() for line in lines):
        return FAILED, f"message with characters that cannot be shown: {message[:300]!r}"
    return REFUSED, message


# Processes.


def _limit_memory() -> None:
    """Let this process have `MEMORY` more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _work(pipe: Connection, readers: Sequence[Reader], traces: Path) -> None:
    """Run the cases whose numbers come through `pipe`."""
    _limit_memory()
    with traces.open("a") as handle:
        os.dup2(handle.fileno(), 2)  # what native code says before it dies
        faulthandler.enable()
        while (number := pipe.recv()) is not None:
            handle.truncate(0)
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, _quiet():
                reader, case = case_of(number, readers)
                seed_value(reader, case.seed)
                faulthandler.dump_traceback_later(SECONDS * 0.9)
                kind, detail = judge(reader, case, Path(folder))
                faulthandler.cancel_dump_traceback_later()
            if kind == FAILED:
                detail = f"{', '.join(case.changes)} of {reader.name} (seed {case.seed})\n{detail}"
            pipe.send((kind, detail))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


class Worker:
    """A process that runs one case after the other."""

    def __init__(self, readers: Sequence[Reader], folder: Path):
        self.readers, self.traces = readers, folder / f"{time.monotonic_ns()}.trace"
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, readers, self.traces))
        self.process.start()
        theirs.close()
        self.number, self.since = -1, 0.0

    def begin(self, number: int) -> None:
        self.number, self.since = number, time.monotonic()
        self.pipe.send(number)

    def end(self) -> Outcome | None:
        """Return the outcome of the case that has run, or is over its time, or has taken the process with it."""
        name = self.readers[self.number % len(self.readers)].name
        if self.pipe.poll():
            try:
                return Outcome(self.number, name, *self.pipe.recv())
            except EOFError:
                self.process.join()
                return Outcome(self.number, name, FAILED, f"the process died ({self.process.exitcode})\n{self.trace()}")
        if time.monotonic() - self.since > SECONDS:
            self.stop()
            return Outcome(self.number, name, FAILED, f"more than {SECONDS} s\n{self.trace()}")
        return None

    def trace(self) -> str:
        return self.traces.read_text(errors="replace")[-3000:]

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def run(numbers: Iterable[int], readers: Sequence[Reader] = READERS, processes: int = 2) -> Iterator[Outcome]:
    """Run the cases of these numbers and yield what came out, in the order in which they end."""
    with _quiet():  # rds2py prints which packages it lacks
        for name in HEAVY:
            importlib.import_module(name)
    for reader in readers:
        seeds(reader)
    rest = iter(numbers)
    workers: list[Worker] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            while True:
                while len(workers) < processes and (number := next(rest, None)) is not None:
                    workers.append(Worker(readers, Path(folder)))
                    workers[-1].begin(number)
                if not workers:
                    return
                wait([worker.pipe for worker in workers], timeout=0.5)
                for worker in list(workers):
                    if (outcome := worker.end()) is None:
                        continue
                    yield outcome
                    number = next(rest, None) if worker.process.is_alive() else None
                    if number is None:
                        worker.stop()
                        workers.remove(worker)
                    else:
                        worker.begin(number)
        finally:
            for worker in workers:
                worker.stop()


def counts(outcomes: Iterable[Outcome]) -> Mapping[str, Counter]:
    table: dict[str, Counter] = {}
    for outcome in outcomes:
        table.setdefault(outcome.reader, Counter())[outcome.kind] += 1
    return table


def show(number: int, readers: Sequence[Reader], outcome: Outcome) -> None:
    """Keep the files of one case, and say where."""
    reader, case = case_of(number, readers)
    folder = Path(tempfile.gettempdir()) / f"fuzz-{reader.name.replace(' ', '-')}-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    write(case.files, folder)
    print(f"{folder}: {', '.join(case.changes)}; must give: {case.must}\n{outcome.kind}: {outcome.detail}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Try every reader with damaged and changed files.")
    parser.add_argument("--cases", type=int, default=CASES, help=f"how many ({CASES})")
    parser.add_argument("--case", type=int, help="run this one alone and keep its files")
    parser.add_argument("--reader", action="append", choices=[reader.name for reader in READERS])
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    names = options.reader or [reader.name for reader in READERS]
    if options.case is not None:
        outcome = next(run([options.case]))
        show(options.case, READERS, outcome)
        return outcome.kind == FAILED
    numbers = [number for number in range(options.cases) if READERS[number % len(READERS)].name in names]
    began, outcomes = time.monotonic(), []
    for outcome in run(numbers, processes=options.processes):
        outcomes.append(outcome)
        if outcome.kind == FAILED:
            print(f"case {outcome.number}: {outcome.detail}\n", flush=True)
    table = counts(outcomes)
    for name in names:
        if name in table:
            print(f"{name:16}" + "".join(f"{table[name][kind]:6} {kind}" for kind in (RIGHT, REFUSED, FAILED)))
    total = sum(table.values(), Counter())
    print(
        f"{len(outcomes)} cases of {len(table)} readers in {time.monotonic() - began:.0f} s: "
        + ", ".join(f"{total[kind]} {kind}" for kind in (RIGHT, REFUSED, FAILED))
    )
    return bool(total[FAILED])


if __name__ == "__main__":
    sys.exit(main())
