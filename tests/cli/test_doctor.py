"""`genebert doctor` under faults: each thing that may be missing, and its verdict."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from config_inputs import ROOT
from http_server import Page, serve

from genebert.cli import doctor
from genebert.cli.doctor import Verdict, answers, bytes_needed, examine, examine_all, needed_sources, render_verdicts
from genebert.cli.main import main
from genebert.run.run import read_run


@pytest.fixture(scope="module")
def paper():
    return read_run(ROOT / "config")


@pytest.fixture(scope="module")
def demo():
    return read_run(ROOT / "config", [ROOT / "config/demo.yaml"])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder, and a PATH without SLURM and conda."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CONDA_OVERRIDE_CUDA", raising=False)
    return tmp_path


def command(folder, name, script):
    """Put a command on the PATH."""
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def found(run, what, reach=lambda _: ""):
    return [one for one in examine(run, ROOT, reach) if one.what == what]


def test_a_machine_without_faults(here, demo):
    """The environment of the tests is the one that is tested."""
    states = {one.what: one.state for one in examine(demo, ROOT, lambda _: "")}
    assert states == {
        "Python": "ok", "working folder": "ok", "packages": "ok", "GPU": "ok", "memory": "ok", "disk": "ok",
        "folders": "ok", "SLURM": "note", "conda": "note", "sources": "ok",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("version", "path", "words"),
    [((3, 10, 4), "/usr/bin/python", "expected 3.11 or later"), (None, "/my env/bin/python", "found ' ' in the path")],
)
def test_python(monkeypatch, version, path, words):
    if version:
        monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(sys, "executable", path)
    (verdict,) = doctor._python()
    assert verdict.state == "wrong" and words in verdict.advice


def test_a_working_folder_with_a_space(here, monkeypatch):
    (here / "my data").mkdir()
    monkeypatch.chdir(here / "my data")
    (verdict,) = doctor._place()
    assert verdict.state == "note" and verdict.found.endswith("/my data")


def test_packages(tmp_path):
    """One that is missing, and one of another version."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["numpy", "nowhere-to-be-found", "pandas[x]"]\n'
        '[project.optional-dependencies]\nworkflow = ["snakemake>=9.15"]\n'
    )
    (tmp_path / "requirements.txt").write_text("# pins\nnumpy==1.0\n")
    missing, other = doctor._packages(tmp_path)
    assert (missing.state, missing.found) == ("wrong", "missing nowhere-to-be-found")
    assert missing.advice == "pip install . -c requirements.txt"
    assert other.state == "note" and "(tested: 1.0)" in other.found and "pandas" not in other.found


def test_without_snakemake(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = []\n[project.optional-dependencies]\nworkflow = ["snakemake-of-nowhere"]\n'
    )
    (verdict,) = doctor._packages(tmp_path)
    assert verdict.advice.startswith("pip install '.[workflow]'")


def test_memory(here, paper, monkeypatch):
    """That of the rule that asks for most."""
    monkeypatch.setattr(os, "sysconf", lambda name: 4096 if "SIZE" in name else 2_000_000)  # 8.2 GB
    (verdict,) = doctor._memory(paper)
    assert (
        verdict.state == "note" and "resources.pretrain.mem_mb" in verdict.advice and verdict.found.startswith("8 GB")
    )


def test_disk(here, paper, monkeypatch):
    """Downloads, data, models and checkpoints of the paper's run are beyond a small disk."""
    needed = bytes_needed(paper, Path("resources"))
    assert 10e9 < needed < 200e9
    usage = shutil.disk_usage(here)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=int(needed) - 1))
    (verdict,) = doctor._disk(paper)
    assert verdict.state == "wrong" and "--directory" in verdict.advice
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=int(needed) + 1))
    assert [one.state for one in doctor._disk(paper)] == ["ok"]


def test_what_is_there_need_not_be_fetched(here, paper):
    before = bytes_needed(paper, Path("resources"))
    file = here / "resources/hg19/hg19.fa.gz"
    file.parent.mkdir(parents=True)
    file.touch()
    assert bytes_needed(paper, Path("resources")) < before


def test_a_folder_that_cannot_be_written(here, monkeypatch):
    """Root may write anywhere: a file stands where the folder is to be."""
    (here / "logs").write_text("in the way")
    (verdict,) = doctor._folders()
    assert verdict.state == "wrong" and verdict.found.startswith(f"{here}/logs cannot be written (Not a directory)")


def test_a_folder_that_is_a_link_to_nowhere(here):
    (here / "results").symlink_to(here / "unmounted/disk")
    (verdict,) = doctor._folders()
    assert verdict.state == "wrong" and "results cannot be written (No such file or directory)" in verdict.found


def test_resources_may_be_read_only_once_everything_is_there(here, demo):
    """As docs/slurm.md has it; a file stands in for a folder that cannot be written."""
    assert doctor._written(demo) == doctor.FOLDERS
    for path in doctor.needed_files(demo)[0]:
        (here / path).parent.mkdir(parents=True, exist_ok=True)
        (here / path).touch()
    assert doctor._written(demo) == ("results", "logs", ".snakemake")
    assert [one.found for one in found(demo, "folders")] == ["results, logs, .snakemake can be written"]


SINFO = "echo 'cpu*|1-00:00:00|(null)'; echo 'gpu|2-00:00:00|gpu:a100:4'"


@pytest.mark.parametrize(
    ("sinfo", "state", "words"),
    [
        (SINFO, "ok", "gpu (limit 2-00:00:00, gpu:a100:4)"),
        ("echo 'cpu*|infinite|(null)'", "note", "none shows GPUs"),
        ("echo 'gpu|3-00:00:00|gpu:2'", "note", "set slurm_partition"),
        ("echo 'cpu*|1-00:00:00|gpu:2'", "wrong", "lower resources.pretrain.runtime"),
        ("echo 'cpu*|1-00:00:00|(null)'; echo 'gpu|12:00:00|gpu:2'", "wrong", "pretrain asks for 2880 minutes"),
        ("echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1", "wrong", "scontrol ping"),
        ("", "wrong", "sinfo shows no partition"),
    ],
)
def test_slurm(here, paper, sinfo, state, words):
    command(here, "sbatch", "exit 0")
    command(here, "sinfo", sinfo)
    (verdict,) = doctor._slurm(paper)
    assert verdict.state == state and words in f"{verdict.found}; {verdict.advice}"


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("infinite", float("inf")), ("2-00:00:00", 2880), ("12:30:00", 750), ("30:00", 30), ("1-01:01:59", 1501)],
)
def test_a_time_limit_of_slurm(limit, minutes):
    assert doctor._minutes(limit) == minutes


def test_a_command_that_hangs(here, paper, monkeypatch):
    monkeypatch.setattr(doctor, "PATIENCE", 0.2)
    command(here, "sbatch", "exit 0")
    command(here, "sinfo", "exec /bin/sleep 30")
    (verdict,) = doctor._slurm(paper)
    assert verdict.state == "wrong"


CONDA = 'case "$1" in --version) echo conda 25.1.1;; config) echo "channel_priority: {}";; esac'


@pytest.mark.parametrize(
    ("priority", "cuda", "state", "words"),
    [
        ("strict", "12.9", "ok", "conda 25.1.1, strict"),
        ("strict", "", "note", "CONDA_OVERRIDE_CUDA"),
        ("flexible", "12.9", "note", "conda config --set channel_priority strict"),
    ],
)
def test_conda(here, monkeypatch, priority, cuda, state, words):
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", cuda)
    command(here, "conda", CONDA.format(priority))
    (verdict,) = doctor._conda()
    assert verdict.state == state and words in f"{verdict.found}; {verdict.advice}"


# ------------------------------------------------------------------------------------------------------------- sources


def test_needed_sources(paper, demo):
    """Those of the run's own data, data sets and models; of the demo, whose files are simulated, none."""
    names = {source.name for source in needed_sources(paper)}
    assert {"hg19/hg19.fa.gz", "dnabert6/pytorch_model.bin", "swin-t-224/model.safetensors"} <= names
    assert len([name for name in names if name.startswith("tfbs/")]) == 9
    assert needed_sources(demo) == []


def test_own_files_that_are_missing(here, tmp_path):
    """Neither registered nor made by a rule; the first is named, the others are counted."""
    mine = read_run(ROOT / "config", [ROOT / "config/examples/own-data.yaml"])
    (verdict,) = found(mine, "own files")
    assert verdict.state == "wrong" and verdict.found.startswith("mydata/") and verdict.found.endswith("more not found")
    own = [path for path in doctor.needed_files(mine)[0] if path.startswith("mydata/")]
    assert f" and {len(own) - 1} more" in verdict.found and len(own) > 4
    for path in own:
        (here / path).parent.mkdir(exist_ok=True)
        (here / path).touch()
    assert found(mine, "own files") == []
    Path(own[2]).unlink()
    assert [one.found for one in found(mine, "own files")] == [f"{own[2]} not found"]


def test_own_people_that_are_missing(here):
    (here / "mine.yaml").write_text("tasks: {disease: {HSCR-RET: {vcf: people.vcf.gz}}}\n")
    run = read_run(ROOT / "config", [ROOT / "config/demo.yaml", here / "mine.yaml"])
    assert [one.found for one in found(run, "own files")] == ["people.vcf.gz not found"]


def test_own_weights(here):
    """A folder that is not there, and one that holds none; the other verdicts stand all the same."""
    (here / "mine.yaml").write_text("model: {sequence_encoder: {weights: my-weights}}\n")
    run = read_run(ROOT / "config", [ROOT / "config/demo.yaml", here / "mine.yaml"])
    assert [one.found for one in found(run, "own files")] == ["my-weights/config.json and 2 more not found"]
    (here / "my-weights").mkdir()
    verdicts = examine(run, ROOT, lambda _: "")
    assert [one.found for one in verdicts if one.state == "wrong"] == [
        "my-weights: holds no weights; expected model.safetensors or pytorch_model.bin"
    ]
    assert {"Python", "disk", "sources"} <= {one.what for one in verdicts}


def test_servers_that_do_not_answer(here, paper):
    """Each is asked once; the verdict names those, and why."""
    asked = []

    def reach(address):
        asked.append(address)
        return "timed out" if "ucsc" in address else ""

    (verdict,) = found(paper, "sources", reach)
    assert verdict.state == "wrong" and "hgdownload.soe.ucsc.edu (timed out)" in verdict.found
    assert "ncbi" not in verdict.found and "`mirror`" in verdict.advice
    assert len(asked) == len({address.split("/")[2] for address in asked}) > 2
    (verdict,) = found(paper, "sources", lambda _: "")
    assert verdict.state == "ok" and "27 files to fetch" in verdict.found


def test_a_damaged_file(here, paper):
    file = here / "resources/hg19/hg19.fa.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"cut short")
    (verdict,) = found(paper, "source")
    assert verdict.state == "wrong" and verdict.found.startswith("hg19/hg19.fa.gz: ")


def test_a_mirror(here, tmp_path):
    """A folder with some of the files, then with all of them; an address is asked in place of the servers."""
    overlay, mirror = tmp_path / "mine.yaml", tmp_path / "mirror"
    overlay.write_text(f"mirror: {mirror}\n")
    run = read_run(ROOT / "config", [overlay])
    names = [source.name for source in needed_sources(run)]
    for name in names[1:]:
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).touch()
    (verdict,) = found(run, "sources")
    assert verdict.state == "wrong" and verdict.found == f"the mirror {mirror} lacks {names[0]}"
    (mirror / names[0]).parent.mkdir(parents=True, exist_ok=True)
    (mirror / names[0]).touch()
    (verdict,) = found(run, "sources")
    assert verdict.state == "ok"
    overlay.write_text("mirror: http://mirror.example/all\n")
    asked = []
    found(read_run(ROOT / "config", [overlay]), "sources", lambda address: asked.append(address) or "")
    assert len(asked) == 1 and asked[0].startswith("http://mirror.example/all/")


def test_a_server_is_really_asked(monkeypatch):
    """One that answers, that lacks the file, that goes silent, that is gone; nothing of a large file is fetched."""
    monkeypatch.setattr(doctor, "PATIENCE", 0.5)
    with serve() as server:
        server.pages = {"/there": Page(bytes(10**6)), "/silent": Page(bytes(10**6), ["stall:0"])}
        assert answers(f"{server.url}/there") == ""
        assert server.asked == [("/there", "bytes=0-0")]
        assert "404" in answers(f"{server.url}/gone")
        assert "timed out" in answers(f"{server.url}/silent")
    assert "connect" in answers(f"{server.url}/there").lower()


# --------------------------------------------------------------------------------------------------------- the command


def test_a_wrong_configuration_is_a_verdict_too(here, capsys):
    """The rest that needs none is examined all the same."""
    (here / "mine.yaml").write_text("sead: 1\nmodel: {k: 9}\n")
    assert main(["doctor", "--configfile", "mine.yaml", "--json"]) == 1
    verdicts = json.loads(capsys.readouterr().out)
    wrong = [one["found"] for one in verdicts if one["what"] == "configuration"]
    assert len(wrong) == 2 and "unknown key sead" in wrong[0]
    assert {"Python", "packages", "folders", "conda"} <= {one["what"] for one in verdicts}


def test_the_command(here, capsys):
    assert main(["doctor", "--configfile", str(ROOT / "config/demo.yaml")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["ok", "configuration", "run"]
    assert lines[-1].endswith("2 note, 0 wrong")


def test_as_text():
    text = render_verdicts([Verdict("ok", "a", "b"), Verdict("wrong", "cc", "d", "mend it")])
    assert text.splitlines() == ["ok     a   b", "wrong  cc  d; mend it", "1 ok, 0 note, 1 wrong"]


def test_all(paper, here):
    verdicts = examine_all(lambda: paper, ROOT, lambda _: "")
    assert verdicts[0] == Verdict("ok", "configuration", "run paper (paper scale)")
