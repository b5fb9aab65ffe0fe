"""The rules that fetch files and check what was placed by hand, with a folder standing in for the hosts."""

import hashlib
import json

import pytest
from run_snakemake import snakemake

from genebert.sources.registry import load_registry, select

pytestmark = pytest.mark.workflow


def test_plan_of_everything_that_is_open(root, tmp_path):
    done = snakemake(root, "-n", "--directory", str(tmp_path), "retrieve")
    assert done.returncode == 0, done.stderr
    paper = select(load_registry(root / "config"), ["paper"])
    assert done.stdout.count("\nrule download:") == len(paper) > 25
    for source in paper:
        assert f"resources/{source.name}" in done.stdout


def test_more_sets(root, tmp_path):
    done = snakemake(
        root, "-n", "--directory", str(tmp_path), "--config", "retrieve=[tfbs-506, spliceai]", "--", "retrieve"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\nrule download:") == 508
    assert done.stdout.count("\nrule place:") == 2


def test_unknown_set(root, tmp_path):
    done = snakemake(root, "-n", "--directory", str(tmp_path), "--config", "retrieve=[papers]", "--", "retrieve")
    assert done.returncode != 0
    assert "unknown set papers, expected some of" in done.stdout + done.stderr


def test_download_from_a_mirror_and_its_refusal(root, tmp_path):
    mirror = tmp_path / "copy"
    (mirror / "dnabert6").mkdir(parents=True)
    (mirror / "dnabert6/vocab.txt").write_text("[PAD]\n")
    (mirror / "epdnew").mkdir()
    (mirror / "epdnew/promoter_motifs.txt").write_text("not the file whose md5 is known\n")
    command = [
        "--directory", str(tmp_path), "--cores", "2", "--config", f"mirror={mirror}", "--keep-going", "--",
        "resources/dnabert6/vocab.txt", "resources/epdnew/promoter_motifs.txt",
    ]  # fmt: skip
    done = snakemake(root, *command)
    assert done.returncode != 0
    assert "epdnew/promoter_motifs.txt: could not be retrieved" in done.stderr
    assert "expected md5:340f62c2162e44523be6328618313868" in done.stderr
    resources = tmp_path / "resources"
    assert not (resources / "epdnew/promoter_motifs.txt").exists()
    assert (resources / "dnabert6/vocab.txt").read_text() == "[PAD]\n"
    digest = hashlib.sha256(b"[PAD]\n").hexdigest()
    assert (resources / "checksums/dnabert6/vocab.txt.sha256").read_text() == f"{digest}  dnabert6/vocab.txt\n"
    assert "recorded sha256" in (tmp_path / "logs/download/dnabert6/vocab.txt.log").read_text()


def test_a_file_that_only_a_person_can_fetch(root, tmp_path):
    record = "resources/placed/hscr/phenotypes.tsv.json"
    command = ["--directory", str(tmp_path), "--cores", "1", "--", record]
    done = snakemake(root, *command)
    assert done.returncode != 0
    log = (tmp_path / "logs/place/hscr/phenotypes.tsv.log").read_text()
    lines = [line for line in log.splitlines() if line.strip()]
    assert len(lines) == 4
    for line, word in zip(lines, ("PMC7605255", "case", "resources/hscr", "sample_id"), strict=True):
        assert word in line
        assert line.split(" ", 1)[-1] in done.stderr
    assert not (tmp_path / record).exists()

    placed = tmp_path / "resources/hscr/phenotypes.tsv"
    placed.parent.mkdir(parents=True)
    header = "sample_id\tstatus\tsex\tsegment\tcohort\n"
    placed.write_text(header + "A\t1\tM\tS\tHK\nB\t0\tF\tNA\tHK\n")
    done = snakemake(root, *command)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / record).read_text())
    assert found["counts"]["cases"] == found["counts"]["controls"] == 1
    assert found["sha256"] == hashlib.sha256(placed.read_bytes()).hexdigest()
