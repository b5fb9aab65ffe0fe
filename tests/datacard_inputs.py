"""A small run made by the package's own stages, for tests of the data card."""

import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp
from accessibility_inputs import MatrixInputs, settings_of
from motif_reference import random_motif

from genebert.accessibility.build import build_accessibility, load_regions
from genebert.corpus.build import Places, build_corpus
from genebert.genome.fasta import Genome, prepare_genome
from genebert.genome.sequences import extract_sequences
from genebert.motifs.matrix import build_motif_matrix
from genebert.report.card.compute import CardInputs
from genebert.report.text import ReportSettings, fill
from genebert.settings.data import CorpusSettings, MotifSettings

CHROMOSOMES = ["chr1", "chr2", "chr3"]
TYPES = ["Astrocytes", "Astrocytes/Oligodendrocytes", "a|b"]
SETTINGS = ReportSettings("toy", "simulated, test size", ("A note.",))


def make_inputs(folder, rng):
    """A genome of three chromosomes, 240 peaks of differing length, 30 cells of three types and one without."""
    sizes = dict(zip(CHROMOSOMES, (50_000, 40_000, 20_000), strict=True))
    text = "".join(f">{name}\n{''.join(rng.choice(list('ACGT'), size))}\n" for name, size in sizes.items())
    (folder / "source.fa").write_text(text)
    prepare_genome(folder / "source.fa", folder / "genome" / "genome.fa", "toy", CHROMOSOMES)
    starts = {name: 450 * np.arange(size // 460) for name, size in sizes.items()}
    rows = [(name, int(s), int(s + rng.integers(40, 440))) for name, at in starts.items() for s in at]
    pd.DataFrame(rows).to_csv(folder / "peaks.bed", sep="\t", header=False, index=False)
    types = [*rng.choice(TYPES, 29), ""]
    counts = (rng.random((len(rows), 30)) < rng.beta(0.3, 2, len(rows))[:, None]) * rng.integers(1, 4, 30)
    scipy.io.mmwrite(folder / "matrix.mtx", sp.coo_matrix(counts))
    pd.DataFrame({"cell": range(30), "cell_type": types}).to_csv(folder / "cells.tsv", sep="\t", index=False)
    (folder / "blacklist.bed").write_text("chr1\t4000\t5000\nchr2\t100\t200\n")
    for i, name in enumerate(TYPES):
        open_ = counts[:, np.array(types) == name].any(axis=1)
        pd.DataFrame([row for row, is_open in zip(rows, open_, strict=True) if is_open]).to_csv(
            folder / f"type{i}.bed", sep="\t", header=False, index=False
        )


def examples(folder, rng, genome):
    """Promoters with a place and shuffles without, one split of each."""
    for split in ("train", "valid", "test"):
        rows = []
        for i in range(40):
            chrom, start = str(rng.choice(CHROMOSOMES)), int(rng.integers(0, 19_000))
            place = (chrom, start, start + 70) if i % 2 else (None, None, None)
            rows.append((genome[chrom][start : start + 70], i % 2, "promoter" if i % 2 else "shuffle", *place))
        frame = pd.DataFrame(rows, columns=["sequence", "label", "source", "chrom", "start", "end"])
        frame.astype({"chrom": "string", "start": "Int64", "end": "Int64"}).to_parquet(folder / f"{split}.parquet")


def make_run(folder, form, seed, motif_region_bp=None):
    """Run all stages before pre-training; return what compute_card takes."""
    rng = np.random.default_rng(seed)
    make_inputs(folder, rng)
    if form == "mtx":
        files = {key: folder / name for key, name in
                 (("matrix", "matrix.mtx"), ("peaks", "peaks.bed"), ("cells", "cells.tsv"))}  # fmt: skip
        inputs = MatrixInputs("mtx", **files)
    else:
        files = {name: folder / f"type{i}.bed" for i, name in enumerate(TYPES)}
        inputs = MatrixInputs("bed", beds=files)
    files = {**files, "blacklist": folder / "blacklist.bed", "genome": folder / "source.fa"}
    out = folder / "accessibility"
    settings = settings_of(inputs, blacklist=folder / "blacklist.bed")
    build_accessibility(settings, folder / "genome/genome.fa", "toy", CHROMOSOMES, out)
    genome = Genome(folder / "genome/genome.fa")
    sequences = extract_sequences(genome, load_regions(out / "accessible.h5ad"), "toy", "test")
    sequences.save(folder / "sequences")
    motifs = [random_motif(rng, width, f"M{width}") for width in (5, 7, 9)]
    settings = MotifSettings(matrix="binary", release="JASPAR2018")
    build_motif_matrix(sequences.crop(motif_region_bp), motifs, settings, folder / "motifs", 1)
    corpus, places = CorpusSettings(4, None, ["chr3"], 0.1), Places(3, 180, "concatenated")
    build_corpus(corpus, places, out / "accessible.h5ad", folder / "corpus")
    text = {name: (folder / "source.fa").read_text().split(f">{name}\n")[1].split("\n")[0] for name in CHROMOSOMES}
    (folder / "tasks").mkdir()
    examples(folder / "tasks", rng, text)
    return CardInputs(
        out, folder / "sequences", folder / "motifs", folder / "corpus", folder / "genome/genome.json", files,
        {"promoter/toy": {split: folder / f"tasks/{split}.parquet" for split in ("train", "valid", "test")}},
        region_bp=51,
    )  # fmt: skip


def page_of(card):
    """Return the page of a card."""
    return fill("card.md", card=card)
