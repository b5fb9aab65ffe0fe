"""The core-promoter task: DNABERT's prom-core set rebuilt from EPDnew, or read from a file in DNABERT's form.

Geometry (docs/facts.md 20): a parent is the 300-mer TSS-249..TSS+50 in transcript direction, an example its crop
[216:286], so that the TSS is base 33 of 70. Positives are promoters. Every positive has one negative:

* without a TATA box: the parent is cut into 20 blocks of 15 bases, 12 of them become uniform random bases, then the
  crop is taken;
* with a TATA box: a piece of the genome outside all promoters with a TATA box where promoters have theirs.

The TATA box is Bucher's weight matrix with his cut-off. With the matrix starting TSS-34..TSS-29 it is found in all
2,929 of DeePromoter's EPDnew TATA promoters and in 1 of 2,611 other positives of DNABERT's test set; all 309 genomic
negatives of that set have it at TSS-32 exactly (measured; 43 of them spell TATAA).
"""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.bases import N_CODE, reverse_complement
from genebert.genome.fasta import Genome
from genebert.tasks.epd import TATA_CUTOFF, TATA_WIDTH, read_promoters, read_tata_flags, tata_scores
from genebert.tasks.kmer_table import read_kmer_tsv
from genebert.tasks.splits import (
    chromosome_split,
    make_examples,
    on_chromosomes,
    place_names,
    stratified_split,
    write_task,
)

logger = logging.getLogger(__name__)
UPSTREAM, DOWNSTREAM = 249, 51  # parent: [TSS - 249, TSS + 51)
PARENT = UPSTREAM + DOWNSTREAM
CROP = slice(216, 286)
LENGTH = CROP.stop - CROP.start
TSS_IN_CROP = UPSTREAM - CROP.start
BLOCK, KEPT_BLOCKS = 15, 8
TATA_STARTS = range(-34, -28)  # of the matrix, relative to the TSS
NEGATIVE_TATA_START = -32
DRAWS, MAX_ROUNDS = 1 << 16, 400
ODD_INITIATOR = 0.45  # share of pyrimidine-purine at -1/+1: human promoters 0.70, random sequence 0.25


@dataclass(frozen=True)
class PromoterSettings:
    """How the core-promoter set is made.

    Attributes
    ----------
    source : str
        ``epdnew`` (promoter positions, the set is built) or ``kmer-tsv`` (DNABERT's ready form).
    test_fraction, valid_fraction : float
        Share of all examples, and of what is then left; stratified (docs/facts.md 21). For ``random``.
    seed : int
    split : {"random", "chromosome"}
        ``chromosome``: by the two lists; a mosaic follows its promoter. `epdnew` only.
    test_chromosomes, valid_chromosomes : tuple of str
        For ``chromosome``; all others are for training.
    """

    source: str = "epdnew"
    test_fraction: float = 0.1
    valid_fraction: float = 0.1
    seed: int = 42
    split: str = "random"
    test_chromosomes: tuple[str, ...] = ()
    valid_chromosomes: tuple[str, ...] = ()


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


def _window_starts(promoters: pd.DataFrame) -> np.ndarray:
    """Return where the parents begin on the forward strand."""
    tss = promoters["tss"].to_numpy()
    return np.where(promoters["strand"] == "+", tss - UPSTREAM, tss - DOWNSTREAM + 1)


def parent_windows(promoters: pd.DataFrame, genome: Genome) -> tuple[np.ndarray, np.ndarray]:
    """Extract TSS-249..TSS+50 of every promoter in transcript direction.

    Returns
    -------
    parents : uint8 [n, 300]
        Filled with N where the window leaves the chromosome.
    free : int64 [n_chromosomes]
        Number of A, C, G, T of each chromosome, in the order of ``promoters["chrom"].unique()``.
    """
    parents = np.full((len(promoters), PARENT), N_CODE, dtype=np.uint8)
    chroms, starts = promoters["chrom"].to_numpy(), _window_starts(promoters)
    minus = (promoters["strand"] == "-").to_numpy()
    free = []
    for chrom in promoters["chrom"].unique():
        whole = genome.codes(chrom)
        free.append(np.count_nonzero(whole < N_CODE))
        here = np.flatnonzero((chroms == chrom) & (starts >= 0) & (starts + PARENT <= len(whole)))
        parents[here] = whole[starts[here, None] + np.arange(PARENT)]
    parents[minus] = reverse_complement(parents[minus].T).T
    return parents, np.array(free, dtype=np.int64)


def mosaics(parents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Replace 12 of the 20 blocks of 15 bases by uniform random bases (uint8 [n, 300] in and out; docs/facts.md 20)."""
    blocks = PARENT // BLOCK
    kept = rng.random((len(parents), blocks)).argsort(axis=1) < KEPT_BLOCKS
    noise = rng.integers(0, 4, parents.shape, dtype=np.uint8)
    return np.where(np.repeat(kept, BLOCK, axis=1), parents, noise)


def tata_negatives(
    genome: Genome, promoters: pd.DataFrame, weights: np.ndarray, number: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw genomic 70-mers outside all promoter windows with a TATA box at TSS-32, were they promoters.

    Parameters
    ----------
    genome : Genome
    promoters : DataFrame
        All promoters; their chromosomes are drawn from.
    weights : array [n_chromosomes]
        How often each chromosome is drawn, in the order of ``promoters["chrom"].unique()``.
    number : int
        How many in all.
    rng : Generator

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
    names = list(promoters["chrom"].unique())
    for chrom, quota in zip(names, rng.multinomial(number, weights / weights.sum()), strict=True):
        if quota == 0:
            continue
        whole = genome.codes(chrom)
        taken = np.sort(_window_starts(promoters[promoters["chrom"] == chrom]))
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


def _tata_flags(promoters: pd.DataFrame, parents: np.ndarray, motifs: Path | None) -> np.ndarray:
    """Return the TATA flag of each promoter, from EPD's table by name or else from the sequence."""
    if motifs is None:
        return has_tata_box(parents)
    flags = promoters["name"].map(read_tata_flags(motifs))
    if flags.isna().any():
        raise InputError(
            f"{motifs}: {int(flags.isna().sum())} of {len(flags)} promoters are missing, the first is "
            f"{promoters.loc[flags.isna(), 'name'].iloc[0]}; expected all names of the promoter file"
        )
    return flags.to_numpy(dtype=bool)


def _usable_promoters(
    path: Path, genome: Genome, chromosomes: list[str]
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray, dict]:
    """Return all promoters of the chromosomes, which of them have known bases everywhere (bool [n]), the parents of
    those, the weights of :func:`parent_windows`, and counts for the card.
    """
    listed = read_promoters(path)
    promoters = on_chromosomes(listed, chromosomes, path, "promoters").reset_index(drop=True)
    parents, weights = parent_windows(promoters, genome)
    complete = (parents < N_CODE).all(axis=1)
    parents = parents[complete]
    if not len(parents):
        raise InputError(
            f"{path}: all {len(promoters)} promoters have N in or run out of {genome.path}; expected some without"
        )
    if initiator_shares(parents)["pyrimidine_purine"] < ODD_INITIATOR:
        logger.warning(
            "%s: only %.0f %% of promoters have a pyrimidine and a purine at -1/+1 (human: 70 %%); another genome "
            "build, or positions one base off?", path, 100 * initiator_shares(parents)["pyrimidine_purine"],
        )  # fmt: skip
    counts = {
        "listed": len(listed),
        "outside_chromosomes": len(listed) - len(promoters),
        "with_n_or_beyond_end": len(promoters) - len(parents),
        "used": len(parents),
    }
    return promoters, complete, parents, weights, counts


def _leakage(settings: PromoterSettings, split: np.ndarray, tata: np.ndarray) -> dict:
    """Count pairs of a promoter and its mosaic that are apart; `split` begins with all promoters, then all mosaics."""
    parent, mosaic = split[: len(tata)][~tata], split[len(tata) :][: (~tata).sum()]
    return {
        "test_mosaics_with_parent_in_train": int(((mosaic == "test") & (parent == "train")).sum()),
        "test_promoters_with_mosaic_in_train": int(((mosaic == "train") & (parent == "test")).sum()),
        "note": "a promoter and its mosaic are on one chromosome and so in one split"
        if settings.split == "chromosome"
        else "a promoter and its mosaic are shuffled one by one, as in DNABERT's set",
    }


def _from_promoters(
    settings: PromoterSettings, path: Path, fasta: Path, motifs: Path | None, chromosomes: list[str], folder: Path
) -> dict:
    """Build the set from promoter positions and the genome."""
    genome = Genome(fasta)
    promoters, complete, parents, weights, counts = _usable_promoters(path, genome, chromosomes)
    kept = promoters[complete].reset_index(drop=True)
    tata = _tata_flags(kept, parents, motifs)

    rng = np.random.default_rng(settings.seed)
    start = _window_starts(kept) + np.where(kept["strand"] == "+", CROP.start, PARENT - CROP.stop)
    kinds = np.where(tata, "tata", "non-tata")
    places = pd.DataFrame({"chrom": kept["chrom"], "start": start, "end": start + LENGTH})
    parent = np.array(place_names(places), dtype=object)
    positives = make_examples(
        parents[:, CROP], 1, np.char.add(kinds, "-promoter"), **places, strand=kept["strand"], parent=parent
    )
    mosaic = make_examples(mosaics(parents[~tata], rng)[:, CROP], 0, "mosaic", parent=parent[~tata])
    drawn = tata_negatives(genome, promoters, weights, int(tata.sum()), rng)
    genomic = make_examples(drawn.pop("codes"), 0, "genomic-tata", **drawn)
    examples = pd.concat([positives, mosaic, genomic], ignore_index=True)
    if settings.split == "chromosome":
        chroms = pd.concat([kept["chrom"], kept["chrom"][~tata], genomic["chrom"]])
        lists = settings.test_chromosomes, settings.valid_chromosomes
        split = chromosome_split(chroms, *lists, chromosomes, "tasks.promoter")
    else:
        split = stratified_split(
            examples["source"].to_numpy(), settings.test_fraction, settings.valid_fraction, settings.seed
        )
    made = {
        "task": "promoter",
        "settings": asdict(settings),
        "files": {"promoters": path.name, "genome": fasta.name, "tata_flags": motifs.name if motifs else None},
        "promoters": {
            **counts,
            "with_tata_box": int(tata.sum()),
            "tata_rule": "EPD's table"
            if motifs
            else f"Bucher's matrix, score >= {TATA_CUTOFF}, start TSS{TATA_STARTS[0]}..TSS{TATA_STARTS[-1]}",
            "initiator": initiator_shares(parents),
        },
        "negatives": {
            "mosaic": f"{KEPT_BLOCKS} of {PARENT // BLOCK} blocks of {BLOCK} bases kept, others random, then cropped",
            "genomic_tata": f"outside promoters, TATA-box matrix at TSS{NEGATIVE_TATA_START} as if at a promoter",
        },
        "leakage": _leakage(settings, split, tata),
    }
    return write_task(examples, split, folder, made)


def build_promoter_task(
    settings: PromoterSettings,
    path: str | Path,
    genome_fasta: str | Path | None,
    motifs: str | Path | None,
    chromosomes: list[str],
    folder: str | Path,
) -> dict:
    """Write the core-promoter task: train, valid and test parquet files and ``card.json``.

    Parameters
    ----------
    settings : PromoterSettings
    path : path
        Promoter positions (`epdnew`) or DNABERT's k-mer table (`kmer-tsv`).
    genome_fasta : path or None
        FASTA as written by :func:`genebert.genome.fasta.prepare_genome`; needed for `epdnew` only.
    motifs : path or None
        EPD's ``promoter_motifs.txt``; None: the TATA box is looked up in the sequence. `epdnew` only.
    chromosomes : list of str
        Promoters elsewhere are left out and counted. `epdnew` only: the k-mer table has no places.
    folder : path

    Returns
    -------
    dict
        The data card. A random split is stratified by label and by kind (with or without TATA box) where the kind is
        known.

    Raises
    ------
    InputError
        Unknown source or split, a split by chromosome of examples without places or with lists that do not fit, no
        genome for `epdnew`, no promoter left, or a file that cannot be read as described.
    """
    path, folder = Path(path), Path(folder)
    if settings.split not in ("random", "chromosome"):
        raise InputError(f"tasks.promoter.split: found {settings.split!r}, expected random or chromosome")
    if settings.source == "epdnew":
        if genome_fasta is None:
            raise InputError("promoter task: source epdnew needs a genome; found none, expected a FASTA file")
        return _from_promoters(
            settings, path, Path(genome_fasta), Path(motifs) if motifs else None, chromosomes, folder
        )
    if settings.source == "kmer-tsv":
        if settings.split == "chromosome":
            raise InputError(
                "tasks.promoter.split: found chromosome with the source kmer-tsv, whose examples have no places; "
                "expected random, or the source epdnew"
            )
        examples, k = read_kmer_tsv(path)
        examples["source"] = settings.source
        split = stratified_split(
            examples["label"].to_numpy(), settings.test_fraction, settings.valid_fraction, settings.seed
        )
        made = {"task": "promoter", "settings": asdict(settings), "files": {"examples": path.name}, "k": k}
        return write_task(examples, split, folder, made)
    raise InputError(f"promoter task: source is {settings.source!r}, expected epdnew or kmer-tsv")
