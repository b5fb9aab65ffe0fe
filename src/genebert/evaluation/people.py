"""People as examples: which of them, by number, and nothing else is ever written.

Genotypes and what is known of people stay in the user's files (docs/disease.md). A data set holds numbers of
people; methods get :class:`People`, which hold everything else in memory only. No message names a sample.
"""

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
from genebert.genome.bases import decode
from genebert.genome.bed import read_bed
from genebert.genome.builds import check_regions
from genebert.genome.chromosomes import normalise_chromosome
from genebert.genome.fasta import Genome
from genebert.genome.genotypes import MISSING, YES, Genotypes
from genebert.genome.haplotypes import Haplotypes, haplotypes
from genebert.genome.tables import read_table, refuse
from genebert.genome.variants import read_genotypes
from genebert.genome.vcf import read_samples
from genebert.settings.people import VARIANT, PeopleSettings

logger = logging.getLogger(__name__)
FILES = ("vcf", "phenotypes", "regions", "effects")  # of a data set; the last need not be there
NOT_KNOWN = ("", "NA")
STATUS = {"1": 1, "0": 0}
SEXES = {"M": 1.0, "F": 0.0}
# As the PGS Catalog's scoring files.
EFFECT_COLUMNS = ("chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight")
SITE = ["chrom", "start", "ref", "alt"]


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
    table = read_table(path, tuple(columns.values()))
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
        refuse(~text.isin([*words, *NOT_KNOWN]), text, path, columns[name], expected)
        found[name] = text.map(words).astype(float)
    family = table[columns["family"]] if "family" in columns else pd.Series("", index=table.index)
    return pd.DataFrame(found | {"family": family.where(~family.isin(NOT_KNOWN), "")}).reset_index(drop=True)


def read_effects(path: str | Path) -> pd.DataFrame:
    """Read effect sizes, tab-separated, with the columns of the PGS Catalog (lines with # hold nothing).

    Returns
    -------
    DataFrame
        name (rsID, or the place), chrom, start (0-based), effect and other (alleles), weight (float64);
        in the order of the file.

    Raises
    ------
    InputError
        A column is missing, no line, a position or a weight that is no number, or an allele that is not bases.
    """
    table = read_table(path, EFFECT_COLUMNS, comments=True)
    if table.empty:
        raise InputError(f"{path}: found a header but no variant, expected a line each")
    position, weight = (pd.to_numeric(table[name], errors="coerce") for name in ("chr_position", "effect_weight"))
    refuse(~(position >= 1) | (position % 1 != 0), table["chr_position"], path, "chr_position", "a position, from 1")
    refuse(~np.isfinite(weight), table["effect_weight"], path, "effect_weight", "a number")
    alleles = {name: table[f"{name}_allele"].str.upper() for name in ("effect", "other")}
    for name, text in alleles.items():
        refuse(~text.str.fullmatch("[ACGT]+"), text, path, f"{name}_allele", "bases A, C, G, T")
    places = table["chr_name"] + ":" + table["chr_position"]
    name = table["rsID"].where(~table["rsID"].isin(NOT_KNOWN), places) if "rsID" in table else places
    return pd.DataFrame(
        {
            "name": name, "chrom": table["chr_name"].map(normalise_chromosome), "start": position.astype(np.int64) - 1,
            **alleles, "weight": weight.astype(float),
        }
    ).reset_index(drop=True)  # fmt: skip


def variant_sites(variants: Mapping[str, str]) -> pd.DataFrame:
    """Return chrom, start (0-based), ref, alt of variants written as in the configuration, by name."""
    parts = {name: VARIANT.fullmatch(text).groupdict() for name, text in variants.items()}
    rows = [
        (normalise_chromosome(one["chrom"]), int(one["position"]) - 1, one["ref"], one["alt"]) for one in parts.values()
    ]
    return pd.DataFrame(rows, columns=SITE, index=list(parts))


def sites_of_effects(effects: pd.DataFrame, genome: Genome) -> pd.DataFrame:
    """Return the same of effects, the largest first: the allele that the genome has is ref."""
    effects = effects.iloc[np.argsort(-effects["weight"].abs().to_numpy(), kind="stable")].reset_index(drop=True)
    lengths = effects["effect"].str.len()
    here = zip(effects["chrom"], effects["start"], effects["start"] + lengths, strict=True)
    is_ref = [decode(genome.codes(*place)) == effect for place, effect in zip(here, effects["effect"], strict=True)]
    ref, alt = (effects[one].where(is_ref, effects[two]) for one, two in (("effect", "other"), ("other", "effect")))
    found = pd.DataFrame({"chrom": effects["chrom"], "start": effects["start"], "ref": ref, "alt": alt})
    return found.set_axis(effects["name"].tolist())


def _places(sites: pd.DataFrame) -> pd.DataFrame:
    """Return the places of sites: chrom, start, end."""
    return pd.DataFrame({"chrom": sites["chrom"], "start": sites["start"], "end": sites["start"] + 1})


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
        See :func:`variant_sites`.
    effects : DataFrame or None
        See :func:`read_effects`.
    counts : dict
        People without a status, without genotypes, without a line, for the card.
    """

    people: pd.DataFrame
    genotypes: Genotypes
    regions: pd.DataFrame
    genome: Genome
    snps: pd.DataFrame
    effects: pd.DataFrame | None
    counts: dict[str, int]
    _made: dict[tuple[str, int, int], Haplotypes] = field(default_factory=dict)

    def haplotypes(self, chrom: str, start: int, end: int) -> Haplotypes:
        """Return the different sequences of a window and which of them each person has; made once."""
        key = (chrom, int(start), int(end))
        if key not in self._made:
            self._made[key] = haplotypes(self.genotypes, key, self.genome)
        return self._made[key]

    @cached_property
    def dosages(self) -> np.ndarray:
        """Alternative alleles of each person at each site, of two (float32 [n, n_sites]); NaN where none is known.

        Where one of two is known, or there is one only, twice that.
        """
        calls = self.genotypes.calls
        known = (calls != MISSING).sum(axis=2)
        found = 2 * (calls == YES).sum(axis=2) / np.where(known > 0, known, np.nan)
        return found.T.astype(np.float32)

    def rows_of(self, sites: pd.DataFrame) -> np.ndarray:
        """Return the rows of `genotypes.sites` of other sites (columns SITE); -1 where there is none (int64 [n])."""
        known = pd.MultiIndex.from_frame(self.genotypes.sites[SITE])
        return known.get_indexer(pd.MultiIndex.from_frame(sites[SITE]))


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
    effects = read_effects(files["effects"]) if "effects" in files else None
    listed = variant_sites(settings.snps) if settings.snps != "effects" else None
    asked = {files["regions"]: regions}
    if listed is not None:
        asked["tasks.disease.snps"] = _places(listed)
    if effects is not None:
        asked[files["effects"]] = _places(effects)
    for where, places in asked.items():
        if elsewhere := sorted(set(places["chrom"]) - set(genome.lengths)):
            raise InputError(
                f"{where}: found {', '.join(elsewhere[:5])}, expected places on the run's chromosomes, "
                f"{', '.join(genome.lengths)}"
            )
        check_regions(places, genome.lengths, str(where), genome.build)
    snps = sites_of_effects(effects, genome) if listed is None else listed
    samples = read_samples(files["vcf"])
    with_genotypes = people["sample"].isin(samples)
    with_status = people["status"].notna()
    kept = people[with_genotypes & with_status]
    counts = {
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
    places = pd.concat(asked.values(), ignore_index=True).drop_duplicates()
    genotypes = read_genotypes(
        files["vcf"], places, genome, samples=kept["sample"].tolist(), settings=settings.variants
    )
    told = kept.drop(columns="sample").astype({"status": np.int8}).reset_index(drop=True)
    return Cohort(told, genotypes, regions, genome, snps, effects, counts)


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
