"""Reading and writing files: plain or gzip in, and nothing half-written ever under a final name."""

import errno
import fcntl
import glob
import gzip
import hashlib
import io
import json
import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from genebert.errors import InputError

logger = logging.getLogger(__name__)


@contextmanager
def open_bytes(path: str | Path) -> Iterator[BinaryIO]:
    """Open a plain or gzip (or bgzip) file for reading bytes; its first bytes tell which it is, not its name.

    Raises
    ------
    InputError
        The file does not exist or cannot be read, also when that shows only later, inside the block: gzip data that
        are cut short or damaged.
    """
    try:
        with Path(path).open("rb") as handle:
            compressed = handle.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if compressed else Path(path).open("rb") as handle:
            yield handle
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: gzip data cut short or damaged ({error}); fetch the file again") from error
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); expected a plain or gzip file"
        ) from error


def read_text(path: str | Path) -> str:
    r"""Return the text of a plain or gzip file in UTF-8, without a byte-order mark, with ``\n`` as its line ends.

    Raises
    ------
    InputError
        As :func:`open_bytes`; or the file is no text.
    """
    with open_bytes(path) as handle:
        try:
            return io.TextIOWrapper(handle, encoding="utf-8-sig").read()
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: cannot be read as text ({error}); expected UTF-8") from error


def read_lines(path: str | Path) -> list[str]:
    """Return the lines of a text file without line ends; see :func:`read_text`."""
    lines = read_text(path).split("\n")
    return lines if lines[-1] else lines[:-1]


_FULL = {number: os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)}


def _why_not_written(error: BaseException | None) -> str | None:
    """Return what the disk said, if that is why something failed: libraries hide it in exceptions of their own."""
    while error is not None:
        for number, text in _FULL.items():
            if getattr(error, "errno", None) == number or text in str(error):
                return text
        if "requested and" in str(error):  # numpy, which does not ask why
            return f"{_FULL[errno.ENOSPC]} or more than allowed: {error}"
        error = error.__cause__ or error.__context__
    return None


def _not_written(path: Path, why: str) -> InputError:
    return InputError(f"{path}: cannot be written ({why}); expected a folder with write permission and free space")


def _remove_unfinished(path: Path) -> None:
    """Remove what writers of `path` that were killed have left; one that is still at work holds a lock."""
    for scratch in path.parent.glob(f".{glob.escape(path.name)}.????????"):
        try:
            lock = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue  # somebody else's file, or gone meanwhile
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(scratch, ignore_errors=True)
        except OSError:
            pass  # in use, or a file system that cannot tell
        finally:
            os.close(lock)


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, locked as long as this process lives, and remove it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(path)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        lock = os.open(scratch, os.O_RDONLY)
    except OSError as error:
        raise _not_written(path, error.strerror) from error
    try:
        with suppress(OSError):  # a file system without locks: what a kill leaves there stays
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


@contextmanager
def atomic_path(path: str | Path, *, directory: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` when the block ends well.

    What an earlier writer of `path` left that was killed is removed.

    What was written gets the permissions that the user's umask gives, whatever a library gave it: safetensors makes
    files that only their owner can read.

    Parameters
    ----------
    path : path
        Final name. Missing parent folders are made.
    directory : bool
        Yield an existing empty folder instead of the name of a file to be written. An existing folder at `path` is
        replaced as a whole.

    Raises
    ------
    InputError
        The parent folder cannot be made or written to, or the disk is full.
    """
    path = Path(path)
    umask = os.umask(0)
    os.umask(umask)
    try:
        with _scratch(path) as scratch:
            target = scratch / path.name
            if directory:
                target.mkdir()
            yield target
            for part in (target, *target.rglob("*")):
                part.chmod((0o777 if part.is_dir() else 0o666) & ~umask)
            if directory and path.exists():
                path.replace(scratch / "replaced")
            target.replace(path)
    except InputError:
        raise
    except Exception as error:
        if why := _why_not_written(error):
            raise _not_written(path, why) from error
        raise


@contextmanager
def at_work_alone(folder: str | Path) -> Iterator[None]:
    """Hold a folder of unfinished work for this process, waiting for another that is at work in it.

    The other one is a job that has outlived the workflow that started it. Its hold ends with it, however it ends.

    Parameters
    ----------
    folder : path
        Made if it does not exist; removed at the end if nothing is in it.
    """
    path = Path(folder) / ".lock"
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.warning("%s: another process is at work here; waiting for it", folder)
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:
                logger.warning(
                    "%s: cannot be locked (%s); no other process may be at work here", folder, error.strerror
                )
            if not os.fstat(lock.fileno()).st_nlink:
                continue  # the other process has removed the folder, and this lock with it
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
                with suppress(OSError):
                    path.parent.rmdir()
            return


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, atomically; NaN is refused because JSON has none."""
    with atomic_path(path) as temporary:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        As :func:`read_text`; or the file is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from error


def is_web_page(path: str | Path) -> bool:
    """Say whether a file begins like an HTML or XML page, which servers send in place of a file they refuse."""
    with Path(path).open("rb") as handle:
        return handle.read(512).lstrip().lower().startswith((b"<!doctype html", b"<html", b"<head", b"<?xml"))


def hex_digest(path: str | Path, algorithm: str) -> str:
    """Return the hex digest of a file by an algorithm of hashlib, such as md5."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, algorithm).hexdigest()


def sha256(path: str | Path) -> str:
    """Return the hex SHA-256 of a file."""
    return hex_digest(path, "sha256")
