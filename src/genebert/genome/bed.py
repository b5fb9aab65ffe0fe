"""BED files and lists of region names."""

import csv
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import open_bytes
from genebert.genome.chromosomes import normalise_chromosome
from genebert.genome.intervals import parse_region_names


def _header_lines(handle: BinaryIO) -> tuple[int, bytes]:
    """Return how many lines come before the first line of data (blank, comment, track lines), and that line."""
    count = 0
    for line in handle:
        if line.strip() and not line.startswith((b"#", b"track", b"browser")):
            return count, line
        count += 1
    return count, b""


def read_bed(path: str | Path) -> pd.DataFrame:
    """Read the first three columns of a BED file, plain or gzip.

    Returns
    -------
    DataFrame
        Columns chrom (normalised), start, end (int64), in the order of the file.

    Raises
    ------
    InputError
        No region, fewer than three columns, a coordinate that is not a whole number, gzip data cut short.
    """
    with open_bytes(path) as handle:
        skip, first = _header_lines(handle)
    if not first:
        raise InputError(f"{path}: holds no region; expected lines of chrom, start and end")
    if len(first.split()) < 3:
        raise InputError(f"{path}: line {skip + 1} has {len(first.split())} columns; expected chrom, start and end")
    with open_bytes(path) as handle:
        table = pd.read_csv(
            handle, sep=r"\s+", header=None, names=["chrom", "start", "end"], usecols=[0, 1, 2], skiprows=skip,
            comment="#", quoting=csv.QUOTE_NONE, dtype=str, keep_default_na=False, na_values=[],
        )  # fmt: skip
    coordinates = {}
    for column in ("start", "end"):
        numbers = pd.to_numeric(table[column], errors="coerce")
        bad = numbers.isna() | (numbers % 1 != 0)
        if bad.any():
            row = table[bad].iloc[0]
            raise InputError(
                f"{path}: region {' '.join(str(value) for value in row)!r} has {column} {row[column]!r}; "
                "expected whole numbers as start and end"
            )
        coordinates[column] = numbers.to_numpy(np.int64)
    names = {name: normalise_chromosome(name) for name in table["chrom"].unique()}
    return pd.DataFrame({"chrom": table["chrom"].map(names), **coordinates})


def read_peaks(path: str | Path) -> pd.DataFrame:
    """Read the peaks of a Matrix Market file: BED, or one name such as ``chr1-752336-752980`` a line.

    Returns
    -------
    DataFrame
        Columns chrom (normalised), start, end (int64), in the order of the file.

    Raises
    ------
    InputError
        As :func:`read_bed`; or a name of another form.
    """
    with open_bytes(path) as handle:
        _, first = _header_lines(handle)
    if len(first.split()) != 1:
        return read_bed(path)
    with open_bytes(path) as handle:
        names = [line.strip() for line in handle.read().decode().splitlines()]
    return parse_region_names([name for name in names if name and not name.startswith("#")], str(path))
