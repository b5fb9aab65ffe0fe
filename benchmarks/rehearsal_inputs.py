"""Inputs of the paper's size for the rehearsal: a genome, a million regions on it, and counts of 100,000 cells."""

import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.genome.bases import decode
from genebert.genome.builds import BUILD_LENGTHS
from genebert.genome.fasta import Genome, prepare_genome
from genebert.genome.intervals import region_names

FULL_REGIONS, MEAN_BP = 1_000_029, 504.6  # the paper's union (docs/facts.md 22)
CELLS, CELL_TYPES = 100_000, 17
ENTRIES_PER_REGION = 306  # before repeats within a cell are dropped: just above 3x10^8 in all
PIECE = 1 << 24
STRETCH = 10_000  # bases of chr20 in a row
LINE = 60


@dataclass(frozen=True)
class Inputs:
    """Paths of the files and what they hold."""

    genome: Path
    mtx: Path
    rds: Path
    peaks: Path
    cells: Path
    regions: int
    entries: int
    bases: int
    origin: str


def deflate(pieces: Iterator[bytes], path: Path) -> None:
    """Write one gzip member, its blocks compressed by two threads (as `pigz` does)."""

    def compress(piece: bytes) -> tuple[bytes, bytes]:
        worker = zlib.compressobj(1, zlib.DEFLATED, -15)
        return piece, worker.compress(piece) + worker.flush(zlib.Z_FULL_FLUSH)

    crc, size = 0, 0
    with path.open("wb") as out, ThreadPoolExecutor(2) as pool:
        out.write(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
        waiting = []
        for piece in pieces:
            waiting.append(pool.submit(compress, piece))
            if len(waiting) < 4:
                continue
            crc, size = _drain(waiting.pop(0), out, crc, size)
        for job in waiting:
            crc, size = _drain(job, out, crc, size)
        out.write(zlib.compressobj(1, zlib.DEFLATED, -15).flush(zlib.Z_FINISH))
        out.write(struct.pack("<II", crc, size & 0xFFFFFFFF))


def _drain(job, out, crc: int, size: int) -> tuple[int, int]:
    piece, packed = job.result()
    out.write(packed)
    return zlib.crc32(piece, crc), size + len(piece)


def _template(shared: Path, folder: Path) -> tuple[np.ndarray, str]:
    """Return base letters to sample from: real chr20 without its N, or random bases with 41 % GC."""
    fasta = shared / "genome/chr20.fa.gz"
    if fasta.exists():
        prepare_genome(fasta, folder / "chr20.fa", "hg19", ["chr20"])
        codes = Genome(folder / "chr20.fa").codes("chr20")
        return np.frombuffer(decode(codes[codes < 4]).encode(), dtype=np.uint8), "stretches of real chr20"
    drawn = np.random.default_rng(0).choice(4, 60_000_000, p=[0.295, 0.205, 0.205, 0.295])
    return np.frombuffer(b"ACGT", dtype=np.uint8)[drawn], "simulated bases"


def _fasta(template: np.ndarray, lengths: dict[str, int], rng: np.random.Generator) -> Iterator[bytes]:
    for name, length in lengths.items():
        starts = rng.integers(0, len(template) - STRETCH, length // STRETCH + 1)
        yield f">{name}\n".encode()
        per_piece = PIECE // STRETCH // 6 * 6
        for first in range(0, len(starts), per_piece):
            here = starts[first : first + per_piece]
            text = template[here[:, None] + np.arange(STRETCH)].reshape(-1)[: length - first * STRETCH]
            whole = len(text) // LINE * LINE
            lines = np.full((whole // LINE, LINE + 1), ord("\n"), dtype=np.uint8)
            lines[:, :LINE] = text[:whole].reshape(-1, LINE)
            rest = text[whole:].tobytes()
            yield lines.tobytes() + (rest + b"\n" if rest else b"")


def _regions(lengths: dict[str, int], number: int, rng: np.random.Generator) -> pd.DataFrame:
    """Lay regions of log-normal length, about 505 bp, at random and without overlap."""
    total = sum(lengths.values())
    tables = []
    shares = np.array(list(lengths.values())) / total
    counts = np.floor(shares * number).astype(int)
    counts[0] += number - counts.sum()
    for (name, length), count in zip(lengths.items(), counts, strict=True):
        widths = np.clip(rng.lognormal(np.log(MEAN_BP) - 0.08, 0.4, count).round().astype(np.int64), 150, 4000)
        gaps = rng.exponential(1.0, count + 1)
        gaps = np.floor(gaps / gaps.sum() * (length - widths.sum())).astype(np.int64)
        starts = np.cumsum(gaps[:-1] + np.concatenate(([0], widths[:-1])))
        tables.append(pd.DataFrame({"chrom": name, "start": starts, "end": starts + widths}))
    return pd.concat(tables, ignore_index=True)


def _columns(
    n_regions: int, types: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (regions, cells, counts) of 500 cells at a time, by cell and then by region."""
    n_types = int(types.max()) + 1
    opened = rng.random((n_types, n_regions)) < rng.beta(0.5, 1.0, n_regions)
    strength = rng.lognormal(0, 0.8, n_regions)
    weights = [np.cumsum(np.where(row, strength, 0.02 * strength)) for row in opened]
    mean = ENTRIES_PER_REGION * n_regions / len(types)
    for first in range(0, len(types), 500):
        regions, cells = [], []
        for cell in range(first, min(first + 500, len(types))):
            number = int(mean * rng.gamma(4, 0.25)) + 1
            # Sorted uniform numbers without sorting: spacings of a Poisson process.
            places = np.cumsum(rng.standard_exponential(number + 1, dtype=np.float32), dtype=np.float64)
            cdf = weights[types[cell]]
            found = np.searchsorted(cdf, places[:-1] * (cdf[-1] / places[-1]))
            found = found[np.diff(found, prepend=-1) > 0]
            regions.append(found.astype(np.int32))
            cells.append(np.full(len(found), cell, np.int32))
        drawn = np.concatenate(regions)
        yield drawn, np.concatenate(cells), 1 + (rng.random(len(drawn), dtype=np.float32) < 0.2).astype(np.uint8)


def _symbol(name: bytes) -> bytes:
    return struct.pack(">iii", 1, 0x00040009, len(name)) + name


def _strings(names: list[str], flags: int = 16) -> bytes:
    items = (struct.pack(">ii", 0x00040009, len(name)) + name.encode() for name in names)
    return struct.pack(">ii", flags, len(names)) + b"".join(items)


def _rds(
    shape: tuple[int, int], pointers: np.ndarray, names: tuple[list[str], list[str]], rows: Path, counts: Path
) -> Iterator[bytes]:
    """Yield a dgCMatrix in the form of R's saveRDS (XDR, version 3)."""
    n_entries = int(pointers[-1])
    tag = struct.pack(">i", 0x402)
    yield b"X\n" + struct.pack(">iiii", 3, 0x00040202, 0x00030500, 5) + b"UTF-8" + struct.pack(">i", 0x00010319)
    yield tag + _symbol(b"i") + struct.pack(">ii", 13, n_entries)
    with rows.open("rb") as handle:
        while piece := handle.read(PIECE):
            yield np.frombuffer(piece, dtype="<i4").astype(">i4").tobytes()
    yield tag + _symbol(b"p") + struct.pack(">ii", 13, len(pointers)) + pointers.astype(">i4").tobytes()
    yield tag + _symbol(b"Dim") + struct.pack(">iiii", 13, 2, *shape)
    yield tag + _symbol(b"Dimnames") + struct.pack(">ii", 19, 2) + _strings(names[0]) + _strings(names[1])
    yield tag + _symbol(b"x") + struct.pack(">ii", 14, n_entries)
    with counts.open("rb") as handle:
        while piece := handle.read(PIECE >> 3):
            yield np.frombuffer(piece, dtype=np.uint8).astype(">f8").tobytes()
    yield tag + _symbol(b"factors") + struct.pack(">ii", 19, 0)
    yield tag + _symbol(b"class") + _strings(["dgCMatrix"], 0x210)
    yield tag + _symbol(b"package") + _strings(["Matrix"]) + struct.pack(">ii", 0xFE, 0xFE)


def _market(shape: tuple[int, int], pointers: np.ndarray, rows: Path, counts: Path) -> Iterator[bytes]:
    """Yield the matrix as Matrix Market text."""
    from scipy.io import mmwrite
    from scipy.sparse import coo_array

    yield b"%%MatrixMarket matrix coordinate integer general\n" + f"{shape[0]} {shape[1]} {pointers[-1]}\n".encode()
    step = 1 << 22
    with rows.open("rb") as row_file, counts.open("rb") as count_file:
        for first in range(0, int(pointers[-1]), step):
            row = np.frombuffer(row_file.read(4 * step), dtype="<i4")
            count = np.frombuffer(count_file.read(step), dtype=np.uint8).astype(np.int64)
            column = np.searchsorted(pointers, np.arange(first, first + len(row)), side="right") - 1
            text = BytesIO()
            mmwrite(text, coo_array((count, (row, column)), shape=shape), field="integer", symmetry="general")
            # The text of a part begins with its own header.
            body = text.getvalue()
            place = body.index(f" {len(row)}\n".encode(), body.index(b"\n")) + len(f" {len(row)}\n")
            yield body[place:]


def make_inputs(folder: Path, fraction: float, shared: Path) -> Inputs:
    """Write all files into `folder`; regions, entries and genome are `fraction` of the paper's."""
    rng = np.random.default_rng(7)
    names = [f"chr{i}" for i in [*range(1, 23), "X"]]
    lengths = {name: int(BUILD_LENGTHS["hg19"][name] * fraction) for name in names}
    folder.mkdir(parents=True, exist_ok=True)
    template, origin = _template(shared, folder)
    deflate(_fasta(template, lengths, rng), folder / "genome.fa.gz")
    del template

    regions = _regions(lengths, round(FULL_REGIONS * fraction), rng)
    regions.to_csv(folder / "peaks.bed", sep="\t", header=False, index=False)
    types = rng.choice(CELL_TYPES, CELLS, p=rng.dirichlet(np.full(CELL_TYPES, 2.0)))
    barcodes = [f"cell{i:06d}" for i in range(CELLS)]
    table = pd.DataFrame({"cell": barcodes, "cell_type": [f"type {t + 1}" for t in types]})
    table.to_csv(folder / "cells.tsv", sep="\t", index=False)

    rows, counts = folder / "rows.bin", folder / "counts.bin"
    per_cell = np.zeros(CELLS, dtype=np.int64)
    with rows.open("wb") as row_file, counts.open("wb") as count_file:
        for region, cell, count in _columns(len(regions), types, rng):
            row_file.write(region.astype("<i4").tobytes())
            count_file.write(count.tobytes())
            per_cell += np.bincount(cell, minlength=CELLS)
    pointers = np.concatenate(([0], np.cumsum(per_cell)))
    shape = (len(regions), CELLS)
    deflate(_rds(shape, pointers, (region_names(regions), barcodes), rows, counts), folder / "matrix.RDS")
    deflate(_market(shape, pointers, rows, counts), folder / "matrix.mtx.gz")
    rows.unlink()
    counts.unlink()
    bases = int((regions["end"] - regions["start"]).sum())
    return Inputs(
        folder / "genome.fa.gz", folder / "matrix.mtx.gz", folder / "matrix.RDS", folder / "peaks.bed",
        folder / "cells.tsv", len(regions), int(pointers[-1]), bases, origin,
    )  # fmt: skip
