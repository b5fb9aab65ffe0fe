"""The commands of PAGES, each of them: run, or planned where they download or take hours."""

import os
import re
import shlex
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from run_snakemake import TINY, jobs, snakemake

from genebert.cli.main import main
from genebert.run.run import read_run

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "config/README.md", "docs/quick-start.md", "docs/reproduce.md", "docs/own-data.md")
PROGRAMS = ("make", "snakemake", "genebert", "pip", "cp")
DATA = "../shared/data"  # of the recorded runs
MINE = "config/mine.yaml"
BRAIN = "snakemake --cores 2 --configfile config/examples/fetal-brain.yaml -- "
# Command: rules of its plan, among others.
PLANS = {
    "snakemake -n --quiet rules": {"download", "pretrain", "fit", "learning_curve", "table"},
    "snakemake --use-conda --profile slurm all": {"download", "pretrain", "fit", "learning_curve", "table"},
    "snakemake --cores 4 report": {"download", "pretrain", "fit", "learning_curve", "table", "card", "report"},
    "snakemake --cores 4 table2": {"download", "pretrain", "fit", "table"},
    "snakemake --cores 4 results/paper/tables/table2.csv": {"download", "pretrain", "fit", "table"},
    "snakemake --cores 4 learning_curves": {"fit_part", "learning_curve"},
    "snakemake --cores 4 ablations": {"download", "pretrain", "fit", "table"},
    "snakemake --cores 4 figure2": {"download", "pretrain", "embed", "figure2"},
    "snakemake --cores 4 cell_accessibility": {"pretrain", "region_labels", "embed_regions", "predict_accessibility"},
    "snakemake --cores 4 retrieve": {"download"},
    "snakemake --cores 8 corpus": {"accessibility", "sequences", "motifs", "groups"},
    "snakemake --cores 8 card": {"accessibility", "groups", "task", "card"},
    "snakemake --cores 4 --configfile config/chr20.yaml -- all": {"download", "pretrain", "learning_curve", "table"},
    "snakemake --cores 2 --configfile config/demo.yaml -- table1": {"simulate", "pretrain", "fit", "table"},
    "snakemake --cores 4 --configfile config/chr20.yaml -- table1": {"download", "pretrain", "fit", "table"},
    "snakemake -n --quiet rules --configfile config/chr20.yaml -- table1": {"download", "pretrain", "fit", "table"},
    "snakemake --use-conda --profile slurm table1": {"download", "pretrain", "fit", "table"},
    f"{BRAIN}all": {"pretrain", "fit", "coverage", "table", "learning_curve", "figure2", "report"},
}
MADE = {
    "make demo": "--prioritize table1 -- all",
    "make demo CORES=4": "--cores 4",
    "make test": "-m pytest",
    "make docs": "-m mkdocs build",
}
INSTALLED = {"pip install .": None, "pip install '.[workflow]'": "workflow"}
PRINTED = {
    "genebert budget --tables": "genebert",
    "genebert sources": "descartes-cerebrum",
    f"genebert budget --configfile {MINE}": "genebert",
    "genebert budget --configfile config/chr20.yaml --tables": "from-scratch",
}
ELSEWHERE = {"genebert budget --plan": "tests/cli/test_plan.py"}
# Their exit status tells what they find: tests/cli.
TOLD = {
    "genebert doctor": "packages",
    "genebert doctor --configfile config/chr20.yaml": "configuration",
    "genebert status results/paper": "results/paper",
    "genebert status results/demo": "results/demo",
    "genebert compare results/paper genebert cnn": "results/paper",
}
# The name of the file may be another; the run must be finished.
REPORTS = [
    "snakemake --report report.zip",
    "snakemake --configfile config/chr20.yaml --report chr20.zip -- table1",
]
CHANGED = f"snakemake --cores 4 --configfile config/chr20.yaml {MINE} -- table1"
COPY = f"cp config/examples/own-data.yaml {MINE}"
PLAN_OF_MINE = f"snakemake -n --quiet rules --configfile {MINE} -- all"
RUNS_OF_MINE = [f"snakemake --cores 2 --configfile {MINE} -- {target}" for target in ("card", "all")]
# The same rules on simulated data in seconds: fewer steps, fewer rows.
SMALL = """
chromosomes: [chr1, chr2, chr3, chr4]
genome: {build: toy}
model: {training: {steps: 4, validate_every: 4, validation_batches: 1}}
tables:
  table1: {promoter/prom-core: [kmer-logreg, genebert]}
  table2: {tfbs: [pwm]}
  table6: {tfbs: [pwm]}
finetune: {seeds: [0], promoter: {epochs: 1}, tfbs: {epochs: 1}}
learning_curves: {promoter/prom-core: {models: [kmer-logreg]}, tfbs: null}
cell_accessibility: {features: [composition, motifs], models: []}
"""


def commands(page):
    """Return the commands of a page: lines of code, and code in the text that is more than a program's name."""
    found, language = [], None
    for line in (ROOT / page).read_text().splitlines():
        if line.startswith("```"):
            language = None if language is not None else line[3:]
        elif language == "" or (language is None and line.startswith("    ")):
            found.append(re.sub(" +# .*", "", line).strip())
        elif language is None:
            found += re.findall("`([^`]+)`", line)
    return [one for one in found if one.split()[0] in PROGRAMS and len(one.split()) > 1]


def test_no_command_is_without_a_test():
    mine = {CHANGED, COPY, PLAN_OF_MINE, *RUNS_OF_MINE}
    known = {*PLANS, *MADE, *INSTALLED, *PRINTED, *ELSEWHERE, *TOLD, *REPORTS} | mine
    assert {command for page in PAGES for command in commands(page)} == known


@pytest.mark.parametrize("command", PLANS)
def test_plans(root, conda_path, tmp_path, command):
    """The files of the recorded runs are stood in for by empty ones."""
    words = shlex.split(command)[1:]
    overlays = [word for word in words if word.startswith("config/examples/")]
    data = ["--config", f"data={tmp_path / 'data'}"] if overlays else []
    for path in read_run(root / "config", [root / one for one in overlays]).raw_files().values() if overlays else []:
        if path.startswith(DATA):
            file = tmp_path / "data" / Path(path).relative_to(DATA)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    done = snakemake(root, "-n", "--directory", str(tmp_path), *data, *words, PATH=conda_path)
    assert done.returncode == 0, done.stdout + done.stderr
    planned = set(re.findall(r"^(\w+) +\d+$", done.stdout, flags=re.MULTILINE))
    assert planned >= PLANS[command]
    if "--quiet" in words:
        assert len((done.stdout + done.stderr).splitlines()) < 100


@pytest.mark.parametrize("command", MADE)
def test_make(root, command):
    done = subprocess.run(["make", "-n", *command.split()[1:]], cwd=root, capture_output=True, text=True, check=True)
    assert MADE[command] in done.stdout


@pytest.mark.parametrize("command", INSTALLED)
def test_what_can_be_installed(root, command):
    """The installation itself takes gigabytes; what it brings is tested in tests/test_packaging.py."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert INSTALLED[command] is None or INSTALLED[command] in project["optional-dependencies"]


@pytest.mark.parametrize("command", PRINTED)
def test_printed(root, monkeypatch, capsys, command):
    monkeypatch.chdir(root)
    assert main(shlex.split(command.replace(MINE, "config/examples/own-data.yaml"))[1:]) == 0
    assert PRINTED[command] in capsys.readouterr().out


@pytest.mark.parametrize("command", TOLD)
def test_told(root, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command.replace(" config/", f" {root}/config/"))[1:]
    assert main(words) in (0, 1)
    said = capsys.readouterr()
    assert TOLD[command] in said.out + said.err
    assert "chr20.yaml: cannot be read" not in said.out + said.err


@pytest.mark.parametrize("command", REPORTS)
def test_report(root, finished, tmp_path, command):
    """On the finished run at test size, to another file."""
    words = shlex.split(command)[1:]
    words[words.index("--report") + 1] = str(tmp_path / "report.zip")
    if "--configfile" in words:
        del words[slice(*(words.index("--configfile") + i for i in (0, 2)))]
    done = snakemake(root, "--directory", str(finished), *TINY, "--nolock", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(tmp_path / "report.zip") as report:
        assert any(Path(name).name == "table1.html" for name in report.namelist())


def test_the_overlay_that_changes_one_thing(root, tmp_path):
    """Of docs/reproduce.md: two models more, one of which is trained."""
    (overlay,) = re.findall(r"```yaml\n(.*?)```", (root / "docs/reproduce.md").read_text(), flags=re.DOTALL)
    mine = tmp_path / "mine.yaml"
    mine.write_text(overlay)
    words = shlex.split(CHANGED.replace(MINE, str(mine)))[1:]
    planned = jobs(snakemake(root, "-n", "--directory", str(tmp_path), *words))
    trained = {wildcards["model"] for rule, wildcards in planned if rule == "pretrain"}
    assert trained == {"from-scratch", "genebert", "paper-literal"}
    fitted = {wildcards["method"] for rule, wildcards in planned if rule == "fit"}
    assert fitted == trained | {"genebert-2e-4"}


def test_the_python_of_the_readme(root, finished):
    (code,) = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), flags=re.DOTALL)
    names = {}
    exec(code.replace("results/demo", str(finished / "results/tiny")), names)
    assert names["hidden"].shape[:2] == (1, 6)  # four k-mers between [CLS] and [SEP]


@pytest.fixture(scope="module")
def mydata(finished, tmp_path_factory):
    """A folder with the files that config/examples/own-data.yaml names, simulated."""
    simulated, own = finished / "resources/simulated", tmp_path_factory.mktemp("mydata")
    names = {name: name for name in ("genome.fa.gz", "matrix.mtx.gz", "peaks.bed", "cells.tsv")}
    names |= {"promoters.bed": "epdnew.bed"}
    names |= {"ctcf.narrowPeak.gz": "tfbs/wgEncodeAwgTfbsUtaA549CtcfUniPk.narrowPeak.gz"}
    for name, origin in names.items():
        os.link(simulated / origin, own / name)
    return own


@pytest.mark.slow
def test_the_overlay_for_own_data(root, mydata, tmp_path):
    """Copied, planned and run as docs/own-data.md says, on simulated data: nothing is downloaded."""
    mine, small = tmp_path / "mine.yaml", tmp_path / "small.yaml"
    subprocess.run(shlex.split(COPY.replace(MINE, str(mine))), cwd=root, check=True)
    small.write_text(SMALL)

    def run(command):
        words = shlex.split(command.replace(MINE, str(mine)))[1:]
        words.insert(words.index(str(mine)) + 1, str(small))
        return snakemake(root, "--directory", str(tmp_path), "--config", f"data={mydata}", *words)

    planned = run(PLAN_OF_MINE)
    assert planned.returncode == 0 and not re.search(r"^(download|place|simulate) ", planned.stdout, re.MULTILINE)
    assert "resources/" not in planned.stdout.replace("resources/jaspar", "") and len(planned.stdout.splitlines()) < 100
    card, whole = map(run, RUNS_OF_MINE)
    assert not {"pretrain", "fit"} & {rule for rule, _ in jobs(card)}
    assert {"pretrain", "fit", "fit_part", "table"} <= {rule for rule, _ in jobs(whole)}
    results = tmp_path / "results/mine"
    assert "# Data card of run mine" in (results / "corpus/card.md").read_text()
    tables = [(results / f"tables/table{number}.md").read_text() for number in (1, 2, 6)]
    assert "tfbs/CTCF_mycell" in tables[1] and "| not part of this run |" not in tables[1]
    curve = pd.read_csv(results / "figures/learning_curves/promoter/prom-core.csv")
    beyond = curve[curve["n_train"] == 1000]
    assert len(beyond) == 1 and beyond["unavailable"].str.fullmatch(r"only \d+ training examples").all()
    assert curve[curve["n_train"] < 1000]["roc_auc"].notna().all()
