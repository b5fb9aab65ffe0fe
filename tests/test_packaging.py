"""What `pip install .` brings: every module imported is declared, and requirements.txt pins what is declared."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src/genebert"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Asked for by a library, not by an import of ours.
NOT_IMPORTED = {
    "torchvision",
    "pyarrow",
    "pygments",
    "snakemake-executor-plugin-slurm",
    "pytest-xdist",
    "ruff",
    "snakefmt",
    "mkdocs",
    "mkdocs-material",
}

# Of `make test-conda` alone, which fetches them where there is no conda (tests/conda/run.py).
FETCHED = {"rattler", "zstandard"}


def requirements(lines: list[str]) -> dict[str, Requirement]:
    """Return package to requirement."""
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): one for one in parsed}


DECLARED = requirements(SETTINGS["project"]["dependencies"])
EXTRAS = {name: requirements(lines) for name, lines in SETTINGS["project"]["optional-dependencies"].items()}
ALL = DECLARED | EXTRAS["workflow"] | EXTRAS["test"] | EXTRAS["docs"]


def imported(folder: Path) -> set[str]:
    """Return the packages that the Python files below a folder import, our own and the standard library's left out."""
    own = {path.stem for name in ("workflow", "benchmarks", "tests") for path in (ROOT / name).rglob("*.py")}
    modules = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import"
                modules.add(node.module)
    modules = {name.partition(".")[0] for name in modules} - own - sys.stdlib_module_names - {"genebert", *FETCHED}
    provides = packages_distributions()
    return {canonicalize_name(provides[name][0]) for name in modules}


def test_the_package_declares_what_it_imports_and_nothing_else():
    assert imported(PACKAGE) - NOT_IMPORTED == DECLARED.keys() - NOT_IMPORTED


@pytest.mark.parametrize("folder", ["workflow", "benchmarks", "tests"])
def test_the_extras_hold_what_the_rest_imports(folder):
    assert imported(ROOT / folder) <= ALL.keys()


def test_the_extras_hold_nothing_else():
    used = imported(ROOT / "workflow") | imported(ROOT / "benchmarks") | imported(ROOT / "tests") | NOT_IMPORTED
    assert ALL.keys() - DECLARED.keys() <= used | {"snakemake"}  # a command


def test_what_only_some_may_use_is_an_extra_that_nothing_installs():
    """Its networks are not for commercial use."""
    assert [str(one) for one in EXTRAS["published"].values()] == ["spliceai==1.3.1"]
    assert "spliceai" not in ALL and "published" not in (ROOT / "Makefile").read_text()


def test_object_storage_is_an_extra_that_nothing_installs():
    assert [str(one) for one in EXTRAS["s3"].values()] == ["snakemake-storage-plugin-s3==0.3.6"]
    assert not EXTRAS["s3"].keys() & ALL.keys()


def test_every_package_has_one_pin_that_fits():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    pins = requirements(lines)
    assert len(lines) == len(pins) and pins.keys() == ALL.keys()
    for name, pin in pins.items():
        (exact,) = pin.specifier
        assert exact.operator == "==", pin
        assert ALL[name].specifier.contains(exact.version, prereleases=True), (pin, ALL[name])


def test_files_beside_the_modules_are_installed():
    globs = SETTINGS["tool"]["setuptools"]["package-data"]["genebert"]
    others = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert others == {path for pattern in globs for path in PACKAGE.glob(pattern)}
