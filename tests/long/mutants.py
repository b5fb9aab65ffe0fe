"""Changes one thing in the code at a time and tells which of the changes no test notices (`make mutants`).

Of all changes that the operators below make to the modules of :data:`TESTS`, the first N are tried, in the order of a
hash of their text: the choice is always the same, and a change elsewhere moves it by little. Each is made in a copy of
the project below the temporary folder, where the tests of its module run until the first fails. Changes that mean the
same as the code stand with the reason in ``equivalent_mutants.tsv`` and are counted apart.

Not touched: the words of messages and logs, annotations, decorators, tables of numbers, what only guards against
defects of our own (`strict=`), and what is the same on this system (`encoding=`; `device=`, for
which tests/test_gpu.py is there).
"""

import argparse
import ast
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path("src/genebert")
# What is copied: all that a test of those below reads.
PARTS = ("src", "tests", "config", "workflow", "rules", "docs", "Snakefile", "pyproject.toml")
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.tsv")
# Modules whose tests take seconds, by the tests that are to notice: those of their own room.
TESTS = {
    "files": "test_files.py",
    **dict.fromkeys(("genome/bases", "genome/sequences"), "genome/test_genome.py"),
    "genome/alleles": "genome/test_alleles.py",
    "genome/bed": "genome/test_bed.py",
    "genome/builds": "genome/test_builds.py genome/test_genome.py",
    "genome/chromosomes": "genome/test_chromosomes.py",
    "genome/fasta": "genome/test_fasta.py genome/test_genome.py",
    "genome/haplotypes": "genome/test_haplotypes.py",
    "genome/intervals": "genome/test_intervals.py genome/test_region_names.py",
    "genome/kinship": "genome/test_kinship.py",
    "genome/kmers": "genome/test_kmers.py",
    **dict.fromkeys(("genome/genotypes", "genome/variants"), "genome/test_variants.py genome/test_variants_input.py"),
    "genome/vcf": "genome/test_variants_input.py sources/test_placed_cohort.py",
    **dict.fromkeys(("accessibility/blocks", "accessibility/build", "accessibility/cells", "accessibility/matrices",
                     "accessibility/pseudobulk"), "accessibility"),
    **dict.fromkeys(("corpus/batches", "corpus/masks"), "corpus/test_batches.py"),
    **dict.fromkeys(("corpus/build", "corpus/groups", "corpus/order"), "corpus/test_corpus.py"),
    "evaluation/metrics": "evaluation/test_metrics.py",
    "models/losses": "models/test_losses.py",
    "report/tables/values": "report/test_tables.py report/test_tables_paper.py",
    "sources/registry": "sources/test_sources.py",
    "tasks/epd": "tasks/test_epd.py",
    "tasks/core_promoters": "tasks/test_promoter.py",
    "training/optimiser": "training/test_optimiser.py",
}  # fmt: skip

OPERATORS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"), ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"), ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"), ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"), ast.BitXor: ("^", "|"),
    ast.MatMult: ("@", "*"), ast.And: ("and", "or"), ast.Or: ("or", "and"), ast.Not: ("not", ""), ast.USub: ("-", ""),
    ast.Invert: ("~", ""),
}  # fmt: skip
NAMES = {
    "min": "max", "max": "min", "any": "all", "all": "any", "argmin": "argmax", "argmax": "argmin", "floor": "ceil",
    "ceil": "floor", "minimum": "maximum", "maximum": "minimum", "sum": "max", "fmean": "median", "median": "mean",
    "mean": "median", "cumsum": "cumprod", "sorted": "list", "sort": "asarray", "unique": "asarray",
}  # fmt: skip
LEFT_OUT = {"strict", "encoding", "device", "stacklevel", "ignore_errors"}
DATA = 8  # constants; a list of more is a table that was copied from somewhere
MEMORY = 6 << 30  # bytes of a test process: a change may ask for any amount
PYTEST = "import resource, sys, pytest; resource.setrlimit(resource.RLIMIT_DATA, ({0}, {0})); sys.exit(pytest.main())"


@dataclass(frozen=True)
class Mutant:
    """A change: bytes `start` to `end` of a module become `new`; its lines before and after, blanks made one."""

    module: str
    line: int
    start: int
    end: int
    new: bytes
    before: str
    after: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from others wherever the code stands."""
        return self.module, self.before, self.after

    def applied(self, text: bytes) -> bytes:
        """Return the text of the module with it."""
        return text[: self.start] + self.new + text[self.end :]


class _Edits:
    """Collects the changes of a module as (start, end, new) in bytes of its text."""

    def __init__(self, text: bytes):
        self.text, self.found = text, []
        self.begin = [0, *(match.end() for match in re.finditer(b"\n", text))]
        self.visit(ast.parse(text))

    def span(self, node: ast.AST) -> tuple[int, int]:
        first, last = self.begin[node.lineno - 1], self.begin[node.end_lineno - 1]
        return first + node.col_offset, last + node.end_col_offset

    def operator(self, kind: ast.AST, start: int, end: int) -> None:
        """Change the operator that stands between two places."""
        old, new = OPERATORS.get(type(kind), ("", ""))
        words = r"\s+".join(map(re.escape, old.split())).encode()
        if words and (match := re.search(words, self.text[start:end])):
            self.found.append((start + match.start(), start + match.end(), new.encode()))

    def visit(self, node: ast.AST) -> None:
        if (
            isinstance(node, ast.JoinedStr)
            or (isinstance(node, ast.keyword) and node.arg in LEFT_OUT)
            or (isinstance(node, ast.Expr) and ast.unparse(node).startswith(("logger.", "warnings.")))
            or (isinstance(node, (ast.List, ast.Dict)) and [*map(type, ast.walk(node))].count(ast.Constant) > DATA)
        ):
            return
        getattr(self, f"of_{type(node).__name__}", lambda node: None)(node)
        for name, value in ast.iter_fields(node):
            if name not in ("annotation", "returns", "decorator_list", "format_spec"):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        self.visit(child)

    def of_BinOp(self, node: ast.BinOp) -> None:
        if not any(isinstance(getattr(side, "value", side), (str, ast.JoinedStr)) for side in (node.left, node.right)):
            self.operator(node.op, self.span(node.left)[1], self.span(node.right)[0])

    def of_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.operator(node.op, self.span(left)[1], self.span(right)[0])

    def of_Compare(self, node: ast.Compare) -> None:
        for left, kind, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            self.operator(kind, self.span(left)[1], self.span(right)[0])

    def of_UnaryOp(self, node: ast.UnaryOp) -> None:
        self.operator(node.op, *self.span(node))

    def of_AugAssign(self, node: ast.AugAssign) -> None:
        self.operator(node.op, self.span(node.target)[1], self.span(node.value)[0])
        self.dropped(node)

    def of_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, (int, float)):
            other = not node.value if isinstance(node.value, bool) else node.value + 1
            self.found.append((*self.span(node), repr(other).encode()))

    def of_Call(self, node: ast.Call) -> None:
        end, name = self.span(node.func)[1], getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in NAMES:
            self.found.append((end - len(name), end, NAMES[name].encode()))
        given = sorted([*node.args, *node.keywords], key=self.span)
        for before, argument in zip([None, *given], given, strict=False):
            if isinstance(argument, ast.keyword) and argument.arg not in {*LEFT_OUT, None}:
                start, stop = self.span(argument)
                self.found.append((self.span(before)[1] if before else start, stop, b""))

    def of_If(self, node: ast.If | ast.IfExp | ast.While) -> None:
        if isinstance(node.test, (ast.Name, ast.Attribute, ast.Call)):
            start, end = self.span(node.test)
            self.found.append((start, end, b"not " + self.text[start:end]))

    of_IfExp = of_While = of_If

    def dropped(self, node: ast.stmt) -> None:
        self.found.append((*self.span(node), b"pass"))

    of_Raise = of_Break = of_Continue = dropped

    def of_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.dropped(node)


def mutants_of(module: str, text: bytes) -> list[Mutant]:
    """Return all changes to the text of a module, by place."""
    made = []
    for start, end, new in sorted(set(_Edits(text).found)):
        first = text.rfind(b"\n", 0, start) + 1
        last = (text.find(b"\n", end) + 1 or len(text) + 1) - 1
        lines = text[first:last], text[first:start] + new + text[end:last]
        before, after = (b" ".join(part.split()).decode() for part in lines)
        made.append(Mutant(module, text.count(b"\n", 0, start) + 1, start, end, new, before, after))
    return made


def ranked(mutants: list[Mutant], texts: dict[str, bytes], seed: int) -> Iterator[Mutant]:
    """Yield the changes that are valid code and another one than before, in the order of a hash of their text."""
    seen: Counter[tuple[str, str, str]] = Counter()
    keyed = []
    for mutant in mutants:
        keyed.append((hashlib.sha256(repr((seed, *mutant.key, seen[mutant.key])).encode()).digest(), mutant))
        seen[mutant.key] += 1
    for _, mutant in sorted(keyed, key=lambda pair: pair[0]):
        text = texts[mutant.module]
        try:
            tree = ast.parse(mutant.applied(text))
        except SyntaxError:
            continue
        if ast.dump(tree) != ast.dump(ast.parse(text)):
            yield mutant


def read_equivalent(path: Path, mutants: list[Mutant]) -> set[tuple[str, str, str]]:
    """Return (module, before, after) of the changes that mean the same as the code.

    Raises
    ------
    SystemExit
        A line lacks its reason, or is of code that is not there any more.
    """
    known = {one.key for one in mutants}
    same = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[1:], 2):
        module, before, after, reason = (*line.split("\t"), "", "", "")[:4]
        if not reason.strip():
            sys.exit(f"{path.name}, line {number}: found no reason; expected module, before, after and reason")
        if module in {one.module for one in mutants} and (module, before, after) not in known:
            sys.exit(f"{path.name}, line {number}: {module} has no change of {before!r} to {after!r}")
        same.add((module, before, after))
    return same


def run_tests(copy: Path, tests: str, limit: float) -> str:
    """Run the tests of a module in a copy until the first fails: "passed", "failed" or "too slow"."""
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not shared and not workflow"]
    # No compiled files: one made within the second of a change would be taken for that of the changed text.
    more = {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    more["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # saves two seconds a run
    process = subprocess.Popen(
        [sys.executable, "-c", PYTEST.format(MEMORY), *arguments, *(f"tests/{one}" for one in tests.split())],
        cwd=copy, env=os.environ | more, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        return "failed" if process.wait(limit) else "passed"
    except subprocess.TimeoutExpired:
        return "too slow"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # with all that the tests started
            process.wait()


class Runner:
    """Copies of a project, each used by one thread at a time.

    Parameters
    ----------
    root, folder : path
        The project, and where its copies go.
    jobs : int
        How many.
    grace : float
        Seconds that a change may take beyond three times the time of its tests.
    """

    def __init__(self, root: Path, folder: Path, jobs: int, grace: float):
        self.copies, self.limits, self.grace = SimpleQueue(), {}, grace
        for number in range(jobs):
            copy = folder / str(number) / "project"
            copy.mkdir(parents=True)
            for name in (name for name in PARTS if (root / name).exists()):
                if (root / name).is_dir():
                    shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(root / name, copy / name)
            self.copies.put(copy)

    def measure(self, tests: str) -> None:
        """Set the time limit of tests by a run on the code as it is.

        Raises
        ------
        SystemExit
            They fail.
        """
        copy, began = self.copies.get(), time.monotonic()
        outcome = run_tests(copy, tests, 600)
        self.limits[tests] = self.grace + 3 * (time.monotonic() - began)
        self.copies.put(copy)
        if outcome != "passed":
            sys.exit(f"tests/{tests}: {outcome} on the code as it is; expected tests that pass")

    def try_out(self, mutant: Mutant, tests: str) -> str:
        """Return what the tests of a module say to a change of it."""
        copy = self.copies.get()
        path = copy / PACKAGE / f"{mutant.module}.py"
        text = path.read_bytes()
        try:
            path.write_bytes(mutant.applied(text))
            return run_tests(copy, tests, self.limits[tests])
        finally:
            path.write_bytes(text)
            self.copies.put(copy)


def choose(mutants: Iterator[Mutant], number: int, same: set[tuple[str, str, str]]) -> tuple[list[Mutant], int]:
    """Return the first changes that do not mean the same as the code, by place, and how many that do were passed by."""
    chosen: list[Mutant] = []
    n_same = 0
    for mutant in mutants:
        if len(chosen) == number:
            break
        if mutant.key in same:
            n_same += 1
        else:
            chosen.append(mutant)
    return sorted(chosen, key=lambda one: (one.module, one.start)), n_same


def main(arguments: list[str] | None = None, *, root: Path = ROOT, tests: dict[str, str] = TESTS,
         equivalent: Path = EQUIVALENT, grace: float = 20) -> int:  # fmt: skip
    """Try changes out, print the survivors and the share that was noticed; 1 if that is below what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--number", type=int, default=200, help="changes to try, those that mean the same left out")
    parser.add_argument("--modules", nargs="+", choices=sorted(tests), default=sorted(tests), metavar="MODULE")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-least", type=float, default=0.95, help="share to be noticed")
    asked = parser.parse_args(arguments)

    texts = {module: (root / PACKAGE / f"{module}.py").read_bytes() for module in asked.modules}
    every = [mutant for module, text in texts.items() for mutant in mutants_of(module, text)]
    chosen, n_same = choose(ranked(every, texts, asked.seed), asked.number, read_equivalent(equivalent, every))
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(asked.jobs) as pool:
        runner = Runner(root, Path(folder), asked.jobs, grace)
        list(pool.map(runner.measure, sorted({tests[one.module] for one in chosen})))
        found = pool.map(lambda one: runner.try_out(one, tests[one.module]), chosen)
        for mutant, outcome in zip(chosen, tqdm(found, total=len(chosen), disable=None), strict=True):
            outcomes[outcome] += 1
            if outcome == "passed":
                print(f"{PACKAGE / mutant.module}.py:{mutant.line}: {mutant.before} -> {mutant.after}", flush=True)
    noticed = len(chosen) - outcomes["passed"]
    share = noticed / max(1, len(chosen))
    print(
        f"{noticed} of {len(chosen)} changes noticed ({share:.1%}), {outcomes['too slow']} of them by their time; "
        f"{n_same} more mean the same as the code"
    )
    return int(share < asked.at_least)


if __name__ == "__main__":
    sys.exit(main())
