"""The file that the tests of downloads fetch, and what must hold when that succeeds or fails."""

import hashlib
import random
from pathlib import Path

import pytest

from genebert.errors import InputError
from genebert.sources.download import Patience, retrieve
from genebert.sources.registry import Source, partial_file

CONTENT = random.Random(0).randbytes(200_000)
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "epdnew/promoters.bed"
QUICK = Patience(attempts=3, wait=0.01, longest_wait=0.05, timeout=1)


def files(target: Path) -> dict[Path, bytes]:
    """All files of the resources but the unfinished ones."""
    resources = target.parents[1]
    return {
        path.relative_to(resources): path.read_bytes()
        for path in resources.rglob("*")
        if path.is_file() and ".partial" not in path.parts
    }


def refused(source: Source, target: Path, *words: str, mirror: str | None = None, kept_part: int = 0) -> None:
    """Retrieval fails with one sentence that holds `words`, and nothing but the beginning of the file stays."""
    before = files(target)
    with pytest.raises(InputError) as caught:
        retrieve(source, target, mirror, QUICK)
    message = str(caught.value)
    assert "\n" not in message
    for word in (source.name, str(target), "`mirror`", source.note, *words):
        assert word in message
    assert files(target) == before
    part = partial_file(target.parents[1], source.name)
    assert (part.stat().st_size if part.exists() else 0) == kept_part


def fetched(source: Source, target: Path, content: bytes = CONTENT, mirror: str | None = None) -> None:
    """Retrieval succeeds and leaves nothing else behind."""
    retrieve(source, target, mirror, QUICK)
    assert target.read_bytes() == content
    partial = target.parents[1] / ".partial"
    assert [path for path in partial.rglob("*") if path.is_file()] == []
    assert [path.name for path in target.parent.iterdir()] == [target.name]
