"""A genome of one short chromosome, or of hg19's chr10 with bases round RET alone, and cohorts simulated on it."""

import numpy as np
import pysam

from genebert.files import write_json
from genebert.genome.bases import decode
from genebert.genome.builds import BUILD_LENGTHS
from genebert.genome.fasta import Genome
from genebert.settings.cohort import CohortSimulationSettings
from genebert.simulate.cohort import simulate_cohort

NO_FAMILIES = {"parent_child": 0, "sibs": 0, "duplicates": 0}
PUBLISHED = {
    "frequency": {"chinese": 0.47, "european": 0.25},
    "case_frequency": {"chinese": 0.88, "european": 0.58},
}


def write_genome(folder, bases, chrom="chr1", build="toy", start=0, length=None):
    """Write an indexed FASTA with one chromosome, whose bases lie at `start`; the file has holes elsewhere."""
    length, head = length or start + len(bases), f">{chrom}\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "genome.fa"
    with path.open("wb") as out:
        out.write(head)
        out.seek(len(head) + start)
        out.write(bases.encode())
        out.seek(len(head) + length)
        out.write(b"\n")
    path.with_name("genome.fa.fai").write_text(f"{chrom}\t{length}\t{len(head)}\t{length}\t{length + 1}\n")
    write_json(path.with_suffix(".json"), {"build": build})
    return Genome(path)


def random_bases(length, seed=0):
    return decode(np.random.default_rng(seed).integers(0, 4, length).astype(np.uint8))


def with_bases(bases, places):
    """Return the bases with others at some places, from 0."""
    letters = list(bases)
    for place, letter in places.items():
        letters[place] = letter
    return "".join(letters)


def hg19_genome(folder, snp="C", second="A"):
    """Return a genome of hg19's chr10 whose bases between 43.4 and 43.8 Mb are random, but for two sites."""
    start = 43_400_000
    bases = with_bases(random_bases(400_000), {43_582_055 - start: snp, 43_447_774 - start: second})
    return write_genome(folder, bases, "chr10", "hg19", start, BUILD_LENGTHS["hg19"]["chr10"])


def toy_settings(**changes):
    """Return settings of a locus of 30 kb on chr1 with one site in its middle, whose genome has C there."""
    site = {"factor": "SOX10", "position": 15_001, "risk": "T", "other": "C", **PUBLISHED}
    toy = {"chromosome": "chr1", "start": 0, "end": 30_000, "sites": {"middle": site}, "founders": 64}
    return CohortSimulationSettings(**{**toy, **changes})


def toy_genome(folder, base="C"):
    return write_genome(folder, with_bases(random_bases(30_000), {15_000: base}))


class Cohort:
    """What a simulation wrote, read back with other code than wrote it."""

    def __init__(self, settings, genome, motifs, folder):
        self.truth = simulate_cohort(settings, genome, motifs, folder)
        self.folder = folder
        with pysam.VariantFile(str(folder / "cohort.vcf.gz")) as vcf:
            self.header = str(vcf.header)
            self.samples = list(vcf.header.samples)
            self.records = [(one.chrom, one.pos, one.id, one.ref, one.alts) for one in vcf]
        with pysam.VariantFile(str(folder / "cohort.vcf.gz")) as vcf:
            # uint8 [n_variants, n_people, 2]
            self.alleles = np.array([[call["GT"] for call in one.samples.values()] for one in vcf], dtype=np.uint8)
        lines = (folder / "phenotypes.tsv").read_text().splitlines()
        self.people = [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]
        self.case = np.array([one["status"] == "1" for one in self.people])

    def site(self, name):
        (found,) = (site for site in self.truth["sites"] if site["name"] == name)
        return found

    def risk(self, name):
        """Return which haplotypes carry a site's risk allele: bool [n_people, 2]."""
        (row,) = (i for i, record in enumerate(self.records) if record[2] == name)
        bases = [self.records[row][3], *self.records[row][4]]
        return self.alleles[row] == bases.index(self.site(name)["risk"])
