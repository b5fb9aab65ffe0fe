"""One whole run for all tests."""

import os

import pytest
from filelock import FileLock
from run_snakemake import TINY, snakemake


@pytest.fixture(scope="session")
def finished(root, tmp_path_factory):
    """The whole workflow at test size; read only, and made once for all processes of the tests."""
    common = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # this process's own folder in that of all
        common = common.parent
    folder, done_before = common / "finished", common / "finished.stamp"
    with FileLock(common / "finished.lock"):
        if not done_before.exists():
            done = snakemake(root, "--cores", "2", "--directory", str(folder), *TINY, "--", "all")
            logs = "".join(path.read_text() for path in sorted((folder / "logs").rglob("*.log")))
            assert done.returncode == 0, done.stdout + done.stderr + logs
            done_before.touch()
    return folder
