"""Run the workflow from nothing several times, on one core and on two, and compare every result byte by byte.

    python tests/long/exact.py --configfile config/demo.yaml --cores 1 2

Timings aside: the key `seconds` of score files, the columns that tables take from it, benchmark files, and the page of
the run with its metadata, which repeat them (that the same files give the same page is a test of its own). A further
call must then plan nothing. Exit status 1 where anything differs.
"""

import argparse
import csv
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kills_reference import content, files

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
TIMED = "Seconds"  # heading of a table's column
TIMINGS = ("report.html", "ro-crate-metadata.json")  # show or hash figures that no two runs share


def _without_column(rows: list[list[str]], name: str) -> list[list[str]]:
    """Return rows without the columns of a heading in the nearest row above that has one."""
    kept, left_out = [], set()
    for row in rows:
        if name in row:
            left_out = {i for i, cell in enumerate(row) if cell == name}
        elif len(row) <= 1:
            left_out = set()
        kept.append([cell for i, cell in enumerate(row) if i not in left_out])
    return kept


def comparable(path: Path) -> bytes | None:
    """Return what of a file must not differ between two runs; None for one that holds timings throughout."""
    data = content(path)
    if path.name in TIMINGS:
        return None
    if path.parent.name == "tables" and path.suffix == ".csv":
        return repr(_without_column(list(csv.reader(io.StringIO(data.decode()))), "seconds")).encode()
    if path.parent.name == "tables" and TIMED.encode() in data:
        if path.suffix != ".md":
            return None  # shows what the .md shows
        rows = [[cell.strip() for cell in line.split("|")] for line in data.decode().splitlines()]
        return repr(_without_column(rows, TIMED)).encode()
    return data


def run(folder: Path, cores: int, configfiles: list[str], target: str, *more: str) -> str:
    """Run Snakemake in a folder; return what it said."""
    command = [str(SNAKEMAKE), "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--cores", str(cores), *more, "--configfile", *configfiles, "--", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-6000:]}")
    return done.stdout + done.stderr


def main() -> None:
    """Compare the runs that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tiny = ["config/demo.yaml", "tests/config/tiny.yaml"]
    parser.add_argument("--configfile", nargs="+", default=tiny, help=f"overlays; {' '.join(tiny)}")
    parser.add_argument(
        "--cores", type=int, nargs="+", default=[2, 2, 1], help="of each run, the first is compared with"
    )
    parser.add_argument("--target", default="all")
    asked = parser.parse_args()
    different = 0
    with tempfile.TemporaryDirectory() as top:
        folders = [Path(top, f"run{i}") for i in range(len(asked.cores))]
        for folder, cores in zip(folders, asked.cores, strict=True):
            began = time.monotonic()
            run(folder, cores, asked.configfile, asked.target)
            print(f"{folder.name}: {cores} core(s), {time.monotonic() - began:.0f} s", flush=True)
            if "Nothing to be done" not in run(folder, cores, asked.configfile, asked.target, "-n"):
                print(f"{folder.name}: a second call plans jobs")
                different += 1
        first = folders[0]
        names = files(first)
        for folder in folders[1:]:
            found = files(folder)
            wrong = [f"only in one of them: {name}" for name in sorted(names ^ found)]
            wrong += [
                f"differs: {name}"
                for name in sorted(names & found)
                if comparable(first / name) != comparable(folder / name)
            ]
            print(
                f"{folder.name} beside {first.name}: {len(names & found)} files, {len(wrong)} different",
                *wrong,
                sep="\n  ",
            )
            different += len(wrong)
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
