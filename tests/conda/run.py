"""The demo at test size with ``--use-conda``, each rule in the environment that ``envs/`` gives it: `make test-conda`.

A conda on the machine makes the environments from the true channels. Where there is none, one stands in that installs
from a channel made of this machine's own packages (``channel.py``); a job then finds nothing outside its environment
but Snakemake's own modules.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOOLS = ("py-rattler==0.28.0", "zstandard==0.25.0")
DEMO = ("--configfile", "config/demo.yaml", "tests/config/tiny.yaml")


def snakemakes_own() -> set[str]:
    """Return the modules that Snakemake loads in a script: those of a script that does nothing else."""
    code = "import sys; from snakemake.logging import logger; from snakemake.iocontainers import Snakemake; " \
           "print(*{name.partition('.')[0] for name in sys.modules})"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def wanted() -> set[str]:
    """Return the conda packages that the environments name."""
    import yaml

    files = [yaml.safe_load(path.read_text()) for path in (ROOT / "envs").glob("*.yaml")]
    return {entry.split("=")[0] for file in files for entry in file["dependencies"] if isinstance(entry, str)}


def stand_in(folder: Path) -> dict[str, str]:
    """Make the channel, and return the environment variables with which the stand-in is found."""
    tools, channel = folder / "tools", folder / "channel"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tools, *TOOLS]
    subprocess.run(command, check=True)
    sys.path[:0] = [str(tools), str(HERE)]
    from channel import make_channel

    if not (channel / "noarch/repodata.json").exists():  # written last
        print(f"{make_channel(channel, wanted())} packages in {channel}", flush=True)
    return {
        "PATH": f"{HERE / 'bin'}:{os.environ['PATH']}",
        "CONDA_TEST_TOOLS": str(tools),
        "CONDA_TEST_PYTHON": sys.executable,
        "CONDA_TEST_CHANNEL": str(channel),
        "CONDA_TEST_OWN": " ".join(sorted(snakemakes_own())),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run it; the exit status is 0 if all rules ran, each in its own environment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", default="2")
    parser.add_argument("--folder", type=Path, help="of environments and results; default: a temporary one")
    parser.add_argument("targets", nargs="*", default=["all"])
    given = parser.parse_args(arguments)
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="genebert-conda-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    true = shutil.which("conda")
    print(f"conda: {true or 'none; its stand-in installs what the tests run with'}", flush=True)
    environment = os.environ | ({} if true else stand_in(folder))
    run = folder / "run"
    command = [Path(sys.executable).with_name("snakemake"), "--use-conda", "--cores", given.cores, "--directory", run]
    status = subprocess.run([*command, *DEMO, "--", *given.targets], cwd=ROOT, env=environment, check=False).returncode
    made = sorted(path.name for path in (run / ".snakemake/conda").glob("*") if path.is_dir())
    print(f"{len(made)} environments; Snakemake's exit status: {status}")
    if given.folder is None:
        shutil.rmtree(folder)
    return int(bool(status or not made))


if __name__ == "__main__":
    sys.exit(main())
