"""The conda environments of the stages: complete, pinned, and the same versions as requirements.txt."""

import ast
import re
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from run_snakemake import snakemake

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "genebert"
# Of each rule with a script: its environment and the script.
RULES = [
    (Path(found[1]).stem, ROOT / "workflow" / "scripts" / Path(found[2]).name)
    for path in sorted((ROOT / "rules").glob("*.smk"))
    for found in re.finditer(r'^    conda:\s+"([^"]+)"$.*?^    script:\s+"([^"]+)"$', path.read_text(), re.M | re.S)
]
STAGES = sorted({stage for stage, _ in RULES})
# Registries that load the modules of a room by name.
ROOMS = {"genebert.tasks.registry": "tasks", "genebert.methods.registry": "methods"}
# Names of modules, and of conda packages, that differ from PyPI's.
MODULE_OF = {"scikit-learn": "sklearn", "moods-python": "MOODS", "pyyaml": "yaml", "biopython": "Bio",
             "opentsne": "openTSNE",
             "markdown-it-py": "markdown_it"}  # fmt: skip
PYPI_NAME = {"matplotlib-base": "matplotlib", "pytorch": "torch", "moods": "moods-python"}
# What neither conda-forge nor bioconda had when last looked up.
PIP_ONLY = {"rds2py", "dinuc-shuf"}
# Modules that a package cannot be installed without.
COMES_WITH = {"anndata": {"h5py"}, "timm": {"huggingface_hub"}, "pyjaspar": {"Bio"}, "sklearn": {"joblib"}}
# Modules that a library asks for only when it is used in some way.
ASKS_FOR = {"timm": {"torchvision"}, "to_parquet": {"pyarrow"}, "read_parquet": {"pyarrow"}}

# How registries name what they load: a class of a module, or a whole module.
PLACE = re.compile(r"(genebert\.[\w.]+):(\w+)")
MODULE = re.compile(r"genebert(\.\w+)+")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(stage: str) -> dict[str, str]:
    """Return package (PyPI name) to version of an environment; every pin is exact."""
    environment = yaml.safe_load((ROOT / "envs" / f"{stage}.yaml").read_text())
    found = {}
    for entry in environment["dependencies"]:
        if isinstance(entry, str):
            name, pin = re.fullmatch(r"([a-z0-9-]+)=([0-9][0-9a-z.]*)", entry).groups()
            found[PYPI_NAME.get(name, name)] = pin
        else:
            assert list(entry) == ["pip"] and "pip" in found, f"{stage}: pip is not among the packages"
            for line in entry["pip"]:
                name, pin = re.fullmatch(r"([A-Za-z0-9_-]+)==([0-9][0-9a-z.]*)", line).groups()
                assert name in PIP_ONLY, f"{stage}: conda has {name}"
                found[normal(name)] = pin
    return found


def required() -> dict[str, str]:
    """Return the pins of requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    matches = (re.match(r"([A-Za-z0-9_.-]+)==(\S+)", line) for line in lines)
    return {normal(match[1]): match[2] for match in matches if match}


def scripts_of(stage: str) -> list[Path]:
    return [script for other, script in RULES if other == stage]


# ------------------------------------------------------------------------------------------- what a script imports


def module_file(name: str) -> Path | None:
    """Return the file of one of the package's own modules, or None for any other name."""
    if name.partition(".")[0] != "genebert":
        return None
    base = PACKAGE.parent.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()), None)


def bindings(nodes: list[ast.stmt]) -> dict[str, tuple[str, str]]:
    """Return what import statements among `nodes` bind: local name to (module, name in it or nothing)."""
    found = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: (alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the package uses absolute imports"
            found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
    return found


@cache
def parsed(path: Path) -> tuple[dict[str, ast.AST], dict[str, tuple[str, str]], frozenset[str]]:
    """Return a module's functions, classes and constants, what its imports bind, and the modules it loads."""
    body = ast.parse(path.read_text()).body
    defined: dict[str, ast.AST] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {name.id: node for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    bound = bindings(body)
    return defined, bound, frozenset(module for module, _ in bound.values())


def needed(script: Path) -> set[str]:
    """Return the third-party modules that a script imports, directly or through our package.

    Followed by name: modules are loaded with all their top-level imports; imports inside functions and classes count
    where the function or class is mentioned on the way from the script.
    """
    modules: set[str] = set()
    loaded: set[Path] = set()
    visited: set[int] = set()

    def load(name: str) -> None:
        if parent := name.rpartition(".")[0]:
            load(parent)
        path = module_file(name)
        if path is None:
            modules.add(name.partition(".")[0])
        elif path not in loaded:
            loaded.add(path)
            for other in parsed(path)[2]:
                load(other)
            for one in sorted((PACKAGE / ROOMS[name]).glob("*.py")) if name in ROOMS else ():
                module = ".".join(one.relative_to(PACKAGE.parent).with_suffix("").parts)
                load(module)
                for inner in parsed(one)[0]:
                    follow(module, inner)

    def follow(module: str, name: str) -> None:
        """Visit what `name` is in one of our modules."""
        submodule = f"{module}.{name}" if name else module
        if module_file(submodule):
            load(submodule)
            for inner in parsed(module_file(submodule))[0]:
                follow(submodule, inner)
        elif path := module_file(module):
            defined, bound, _ = parsed(path)
            if name in defined:
                visit(defined[name], path)
            elif name in bound:
                follow(*bound[name])

    def visit(tree: ast.AST, path: Path) -> None:
        if id(tree) in visited:
            return
        visited.add(id(tree))
        defined, bound, _ = parsed(path)
        local = bindings([node for node in ast.walk(tree) if isinstance(node, ast.stmt)])
        for module, _name in local.values():
            load(module)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                if node.id in local | bound:
                    follow(*(local | bound)[node.id])
                elif node.id in defined:
                    visit(defined[node.id], path)
            elif isinstance(node, ast.Attribute):
                modules.update(ASKS_FOR.get(node.attr, ()))
            elif isinstance(node, ast.Constant) and (place := PLACE.fullmatch(str(node.value))):
                load(place[1])
                follow(place[1], place[2])
            elif isinstance(node, ast.Constant) and MODULE.fullmatch(str(node.value)):
                follow(node.value, "")

    visit(ast.parse(script.read_text()), script)
    for name in list(modules):
        modules |= ASKS_FOR.get(name, set())
    return modules - {"_job", *sys.stdlib_module_names}


def provided(stage: str) -> set[str]:
    """Return the modules that an environment holds."""
    names = {MODULE_OF.get(name, name.replace("-", "_")) for name in pins(stage)} - {"python", "pip"}
    return names.union(*(COMES_WITH.get(name, ()) for name in names))


# ------------------------------------------------------------------------------------------------------------ tests


def test_every_rule_has_an_environment_and_no_other_exists():
    files = [path.name for path in (ROOT / "envs").iterdir() if not path.name.endswith(".linux-64.pin.txt")]
    assert sorted(files) == [f"{stage}.yaml" for stage in STAGES]
    texts = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    assert len(re.findall(r"^    script:", texts, re.M)) == len(RULES) > 10


@pytest.mark.parametrize("stage", STAGES)
def test_channels_are_strict(stage):
    environment = yaml.safe_load((ROOT / "envs" / f"{stage}.yaml").read_text())
    assert list(environment) == ["channels", "dependencies"]
    assert environment["channels"] == ["conda-forge", "bioconda", "nodefaults"]


@pytest.mark.parametrize("stage", STAGES)
def test_pins_are_those_of_requirements(stage):
    found = pins(stage)
    assert found.pop("python") == "3.11"
    found.pop("pip", None)
    assert found == {name: required().get(name, "not in requirements.txt") for name in found}


@pytest.mark.parametrize("stage", STAGES)
def test_pins_are_what_the_tests_run_with(stage):
    """Versions without what a build adds to its name."""
    found = pins(stage)
    assert f"{sys.version_info.major}.{sys.version_info.minor}" == found.pop("python")
    found.pop("pip", None)
    assert found == {name: version(name).partition("+")[0] for name in found}


def test_no_environment_is_for_one_platform_only():
    """Neither builds nor addresses in the files: conda chooses the build, with CUDA or without, but for pins."""
    for path in (ROOT / "envs").glob("*.yaml"):
        assert not re.search(r"https?:|linux-64|=[^=\n]+=\w", path.read_text()), path


@pytest.mark.parametrize("stage", STAGES)
def test_environment_provides_what_the_scripts_import(stage):
    for script in scripts_of(stage):
        assert script.is_file(), f"{script} does not exist"
        assert needed(script) <= provided(stage), f"{script.name} needs {needed(script) - provided(stage)}"


@pytest.mark.parametrize("stage", STAGES)
def test_environment_holds_nothing_else(stage):
    used = set().union(*(needed(script) for script in scripts_of(stage)))
    extra = {name for name in provided(stage) - used if not any(name in more for more in COMES_WITH.values())}
    assert not extra


def test_needs_are_followed_through_the_package(tmp_path):
    """A script is charged with what the functions it names import, not with what others beside them import."""
    script = tmp_path / "script.py"
    script.write_text("from genebert.genome.kmers import save_tokenizer\n")
    assert "transformers" not in needed(script)  # bound, never mentioned
    script.write_text("from genebert.genome.kmers import save_tokenizer\nsave_tokenizer('x', 6, 512)\n")
    assert {"transformers", "numpy"} <= needed(script)
    script.write_text("from genebert.genome.kmers import vocabulary\nvocabulary(3)\n")
    assert needed(script) == {"numpy"}
    script.write_text("def f(frame):\n    import timm\n    frame.to_parquet('x')\nf(1)\n")
    assert needed(script) == {"timm", "torchvision", "pyarrow"}


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("form", "copies"), [("dockerfile", "COPY {} /conda-envs/"), ("apptainer", "    {} /conda-envs/")]
)
def test_the_definition_of_a_container(root, tmp_path, conda_path, form, copies):
    """It copies each environment's file, once, and makes an environment of each; conda is only asked what it is."""
    done = snakemake(root, "--containerize", form, PATH=conda_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^(FROM|From:) condaforge/miniforge3", done.stdout, re.MULTILINE)
    for stage in STAGES:
        assert done.stdout.count(copies.format(f"envs/{stage}.yaml")) == 1, stage
    assert done.stdout.count("conda env create --prefix /conda-envs/") == len(STAGES)
