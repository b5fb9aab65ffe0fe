"""Fix each package of the conda environments to a build and its checksum: ``envs/{stage}.{platform}.pin.txt``.

    python workflow/pin_envs.py                 # all, with the machine's conda: make pin-envs
    python workflow/pin_envs.py envs/tables.yaml

Snakemake takes a pin file in place of the environment's own file, on that platform, without solving. It then installs
nothing with pip, so that environments with a part for pip are left out: pinned they would lack those packages. (That,
and the build of torch, are why this is not ``snakedeploy pin-conda-envs``, which calls conda in the same way.)
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from genebert.errors import InputError
from genebert.files import atomic_path
from genebert.settings.load import load_yaml

ENVS = Path(__file__).resolve().parents[1] / "envs"
CUDA = "CONDA_OVERRIDE_CUDA"  # by which conda is told what the nodes have
ENDINGS = (".conda", ".tar.bz2")


def wanted(file: Path) -> tuple[dict[str, str], bool]:
    """Return package -> version of an environment's file, and whether pip installs something too."""
    entries = load_yaml(file)["dependencies"]
    return dict(one.split("=") for one in entries if isinstance(one, str)), any(
        isinstance(one, dict) for one in entries
    )


def pinned(text: str) -> dict[str, str]:
    """Return package -> version of what ``conda list --explicit`` prints: addresses of package files."""
    found = {}
    for line in text.splitlines():
        name = line.partition("#")[0].rpartition("/")[2]
        for ending in ENDINGS:
            if name.endswith(ending):
                package, version, _build = name.removesuffix(ending).rsplit("-", 2)
                found[package] = version
    return found


def differences(file: Path, text: str) -> list[str]:
    """Return the packages of an environment's file that its pins lack, or have in another version."""
    found = pinned(text)
    return [
        f"{name}={version} (pinned: {found.get(name, 'not at all')})"
        for name, version in wanted(file)[0].items()
        if not f"{found.get(name)}.".startswith(f"{version}.")
    ]


def problems(folder: Path) -> Iterator[str]:
    """Say which pin files of a folder Snakemake would take though they are not of their environment as it is now."""
    for pin in sorted(folder.glob("*.pin.txt")):
        file = folder / f"{pin.name.split('.')[0]}.yaml"
        if not file.exists():
            yield f"{pin.name}: found no {file.name} beside it"
        elif wanted(file)[1]:
            yield f"{pin.name}: found a part for pip in {file.name}, which nothing installs beside pins"
        elif other := differences(file, pin.read_text()):
            yield f"{pin.name}: found other versions than in {file.name}: {', '.join(other)}; make pin-envs"


def conda(*words: str | Path) -> str:
    """Return what conda prints.

    Raises
    ------
    InputError
        There is no conda, or it fails: its last line then.
    """
    if shutil.which("conda") is None:
        raise InputError(
            "conda: not found on PATH; expected one (Miniforge), which makes the environments to be pinned"
        )
    done = subprocess.run(["conda", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise InputError(
            f"conda {' '.join(map(str, words))}: found an error: {' '.join(said[-3:]) or 'without a word'}"
        )
    return done.stdout


def check_cuda(files: Sequence[Path]) -> None:
    """Raise an InputError if torch's build would be that of this machine by accident, and pinned for all nodes."""
    with_torch = [file.name for file in files if "pytorch" in wanted(file)[0]]
    if with_torch and CUDA not in os.environ and shutil.which("nvidia-smi") is None:
        raise InputError(f"{CUDA}: not set, and this machine shows no GPU; expected the CUDA of nodes, such as 12.9, "
                         f"for {', '.join(with_torch)} (empty: torch without CUDA)")  # fmt: skip


def pin(file: Path, platform: str) -> Path:
    """Make an environment, write what it holds beside its file, and remove it; return the pin file."""
    target = file.with_name(f"{file.stem}.{platform}.pin.txt")
    with tempfile.TemporaryDirectory(prefix="genebert-pin-") as folder:
        prefix = Path(folder, "env")
        conda("env", "create", "--quiet", "--file", file, "--prefix", prefix)
        text = conda("list", "--explicit", "--md5", "--prefix", prefix)
    if other := differences(file, text):
        raise InputError(f"{file}: conda made an environment with other packages; expected {', '.join(other)}")
    with atomic_path(target) as scratch:
        scratch.write_text(text)
    return target


def main(arguments: list[str] | None = None) -> int:
    """Pin the environments; the exit status is 1 after a sentence that says what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, default=sorted(ENVS.glob("*.yaml")), help="default: envs/*.yaml")
    files = parser.parse_args(arguments).files
    try:
        able = [file for file in files if not wanted(file)[1]]
        platform = json.loads(conda("info", "--json"))["platform"]
        check_cuda(able)
        for file in files:
            if file in able:
                print(pin(file, platform), flush=True)
            else:
                print(f"{file}: left out, for pip installs a part of it and Snakemake none beside pins", flush=True)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
