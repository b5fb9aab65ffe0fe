"""ChIP-seq peaks from ENCODE narrowPeak and from BED: where their centres are and how strong they are."""

from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import read_lines
from genebert.genome.chromosomes import normalise_chromosome

NARROW_PEAK_COLUMNS = 10
SIGNAL, SUMMIT = 6, 9  # columns of narrowPeak, counted from 0
NO_SUMMIT = -1


def _numbers(rows: list[list[str]], lines: list[int], column: int, what: str, whole: bool, path: Path) -> np.ndarray:
    """Return one column as numbers, or name the first line that has none."""
    texts = [row[column] for row in rows]
    values = pd.to_numeric(pd.Series(texts, dtype=str), errors="coerce").to_numpy(np.float64)
    wrong = ~np.isfinite(values) | (whole & (values != np.floor(values)))
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{path}: line {lines[i]}: {what} is {texts[i][:40]!r}, expected a {'whole ' if whole else ''}number"
        )
    return values.astype(np.int64) if whole else values


def read_chip_peaks(path: str | Path) -> pd.DataFrame:
    """Read ENCODE narrowPeak (ten columns), or BED of another number of columns, plain or gzip, separated by tabs.

    Lines that begin with ``#``, ``track`` or ``browser`` are skipped. Coordinates are 0-based half-open.

    Returns
    -------
    DataFrame
        One row a peak, in the order of the file. chrom (normalised), start, end (int64); signal (float64, narrowPeak's
        signalValue, NaN in BED); centre (int64, start + narrowPeak's column 10, or the middle where the summit is
        not given, which is -1 in narrowPeak); has_summit (bool).

    Raises
    ------
    InputError
        No peak, changing or too few columns, a value that is not a number, end <= start, or a summit outside its peak.
    """
    path = Path(path)
    lines, rows = [], []
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip() and not line.startswith(("#", "track", "browser")):
            lines.append(number)
            rows.append(line.split("\t"))
    if not rows:
        raise InputError(f"{path}: holds no peak; expected lines of narrowPeak (ten columns) or BED (three or more)")
    columns = len(rows[0])
    for number, row in zip(lines, rows, strict=True):
        if columns < 3 or len(row) != columns:
            expected = "ten (narrowPeak) or at least three (BED)" if columns < 3 else f"{columns} as in line {lines[0]}"
            raise InputError(f"{path}: line {number}: {len(row)} columns separated by tabs, expected {expected}")
    names = {name: normalise_chromosome(name) for name in {row[0] for row in rows}}
    start = _numbers(rows, lines, 1, "start", True, path)
    end = _numbers(rows, lines, 2, "end", True, path)
    signal = np.full(len(rows), np.nan)
    offset = np.full(len(rows), NO_SUMMIT)
    if columns == NARROW_PEAK_COLUMNS:
        signal = _numbers(rows, lines, SIGNAL, "signalValue (column 7)", False, path)
        offset = _numbers(rows, lines, SUMMIT, "summit (column 10)", True, path)
    wrong = (start < 0) | (end <= start)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise InputError(f"{path}: line {lines[i]}: peak is {start[i]}-{end[i]}, expected 0 <= start < end")
    has_summit = offset != NO_SUMMIT
    # Peak callers that round write the end itself now and then: 6 to 23 peaks of each ENCODE-DREAM CTCF file.
    wrong = has_summit & ((offset < 0) | (offset > end - start))
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{path}: line {lines[i]}: summit (column 10) is {offset[i]} in a peak of {end[i] - start[i]} bases, "
            f"expected 0 to {end[i] - start[i]} from its start, or -1 for none"
        )
    return pd.DataFrame(
        {
            "chrom": [names[row[0]] for row in rows],
            "start": start,
            "end": end,
            "signal": signal,
            "centre": start + np.where(has_summit, offset, (end - start) // 2),
            "has_summit": has_summit,
        }
    )
