"""BED and files like it: regions, lists of region names, and ChIP-seq peaks with their summits.

Lines that are blank or begin with ``#``, ``track`` or ``browser`` hold no data. Coordinates are 0-based half-open.
"""

import csv
import io
import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import read_lines
from genebert.genome.chromosomes import normalise_chromosome
from genebert.genome.intervals import check_bounds, parse_region_names
from genebert.genome.tables import refuse

logger = logging.getLogger(__name__)

REGION = {0: "chrom", 1: "start", 2: "end"}
NO_SUMMIT = -1
# Columns of peak files beside those of BED, which has neither signal nor summit (docs/facts.md 37).
PEAK_COLUMNS = {
    "narrowPeak": {6: "signal", 9: "summit"},
    "broadPeak": {6: "signal"},
    "gappedPeak": {12: "signal"},
    "BED": {},
}
NARROW, BROAD, GAPPED = 10, 9, 15  # how many columns they have


def data_lines(path: str | Path, expected: str) -> pd.Series:
    """Return the lines that hold data (str) of a plain or gzip file, each with its number in the file as its index.

    Raises
    ------
    InputError
        There is none, and `expected` (``region; expected ...``) says what the file should hold; or it cannot be read.
    """
    lines = read_lines(path)
    holds_data = [bool(line.strip()) and not line.startswith(("#", "track", "browser")) for line in lines]
    if not any(holds_data):
        raise InputError(f"{path}: holds no {expected}")
    return pd.Series(lines, index=range(1, len(lines) + 1), dtype=object)[holds_data]


def split_columns(
    lines: pd.Series, separator: str, columns: dict[int, str], text: Sequence[str] = ("chrom",)
) -> pd.DataFrame:
    """Return some of the columns (key: their place, value: their name) of lines of data, with the same index.

    The columns in `text` hold text; so do others, unless every line has a number in them. What a line lacks is empty.
    """
    table = pd.read_csv(
        io.StringIO("\n".join(lines)), sep=separator, header=None, names=list(columns.values()), usecols=list(columns),
        dtype=dict.fromkeys(text, str), quoting=csv.QUOTE_NONE, na_filter=False, low_memory=False,
    )  # fmt: skip
    return table.set_index(lines.index)


def numbers(column: pd.Series, where: str | Path, what: str, *, whole: bool = True) -> np.ndarray:
    """Return a column of text as numbers (int64, or float64 if not `whole`), or name the first line without one."""
    if pd.api.types.is_integer_dtype(column) and whole:
        return column.to_numpy(np.int64)
    # R writes 100000 as 1e+05, which is whole.
    values = pd.to_numeric(column.astype(str), errors="coerce").to_numpy(np.float64)
    wrong = ~np.isfinite(values) | (whole & (values != np.floor(values)))
    refuse(wrong, column, where, what, f"a {'whole ' if whole else ''}number")
    return values.astype(np.int64) if whole else values


def regions_of(table: pd.DataFrame, where: str | Path) -> pd.DataFrame:
    """Return the regions of a table with the columns chrom, start and end: chrom normalised, start and end int64.

    Raises
    ------
    InputError
        A line without whole numbers, or not ``0 <= start < end``.
    """
    places = {name: numbers(table[name], where, name) for name in ("start", "end")}
    regions = pd.DataFrame({"chrom": table["chrom"].map(normalise_chromosome), **places})
    check_bounds(regions, where, "line")
    return regions


def _bed_regions(lines: pd.Series, path: str | Path) -> pd.DataFrame:
    """Return the regions of lines of BED, whose columns are separated by any white space."""
    columns = len(re.findall(r"[^ \t]+", lines.iloc[0]))  # what pandas takes for white space
    if columns < len(REGION):
        raise InputError(f"{path}: line {lines.index[0]}: {columns} columns, expected chrom, start and end")
    return regions_of(split_columns(lines, r"\s+", REGION), path).reset_index(drop=True)


def read_bed(path: str | Path) -> pd.DataFrame:
    """Read the first three columns of a BED file, plain or gzip, separated by any white space.

    Returns
    -------
    DataFrame
        Columns chrom (normalised), start, end (int64), in the order of the file.

    Raises
    ------
    InputError
        No region, fewer than three columns, a coordinate that is no whole number, or not ``0 <= start < end``.
    """
    return _bed_regions(data_lines(path, "region; expected lines of chrom, start and end"), path)


def read_peaks(path: str | Path, names: str = "0-based") -> pd.DataFrame:
    """Read the peaks of a Matrix Market file, BED or one name such as ``chr1-752336-752980`` a line, as `read_bed`.

    `names` says how names count bases, as in :func:`genebert.genome.intervals.parse_region_names`.
    """
    lines = data_lines(path, "region; expected lines of chrom, start and end, or names of regions")
    if len(lines.iloc[0].split()) == 1:
        return parse_region_names(lines.tolist(), path, names)
    return _bed_regions(lines, path)


def _peak_columns(lines: pd.Series, path: str | Path) -> int:
    """Return how many columns all lines have, without those that are empty in all of them (tabs at their ends)."""
    columns = lines.str.count("\t") + 1
    columns -= (lines.str.len() - lines.str.rstrip("\t").str.len()).min()
    first = columns.iloc[0]
    wrong = (columns != first) | (first < len(REGION))
    if wrong.any():
        as_before = f"{first} as in line {lines.index[0]}"
        expected = as_before if first >= len(REGION) else "ten (narrowPeak) or at least three (BED)"
        raise InputError(
            f"{path}: line {wrong.idxmax()}: {columns[wrong.idxmax()]} columns separated by tabs, expected {expected}"
        )
    return int(first)


def _peak_form(lines: pd.Series, columns: int) -> str:
    """Tell by the number of columns, and by what stands in them, in which of the forms of peaks lines are.

    Tools append columns to narrowPeak (IDR has twenty), and to BED, whose columns 7 and 8, if there, are the ends of
    its thick block: within the region, or 0 and 0. More than ten columns without a number in 7 and 10 are BED too.
    """
    if columns == NARROW:
        return "narrowPeak"
    if columns < BROAD:
        return "BED"
    wanted = REGION | {6: "thick_start", 7: "thick_end"} | ({9: "summit"} if columns > BROAD else {})
    table = split_columns(lines, "\t", wanted).drop(columns="chrom").apply(pd.to_numeric, errors="coerce")
    thick_start, thick_end = table["thick_start"], table["thick_end"]
    inside = (table["start"] <= thick_start) & (thick_start <= thick_end) & (thick_end <= table["end"])
    if (inside | ((thick_start == 0) & (thick_end == 0))).all():
        return "gappedPeak" if columns == GAPPED else "BED"
    if table.iloc[0].isna().any():
        return "BED"
    return "broadPeak" if columns == BROAD else "narrowPeak"


def read_chip_peaks(path: str | Path) -> pd.DataFrame:
    """Read ENCODE narrowPeak, broadPeak, gappedPeak or BED, plain or gzip, separated by tabs.

    Returns
    -------
    DataFrame
        One row a peak, in the order of the file. chrom (normalised), start, end (int64); signal (float64, the peak
        forms' signalValue, NaN in BED); centre (int64, start + narrowPeak's column 10, or the middle where the summit
        is not given, which is -1 in narrowPeak); has_summit (bool). ``attrs["columns"]`` and the log say in words which
        columns these are from.

    Raises
    ------
    InputError
        As :func:`read_bed`; changing or too few columns, or a summit outside its peak.
    """
    lines = data_lines(path, "peak; expected lines of narrowPeak (ten columns) or BED (three or more)")
    columns = _peak_columns(lines, path)
    form = _peak_form(lines, columns)
    places = {name: place + 1 for place, name in PEAK_COLUMNS[form].items()}
    told = ", ".join(f"{name} from column {place}" for name, place in places.items()) or "neither signal nor summit"
    told = f"read as {form} ({columns} columns): {told}"
    logger.info("%s: %s", path, told)
    table = split_columns(lines, "\t", REGION | PEAK_COLUMNS[form], ("chrom", "signal"))
    peaks = regions_of(table, path)
    width = peaks["end"] - peaks["start"]
    signal, summit = np.nan, np.full(len(peaks), NO_SUMMIT)
    if "signal" in table:
        signal = numbers(table["signal"], path, f"signalValue (column {places['signal']})", whole=False)
    if "summit" in table:
        summit = numbers(table["summit"], path, "summit (column 10)")
    has_summit = summit != NO_SUMMIT
    # Peak callers that round write the end itself now and then: 6 to 23 peaks of each ENCODE-DREAM CTCF file.
    wrong = has_summit & ((summit < 0) | (summit > width.to_numpy()))
    if wrong.any():
        found = table["summit"].astype(str) + " in a peak of " + width.astype(str) + " bases"
        refuse(wrong, found, path, "summit (column 10)", "0 to its width, from its start, or -1 for none")
    centre = peaks["start"] + np.where(has_summit, summit, width // 2)
    peaks = peaks.assign(signal=signal, centre=centre, has_summit=has_summit).reset_index(drop=True)
    peaks.attrs["columns"] = told
    return peaks
