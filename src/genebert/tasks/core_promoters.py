"""Core promoters and their negatives.

Geometry (docs/facts.md 20): a parent is the 300-mer TSS-249..TSS+50 in transcript direction, an example its crop
[216:286], so that the TSS is base 33 of 70. Positives are promoters. Every positive has one negative:

* without a TATA box: the parent is cut into 20 blocks of 15 bases, 12 of them become uniform random bases, then the
  crop is taken;
* with a TATA box: a piece of the genome outside all promoters with a TATA box where promoters have theirs.

The TATA box is Bucher's weight matrix with his cut-off. With the matrix starting TSS-34..TSS-29 it is found in all
2,929 of DeePromoter's EPDnew TATA promoters and in 1 of 2,611 other positives of DNABERT's test set; all 309 genomic
negatives of that set have it at TSS-32 exactly (measured; 43 of them spell TATAA).
"""

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.bases import N_CODE, reverse_complement
from genebert.genome.fasta import Genome
from genebert.tasks.epd import TATA_CUTOFF, TATA_WIDTH, tata_scores
from genebert.tasks.windows import window_codes

UPSTREAM, DOWNSTREAM = 249, 51  # parent: [TSS - 249, TSS + 51)
PARENT = UPSTREAM + DOWNSTREAM
CROP = slice(216, 286)
LENGTH = CROP.stop - CROP.start
TSS_IN_CROP = UPSTREAM - CROP.start
BLOCK, KEPT_BLOCKS = 15, 8
TATA_STARTS = range(-34, -28)  # of the matrix, relative to the TSS
NEGATIVE_TATA_START = -32
DRAWS, MAX_ROUNDS = 1 << 16, 400
# As the data card says it.
TATA_RULE = f"Bucher's matrix, score >= {TATA_CUTOFF}, start TSS{TATA_STARTS[0]}..TSS{TATA_STARTS[-1]}"
NEGATIVES = {
    "mosaic": f"{KEPT_BLOCKS} of {PARENT // BLOCK} blocks of {BLOCK} bases kept, others random, then cropped",
    "genomic_tata": f"outside promoters, TATA-box matrix at TSS{NEGATIVE_TATA_START} as if at a promoter",
}


def has_tata_box(parents: np.ndarray) -> np.ndarray:
    """Return, for parent 300-mers (uint8 [n, 300]), whether a TATA box starts TSS-34..TSS-29 (bool [n])."""
    window = parents[:, UPSTREAM + TATA_STARTS[0] : UPSTREAM + TATA_STARTS[-1] + TATA_WIDTH]
    return (tata_scores(window) >= TATA_CUTOFF).any(axis=1)


def initiator_shares(parents: np.ndarray) -> dict[str, float]:
    """Return the shares of CA and of any pyrimidine-purine pair at -1/+1; positions one base off show at once."""
    before, first = parents[:, UPSTREAM - 1], parents[:, UPSTREAM]
    return {
        "ca": round(float(((before == 1) & (first == 0)).mean()), 4),
        "pyrimidine_purine": round(float((np.isin(before, (1, 3)) & np.isin(first, (0, 2))).mean()), 4),
    }


def window_starts(promoters: pd.DataFrame) -> np.ndarray:
    """Return where the parents begin on the forward strand."""
    tss = promoters["tss"].to_numpy()
    return np.where(promoters["strand"] == "+", tss - UPSTREAM, tss - DOWNSTREAM + 1)


def parent_windows(promoters: pd.DataFrame, genome: Genome) -> np.ndarray:
    """Return TSS-249..TSS+50 of every promoter in transcript direction (uint8 [n, 300]); N if it runs out of bases."""
    parents, _ = window_codes(genome, promoters.assign(start=window_starts(promoters)), PARENT)
    minus = (promoters["strand"] == "-").to_numpy()
    parents[minus] = reverse_complement(parents[minus].T).T
    return parents


def mosaics(parents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Replace 12 of the 20 blocks of 15 bases by uniform random bases (uint8 [n, 300] in and out; docs/facts.md 20)."""
    blocks = PARENT // BLOCK
    kept = rng.random((len(parents), blocks)).argsort(axis=1) < KEPT_BLOCKS
    noise = rng.integers(0, 4, parents.shape, dtype=np.uint8)
    return np.where(np.repeat(kept, BLOCK, axis=1), parents, noise)


def tata_negatives(genome: Genome, promoters: pd.DataFrame, number: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw `number` genomic 70-mers outside all promoter windows with a TATA box at TSS-32, were they promoters.

    They come from the chromosomes of the promoters, from each as many as its share of all known bases.

    Returns
    -------
    DataFrame
        Columns codes (uint8 [70]), chrom, start, end, strand; sorted by place within the chromosome.

    Raises
    ------
    InputError
        A chromosome does not have enough of them.
    """
    offset = TSS_IN_CROP + NEGATIVE_TATA_START
    tables = []
    names = promoters["chrom"].unique()
    whole = pd.DataFrame({"chrom": names, "start": 0, "end": [genome.lengths[name] for name in names]})
    known = whole["end"].to_numpy() - genome.count_n(whole)
    for chrom, quota in zip(names, rng.multinomial(number, known / known.sum()), strict=True):
        if quota == 0:
            continue
        whole = genome.codes(chrom)
        taken = np.sort(window_starts(promoters[promoters["chrom"] == chrom]))
        found: dict[tuple[int, bool], np.ndarray] = {}
        for _ in range(MAX_ROUNDS if len(whole) > LENGTH else 0):
            start = rng.integers(0, len(whole) - LENGTH, DRAWS)
            minus = rng.random(DRAWS) < 0.5
            # Windows are all of one length, so only the last promoter that begins before a window's end can touch it.
            before = np.searchsorted(taken, start + LENGTH)
            touches = (before > 0) & (taken[np.maximum(before - 1, 0)] + PARENT > start)
            start, minus = start[~touches], minus[~touches]
            box_start = np.where(minus, start + LENGTH - offset - TATA_WIDTH, start + offset)
            box = whole[box_start[:, None] + np.arange(TATA_WIDTH)]
            box[minus] = reverse_complement(box[minus].T).T
            for i in np.flatnonzero(tata_scores(box)[:, 0] >= TATA_CUTOFF):
                window = whole[start[i] : start[i] + LENGTH]
                if (window < N_CODE).all() and len(found) < quota:
                    found.setdefault(
                        (int(start[i]), bool(minus[i])), reverse_complement(window) if minus[i] else window
                    )
            if len(found) == quota:
                break
        if len(found) < quota:
            raise InputError(
                f"{genome.path}: found {len(found)} places with a TATA box outside promoters on {chrom}, expected "
                f"{quota} as negatives for the promoters that have one"
            )
        for (start_, minus_), window in sorted(found.items()):
            tables.append((window, chrom, start_, start_ + LENGTH, "-" if minus_ else "+"))
    return pd.DataFrame(tables, columns=["codes", "chrom", "start", "end", "strand"])
