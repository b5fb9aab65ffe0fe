"""The line of progress that `make demo` shows."""

import subprocess
import sys

import pytest
from progress import Run
from run_snakemake import TINY

PLAN = """\
Config file /project/config/config.yaml is extended by additional config specified via the command line.
Building DAG of jobs...
Job stats:
job       count
------  -------
all           1
score         4
train         2
total         7

Select jobs to execute...
"""
START = """\
Execute 1 jobs...

[Wed Nov 25 18:36:56 2026]
rule {rule}:
    input: a, b
    log: logs/{rule}.log
    jobid: {job}
    reason: Missing output files: b
    wildcards: model=genebert
"""
FINISH = """\
[Wed Nov 25 18:37:00 2026]
Finished jobid: {job} (Rule: {rule})
1 of 7 steps (14%) done
Select jobs to execute...
"""
ERROR = """\
[Wed Nov 25 18:37:04 2026]
Error in rule {rule}:
    jobid: {job}
    log: logs/{rule}.log (check log file(s) for error details)
"""


def told(run, text, now):
    """Return the lines of a text that are shown."""
    return [line for line in text.splitlines() if run.read(line, now)]


def test_jobs_are_counted_and_nothing_of_them_is_shown():
    run = Run()
    assert run.texts(0, 0)["jobs"] == "planning"
    assert told(run, PLAN, 1) == []
    assert told(run, START.format(rule="score", job=3) + START.format(rule="train", job=5), 10) == []
    assert run.texts(12, 12) == {"jobs": "0 of 7 jobs (0%)", "gone": "00:12 gone", "left": "", "rules": "score, train"}
    assert told(run, FINISH.format(rule="score", job=3), 14) == []
    assert run.texts(14, 14)["jobs"] == "1 of 7 jobs (14%)" and run.texts(14, 14)["rules"] == "train"


def test_time_left_is_that_of_the_rules_that_are_left():
    run = Run()
    told(run, PLAN + START.format(rule="score", job=3) + START.format(rule="train", job=5), 100)
    assert run.left(101) is None
    told(run, FINISH.format(rule="score", job=3), 110)
    # 3 x score of 10 s; train and all, of which none has ended, are taken for as long: 10 s, 10 s for the one that runs
    # but for the 10 s it has run; two jobs at a time.
    assert run.left(110) == pytest.approx((3 * 10 + 10 + 10) / 2)
    told(run, START.format(rule="score", job=4), 110)
    told(run, FINISH.format(rule="score", job=4), 120)
    told(run, FINISH.format(rule="train", job=5), 140)
    # 2 x score of 10 s, 1 x train of 40 s, all of 20 s (the mean); 60 s of work were done in 40 s.
    assert run.left(140) == pytest.approx((2 * 10 + 40 + 20) / (60 / 40))


def test_errors_warnings_and_output_of_jobs_are_shown_whole():
    run = Run()
    told(run, PLAN + START.format(rule="train", job=5), 1)
    text = "error: matrix.mtx: cut short\nTraceback (most recent call last):\n    input: x\n"
    text += ERROR.format(rule="train", job=5) + "Trying to restart job 5.\n"
    assert told(run, text, 2) == [line for line in text.splitlines() if not line.startswith("[Wed")]
    assert not run.running
    assert told(run, START.format(rule="train", job=5), 3) == []
    assert list(run.running) == ["5"]


@pytest.mark.workflow
def test_a_real_run_that_fails(root, finished, tmp_path):
    """Jobs that end well are not mentioned; of one that fails the log is named. The exit status is Snakemake's."""
    data, cut = finished / "resources/simulated", tmp_path / "short.mtx.gz"
    cut.write_bytes((data / "matrix.mtx.gz").read_bytes()[:3000])
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        f"genome: {{fasta: {data}/genome.fa.gz}}\n"
        f"accessibility: {{matrix: {cut}, peaks: {data}/peaks.bed, cells: {data}/cells.tsv, blacklist: null}}\n"
    )
    command = [sys.executable, root / "workflow/progress.py", "--cores", "1", "--directory", tmp_path, *TINY, overlay]
    done = subprocess.run([*command, "--", "accessibility"], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"error: {cut}: gzip data cut short")
    assert any(line.startswith("    log: logs/tiny/accessibility/accessibility.log") for line in lines)
    assert "genome.log" not in done.stdout and "jobs to execute" not in done.stdout
