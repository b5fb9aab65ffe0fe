"""Files placed by hand, written and checked below a temporary folder."""

import pytest

from genebert.errors import InputError
from genebert.sources.placed import check_placed
from genebert.sources.registry import Source

PAGE = "https://host.org/page"


def source(name):
    return Source(name, PAGE, (), "unknown", None, "unknown", "a note with a dot at its end.")


def place(folder, name, data):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def check(folder, name, data=None):
    """Check `data` under `name`, or what lies there."""
    path = folder / name if data is None else place(folder, name, data)
    return check_placed(source(name), path)


def refused(folder, name, data, *sentence):
    """The check fails with one sentence that begins with a path and holds the parts of `sentence`."""
    with pytest.raises(InputError) as caught:
        check(folder, name, data)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(folder))
    for part in sentence:
        assert part in message
