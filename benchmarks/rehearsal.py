"""The paper's size, rehearsed: matrix -> accessibility -> sequences -> motifs -> corpus, and batches from the corpus.

    PYTHONPATH=src python benchmarks/rehearsal.py [--fractions 0.0625 0.25 1] [--cores 2] [--folder FOLDER]

At full size: 1,000,029 regions of about 505 bp on chromosomes of hg19's lengths (bases: stretches of the shared real
chr20 where that is present, else simulated), 100,000 cells of 17 types, at least 3x10^8 entries, as a dgCMatrix .RDS
and as .mtx.gz. Each step is the workflow's own rule with the paper's configuration, run by Snakemake alone. "wall" is
the time of the job; "cpu" is that of Snakemake and the job with all its processes; "memory" is the peak of the
proportional set size of the job's processes (pages of mapped files included); "written" is the size of what the rule
leaves. "read" is a user's way to get the matrix into memory, in a process of its own: SciPy or rds2py. The two are not
equal work: the job also starts Python, imports, sums, checks, filters and writes. All figures are computed by this run.
About 25 GB of disk and 45 minutes on two cores.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import yaml
from rehearsal_inputs import Inputs, make_inputs

ROOT = Path(__file__).resolve().parent.parent
RUN = "rehearsal"
GB_NEEDED = 26  # at full size
BATCH, MAX_TOKENS = 128, 5120


@dataclass(frozen=True)
class Cost:
    """What a step took: seconds, bytes."""

    wall: float
    cpu: float
    memory: int
    written: int = 0


class _MemoryWatch(threading.Thread):
    """Records the peak of the proportional set size of all processes below `parent`, without itself."""

    def __init__(self, parent: int):
        super().__init__(daemon=True)
        self.parent, self.peak, self.done = parent, 0, threading.Event()

    def run(self) -> None:
        import psutil

        while not self.done.wait(0.2):
            total = 0
            with contextlib.suppress(psutil.Error):
                for process in psutil.Process(self.parent).children(recursive=True):
                    with contextlib.suppress(OSError):
                        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                            if line.startswith("Pss:"):
                                total += int(line.split()[1]) * 1024
            self.peak = max(self.peak, total)


def run_rule(folder: Path, rule: str, cores: int) -> Cost:
    """Run one rule of the workflow and return what its job took."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder]
    command += ["--cores", str(cores), "--configfile", folder / "config.yaml", "--quiet", "all", "--", rule]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (folder / "snakemake.log").open("w") as log:
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, env=environment)
        watch = _MemoryWatch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        watch.done.set()
        watch.join()
    if status:
        sys.exit(f"rule {rule} failed:\n{(folder / 'snakemake.log').read_text()}")
    record = (folder / f"results/{RUN}/benchmark/{rule}/{rule}.tsv").read_text().splitlines()
    wall = float(dict(zip(record[0].split("\t"), record[1].split("\t"), strict=True))["s"])
    outputs = folder / f"results/{RUN}" / {"groups": "corpus"}.get(rule, rule)
    written = sum(path.stat().st_size for path in outputs.rglob("*") if path.is_file())
    return Cost(wall, usage.ru_utime + usage.ru_stime, watch.peak, written)


def _read(kind: str, path: str) -> tuple[float, float, int]:
    from scipy.io import mmread

    with contextlib.redirect_stdout(io.StringIO()):
        import rds2py
    began, began_cpu = time.perf_counter(), time.process_time()
    mmread(path) if kind == "mtx" else rds2py.read_rds(path)
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    return seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _batches(folder: str, seconds: float) -> dict:
    """Draw random batches on one core; returns batches and tokens a second, and the memory this process took."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import torch

    from genebert.corpus.batches import SampleEncoder
    from genebert.corpus.groups import TRAIN, Groups
    from genebert.corpus.order import SampleOrder
    from genebert.genome.sequences import RegionSequences
    from genebert.motifs.matrix import load_motif_matrix

    torch.set_num_threads(1)
    results = Path(folder) / f"results/{RUN}"
    encoder = SampleEncoder(
        RegionSequences.load(results / "sequences"),
        load_motif_matrix(results / "motifs"),
        6, MAX_TOKENS, torch.device("cpu"),
    )  # fmt: skip
    order = SampleOrder(Groups.load(results / "corpus").subset(TRAIN), BATCH, seed=1)
    for step in range(5):
        encoder.encode(order.draw(step))
    done, tokens, began = 0, 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        batch = encoder.encode(order.draw(5 + done))
        done, tokens = done + 1, tokens + int(batch.lengths.sum())
    passed = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"batches_per_s": done / passed, "tokens_per_s": tokens / passed, "memory": memory}


def in_fresh_process(function, *arguments):
    """Call in a process of its own, so that memory and imports are its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def write_config(folder: Path, inputs: Inputs, fraction: float, kind: str) -> None:
    """Write the overlay: the paper's configuration with these inputs."""
    settings = {"format": kind, "matrix": str(inputs.mtx if kind == "mtx" else inputs.rds)}
    settings |= {"cells": str(inputs.cells), "peaks": str(inputs.peaks) if kind == "mtx" else None}
    overlay = {
        "run": RUN,
        "scale": f"rehearsal, {fraction:g} of the paper's size",
        "genome": {"build": "hg19" if fraction == 1 else RUN, "fasta": str(inputs.genome)},
        "accessibility": settings,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(overlay))


def _same_matrix(first: Path, second: Path) -> bool:
    """Compare the stored matrices of two accessible.h5ad files."""
    import h5py

    with h5py.File(first) as a, h5py.File(second) as b:
        return all(np.array_equal(a[f"X/{key}"][:], b[f"X/{key}"][:]) for key in ("data", "indices", "indptr"))


def rehearse(folder: Path, fraction: float, cores: int, shared: Path) -> dict:
    """Make the inputs of one size, run all steps, and return the costs."""
    began = time.perf_counter()
    inputs = in_fresh_process(make_inputs, folder / "inputs", fraction, shared)
    print(
        f"\n{fraction:g} of the paper's size: {inputs.regions:,} regions, {inputs.bases:,} bp ({inputs.origin}), "
        f"{inputs.entries:,} entries; inputs made in {time.perf_counter() - began:.0f} s: "
        f"mtx.gz {inputs.mtx.stat().st_size / 1e9:.2f} GB, RDS {inputs.rds.stat().st_size / 1e9:.2f} GB",
        flush=True,
    )
    costs: dict[str, Cost] = {}

    def report(name: str, cost: Cost, note: str = "") -> None:
        costs[name] = cost
        print(
            f"  {name:<24}{cost.wall:9.1f}{cost.cpu:9.1f}{cost.memory / 1e9:10.2f}{cost.written / 1e9:10.3f}  {note}",
            flush=True,
        )

    print(f"  {'':<24}{'wall s':>9}{'cpu s':>9}{'memory GB':>10}{'written GB':>10}")
    write_config(folder, inputs, fraction, "dgcmatrix")
    report("genome", run_rule(folder, "genome", cores))
    accessible = folder / f"results/{RUN}/accessibility/accessible.h5ad"
    for kind, path in (("dgcmatrix", inputs.rds), ("mtx", inputs.mtx)):
        read = Cost(*in_fresh_process(_read, kind, str(path)))
        report(f"read only, {kind}", read)
        write_config(folder, inputs, fraction, kind)
        cost = run_rule(folder, "accessibility", cores)
        report(f"accessibility, {kind}", cost, f"{cost.wall / read.wall:.2f} x reading (target 1.5)")
        if kind == "dgcmatrix":
            shutil.copyfile(accessible, folder / "from_rds.h5ad")
    if not _same_matrix(folder / "from_rds.h5ad", accessible):
        sys.exit("the two formats gave different accessibility")
    report("sequences", run_rule(folder, "sequences", cores), "target 120 s")
    report("motifs", run_rule(folder, "motifs", cores), f"{cores} processes; target 900 s, 4 GB")
    report("corpus", run_rule(folder, "groups", cores), "target 120 s")
    drawn = in_fresh_process(_batches, str(folder), min(15.0, 240 * fraction))
    info = json.loads((folder / f"results/{RUN}/corpus/corpus.json").read_text())
    print(
        f"  {info['region_cell_type_pairs']:,} accessible pairs, {info['groups']:,} samples; random batches of {BATCH} "
        f"on one core: {drawn['batches_per_s']:.1f}/s (target 50), {drawn['tokens_per_s'] / 1e6:.1f} M tokens/s, "
        f"{drawn['memory'] / 1e9:.2f} GB",
        flush=True,
    )
    return {"inputs": inputs, "costs": costs, **drawn}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fractions", type=float, nargs="+", default=[1 / 16, 1 / 4, 1])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--smallest", action="store_true", help="two hundred regions; the figures say nothing")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("GENEBERT_SHARED_DATA", ROOT.parent / "shared" / "data"))
    rows = {}
    for fraction in [0.0002] if arguments.smallest else sorted(arguments.fractions):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            free = shutil.disk_usage(name).free / 1e9
            if free < GB_NEEDED * fraction:
                sys.exit(
                    f"{name}: {free:.0f} GB free, expected {GB_NEEDED * fraction:.0f} (--folder names another place)"
                )
            rows[fraction] = rehearse(Path(name), fraction, arguments.cores, shared)
    fractions = list(rows)
    if len(fractions) > 1:
        print("\ngrowth of the wall time from size to size (1 = in proportion)")
        print(f"  {'':<24}{''.join(f'{size:>10g}' for size in fractions[1:])}")
        for step in rows[fractions[0]]["costs"]:
            growth = [
                rows[large]["costs"][step].wall / rows[small]["costs"][step].wall / (large / small)
                for small, large in pairwise(fractions)
            ]
            print(f"  {step:<24}{''.join(f'{value:10.2f}' for value in growth)}")


if __name__ == "__main__":
    main()
