"""The workflow on a real SLURM, started for these tests: `make test-slurm`, minutes each."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cluster
import pytest
from run_snakemake import SNAKEMAKE, TINY, snakemake

from genebert.cli.status import read_status

WHY_NOT = cluster.reason_not() if os.environ.get("GENEBERT_SLURM") else "minutes each: make test-slurm"
pytestmark = [pytest.mark.workflow, pytest.mark.skipif(bool(WHY_NOT), reason=f"no SLURM: {WHY_NOT}")]
PROFILES = ("--profile", "slurm", "--profile", "tests/workflow/slurm/profile")
PATIENCE = 1500  # seconds for one call of Snakemake
MODEL = "results/tiny/models/genebert"


@pytest.fixture(scope="module", autouse=True)
def slurm(tmp_path_factory):
    """The cluster; /etc/slurm is as before at the end."""
    folder = Path("/tmp") / f"genebert-slurm-{os.getpid()}"  # sockets have short names
    cluster.up(folder)
    yield folder
    cluster.down(folder)
    shutil.rmtree(folder)


class Call:
    """Snakemake under SLURM, at work; what its jobs asked for is looked up while they are there."""

    def __init__(self, root, folder, *words):
        command = [SNAKEMAKE, *PROFILES, "--directory", str(folder), *words]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(root / ".snakemake/cache")}
        self.out = (folder / "call.txt").open("w+")
        self.process = subprocess.Popen(command, cwd=root, env=environment, stdout=self.out, stderr=subprocess.STDOUT)
        self.folder = folder
        self.asked: dict[str, str] = {}  # number of a job to what SLURM says of it
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()

    def _watch(self):
        while self.process.poll() is None:
            for text in output("scontrol", "--oneliner", "show", "job").splitlines():
                if f"{self.folder}/" in text and (found := re.match(r"JobId=(\d+) ", text)):
                    self.asked[found[1]] = text
            time.sleep(0.5)

    def until(self, there):
        """Wait until something is there."""
        began = time.monotonic()
        while not there():
            assert self.process.poll() is None and time.monotonic() - began < PATIENCE, self.said()
            time.sleep(0.3)

    def wait(self, status=0):
        assert self.process.wait(PATIENCE) == status, self.said()
        self.watcher.join()
        return self.said()

    def said(self):
        self.out.flush()
        return Path(self.out.name).read_text()

    def jobs(self, rule):
        return [text for text in self.asked.values() if f"Comment=rule_{rule}" in text]


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def nothing_runs():
    return not output("squeue", "--noheader").strip()


def overlay(folder, text):
    path = folder / "overlay.yaml"
    path.write_text(text)
    return str(path)


@pytest.fixture
def copy(finished, tmp_path):
    """The finished run, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def without_seconds(score):
    return {key: value for key, value in json.loads(score.read_text()).items() if key != "seconds"}


def test_the_whole_run(root, finished, tmp_path, slurm):
    """From nothing to tables, as on one machine; a node is drained on the way; a job killed for memory gets more."""
    changes = overlay(tmp_path, "resources: {pretrain: {threads: 1, gpu: 2}, card: {mem_mb: 250, mem_per_input: 0}}\n")
    call = Call(root, tmp_path, "--retries", "3", "--configfile", *TINY[1:], changes, "--", "all")
    call.until(lambda: (tmp_path / "results/tiny/motifs/matrix.npy").exists())
    output("scontrol", "update", "nodename=n1", "state=drain", "reason=test")
    printed = call.wait()
    output("scontrol", "update", "nodename=n1", "state=resume")
    # Jobs ran under SLURM: all but the light ones, small ones together.
    done = re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", printed, flags=re.MULTILINE)
    assert {"genome", "accessibility", "motifs", "pretrain", "card", "task", "fit"} <= set(done)
    assert call.jobs("genome") and not call.jobs("table") and not call.jobs("jaspar")
    assert len(call.asked) < len(done)
    # GPUs are asked for.
    assert call.jobs("pretrain") and all("gres:gpu:2" in text or "gres/gpu=2" in text for text in call.jobs("pretrain"))
    # After the drain no job began on that node.
    assert "NodeList=n2" in call.jobs("pretrain")[-1]
    # Killed for memory (Snakemake itself, twice in a job, takes most of it), and tried again with more.
    memory = sorted(int(found) for text in call.jobs("card") for found in re.findall(r"MinMemoryNode=(\d+)M", text))
    assert len(memory) > 1 and memory == [250 * (i + 1) for i in range(len(memory))], printed
    # The same files.
    for name in ("accessibility/accessible.h5ad", "motifs/matrix.npy", "corpus/groups.npz"):
        assert (tmp_path / "results/tiny" / name).read_bytes() == (finished / "results/tiny" / name).read_bytes(), name
    for path in (finished / "results/tiny/scores").rglob("*.json"):
        assert without_seconds(tmp_path / path.relative_to(finished)) == without_seconds(path), path
    model = "results/tiny/models/genebert/model.safetensors"
    assert (tmp_path / model).read_bytes() == (finished / model).read_bytes()
    state = read_status(tmp_path / "results/tiny")
    assert state.ended and {job.state for job in state.jobs} == {"done"}


def test_a_time_limit(root, copy, tmp_path):
    """A pre-training job that hits it is submitted again, goes on from its checkpoint, and ends in the same weights."""
    words = ("--forcerun", "pretrain", "--rerun-triggers", "mtime", "--", f"{MODEL}/config.json")
    common = "checkpoint_every: 20, log_every: 20, validate_every: 100000"
    short = overlay(tmp_path, f"model: {{training: {{steps: 400, {common}}}}}\n")
    done = snakemake(root, "--cores", "1", "--directory", str(copy), "--configfile", *TINY[1:], short, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    # So many that they take two and a half minutes: a limit is one at least, and SLURM looks every half minute or so.
    lines = re.findall(r"^(\d+):(\d+):(\d+) step \d+/", (copy / "logs/tiny/pretrain/genebert.log").read_text(), re.M)
    first, *_, last = (3600 * int(h) + 60 * int(m) + int(s) for h, m, s in lines)
    steps = 20 * int(150 / max((last - first) % 86400, 1) * 380 / 20)
    changes = overlay(
        tmp_path,
        f"model: {{training: {{steps: {steps}, {common}}}}}\nresources: {{pretrain: {{threads: 1, runtime: 30}}}}\n",
    )
    done = snakemake(root, "--cores", "1", "--directory", str(copy), "--configfile", *TINY[1:], changes, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = (copy / f"{MODEL}/model.safetensors").read_bytes()
    (copy / f"{MODEL}/config.json").unlink()
    log = copy / "logs/tiny/pretrain/genebert.log"
    log.unlink()
    call = Call(root, copy, "--configfile", *TINY[1:], changes, *words[-2:])
    # Not before there is something to lose, however slow the machine: then the limit becomes one minute.
    call.until(lambda: log.exists() and "step 20/" in log.read_text() and call.jobs("pretrain"))
    output("scontrol", "update", f"jobid={max(map(int, call.asked))}", "timelimit=1")
    printed = call.wait()
    assert "Trying to restart job" in printed
    assert any("TIMEOUT" in text for text in call.jobs("pretrain")), call.jobs("pretrain")
    assert "resumed from step" in log.read_text()
    assert (copy / f"{MODEL}/model.safetensors").read_bytes() == expected
    assert not any(path.is_file() for path in (copy / "results/tiny/checkpoints").rglob("*"))


def test_two_nodes_train_what_one_process_trains(root, finished, copy, tmp_path):
    """`torchrun` on each through srun, gloo between them; dropout is drawn for each piece of a batch."""
    changes = overlay(tmp_path, "resources: {pretrain: {threads: 1, nodes: 2}}\nmodel: {training: {micro_batch: 4}}\n")
    call = Call(root, copy, "--configfile", *TINY[1:], changes, "--forcerun", "pretrain", "--rerun-triggers", "mtime",
                "--", f"{MODEL}/config.json")  # fmt: skip
    call.wait()
    log = (copy / "logs/tiny/pretrain/genebert.log").read_text()
    assert "starting 1 processes on 2 nodes" in log and "on 2 x cpu" in log
    (job,) = call.jobs("pretrain")
    assert "NodeList=n[1-2]" in job and "NumNodes=2" in job
    one, two = (
        [json.loads(line) for line in (run / f"{MODEL}/metrics.jsonl").read_text().splitlines()]
        for run in (finished, copy)
    )
    assert two[0]["mgm"] == pytest.approx(one[0]["mgm"], rel=0.02)
    assert two[0]["srm"] == pytest.approx(one[0]["srm"], rel=0.1)


def test_a_job_that_fails_leaves_the_others(root, finished, tmp_path):
    """And Snakemake names its log, which says why in a sentence."""
    data, cut = finished / "resources/simulated", tmp_path / "short.mtx.gz"
    cut.write_bytes((data / "matrix.mtx.gz").read_bytes()[:3000])
    changes = overlay(
        tmp_path,
        f"genome: {{fasta: {data}/genome.fa.gz}}\n"
        f"accessibility: {{matrix: {cut}, peaks: {data}/peaks.bed, cells: {data}/cells.tsv, blacklist: null}}\n"
        f"tasks: {{promoter: {{prom-core: {{path: {data}/epdnew.bed, motifs: {data}/promoter_motifs.txt}}}}}}\n",
    )
    score = "results/tiny/scores/promoter/prom-core/kmer-logreg/seed0.json"
    call = Call(root, tmp_path, "--configfile", *TINY[1:], changes, "--", "accessibility", score)
    printed = call.wait(status=1)
    log = "logs/tiny/accessibility/accessibility.log"
    assert "Error in rule accessibility" in printed and f"    log: {log}, " in printed, printed  # then SLURM's own
    assert "error: " in (tmp_path / log).read_text() and "cut short" in (tmp_path / log).read_text()
    assert len(call.jobs("accessibility")) == 2  # the retry
    assert without_seconds(tmp_path / score) == without_seconds(finished / score)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_snakemake_killed(root, finished, copy, kind):
    """No finished work is lost; Ctrl-C takes the jobs along, after SIGKILL they end by themselves."""
    scores = copy / "results/tiny/scores/tfbs"
    shutil.rmtree(scores)
    for path in (copy / "results/tiny/tables").glob("table2.*"):
        path.unlink()
    words = ("--configfile", *TINY[1:], "--group-components", "baselines=1", "--", "table2")
    call = Call(root, copy, *words)
    call.until(lambda: "(Rule: fit)" in call.said())
    call.process.send_signal(kind)
    call.process.wait(PATIENCE)
    began = time.monotonic()
    while not nothing_runs():
        assert time.monotonic() - began < PATIENCE
        time.sleep(1)
    there = {path: path.stat().st_mtime_ns for path in scores.rglob("kmer-logreg/seed0.json")}
    if kind == signal.SIGKILL:
        unlocked = snakemake(root, "--unlock", "--directory", str(copy), *TINY, "--", "table2")
        assert unlocked.returncode == 0, unlocked.stderr
    Call(root, copy, *words).wait()
    if kind == signal.SIGINT:  # its finished jobs were told before
        assert there and all(path.stat().st_mtime_ns == when for path, when in there.items())
    for path in (finished / "results/tiny/scores/tfbs").rglob("*.json"):
        assert without_seconds(copy / path.relative_to(finished)) == without_seconds(path), path
    assert not [path for path in scores.rglob(".*") if path.name != ".snakemake_timestamp"]


if __name__ == "__main__":
    sys.exit(WHY_NOT)
