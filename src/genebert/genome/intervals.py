"""Intervals on chromosomes: sorting, overlaps, merging, names.

Coordinates are 0-based half-open; chromosome names carry the ``chr`` prefix.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.chromosomes import by_rank, normalise_chromosome

logger = logging.getLogger(__name__)

# One number line for all chromosomes: code * _SPAN + position. No chromosome is longer.
_SPAN = np.int64(1) << 40
# A name of a chromosome may hold signs too (HLA-A) but ends in a letter or digit, so that the sign of a negative number
# is found out; three numbers in a row are no region. Numbers of up to 18 digits fit 64 bits.
_NUMBER = r"[-:_](-?[0-9]{1,18})"
_REGION_NAME = re.compile(rf"(?!\S*[-:][0-9]+{_NUMBER}{_NUMBER}$)(\S*[^\W_]){_NUMBER}{_NUMBER}")
BASES_FROM = {"0-based": 0, "1-based": 1}  # the number of a chromosome's first base, in names of regions


def check_bounds(regions: pd.DataFrame, where: str | Path, unit: str, first: int = 0) -> None:
    """Refuse a region that begins before its chromosome or does not end after its start.

    Parameters
    ----------
    regions : DataFrame
        Columns chrom, start, end (0-based half-open); its index numbers the `unit` (``line``, ``row``) of each.
    where : path or str
        What they were read from.
    first : int
        The number that the first base has there, for the message.
    """
    start, end = regions["start"].to_numpy(), regions["end"].to_numpy()
    wrong = (start < 0) | (end <= start) | (end > _SPAN)
    if not wrong.any():
        return
    row = int(np.argmax(wrong))
    low, high = int(start[row]) + first, int(end[row])
    if low < first:
        what = f"start is {low}, expected {first} or more"
    elif high > _SPAN:
        what = f"end is {high}, which is more than any chromosome has"
    elif high + first == low:
        what = f"region {low}-{high} is empty, expected an end after its start"
    else:
        what = f"end {high} is before start {low}"
    raise InputError(f"{where}: {unit} {regions.index[row]}: {what}")


def check_unique(regions: pd.DataFrame, where: str) -> None:
    """Refuse a region that comes twice; which of the two rows would stand for it is not ours to guess."""
    twice = regions.duplicated().to_numpy()
    if twice.any():
        first = regions[twice].iloc[0]
        raise InputError(
            f"{where}: region {first.chrom}-{first.start}-{first.end} comes more than once ({int(twice.sum())} rows "
            "too many); expected every region once"
        )


def merge_overlapping(regions: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Merge regions that share at least one base, also in chains; book-ended regions stay apart.

    Parameters
    ----------
    regions : DataFrame
        Columns chrom, start, end, in any order, ``start < end``.

    Returns
    -------
    DataFrame
        Merged regions, sorted by chromosome and start.
    int64 [n_regions]
        For each input region, the row of the merged region that holds it.
    """
    order = sort_regions(regions)
    ordered = regions.iloc[order]
    base = pd.factorize(ordered["chrom"])[0] * _SPAN
    start, end = base + ordered["start"].to_numpy(), base + ordered["end"].to_numpy()
    first = start >= np.concatenate(([0], np.maximum.accumulate(end)))[:-1]
    group = np.empty(len(regions), dtype=np.int64)
    group[order] = np.cumsum(first) - 1
    heads = np.flatnonzero(first)
    merged = ordered.iloc[heads][["chrom", "start"]].reset_index(drop=True)
    merged["end"] = np.maximum.reduceat(ordered["end"].to_numpy(), heads)
    return merged, group


def join_touching(regions: pd.DataFrame) -> pd.DataFrame:
    """Return the stretches that regions cover: merged as by :func:`merge_overlapping`, and book-ended ones joined."""
    # One base longer, those that touch overlap.
    merged = merge_overlapping(regions.assign(end=regions["end"] + 1))[0]
    return merged.assign(end=merged["end"] - 1)


def ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return ``starts[i], starts[i] + 1, ..., starts[i] + sizes[i] - 1`` for all i, end to end (int64)."""
    return np.repeat(starts - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())


def overlapping(places: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Say which of `places` share at least one base with any of `others` (bool [len(places)]).

    Both have the columns chrom, start, end; rows without a place overlap nothing.
    """
    found = np.zeros(len(places), dtype=bool)
    placed = np.flatnonzero(places["start"].notna().to_numpy())
    rows_of = places.iloc[placed].groupby("chrom").indices
    for chrom, here in others[["chrom", "start", "end"]].dropna().groupby("chrom"):
        rows = placed[rows_of.get(chrom, placed[:0])]
        start, end = (np.sort(here[name].to_numpy(np.int64)) for name in ("start", "end"))
        first, last = (places[name].iloc[rows].to_numpy(np.int64) for name in ("start", "end"))
        # If as many intervals have begun before `last` as have ended by `first`, none lies across.
        found[rows] = np.searchsorted(start, last) > np.searchsorted(end, first, side="right")
    return found


def sort_regions(regions: pd.DataFrame) -> np.ndarray:
    """Return the positions (int64) that sort regions by chromosome (natural order), start and end."""
    ranks = pd.Categorical(regions["chrom"], by_rank(regions["chrom"].unique())).codes
    return np.lexsort((regions["end"].to_numpy(), regions["start"].to_numpy(), ranks))


def region_names(regions: pd.DataFrame) -> list[str]:
    """Return names of the Descartes form ``chr1-752336-752980``."""
    # Through lists: iterating over a pandas string column takes ten times as long.
    columns = (regions[column].to_numpy().tolist() for column in ("chrom", "start", "end"))
    return [f"{chrom}-{start}-{end}" for chrom, start, end in zip(*columns, strict=True)]


def parse_region_names(names: Sequence[str], where: str | Path, counting: str | None = None) -> pd.DataFrame:
    """Split ``chr1-752336-752980`` (also ``chr1:752336-752980``, ``chr1_752336_752980``) into regions.

    Parameters
    ----------
    names : sequence of str
    where : path or str
        What they were read from, for messages.
    counting : str, optional
        ``0-based`` (half-open, as BED), or ``1-based`` (the end belongs to the region, as in R's GRanges); the log says
        which. Without it they are names of our own, and 0-based.

    Returns
    -------
    DataFrame
        Columns chrom (normalised), start, end (int64; 0-based half-open).

    Raises
    ------
    InputError
        A name has another form, begins before its chromosome or ends before its start.
    """
    first = BASES_FROM[counting or "0-based"]
    chroms, starts, ends = [], [], []
    for row, name in enumerate(names, 1):
        match = _REGION_NAME.fullmatch(str(name).strip())
        if not match:
            raise InputError(
                f"{where}: region name {str(name)!r} (row {row}); expected chrom-start-end, as in chr1-752336-752980"
            )
        chroms.append(normalise_chromosome(match[3]))
        starts.append(int(match[4]) - first)
        ends.append(int(match[5]))
    places = {"start": np.array(starts, dtype=np.int64), "end": np.array(ends, dtype=np.int64)}
    regions = pd.DataFrame({"chrom": pd.Series(chroms, dtype=str), **places})
    check_bounds(regions.set_axis(range(1, len(regions) + 1)), where, "row", first)
    if counting is not None:
        logger.info("%s: names of regions are read as %s (accessibility.names)", where, counting)
    return regions
