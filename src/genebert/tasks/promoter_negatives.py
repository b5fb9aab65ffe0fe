"""Genomic negatives of core promoters: windows outside promoters with as much GC and CpG, one for each promoter.

DNABERT's negatives are mosaics, which random bases give away, and windows with a TATA box at one place. Against these a
promoter must be told by what it holds, and not by its composition.
"""

import numpy as np
import pandas as pd

from genebert.genome.bases import reverse_complement
from genebert.genome.fasta import Genome
from genebert.tasks.core_promoters import LENGTH, PARENT, window_starts
from genebert.tasks.windows import gc_cpg_counts, genomic_windows

MARGIN = 1000  # bases on both sides of a promoter's 300 that no negative touches
RULE = (
    f"window of the same chromosome and split, farther than {MARGIN} bases from the {PARENT} bases round any promoter, "
    "with as many G or C and CpG, else as near as there is; read on the promoter's strand"
)


def _taken(promoters: pd.DataFrame) -> pd.DataFrame:
    start = window_starts(promoters)
    return pd.DataFrame({"chrom": promoters["chrom"], "start": start - MARGIN, "end": start + PARENT + MARGIN})


def _outside(parts: pd.DataFrame, split: str, genome: Genome) -> pd.DataFrame:
    """Return the stretches of chromosomes that are not of a split (columns chrom, start, end)."""
    own = parts[parts["split"] == split]
    before = pd.DataFrame({"chrom": own["chrom"], "start": 0, "end": own["start"]})
    whole = own["chrom"].map(genome.lengths)
    # Behind the last promoter nothing else begins.
    last = whole if split == "test" else np.minimum(own["end"], whole)
    after = pd.DataFrame({"chrom": own["chrom"], "start": last, "end": whole})
    both = pd.concat([before, after], ignore_index=True)
    return both[both["end"] > both["start"]]


def genomic_negatives(
    genome: Genome, positives: pd.DataFrame, codes: np.ndarray, parts: pd.DataFrame | None, promoters: pd.DataFrame,
    seed: int,
) -> tuple[pd.DataFrame, np.ndarray, dict]:  # fmt: skip
    """Draw one genomic window for each positive, in its split.

    Parameters
    ----------
    positives : DataFrame
        Columns chrom, start, end, strand, split.
    codes : uint8 [n, 70]
        Their bases, in transcript direction.
    parts : DataFrame, optional
        Columns chrom, start, end, split: where each split lies; None where splits are whole chromosomes, or random.
    promoters : DataFrame
        All promoters that negatives keep away from: columns chrom, tss, strand.

    Returns
    -------
    DataFrame
        Columns chrom, start, end, strand, in the order of `positives`.
    codes : uint8 [n, 70]
        In the direction of `strand`.
    dict
        How well they match, for the card.

    Raises
    ------
    InputError
        A chromosome has fewer such windows than positives.
    """
    counts, taken = gc_cpg_counts(codes), _taken(promoters)
    places = positives[["chrom", "start", "end", "strand"]].reset_index(drop=True).copy()
    found = np.empty_like(codes)
    splits = [None] if parts is None else sorted(positives["split"].unique())
    for split in splits:
        rows = np.arange(len(positives)) if split is None else np.flatnonzero(positives["split"] == split)
        closed = taken if split is None else pd.concat([taken, _outside(parts, split, genome)], ignore_index=True)
        wanted = positives.iloc[rows].reset_index(drop=True)
        drawn, found[rows] = genomic_windows(genome, wanted, counts[rows], closed, LENGTH, seed, gc_cpg_counts)
        for name in ("start", "end"):
            places.loc[rows, name] = drawn[name].to_numpy()
    off = np.abs(gc_cpg_counts(found) - counts)
    minus = (places["strand"] == "-").to_numpy()
    found[minus] = reverse_complement(found[minus].T).T
    return (
        places,
        found,
        {
            "rule": RULE,
            "equal_gc_and_cpg": int((off.sum(axis=1) == 0).sum()),
            "largest_difference": {"gc": int(off[:, 0].max()), "cpg": int(off[:, 1].max())},
        },
    )


def both_labels(sequences: pd.Series, labels: pd.Series) -> np.ndarray:
    """Return which examples (bool [n]) have a sequence that carries both labels."""
    return (labels.groupby(sequences.to_numpy()).transform("nunique") > 1).to_numpy()
