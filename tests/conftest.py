"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is imported: the tests run in as many processes as there are cores (make test), one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Examples are drawn from a fixed seed: a test that passes here passes everywhere.
settings.register_profile("project", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("project")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository root."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data, or a skip where it is not present."""
    folder = Path(os.environ.get("GENEBERT_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "README.md").exists():
        pytest.skip(f"real public data not found at {folder}; set GENEBERT_SHARED_DATA to its folder")
    return folder
