"""Retrieval of one registered file: resumed, retried, verified before it takes its name.

libcurl does the transfers. A file grows at ``resources/.partial/{name}.part``, next to what is needed to go on with it
after a kill; only a whole and verified file is renamed to its place. Files whose checksum the registry does not know
are trusted the first time: their SHA-256 is recorded in ``resources/checksums/{name}.sha256`` (one file for each, so
that jobs which run at once never write the same one) and enforced from then on.
"""

import gzip
import json
import logging
import os
import shutil
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

from genebert.errors import InputError
from genebert.files import atomic_path, is_web_page, write_json
from genebert.sources.registry import UNKNOWN, Source, checksum_like, expected_checksum, lock_file, partial_file

logger = logging.getLogger(__name__)
CHUNK = 1 << 20
# Who names a file or folder of trusted certificates, the first of them first: curl's own, OpenSSL's, that of requests.
CERTIFICATES = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_BUSY = (408, 425, 429)  # besides all 5xx: the server asks to come back


@dataclass(frozen=True)
class Patience:
    """When to try again and when to give up; times are in seconds."""

    attempts: int = 6  # tries in a row that bring no new byte
    wait: float = 2.0  # before the second try; doubled for each further one
    longest_wait: float = 60.0  # also the most that a server's Retry-After is followed
    timeout: float = 60.0  # for the connection, and without a byte, after which a try ends
    log_every: float = 15.0  # between lines of progress in the log


class _RefusedError(Exception):
    """What one place has is not the file."""


class _InterruptedError(Exception):
    """A transfer ended early; another try may succeed."""

    def __init__(self, reason: str, retry_after: float = 0.0):
        super().__init__(reason)
        self.retry_after = retry_after


def retrieve(source: Source, target: Path, mirror: str | None = None, patience: Patience | None = None) -> None:
    """Fetch one file; it appears at `target` only whole and verified.

    A file that stands there and has the right checksum is kept. A second process that asks for the same file waits
    for the first. `target` is ``{resources}/{source.name}``; `mirror` a folder or URL prefix that holds the file under
    its name in the registry, and nothing else is then asked.

    Raises
    ------
    InputError
        No place gave the right file, or the disk is full or cannot be written.
    """
    from filelock import FileLock

    if target.is_dir():
        raise InputError(f"{target}: found a folder, expected a file or nothing")
    resources = target.parents[source.name.count("/")]
    part = partial_file(resources, source.name)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(part.with_name(part.name + ".lock"))
        with lock:
            expected = expected_checksum(source, resources)
            if expected and target.is_file() and checksum_like(expected, target) == expected:
                logger.info("%s: stands, and its checksum is right", source.name)
            else:
                _from_any_place(source, target, mirror, _Download(source, resources, patience or Patience()))
            # Whoever waited for this very lock file finds the target standing.
            Path(lock.lock_file).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{target}: cannot be written ({error.strerror or error}); expected a folder with write permission and "
            f"free space (what has been downloaded stays in {part} and is gone on with)"
        ) from error


def _places(source: Source, mirror: str | None) -> list[str]:
    if mirror is None:
        return [source.url, *source.mirrors]
    if "://" in mirror:
        return [f"{mirror.rstrip('/')}/{quote(source.name)}"]
    return [(Path(mirror).absolute() / source.name).as_uri()]


def _from_any_place(source: Source, target: Path, mirror: str | None, download: "_Download") -> None:
    failures = []
    for place in _places(source, mirror):
        try:
            first_seen = download.bring(place)
        except _RefusedError as refusal:
            shown = unquote(place.removeprefix("file://")) if place.startswith("file://") else place
            failures.append(f"{shown}: {refusal}")
            logger.warning("%s: %s", source.name, failures[-1])
            continue
        logger.info("%s: %d bytes from %s", source.name, download.part.stat().st_size, place)
        if first_seen:
            with atomic_path(lock_file(download.resources, source.name)) as record:
                record.write_text(f"{first_seen}  {source.name}\n")
            logger.info("%s: checksum not known before, recorded sha256:%s", source.name, first_seen)
        download.part.replace(target)
        download.forget()
        return
    raise InputError(
        f"{source.name}: could not be retrieved ({'; '.join(failures)}); set the config key `mirror` to a folder or "
        f"URL that holds it under this name, or put it at {target} yourself ({source.note})"
    )


class _Download:
    """One file on its way: the part that is there, and how to go on with it."""

    def __init__(self, source: Source, resources: Path, patience: Patience):
        self.source, self.resources, self.patience = source, resources, patience
        self.part = partial_file(resources, source.name)
        self.origin = self.part.with_suffix(".json")  # where the part comes from

    def forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.origin.unlink(missing_ok=True)

    def _resumable(self, place: str) -> tuple[int, dict]:
        """Return the size of a part that can be gone on with, and its origin; 0: there is none."""
        try:
            size, origin = self.part.stat().st_size, json.loads(self.origin.read_text())
        except (OSError, ValueError):
            return 0, {}
        # Without a validator only a checksum can tell whether the server's file is still the same.
        known = origin.get("validator") or expected_checksum(self.source, self.resources)
        return (size, origin) if known and origin.get("place") == place else (0, {})

    def bring(self, place: str) -> str | None:
        """Bring the whole file, or refuse and remove what came; return its SHA-256 if it is seen for the first time."""
        again = False
        while True:
            resumed = self._fetch(place)
            try:
                return self._verify()
            except _RefusedError as refusal:
                self.forget()
                if again or not resumed:
                    raise
                # What was there before may have been of another version of the file.
                logger.warning("%s: %s; once more from the beginning", self.source.name, refusal)
                again = True

    def _fetch(self, place: str) -> bool:
        """Make the part whole as far as the protocol can tell; return whether an earlier part was gone on with."""
        failures, resumed = 0, False
        while True:
            size, origin = self._resumable(place)
            if size and size == origin.get("total"):
                return True
            if size:
                logger.info("%s: going on after %d bytes", self.source.name, size)
            resumed |= size > 0
            try:
                _transfer(place, self, size, origin.get("validator"))
                return resumed
            except _InterruptedError as interruption:
                grown = self.part.exists() and self.part.stat().st_size > size
                failures = 1 if grown else failures + 1
                if failures >= self.patience.attempts:
                    raise _RefusedError(f"found {interruption}, expected the whole file") from None
                wait = self.patience.wait * 2 ** (failures - 1)
                wait = min(max(wait, interruption.retry_after), self.patience.longest_wait)
                if size and not self.part.exists():
                    wait = 0.0  # only the part was refused, not the request
                logger.warning("%s: %s: %s; again in %g s", self.source.name, place, interruption, wait)
                time.sleep(wait)

    def _verify(self) -> str | None:
        """Refuse a part that is not the file; return its SHA-256 if it is seen for the first time."""
        source = self.source
        if is_web_page(self.part) and not source.name.endswith((".html", ".htm", ".xml")):
            raise _RefusedError("found an HTML page, expected the file")
        size = self.part.stat().st_size
        if size == 0 or source.bytes not in (None, size):
            raise _RefusedError(f"found {size} bytes, expected {source.bytes or 'some'}")
        expected = expected_checksum(source, self.resources)
        found = checksum_like(expected, self.part)
        if expected is None:
            if source.name.endswith(".gz"):
                _check_gzip(self.part)
            return found.partition(":")[2]
        if found != expected:
            lock = lock_file(self.resources, source.name)
            origin = f" as recorded in {lock} when it was first seen" if source.checksum == UNKNOWN else ""
            raise _RefusedError(f"found {found} ({size} bytes), expected {expected}{origin}")
        return None


def _check_gzip(path: Path) -> None:
    """Read to the end: without a checksum, only the archive itself can tell that it was cut short."""
    try:
        with gzip.open(path) as handle:
            while handle.read(CHUNK):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _RefusedError(f"found a damaged gzip file ({error}), expected a whole one") from error


class _Receiver:
    """What libcurl calls with an answer's header and bytes; shows progress on a terminal and in the log."""

    def __init__(self, place: str, download: _Download, start: int, handle: BinaryIO):
        from tqdm import tqdm

        self.place, self.download, self.start, self.handle = place, download, start, handle
        self.name, self.done = download.source.name, start
        self.headers: dict[str, str] = {}
        self.total: int | None = None
        self.failure: BaseException | None = None
        self.began = self.last = time.monotonic()
        # None: only where standard error is a terminal
        self.bar = tqdm(desc=self.name, initial=start, unit="B", unit_scale=True, disable=None, leave=False)

    def on_header(self, line: bytes) -> None:
        name, _, value = line.decode("latin-1").partition(":")
        if name.startswith("HTTP/"):
            self.headers.clear()  # those of a redirect
        self.headers[name.strip().lower()] = value.strip()

    def on_bytes(self, data: bytes) -> int:
        try:
            if self.done == self.start:
                self._begin()
            self.handle.write(data)
            self.done += len(data)
            self.bar.update(len(data))
            if time.monotonic() - self.last >= self.download.patience.log_every:
                self._log()
        except BaseException as error:  # libcurl would print it and go on, also with Ctrl-C
            self.failure = error
            return -1
        return len(data)

    def _begin(self) -> None:
        """Check the space on disk, and write down what is needed to go on after a cut."""
        if "content-length" in self.headers:
            length = int(self.headers["content-length"])
            self.total = self.bar.total = self.start + length
            free = shutil.disk_usage(self.download.part.parent).free
            if length > free:
                raise OSError(28, f"No space left on device: {length} bytes to come, {free} free")
        etag = self.headers.get("etag", "")
        strong = etag if etag and not etag.startswith("W/") else self.headers.get("last-modified")
        write_json(self.download.origin, {"place": self.place, "validator": strong, "total": self.total})

    def _log(self) -> None:
        self.last = time.monotonic()
        rate = (self.done - self.start) / max(self.last - self.began, 1e-9)
        left = f" of {self.total / 1e6:.1f}" if self.total else ""
        eta = f", {max(self.total - self.done, 0) / rate:.0f} s left" if self.total and rate else ""
        logger.info("%s: %.1f%s MB, %.2f MB/s%s", self.name, self.done / 1e6, left, rate / 1e6, eta)


def trust() -> tuple[int, str]:
    """Return libcurl's option for trusted certificates, and the path: of CERTIFICATES, else the package certifi's."""
    import certifi
    import pycurl

    name = next((name for name in CERTIFICATES if os.environ.get(name)), None)
    path = os.environ[name] if name else certifi.where()
    if not Path(path).exists():
        raise InputError(f"{name}: found {path}, which does not exist; expected a file or folder of certificates")
    return pycurl.CAPATH if Path(path).is_dir() else pycurl.CAINFO, path


def _transfer(place: str, download: _Download, start: int, validator: str | None) -> None:
    """Bring the bytes from `start` on; raise _InterruptedError where another try makes sense, else _RefusedError."""
    # Imported here so that reading the registry needs no more than Python.
    import pycurl

    trusted, certificates = trust()
    timeout = download.patience.timeout
    curl = pycurl.Curl()
    with download.part.open("r+b" if start else "wb") as handle:
        handle.seek(start)
        receiver = _Receiver(place, download, start, handle)
        options = {
            pycurl.URL: place,
            pycurl.FOLLOWLOCATION: True,
            pycurl.MAXREDIRS: 10,
            pycurl.FAILONERROR: True,
            trusted: certificates,
            pycurl.USERAGENT: "genebert",
            pycurl.CONNECTTIMEOUT_MS: int(1000 * timeout),
            pycurl.LOW_SPEED_LIMIT: 1,
            pycurl.LOW_SPEED_TIME: max(1, round(timeout)),
            pycurl.NOSIGNAL: True,
            pycurl.BUFFERSIZE: CHUNK >> 2,
            pycurl.HEADERFUNCTION: receiver.on_header,
            pycurl.WRITEFUNCTION: receiver.on_bytes,
            pycurl.RESUME_FROM_LARGE: start,
            # Servers answer with the whole file if theirs is not the one that the part is of.
            pycurl.HTTPHEADER: [f"If-Range: {validator}"] if start and validator else [],
        }
        for option, value in options.items():
            curl.setopt(option, value)
        try:
            curl.perform()
            handle.flush()
        except pycurl.error as error:
            if receiver.failure:
                raise receiver.failure from None
            code, text = error.args
            if code == pycurl.E_WRITE_ERROR:
                raise KeyboardInterrupt from None  # Ctrl-C between the lines of a callback, which libcurl has swallowed
            _give_reason(curl, code, text, download)
        finally:
            receiver.bar.close()
            curl.close()


def _give_reason(curl, code: int, text: str, download: _Download) -> None:
    """Raise what a failed transfer means."""
    import pycurl

    status = curl.getinfo(pycurl.RESPONSE_CODE)
    if code == pycurl.E_HTTP_RETURNED_ERROR:
        if status >= 500 or status in _BUSY:
            raise _InterruptedError(f"HTTP status {status}", float(curl.getinfo(pycurl.RETRY_AFTER)))
        if status != 416:
            raise _RefusedError(f"found HTTP status {status}, expected the file")
    if code in (pycurl.E_RANGE_ERROR, pycurl.E_HTTP_RETURNED_ERROR, pycurl.E_BAD_DOWNLOAD_RESUME):
        download.forget()
        raise _InterruptedError("a server that does not go on with this part")
    final = (
        pycurl.E_URL_MALFORMAT, pycurl.E_UNSUPPORTED_PROTOCOL,
        pycurl.E_REMOTE_FILE_NOT_FOUND, pycurl.E_REMOTE_ACCESS_DENIED, pycurl.E_LOGIN_DENIED,
        pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE, pycurl.E_TOO_MANY_REDIRECTS,
    )  # fmt: skip
    if code == pycurl.E_FILE_COULDNT_READ_FILE:
        raise _RefusedError("found no such file, expected the file")
    if code in final:
        raise _RefusedError(f"found {text}, expected the whole file")
    raise _InterruptedError(text or f"libcurl error {code}")
