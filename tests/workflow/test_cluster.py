"""The profile slurm/: the documented command, what jobs ask for, what goes together; dry-runs only."""

import math
import os
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from config_inputs import ROOT
from run_snakemake import TINY, snakemake

from genebert.cli.plan import local_rules, needed_for, read_jobs, sums
from genebert.methods.registry import METHODS

pytestmark = pytest.mark.workflow

PROFILE = yaml.safe_load((ROOT / "slurm/config.yaml").read_text())
LIGHT = {
    "download",
    "place",
    "jaspar",
    "curves",
    "table",
    "transfer",
    "learning_curve",
    "figure2",
    "report",
    "sites_read",
    "unavailable",
}
ENCODERS = ("pretrain", "embed", "embed_regions")  # ask for a GPU, whatever their method
# Names for what others make.
TARGETS = {"retrieve", "corpus", "learning_curves", "ablations", "extended", "cell_accessibility"}
BLOCK = re.compile(r"^ *rule (\w+):\n((?: +\w+: .*\n)+)", re.MULTILINE)


def asked(printed):
    """Return, for each planned job that is submitted, its rule, its wildcards and its resources."""
    found = []
    for rule, text in BLOCK.findall(printed):
        fields = dict(line.strip().split(": ", 1) for line in text.splitlines())
        pairs = (one.split("=", 1) for one in fields.get("wildcards", "").split(", ") if one)
        resources = dict(one.split("=", 1) for one in fields["resources"].split(", "))
        if "output" in fields and rule not in LIGHT:
            found.append((rule, dict(pairs), resources | {"threads": fields.get("threads", "1")}))
    assert found
    return found


@pytest.fixture(scope="module")
def planned(root, tmp_path_factory, conda_path):
    """The documented command as a dry-run, from the root, with nothing under the home folder."""
    home = tmp_path_factory.mktemp("home")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment |= {"HOME": str(home), "PATH": conda_path, "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        *shlex.split("snakemake --use-conda --profile slurm all"),
        "-n",
        "--forceall",
        "--cores",
        "99",
    ]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_light_rules_run_where_snakemake_does():
    """A dry-run does not say so; the rules do."""
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    blocks = re.split(r"^(?:use rule \w+ as|rule) (\w+)\b", text, flags=re.MULTILINE)
    blocks = dict(zip(blocks[1::2], blocks[2::2], strict=True))
    local = {rule for rule, block in blocks.items() if "    localrule: True\n" in block}
    assert {rule for rule in local if "    output:" in blocks[rule]} == LIGHT == local - TARGETS
    assert local_rules(ROOT / "rules") == local


def test_each_job_asks_for_memory_time_and_threads(planned):
    """Memory stays open until the files are there on which it depends."""
    jobs = asked(planned)
    memory = {rule: resources["mem_mb"] for rule, _, resources in jobs}
    assert memory["genome"] == "4000" and memory["motifs"] == memory["pretrain"] == "<TBD>"
    assert {"genome", "accessibility", "motifs", "pretrain", "task", "fit", "fit_part", "card"} <= set(memory)
    for rule, _, resources in jobs:
        assert int(resources["runtime"]) >= 60, rule
    threads = {rule: resources["threads"] for rule, _, resources in jobs}
    assert (threads["motifs"], threads["pretrain"], threads["fit"], threads["genome"]) == ("8", "8", "4", "1")


def is_network(rule, wildcards):
    entry = METHODS.get(wildcards.get("method"))  # none: fine-tuning of a model
    return rule in ENCODERS or (rule in ("fit", "fit_part") and (entry is None or entry.gpu))


def test_gpus_are_asked_for_by_networks_only(planned):
    for rule, wildcards, resources in asked(planned):
        assert int(resources.get("gpu", 0)) == is_network(rule, wildcards), (rule, wildcards)


def test_small_jobs_go_together(planned):
    """Data sets ten a job, fits without a GPU five; the paper's whole plan is submitted in some two hundred."""
    groups = re.findall(r"Group job (\w+) \(", planned)
    jobs = asked(planned)
    light = sum(rule in ("fit", "fit_part") and not is_network(rule, wildcards) for rule, wildcards, _ in jobs)
    assert PROFILE["group-components"] == {"tasks": 10, "baselines": 5, "networks": 1}
    assert groups.count("baselines") == math.ceil(light / 5) < light
    assert groups.count("tasks") == math.ceil(sum(rule == "task" for rule, *_ in jobs) / 10)
    alone = sum(rule not in ("task", "fit", "fit_part") for rule, *_ in jobs)
    assert alone + len(groups) < 230 <= len(BLOCK.findall(planned))
    # What `genebert budget --plan` makes of the same plan.
    whole = needed_for("all", read_jobs(planned))
    found = sums(whole, PROFILE["group-components"], LIGHT)
    assert (found["submitted"], found["jobs"]) == (alone + len(groups), len(BLOCK.findall(planned)) - 1)
    assert (found["jobs"] - found["local"], found["gpu_jobs"]) == (len(jobs), sum(is_network(*one[:2]) for one in jobs))
    assert found["gpu_hours"] * 60 == sum(int(one["runtime"]) * int(one.get("gpu", 0)) for _, _, one in jobs)


def test_jobs_of_a_group_take_turns(planned):
    """Else a group would ask for the memory, threads and GPUs of all its jobs at once."""
    assert PROFILE["resources"] == {"turn": 1} and PROFILE["set-resource-scopes"] == {"turn": "local"}
    for rule, _, resources in asked(planned):
        assert resources.get("turn") == ("1" if rule in ("task", "fit", "fit_part") else None), rule


def test_a_retry_gets_more(root, tmp_path):
    """Memory and time of every rule double, but for pre-training's time: it resumes."""
    assert PROFILE["retries"] == 1
    common = ("-n", "--profile", "slurm", "--directory", str(tmp_path))
    first, second = (asked(snakemake(root, *common, "--attempt", number, "--", "all").stdout) for number in "12")
    first, second = (sorted(jobs, key=lambda job: (job[0], sorted(job[1].items()))) for jobs in (first, second))
    assert [job[:2] for job in first] == [job[:2] for job in second]
    for (rule, _, one), (_, _, two) in zip(first, second, strict=True):
        assert int(two["runtime"]) == (1 if rule == "pretrain" else 2) * int(one["runtime"]), rule
        if one["mem_mb"] != "<TBD>":
            assert int(two["mem_mb"]) == 2 * int(one["mem_mb"]), rule


def test_memory_follows_the_input(root, finished):
    """Of files that are there: the fixed part, and MB for each MB; twice that at the second attempt."""
    words = ("--forcerun", "groups", "--rerun-triggers", "mtime", "--directory", str(finished), "--profile", "slurm")
    target = "results/tiny/corpus/groups.npz"
    size = (finished / "results/tiny/accessibility/accessible.h5ad").stat().st_size / 1024**2
    for attempt in (1, 2):
        done = snakemake(root, "-n", *words, *TINY, "--attempt", str(attempt), "--", target)
        ((_, _, resources),) = [one for one in asked(done.stdout) if one[0] == "groups"]
        assert attempt * (4000 + 4 * size) == pytest.approx(int(resources["mem_mb"]), abs=1.01)


def site(text):
    """Return the profile with the commented lines of its first part taken in, but for the partition file."""
    start, end = text.index("your site"), text.index("every site")
    lines = [re.sub(r"^( *)# (?=[a-z_]+[\w-]*:|  )", r"\1", line) for line in text[start:end].splitlines()]
    kept = [line for line in lines if "partitions.yaml" not in line]
    return text[:start] + "\n".join(kept) + text[end:]


def test_the_lines_for_a_site(root, tmp_path):
    """Account, partitions and --gres as the comments of the profile have them."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/config.yaml").write_text(site((ROOT / "slurm/config.yaml").read_text()))
    done = snakemake(root, "-n", "--profile", str(tmp_path / "mine"), "--directory", str(tmp_path), "--", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    for rule, wildcards, resources in asked(done.stdout):
        assert resources["slurm_account"] == "my-account", rule
        assert resources["slurm_partition"] == ("gpu" if rule in ENCODERS else "my-partition")
        gres = "gpu:1" if is_network(rule, wildcards) else None
        assert (resources.get("gres"), int(resources.get("gpu", 0))) == (gres, 0), (rule, wildcards)


def test_a_second_profile_is_laid_over(root, tmp_path):
    """Whole keys: what stays in one place for a site that keeps its lines out of the repository."""
    (tmp_path / "site").mkdir()
    lines = "default-resources: {slurm_account: lab, mem_mb: 4000, runtime: 60}\nslurm-qos: long\n"
    (tmp_path / "site/config.yaml").write_text(lines)
    profiles = ("--profile", "slurm", "--profile", str(tmp_path / "site"))
    done = snakemake(root, "-n", *profiles, "--directory", str(tmp_path), "--", "corpus")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {one["slurm_account"] for _, _, one in asked(done.stdout)} == {"lab"}


def test_the_methods_of_the_profile_without_a_gpu_are_those_of_the_registry():
    (listed,) = re.findall(r"wildcards\.method in '([^']+)'\.split\(\)", (ROOT / "slurm/config.yaml").read_text())
    assert listed.split() == [name for name, entry in METHODS.items() if not entry.gpu]
