"""What Snakemake asks of ``conda``, answered with the local channel of the tests: a real solve, a real installation.

The environment variables are set by ``tests/conda/run.py``: the channel, and the modules that a job may load from
outside its environment, those of Snakemake itself.
"""

import asyncio
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Snakemake adds its own packages to the path of every script, so that a package that an environment lacks would be
# found there all the same. With this only what Snakemake itself loads is.
SITE = """\
import os, sys
from importlib.machinery import PathFinder

OWN, INSIDE = set(os.environ.get("CONDA_TEST_OWN", "").split()), os.path.realpath(sys.prefix) + os.sep


class Finder:
    find_distributions = staticmethod(PathFinder.find_distributions)
    invalidate_caches = staticmethod(PathFinder.invalidate_caches)

    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target)
        places = [] if spec is None else [*(spec.submodule_search_locations or ()), spec.origin or ""]
        # Parts of a package without `__init__` may lie in both.
        outside = [one for one in places if "site-packages" in one and not os.path.realpath(one).startswith(INSIDE)]
        inside = [one for one in places if os.path.realpath(one).startswith(INSIDE)]
        foreign = outside and not inside
        return None if foreign and name.partition(".")[0] not in OWN else spec


sys.meta_path[:] = [Finder if one is PathFinder else one for one in sys.meta_path]
"""


async def create(specs: list[str], prefix: Path) -> None:
    """Make an environment of some packages and what they require."""
    from rattler import Channel, Gateway, MatchSpec, VirtualPackage, install, solve

    records = await solve(
        sources=[Channel(Path(os.environ["CONDA_TEST_CHANNEL"]).as_uri())], specs=[MatchSpec(one) for one in specs],
        gateway=Gateway(), platforms=["linux-64", "noarch"], virtual_packages=VirtualPackage.detect(),
    )  # fmt: skip
    cache = Path(os.environ["CONDA_TEST_CHANNEL"]) / "cache"
    await install(records=records, target_prefix=prefix, cache_dir=cache, show_progress=False)


def environment(file: Path, prefix: Path) -> None:
    """Make the environment of a file."""
    import yaml

    entries = yaml.safe_load(file.read_text())["dependencies"]
    specs = [one for one in entries if isinstance(one, str)]
    # The files pin conda's pip; the tests have another, and nothing of what is run depends on it.
    asyncio.run(create(["pip" if one.startswith("pip=") else one for one in specs], prefix))
    (prefix / "conda-meta" / "history").touch()
    site = prefix / "lib/python3.11/site-packages"
    (site / "sitecustomize.py").write_text(SITE)
    for entry in entries:
        if isinstance(entry, dict):
            command = [prefix / "bin/python", "-m", "pip", "install", "--quiet", *entry["pip"]]
            subprocess.run(command, check=True)


def main(words: list[str]) -> None:
    """Answer one call."""
    options = dict(pairwise(words))
    if words[0] == "info":
        root = str(HERE)
        print(json.dumps({"conda_prefix": root, "root_prefix": root, "platform": "linux-64"}))
    elif words[0] == "--version":
        print("conda 25.1.1")
    elif words[0] == "config":
        print(json.dumps({"get": {"channel_priority": "strict"}, "success": True}))
    elif words[:2] == ["env", "create"]:
        environment(Path(options["--file"]), Path(options["--prefix"]))
    elif words[0] != "clean":  # its packages are the channel's, which stays
        sys.exit(f"the tests' conda does not know: {' '.join(words)}")


if __name__ == "__main__":
    main(sys.argv[1:])
