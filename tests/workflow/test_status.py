"""`genebert status` of real runs."""

import pytest
from run_snakemake import TINY, snakemake

from genebert.cli.status import read_status

pytestmark = pytest.mark.workflow


def test_a_real_run(root, finished):
    state = read_status(finished / "results/tiny")
    done, total = state.steps
    assert state.ended and done == total > 20
    assert {job.state for job in state.jobs} == {"done"}
    names = {job.name for job in state.jobs}
    assert {"pretrain genebert", "fit promoter/prom-core/genebert", "table table1"} <= names


def test_a_real_run_that_fails(root, finished, tmp_path):
    data, cut = finished / "resources/simulated", tmp_path / "short.mtx.gz"
    cut.write_bytes((data / "matrix.mtx.gz").read_bytes()[:3000])
    (tmp_path / "overlay.yaml").write_text(
        f"genome: {{fasta: {data}/genome.fa.gz}}\n"
        f"accessibility: {{matrix: {cut}, peaks: {data}/peaks.bed, cells: {data}/cells.tsv, blacklist: null}}\n"
    )
    overlay = (*TINY, str(tmp_path / "overlay.yaml"))
    snakemake(root, "--cores", "1", "--directory", str(tmp_path), *overlay, "--", "accessibility")
    state = read_status(tmp_path / "results/tiny")
    jobs = {job.name: job for job in state.jobs}
    assert state.ended and state.steps == (1, 2) and jobs["genome genome"].state == "done"
    failed = jobs["accessibility accessibility"]
    assert failed.state == "failed" and failed.detail.startswith(f"{cut}: gzip"[:80])  # which the line may cut
