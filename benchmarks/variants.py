"""Personal sequences of windows beside `bcftools consensus` for each person, in one run.

    PYTHONPATH=src python benchmarks/variants.py [--people 1000] [--windows 10] [--by-bcftools 20]

"ours" reads the genotypes of all people in all windows, compares them with the genome, normalises them and makes the
distinct sequences. "bcftools consensus" runs once a person and haplotype over a FASTA of the windows, inside this
process, which spares it 2,000 starts of a program; it is timed for some people (--by-bcftools) and reckoned for all.
Their sequences must be the same. One process, one thread.

Records are those of 1000 Genomes on chr20 where the public data folder is present ($GENEBERT_SHARED_DATA or
../shared/data), each person drawn from its 300; random ones otherwise.
"""

import argparse
import gzip
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
from pysam import bcftools

from genebert.genome.bases import decode
from genebert.genome.fasta import Genome, prepare_genome
from genebert.genome.haplotypes import haplotypes
from genebert.genome.variants import read_genotypes

WIDTH, FIRST, STEP = 2000, 1_000_000, 280_000
LENGTH = 3_600_000  # of the random genome
EVERY = 60  # bases a random variant, about the density of 300 people
DATA = Path(os.environ.get("GENEBERT_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep bcftools' remarks off standard error."""
    before, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    sys.stderr.flush()
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(null)


def records(windows: pd.DataFrame, genome: Genome) -> tuple[Iterator[tuple[list[str], list[str]]], str]:
    """Return the first nine columns and the genotypes of each record in the windows, and what they are."""
    if genome.build == "hg19":
        return real_records(windows), "1000 Genomes"
    return random_records(windows, genome), "random"


def real_records(windows: pd.DataFrame) -> Iterator[tuple[list[str], list[str]]]:
    places = {at for start in windows["start"] for at in range(start + 1, start + WIDTH + 1)}
    with gzip.open(DATA / "variants" / "1000g_chr20_1-4Mb_EUR300.vcf.gz", "rt") as lines:
        for line in lines:
            if not line.startswith("#") and int(line.split("\t", 2)[1]) in places:
                columns = line.rstrip("\n").split("\t")
                yield [*columns[:7], ".", "GT"], columns[9:]


def random_records(windows: pd.DataFrame, genome: Genome) -> Iterator[tuple[list[str], list[str]]]:
    rng = np.random.default_rng(0)
    for start in windows["start"]:
        bases = decode(genome.codes("chr20", start, start + WIDTH))
        for at in range(EVERY, WIDTH - EVERY, EVERY):
            share = rng.beta(0.2, 2)
            ref = bases[at] if rng.random() < 0.9 else bases[at : at + 3]
            alt = bases[at] if len(ref) > 1 else "ACGT"[("ACGT".index(ref) + 1) % 4]
            calls = [f"{a}|{b}" for a, b in (rng.random((300, 2)) < share).astype(int).tolist()]
            yield ["20", str(start + at + 1), ".", ref, alt, ".", ".", ".", "GT"], calls


def make_inputs(folder: Path, people: int, windows: pd.DataFrame) -> tuple[Genome, Path, list[str], str]:
    """Write genome and VCF; return them, the people, and what they are."""
    real = DATA.exists()
    source = DATA / "genome" / "chr20.fa.gz"
    rng = np.random.default_rng(0)
    if not real:
        source = folder / "source.fa"
        source.write_text(">20\n" + "".join(rng.choice(list("ACGT"), LENGTH)) + "\n")
    prepare_genome(source, folder / "genome.fa", "hg19" if real else "random", ["chr20"])
    genome = Genome(folder / "genome.fa")
    names = [f"person{i}" for i in range(people)]
    drawn = rng.integers(0, 300, people)
    rows, what = records(windows, genome)
    with (folder / "x.vcf").open("w") as out:
        out.write("##fileformat=VCFv4.2\n##contig=<ID=20>\n")
        out.write('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n')
        head = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]
        out.write("\t".join(head) + "\n")
        for columns, calls in rows:
            out.write("\t".join([*columns, *(calls[i] for i in drawn)]) + "\n")
    path = folder / "x.vcf.gz"
    pysam.tabix_compress(str(folder / "x.vcf"), str(path), force=True)
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return genome, path, names, what


def by_bcftools(path: Path, genome: Genome, windows: pd.DataFrame, names: list[str]) -> list[list[str]]:
    """Return the sequences of both haplotypes of some people, window by window."""
    fasta = path.with_name("windows.fa")
    places = list(windows.itertuples(index=False))
    fasta.write_text(
        "".join(f">20:{start + 1}-{end}\n{decode(genome.codes(chrom, start, end))}\n" for chrom, start, end in places)
    )
    found = []
    for name in names:
        for which in "12":
            text = bcftools.consensus("-H", which, "-s", name, "-f", str(fasta), str(path))
            found.append(["".join(part.split("\n")[1:]) for part in text.split(">")[1:]])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--by-bcftools", type=int, default=20)
    parser.add_argument("--smallest", action="store_true", help="8 people and 2 windows; the figures say nothing")
    arguments = parser.parse_args()
    people, number = (8, 2) if arguments.smallest else (arguments.people, arguments.windows)
    few = min(people, arguments.by_bcftools)
    starts = FIRST + STEP * np.arange(number)
    windows = pd.DataFrame({"chrom": "chr20", "start": starts, "end": starts + WIDTH})
    with tempfile.TemporaryDirectory() as folder:
        genome, path, names, what = make_inputs(Path(folder), people, windows)
        begin = time.perf_counter()
        genotypes = read_genotypes(path, windows, genome)
        read = time.perf_counter()
        made = [haplotypes(genotypes, tuple(window), genome) for window in windows.itertuples(index=False)]
        end = time.perf_counter()
        begin_theirs = time.perf_counter()
        with quiet():
            theirs = by_bcftools(path, genome, windows, names[:few])
        consensus = (time.perf_counter() - begin_theirs) * people / few
    ours = [
        [decode(one.sequences[one.index[person, which]]) for one in made] for person in range(few) for which in (0, 1)
    ]
    distinct = sum(len(one.sequences) for one in made)
    alleles, all_ = len(genotypes.sites), 2 * people * number
    print(f"{people:,} people, {number} windows of {WIDTH:,} bases, {alleles} alleles ({what})")
    print(f"{distinct:,} distinct sequences of {all_:,}")
    print(f"{'genotypes read, compared, normalised':40s} {read - begin:8.2f} s")
    print(f"{'distinct sequences':40s} {end - read:8.2f} s")
    print(f"{'ours, all in':40s} {end - begin:8.2f} s")
    name = f"bcftools consensus, of {few} people"
    print(f"{name:40s} {consensus:8.2f} s  x {consensus / (end - begin):.1f} of ours")
    print(f"the same sequences: {'yes' if ours == theirs else 'NO'}")


if __name__ == "__main__":
    main()
