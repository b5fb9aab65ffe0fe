"""`genebert status`: what stands of a run, while it runs and after every kind of end."""

import json
import os
import threading
import time

import pytest

from genebert.cli import status
from genebert.cli.main import main
from genebert.cli.status import read_status, render_status, watch
from genebert.errors import InputError

BEGUN = """\
[Thu Nov 26 00:16:36 2026]
{local}rule {rule}:
    input: a
    output: b
    log: logs/r/{rule}/{name}.log
    jobid: 3
    wildcards: name={name}
"""
ERROR = """\
[Thu Nov 26 00:17:36 2026]
Error in rule {rule}:
    message: None
    jobid: 3
    log: logs/r/{rule}/{name}.log (check log file(s) for error details)
"""
GROUP_ERROR = """\
Error in group tasks:
    message: SLURM-job '5' failed, SLURM status is: 'OUT_OF_MEMORY'.
    jobs:
        rule task:
            jobid: 3
            log: logs/r/task/a.log (check log file(s) for error details)
        rule task:
            jobid: 4
            log: logs/r/task/b.log (check log file(s) for error details)
[Thu Nov 26 00:17:36 2026]
rule card:
    log: logs/r/card/card.log
"""
END = "Shutting down, this might take some time.\nComplete log(s): /x/.snakemake/log/1.snakemake.log\n"


class Place:
    """The folder of a run `r`, in which jobs and calls of Snakemake are put down as they leave them."""

    def __init__(self, folder):
        self.folder, self.results = folder, folder / "results/r"
        for path in ("results/r", "logs/r", ".snakemake/log"):
            (folder / path).mkdir(parents=True)

    def job(self, name, log, done=False, age=0.0):
        path = self.folder / f"logs/r/{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(log)
        os.utime(path, (time.time() - age, time.time() - age))
        if done:
            benchmark = self.results / f"benchmark/{name}.tsv"
            benchmark.parent.mkdir(parents=True, exist_ok=True)
            benchmark.write_text("s\n1\n")

    def call(self, text, name="2026-11-26T000000"):
        (self.folder / f".snakemake/log/{name}.snakemake.log").write_text(text)

    def states(self):
        return {job.name: job.state for job in read_status(self.results).jobs}


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def begun(rule, name, local=""):
    return BEGUN.format(rule=rule, name=name, local=local)


def test_a_run_at_work(place):
    """Done by its benchmark; at work with step and time left; waiting for its node; the steps as Snakemake has them."""
    place.job("genome/genome", "", done=True)
    place.job(
        "pretrain/m", "10:00:00 3 samples\n10:01:00 step 1200/120000, loss 3.1, 99 tokens/s, 3.4 h left\n", age=60
    )
    place.job("fit/tfbs/a(b)/cnn", "10:00:00 epoch 3 of 10: loss 0.5\n")
    place.call(begun("genome", "genome", "local") + "Finished jobid: 3 (Rule: genome)\n1 of 5 steps (20%) done\n"
               + begun("pretrain", "m") + begun("fit", "tfbs/a(b)/cnn") + begun("task", "x/y"))  # fmt: skip
    state = read_status(place.results)
    assert (state.steps, state.ended) == ((1, 5), False)
    jobs = {job.name: job for job in state.jobs}
    assert {name: job.state for name, job in jobs.items()} == {
        "genome genome": "done", "pretrain m": "running", "fit tfbs/a(b)/cnn": "running", "task x/y": "waiting",
    }  # fmt: skip
    assert jobs["pretrain m"].detail == "step 1,200 of 120,000, 3.4 h left" and 59 < jobs["pretrain m"].age < 70
    assert jobs["fit tfbs/a(b)/cnn"].detail == "epoch 3 of 10: loss 0.5"
    text = render_status(state).splitlines()
    assert text[0].startswith("run r: 1 of 5 steps (20%); Snakemake at work (or killed: then --unlock), its last word ")
    assert text[1] == "done: 1 (genome 1)"
    assert len(text) == 5 and text[-1].split()[:3] == ["waiting", "task", "x/y"]


def test_a_job_that_says_why_it_failed(place):
    """Bad input in its own words; of anything else the last line, which has the error."""
    place.job("task/a", "10:00:00 begun\n10:00:01 error: a.bed, line 3: found x, expected a number\n")
    place.job("task/b", "10:00:01 error: unexpected\nTraceback (most recent call last):\n  File\nKeyError: 'x'\n")
    place.call(begun("task", "a") + begun("task", "b"))
    jobs = {job.name: job for job in read_status(place.results).jobs}
    assert {job.state for job in jobs.values()} == {"failed"}
    assert jobs["task a"].detail == "a.bed, line 3: found x, expected a number"
    assert jobs["task b"].detail == "KeyError: 'x'"
    assert "(logs/r/task/a.log)" in render_status(read_status(place.results))


def test_a_job_that_was_killed_has_no_word_of_its_own(place):
    """Its time limit, or the kernel for its memory: Snakemake's log knows; a retry begins it again."""
    place.job("pretrain/m", "10:01:00 step 1200/120000, loss 3.1, 99 tokens/s, 3.4 h left\n")
    killed = begun("pretrain", "m") + ERROR.format(rule="pretrain", name="m")
    place.call(killed)
    (job,) = read_status(place.results).jobs
    assert job.state == "failed" and job.detail.startswith("no error of its own (killed?); last line: step 1,200 of")
    place.call(killed + "Trying to restart job 3.\n" + begun("pretrain", "m"))
    assert place.states() == {"pretrain m": "running"}
    place.call(killed + "Trying to restart job 3.\n" + begun("pretrain", "m") + END)
    assert place.states() == {"pretrain m": "stopped"}


def test_a_group_that_failed(place):
    for name in ("task/a", "task/b", "card/card"):
        place.job(name, "begun\n")
    place.call(begun("task", "a") + begun("task", "b") + GROUP_ERROR)
    assert place.states() == {"task a": "failed", "task b": "failed", "card card": "running"}


def test_a_job_that_is_done_again(place):
    """A benchmark older than the log is that of an earlier run of the job."""
    place.job("genome/genome", "old\n", done=True)
    benchmark = place.results / "benchmark/genome/genome.tsv"
    os.utime(benchmark, (time.time() - 100, time.time() - 100))
    place.call(begun("genome", "genome"))
    assert place.states() == {"genome genome": "running"}


def test_after_a_kill_and_with_another_run_in_the_folder(place):
    """The last call that had to do with this run counts; logs of further processes are no jobs."""
    place.job("pretrain/m", "10:00:00 begun\n")
    (place.folder / "logs/r/pretrain/m.log.rank1").write_text("x\n")
    place.call(begun("pretrain", "m") + END, "2026-11-26T000000")
    place.call(begun("pretrain", "m").replace("logs/r/", "logs/other/"), "2026-11-27T000000")
    assert place.states() == {"pretrain m": "stopped"}
    assert read_status(place.results).ended


def test_without_snakemakes_log(place):
    """As after `rm -r .snakemake`, or with the results of another machine."""
    place.job("genome/genome", "", done=True)
    place.job("fit/a", b"\xff\xfe broken \n".decode("latin-1"))
    state = read_status(place.results)
    assert (state.steps, state.ended, state.age) == (None, True, None)
    assert place.states() == {"genome genome": "done", "fit a": "stopped"}
    assert render_status(state).splitlines()[0] == "run r"


SHARED = """\
localrule download:
    output: resources/hg19/{name}
    log: logs/download/hg19/{name}.log
    jobid: 7
"""


def test_downloads_are_of_the_call_that_made_them(place):
    """Their logs are not below the run's; and a job that ended before it wrote its log is failed all the same."""
    place.job("genome/genome", "", done=True)
    downloads = place.folder / "logs/download/hg19"
    downloads.mkdir(parents=True)
    for name, text in (("a", ""), ("b", "10:00:00 1 MB of 9\n"), ("c", "error: no answer\n"), ("other", "error: no\n")):
        (downloads / f"{name}.log").write_text(text)
    benchmark = place.folder / "results/benchmark/download/hg19/a.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\n1\n")
    slurm = "Error in rule card:\n    log: logs/r/card/card.log, .snakemake/slurm_logs/rule_card/1.log, /x/logs/1.log\n"
    place.call(begun("genome", "genome") + "".join(SHARED.format(name=name) for name in "abcd") + slurm)
    assert place.states() == {
        "genome genome": "done", "download hg19/a": "done", "download hg19/b": "running", "download hg19/c": "failed",
        "download hg19/d": "waiting", "card card": "failed",
    }  # fmt: skip
    failed, early = (job for job in read_status(place.results).jobs if job.state == "failed")
    assert (failed.log, failed.detail) == ("logs/download/hg19/c.log", "no answer")
    assert early.log == "logs/r/card/card.log" and early.detail.startswith("ended before it wrote a log")
    assert main(["status", str(place.results)]) == 1


def test_a_run_of_which_only_downloads_are_begun(place, capsys):
    (place.folder / "logs/download").mkdir()
    assert main(["status", str(place.folder / "results/new")]) == 1
    assert "expected the results of a run, such as results/demo; downloads come first" in capsys.readouterr().err


def test_a_log_that_goes_while_it_is_read(place, monkeypatch):
    """As beside a job that begins again: the others are told all the same."""
    place.job("genome/genome", "", done=True)
    place.job("task/a", "begun\n")
    place.call("")
    read = status._last_lines

    def gone(log):
        log.unlink()
        return read(log)

    monkeypatch.setattr(status, "_last_lines", gone)
    assert place.states() == {"genome genome": "done"}


@pytest.mark.parametrize(("path", "words"), [("results/x", "not found"), ("logs", "found no logs")])
def test_no_such_run(place, monkeypatch, capsys, path, words):
    monkeypatch.chdir(place.folder)
    with pytest.raises(InputError, match=words):
        read_status(path)
    assert main(["status", path]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_rubbish_in_a_log_does_not_reach_the_terminal(place):
    place.job("fit/a", "10:00:00 \x1b[2J\x07 at work\x00\n")
    place.call("")
    (job,) = read_status(place.results).jobs
    assert job.detail == " [2J  at work"
    assert all(line.isprintable() for line in render_status(read_status(place.results)).splitlines())


def test_a_folder_that_is_named_from_another(place, monkeypatch):
    place.job("genome/genome", "", done=True)
    (place.folder / "results/other").mkdir()
    monkeypatch.chdir(place.folder / "results/other")
    assert {job.state for job in read_status("../r").jobs} == {"done"}
    monkeypatch.chdir(place.results)
    assert read_status(".").run == "r"


def test_the_command(place, capsys, monkeypatch):
    """Relative as it is typed; status 1 if a job has failed; JSON."""
    monkeypatch.chdir(place.folder)
    place.job("genome/genome", "", done=True)
    assert main(["status", "results/r"]) == 0
    assert "done: 1 (genome 1)" in capsys.readouterr().out
    place.job("task/a", "error: no\n")
    assert main(["status", "results/r", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"done": 1, "failed": 1} and found["jobs"][1]["detail"] == "no"


def test_watched_until_it_ends(place):
    place.job("genome/genome", "begun\n")
    place.call(begun("genome", "genome"))
    shown = []

    def end():
        place.job("genome/genome", "begun\n", done=True)
        place.call(begun("genome", "genome") + "1 of 1 steps (100%) done\n" + END)

    timer = threading.Timer(0.3, end)
    timer.start()
    state = watch(place.results, 0.05, shown.append)
    timer.join()
    assert state.ended and state.steps == (1, 1)
    assert "running" in shown[0] and "done: 1" in shown[-1] and len(shown) > 2


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "inf", "nan"])
def test_seconds_of_watch(seconds, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["status", "results/r", f"--watch={seconds}"])
    assert stopped.value.code == 2
    assert f"--watch: found {seconds}, expected a number of seconds above 0" in capsys.readouterr().err


def test_a_file_is_no_run(tmp_path):
    file = tmp_path / "results/mine.csv"
    file.parent.mkdir()
    file.touch()
    with pytest.raises(InputError, match=r"mine\.csv: no folder; expected the results of a run"):
        read_status(file)
