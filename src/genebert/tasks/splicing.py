"""The splicing task: none, acceptor or donor for every base of a gene, from SpliceAI's tables.

Genes, labels, blocks and the published split as SpliceAI (docs/facts.md 8, 40); a split by gene for a table, or a part
of the genome, that has not all of its chromosomes.
"""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from genebert.errors import InputError
from genebert.evaluation.examples import SPLITS
from genebert.evaluation.site_labels import ACCEPTOR, DONOR, KIND, NOT_EVALUATED
from genebert.files import atomic_path, read_json, write_json
from genebert.genome.builds import check_regions
from genebert.genome.fasta import Genome
from genebert.genome.intervals import merge_overlapping, overlapping, ranges, sort_regions
from genebert.settings.fields import Block, key
from genebert.settings.rules import Count, DataSetName, FilePath, ProperShare, Seed
from genebert.sources.splice_table import (
    TEST_CHROMOSOMES,
    SpliceTable,
    in_published_test,
    read_splice_table,
    transcripts,
)
from genebert.tasks.base import Sources, Task
from genebert.tasks.splice_sites import (
    Sites,
    check_motifs,
    find_sites,
    labels_of,
)
from genebert.tasks.splits import on_chromosomes

logger = logging.getLogger(__name__)
LEFT_OUT = ""  # the split of a gene that is in none
ROWS = 2048  # blocks written at a time: 10 MB of labels at 5,000 bases
# Streams of random numbers: one for each use, so that one choice does not change the others; see tasks.windows.
TEST, VALID = 1, 2
SCHEMA = pa.schema(
    {
        "chrom": pa.string(), "start": pa.int64(), "end": pa.int64(), "strand": pa.string(), "gene": pa.string(),
        "inside_start": pa.int64(), "inside_end": pa.int64(), "label": pa.list_(pa.int8()),
    }
)  # fmt: skip


@dataclass(frozen=True)
class SplicingSettings(Block):
    """How a splicing set is made."""

    block = "tasks.splicing"

    seed: Seed = key(42, internal=True)
    paired: bool = key(
        True, "each jn_start and its jn_end are one intron inside the transcript (canonical_dataset.txt); false: GTEx's"
    )
    split: Literal["published", "gene"] = key(
        "published", "published (chr1, 3, 5, 7, 9 are the test set), or gene: genes that overlap stay together"
    )
    test_fraction: ProperShare = key(0.1, "of the genes without paralogs, for gene; others are never tested")
    valid_fraction: ProperShare = key(0.1, "of the genes that are left")
    block_bp: Count = key(5000, "bases of a row: a gene is cut into blocks, the last is filled up")


@dataclass(frozen=True, kw_only=True)
class SplicingSet(SplicingSettings):
    """A set, and what it is made from."""

    table: FilePath = key(doc="a table as SpliceAI's canonical_dataset.txt or gtex_dataset.txt")


def _lengths(genes: pd.DataFrame) -> np.ndarray:
    """Return the bases of each gene's transcript (int64 [n])."""
    return (genes["tx_end"] - genes["tx_start"] + 1).to_numpy()


# ------------------------------------------------------------------------------------------------------ splits


def _take(order: np.ndarray, sizes: np.ndarray, wanted: int) -> np.ndarray:
    """Return the first of `order`, groups of these sizes, that together have at least as many as wanted."""
    return order[: np.searchsorted(np.cumsum(sizes[order]), wanted) + 1]


def split_genes(genes: pd.DataFrame, settings: SplicingSettings) -> np.ndarray:
    """Return train, valid, test or nothing (left out) for every gene (str [n]).

    Genes that share a base, on either strand, also in chains, are in one split. Genes with paralogs are never tested,
    for their like is in training: in a split by gene those that overlap a tested one are left out, in the published one
    all on the test chromosomes.
    """
    _, group = merge_overlapping(transcripts(genes))
    alone = (genes["paralog"] == 0).to_numpy()
    if settings.split == "published":
        set_aside, tested = genes["chrom"].isin(TEST_CHROMOSOMES).to_numpy(), in_published_test(genes)
    else:
        sizes = np.bincount(group[alone], minlength=group.max() + 1)
        order = np.random.default_rng([settings.seed, TEST]).permutation(np.flatnonzero(sizes))
        set_aside = np.isin(group, _take(order, sizes, round(settings.test_fraction * alone.sum())))
        tested = set_aside & alone
    rest = np.flatnonzero(~set_aside)
    sizes = np.bincount(group[rest], minlength=group.max() + 1)
    order = np.random.default_rng([settings.seed, VALID]).permutation(np.flatnonzero(sizes))
    valid = ~set_aside & np.isin(group, _take(order, sizes, round(settings.valid_fraction * len(rest))))
    return np.select([tested, set_aside, valid], ["test", LEFT_OUT, "valid"], "train")


# ------------------------------------------------------------------------------------------------------ blocks


def gene_blocks(genes: pd.DataFrame, block: int) -> pd.DataFrame:
    """Return the blocks of genes: `row` of the gene and the columns of a data set but for the label.

    The first block begins at the first base transcribed; the last one may reach beyond the transcript and the
    chromosome.
    """
    inside, number = transcripts(genes), -(-_lengths(genes) // block)
    row = np.repeat(np.arange(len(genes)), number)
    place = ranges(np.zeros(len(genes), dtype=np.int64), number) * block
    of = genes.iloc[row].reset_index(drop=True)
    first, last = (inside[name].to_numpy()[row] for name in ("start", "end"))
    start = np.where(of["strand"] == "-", last - place - block, first + place)
    return pd.DataFrame(
        {
            "row": row, "chrom": of["chrom"], "start": start, "end": start + block, "strand": of["strand"],
            "gene": of["gene"], "inside_start": first, "inside_end": last,
        }
    )  # fmt: skip


def _block_labels(rows: np.ndarray, genes: pd.DataFrame, sites: Sites, block: int) -> np.ndarray:
    """Return the labels of all blocks of some genes, end to end (int8)."""
    parts = []
    for row, length in zip(rows, _lengths(genes.iloc[rows]).tolist(), strict=True):
        parts += [labels_of(sites, row, length), np.full(-length % block, NOT_EVALUATED, dtype=np.int8)]
    return np.concatenate(parts)


def _write_split(path: Path, genes: pd.DataFrame, rows: np.ndarray, sites: Sites, block: int) -> None:
    """Write the blocks of some genes, a part at a time: the whole genome's labels are more than 1 GB."""
    blocks = gene_blocks(genes.iloc[rows], block)
    number = np.bincount(blocks["row"], minlength=len(rows))
    part = (np.cumsum(number) - 1) // ROWS  # of each gene: genes are not cut
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
        for one in np.unique(part):
            members = np.flatnonzero(part == one)
            here = blocks[np.isin(blocks["row"], members)]
            labels = pa.array(_block_labels(rows[members], genes, sites, block))
            lists = pa.ListArray.from_arrays(pa.array(np.arange(len(here) + 1, dtype=np.int32) * block), labels)
            columns = [pa.array(here[name], SCHEMA.field(name).type) for name in SCHEMA.names[:-1]]
            writer.write_table(pa.Table.from_arrays([*columns, lists], schema=SCHEMA))


# ------------------------------------------------------------------------------------------------------ the set


def _counts(genes: pd.DataFrame, sites: Sites, split: np.ndarray, block: int) -> dict[str, dict[str, int]]:
    """Return what each split holds."""
    lengths = _lengths(genes)
    found = {}
    for name in SPLITS:
        here, label = split == name, sites.label[(split == name)[sites.gene]]
        found[name] = {
            "genes": int(here.sum()),
            "genes_with_paralogs": int(genes["paralog"][here].sum()),
            "blocks": int((-(-lengths[here] // block)).sum()),
            "positions": int(lengths[here].sum()),
            "acceptors": int((label == ACCEPTOR).sum()),
            "donors": int((label == DONOR).sum()),
        }
    return found


def _here(table: SpliceTable, sources: Sources, genome: Genome, path: Path) -> tuple[SpliceTable, dict[str, int]]:
    """Return the genes of the run's chromosomes that have junctions, sorted by place, and what is left out."""
    places = transcripts(table.genes)
    check_regions(places, genome.all_lengths, path, genome.build)
    kept = on_chromosomes(places, sources.chromosomes, path, "genes")
    rows = kept.index.to_numpy()[sort_regions(kept)]
    number = sum(side.numbers(len(places)) for side in (table.jn_start, table.jn_end))
    with_sites = rows[number[rows] > 0]
    if not len(with_sites):
        raise InputError(f"{path}: none of its {len(rows)} genes on {', '.join(sources.chromosomes)} has a junction")
    left_out = {"genes_elsewhere": len(places) - len(rows), "genes_without_junctions": len(rows) - len(with_sites)}
    return table.of(with_sites), left_out


def _genes(genes: pd.DataFrame, split: np.ndarray, left_out: dict[str, int]) -> dict[str, Any]:
    """Return how many genes there are, and where those lie that are tested: what tables say of the set."""
    return {
        "in_table": len(genes) + sum(left_out.values()),
        **{name: int((split == name).sum()) for name in SPLITS},
        "test_chromosomes": genes["chrom"][split == "test"].unique().tolist(),
    }


def _build(settings: SplicingSettings, sources: Sources, folder: Path) -> dict[str, Any]:
    path, genome, block = sources.files["table"], Genome(sources.genome), settings.block_bp
    table = read_splice_table(path, paired=settings.paired, build=genome.build)
    table, left_out = _here(table, sources, genome, path)
    motifs = check_motifs(table, genome, path)
    genes, sites = table.genes, find_sites(table)
    split = split_genes(genes, settings)
    counts = _counts(genes, sites, split, block)
    for name, count in counts.items():
        if not (count["acceptors"] and count["donors"]):
            raise InputError(
                f"{path}: with split {settings.split}, {name} would hold {count['genes']} genes, {count['acceptors']} "
                f"acceptors and {count['donors']} donors of {len(genes)} genes in all; expected some of each (more "
                f"genes, other fractions{'' if settings.split == 'gene' else ', or split: gene'})"
            )
    places, lengths = transcripts(genes), _lengths(genes)
    _, group = merge_overlapping(places)
    for name in SPLITS:
        _write_split(folder / f"{name}.parquet", genes, np.flatnonzero(split == name), sites, block)
    card = {
        "task": "splicing",
        "kind": KIND,
        "settings": asdict(settings),
        "files": {"table": path.name, "genome": genome.path.name},
        "build": table.told,
        "classes": ["none", "acceptor", "donor"],
        "genes": _genes(genes, split, left_out),
        "counts": counts,
        "motifs": motifs,
        "gene_length": {"min": int(lengths.min()), "median": int(np.median(lengths)), "max": int(lengths.max())},
        "genes_overlapping_others": int((np.bincount(group)[group] > 1).sum()),
        "left_out": left_out
        | {
            "genes_with_paralogs_set_aside": int((split == LEFT_OUT).sum()),
            "sites_outside_transcripts": int(sum((~side.inside).sum() for side in (table.jn_start, table.jn_end))),
            "donors_that_are_acceptors_too": sites.both,
        },
        "test_overlapping_train": int(overlapping(places[split == "test"], places[split == "train"]).sum()),
    }
    write_json(folder / "card.json", card)
    logger.info("%s: %s", folder, ", ".join(f"{name} {count['genes']} genes" for name, count in counts.items()))
    return read_json(folder / "card.json")


class SplicingTask(Task):
    """Splice sites."""

    name = "splicing"
    section = dict[DataSetName, SplicingSet]
    default: ClassVar = {}
    places = True
    kind = KIND

    def files(self, settings: dict[str, Any]) -> dict[str, str]:
        """Return the table."""
        return {"table": settings["table"]}

    def problems(self, sets: dict[str, dict[str, Any]], chromosomes: list[str]) -> Iterator[str]:
        """Say where the published split has no chromosome to train or to test on."""
        tested = [name for name in chromosomes if name in TEST_CHROMOSOMES]
        for name, settings in sets.items():
            if settings["split"] == "published" and len(tested) in (0, len(chromosomes)):
                yield (
                    f"tasks.splicing.{name}.split: found published, whose test set is {', '.join(TEST_CHROMOSOMES)}, "
                    f"with the chromosomes {', '.join(chromosomes)}; expected some of these and some others, or gene"
                )

    def build(self, settings: dict[str, Any], sources: Sources, folder: Path) -> dict[str, Any]:
        """Write one set: rows are blocks of genes, a label for every base.

        Columns: chrom, start, end (0-based half-open, on the "+" strand; may reach beyond the chromosome), strand,
        gene, inside_start, inside_end (the transcript, outside of which bases are N), label (list of int8, one for each
        base in the direction of transcription: 0 none, 1 acceptor, 2 donor, -1 not evaluated, beyond the transcript).

        Raises
        ------
        InputError
            A table that cannot be read as described or is of another build, sites that are not beside GT and AG, or
            too few genes to fill all splits.
        """
        made = {name: value for name, value in settings.items() if name != "table"}
        return _build(SplicingSettings(seed=sources.seed, **made), sources, folder)


TASK = SplicingTask()
