"""One whole run for all tests, and a stand-in for conda."""

import os
from pathlib import Path

import pytest
from filelock import FileLock
from run_snakemake import TINY, snakemake


@pytest.fixture(scope="session")
def finished(root, tmp_path_factory):
    """The whole workflow at test size; read only, and made once for all processes of the tests.

    ``GENEBERT_FINISHED`` names an existing folder that several calls of pytest share, as in ``.ci/run``.
    """
    common = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # this process's own folder in that of all
        common = common.parent
    common = Path(os.environ.get("GENEBERT_FINISHED", common))
    folder, done_before = common / "finished", common / "finished.stamp"
    with FileLock(common / "finished.lock"):
        if not done_before.exists():
            done = snakemake(root, "--cores", "2", "--directory", str(folder), *TINY, "--", "all")
            logs = "".join(path.read_text() for path in sorted((folder / "logs").rglob("*.log")))
            assert done.returncode == 0, done.stdout + done.stderr + logs
            done_before.touch()
    return folder


@pytest.fixture(scope="session")
def conda_path(tmp_path_factory):
    """PATH with a `conda` that answers what Snakemake asks before a dry-run; environments are made on clusters only."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "conda"
    script.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        """info) echo '{"conda_prefix": "/opt/conda", "root_prefix": "/opt/conda", "platform": "linux-64"}';;\n"""
        """config) echo '{"get": {"channel_priority": "strict"}}';;\n"""
        "--version) echo 'conda 25.1.1';;\n"
        "*) exit 1;;\nesac\n"
    )
    script.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"
