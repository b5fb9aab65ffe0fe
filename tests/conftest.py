"""Fixtures that every test may use."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is imported: the tests run in as many processes as there are cores (make test), one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Examples are drawn from a fixed seed: a test that passes here passes everywhere.
settings.register_profile("project", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("project")

# While test modules and what they import are loaded, and later for what is loaded: Python's collector of cycles would
# look through it again and again (:func:`genebert.joblog.loading`).
gc.disable()


def pytest_collection_modifyitems(items):
    """Begin with real Snakemake: tests of minutes at the end would leave the other processes without work."""
    items.sort(key=lambda item: item.get_closest_marker("workflow") is None)


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


def pytest_unconfigure():
    gc.unfreeze()


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
