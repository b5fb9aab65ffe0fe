"""Regions cut into windows of one length, so that models which are shown so many bases are shown all of a region."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd

from genebert.accessibility.pseudobulk import PseudoBulk
from genebert.errors import InputError
from genebert.genome.intervals import ranges

logger = logging.getLogger(__name__)


def cut_into_windows(bulk: PseudoBulk, size: int, where: str) -> tuple[PseudoBulk, np.ndarray]:
    """Return the same with windows in place of regions, and each window's region (int64 [n_windows]).

    There are as many in a region as fit, side by side about its middle; regions shorter than a window have none. A
    window has the counts of its region, for no count says where in the region it is. One that two regions share, which
    then overlap, has the counts of both, is of the first of them, and is detected in as many cells as the one of them
    that is detected in more.

    Parameters
    ----------
    size : int
        Bases of a window.
    where : str
        For messages.

    Raises
    ------
    InputError
        All regions are shorter than a window.
    """
    starts, lengths = bulk.regions["start"].to_numpy(np.int64), (bulk.regions["end"] - bulk.regions["start"]).to_numpy()
    some = lengths // size
    if not some.any():
        raise InputError(
            f"{where}: the longest region has {int(lengths.max(initial=0))} bases; expected at least "
            f"{size}, accessibility.windows_bp"
        )
    of = np.repeat(np.arange(len(starts)), some)
    number = ranges(np.zeros(len(some), np.int64), some)
    windows = pd.DataFrame(
        {
            "chrom": bulk.regions["chrom"].to_numpy()[of],
            "start": (starts + (lengths - some * size) // 2)[of] + number * size,
        }
    )
    place = windows.groupby(["chrom", "start"], sort=False).ngroup().to_numpy()  # numbered as they first come
    first = np.flatnonzero(~windows.duplicated().to_numpy())
    windows = windows.iloc[first].reset_index(drop=True)
    windows["end"] = windows["start"] + size

    def of_windows(counts: np.ndarray, together: np.ufunc) -> np.ndarray:
        if len(first) == len(of):
            return counts[:, of]
        found = np.zeros((len(counts), len(first)), counts.dtype)
        together.at(found.T, place, counts.T[of])
        return found

    logger.info(
        "%s: %d regions cut into %d windows of %d bases; %d shorter than one",
        where, len(starts), len(windows), size, int((some == 0).sum()),
    )  # fmt: skip
    detected = None if bulk.detected is None else of_windows(bulk.detected, np.maximum)
    return replace(bulk, regions=windows, counts=of_windows(bulk.counts, np.add), detected=detected), of[first]
