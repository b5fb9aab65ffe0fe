"""A conda channel made of this machine's own Python and the packages installed beside it, for tests.

Every installed distribution becomes a conda package of its version, with its requirements as dependencies, so that a
real solver and installer can make the environments of ``envs/`` where no channel can be reached. Nothing is downloaded:
the versions are those that the tests run with. That conda-forge and bioconda have them too is not shown by it.
"""

import asyncio
import hashlib
import io
import json
import os
import re
import sys
import tarfile
import tempfile
import time
import zipfile
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PLATFORM = "linux-64"
# PyPI's names of what conda calls otherwise.
CONDA_NAME = {"torch": "pytorch", "moods-python": "moods", "matplotlib": "matplotlib-base"}
LEFT_OUT = {"genebert"}  # rules find it in the checkout, not in their environment
# What Snakemake's environments need of Python's own tree.
UNNEEDED = {"__pycache__", "site-packages", "test", "tests", "idlelib", "tkinter", "ensurepip"}


def conda_name(name: str) -> str:
    """Return what conda calls a distribution."""
    name = canonicalize_name(name)
    return CONDA_NAME.get(name, {"huggingface-hub": "huggingface_hub"}.get(name, name))


def version_of(text: str) -> str:
    """Return a version without the part that names a build."""
    return text.partition("+")[0]


def dependencies(found: Distribution) -> list[str]:
    """Return what a distribution requires here, as conda writes it; extras are not for everyone."""
    names = ["python 3.11.*"]
    for text in found.requires or []:
        one = Requirement(text)
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            limits = ",".join(sorted(re.sub(r"\+[\w.]+", "", str(limit)) for limit in one.specifier))
            names.append(f"{conda_name(one.name)} {limits}".strip())
    return names


def files_of(found: Distribution) -> dict[str, Path]:
    """Return place in an environment -> file; commands, whose first line names this Python, are left out."""
    site = Path(found.locate_file("")).resolve()
    base = PurePosixPath("lib/python3.11/site-packages")
    files = {}
    for entry in found.files or []:
        place = os.path.normpath(base / PurePosixPath(entry))
        path = Path(os.path.normpath(site / entry))
        if path.is_file() and "__pycache__" not in entry.parts and place.startswith(("lib/", "share/", "include/")):
            files[place] = path
    return files


def python_files() -> dict[str, Path]:
    """Return the same of the interpreter and its library."""
    base = Path(sys.base_prefix)
    files = {"bin/python3.11": base / "bin/python3.11", "bin/python": base / "bin/python3.11"}
    library = base / "lib/python3.11"
    for folder, inner, names in os.walk(library):
        inner[:] = [one for one in inner if one not in UNNEEDED and not one.startswith("config-")]
        files |= {str(Path(folder, name).relative_to(base)): Path(folder, name) for name in names}
    files |= {f"lib/{path.name}": path for path in (base / "lib").glob("libpython3*so*")}
    return files


def write_package(channel: Path, name: str, version: str, depends: list[str], files: dict[str, Path]) -> None:
    """Write one package in conda's own form, a zip of two packed archives."""
    index = {"name": name, "version": version, "build": "test_0", "build_number": 0, "depends": depends}
    index |= {"arch": "x86_64", "platform": "linux", "subdir": PLATFORM, "timestamp": int(time.time() * 1000)}
    paths = []
    for place, path in sorted(files.items()):
        data = path.read_bytes()
        paths.append({"_path": place, "path_type": "hardlink", "sha256": hashlib.sha256(data).hexdigest(),
                      "size_in_bytes": len(data)})  # fmt: skip
    info = {
        "info/index.json": json.dumps(index), "info/about.json": "{}", "info/files": "\n".join(sorted(files)) + "\n",
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
    }  # fmt: skip
    stem = f"{name}-{version}-test_0"
    target = channel / PLATFORM / f"{stem}.conda"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as package:
        package.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
        for part, members in (("info", info), ("pkg", files)):
            with tempfile.NamedTemporaryFile(dir=channel) as packed:
                _pack(packed, members)
                packed.flush()
                package.write(packed.name, f"{part}-{stem}.tar.zst")


def _pack(target: BinaryIO, members: dict[str, Path] | dict[str, str]) -> None:
    """Write files, or texts, as one compressed archive."""
    import zstandard

    with (
        zstandard.ZstdCompressor(level=1).stream_writer(target, closefd=False) as writer,
        tarfile.open(fileobj=writer, mode="w|") as archive,
    ):
        for place, content in sorted(members.items()):
            about = tarfile.TarInfo(place)
            if isinstance(content, Path):
                about.size, about.mode = content.stat().st_size, content.stat().st_mode & 0o777
                with content.open("rb") as handle:
                    archive.addfile(about, handle)
            else:
                about.size = len(content.encode())
                archive.addfile(about, io.BytesIO(content.encode()))


def needed(wanted: set[str]) -> list[Distribution]:
    """Return the installed distributions of some names and all that they require."""
    here = {conda_name(found.metadata["Name"]): found for found in distributions()}
    todo, seen = list(wanted), {}
    while todo:
        name = todo.pop()
        if name in here and name not in seen and name not in LEFT_OUT:
            seen[name] = here[name]
            todo += [text.split()[0] for text in dependencies(here[name])]
    return [seen[name] for name in sorted(seen)]


def make_channel(folder: Path, wanted: set[str]) -> int:
    """Write the channel with some packages and what they require; return how many there are."""
    from rattler.index import index_fs

    for name in (PLATFORM, "noarch"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_package(folder, "python", ".".join(map(str, sys.version_info[:3])), [], python_files())
    found = needed(wanted | {"pip"})
    for one in found:
        name = conda_name(one.metadata["Name"])
        write_package(folder, name, version_of(one.version), dependencies(one), files_of(one))
    asyncio.run(index_fs(folder, force=True, write_zst=False, write_shards=False))
    return len(found) + 1
