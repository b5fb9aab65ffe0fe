"""Genes made by hand: a genome with GT and AG where a table in SpliceAI's form has introns, on both strands."""

from pathlib import Path

import numpy as np

from genebert.genome.bases import reverse_complement
from genebert.genome.fasta import Genome, prepare_genome
from genebert.tasks.base import Sources
from genebert.tasks.splicing import TASK

# gene, paralog, chrom, strand, first and last base, introns (first and last base): all counted from 1.
GENES = [
    ("PLUS", 0, "chr1", "+", 11, 60, [(21, 30), (41, 52)]),
    ("MINUS", 0, "chr1", "-", 101, 160, [(111, 120), (131, 142)]),
    ("OVER", 1, "chr1", "-", 51, 90, [(61, 72)]),  # on the other strand of PLUS's end
    ("LONE", 0, "chr1", "+", 200, 230, []),
    ("TWIN", 1, "chr2", "+", 31, 80, [(41, 60)]),
    ("EDGE", 0, "chr2", "-", 1, 24, [(8, 15)]),
    ("LATER", 1, "chr2", "+", 101, 160, [(121, 140)]),
]
LENGTH = 300


def table_text(genes=GENES) -> str:
    """Return the table: exon ends and exon starts, each list with a comma at its end."""
    lines = []
    for *about, introns in genes:
        ends, starts = ("".join(f"{value}," for value in side) for side in (
            [first - 1 for first, _ in introns], [last + 1 for _, last in introns],
        ))  # fmt: skip
        lines.append("\t".join(map(str, [*about, ends, starts])) + "\n")
    return "".join(lines)


def chromosomes(genes=GENES, length: int = LENGTH) -> dict[str, str]:
    """Return random bases, with GT and AG at the ends of all introns in the direction of transcription."""
    rng, found = np.random.default_rng(0), {}
    for chrom in dict.fromkeys(gene[2] for gene in genes):
        codes = rng.integers(0, 4, length).astype(np.uint8)
        for *_, strand, _, _, introns in (gene for gene in genes if gene[2] == chrom):
            for first, last in introns:
                left, right = np.array([2, 3], np.uint8), np.array([0, 2], np.uint8)  # GT, AG
                if strand == "-":
                    left, right = reverse_complement(right), reverse_complement(left)
                codes[first - 1 : first + 1], codes[last - 2 : last] = left, right
        found[chrom] = "".join("ACGT"[code] for code in codes)
    return found


def write_genome(folder: Path, letters: dict[str, str]) -> Path:
    """Write and index a genome of no known build."""
    (folder / "source.fa").write_text("".join(f">{chrom}\n{text}\n" for chrom, text in letters.items()))
    prepare_genome(folder / "source.fa", folder / "genome.fa", "toy", list(letters))
    return folder / "genome.fa"


def make_set(folder: Path, text: str, genome: Path, **settings):
    """Write a set into a folder; return its card."""
    (folder / "table.txt").write_text(text)
    sources = Sources({"table": folder / "table.txt"}, genome, list(Genome(genome).lengths), settings.pop("seed", 0))
    return TASK.build({"table": "table.txt", "block_bp": 16, **settings}, sources, folder)
