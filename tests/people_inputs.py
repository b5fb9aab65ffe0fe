"""A small case-control cohort: genome, VCF, table of people, regions, with one variant that raises the risk."""

from pathlib import Path

import numpy as np
from variant_inputs import line, make_genome, write_vcf

from genebert.tasks.base import Sources
from genebert.tasks.disease import TASK

LENGTH = 3000
RISK = 1000  # 0-based place of the variant that cases have more often
REGIONS = [("chr1", 800, 1200), ("chr1", 1900, 2300), ("chr1", 2500, 2600)]
SEEN = range(830, 2300, 90)  # places of other variants; none lies in the last region
SECRET = "Patient-{:03d}-of-the-clinic"


def bases(seed: int = 0, length: int = LENGTH) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def other(base: str) -> str:
    return {"A": "G", "G": "A", "C": "T", "T": "C"}[base]


def calls(n: int, seed: int, effect: float) -> tuple[np.ndarray, np.ndarray]:
    """Return status [n] and alternatives [sites, n, 2]; the risk variant first."""
    rng = np.random.default_rng(seed)
    status = rng.permutation(np.arange(n) % 2)
    frequency = np.where(status == 1, 0.5 + effect, 0.5 - effect)
    risk = rng.random((n, 2)) < frequency[:, None]
    others = rng.random((len(SEEN), n, 2)) < rng.uniform(0.05, 0.5, len(SEEN))[:, None, None]
    return status, np.concatenate([risk[None], others]).astype(int)


def write_cohort(folder: Path, n: int = 60, seed: int = 0, effect: float = 0.45, **changes) -> dict[str, Path]:
    """Write genome, VCF, people and regions; return the files of the task.

    `changes`: ``people`` (lines of the table in place of those that fit), ``separator`` of alleles.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sequence = bases()
    make_genome(folder, sequence)
    status, found = calls(n, seed, effect)
    samples = [SECRET.format(i) for i in range(n)]
    places = sorted(zip([RISK, *SEEN], found, strict=True), key=lambda one: one[0])
    sep = changes.get("separator", "|")
    lines = [
        line(start, sequence[start], other(sequence[start]), *(f"{a}{sep}{b}" for a, b in alleles))
        for start, alleles in places
    ]
    write_vcf(folder / "people.vcf.gz", lines, samples=samples)
    sex = np.random.default_rng(seed + 1).choice(["M", "F"], n)
    people = changes.get("people") or [
        f"{name}\t{one}\t{which}" for name, one, which in zip(samples, status, sex, strict=True)
    ]
    (folder / "people.tsv").write_text("\n".join(["sample_id\tstatus\tsex", *people]) + "\n")
    (folder / "regions.bed").write_text("".join(f"{c}\t{a}\t{b}\n" for c, a, b in REGIONS))
    effects = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n"
    here = sequence[RISK]
    (folder / "effects.tsv").write_text(f"{effects}1\t{RISK + 1}\t{other(here)}\t{here}\t1.5\n")
    names = {"vcf": "people.vcf.gz", "phenotypes": "people.tsv", "regions": "regions.bed", "effects": "effects.tsv"}
    return {key: folder / name for key, name in names.items()}


def risk_snp() -> dict[str, str]:
    here = bases()[RISK]
    return {"risk": f"1:{RISK + 1}:{here}:{other(here)}"}


def make_set(folder: Path, files: dict[str, Path], output: Path | None = None, **settings) -> dict:
    """Make a data set of a cohort; return its card."""
    given = {"snps": risk_snp(), "folds": 3} | settings
    output = output or folder / "set"
    output.mkdir(exist_ok=True)
    return TASK.build(given, Sources(files, folder / "genome.fa", ["chr1"], given.pop("seed", 0)), output)
