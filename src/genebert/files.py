"""Reading and writing files: plain or gzip in, and nothing half-written ever under a final name."""

import codecs
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
from typing import Any, BinaryIO, TextIO

from genebert.errors import InputError

logger = logging.getLogger(__name__)
_OF_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # no reader meets these
_HEAD = 512  # bytes that tell what a file is
_PAGE = "an HTML or XML page"
_POINTER = "a pointer of Git LFS in place of the file"
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml")
_KINDS = {
    b"\x1f\x8b": "gzip data packed twice",
    b"\xfd7zXZ": "xz data",
    b"BZh": "bzip2 data",
    b"\x28\xb5\x2f\xfd": "zstd data",
    b"PK\x03\x04": "a zip archive or an Excel file",
    b"\x89HDF": "an HDF5 file",
    b"BAM\x01": "a BAM file",
    b"\x43\x27\x41\x1a": "a 2bit file",
    b"\x1a\x41\x27\x43": "a 2bit file",
    b"X\n\0\0": "an .RDS file",
    b"version https://git-lfs": _POINTER,
}
# Longest first: the mark of UTF-16 is the beginning of that of UTF-32.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip


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
        if error.errno in _OF_WRITING:  # inside the block, by who writes what was read
            raise
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); expected a plain or gzip file"
        ) from error


def _kind_of(head: bytes) -> str | None:
    """Say what a file is by its first bytes, if it is a known kind that is no table or sequence in text."""
    if head.removeprefix(codecs.BOM_UTF8).lstrip().lower().startswith(_PAGES):
        return _PAGE
    return next((kind for start, kind in _KINDS.items() if head.startswith(start)), None)


def _latin_1(path: str | Path) -> str:
    """Return the name of a way to decode what is no UTF-8: as Latin-1, which the log tells at the first such byte."""
    told = False

    def decode(error: UnicodeDecodeError) -> tuple[str, int]:
        nonlocal told
        odd = error.object[error.start : error.end]
        if not told:
            logger.warning("%s: holds the byte 0x%02x, which is not UTF-8; read as Latin-1", path, odd[0])
            told = True
        return odd.decode("latin-1"), error.end

    name = f"latin-1 in {str(path)!a}"
    codecs.register_error(name, decode)
    return name


@contextmanager
def open_text(path: str | Path) -> Iterator[TextIO]:
    r"""Open a plain or gzip text file: the one way in which all text is read that people hand to the workflow.

    A byte-order mark tells the encoding (UTF-8, UTF-16, UTF-32) and is no part of the text. Without one it is UTF-8;
    bytes that are not are read as Latin-1, which the log tells. Line ends (``\r\n``, ``\r``) all become ``\n``.

    Raises
    ------
    InputError
        As :func:`open_bytes`; or the file is no text, and what it is.
    """
    with open_bytes(path) as handle:
        head = handle.read(_HEAD)
        handle.seek(0)
        encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), "utf-8")
        is_utf_8 = encoding.startswith("utf-8")
        if kind := _kind_of(head) or ("binary data" if is_utf_8 and b"\0" in head else None):
            raise InputError(f"{path}: is {kind}; expected text, plain or gzip")
        try:
            yield io.TextIOWrapper(handle, encoding, _latin_1(path) if is_utf_8 else "strict")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: cannot be read as text ({error}); expected UTF-8") from error


def read_text(path: str | Path) -> str:
    """Return the text of a file; see :func:`open_text`."""
    with open_text(path) as handle:
        return handle.read()


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


def _locked_folder(path: Path) -> tuple[Path, int]:
    """Make a folder beside `path` and lock it.

    Until it is locked, another writer may take it for a killed one's and remove it; then a new one is made.
    """
    while True:
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            lock = os.open(scratch, os.O_RDONLY)
        except FileNotFoundError:
            continue
        with suppress(OSError):  # a file system without locks: what a kill leaves there stays
            fcntl.flock(lock, fcntl.LOCK_EX)  # waits for one who is about to remove it
        if scratch.exists():
            return scratch, lock
        os.close(lock)


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, locked as long as this process lives, and remove it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(path)
        scratch, lock = _locked_folder(path)
    except OSError as error:
        raise _not_written(path, error.strerror) from error
    try:
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


def write_text(path: str | Path, text: str) -> None:
    """Write text in UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, atomically; NaN is refused because JSON has none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; see :func:`read_text`."""
    return parse_json(read_text(path), path)


def parse_json(text: str, where: str | Path) -> Any:
    """Return the value of a JSON text; `where` it stands is for the message."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, and thousands of brackets
        raise InputError(f"{where}: not valid JSON ({error})") from error


def _begins_as(path: str | Path, kind: str) -> bool:
    with Path(path).open("rb") as handle:
        return _kind_of(handle.read(_HEAD)) == kind


def is_web_page(path: str | Path) -> bool:
    """Say whether a file begins like an HTML or XML page, which servers send in place of a file they refuse."""
    return _begins_as(path, _PAGE)


def is_lfs_pointer(path: str | Path) -> bool:
    """Say whether a file is a pointer of Git LFS, which stands for a file that was not fetched."""
    return _begins_as(path, _POINTER)


def hex_digest(path: str | Path, algorithm: str) -> str:
    """Return the hex digest of a file by an algorithm of hashlib, such as md5."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, algorithm).hexdigest()


def sha256(path: str | Path) -> str:
    """Return the hex SHA-256 of a file."""
    return hex_digest(path, "sha256")
