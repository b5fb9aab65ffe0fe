"""One whole run for all tests."""

import pytest
from run_snakemake import TINY, snakemake


@pytest.fixture(scope="session")
def finished(root, tmp_path_factory):
    """The whole workflow at test size; read only."""
    folder = tmp_path_factory.mktemp("run")
    done = snakemake(root, "--cores", "2", "--directory", str(folder), *TINY, "--", "all")
    logs = "".join(path.read_text() for path in sorted((folder / "logs").rglob("*.log"))) if done.returncode else ""
    assert done.returncode == 0, done.stdout + done.stderr + logs
    return folder
