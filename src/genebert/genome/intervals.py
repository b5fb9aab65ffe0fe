"""Intervals on chromosomes: sorting, overlaps, merging, names.

Coordinates are 0-based half-open; chromosome names carry the ``chr`` prefix.
"""

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.chromosomes import chromosome_rank, normalise_chromosome

# One number line for all chromosomes: code * _SPAN + position. No chromosome is longer.
_SPAN = np.int64(1) << 40


def check_unique(regions: pd.DataFrame, where: str) -> None:
    """Check that no region comes twice.

    Raises
    ------
    InputError
        One does; which of the two rows would stand for it is not ours to guess.
    """
    twice = regions.duplicated().to_numpy()
    if twice.any():
        first = regions[twice].iloc[0]
        raise InputError(
            f"{where}: region {first.chrom}-{first.start}-{first.end} comes more than once ({int(twice.sum())} rows "
            "too many); expected every region once"
        )


def _linear(regions: pd.DataFrame, chroms: list[str]) -> tuple[np.ndarray, np.ndarray]:
    codes, found = pd.factorize(regions["chrom"])
    base = np.array([chroms.index(name) for name in found], dtype=np.int64)[codes] * _SPAN
    return base + regions["start"].to_numpy(), base + regions["end"].to_numpy()


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
    if regions.empty:
        return regions[["chrom", "start", "end"]].reset_index(drop=True), np.zeros(0, dtype=np.int64)
    order = sort_regions(regions)
    ordered = regions.iloc[order]
    start, end = _linear(ordered, ordered["chrom"].unique().tolist())
    reach = np.maximum.accumulate(end)
    first = np.concatenate(([True], start[1:] >= reach[:-1]))
    group = np.empty(len(regions), dtype=np.int64)
    group[order] = np.cumsum(first) - 1
    heads = np.flatnonzero(first)
    tails = np.append(heads[1:], len(start)) - 1
    merged = ordered.iloc[heads][["chrom", "start"]].reset_index(drop=True)
    merged["end"] = reach[tails] % _SPAN
    return merged, group


def ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return ``starts[i], starts[i] + 1, ..., starts[i] + sizes[i] - 1`` for all i, end to end (int64)."""
    return np.repeat(starts - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())


def overlapping(places: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Say which of `places` share at least one base with any of `others`.

    Parameters
    ----------
    places, others : DataFrame
        Columns chrom, start, end; rows without a place overlap nothing.

    Returns
    -------
    bool [len(places)]
    """
    found = np.zeros(len(places), dtype=bool)
    placed = np.flatnonzero(places["start"].notna().to_numpy())
    rows_of = places.iloc[placed].groupby("chrom", observed=True).indices
    for chrom, here in others[["chrom", "start", "end"]].dropna().groupby("chrom", observed=True):
        rows = placed[rows_of.get(chrom, placed[:0])]
        start, end = (np.sort(here[name].to_numpy(np.int64)) for name in ("start", "end"))
        first, last = (places[name].iloc[rows].to_numpy(np.int64) for name in ("start", "end"))
        # If as many intervals have begun before `last` as have ended by `first`, none lies across.
        found[rows] = np.searchsorted(start, last, side="left") > np.searchsorted(end, first, side="right")
    return found


def sort_regions(regions: pd.DataFrame) -> np.ndarray:
    """Return the positions (int64) that sort regions by chromosome (natural order), start and end."""
    codes, found = pd.factorize(regions["chrom"])
    rank = {name: i for i, name in enumerate(sorted(found, key=chromosome_rank))}
    ranks = np.array([rank[name] for name in found], dtype=np.int64)[codes]
    return np.lexsort((regions["end"].to_numpy(), regions["start"].to_numpy(), ranks))


def region_names(regions: pd.DataFrame) -> list[str]:
    """Return names of the Descartes form ``chr1-752336-752980``."""
    # Through lists: iterating over a pandas string column takes ten times as long.
    columns = (regions[column].to_numpy().tolist() for column in ("chrom", "start", "end"))
    return [f"{chrom}-{start}-{end}" for chrom, start, end in zip(*columns, strict=True)]


def parse_region_names(names: pd.Series | list[str], where: str) -> pd.DataFrame:
    """Split ``chr1-752336-752980`` (also ``chr1:752336-752980``, ``chr1_752336_752980``) into regions.

    Parameters
    ----------
    names : sequence of str
    where : str
        What the names were read from, for the error message.

    Returns
    -------
    DataFrame
        Columns chrom (normalised), start, end (int64).

    Raises
    ------
    InputError
        A name has another form.
    """
    names = [str(name) for name in names]
    if not names:
        return pd.DataFrame({"chrom": pd.Series([], dtype=str), "start": np.zeros(0, int), "end": np.zeros(0, int)})
    # On the bytes of all names at once: a regular expression, or splitting, a name takes four times as long.
    text = np.frombuffer("".join(f"{name}\n" for name in names).encode(), dtype=np.uint8)
    line_ends = np.flatnonzero(text == ord("\n"))
    if len(line_ends) != len(names):
        wrong = np.array(["\n" in name for name in names])
    else:
        line_starts = np.concatenate(([0], line_ends[:-1] + 1))
        marks = np.flatnonzero(np.isin(text, np.frombuffer(b"-:_", dtype=np.uint8)))
        last = np.searchsorted(marks, line_ends)
        marks = np.concatenate(([-1, -1], marks))
        first, second = marks[last], marks[last + 1]
        starts, no_start = _numbers_at(text, first + 1, second)
        ends, no_end = _numbers_at(text, second + 1, line_ends)
        wrong = (first <= line_starts) | (text[second] == ord(":")) | no_start | no_end
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{where}: region name {names[row]!r} (row {row + 1}); expected chrom-start-end, as in chr1-752336-752980"
        )
    # Only digits and marks follow the chromosome, so that bytes are characters there.
    chroms = [name[:-tail] for name, tail in zip(names, (line_ends - first).tolist(), strict=True)]
    normal = {name: normalise_chromosome(name) for name in set(chroms)}
    chroms = pd.Series([normal[name] for name in chroms], dtype=str)
    return pd.DataFrame({"chrom": chroms, "start": starts, "end": ends})


def _numbers_at(text: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decimal numbers written in ``text[begin:end]`` (int64), and where there is none (or one of over 18 digits)."""
    width = end - begin
    wrong = (width < 1) | (width > 18)
    values = np.zeros(len(begin), dtype=np.int64)
    for place in range(min(int(width.max()), 18)):
        inside = width > place
        digits = text[np.where(inside, end - 1 - place, 0)].astype(np.int64) - ord("0")
        wrong |= inside & ((digits < 0) | (digits > 9))
        values += np.where(inside, digits * 10**place, 0)
    return values, wrong
