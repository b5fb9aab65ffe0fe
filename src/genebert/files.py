"""Reading and writing files: plain or gzip in, and nothing half-written ever under a final name."""

import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from genebert.errors import InputError


@contextmanager
def open_bytes(path: str | Path) -> Iterator[BinaryIO]:
    """Open a plain or gzip file for reading bytes; which of the two is told by its first bytes, not by its name.

    Raises
    ------
    InputError
        The file does not exist or cannot be read, also when that shows only later, inside the block: gzip data that
        are cut short or damaged.
    """
    try:
        with open_plain_or_gzip(path) as handle:
            yield handle
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: gzip data cut short or damaged ({error}); fetch the file again") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


@contextmanager
def atomic_path(path: str | Path, *, directory: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` when the block ends well.

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
        The parent folder cannot be made or written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); expected a folder with write permission and free space"
        ) from error
    # mkdtemp makes private folders; outputs get the permissions the user's umask gives everything else.
    umask = os.umask(0)
    os.umask(umask)
    target = scratch / path.name
    try:
        if directory:
            target.mkdir()
        yield target
        if directory and path.exists():
            path.replace(scratch / "replaced")
        target.replace(path)
        if directory:
            path.chmod(0o777 & ~umask)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, atomically; NaN is refused because JSON has none."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        The file is not JSON.
    """
    try:
        return json.loads(Path(path).read_text())
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from error


def open_plain_or_gzip(path: str | Path) -> BinaryIO:
    """Open a file for reading bytes; whether it is gzip (or bgzip) is told by its first bytes, not by its name."""
    with Path(path).open("rb") as handle:
        compressed = handle.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else Path(path).open("rb")


def read_lines(path: str | Path) -> list[str]:
    """Return the lines of a plain or gzip text file, without line ends.

    Raises
    ------
    InputError
        The file is missing, damaged or no text.
    """
    try:
        with open_plain_or_gzip(path) as handle:
            return handle.read().decode().splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from error


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
