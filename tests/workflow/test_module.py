"""This workflow taken up by another one, and found where the Snakemake workflow catalog looks (docs/module.md)."""

import re
import shutil
import subprocess

import pytest
import yaml
from run_snakemake import TINY, counts, jobs, snakemake

from genebert.settings.load import load_yaml, merge

pytestmark = pytest.mark.workflow

OTHER = """
configfile: "config.yaml"


module genebert:
    snakefile:
        "{snakefile}"
    config:
        {config}


use rule * from genebert as genebert_*


rule mine:
    default_target: True
    input:
        rules.genebert_table1.input,
    output:
        "mine.txt",
    shell:
        "cat {{input}} > {{output}}"
"""


def other_workflow(root, folder, settings, config="config", snakefile=None):
    """Write a workflow that takes up ours, with its own configuration, into an empty folder."""
    snakefile = snakefile or root / "Snakefile"
    (folder / "Snakefile").write_text(OTHER.format(snakefile=snakefile, config=config))
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))


def overlay(root, *names):
    """Return what overlays change, the later laid over the earlier."""
    settings = {}
    for name in names:
        settings = merge(settings, load_yaml(root / name))
    return settings


@pytest.mark.parametrize("config", ["config", 'config["atlas"]'])
def test_module(root, tmp_path, config):
    """It plans the same jobs as the workflow itself, from what differs: all of the configuration, or a block of it."""
    demo = overlay(root, "config/demo.yaml")
    other_workflow(root, tmp_path, demo if config == "config" else {"atlas": demo, "what else": 1}, config)
    planned = snakemake(root, "-n", cwd=tmp_path)
    itself = snakemake(root, "-n", "--directory", tmp_path, "--configfile", "config/demo.yaml", "--", "table1")
    ours = {f"genebert_{rule}": number for rule, number in counts(itself).items()}
    assert counts(planned) == ours | {"mine": 1}
    targets = snakemake(root, "-n", "genebert_table1", cwd=tmp_path)
    assert counts(targets) == ours | {"genebert_table1": 1}


def test_a_module_says_what_is_wrong_with_its_settings(root, tmp_path):
    other_workflow(root, tmp_path, {"seeed": 1})
    refused = snakemake(root, "-n", cwd=tmp_path)
    assert refused.returncode != 0 and "unknown key seeed" in refused.stdout + refused.stderr


def test_numbers_on_the_command_line_reach_a_module(root, tmp_path):
    """Snakemake hands over what stands in a block of --config as text."""
    demo = overlay(root, "config/demo.yaml")
    other_workflow(root, tmp_path, demo)
    planned = snakemake(
        root, "-n", "--config", "finetune={seeds: [3]}", "run=other", "--", "genebert_table1", cwd=tmp_path
    )
    files = {path for path in re.findall(r"\S+seed\d+\.json", planned.stdout) if "/kmer-logreg/" in path}
    assert planned.returncode == 0, planned.stderr
    assert {path.strip(",") for path in files} == {"results/other/scores/promoter/prom-core/kmer-logreg/seed3.json"}


@pytest.mark.slow
def test_jobs_of_a_module_run(root, tmp_path):
    """Scripts, logs and lists of this repository are found from the other workflow's folder; its own is written to."""
    other_workflow(root, tmp_path, overlay(root, *TINY[1:]))
    done = snakemake(root, "--cores", "1", "results/tiny/genome/genome.fa", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {rule for rule, _ in jobs(done)} == {"genebert_jaspar", "genebert_simulate", "genebert_genome"}
    assert (tmp_path / "results/tiny/genome/genome.fa").stat().st_size > 0
    assert {path.stem for path in (tmp_path / "logs/tiny").rglob("*.log")} >= {"genome"}


@pytest.mark.parametrize("fetched", [False, True])
def test_a_module_from_elsewhere_is_refused(root, tmp_path, fetched):
    """Snakemake can fetch single files from a repository; the package and its lists are more than that."""
    repository = tmp_path / "repository"
    repository.mkdir()
    shutil.copy(root / "Snakefile", repository)
    snakefile = f"{repository}/Snakefile"
    if fetched:
        if shutil.which("git") is None:
            pytest.skip("git is not on the path")
        me = ("-c", "user.name=me", "-c", "user.email=me@example.org")
        for words in (["init", "-q"], ["add", "Snakefile"], [*me, "commit", "-q", "-m", "one"], ["tag", "v1"]):
            subprocess.run(["git", *words], cwd=repository, check=True)
        snakefile = f"git+file://{snakefile}@v1"
    other_workflow(root, tmp_path, {}, snakefile=snakefile)
    refused = snakemake(root, "-n", cwd=tmp_path)
    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    assert f"{repository}" in said and "found a Snakefile without src/genebert and config beside it" in said


def test_the_catalog_finds_the_same_workflow(root, tmp_path):
    """It wants workflow/Snakefile; its settings are read as its generator reads them."""
    at = ("-n", "--directory", tmp_path, "--configfile", root / "config/demo.yaml", "--", "table1")
    assert counts(snakemake(root, "-s", "workflow/Snakefile", *at)) == counts(snakemake(root, *at))
    usage = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["software-stack-deployment"].keys() == {"conda", "apptainer", "apptainer+conda"}
    assert all(isinstance(value, bool) for value in [usage["report"], *usage["software-stack-deployment"].values()])
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    readme = (root / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme and (root / "config/README.md").is_file()
