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
from genebert.settings.rules import Chromosome, DataSetName, FilePath, ProperShare, Seed, Whole
from genebert.tasks import core_promoters as core
from genebert.tasks.base import Sources, Task
from genebert.tasks.epd import read_promoters, read_tata_flags
from genebert.tasks.kmer_table import read_kmer_tsv
from genebert.tasks.promoter_negatives import both_labels, genomic_negatives
from genebert.tasks.splits import (
    SPLITS,
    chromosome_split,
    list_problems,
    make_examples,
    missing_lists,
    on_chromosomes,
    place_names,
    place_split,
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
    negatives: Literal["dnabert", "genomic"] = key(
        "dnabert",
        "dnabert (mosaics, and windows with a TATA box), or genomic (equal GC and CpG, outside promoters)",
        more="genomic is of promoter positions, and splits by chromosome or place: a promoter and its negative are in "
        "one split. A sequence that carries both labels is left out.",
    )
    split: Literal["random", "chromosome", "place"] = key(
        "random",
        "random (stratified), or of promoter positions: chromosome (the two lists below), place",
        more="place: on each chromosome the last examples are for testing, those before them for validation.",
    )
    test_fraction: ProperShare = key(0.1, "of all examples")
    valid_fraction: ProperShare = key(0.1, "of what is left")
    gap_bp: Whole = key(100_000, "place: bases between two splits, whose examples are left out")
    test_chromosomes: list[Chromosome] = key([], "a mosaic follows its promoter")
    valid_chromosomes: list[Chromosome] = key([], "all others are for training")

    def check(self) -> Iterator[str]:
        """What the split needs."""
        if self.split != "random" and self.source == "kmer-tsv":
            yield f"split: found {self.split} beside source kmer-tsv, whose examples have no places; expected random"
        if self.negatives == "genomic" and self.source == "kmer-tsv":
            yield "negatives: found genomic beside source kmer-tsv, whose negatives are in the file; expected dnabert"
        elif self.negatives == "genomic" and self.split == "random":
            yield "negatives: found genomic beside split random; expected split chromosome or place"
        elif self.negatives == "dnabert" and self.split == "place":
            yield "split: found place beside negatives dnabert; expected genomic negatives, which have places"
        yield from missing_lists(self)


@dataclass(frozen=True, kw_only=True)
class PromoterSet(PromoterSettings):
    """A set, and what it is made from."""

    extended: bool = key(False, "shown by rows of tables that name it, and not by those of all promoter sets")
    path: FilePath = key(doc="the file of promoters, or of examples")
    motifs: FilePath | None = key(
        None, "EPD's table of which promoters have a TATA box; null: looked up in the sequence"
    )


def _tata_flags(promoters: pd.DataFrame, parents: np.ndarray, motifs: Path | None) -> np.ndarray:
    """Return the TATA flag of each promoter, from EPD's table by name or else from the sequence."""
    if motifs is None:
        return core.has_tata_box(parents)
    flags = promoters["name"].map(read_tata_flags(motifs))
    if flags.isna().any():
        raise InputError(
            f"{motifs}: {int(flags.isna().sum())} of {len(flags)} promoters are missing, the first is "
            f"{promoters.loc[flags.isna(), 'name'].iloc[0]}; expected all names of the promoter file"
        )
    return flags.to_numpy(dtype=bool)


def _usable_promoters(
    path: Path, genome: Genome, chromosomes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray, dict]:
    """Return all promoters of the chromosomes, those with all bases known, their parents, and counts for the card."""
    listed = read_promoters(path, genome.build)
    sites = pd.DataFrame({"chrom": listed["chrom"], "start": listed["tss"], "end": listed["tss"] + 1})
    check_regions(sites, genome.all_lengths, path, genome.build, chromosomes)
    promoters = on_chromosomes(listed, chromosomes, path, "promoters")
    repeated = promoters.duplicated(["chrom", "tss", "strand"])
    if repeated.any():
        logger.info("%s: %d promoters stand at the place of another, which is taken", path, int(repeated.sum()))
    outside, promoters = len(listed) - len(promoters), promoters[~repeated].reset_index(drop=True)
    parents = core.parent_windows(promoters, genome)
    complete = (parents < N_CODE).all(axis=1)
    parents = parents[complete]
    if not len(parents):
        raise InputError(
            f"{path}: all {len(promoters)} promoters have N in or run out of {genome.path}; expected some without"
        )
    if core.initiator_shares(parents)["pyrimidine_purine"] < ODD_INITIATOR:
        logger.warning(
            "%s: only %.0f %% of promoters have a pyrimidine and a purine at -1/+1 (human: 70 %%); another genome "
            "build, or positions one base off?", path, 100 * core.initiator_shares(parents)["pyrimidine_purine"],
        )  # fmt: skip
    counts = {
        "listed": len(listed),
        "outside_chromosomes": outside,
        "repeated": int(repeated.sum()),
        "with_n_or_beyond_end": len(promoters) - len(parents),
        "used": len(parents),
    }
    return promoters, promoters[complete].reset_index(drop=True), parents, counts


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


def _from_promoters(settings: PromoterSettings, sources: Sources, folder: Path) -> dict:
    """Build the set from promoter positions and the genome."""
    path, motifs, genome = sources.files["path"], sources.files.get("motifs"), Genome(sources.genome)
    promoters, kept, parents, counts = _usable_promoters(path, genome, sources.chromosomes)
    tata = _tata_flags(kept, parents, motifs)

    rng = np.random.default_rng(settings.seed)
    start = core.window_starts(kept) + np.where(kept["strand"] == "+", core.CROP.start, core.PARENT - core.CROP.stop)
    kinds = np.where(tata, "tata", "non-tata")
    places = pd.DataFrame({"chrom": kept["chrom"], "start": start, "end": start + core.LENGTH})
    parent = np.array(place_names(places), dtype=object)
    positives = make_examples(
        parents[:, core.CROP], 1, np.char.add(kinds, "-promoter"), **places, strand=kept["strand"], parent=parent
    )
    mosaic = make_examples(core.mosaics(parents[~tata], rng)[:, core.CROP], 0, "mosaic", parent=parent[~tata])
    drawn = core.tata_negatives(genome, promoters, int(tata.sum()), rng)
    genomic = make_examples(drawn.pop("codes"), 0, "genomic-tata", **drawn)
    examples = pd.concat([positives, mosaic, genomic], ignore_index=True)
    if settings.split == "chromosome":
        chroms = pd.concat([kept["chrom"], kept["chrom"][~tata], genomic["chrom"]])
        lists = settings.test_chromosomes, settings.valid_chromosomes
        split = chromosome_split(chroms, *lists, sources.chromosomes, "tasks.promoter")
    else:
        split = stratified_split(
            examples["source"].to_numpy(), settings.test_fraction, settings.valid_fraction, settings.seed
        )
    made = {
        "task": "promoter",
        "settings": asdict(settings),
        "files": {"promoters": path.name, "genome": genome.path.name, "tata_flags": motifs.name if motifs else None},
        "promoters": {
            **counts,
            "with_tata_box": int(tata.sum()),
            "tata_rule": "EPD's table" if motifs else core.TATA_RULE,
            "initiator": core.initiator_shares(parents),
        },
        "negatives": core.NEGATIVES,
        "leakage": _leakage(settings, split, tata),
    }
    return write_task(examples, split, folder, made)


def _check_gaps(split: np.ndarray, without: np.ndarray, gap_bp: int, path: Path) -> None:
    """Refuse gaps that leave nothing of a split that had promoters `without` them."""
    lost, missing = int((split == "").sum()), [name for name in SPLITS if name in without and name not in split]
    if missing:
        raise InputError(
            f"{path}: gaps of {gap_bp:,} bases between splits take {lost} of {len(split)} promoters, and leave none "
            f"for {', '.join(missing)}; expected some for each (a smaller tasks.promoter.*.gap_bp, or more promoters)"
        )


def _against_the_genome(settings: PromoterSettings, sources: Sources, folder: Path) -> dict:
    """Build a set with genomic negatives of equal GC and CpG content."""
    path, motifs, genome = sources.files["path"], sources.files.get("motifs"), Genome(sources.genome)
    promoters, kept, parents, counts = _usable_promoters(path, genome, sources.chromosomes)
    tata, codes = _tata_flags(kept, parents, motifs), parents[:, core.CROP]
    start = core.window_starts(kept) + np.where(kept["strand"] == "+", core.CROP.start, core.PARENT - core.CROP.stop)
    places = pd.DataFrame({"chrom": kept["chrom"], "start": start, "end": start + core.LENGTH})
    parts = None
    if settings.split == "chromosome":
        lists = settings.test_chromosomes, settings.valid_chromosomes
        split = chromosome_split(kept["chrom"], *lists, sources.chromosomes, "tasks.promoter")
    else:
        fractions = settings.test_fraction, settings.valid_fraction
        split, parts = place_split(places, *fractions, settings.gap_bp)
        _check_gaps(split, place_split(places, *fractions, 0)[0], settings.gap_bp, path)
    inside = split != ""
    places, codes, split, tata = places[inside].reset_index(drop=True), codes[inside], split[inside], tata[inside]
    parent = np.array(place_names(places), dtype=object)
    positives = places.assign(strand=kept["strand"][inside].to_numpy(), split=split)
    drawn, found, matched = genomic_negatives(genome, positives, codes, parts, promoters, settings.seed)
    kinds = np.where(tata, "tata-promoter", "non-tata-promoter")
    true = make_examples(codes, 1, kinds, **places, strand=positives["strand"], parent=parent)
    examples = pd.concat(
        [true, make_examples(found, 0, "genomic", **{name: drawn[name] for name in drawn}, parent=parent)],
        ignore_index=True,
    )
    unclear = both_labels(examples["sequence"], examples["label"])
    made = {
        "task": "promoter",
        "settings": asdict(settings),
        "files": {"promoters": path.name, "genome": genome.path.name, "tata_flags": motifs.name if motifs else None},
        "promoters": {
            **counts,
            "in_gaps": int((~inside).sum()),
            "with_tata_box": int(tata.sum()),
            "initiator": core.initiator_shares(parents),
        },
        "negatives": matched,
        "left_out_with_both_labels": int(unclear.sum()),
    }
    return write_task(examples[~unclear].reset_index(drop=True), np.tile(split, 2)[~unclear], folder, made)


def _from_kmer_table(settings: PromoterSettings, sources: Sources, folder: Path) -> dict:
    """Build the set from ready examples."""
    path = sources.files["path"]
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
        },
        "prom-core-genomic": {
            "path": "{data}/epdnew/Hs_EPDnew_006_hg19.bed",
            "motifs": "{data}/epdnew/promoter_motifs.txt",
            "negatives": "genomic",
            "split": "place",
            "extended": True,
        },
    }

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

    def bases(self, settings: dict[str, Any]) -> int | None:
        """Return the bases of a promoter that is cut from the genome."""
        return core.LENGTH if self.reads_genome(settings) else None

    def build(self, settings: dict[str, Any], sources: Sources, folder: Path) -> dict[str, Any]:
        """Write one set; a random split is stratified by label, and by kind (TATA box or not) where it is known.

        Raises
        ------
        InputError
            Lists of chromosomes that do not fit, no promoter left, or a file that cannot be read as described.
        """
        made = {name: value for name, value in settings.items() if name not in ("path", "motifs", "extended")}
        checked = PromoterSettings(seed=sources.seed, **made)
        from_places = _against_the_genome if checked.negatives == "genomic" else _from_promoters
        build = from_places if checked.source == "epdnew" else _from_kmer_table
        return build(checked, sources, folder)


TASK = PromoterTask()
