"""Genome builds: chromosome lengths, names of assemblies, and whether regions belong to the build in use."""

import logging
import re
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.chromosomes import normalise_chromosome
from genebert.genome.intervals import check_bounds

logger = logging.getLogger(__name__)

# Names of assemblies as files state them, to the name UCSC gives them.
ASSEMBLIES = {
    "grch37": "hg19", "hs37d5": "hg19", "b37": "hg19", "hg19": "hg19", "grch38": "hg38", "hg38": "hg38",
    "ncbi36": "hg18", "hg18": "hg18", "t2tchm13v20": "hs1", "chm13v20": "hs1", "hs1": "hs1", "ncbim37": "mm9",
    "mm9": "mm9", "grcm38": "mm10", "mm10": "mm10", "grcm39": "mm39", "mm39": "mm39",
}  # fmt: skip

# Chromosome lengths tell builds apart (UCSC chrom.sizes of hg19 and hg38; docs/facts.md 12).
BUILD_LENGTHS = {
    "hg19": {"chr1": 249250621, "chr2": 243199373, "chr3": 198022430, "chr4": 191154276, "chr5": 180915260,
             "chr6": 171115067, "chr7": 159138663, "chr8": 146364022, "chr9": 141213431, "chr10": 135534747,
             "chr11": 135006516, "chr12": 133851895, "chr13": 115169878, "chr14": 107349540, "chr15": 102531392,
             "chr16": 90354753, "chr17": 81195210, "chr18": 78077248, "chr19": 59128983, "chr20": 63025520,
             "chr21": 48129895, "chr22": 51304566, "chrX": 155270560, "chrY": 59373566},
    "hg38": {"chr1": 248956422, "chr2": 242193529, "chr3": 198295559, "chr4": 190214555, "chr5": 181538259,
             "chr6": 170805979, "chr7": 159345973, "chr8": 145138636, "chr9": 138394717, "chr10": 133797422,
             "chr11": 135086622, "chr12": 133275309, "chr13": 114364328, "chr14": 107043718, "chr15": 101991189,
             "chr16": 90338345, "chr17": 83257441, "chr18": 80373285, "chr19": 58617616, "chr20": 64444167,
             "chr21": 46709983, "chr22": 50818468, "chrX": 156040895, "chrY": 57227415},
}  # fmt: skip
FAR, SHARE = 1000, 0.01  # bases beyond an end, and share of regions there, up to which they are only left out
NOT_TOLD = "not told"  # the build of a file in which nothing tells it


def assembly(name: str) -> str | None:
    """Return the UCSC name of an assembly (``GRCh38.p13`` gives ``hg38``), or ``None`` if it is not a known one."""
    bare = re.sub(r"[.-]p\d+$", "", str(name).strip().lower())
    return ASSEMBLIES.get(re.sub(r"[^a-z0-9]", "", bare))


def check_build(
    regions: pd.DataFrame,
    lengths: dict[str, int],
    where: str,
    build: str,
    chromosomes: Collection[str],
    stated: Iterable[str] = (),
) -> None:
    """Check that regions belong to the genome build in use: as :func:`check_regions`, and by what the file states.

    `stated` are the file's own names of its assembly. A third sign, regions that are accessible although they are all
    N, can only be seen later (:mod:`genebert.accessibility.build`).
    """
    for name in stated:
        found, expected = assembly(name), assembly(build)
        if found and expected and found != expected:
            raise InputError(f"{where}: states that its regions are of {name} ({found}), but the genome is {build}")
        if found and not expected:
            logger.warning("%s: states that its regions are of %s; the genome is named %s", where, name, build)
    check_regions(regions, lengths, where, build, chromosomes)


def past_end(regions: pd.DataFrame, lengths: dict[str, int]) -> np.ndarray:
    """Return by how many bases regions end beyond their chromosome (float64 [n]); 0 or less: they do not."""
    codes, found = pd.factorize(regions["chrom"])
    return regions["end"].to_numpy() - np.array([lengths.get(name, np.inf) for name in found], dtype=np.float64)[codes]


def check_regions(
    regions: pd.DataFrame,
    lengths: dict[str, int],
    where: str | Path,
    build: str,
    chromosomes: Collection[str] | None = None,
) -> np.ndarray:
    """Refuse regions that are empty, or end beyond their chromosome as those of another genome build do.

    Parameters
    ----------
    regions : DataFrame
        Columns chrom, start, end.
    lengths : dict of int
        By chromosome; others are not checked.
    where, build : str
        For the message.
    chromosomes : list of str, optional
        Those of the run. Peak callers now and then run a few bases over an end, so regions beyond it stop the run only
        if they are more than one and more than 1 % of those on these chromosomes, or if one is beyond by more than
        1,000 bases; elsewhere only if that is so and another build has room for all regions of the file. Without this
        list, every region must end within its chromosome.

    Returns
    -------
    bool [n]
        Which ones end beyond their chromosome, to be left out and counted.
    """
    check_bounds(regions.set_axis(range(1, len(regions) + 1)), where, "row")
    over = past_end(regions, lengths)
    beyond, far = over > 0, over > FAR
    if not beyond.any():
        return beyond
    used = np.ones(len(regions), dtype=bool) if chromosomes is None else regions["chrom"].isin(chromosomes).to_numpy()
    worst = regions.iloc[np.argmax(np.where(used, over, -np.inf) if (far & used).any() else over)]
    largest = regions.groupby("chrom")["end"].max().to_dict()
    fits = [name for name in builds_with_room(largest) if name != build and worst.chrom in BUILD_LENGTHS[name]]
    number = int((beyond & used).sum())
    many = number > max(1, SHARE * used.sum())
    if chromosomes is None or many or (far & used).any() or (far.any() and fits):
        raise InputError(
            f"{where}: region {worst.chrom}:{worst.start}-{worst.end} ends beyond {worst.chrom}, which is "
            f"{lengths[worst.chrom]} bases long in {build} ({int(beyond.sum())} of {len(regions)} regions do, by up to "
            f"{over.max():.0f} bases); are these coordinates of another genome build?"
            f"{f' They all fit {fits[0]}.' if fits else ''}"
        )
    logger.warning(
        "%s: %d of %d regions on the run's chromosomes end beyond these, by up to %d bases",
        where, number, used.sum(), over[used].max(initial=0),
    )  # fmt: skip
    return beyond


def builds_with_lengths(lengths: dict[str, int]) -> list[str]:
    """Return the builds whose chromosomes have these lengths."""
    return [name for name, sizes in BUILD_LENGTHS.items() if all(sizes.get(key) == n for key, n in lengths.items())]


def builds_with_room(ends: dict[str, int]) -> list[str]:
    """Return the builds whose chromosomes hold the largest coordinates (by chromosome; unknown ones hold any)."""
    return [
        name for name, sizes in BUILD_LENGTHS.items() if all(end <= sizes.get(key, end) for key, end in ends.items())
    ]


def normalise_names(names: Iterable[str], build: str, where: str) -> dict[str, str]:
    """Return the UCSC form of each chromosome name; refuse those that are none of the build's chromosomes."""
    normal = {name: normalise_chromosome(name) for name in names}
    for name, chrom in normal.items():
        if chrom not in BUILD_LENGTHS[build]:
            raise InputError(f"{where}: found the chromosome {name!r}, expected one of chr1 to chr22, chrX and chrY")
    return normal
