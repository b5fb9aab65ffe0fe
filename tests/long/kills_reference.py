"""The undisturbed run of `make kills`: its jobs, a copy as it was before one of them, and the comparison with it."""

import base64
import csv
import json
import random
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

DATA = ("results", "resources")
DOWNLOAD, PLACED = "dnabert6/vocab.txt", "hscr/phenotypes.tsv"


@dataclass(frozen=True)
class Job:
    """One job of the reference.

    Attributes
    ----------
    rule, log : str
    outputs : frozenset of str
        What the rule declares.
    own : frozenset of str
        All files that the job writes.
    later : frozenset of str
        Files of the jobs that need it.
    seconds : float
        Of its script.
    bytes : int
        Of its files, in whole pages.
    """

    rule: str
    log: str
    outputs: frozenset[str]
    own: frozenset[str]
    later: frozenset[str]
    seconds: float
    bytes: int

    @property
    def name(self) -> str:
        """The rule with its wildcards."""
        return re.sub(r"^logs/(kills/|tiny/)?|\.log$", "", self.log)

    @property
    def target(self) -> str:
        """An output, which asks for all."""
        return min(self.outputs)

    def writes_into(self, work: Path) -> list[Path]:
        """Return the folders that it writes into, before its outputs have their names."""
        folders = {str(Path(path).parent) for path in self.outputs}
        if self.rule == "download":
            return [work / "resources/.partial"]
        return [work / folder for folder in sorted(folders)] + list(work.glob("results/*/checkpoints"))

    def log_text(self, work: Path) -> str:
        """Return its log, empty where there is none."""
        path = work / self.log
        return path.read_text(errors="replace") if path.is_file() else ""


def files(folder: Path) -> set[str]:
    """Return all results and resources of a run, and folders that hold something unfinished."""
    found = set()
    for top in DATA:
        for path in (folder / top).rglob("*"):
            name = path.relative_to(folder)
            if "benchmark" not in name.parts and path.name != ".snakemake_timestamp":
                if path.is_file():
                    found.add(str(name))
                elif path.name.startswith(".") and path.name != ".partial":
                    found.add(f"{name}/")
    return found


def content(path: Path) -> bytes:
    """Return the bytes of a file, without the one figure that no two runs share."""
    data = path.read_bytes()
    return re.sub(rb'"seconds": [0-9.e+-]+', b'"seconds": 0', data) if path.suffix == ".json" else data


def differences(reference: Path, work: Path, expected: set[str] | None) -> list[str]:
    """Compare files with the reference.

    Parameters
    ----------
    expected : set of str or None
        Files that must be there, and no others; None: those that are there, unfinished ones left out.
    """
    found = files(work)
    if expected is None:
        whole = {name for name in found if not any(part.startswith(".") for part in Path(name).parts)}
        whole = {name for name in whole if "checkpoints" not in Path(name).parts}
        missing, more = set(), whole - files(reference)
        found = whole
    else:
        missing, more = expected - found, found - expected
    changed = {name for name in found - more if content(work / name) != content(reference / name)}
    return [
        *(f"{name} is missing" for name in sorted(missing)),
        *(f"{name} is left over" for name in sorted(more)),
        *(f"{name} differs" for name in sorted(changed)),
    ]


def _records(folder: Path) -> dict[str, dict]:
    """Return Snakemake's records, by the output they are of."""
    records, top = {}, folder / ".snakemake/metadata"
    for path in top.rglob("*"):
        if path.is_file():
            name = "".join(part.removeprefix("@") for part in path.relative_to(top).parts)
            records[base64.urlsafe_b64decode(name).decode()] = json.loads(path.read_text())
    return records


def _seconds(folder: Path, log: str) -> float:
    """Return the seconds that a job's benchmark says."""
    parts = Path(log).with_suffix(".tsv").parts[1:]
    run = next((folder / "results").glob("*/tables")).parent.name
    parts = (run, "benchmark", *parts[1:]) if parts[0] == run else ("benchmark", *parts)
    with folder.joinpath("results", *parts).open() as handle:
        return float(next(csv.DictReader(handle, delimiter="\t"))["s"])


def jobs_of(folder: Path) -> list[Job]:
    """Return the jobs of a finished run."""
    records, everything = _records(folder), files(folder)
    outputs: dict[tuple[str, str], set[str]] = {}
    inputs: dict[tuple[str, str], set[str]] = {}
    for output, record in records.items():
        key = (record["rule"], record["log"][0])
        outputs.setdefault(key, set()).add(output)
        inputs[key] = set(record["input"])
    homes: dict[str, set] = {}  # folder: the jobs that write into it
    for key, paths in outputs.items():
        for path in paths:
            homes.setdefault(str(Path(path).parent), set()).add(key)

    def own(key: tuple[str, str]) -> frozenset[str]:
        paths = outputs[key]
        inner = {name for name in everything if any(name.startswith(f"{path}/") for path in paths)}
        beside = {
            name for name in everything - set(records) if homes.get(str(Path(name).parent)) == {key}
        }  # without a declaration
        if key[0] == "download":
            beside.add(f"resources/checksums/{DOWNLOAD}.sha256")
        return frozenset((paths & everything) | inner | beside)

    def after(key: tuple[str, str]) -> set[tuple[str, str]]:
        found, new = set(), {key}
        while new:
            made = set().union(*(outputs[one] for one in new))
            new = {one for one in outputs if inputs[one] & made} - found
            found |= new
        return found

    jobs = []
    for key in sorted(outputs):
        mine = own(key)
        pages = sum(-(-(folder / name).stat().st_size // 4096) * 4096 for name in mine)
        later = frozenset().union(*(own(one) for one in after(key)))
        jobs.append(Job(*key, frozenset(outputs[key]), mine, later, _seconds(folder, key[1]), pages))
    return jobs


def take_back(reference: Path, work: Path, job: Job) -> None:
    """Make `work` the reference as it was when `job` was still to do."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(reference, work, symlinks=True)
    (work / job.log).unlink()
    for name in job.own | job.later:
        (work / name).unlink()
    for name in job.outputs:
        if (work / name).is_dir():
            shutil.rmtree(work / name)
    for path in list((work / ".snakemake/metadata").rglob("*")):
        if path.is_file():
            name = "".join(part.removeprefix("@") for part in path.relative_to(work / ".snakemake/metadata").parts)
            if base64.urlsafe_b64decode(name).decode() in job.outputs | job.later:
                path.unlink()


def words() -> bytes:
    """Return the content of the file that is downloaded."""
    rng = random.Random(0)
    return "".join("".join(rng.choices("ACGT", k=6)) + "\n" for _ in range(60_000)).encode()


def targets(folder: Path) -> list[str]:
    """Return what an undisturbed run in `folder` makes: everything, a download, the check of a file placed by hand."""
    placed = folder / "resources" / PLACED
    placed.parent.mkdir(parents=True)
    placed.write_text("sample_id\tstatus\tsex\tsegment\tcohort\nA\t1\tM\tS\tHK\nB\t0\tF\tNA\tHK\n")
    return ["all", f"resources/{DOWNLOAD}", f"resources/placed/{PLACED}.json"]
