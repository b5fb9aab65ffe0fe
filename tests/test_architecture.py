"""The rooms of the package: no import runs upwards, no circle, nothing too long to read in one sitting."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "genebert"
# Bottom to top. Rooms of one line do not import each other, but for those that are named in BESIDE.
LAYERS = (
    ("errors", "files", "joblog", "paper"),
    ("settings",),
    ("genome",),
    ("sources",),
    ("accessibility", "motifs"),
    ("corpus",),
    ("models",),
    ("evaluation",),
    ("training", "tasks", "simulate"),
    ("methods",),
    ("report",),
    ("run",),
    ("cli",),
)
BESIDE = {("files", "errors"), ("joblog", "errors"), ("joblog", "files")}
FLOOR = {room: floor for floor, rooms in enumerate(LAYERS) for room in rooms}
MAX_FILE, MAX_FUNCTION, MAX_PARAMETERS = 400, 60, 7
CODE = sorted(PACKAGE.rglob("*.py"))


def module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in CODE}


def imports(path: Path) -> set[str]:
    """Return the package's own modules that a module imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("genebert"):
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("genebert")}
    return found - {"genebert"}


def room(name: str) -> str:
    return name.split(".")[1]


def test_the_picture_shows_the_layers():
    """docs/rooms.svg, from top to bottom."""
    names = re.findall(r'y="(\d+)"[^>]* font-weight="bold">([^<]+)<', (ROOT / "docs/rooms.svg").read_text())
    rows = {}
    for height, boxes in names:
        rows.setdefault(int(height), set()).update(boxes.split(", "))
    assert [rows[height] for height in sorted(rows)] == [set(layer) for layer in reversed(LAYERS)]


def test_every_room_has_its_floor():
    assert {room(name) for name in MODULES if name != "genebert"} == set(FLOOR)


def test_no_import_runs_upwards():
    wrong = [
        f"{name} imports {other}"
        for name, path in MODULES.items()
        if name != "genebert"
        for other in sorted(imports(path))
        if FLOOR[room(other)] >= FLOOR[room(name)]
        and room(other) != room(name)
        and (room(name), room(other)) not in BESIDE
    ]
    assert not wrong, "\n".join(wrong)


def test_no_circle():
    try:
        list(TopologicalSorter({name: imports(path) for name, path in MODULES.items()}).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_init_files_hold_no_code():
    for path in PACKAGE.rglob("__init__.py"):
        body = ast.parse(path.read_text()).body
        allowed = 2 if path.parent == PACKAGE else 1  # the package's version
        assert len(body) <= allowed and isinstance(body[0], ast.Expr), path


def files() -> list[Path]:
    more = [*ROOT.glob("rules/*.smk"), ROOT / "Snakefile", *ROOT.glob("workflow/scripts/*.py"),
            *ROOT.glob("benchmarks/*.py"), *ROOT.glob("tests/**/*.py")]  # fmt: skip
    return [*CODE, *more]


def test_no_file_is_too_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files()}
    assert not {name: n for name, n in lengths.items() if n > MAX_FILE}


def lines_of_code(node: ast.FunctionDef, text: list[str]) -> int:
    """Count the lines of a function without its docstring, comments and blank lines."""
    first = node.body[0]
    has_doc = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    doc = range(first.lineno, first.end_lineno + 1) if has_doc else ()
    lines = (text[i - 1].strip() for i in range(node.lineno, node.end_lineno + 1) if i not in doc)
    return sum(bool(line) and not line.startswith("#") for line in lines)


def test_no_function_is_too_long_or_takes_too_much():
    wrong = []
    for path in [*CODE, *ROOT.glob("workflow/scripts/*.py"), *ROOT.glob("benchmarks/*.py")]:
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                n = len([one for one in arguments if one.arg not in ("self", "cls")])
                length = lines_of_code(node, text.splitlines())
                if n > MAX_PARAMETERS or length > MAX_FUNCTION:
                    where = f"{path.relative_to(ROOT)}:{node.lineno}"
                    wrong.append(f"{where} {node.name}: {n} parameters, {length} lines of code")
    assert not wrong, "\n".join(wrong)
