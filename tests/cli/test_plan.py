"""`genebert budget --plan`: a dry-run read, its jobs shared out to targets, and the table of the docs."""

import json
import re
import subprocess
import sys

import pytest
from config_inputs import ROOT

from genebert.cli.main import main
from genebert.cli.plan import dry_run, local_rules, needed_for, read_jobs, render_plan, sums
from genebert.errors import InputError

PRINTED = """\
Building DAG of jobs...
Job stats:
job      count
-----  -------
make         2

[Thu Nov 26 07:49:43 2026] Group job tasks (jobs in lexicogr. order):

    [Thu Nov 26 07:49:43 2026]
    rule task:
        input: raw/a, genome.fa
        output: tasks/a, tasks/a.card
        jobid: 27
        wildcards: task=tfbs, dataset=a(b)
        resources: tmpdir=/tmp, mem_mb=<TBD>, runtime=60, turn=1
    [Thu Nov 26 07:49:43 2026]
    rule task:
        input: raw/b, genome.fa
        output: tasks/b
        jobid: 28
        wildcards: task=tfbs, dataset=b
        resources: tmpdir=/tmp, mem_mb=4000, runtime=30, turn=1
[Thu Nov 26 07:49:43 2026]
rule genome:
    output: genome.fa
    jobid: 2
    reason: Missing output files: genome.fa
    resources: tmpdir=/tmp, mem_mb=4000, mem=4 GB, runtime=60
[Thu Nov 26 07:49:43 2026]
rule pretrain:
    input: genome.fa
    output: models/m/config.json
    jobid: 5
    wildcards: model=m
    threads: 8
    resources: tmpdir=/tmp, runtime=120, mpi=srun, nodes=2, gres=gpu:4
[Thu Nov 26 07:49:43 2026]
rule table:
    input: tasks/a, models/m/config.json
    output: tables/1
    jobid: 6
    resources: tmpdir=/tmp, runtime=60
[Thu Nov 26 07:49:43 2026]
rule table1:
    input: tables/1
    jobid: 7
    resources: tmpdir=/tmp, runtime=60
"""


def test_a_dry_run_read():
    jobs = {(job.rule, job.wildcards.get("dataset")): job for job in read_jobs(PRINTED)}
    assert len(jobs) == 6
    task = jobs["task", "a(b)"]
    assert (task.group, task.threads, task.gpus, task.minutes) == ("tasks", 1, 0, 60)
    assert task.inputs == {"raw/a", "genome.fa"} and task.outputs == {"tasks/a", "tasks/a.card"}
    assert jobs["genome", None].group == "" and jobs["genome", None].inputs == frozenset()
    pretrain = jobs["pretrain", None]  # of two nodes
    assert (pretrain.threads, pretrain.gpus, pretrain.minutes, pretrain.wildcards) == (16, 8, 120, {"model": "m"})


def test_what_a_target_waits_for():
    jobs = read_jobs(PRINTED)
    table = needed_for("table1", jobs)
    assert sorted(job.rule for job in table) == ["genome", "pretrain", "table", "task"]  # not the target, nor set b
    assert [job.rule for job in needed_for("genome", jobs)] == ["genome"]
    assert needed_for("table2", jobs) == []


def test_sums_by_hand():
    """1 h of genome, 1 h and half an hour of tasks, 2 h of 16 threads and 8 GPUs; the table is local."""
    found = sums(read_jobs(PRINTED)[:-1], {"tasks": 10}, {"table"})
    assert found == {
        "jobs": 5, "local": 1, "submitted": 3, "core_hours": 1 + 1.5 + 32, "gpu_jobs": 1, "gpu_hours": 16,
        "pretrained": ["m"],
    }  # fmt: skip
    assert sums(read_jobs(PRINTED)[:-1], {"tasks": 1}, set())["submitted"] == 5
    assert sums([], {}, set())["submitted"] == 0


def test_local_rules_are_those_that_say_so(tmp_path):
    """Also where the rule before, or a rule that uses another, does not."""
    (tmp_path / "a.smk").write_text(
        "rule one:\n    output:\n        'a',\n    localrule: True\n    script:\n        'x'\n\n\n"
        "rule two:\n    output:\n        'b',\n\n\nuse rule one as three with:\n    output:\n        'c',\n"
        "    localrule: True\n\n\nrule four:\n    output:\n        'd',\n"
    )
    assert local_rules(tmp_path) == {"one", "three"}


def test_the_table(capsys):
    row = {"jobs": 1200, "local": 2, "submitted": 30, "core_hours": 12.5, "gpu_jobs": 1, "gpu_hours": 48.0}
    empty = dict.fromkeys(row, 0) | {"target": "corpus", "pretrained": []}
    plan = {"run": "r", "group_components": {"tasks": 10}}
    plan["targets"] = [empty, row | {"target": "all", "pretrained": ["m", "other"]}]
    lines = render_plan(plan, {"m": 244.4}).splitlines()
    assert lines[2] == "group: 10 of tasks"
    assert lines[-2].split() == ["corpus", *"-------"]
    assert lines[-1].split() == ["all", "1,200", "2", "30", "12", "1", "48", "244"]


@pytest.mark.slow
@pytest.mark.workflow
def test_the_table_of_the_docs_is_what_the_command_prints(tmp_path, monkeypatch, capfd):
    """Away from any results; a difference: `genebert budget --plan`, into docs/slurm.md."""
    monkeypatch.chdir(tmp_path)
    assert main(["budget", "--plan"]) == 0
    page = (ROOT / "docs/slurm.md").read_text()
    (block,) = re.findall(r"<!-- genebert budget --plan -->\n```\n(.*?)```", page, flags=re.DOTALL)
    assert capfd.readouterr().out == block


@pytest.mark.workflow
def test_a_plan_that_fails_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("accessibility: {matrix: nowhere.rds}\n")
    assert main(["budget", "--plan", "--configfile", "mine.yaml"]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("error: snakemake -n: found an error: ") and "nowhere.rds" in printed.err


def test_without_snakemake(monkeypatch):
    """As after `pip install .`, which brings the command alone."""
    code = "import sys; sys.stderr.write('/bin/python: No module named snakemake\\n'); sys.exit(1)"
    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda _, **options: real([sys.executable, "-c", code], **options))
    with pytest.raises(InputError, match=r"found an error; expected Snakemake and its plugin .*workflow"):
        dry_run(ROOT, [], [], ["all"])


@pytest.mark.workflow
def test_as_json(tmp_path, monkeypatch, capfd):
    """The demo has no GPU, and its models are priced too."""
    monkeypatch.chdir(tmp_path)
    given = ["--configfile", str(ROOT / "config/demo.yaml"), "--config", "run=mine", "resources={fit: {threads: 3}}"]
    assert main(["budget", "--plan", "--json", *given]) == 0
    plan = json.loads(capfd.readouterr().out)
    assert plan["run"] == "mine"
    rows = {row["target"]: row for row in plan["targets"]}
    assert list(rows)[:3] == ["retrieve", "corpus", "card"] and {"table4", "all"} <= set(rows)
    assert rows["all"]["gpu_jobs"] == rows["all"]["gpu_hours"] == 0
    assert set(plan["a100_hours"]) >= set(rows["all"]["pretrained"]) | set(rows["table8_extended"]["pretrained"])
    assert rows["all"]["submitted"] < rows["all"]["jobs"]
