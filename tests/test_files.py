import bz2
import fcntl
import gc
import gzip
import json
import logging
import lzma
import os
import resource
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from genebert.errors import InputError
from genebert.files import at_work_alone, atomic_path, open_bytes, read_json, read_lines, read_text, sha256, write_json
from genebert.joblog import loading, logged


def test_a_file_appears_only_when_the_block_ends_well(tmp_path):
    target = tmp_path / "deep/er/file.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
    assert target.read_text() == "half"
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as temporary:
        temporary.write_text("other")
        raise KeyboardInterrupt
    assert target.read_text() == "half"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(RuntimeError), atomic_path(target, directory=True) as temporary:
        (temporary / "new").touch()
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["old"]
    with atomic_path(target, directory=True) as temporary:
        (temporary / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o002])
def test_permissions_follow_the_umask(tmp_path, mask):
    """Whatever the writer gave, as safetensors gives 0600."""
    before = os.umask(mask)
    try:
        with atomic_path(tmp_path / "file") as temporary:
            os.close(os.open(temporary, os.O_CREAT, 0o600))
        with atomic_path(tmp_path / "folder", directory=True) as temporary:
            (temporary / "inner").mkdir(0o700)
            for path in (temporary / "weights", temporary / "inner/weights"):
                os.close(os.open(path, os.O_CREAT, 0o600))
    finally:
        os.umask(before)
    written = list(tmp_path.rglob("*"))
    assert len(written) == 5
    for path in written:
        assert stat.S_IMODE(path.stat().st_mode) == (0o777 if path.is_dir() else 0o666) & ~mask, path


@pytest.mark.parametrize("parent", ["a file", "/proc/none/here"])
def test_folder_that_cannot_be_written(tmp_path, parent):
    (tmp_path / "a file").touch()
    with pytest.raises(InputError, match=r"table\.csv: cannot be written \(.*write permission"):
        write_json(tmp_path / parent / "table.csv", {})


NUMBERS = np.random.default_rng(0).random(50_000)


def write_hdf5(path):
    with h5py.File(path, "w") as file:
        file["numbers"] = NUMBERS


def write_torch(path):
    with path.open("wb") as handle:
        torch.save(torch.tensor(NUMBERS), handle)


@contextmanager
def small_files(size):
    """Files beyond `size` bytes cannot be written, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(NUMBERS.tobytes()),
        lambda path: np.save(path, NUMBERS),
        lambda path: np.savez(path.open("wb"), numbers=NUMBERS),
        lambda path: pd.DataFrame({"numbers": NUMBERS}).to_parquet(path),
        lambda path: save_file({"numbers": torch.tensor(NUMBERS)}, path),
        write_hdf5,
        write_torch,
    ],
    ids=["bytes", "npy", "npz", "parquet", "safetensors", "hdf5", "torch"],
)
def test_a_full_disk_is_one_sentence_whatever_a_library_makes_of_it(tmp_path, write):
    target = tmp_path / "part/numbers.npy"
    sentence = r"part/numbers\.npy: cannot be written \(.*(too large|allowed).*\); expected a"
    with small_files(100_000), pytest.raises(InputError, match=sentence), atomic_path(target) as temporary:
        write(temporary)
    assert list(target.parent.iterdir()) == []
    with atomic_path(target) as temporary:
        write(temporary)
    assert target.stat().st_size >= NUMBERS.nbytes


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "copy") as temporary:
        temporary.write_bytes((tmp_path / "none").read_bytes())
    with pytest.raises(InputError, match="peaks"), atomic_path(tmp_path / "copy"):
        try:
            raise OSError(28, os.strerror(28))
        except OSError as error:
            raise InputError("peaks.bed: empty") from error


WRITER = """
import sys
from genebert.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("at work", flush=True)
    sys.stdin.readline()
    sys.exit("given up")
"""


def test_the_next_writer_clears_up_after_a_killed_one_and_leaves_others_alone(tmp_path):
    target = tmp_path / "table[1].csv"
    other = tmp_path / f".{target.name}.notes"
    other.mkdir()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [writer.stdout.readline() for writer in writers] == ["at work\n"] * 2
    killed, alive = writers
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    before = set(tmp_path.iterdir())
    with atomic_path(target) as temporary:
        temporary.write_text("whole")
    gone = before - set(tmp_path.iterdir())
    assert len(before) == 3 and len(gone) == 1  # of the killed writer
    assert target.read_text() == "whole"
    alive.communicate()  # its input ends, and with it the writing
    assert set(tmp_path.iterdir()) == {target, other}


@pytest.mark.parametrize("owner", ["tempfile.mkdtemp", "fcntl.flock"])
def test_a_writer_whose_folder_another_clears_up_before_it_is_locked_makes_a_new_one(tmp_path, monkeypatch, owner):
    real = tempfile.mkdtemp if owner.startswith("tempfile") else fcntl.flock
    calls = []

    def removing(*arguments, **options):
        found = real(*arguments, **options)
        if not calls:
            next(tmp_path.glob(".table.*")).rmdir()
        calls.append(found)
        return found

    monkeypatch.setattr(owner, removing)
    before = len([*Path("/proc/self/fd").iterdir()])
    with atomic_path(tmp_path / "table") as temporary:
        temporary.write_text("whole")
    assert len(calls) == 2 and [path.name for path in tmp_path.iterdir()] == ["table"]
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_others_of_such_a_name_are_left_and_no_file_stays_open(tmp_path):
    """Opening a pipe would wait for its writer."""
    os.mkfifo(tmp_path / ".table.12345678")
    (tmp_path / ".table.abcdefgh").write_text("notes")
    (tmp_path / ".table.00000000").mkdir()  # of a writer that was killed
    before = len([*Path("/proc/self/fd").iterdir()])
    with atomic_path(tmp_path / "table") as temporary:
        temporary.write_text("whole")
    assert len([*Path("/proc/self/fd").iterdir()]) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".table.12345678", ".table.abcdefgh", "table"]


@pytest.mark.parametrize("cause", [True, False])
def test_a_full_disk_behind_another_error(tmp_path, cause):
    with pytest.raises(InputError, match=r"table: cannot be written \(No space left"), atomic_path(tmp_path / "table"):
        try:
            raise OSError(28, "no words")
        except OSError as error:
            if not cause:
                raise RuntimeError("lost")  # noqa: B904
            reason = error
        raise RuntimeError("lost") from reason


WORKER = """
import sys
from pathlib import Path
from genebert.files import at_work_alone
with at_work_alone(sys.argv[1]):
    Path(sys.argv[1], "work").touch()
    print("at work", flush=True)
    sys.stdin.readline()
    Path(sys.argv[1], "work").unlink()
"""


@pytest.mark.parametrize("end", ["well", "killed"])
def test_one_process_at_a_time(tmp_path, end):
    """The second waits until the first has ended, in whatever way, and has the folder for itself."""
    folder = tmp_path / "deep/work"
    command = [sys.executable, "-c", WORKER, str(folder)]
    first, second = (subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True) for _ in range(2))
    ready, _, _ = select.select([first.stdout, second.stdout], [], [], 60)
    assert len(ready) == 1
    one, other = (first, second) if ready == [first.stdout] else (second, first)
    assert other.stderr.readline() == f"{folder}: another process is at work here; waiting for it\n"
    assert not select.select([other.stdout], [], [], 0.3)[0]
    if end == "killed":
        one.kill()
    assert one.communicate("go\n")[0] == "at work\n"
    assert other.stdout.readline() == "at work\n"
    assert folder.is_dir()
    assert other.communicate("go\n")[0] == ""
    assert (one.returncode, other.returncode) == (-signal.SIGKILL if end == "killed" else 0, 0)
    assert list(tmp_path.iterdir()) == [folder.parent] and list(folder.parent.iterdir()) == []


def test_a_folder_may_be_removed_by_the_one_at_work_in_it(tmp_path):
    with at_work_alone(tmp_path / "work"):
        (tmp_path / "work/part").touch()
        shutil.rmtree(tmp_path / "work")
    assert list(tmp_path.iterdir()) == []
    with at_work_alone(tmp_path / "work"):
        (tmp_path / "work/part").touch()
    assert list(tmp_path.glob("*/*")) == [tmp_path / "work/part"]  # what is unfinished stays


def test_json(tmp_path):
    write_json(tmp_path / "x.json", {"é": 1.5})
    assert read_json(tmp_path / "x.json") == {"é": 1.5}
    assert (tmp_path / "x.json").read_text() == '{\n  "é": 1.5\n}\n'
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "y.json", float("nan"))
    assert not (tmp_path / "y.json").exists()
    for text in ("{", "[" * 100_000, "9" * 5000):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(InputError, match=r"x\.json: not valid JSON"):
            read_json(tmp_path / "x.json")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_text(tmp_path, pack):
    (tmp_path / "x").write_bytes(pack("\ufeffé\r\n\u2028 b\n\nc".encode()))
    assert read_text(tmp_path / "x") == "é\n\u2028 b\n\nc"
    assert read_lines(tmp_path / "x") == ["é", "\u2028 b", "", "c"]
    (tmp_path / "x").write_bytes(pack(b"a\n"))
    assert read_lines(tmp_path / "x") == ["a"]
    (tmp_path / "x").write_bytes(pack(b""))
    assert read_lines(tmp_path / "x") == []
    (tmp_path / "x").write_bytes(pack(b"\xff\xfea"))
    with pytest.raises(InputError, match=r"x: cannot be read as text .*; expected UTF-8"):
        read_text(tmp_path / "x")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_one_text_in_any_encoding(tmp_path, pack, encoding, end, caplog):
    lines = ["# für", "chr1\t5", "", "é"]
    (tmp_path / "x").write_bytes(pack("".join(line + end for line in lines).encode(encoding)))
    assert read_lines(tmp_path / "x") == lines
    # The log names the first byte only, and the file.
    told = [f"{tmp_path / 'x'}: holds the byte 0xfc, which is not UTF-8; read as Latin-1"] * (encoding == "latin-1")
    assert caplog.messages == told


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\n<!DOCTYPE html><p>", "an HTML or XML page"), (b"\xef\xbb\xbf<html>", "an HTML or XML page"),
        (lzma.compress(b"a"), "xz data"), (bz2.compress(b"a"), "bzip2 data"),
        (gzip.compress(gzip.compress(b"a")), "gzip data packed twice"), (b"PK\3\4", "a zip archive or an Excel file"),
        (b"\x89HDF\r\n", "an HDF5 file"), (b"C'A\x1a\0\0", "a 2bit file"), (b"BAM\1", "a BAM file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS in place of the file"),
        ("chr1".encode("utf-16-le"), "binary data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",  # gzip data hold the time
)  # fmt: skip
def test_what_is_no_text_is_named(tmp_path, pack, data, kind):
    (tmp_path / "x").write_bytes(pack(data))
    with pytest.raises(InputError, match=f"x: is {kind}; expected text, plain or gzip$"):
        read_text(tmp_path / "x")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"gone: cannot be read \(No such file or directory\); expected a plain"):
        read_text(tmp_path / "gone")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read_text(tmp_path)
    (tmp_path / "cut.gz").write_bytes(gzip.compress(os.urandom(100_000))[:-20])
    with (
        pytest.raises(InputError, match=r"cut\.gz: gzip data cut short or damaged .*; fetch the file again"),
        open_bytes(tmp_path / "cut.gz") as handle,
    ):
        while handle.read(1000):
            pass


def test_sha256(tmp_path):
    (tmp_path / "abc").write_text("abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_bad_input_ends_a_job_with_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped, logged(tmp_path / "logs/job.log"):
        raise InputError("peaks.bed: line 3 is empty")
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "error: peaks.bed: line 3 is empty\n"
    log = (tmp_path / "logs/job.log").read_text()
    assert log.endswith(" peaks.bed: line 3 is empty\n")
    assert "Traceback" not in log


def test_a_log_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "logs").touch()
    with pytest.raises(SystemExit) as stopped, logged(tmp_path / "logs/job.log"):
        pytest.fail("begun without a log")
    assert stopped.value.code == 1
    found = capsys.readouterr().err
    assert found == f"error: {tmp_path}/logs/job.log: cannot be written (File exists); expected a log of the job\n"


def test_a_defect_keeps_its_traceback_in_the_log(tmp_path):
    with pytest.raises(ZeroDivisionError), logged(tmp_path / "job.log"):
        logging.getLogger("genebert.part").info("began")
        json.dumps(1 / 0)
    log = (tmp_path / "job.log").read_text()
    assert "began" in log
    assert "Traceback" in log
    assert "ZeroDivisionError" in log


@pytest.mark.parametrize("collects", [True, False])
def test_modules_are_loaded_without_the_collector_which_is_then_as_before(tmp_path, monkeypatch, collects):
    (tmp_path / "sound_module.py").write_text("import gc\nCOLLECTS = gc.isenabled()\n")
    (tmp_path / "damaged_module.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    (gc.enable if collects else gc.disable)()
    try:
        with loading():
            sound = import_module("sound_module")
        assert not sound.COLLECTS and gc.isenabled() is collects
        frozen = gc.get_freeze_count()
        assert frozen > 0
        with loading():  # nothing new: what was made meanwhile is not kept from the collector
            kept = [[] for _ in range(1000)]
        assert gc.get_freeze_count() <= frozen and len(kept) == 1000
        with pytest.raises(ZeroDivisionError), loading():
            import_module("damaged_module")
        assert gc.isenabled() is collects
    finally:
        gc.enable()
