"""The registry of external files: where each comes from, what proves it, and what stands of it on disk.

A name in the registry is a path below ``resources/``. Read each time the Snakefile is parsed: no heavy imports.
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from genebert.errors import InputError
from genebert.files import hex_digest, read_json
from genebert.genome.tables import read_table

COLUMNS = ("name", "url", "mirrors", "checksum", "bytes", "set", "access", "licence", "note")
TFBS_COLUMNS = (
    "file", "md5", "name", "factor", "cell", "antibody", "lab", "treatment", "quality", "accession", "tissue"
)  # fmt: skip
TFBS_BASES = (
    "https://hgdownload.soe.ucsc.edu/goldenPath/hg19/encodeDCC/wgEncodeAwgTfbsUniform",
    "http://hgdownload.cse.ucsc.edu/goldenPath/hg19/encodeDCC/wgEncodeAwgTfbsUniform",
)
UNKNOWN = "unknown"
ACCESS = ("open", "login", "controlled")
BUILD = "hg19"  # of every file that is placed by hand
_CHECKSUM = re.compile(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}|unknown")


@dataclass(frozen=True)
class Source:
    """One line of the registry."""

    name: str  # path below resources/
    url: str  # the file; for files that are not open, the page to visit
    mirrors: tuple[str, ...]  # further URLs of the same bytes, tried in this order
    checksum: str  # md5:..., sha256:... or unknown: the SHA-256 of the first download is then recorded and enforced
    bytes: int | None  # None: not known
    licence: str
    note: str
    set: str = "paper"  # what the file belongs to; the config key `retrieve` lists sets
    access: str = "open"  # login (free account) and controlled (application) files are placed by hand


@dataclass(frozen=True)
class State:
    """What stands of one source on disk, and why, in a few words.

    ``there`` (its checksum is right), ``unchecked`` (there, but nothing to check it against yet), ``missing``,
    ``partial`` (a download was interrupted and will be resumed), ``wrong``, ``to place`` (missing, and only a person
    can get it).
    """

    state: str
    detail: str = ""


def _rows(path: str | Path, columns: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Return (where, values) of each row of a tab-separated table; lines that begin with ``#`` are comments."""
    table = read_table(path, columns, comments=True)
    if tuple(table.columns) != columns:
        raise InputError(f"{path}: found the columns {', '.join(table.columns)}, expected {', '.join(columns)}")
    return [(f"{path}, line {number}", row.tolist()) for number, row in zip(table.index, table.to_numpy(), strict=True)]


def read_registry(path: str | Path) -> dict[str, Source]:
    """Read ``sources.tsv``, tab-separated with the columns of :data:`COLUMNS`; `mirrors` are separated by spaces."""
    registry: dict[str, Source] = {}
    for where, row in _rows(path, COLUMNS):
        name, url, mirrors, checksum, size, group, access, licence, note = row
        parts = PurePosixPath(name).parts
        if len(parts) < 2 or ".." in parts or str(PurePosixPath(name)) != name or name.startswith(("/", ".")):
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
        if not re.fullmatch(r"[a-z0-9-]+", group):
            raise InputError(f"{where}: found the set '{group}', expected one word such as paper")
        if access not in ACCESS:
            raise InputError(f"{where}: found the access '{access}', expected {', '.join(ACCESS)}")
        mirror_list, n_bytes = tuple(mirrors.split()), int(size) if size else None
        registry[name] = Source(name, url, mirror_list, checksum, n_bytes, licence, note, group, access)
    return registry


def read_tfbs_list(path: str | Path) -> list[dict[str, str]]:
    """Return the ENCODE uniform TFBS files of ``tfbs.tsv``, column to value for each (docs/facts.md 5)."""
    entries: dict[str, dict[str, str]] = {}
    for where, row in _rows(path, TFBS_COLUMNS):
        entry = dict(zip(TFBS_COLUMNS, row, strict=True))
        file = entry["file"]
        if not _CHECKSUM.fullmatch(f"md5:{entry['md5']}") or file in entries or not file.endswith(".narrowPeak.gz"):
            raise InputError(f"{where}: found {file} with md5 {entry['md5']}, expected one line for each file")
        entries[file] = entry
    return list(entries.values())


def in_506(entry: dict[str, str]) -> bool:
    """Say whether a file of ``tfbs.tsv`` is of good quality and without treatment: 508 files of 506 names."""
    return entry["quality"] == "good" and entry["treatment"] == "None"


def tfbs_sources(path: str | Path) -> dict[str, Source]:
    """Return the files of ``tfbs.tsv`` as sources, set ``tfbs-506`` (see :func:`in_506`) or ``tfbs-690``."""
    sources: dict[str, Source] = {}
    for entry in read_tfbs_list(path):
        name, checksum = f"tfbs/{entry['file']}", f"md5:{entry['md5']}"
        first, *mirrors = (f"{base}/{entry['file']}" for base in TFBS_BASES)
        note = f"ENCODE uniform peaks {entry['name']}, hg19"
        group = "tfbs-506" if in_506(entry) else "tfbs-690"
        sources[name] = Source(name, first, tuple(mirrors), checksum, None, "ENCODE data use policy", note, group)
    return sources


def load_registry(folder: str | Path) -> dict[str, Source]:
    """Return all sources of a config folder: ``sources.tsv``, and of ``tfbs.tsv`` what that does not list."""
    registry = read_registry(Path(folder) / "sources.tsv")
    return tfbs_sources(Path(folder) / "tfbs.tsv") | registry


def select(registry: dict[str, Source], sets: list[str]) -> list[Source]:
    """Return the sources of some sets, in the order of the registry.

    ``tfbs-690`` includes ``tfbs-506``, and both include the files of Table 2, whose set is ``paper``. A set to which no
    source belongs is refused.
    """
    known = {source.set for source in registry.values()}
    for name in sets:
        if name not in known:
            raise InputError(f"retrieve: unknown set {name}, expected some of {', '.join(sorted(known))}")
    wanted = {*sets, "tfbs-506"} if "tfbs-690" in sets else set(sets)
    return [
        source
        for source in registry.values()
        if source.set in wanted
        or (source.set == "paper" and "tfbs-506" in wanted and source.name.endswith(".narrowPeak.gz"))
    ]


def lock_file(resources: str | Path, name: str) -> Path:
    """Return where the SHA-256 of a file is recorded when it is first seen (in the form of `sha256sum`)."""
    return Path(resources) / "checksums" / f"{name}.sha256"


def partial_file(resources: str | Path, name: str) -> Path:
    """Return where a file grows while it is downloaded."""
    return Path(resources) / ".partial" / f"{name}.part"


def expected_checksum(source: Source, resources: str | Path) -> str | None:
    """Return ``algorithm:hex`` that the file must have, from the registry or its first download; None: not known."""
    if source.checksum != UNKNOWN:
        return source.checksum
    lock = lock_file(resources, source.name)
    return f"sha256:{lock.read_text().split()[0]}" if lock.exists() else None


def checksum_like(expected: str | None, path: Path) -> str:
    """Return ``algorithm:hex`` of a file, by the algorithm of the expected one; SHA-256 where none is known."""
    algorithm = expected.partition(":")[0] if expected else "sha256"
    return f"{algorithm}:{hex_digest(path, algorithm)}"


def state_of(source: Source, resources: str | Path) -> State:
    """Say what stands of a source below `resources`; reads the whole file where there is a checksum."""
    path = Path(resources) / source.name
    if not path.is_file():
        if source.access != "open":
            return State("to place", f"{source.access}: {source.url}")
        part = partial_file(resources, source.name)
        if part.exists():
            return State("partial", f"{part.stat().st_size} bytes so far")
        return State("missing")
    size = path.stat().st_size
    if source.bytes not in (None, size):
        return State("wrong", f"{size} bytes, expected {source.bytes}")
    if source.access != "open":
        record = Path(resources) / "placed" / f"{source.name}.json"
        if not record.exists():
            return State("unchecked", f"its form is checked by `snakemake {record}`")
        expected = f"sha256:{read_json(record)['sha256']}"
    else:
        expected = expected_checksum(source, resources)
    if expected is None:
        return State("unchecked", f"checksum not known; {checksum_like(None, path)}")
    found = checksum_like(expected, path)
    return State("there") if found == expected else State("wrong", f"{found}, expected {expected}")
