"""A simulated cohort of cases and controls at a risk locus, in the form of the real one (docs/facts.md 9, 45, 46).

The genome stays as it is: its bases are the reference alleles. Which allele is the derived one is another matter; the
haplotype of the genome is that of the first founder, except at the risk sites.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.files import atomic_path, write_json
from genebert.genome.bases import BASES, decode
from genebert.genome.chromosomes import by_rank, normalise_chromosome
from genebert.genome.fasta import Genome
from genebert.motifs.jaspar import Motif
from genebert.settings.cohort import CohortSimulationSettings
from genebert.settings.fields import plain
from genebert.simulate.haplotypes import Columns, Copier, draw_founders
from genebert.simulate.risk import People, Risk, draw_classes, draw_people, work_out_risk
from genebert.simulate.risk_sites import Locus, RiskSite, place_sites, read_locus

logger = logging.getLogger(__name__)

SIMULATED = "simulated"  # in the column cohort of the phenotypes
TRANSITIONS = 2 / 3  # share of changes of one base: A with G, C with T
MAX_INDEL = 5  # bases; no other variant begins so near to a site
EFFECT_COLUMNS = ("rsID", "chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight")
GENOTYPES = np.array([[f"{a}|{b}" for b in range(3)] for a in range(3)], dtype=object)


def _draw_columns(
    settings: CohortSimulationSettings, locus: Locus, sites: list[RiskSite], rng: np.random.Generator
) -> Columns:
    """Draw where variants lie; places of sites are among them, and no other near to these."""
    length = len(locus.codes)
    places = np.array([site.position for site in sites])
    drawn = locus.start + rng.choice(length, int(length / settings.variant_bp), replace=False)
    far = (np.abs(drawn[:, None] - places) > MAX_INDEL).all(axis=1)
    positions = np.sort(np.concatenate([drawn[far], places]))
    double = rng.random(len(positions)) < settings.multi_allelic
    double[np.searchsorted(positions, places)] = False
    return Columns(positions, double, np.searchsorted(positions, places))


def _draw_texts(
    settings: CohortSimulationSettings, locus: Locus, columns: Columns, rng: np.random.Generator
) -> list[list[str]]:
    """Draw the alleles of each column: the genome's and one or two others; those of sites are written later.

    Insertions and deletions are written as far to the left as they go, and reach no other variant.
    """
    after = np.append(columns.positions[1:], locus.end)
    indel = (rng.random(len(after)) < settings.indels) & ~columns.double
    kinds = rng.random((len(after), 2)).tolist()
    texts = []
    for i, (place, stop) in enumerate(
        zip((columns.positions - locus.start).tolist(), after - locus.start, strict=True)
    ):
        base, length = int(locus.codes[place]), int(rng.integers(1, MAX_INDEL + 1))
        kind, turn = kinds[i]
        gone = locus.codes[place : place + length + 1]
        if indel[i] and kind < 0.5 and place + length < stop and gone[-1] != base:
            texts.append([decode(gone), BASES[base]])
        elif indel[i] and kind >= 0.5:
            added = rng.integers(0, 4, length)
            added[-1] = (base + 1 + added[-1] % 3) % 4
            texts.append([BASES[base], BASES[base] + decode(added)])
        else:
            others = [(base + 2) % 4, *rng.permutation([(base + 1) % 4, (base + 3) % 4]).tolist()]
            others = others if turn < TRANSITIONS else others[1:] + others[:1]
            texts.append([BASES[one] for one in (base, *others[: 1 + columns.double[i]])])
    return texts


def _as_written(alleles: np.ndarray, genome: np.ndarray, columns: Columns, sites: list[RiskSite]) -> np.ndarray:
    """Return alleles (uint8 [n, n_columns]) with 0 for the genome's base, 1 and 2 for the others.

    `genome` is the founder (uint8 [n_columns]) that has the genome's alleles: its allele and the ancestor's change
    places. Of a site 1 was the risk allele.
    """
    written = np.where(alleles == genome, 0, np.where(alleles == 0, genome, alleles))
    for column, site in zip(columns.sites, sites, strict=True):
        written[:, column] = alleles[:, column] == (site.risk == site.alt)
    return written


def _records(
    locus: Locus, columns: Columns, texts: list[list[str]], alleles: np.ndarray, names: dict[int, str]
) -> tuple[list[str], dict[str, int]]:
    """Return the lines of the VCF for alleles (uint8 [n_people, 2, n_columns]), and counts; `names` are by column.

    Alternative alleles that nobody has are left out, and so are columns of which everybody has the same allele, unless
    they have a name.
    """
    lines, counts = [], {"variants": 0, "indels": 0, "multi_allelic": 0, "common": 0}
    total = 2 * len(alleles)
    for i, text in enumerate(texts):
        seen = np.bincount(alleles[:, :, i].ravel(), minlength=len(text))
        kept = [allele for allele in range(1, len(text)) if seen[allele] or i in names]
        if (not kept or seen.max() == total) and i not in names:
            continue
        number = np.zeros(len(text), dtype=np.intp)
        number[kept] = np.arange(1, len(kept) + 1)
        calls = GENOTYPES[number[alleles[:, 0, i]], number[alleles[:, 1, i]]]
        info = (
            f"AC={','.join(map(str, seen[kept]))};AN={total};AF={','.join(f'{one / total:.6g}' for one in seen[kept])}"
        )
        about = (locus.chrom, int(columns.positions[i]) + 1, names.get(i, "."), text[0])
        lines.append("\t".join([*map(str, about), ",".join(text[a] for a in kept), ".", "PASS", info, "GT", *calls]))
        counts["variants"] += 1
        counts["indels"] += len(text[0]) > 1 or len(text[1]) > 1
        counts["multi_allelic"] += len(kept) > 1
        counts["common"] += bool(0.05 <= seen[0] / total <= 0.95)
    return lines, counts


def _write_vcf(path: Path, genome: Genome, samples: list[str], lines: list[str]) -> None:
    """Write a VCF compressed with bgzip, and its index."""
    import pysam

    build = genome.build
    header = [
        "##fileformat=VCFv4.2",
        "##source=genebert, a simulated cohort: no genotype is that of a person",
        f"##reference={build}",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        '##INFO=<ID=AC,Number=A,Type=Integer,Description="Count of the alternative alleles">',
        '##INFO=<ID=AN,Number=1,Type=Integer,Description="Count of all alleles">',
        '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency of the alternative alleles">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype, phased">',
        *(f"##contig=<ID={name},length={genome.lengths[name]},assembly={build}>" for name in by_rank(genome.lengths)),
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]),
    ]
    with pysam.BGZFile(str(path), "wb") as out:
        for line in (*header, *lines):
            out.write(f"{line}\n".encode("ascii"))
    pysam.tabix_index(str(path), preset="vcf", force=True)


def _families(people: People) -> list[str]:
    """Return a name for each person's family, NA for people without a relative; duplicates are one family too."""
    found = ["NA"] * len(people.case)
    for number, (_, *members) in enumerate(people.relatives, 1):
        for member in members:
            found[member] = f"SIMF{number:03d}"
    return found


def _write_tables(
    settings: CohortSimulationSettings, locus: Locus, sites: list[RiskSite], about: tuple[Risk, People, list[str]],
    folder: Path,
) -> None:  # fmt: skip
    """Write phenotypes, effects and the two files of regions."""
    risk, people, samples = about
    form = {"sep": "\t", "index": False, "lineterminator": "\n"}
    phenotypes = {
        "sample_id": samples,
        "status": people.case.astype(int),
        "sex": np.where(people.male, "M", "F"),
        "segment": people.segment,
        "cohort": SIMULATED,
        "family_id": _families(people),
    }
    pd.DataFrame(phenotypes).to_csv(folder / "phenotypes.tsv", **form)
    rows = [(one.name, locus.chrom, one.position + 1, one.risk, one.other) for one in sites]
    effects = [(*row, f"{weight:.6f}") for row, weight in zip(rows, risk.weights, strict=True)]
    pd.DataFrame(effects, columns=EFFECT_COLUMNS).to_csv(folder / "effects.tsv", **form)
    half = settings.element_bp // 2
    elements = [(locus.chrom, one.position - half, one.position + half, one.name) for one in sites]
    pd.DataFrame(elements).to_csv(folder / "elements.bed", header=False, **form)
    pd.DataFrame([(locus.chrom, locus.start, locus.end, "locus")]).to_csv(folder / "locus.bed", header=False, **form)


def _site_truth(site: RiskSite, i: int, risk: Risk, people: People, carried: np.ndarray) -> dict:
    """Return what is known of a site; `carried` (bool [n_people, 2]): which haplotypes have its risk allele."""
    by_status = {name: float(carried[people.case == case].mean()) for name, case in (("controls", 0), ("cases", 1))}
    return {
        "name": site.name, "factor": site.factor, "position": site.position + 1, "ref": site.ref, "alt": site.alt,
        "risk": site.risk, "matrix_id": site.matrix_id, "hit": site.hit and list(site.hit),
        "scores": site.scores and dict(zip(("ref", "alt"), site.scores, strict=True)),
        "frequency": {"controls": risk.frequency[i], "cases": risk.case_frequency[i]}, "found": by_status,
        "log_odds_ratio": risk.weights[i], "log_odds_ratio_alone": risk.alone[i],
    }  # fmt: skip


def simulate_cohort(
    settings: CohortSimulationSettings, genome: Genome, motifs: list[Motif], folder: str | Path
) -> dict:
    """Write a cohort of cases and controls at a locus of a genome, and the truth behind it.

    Equal settings, bases of the locus and motifs give equal bytes. The folder is replaced as a whole; in it are

    - ``cohort.vcf.gz`` and its ``.tbi``: phased genotypes; risk sites have their names as ID;
    - ``phenotypes.tsv``: sample_id, status (1: case), sex, segment, cohort, family_id (NA: alone);
    - ``elements.bed``: the windows round the sites, named after them; ``locus.bed``: the whole locus;
    - ``effects.tsv``: log odds ratios of the risk alleles, by which cases were drawn, with the columns of the PGS
      Catalog, and the chromosome as the VCF names it;
    - ``truth.json``: settings, sites with frequencies and odds ratios, relatives, counts. This is returned.

    Parameters
    ----------
    genome : Genome
        As :func:`~genebert.genome.fasta.prepare_genome` wrote it; it is only read.
    motifs : list of Motif
        For sites without a position.

    Raises
    ------
    InputError
        A locus that the genome does not have or that holds an N; a site outside of it, at another base, or of a factor
        without a matrix or a hit; frequencies that the sites cannot have together.
    """
    parts = [np.random.default_rng([settings.seed, part]) for part in range(4)]
    locus = read_locus(settings, genome, normalise_chromosome(str(settings.chromosome)))
    sites = place_sites(settings, locus, motifs)
    columns = _draw_columns(settings, locus, sites, parts[0])
    texts = _draw_texts(settings, locus, columns, parts[0])
    for column, site in zip(columns.sites, sites, strict=True):
        texts[column] = [site.ref, site.alt]
    risk = work_out_risk(settings, [settings.risk_sites[site.name] for site in sites])
    copies = 2 * (settings.cases + settings.controls)
    founders = draw_founders(
        settings.founders, columns, risk.frequency, settings.recombination / 1000, copies, parts[1]
    )
    copier = Copier(founders, columns, settings.copied_bp)
    classes = draw_classes(settings, risk, parts[2])
    people = draw_people(settings, risk, classes, parts[2])
    copied = copier.copy(classes, parts[3])
    carried = copied[:, columns.sites].astype(bool)[people.haplotypes]  # [n_people, 2, n_sites]
    written = _as_written(copied, founders.alleles[0], columns, sites)[people.haplotypes]
    names = {int(column): site.name for column, site in zip(columns.sites, sites, strict=True)}
    lines, counts = _records(locus, columns, texts, written, names)
    samples = [f"SIM{number:05d}" for number in range(1, len(people.case) + 1)]
    truth = {
        "simulated": True,
        "settings": plain(settings),
        "build": genome.build,
        "sites": [_site_truth(site, i, risk, people, carried[:, :, i]) for i, site in enumerate(sites)],
        "relatives": [{"kind": kind, "people": [samples[a], samples[b]]} for kind, a, b in people.relatives],
        "counts": counts | {"cases": settings.cases, "controls": settings.controls},
    }
    with atomic_path(folder, directory=True) as made:
        _write_vcf(made / "cohort.vcf.gz", genome, samples, lines)
        _write_tables(settings, locus, sites, (risk, people, samples), made)
        write_json(made / "truth.json", truth)
    logger.info("%s: %d people, %d variants simulated", folder, len(samples), counts["variants"])
    return truth
