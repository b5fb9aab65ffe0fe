"""Retrieval by several processes, by one that is killed, and onto disks that are full or read-only."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from download_inputs import CONTENT, MD5, NAME, QUICK, fetched, files

from genebert.errors import InputError
from genebert.sources.download import retrieve
from genebert.sources.registry import partial_file

# A client in a process of its own: address, resources, checksum.
CLIENT = f"""
import signal
import sys
from pathlib import Path
from genebert.sources.download import Patience
from genebert.sources.download import retrieve
from genebert.errors import InputError
from genebert.sources.registry import Source
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs with it ignored
url, resources, checksum = sys.argv[1:]
source = Source({NAME!r}, url, (), checksum, None, "unknown", "note")
try:
    retrieve(source, Path(resources) / {NAME!r}, None, Patience(3, 0.01, 0.05, 5))
except InputError as error:
    sys.exit(f"error: {{error}}")
"""


def client(server, target: Path, checksum: str = MD5, **options) -> subprocess.Popen:
    command = [sys.executable, "-c", CLIENT, f"{server.url}/file", str(target.parents[1]), checksum]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_client(server, source, target, number):
    server.pages["/file"].script = ["slow", "ok"]
    server.pause = 0.2
    process = client(server, target)
    part = partial_file(target.parents[1], NAME)
    assert server.sent.wait(30)
    while not (part.exists() and part.stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate()
    assert process.returncode != 0
    assert files(target) == {}
    fetched(source, target)
    assert server.asked[-1][1].startswith("bytes=")


def test_two_clients_at_once(server, source, target):
    server.pages["/file"].script = ["slow"]
    processes = [client(server, target, checksum) for checksum in ("unknown", "unknown")]
    for process in processes:
        assert (process.communicate()[1], process.returncode) == ("", 0)
    assert len(server.asked) == 1
    assert target.read_bytes() == CONTENT


def test_target_that_cannot_be_written(source, tmp_path):
    (tmp_path / "epdnew").write_text("a file where a folder must be")
    with pytest.raises(InputError, match=r"promoters\.bed: cannot be written .*expected a folder with write perm"):
        retrieve(source, tmp_path / NAME, None, QUICK)
    (tmp_path / "resources" / NAME).mkdir(parents=True)
    with pytest.raises(InputError, match="found a folder, expected a file"):
        retrieve(source, tmp_path / "resources" / NAME, None, QUICK)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 128 KiB, and a function that makes it read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", folder]).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    subprocess.run(["umount", "-l", folder], check=True)


def test_read_only_folder(source, small_disk):
    folder, make_read_only = small_disk
    make_read_only()
    with pytest.raises(InputError, match=r"cannot be written \(Read-only file system\)"):
        retrieve(source, folder / NAME, None, QUICK)


@pytest.mark.parametrize("length", [True, False])
def test_disk_full(server, source, small_disk, length):
    server.pages["/file"].length = length
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device.*and free space"):
        retrieve(source, small_disk[0] / NAME, None, QUICK)
    assert not (small_disk[0] / NAME).exists()
    part = partial_file(small_disk[0], NAME)
    assert (part.stat().st_size == 0) is length  # a length is compared with the free space beforehand
    assert len(server.asked) == 1


def test_no_room_for_a_larger_file(server, target):
    """The same everywhere: a limit on the size of files stands in for a full disk."""

    def limit():
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = client(server, target, preexec_fn=limit)
    assert "promoters.bed: cannot be written (File too large)" in process.communicate()[1]
    assert process.returncode == 1
    assert files(target) == {}


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o002])
def test_permissions_follow_the_umask(server, source, target, mask):
    before = os.umask(mask)
    try:
        server.pages["/file"].script = ["cut:50000", "ok"]
        fetched(source, target)
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask
    assert stat.S_IMODE(target.parent.stat().st_mode) == 0o777 & ~mask
