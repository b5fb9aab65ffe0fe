"""People as examples: which of them, by number, and nothing else is ever written.

Genotypes and what is known of people stay in the user's files (docs/disease.md). A data set holds numbers of
people; methods get :class:`People`, which hold everything else in memory only. No message names a sample.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.risk_variants import (
    SITE,
    check_build,
    read_effects,
    readings_of_effects,
    sites_of_effects,
    variant_sites,
)
from genebert.genome.bed import read_bed
from genebert.genome.builds import check_regions
from genebert.genome.fasta import Genome
from genebert.genome.genotypes import MISSING, YES, Genotypes
from genebert.genome.haplotypes import Haplotypes, haplotypes
from genebert.genome.tables import read_table, refuse
from genebert.genome.variants import read_genotypes
from genebert.genome.vcf import read_samples
from genebert.settings.people import PeopleSettings

logger = logging.getLogger(__name__)
FILES = ("vcf", "phenotypes", "regions", "effects")  # of a data set; the last need not be there
NOT_KNOWN = ("", "NA")
NO_FAMILY = (*NOT_KNOWN, "0", ".")  # as PLINK says it, too
STATUS = {"1": 1, "0": 0}
SEXES = {"M": 1.0, "F": 0.0}


def read_people(path: str | Path, settings: PeopleSettings) -> pd.DataFrame:
    """Read a table of people, tab-separated.

    Returns
    -------
    DataFrame
        sample (str), status (float64: 1, 0, NaN where not known), sex (float64: 1 male, 0 female, NaN; all NaN without
        a column), family (str, empty where there is none); in the order of the file.

    Raises
    ------
    InputError
        A column is missing, a sample has no name or comes twice, or a value is another word; no message names a sample.
    """
    named = {name: getattr(settings, name) for name in ("sample", "status", "sex", "family")}
    columns = {name: column for name, column in named.items() if column is not None}
    table = read_table(path, tuple(columns.values()), quoted=False)
    if table.empty:
        raise InputError(f"{path}: found a header but no person, expected a line each")
    sample = table[settings.sample]
    refuse(sample == "", sample, path, f"the name in column {settings.sample}", "that of a sample of the VCF")
    if repeated := int(sample.duplicated().sum()):
        raise InputError(f"{path}: {repeated} of {len(table)} lines repeat a name in column {settings.sample}")
    found = {"sample": sample}
    for name, words in (("status", STATUS), ("sex", SEXES)):
        if name not in columns:
            found[name] = pd.Series(np.nan, index=table.index)
            continue
        text, expected = table[columns[name]], f"{' or '.join(words)}, or NA"
        if name == "status":
            expected += " (1 is a case, 0 a control)"
        refuse(~text.isin([*words, *NOT_KNOWN]), text, path, columns[name], expected, quoted=False)
        found[name] = text.map(words).astype(float)
    family = table[columns["family"]] if "family" in columns else pd.Series("", index=table.index)
    return pd.DataFrame(found | {"family": family.where(~family.isin(NO_FAMILY), "")}).reset_index(drop=True)


def _places(sites: pd.DataFrame) -> pd.DataFrame:
    """Return the places of sites: chrom, start, end."""
    return pd.DataFrame(
        {"chrom": sites["chrom"], "start": sites["start"], "end": sites["start"] + sites["ref"].str.len()}
    )


def dosages_of(calls: np.ndarray) -> np.ndarray:
    """Return alternative alleles of each person at each site, of two (float32 [n, n_sites]); NaN where none is known.

    Where one of two is known, or there is one only, twice that. `calls` is that of genotypes (int8 [n_sites, n, 2]).
    """
    known = (calls != MISSING).sum(axis=2)
    found = 2 * (calls == YES).sum(axis=2) / np.where(known > 0, known, np.nan)
    return found.T.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Cohort:
    """People with a known status whose genotypes are there, in memory only.

    Attributes
    ----------
    people : DataFrame [n]
        status (int8), sex (float64, NaN: not known), family (str), as :func:`read_people`, without names.
    genotypes : Genotypes
        Of these people, in this order: sites in `regions`, at `snps` and at `effects`.
    regions : DataFrame [n_regions]
        chrom, start, end: windows whose sequences are read.
    snps : DataFrame
        Those listed: chrom, start, ref, alt, by name (:mod:`genebert.evaluation.risk_variants`).
    effects : DataFrame or None
        See :func:`~genebert.evaluation.risk_variants.sites_of_effects`.
    counts : dict
        People without a status, without genotypes, without a line, and effects, for the card.
    digest : str
        Of names, status and families in their order: a data set belongs to one table.
    """

    people: pd.DataFrame
    genotypes: Genotypes
    regions: pd.DataFrame
    genome: Genome
    snps: pd.DataFrame
    effects: pd.DataFrame | None
    counts: dict[str, int]
    digest: str
    _made: dict[tuple[str, int, int], Haplotypes] = field(default_factory=dict)

    def haplotypes(self, chrom: str, start: int, end: int) -> Haplotypes:
        """Return the different sequences of a window and which of them each person has; made once."""
        key = (chrom, int(start), int(end))
        if key not in self._made:
            self._made[key] = haplotypes(self.genotypes, key, self.genome)
        return self._made[key]

    @cached_property
    def dosages(self) -> np.ndarray:
        """See :func:`dosages_of`."""
        return dosages_of(self.genotypes.calls)

    def rows_of(self, sites: pd.DataFrame) -> np.ndarray:
        """Return the rows of `genotypes.sites` of other sites (columns SITE); -1 where there is none (int64 [n])."""
        known = pd.MultiIndex.from_frame(self.genotypes.sites[SITE])
        return known.get_indexer(pd.MultiIndex.from_frame(sites[SITE]))


def _read_readings(path: str | Path, genome: Genome) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the readings of a file of effects, some, and what the card counts of them."""
    given = read_effects(path)
    check_build(given, genome.build, path)
    readings = readings_of_effects(given, genome)
    if readings.empty:
        raise InputError(
            f"{path}: none of its {len(given)} variants lies on {', '.join(genome.lengths)} with an allele of the "
            "genome; expected the run's build and strand"
        )
    return readings, {"effects": len(given), "effects_with_the_genomes_allele": readings["line"].nunique()}


def read_cohort(files: Mapping[str, str | Path], settings: PeopleSettings, genome: Genome) -> Cohort:
    """Read people, their status and their genotypes.

    Parameters
    ----------
    files : mapping
        vcf, phenotypes, regions (BED), and effects where there are any.
    genome : Genome
        Whose chromosomes all regions and variants must lie on.

    Raises
    ------
    InputError
        A file cannot be read as described, regions or variants lie elsewhere, or nobody has genotypes and a status.
    """
    people = read_people(files["phenotypes"], settings)
    regions = read_bed(files["regions"])
    if elsewhere := sorted(set(regions["chrom"]) - set(genome.lengths)):
        raise InputError(
            f"{files['regions']}: found {', '.join(elsewhere[:5])}, expected places on the run's chromosomes, "
            f"{', '.join(genome.lengths)}"
        )
    check_regions(regions, genome.lengths, str(files["regions"]), genome.build)
    readings, counts = _read_readings(files["effects"], genome) if "effects" in files else (None, {})
    listed = None if settings.snps == "effects" else variant_sites(settings.snps, genome)
    samples = read_samples(files["vcf"])
    with_genotypes = people["sample"].isin(samples)
    with_status = people["status"].notna()
    kept = people[with_genotypes & with_status]
    counts |= {
        "in_table": len(people),
        "in_vcf": len(samples),
        "without_line": len(set(samples) - set(people["sample"])),
        "without_genotypes": int((~with_genotypes).sum()),
        "without_status": int((with_genotypes & ~with_status).sum()),
    }
    if not with_genotypes.any():
        raise InputError(
            f"{files['phenotypes']}: none of the {len(people)} names in column {settings.sample} is one of the "
            f"{len(samples)} samples of {files['vcf']}; expected the same names in both"
        )
    if kept["status"].nunique() < len(STATUS):
        raise InputError(
            f"{files['phenotypes']}: of {len(kept)} people with genotypes and a status {int(kept['status'].sum())} are "
            "cases; expected cases and controls"
        )
    if fewer := len(people) - len(kept):
        logger.warning(
            "%s: %d of %d people are left out, %d without genotypes, %d without a status; %d of the VCF's %d samples "
            "have no line", files["phenotypes"], fewer, len(people), counts["without_genotypes"],
            counts["without_status"], counts["without_line"], len(samples),
        )  # fmt: skip
    named = [_places(one) for one in (listed, readings) if one is not None and len(one)]
    places = pd.concat([regions, *named], ignore_index=True).drop_duplicates()
    genotypes = read_genotypes(
        files["vcf"], places, genome, samples=kept["sample"].tolist(), settings=settings.variants
    )
    effects = None if readings is None else sites_of_effects(readings, genotypes.sites)
    snps = listed
    if listed is None:
        snps = effects.iloc[np.argsort(-effects["weight"].abs().to_numpy(), kind="stable")][SITE]
    told = kept.drop(columns="sample").astype({"status": np.int8}).reset_index(drop=True)
    text = kept[["sample", "status", "family"]].to_csv(index=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Cohort(told, genotypes, regions, genome, snps, effects, counts, digest)


@dataclass(frozen=True, eq=False)
class People(Examples):
    """Some people of a cohort: `table` has person (row of `cohort.people`) and fold."""

    cohort: Cohort | None = None

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of the cohort (int64 [n])."""
        return self.table["person"].to_numpy(np.int64)

    @cached_property
    def labels(self) -> np.ndarray:
        """Status (int8 [n]): 1 is a case."""
        return self.cohort.people["status"].to_numpy()[self.rows]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Bases of a person's windows, one haplotype (int64 [n])."""
        bases = int((self.cohort.regions["end"] - self.cohort.regions["start"]).sum())
        return np.full(len(self), bases, dtype=np.int64)

    def subset(self, rows: np.ndarray) -> "People":
        """Return some of the people: numbers of rows, or True for those to keep."""
        return replace(self, table=self.table.iloc[rows].reset_index(drop=True))


def read_split(path: str | Path, cohort: Cohort, name: str) -> People:
    """Read which people are in a split.

    Raises
    ------
    InputError
        Not Parquet, without person and fold, or numbers that the cohort does not have: its files have changed.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from error
    if missing := [column for column in ("person", "fold") if column not in table]:
        raise InputError(f"{path}: has no column {missing[0]!r}; expected person and fold, found {list(table)}")
    if not table["person"].between(0, len(cohort.people) - 1).all():
        raise InputError(
            f"{path}: names person {int(table['person'].max())} of {len(cohort.people)}; expected the files of people "
            "that the data set was made from"
        )
    return People(table, name, cohort.genome, cohort=cohort)


def concatenated(parts: list[People]) -> People:
    """Return the people of several parts of one cohort."""
    first = parts[0]
    return replace(first, table=pd.concat([one.table for one in parts], ignore_index=True))


def cohort_files(files: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a method's files that a cohort is read from."""
    return {name: files[name] for name in FILES if name in files}
