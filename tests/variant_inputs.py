"""A small genome, and VCF files on it."""

import os

import pysam
from hypothesis import strategies as st

from genebert.genome.fasta import Genome, prepare_genome

HEADER = "##fileformat=VCFv4.2\n"
FORMAT = '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
# Stretches of repeats, in which an insertion or deletion can be written in many ways.
SEQUENCE = "CACACACAGTTTTTTACGACGACGACGTTGCA" + "AC" * 70 + "GGGTNNNTATATAGCCCAAATTTGCGCGCA"
SAMPLES = ["Person_A", "Person_B", "Person_C"]


def make_genome(folder, sequence, build="toy", chrom="chr1"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.fa").write_text(f">{chrom}\n{sequence}\n")
    prepare_genome(folder / "source.fa", folder / "genome.fa", build, [chrom])
    return Genome(folder / "genome.fa")


def line(start, ref, alt, *calls, contig="1", form="GT", name=".", passed="."):
    """A record; `start` counts from 0."""
    columns = [contig, str(start + 1), name, ref, alt, ".", passed, ".", *([form, *calls] if calls else [])]
    return "\t".join(columns) + "\n"


def vcf_text(lines, samples=SAMPLES, header=HEADER, contigs=("1",)):
    head = header + "".join(f"##contig=<ID={name}>\n" for name in contigs) + (FORMAT if samples else "")
    people = ["FORMAT", *samples] if samples else []
    names = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", *people])
    return head + names + "\n" + "".join(lines)


def write_vcf(path, lines, **more):
    """Write a VCF with its index; `path` ends in .vcf.gz."""
    plain = path.with_name("plain.vcf")
    plain.write_text(vcf_text(lines, **more))
    verbosity = pysam.set_verbosity(0)
    try:
        pysam.tabix_compress(str(plain), str(path), force=True)
        pysam.tabix_index(str(path), preset="vcf", force=True)
    finally:
        pysam.set_verbosity(verbosity)
    return path


def quiet(command, *arguments, **more):
    """Run one of pysam's bcftools commands without its remarks on standard error."""
    before, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        return command(*arguments, **more)
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(null)


@st.composite
def variants(draw):
    start = draw(st.integers(0, len(SEQUENCE) - 2))
    ref = SEQUENCE[start : start + draw(st.integers(1, 6))]
    grown = st.sampled_from([ref[0], ref + ref[-1], ref + ref, ref + ref[-2:], ref[0] + SEQUENCE[start : start + 8]])
    alt = draw(grown | st.text("ACGT", min_size=1, max_size=5))
    return start, ref, alt if alt != ref else ref + "A"
