"""The run and its card that the data card's tests look at."""

import pytest
from datacard_inputs import SETTINGS, make_run

from genebert.report.card.compute import compute_card


@pytest.fixture(scope="session", params=[("mtx", 1), ("bed", 2)], ids=["mtx", "bed"])
def made(request, tmp_path_factory):
    """A finished run: its inputs and its card."""
    run = make_run(tmp_path_factory.mktemp("run"), *request.param)
    return run, compute_card(SETTINGS, run)
