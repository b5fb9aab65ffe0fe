"""Interval arithmetic on regions, and the check that they belong to the genome build in use."""

import logging
import re

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome import check_regions, sort_regions

logger = logging.getLogger(__name__)

# Names of assemblies as files state them, to the name UCSC gives them.
ASSEMBLIES = {
    "grch37": "hg19", "hs37d5": "hg19", "b37": "hg19", "hg19": "hg19", "grch38": "hg38", "hg38": "hg38",
    "ncbi36": "hg18", "hg18": "hg18", "t2tchm13v20": "hs1", "chm13v20": "hs1", "hs1": "hs1", "ncbim37": "mm9",
    "mm9": "mm9", "grcm38": "mm10", "mm10": "mm10", "grcm39": "mm39", "mm39": "mm39",
}  # fmt: skip

# One number line for all chromosomes: code * _SPAN + position. No chromosome is longer.
_SPAN = np.int64(1) << 40


def assembly(name: str) -> str | None:
    """Return the UCSC name of an assembly (``GRCh38.p13`` gives ``hg38``), or ``None`` if it is not a known one."""
    bare = re.sub(r"[.-]p\d+$", "", str(name).strip().lower())
    return ASSEMBLIES.get(re.sub(r"[^a-z0-9]", "", bare))


def check_build(
    regions: pd.DataFrame, lengths: dict[str, int], where: str, build: str, stated: list[str] | None = None
) -> None:
    """Check that regions belong to the genome build in use.

    Two signs are looked at: the assembly that the file itself states, and regions that end beyond their chromosome, on
    all chromosomes of the file and not only on those that are kept. A third, regions that are accessible although
    they are all N, can only be seen later (:func:`genebert.accessibility.filter_regions`).

    Parameters
    ----------
    regions : DataFrame
        Columns chrom, start, end.
    lengths : dict
        Known chromosome lengths; chromosomes without an entry are not checked.
    where, build : str
        For the message.
    stated : list of str, optional
        Names of the assembly as the file states them.

    Raises
    ------
    InputError
        The file states another assembly; a region is empty or ends beyond its chromosome.
    """
    for name in stated or []:
        found, expected = assembly(name), assembly(build)
        if found and expected and found != expected:
            raise InputError(f"{where}: states that its regions are of {name} ({found}), but the genome is {build}")
        if found and not expected:
            logger.warning("%s: states that its regions are of %s; the genome is named %s", where, name, build)
    check_regions(regions, lengths, where, build)


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
