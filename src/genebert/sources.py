"""The registry of downloads, and retrieval of one file of it, verified before it takes its name.

A name in the registry is a path below ``resources/``. Files whose checksum the registry does not know are trusted the
first time: their SHA-256 is recorded in ``resources/checksums/{name}.sha256`` (one file for each, in the form of
`sha256sum`, so that jobs which run at once never write the same one) and enforced from then on.
"""

import csv
import ftplib
import gzip
import hashlib
import logging
import re
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

from genebert.errors import InputError
from genebert.files import atomic_path

logger = logging.getLogger(__name__)

COLUMNS = ("name", "url", "mirrors", "checksum", "bytes", "licence", "note")
UNKNOWN = "unknown"
_CHECKSUM = re.compile(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}|unknown")
TIMEOUT = 60  # seconds without a byte
CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """One line of the registry.

    Attributes
    ----------
    name : str
        Path below ``resources/``.
    url : str
    mirrors : tuple of str
        Further URLs of the same bytes, tried in this order.
    checksum : str
        ``md5:...``, ``sha256:...`` or ``unknown``.
    bytes : int or None
        Size, where known.
    licence, note : str
    """

    name: str
    url: str
    mirrors: tuple[str, ...]
    checksum: str
    bytes: int | None
    licence: str
    note: str


class _Refused(Exception):
    """What came from one place is not the file."""


def read_registry(path: str | Path) -> dict[str, Source]:
    """Read ``sources.tsv``.

    Parameters
    ----------
    path : path
        Tab-separated with the columns of :data:`COLUMNS`; `mirrors` are separated by spaces.

    Returns
    -------
    dict of str to Source

    Raises
    ------
    InputError
        The file cannot be read or a line of it is malformed.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected the registry of downloads") from error
    rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise InputError(f"{path}, line 1: found {rows[0] if rows else 'nothing'}, expected {', '.join(COLUMNS)}")
    registry: dict[str, Source] = {}
    for number, row in enumerate(rows[1:], 2):
        where = f"{path}, line {number}"
        if len(row) != len(COLUMNS):
            raise InputError(f"{where}: found {len(row)} columns, expected {len(COLUMNS)} separated by tabs")
        name, url, mirrors, checksum, size, licence, note = row
        parts = PurePosixPath(name).parts
        if len(parts) < 2 or ".." in parts or str(PurePosixPath(name)) != name or name.startswith("/"):
            raise InputError(f"{where}: found the name '{name}', expected a path below resources/ such as hg19/x.fa.gz")
        if name in registry:
            raise InputError(f"{where}: the name {name} occurs twice, expected one line for each file")
        for address in (url, *mirrors.split()):
            if urlsplit(address).scheme not in ("http", "https", "ftp") or not urlsplit(address).netloc:
                raise InputError(f"{where}: found the address '{address}', expected one with http, https or ftp")
        if not _CHECKSUM.fullmatch(checksum):
            raise InputError(f"{where}: found the checksum '{checksum}', expected md5:..., sha256:... or unknown")
        if not re.fullmatch(r"\d*", size):
            raise InputError(f"{where}: found '{size}' bytes, expected a whole number or nothing")
        registry[name] = Source(name, url, tuple(mirrors.split()), checksum, int(size) if size else None, licence, note)
    return registry


def retrieve(source: Source, target: Path, mirror: str | None = None) -> None:
    """Fetch one file; it appears at `target` only whole and verified.

    Parameters
    ----------
    source : Source
    target : path
        ``{resources}/{source.name}``.
    mirror : str, optional
        Folder or URL prefix that holds the file under its name in the registry; nothing else is then asked.

    Raises
    ------
    InputError
        No place gave the right file, or `target` cannot be written.
    """
    target = Path(target)
    parts = PurePosixPath(source.name).parts
    if target.parts[-len(parts) :] != parts:
        raise ValueError(f"{target} does not end in {source.name}")
    if target.is_dir():
        raise InputError(f"{target}: found a folder, expected a file or nothing")
    lock = target.parents[len(parts) - 1] / "checksums" / f"{source.name}.sha256"
    failures = []
    for place in _places(source, mirror):
        try:
            with atomic_path(target) as temporary:
                _fetch(place, temporary)
                first_seen = _verify(source, temporary, lock)
                logger.info("%s: %d bytes from %s", source.name, temporary.stat().st_size, place)
                if first_seen:
                    logger.info("%s: checksum not known before, recorded sha256:%s", source.name, first_seen)
                    with atomic_path(lock) as record:
                        record.write_text(f"{first_seen}  {source.name}\n")
        except _Refused as refusal:
            failures.append(f"{place}: {refusal}")
            logger.warning("%s: %s", source.name, failures[-1])
        else:
            return
    raise InputError(
        f"{source.name}: could not be retrieved ({'; '.join(failures)}); set the config key `mirror` to a folder or "
        f"URL that holds it under this name, or put it at {target} yourself ({source.note})"
    )


def _places(source: Source, mirror: str | None) -> list[str]:
    if mirror is None:
        return [source.url, *source.mirrors]
    if "://" in mirror:
        return [f"{mirror.rstrip('/')}/{quote(source.name)}"]
    return [str(Path(mirror) / source.name)]


def _fetch(place: str, path: Path) -> None:
    """Copy or download to `path`, as a whole as far as the protocol can tell."""
    # Imported here because the registry is read each time the Snakefile is parsed.
    import pooch
    import requests

    try:
        if "://" not in place:
            shutil.copyfile(place, path)
        elif place.startswith("ftp:"):
            pooch.FTPDownloader(timeout=TIMEOUT, chunk_size=CHUNK)(place, path, None)
        else:
            # Servers that compress on the way would send something else than the file.
            headers = {"Accept-Encoding": "identity"}
            pooch.HTTPDownloader(chunk_size=CHUNK, timeout=TIMEOUT, headers=headers)(place, path, None)
    except requests.HTTPError as error:
        raise _Refused(f"found HTTP status {error.response.status_code}, expected the file") from error
    except (OSError, *ftplib.all_errors) as error:  # those of requests are OSErrors too
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        raise _Refused(f"found {reason[:200] or type(error).__name__}, expected the whole file") from error


def _verify(source: Source, path: Path, lock: Path) -> str | None:
    """Refuse what is not the file; return its SHA-256 if it is seen for the first time."""
    with path.open("rb") as handle:
        head = handle.read(512).lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")) and not source.name.endswith((".html", ".htm")):
        raise _Refused("found an HTML page, expected the file")
    size = path.stat().st_size
    if size == 0 or source.bytes not in (None, size):
        raise _Refused(f"found {size} bytes, expected {source.bytes or 'some'}")
    algorithm, _, expected = source.checksum.partition(":")
    if source.checksum == UNKNOWN:
        algorithm = "sha256"
        expected = lock.read_text().split()[0] if lock.exists() else ""
    with path.open("rb") as handle:
        found = hashlib.file_digest(handle, algorithm).hexdigest()
    if expected:
        if found != expected:
            origin = f" as recorded in {lock} when it was first seen" if source.checksum == UNKNOWN else ""
            raise _Refused(f"found {algorithm}:{found} ({size} bytes), expected {algorithm}:{expected}{origin}")
        return None
    if source.name.endswith(".gz"):
        _check_gzip(path)
    return found


def _check_gzip(path: Path) -> None:
    """Read to the end: without a checksum, only the archive itself can tell that it was cut short."""
    try:
        with gzip.open(path) as handle:
            while handle.read(CHUNK):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _Refused(f"found a damaged gzip file ({error}), expected a whole one") from error
