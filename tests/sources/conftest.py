"""A server with one file, its source, and where it belongs."""

import pytest
from download_inputs import CONTENT, MD5, NAME
from http_server import Page, serve

from genebert.sources.registry import Source


@pytest.fixture
def server():
    with serve() as served:
        served.pages["/file"] = Page(CONTENT)
        yield served


@pytest.fixture
def source(server):
    return Source(NAME, f"{server.url}/file", (), MD5, len(CONTENT), "unknown", "see the EPD page")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "resources" / NAME
