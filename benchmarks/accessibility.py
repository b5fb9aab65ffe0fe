"""Time of the accessibility stage beside the time of only reading its matrix.

    PYTHONPATH=src python benchmarks/accessibility.py [--peak-copies 4] [--cell-copies 8] [--repeats 3]
        [--binarise min_fraction]

The matrix is BM0828 of the shared public data (or a random one of the same density where that is not present), tiled
along peaks and cells, with its regions laid on one simulated chromosome so that none is dropped. By default it holds
41.5 million entries, 288 a peak; the paper's atlas has about as many a peak (3x10^8 for 10^6 peaks). "read" is what a
user would do to get the matrix into memory: SciPy, rds2py, anndata. "stage" is build_accessibility: read, sum,
binarise, filter, write. Both run in fresh processes, in turns, after one call on the untiled matrix, so that imports
are not counted; the fastest runs are compared, in elapsed time and in processor time (which other work on the machine
disturbs less). Processor time is that of all threads and processes of a run; memory is the peak of its largest process.
"""

import argparse
import contextlib
import gzip
import io
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

TICK = 0.01  # seconds of processor time, the least that is counted
TARGET = 1.5
DIFFERS = "the stage also sums over the cells of each type, checks every count, binarises, filters regions and writes"
WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
STEP_BP, REGION_BP = 600, 500


def base_matrix(shared: Path) -> tuple[sp.csc_matrix, pd.Series, str]:
    """Return peaks x cells, the cells' types, and what it is."""
    from scipy.io import mmread

    if (shared / "matrix.mtx.gz").exists():
        cells = pd.read_csv(shared / "cells.tsv", sep="\t")
        return sp.csc_matrix(mmread(shared / "matrix.mtx.gz")), cells["cell_type"], "BM0828"
    rng = np.random.default_rng(0)
    matrix = sp.random(36_000, 540, density=0.07, format="csc", rng=rng)
    matrix.data = 1.0 + rng.poisson(0.3, matrix.nnz)
    return matrix, pd.Series([f"type{i % 7}" for i in range(540)]), "random"


def write_inputs(folder: Path, copies: tuple[int, int], shared: Path, first: int | None = None) -> str:
    """Write the tiled matrix, or its `first` peaks, as .mtx.gz, .RDS and .h5ad with its peaks, cells and genome."""
    import anndata
    from scipy.io import mmwrite

    with contextlib.redirect_stdout(io.StringIO()):  # it lists what is not installed
        from rds2py.lib_rds_parser import write_rds

    from genebert.genome.fasta import prepare_genome

    base, types, name = base_matrix(shared)
    matrix = sp.csc_matrix(sp.block_array([[base[:first]] * copies[1]] * copies[0], format="csc"))
    peaks, cells = matrix.shape
    starts = np.arange(peaks) * STEP_BP + 50
    names = [f"chr1-{start}-{start + REGION_BP}" for start in starts]
    barcodes = [f"cell{i}" for i in range(cells)]
    (folder / "peaks.txt").write_text("\n".join(names) + "\n")
    table = pd.DataFrame({"cell": barcodes, "cell_type": np.tile(types, copies[1])})
    table.to_csv(folder / "cells.tsv", sep="\t", index=False)

    text = io.BytesIO()
    mmwrite(text, matrix, field="integer", symmetry="general")
    with gzip.open(folder / "matrix.mtx.gz", "wb", compresslevel=6) as handle:
        handle.write(text.getbuffer())
    slots = {
        "i": matrix.indices.astype(np.int32),
        "p": matrix.indptr.astype(np.int32),
        "Dim": np.array(matrix.shape, dtype=np.int32),
        "Dimnames": {"type": "vector", "data": [{"type": "string", "data": n} for n in (names, barcodes)]},
        "x": matrix.data.astype(np.float64),
        "factors": {"type": "vector", "data": []},
    }
    write_rds(
        {"type": "S4", "class_name": "dgCMatrix", "package_name": "Matrix", "attributes": slots},
        str(folder / "matrix.RDS"),
    )
    columns = pd.Index(np.tile(types, copies[1]), dtype=object)
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical.from_codes(*columns.factorize())}, index=pd.Index(barcodes, dtype=object)
    )
    var = pd.DataFrame(index=pd.Index(names, dtype=object))
    anndata.AnnData(X=sp.csr_matrix(matrix.T), obs=obs, var=var).write_h5ad(folder / "matrix.h5ad")

    bases = np.frombuffer(b"ACGT", dtype=np.uint8)[np.random.default_rng(1).integers(0, 4, peaks * STEP_BP + 100)]
    lines = b"\n".join(bases[i : i + 60].tobytes() for i in range(0, len(bases), 60))
    (folder / "source.fa").write_bytes(b">chr1\n" + lines + b"\n")
    prepare_genome(folder / "source.fa", folder / "genome.fa", "simulated", ["chr1"])
    return f"{name} tiled {copies[0]} x {copies[1]}: {peaks:,} peaks x {cells:,} cells, {matrix.nnz:,} entries"


def read_only(folder: Path, kind: str):
    """Read the matrix as a user would."""
    import anndata
    import rds2py
    from scipy.io import mmread

    readers = {
        "mtx": lambda: mmread(folder / "matrix.mtx.gz"),
        "dgcmatrix": lambda: rds2py.read_rds(str(folder / "matrix.RDS")),
        "h5ad": lambda: anndata.read_h5ad(folder / "matrix.h5ad"),
    }
    return readers[kind]


def stage(folder: Path, kind: str, binarise: str = "any"):
    """Run the whole stage."""
    from genebert.accessibility.build import build_accessibility
    from genebert.settings.data import AccessibilitySettings

    name = {"mtx": "matrix.mtx.gz", "dgcmatrix": "matrix.RDS", "h5ad": "matrix.h5ad"}[kind]
    files = {"matrix": folder / name, "peaks": folder / "peaks.txt", "cells": folder / "cells.tsv"}
    rule = {"binarise": binarise, "min_fraction": 0.01 if binarise == "min_fraction" else None}
    settings = AccessibilitySettings(format=kind, **rule, **{key: str(path) for key, path in files.items()})
    return lambda: build_accessibility(settings, folder / "genome.fa", "simulated", ["chr1"], folder / kind)


def measure(job, folder: Path, kind: str) -> tuple[float, float, float]:
    """Return elapsed seconds, processor seconds and peak memory (GB) of one call in this process and its children."""
    with contextlib.redirect_stdout(io.StringIO()):
        job(folder / "small", kind)()
        call = job(folder, kind)
        began, began_cpu = time.perf_counter(), sum(os.times()[:4])
        call()
        seconds, cpu = time.perf_counter() - began, sum(os.times()[:4]) - began_cpu
    return seconds, cpu, max(resource.getrusage(who).ru_maxrss for who in WHO) / 1e6


def in_fresh_process(function, *arguments):
    """Call in a process of its own that may start others (a worker of multiprocessing.Pool may not)."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peak-copies", type=int, default=4)
    parser.add_argument("--cell-copies", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--smallest", action="store_true", help="2,000 peaks untiled, once; the figures say nothing")
    parser.add_argument("--formats", nargs="+", default=["mtx", "dgcmatrix", "h5ad"])
    parser.add_argument("--binarise", choices=["any", "min_fraction"], default="any", help="min_fraction counts cells")
    arguments = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    shared = Path(os.environ.get("GENEBERT_SHARED_DATA", root.parent / "shared" / "data")) / "scatac"
    copies, first, repeats = (arguments.peak_copies, arguments.cell_copies), None, arguments.repeats
    if arguments.smallest:
        copies, first, repeats = (1, 1), 2000, 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "small").mkdir()
        in_fresh_process(write_inputs, folder / "small", (1, 1), shared, first)
        print(in_fresh_process(write_inputs, folder, copies, shared, first), flush=True)
        print(f"target: ratio of {TARGET} or less\ndiffers: {DIFFERS}")
        print("format        read: s    cpu     GB   stage: s    cpu     GB   ratio: s    cpu")
        for kind in arguments.formats:
            figures = {job: [] for job in (read_only, partial(stage, binarise=arguments.binarise))}
            for _ in range(repeats):
                for job, runs in figures.items():
                    runs.append(in_fresh_process(measure, job, folder, kind))
            read, whole = ([min(column) for column in zip(*runs, strict=True)] for runs in figures.values())
            cells = "".join(f"{a:10.2f}{b:7.2f}{c:7.2f} " for a, b, c in (read, whole))
            print(f"{kind:<13}{cells}{whole[0] / read[0]:10.2f}{whole[1] / max(read[1], TICK):7.2f}", flush=True)


if __name__ == "__main__":
    main()
