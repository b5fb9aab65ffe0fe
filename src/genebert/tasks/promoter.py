"""The core-promoter task: DNABERT's prom-core set rebuilt from EPDnew, or read from a file in DNABERT's form."""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.bases import N_CODE
from genebert.genome.builds import check_regions
from genebert.genome.fasta import Genome
from genebert.settings.fields import Block, key
from genebert.settings.rules import Chromosome, DataSetName, FilePath, ProperShare, Seed
from genebert.tasks.base import Sources, Task
from genebert.tasks.core_promoters import (
    BLOCK,
    CROP,
    KEPT_BLOCKS,
    LENGTH,
    NEGATIVE_TATA_START,
    PARENT,
    TATA_STARTS,
    has_tata_box,
    initiator_shares,
    mosaics,
    parent_windows,
    tata_negatives,
    window_starts,
)
from genebert.tasks.epd import TATA_CUTOFF, read_promoters, read_tata_flags
from genebert.tasks.kmer_table import read_kmer_tsv
from genebert.tasks.splits import (
    chromosome_split,
    list_problems,
    make_examples,
    missing_lists,
    on_chromosomes,
    place_names,
    stratified_split,
    write_task,
)

logger = logging.getLogger(__name__)
ODD_INITIATOR = 0.45  # share of pyrimidine-purine at -1/+1: human promoters 0.70, random sequence 0.25


@dataclass(frozen=True)
class PromoterSettings(Block):
    """How a core-promoter set is made."""

    block = "tasks.promoter"

    seed: Seed = key(42, internal=True)
    source: Literal["epdnew", "kmer-tsv"] = key(
        "epdnew", "epdnew (promoter positions), or kmer-tsv (DNABERT's `sequence<TAB>label`)"
    )
    split: Literal["random", "chromosome"] = key(
        "random", "random (stratified), or chromosome: by the two lists below; epdnew only"
    )
    test_fraction: ProperShare = key(0.1, "of all examples")
    valid_fraction: ProperShare = key(0.1, "of what is left")
    test_chromosomes: list[Chromosome] = key([], "a mosaic follows its promoter")
    valid_chromosomes: list[Chromosome] = key([], "all others are for training")

    def check(self) -> Iterator[str]:
        """What the split needs."""
        if self.split == "chromosome":
            if self.source == "kmer-tsv":
                yield "split: found chromosome beside source kmer-tsv, whose examples have no places; expected random"
            yield from missing_lists(self.test_chromosomes, self.valid_chromosomes)


@dataclass(frozen=True, kw_only=True)
class PromoterSet(PromoterSettings):
    """A set, and what it is made from."""

    path: FilePath = key(doc="the file of promoters, or of examples")
    motifs: FilePath | None = key(
        None, "EPD's table of which promoters have a TATA box; null: looked up in the sequence"
    )


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
    listed = read_promoters(path, genome.build)
    sites = pd.DataFrame({"chrom": listed["chrom"], "start": listed["tss"], "end": listed["tss"] + 1})
    check_regions(sites, genome.all_lengths, path, genome.build, chromosomes)
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
    start = window_starts(kept) + np.where(kept["strand"] == "+", CROP.start, PARENT - CROP.stop)
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
        Lists of chromosomes that do not fit, no genome for `epdnew`, no promoter left, promoters of another genome
        build, or a file that cannot be read as described.
    """
    path, folder = Path(path), Path(folder)
    if settings.source == "epdnew":
        if genome_fasta is None:
            raise InputError("promoter task: source epdnew needs a genome; found none, expected a FASTA file")
        return _from_promoters(
            settings, path, Path(genome_fasta), Path(motifs) if motifs else None, chromosomes, folder
        )
    examples, k = read_kmer_tsv(path)
    examples["source"] = settings.source
    split = stratified_split(
        examples["label"].to_numpy(), settings.test_fraction, settings.valid_fraction, settings.seed
    )
    made = {"task": "promoter", "settings": asdict(settings), "files": {"examples": path.name}, "k": k}
    return write_task(examples, split, folder, made)


class PromoterTask(Task):
    """Core promoters."""

    name = "promoter"
    section = dict[DataSetName, PromoterSet]
    default: ClassVar = {
        "prom-core": {
            "path": "{data}/epdnew/Hs_EPDnew_006_hg19.bed",
            "motifs": "{data}/epdnew/promoter_motifs.txt",
        }
    }

    def data_sets(self, section: dict[str, Any], config: Path) -> dict[str, dict[str, Any]]:
        """Return the sets as they stand in the configuration."""
        return section

    def problems(self, sets: dict[str, dict[str, Any]], chromosomes: list[str]) -> Iterator[str]:
        """Say which lists of chromosomes do not fit the run."""
        for name, settings in sets.items():
            yield from list_problems(settings, chromosomes, f"tasks.promoter.{name}")

    def files(self, settings: dict[str, Any]) -> dict[str, str]:
        """Return the annotation, and the TATA flags of promoter positions."""
        names = ("path", "motifs") if self.reads_genome(settings) else ("path",)
        return {name: settings[name] for name in names if settings[name]}

    def reads_genome(self, settings: dict[str, Any]) -> bool:
        """Positions are cut from the genome, ready examples are not."""
        return settings["source"] == "epdnew"

    def build(self, settings: dict[str, Any], sources: Sources, folder: Path) -> dict[str, Any]:
        """Write one set."""
        made = {name: value for name, value in settings.items() if name not in ("path", "motifs")}
        path, motifs = (sources.files.get(name) for name in ("path", "motifs"))
        return build_promoter_task(
            PromoterSettings(seed=sources.seed, **made), path, sources.genome, motifs, sources.chromosomes, folder
        )


TASK = PromoterTask()
