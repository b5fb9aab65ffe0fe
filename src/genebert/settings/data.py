"""Settings of the data half: simulation, genome, accessibility, motifs, corpus."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from genebert.settings.fields import Block, key
from genebert.settings.rules import (
    Chromosome,
    Count,
    FilePath,
    NotNegative,
    Positive,
    Rule,
    Seed,
    Share,
    ShareBelow1,
    SomeShare,
    Text,
    Whole,
)
from genebert.settings.sentences import show

# Forms of the region x TF matrix.
Matrix = Literal["max_score", "binary", "counts", "descartes"]

# What each form of the matrix is read from.
FORMAT_KEYS = {
    "mtx": ("matrix", "peaks", "cells", "group_by"),
    "dgcmatrix": ("matrix", "cells", "group_by"),
    "seurat": ("matrix", "assay", "group_by"),
    "h5ad": ("matrix", "group_by"),
    "bed": ("beds",),
}
# And may be read from besides.
OPTIONAL_KEYS = {"mtx": ("barcodes",), "dgcmatrix": ("peaks",)}
CELL_TYPES = 8  # that the simulator knows programs of
MIN_EXON, MIN_INTRON = 30, 70  # bases of simulated ones: their sites do not touch
SUM_TOLERANCE = 1e-6  # of four frequencies


@dataclass(frozen=True)
class SimulationSettings(Block):
    """The toy atlas of ``config/demo.yaml``; read only when a path below resources/simulated/ is asked for."""

    block = "simulate"

    seed: Seed = key(42, internal=True)
    chromosomes: Annotated[dict[Chromosome, Count], Rule(some=True)] = key(
        {"chr1": 2_000_000, "chr2": 1_800_000, "chr3": 1_600_000, "chr4": 300_000}, "name to length"
    )
    mostly_n: list[Chromosome] = key(["chr4"], "chromosomes of which 80 % is N")
    n_regions: Count = key(6000, "regions")
    region_bp: Annotated[int, Rule(at_least=120, at_most=900)] = key(300, "mean length of a region")
    regions_per_domain: Count = key(80, "mean number of neighbouring regions with one program")
    domain_gc_sd: ShareBelow1 = key(0.15, "standard deviation of the GC content between domains")
    domain_purity: Share = key(0.70, "share of a domain's regions that follow its program")
    housekeeping: Share = key(0.20, "share that are open everywhere; the rest follows other programs")
    n_cell_types: Annotated[int, Rule(at_least=1, at_most=CELL_TYPES)] = key(5, "cell types")
    cells_per_type: Count = key(60, "mean number of cells")
    motifs_per_region: NotNegative = key(4.0, "mean number of planted motif instances")
    fragments_per_cell: NotNegative = key(0.12, "mean count of an open region in one cell")
    noise: NotNegative = key(0.001, "the same for a closed region")
    n_promoters: Count = key(1000, "promoters")
    tata: Share = key(0.12, "share of promoters with a TATA box")
    ctcf: Share = key(
        0.25,
        "CTCF sites in regions, as a share of their number",
        more="With 0 here and in `ctcf_outside` the peak files are empty.",
    )
    ctcf_outside: Share = key(0.04, "CTCF sites between regions, as a share of the number of regions")
    ctcf_partner: Share = key(
        0.6, "share of these sites with their partner's motif, which are bound; the rest are decoys"
    )
    ctcf_shared: Share = key(0.8, "share of a cell line's peaks that all cell lines have")
    ctcf_without_site: ShareBelow1 = key(0.15, "share of a cell line's peaks without a site")
    n_genes: Whole = key(180, "genes with splice sites; 0: the table of genes is empty")
    exons_per_gene: Annotated[float, Rule(at_least=2)] = key(7.0, "mean number; no gene has fewer than two")
    exon_bp: Annotated[float, Rule(at_least=MIN_EXON)] = key(70.0, f"mean length of an exon; the least is {MIN_EXON}")
    intron_bp: Annotated[float, Rule(at_least=MIN_INTRON)] = key(
        100.0, f"mean length of an intron; the least is {MIN_INTRON}"
    )
    gene_paralogs: Share = key(0.15, "share of the genes that have a paralog: two each are alike")
    gene_overlaps: Share = key(0.1, "share of the genes that overlap one of the other strand, about")
    splice_decoys: NotNegative = key(1.0, "decoys in a gene for each of its splice sites: the site's matrix alone")

    def check(self) -> Iterator[str]:
        """Names that there are, and shares of one whole."""
        for name in self.mostly_n:
            if name not in self.chromosomes:
                yield f"mostly_n: found {name}, expected only names that simulate.chromosomes lists"
        if self.domain_purity + self.housekeeping > 1:
            found = f"found {self.domain_purity} beside housekeeping {self.housekeeping}"
            yield f"domain_purity: {found}, expected at most 1 together"


@dataclass(frozen=True)
class GenomeSettings(Block):
    """The reference genome."""

    block = "genome"

    build: Text = key(
        "hg19",
        "chromosome lengths are checked for hg19 and hg38; any other name is not checked",
        more="So a part of a chromosome, or a padded one, needs a name of its own, such as hg19-part.",
    )
    fasta: FilePath = key("{data}/hg19/hg19.fa.gz", "plain, gzip or bgzip; `20`, `chr20`, `NC_000020.10` are one name")


@dataclass(frozen=True)
class AccessibilitySettings(Block):
    """From counts to accessible regions."""

    block = "accessibility"

    format: Literal["mtx", "dgcmatrix", "seurat", "h5ad", "bed"] = key("seurat", "form of the matrix")
    matrix: FilePath | None = key(
        "{data}/descartes-cerebrum/GSM4508930_cerebrum_filtered.seurat.RDS.gz",
        "peaks x cells (mtx may also be cells x peaks, and h5ad is)",
    )
    assay: Text | None = key("peaks", "seurat: which assay")
    peaks: FilePath | None = key(
        None, "mtx: BED, or a list of chrom-start-end names", more="dgcmatrix: without row names."
    )
    cells: FilePath | None = key(
        None,
        "mtx: table of cells in the matrix' order, or see the next key; dgcmatrix: joined by its column `cell`",
        more="Joined means by cell names, whatever the order; without a column `cell`, its first column holds them. A "
        "dgcmatrix without column names is in the order of the table.",
    )
    barcodes: FilePath | None = key(
        None, "mtx: names of the matrix' cells in its order, one a line; `cells` is then joined by its column `cell`"
    )
    group_by: Text | None = key(
        "cell_type", "column of the cells that names the type (paper: 17 types; this column has 8)"
    )
    names: Literal["0-based", "1-based"] = key(
        "0-based",
        "how names of regions count: 0-based (chr1-0-500: the first 500 bases), or 1-based (chr1-1-500)",
        more="BED and Cell Ranger count from 0; names that R made of a GRanges (GRangesToString) from 1. "
        "The log says which was taken. BED files are 0-based always.",
    )
    beds: dict[Annotated[str, Rule(some=True, expected="the name of a cell type")], FilePath] = key(
        {}, "bed: cell type -> BED of its accessible regions; overlapping peaks are merged"
    )
    min_cells: Count = key(1, "types with fewer cells are dropped, and reported")
    windows_bp: Annotated[int, Rule(at_least=20)] | None = key(
        None,
        "windows of N bases in place of regions, as many in each as fit; null: regions as they are",
        more="For models that are shown less than a region (`corpus.region_bp` below the regions' lengths), which "
        "otherwise read its middle alone. They lie side by side about the region's middle, and each has the region's "
        "counts; the next filters are of windows. `corpus.region_bp` and `motifs.region_bp` are then N or more.",
    )
    blacklist: FilePath | None = key(None, "BED of regions to leave out (any overlap)")
    max_n_fraction: Share = key(0.05, "regions with a larger share of N are dropped")
    binarise: Literal["any", "min_fraction"] = key(
        "any",
        "any: summed count > 0, as the paper; min_fraction: see the next key",
        more="In a type of 10,000 cells nearly every region has a count somewhere.",
    )
    min_fraction: SomeShare | None = key(
        None, "min_fraction: accessible if at least this share of the type's cells has a count"
    )

    def check(self) -> Iterator[str]:
        """What the form of the matrix and the rule of binarising need."""
        for name in FORMAT_KEYS[self.format]:
            if not getattr(self, name):
                yield f"{name}: found {show(getattr(self, name))}, but accessibility.format {self.format} needs it"
        if self.barcodes and self.format != "mtx":
            yield f"barcodes: found {show(self.barcodes)}, but only accessibility.format mtx reads it; expected null"
        if self.binarise == "min_fraction" and self.min_fraction is None:
            yield "min_fraction: found null, but accessibility.binarise min_fraction needs it"
        if self.binarise != "min_fraction" and self.min_fraction is not None:
            yield f"min_fraction: found {self.min_fraction}, but only binarise min_fraction reads it; expected null"
        if self.binarise == "min_fraction" and self.format == "bed":
            yield "binarise: found min_fraction, but accessibility.format bed has no cells; expected any"


@dataclass(frozen=True)
class MotifSettings(Block):
    """The regions x motifs matrix."""

    block = "motifs"

    release: Literal[
        "JASPAR2014", "JASPAR2016", "JASPAR2018", "JASPAR2020", "JASPAR2022", "JASPAR2024", "JASPAR2026"
    ] = key("JASPAR2018", "pyjaspar's own default is a later one")
    matrix: Matrix = key(
        "max_score",
        "max_score (graded), binary, counts, or descartes (the atlas authors' recipe)",
        more="max_score: best log-odds over both strands and all windows without N (float16; NaN where there is none). "
        "binary: 1 where a window on either strand reaches the threshold. counts: the number of such windows. "
        "descartes: as binary, regions in 25 bins of GC content, each with its own background; source pwm, pseudocount "
        "1, p = 1e-7 (docs/facts.md 3).",
    )
    source: Literal["counts", "pwm"] = key("counts", "log-odds from counts, or from pwm (probabilities, as descartes)")
    pseudocount: Positive = key(1.0, "added to every position, shared out by the background")
    background: Annotated[
        Literal["regions"] | tuple[Positive, Positive, Positive, Positive],
        Rule(expected="regions, or four frequencies of A, C, G, T above 0"),
    ] = key(
        "regions",
        "regions: base composition of all regions, both strands; or [A, C, G, T]",
        more="Both strands are scanned, so A and T are averaged, and so are C and G.",
    )
    p_value: Annotated[float, Rule(above=0, below=1)] = key(
        1.0e-4, "hit threshold of binary and counts; descartes has its own (1e-7)"
    )
    order: Literal["matrix_id", "family"] = key("matrix_id", "column order")
    region_bp: Count | None = key(
        515,
        "scan only the central N bases: those of corpus.region_bp, or null, all of a region, also where less is shown",
    )
    composition: Literal["keep", "remove"] = key(
        "keep",
        "remove: max_score without what GC, CpG and length say of each score (docs/learning.md)",
        more="A linear regression of each column on GC and CpG content, log length and their squares, over the regions "
        "of training samples; motifs.json has the coefficients.",
    )

    def check(self) -> Iterator[str]:
        """Frequencies that are shares of one whole; scores that something can be taken from."""
        if self.composition == "remove" and self.matrix != "max_score":
            yield f"composition: found remove beside matrix {self.matrix}, expected keep, or matrix max_score"
        if self.background != "regions" and abs(sum(self.background) - 1) > SUM_TOLERANCE:
            found = f"found {show(list(self.background))} with the sum {sum(self.background):.6g}"
            yield f"background: {found}, expected the sum 1"


@dataclass(frozen=True)
class CorpusSettings(Block):
    """Samples of pre-training."""

    block = "corpus"

    regions_per_sample: Annotated[int, Rule(at_least=2, even=True)] = key(
        10, "paper: ten consecutive accessible regions of one cell type"
    )
    region_bp: Count | None = key(
        515,
        "crop each region to its central N bases (515: ten fit 5,120 tokens; 51: 512), or null",
        more="With motifs.region_bp the same, rows of the matrix are of the bases that models are shown, whatever the "
        "lengths of regions are (docs/choices.md). One region of 515 bases fills a window of 512 tokens.",
    )
    holdout_chromosomes: list[Chromosome] = key([], "kept out of pre-training")
    validation_fraction: ShareBelow1 = key(
        0.01, "the last regions of each chromosome, kept for validation of pre-training"
    )
