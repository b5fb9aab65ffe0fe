"""Checks of the Hirschsprung cohort: genotypes, their index, phenotypes and regions (docs/facts.md 9)."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from genebert.errors import InputError
from genebert.genome.anchors import ANCHORS, SNP, SNP_NAME
from genebert.genome.bed import read_bed
from genebert.genome.builds import BUILD_LENGTHS, NOT_TOLD, check_regions, normalise_names
from genebert.genome.chromosomes import by_rank, normalise_chromosome
from genebert.genome.tables import read_table, refuse
from genebert.genome.vcf import gives_lengths, open_vcf, reading
from genebert.sources.registry import BUILD

if TYPE_CHECKING:
    from pysam import VariantFile, VariantRecordSample

WINDOW = 500_000  # bases on either side of RET in which a variant must lie
RET, RET_PLACES = ANCHORS["RET"]
START, END = RET_PLACES[BUILD][0] - 1 - WINDOW, RET_PLACES[BUILD][1] + WINDOW
AROUND_RET = f"{RET}:{START + 1}-{END} in {BUILD}"
GENOTYPED_RECORDS = 1000
PUBLISHED = {"cases": 443, "controls": 493, "status": "inferred"}
CASE, CONTROL = "1", "0"
SEXES = ("M", "F")
SEGMENTS = ("S", "L", "TCA")
MISSING = ("", "NA")
PHENOTYPE_COLUMNS = ("sample_id", "status", "sex", "segment", "cohort")
VCF_NAME, PHENOTYPES_NAME = "cohort.vcf.gz", "phenotypes.tsv"


def _read_index(path: Path) -> tuple[dict[str, int], str]:
    """Return the number of records by chromosome that a tabix index tells, and the name that the VCF gives to RET's."""
    from pysam import bcftools

    with reading(path, "the index that `tabix -p vcf` makes"):
        rows = [line.split("\t") for line in bcftools.index("--stats", str(path)).splitlines()]
    contigs = {normalise_chromosome(name): (name, int(number)) for name, _, number in rows}
    chroms = by_rank(contigs)
    if RET not in contigs:
        raise InputError(f"{path}: holds {', '.join(chroms)[:80]}; expected {RET} too, with RET ({AROUND_RET})")
    return {chrom: contigs[chrom][1] for chrom in chroms}, contigs[RET][0]


def _builds_of_snp(vcf: "VariantFile", contig: str) -> list[str]:
    """Return the builds in whose place of rs2435357 a C>T is recorded."""
    return [
        build
        for build, position in SNP.items()
        if any(
            (record.pos, record.ref.upper()) == (position, "C") and "T" in map(str.upper, record.alts or ())
            for record in vcf.fetch(contig, position - 1, position)
        )
    ]


def _kind(call: "VariantRecordSample") -> str:
    alleles = call["GT"]
    if not alleles or None in alleles:
        return "missing"
    return "one_allele" if len(alleles) == 1 else "phased" if call.phased else "unphased"


def check_vcf(path: Path) -> dict[str, Any]:
    """Check the genotypes; only the header and the records around RET are read.

    Recorded are the build (told by the lengths of contigs in the header or by the place of rs2435357), evidence, counts
    (samples, records by chromosome as the index says, records around RET, genotypes of the first thousand of those),
    and whether the samples were compared with phenotypes.tsv.
    """
    index = path.with_name(f"{path.name}.tbi")
    around, kinds = 0, Counter(phased=0, unphased=0, missing=0, one_allele=0)
    with open_vcf(path) as vcf:
        samples = list(vcf.header.samples)
        by_lengths = gives_lengths(path, vcf, BUILD)
        if not index.is_file():
            raise InputError(f"{path}: found no {index.name} beside it, expected its index (`tabix -p vcf`)")
        records, contig = _read_index(index)
        by_snp = _builds_of_snp(vcf, contig)
        if by_snp and BUILD not in by_snp:
            raise InputError(
                f"{path}: {SNP_NAME} (C>T) lies at {RET}:{SNP[by_snp[0]]}, its place in {by_snp[0]}; expected {BUILD}, "
                f"where it is {RET}:{SNP[BUILD]}"
            )
        for around, record in enumerate(vcf.fetch(contig, START, END), 1):
            if "GT" not in record.format:
                raise InputError(
                    f"{path}: the record at {record.pos} has the FORMAT {':'.join(record.format)}, expected GT in it"
                )
            if around <= GENOTYPED_RECORDS:
                kinds.update(map(_kind, record.samples.values()))
    if not around:
        raise InputError(
            f"{path}: no record within {WINDOW // 1000} kb of RET, expected some in {AROUND_RET} and an index made "
            "from it"
        )
    phenotypes = path.with_name(PHENOTYPES_NAME)
    if phenotypes.is_file():
        _refuse_other_samples(path, samples, phenotypes, _read_phenotypes(phenotypes)["sample_id"].tolist())
    return {
        "build": BUILD if by_lengths or by_snp else NOT_TOLD,
        "evidence": {"contig_lengths": by_lengths, SNP_NAME: by_snp},
        "counts": {
            "samples": len(samples),
            "records": records,
            "records_around_ret": around,
            "genotypes_looked_at": dict(kinds),
        },
        "compared_with_phenotypes": phenotypes.is_file(),
        "published": PUBLISHED,
    }


def check_index(path: Path) -> dict[str, Any]:
    """Check that the index is one, has chr10 and fits the VCF beside it."""
    records, contig = _read_index(path)
    vcf = path.with_suffix("")
    if vcf.is_file():
        with open_vcf(vcf) as opened:
            next(opened.fetch(contig, START, END), None)
    return {"build": None, "counts": {"records": records}, "compared_with_vcf": vcf.is_file()}


def _read_phenotypes(path: Path) -> pd.DataFrame:
    table = read_table(path, PHENOTYPE_COLUMNS, quoted=False)
    if table.empty:
        raise InputError(f"{path}: found a header but no person, expected one line each")
    number = Counter(table["sample_id"]).most_common(1)[0][1]
    if number > 1:
        raise InputError(f"{path}: a sample_id occurs {number} times, expected each once")
    return table


def _refuse_other_samples(path: Path, samples: list[str], other: Path, others: list[str]) -> None:
    here, there = set(samples), set(others)
    if here != there:
        first, second = (sorted(a - b) for a, b in ((here, there), (there, here)))
        raise InputError(
            f"{path}: {len(first)} of its {len(here)} samples are missing in {other.name}, {len(second)} of the "
            f"{len(there)} there are missing here; expected the same people in both"
        )


def check_phenotypes(path: Path) -> dict[str, Any]:
    """Check the table of phenotypes, count people, and compare them with those of the VCF beside it."""
    table = _read_phenotypes(path)
    control = table["status"] == CONTROL
    rules = (
        ("sample_id", table["sample_id"] == "", "a name"),
        ("status", ~table["status"].isin([CASE, CONTROL]), f"{CASE} (case) or {CONTROL} (control)"),
        ("sex", ~table["sex"].isin([*SEXES, *MISSING]), f"{' or '.join(SEXES)}, or NA"),
        ("segment", ~table["segment"].isin([*SEGMENTS, *MISSING]), f"{', '.join(SEGMENTS)}, or NA"),
        ("segment", control & ~table["segment"].isin(MISSING), "NA for a control"),
    )
    for column, bad, expected in rules:
        refuse(bad, table[column], path, column, expected, quoted=False)
    if control.all() or not control.any():
        raise InputError(f"{path}: found only {'controls' if control.all() else 'cases'}, expected both")
    vcf = path.with_name(VCF_NAME)
    if vcf.is_file():
        with open_vcf(vcf) as opened:
            samples = list(opened.header.samples)
        _refuse_other_samples(path, table["sample_id"].tolist(), vcf, samples)

    def tally(rows: pd.DataFrame, column: str) -> dict[str, int]:
        values = rows[column].where(~rows[column].isin(MISSING), "not given")
        return values.value_counts().sort_index().to_dict()

    counts = {
        "samples": len(table),
        "cases": int((~control).sum()),
        "controls": int(control.sum()),
        "sex": tally(table, "sex"),
        "segment_of_cases": tally(table[~control], "segment"),
        "cohort": tally(table, "cohort"),
    }
    return {"build": None, "counts": counts, "compared_with_vcf": vcf.is_file(), "published": PUBLISHED}


def check_bed(path: Path) -> dict[str, Any]:
    """Check the regions; the build is told where one lies over its RET and none over that of another build."""
    regions = read_bed(path)
    normalise_names(regions["chrom"].unique(), BUILD, str(path))
    check_regions(regions, BUILD_LENGTHS[BUILD], str(path), BUILD)
    over = [
        name for name, (start, end) in RET_PLACES.items()
        if ((regions["chrom"] == RET) & (regions["start"] < end) & (regions["end"] >= start)).any()
    ]  # fmt: skip
    if BUILD not in over:
        start, end = RET_PLACES[BUILD]
        hint = f" (some lie over RET of {over[0]})" if over else ""
        raise InputError(f"{path}: no region lies over RET{hint}, expected one over {RET}:{start}-{end} of {BUILD}")
    counts = {
        "regions": len(regions),
        "bases": int((regions["end"] - regions["start"]).sum()),
        "chromosomes": regions["chrom"].value_counts().loc[by_rank(regions["chrom"])].to_dict(),
    }
    return {"build": BUILD if over == [BUILD] else NOT_TOLD, "evidence": {"over_ret_of": over}, "counts": counts}
