"""Genotypes: who carries which alternative allele on which haplotype."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

NO, YES, MISSING = 0, 1, -1
_GENOTYPE = re.compile(r"(\.|[0-9]{1,4})([|/](\.|[0-9]{1,4}))*")
# What was read, dropped or changed; every key is always there. Of records or alleles, people and haplotypes.
COUNTS = (
    "records", "filtered", "no_alternative", "other_ref", "swapped_ref", "too_missing", "phase_sets", "alleles",
    "spanning", "symbolic", "symbolic_carried", "same_as_ref", "moved", "moved_out", "duplicates_merged",
    "duplicates_conflicting", "missing_alleles", "unphased_heterozygous", "haploid",
)  # fmt: skip


@dataclass(frozen=True)
class Genotypes:
    """Who carries which alternative allele on which haplotype, in some regions."""

    samples: list[str]
    sites: pd.DataFrame  # chrom, start, end (0-based half-open; of ref), ref, alt, id; normalised, sorted by place
    calls: np.ndarray  # int8 [n_sites, n_samples, 2]; YES, NO or MISSING; of one-allele genotypes the second is MISSING
    haploid: np.ndarray  # bool [n_sites, n_samples]; a genotype of one allele
    phased: np.ndarray  # bool [n_sites, n_samples]; which allele is whose haplotype's is told, or makes no difference
    regions: pd.DataFrame  # chrom, start, end; what was read, sorted, those that touch joined
    counts: dict[str, int]  # the keys of `COUNTS`

    @property
    def missing(self) -> np.ndarray:
        """Which alleles are not known (bool [n_sites, n_samples, 2])."""
        unknown = self.calls == MISSING
        unknown[:, :, 1] &= ~self.haploid
        return unknown


class GenotypeTable(dict):
    """The texts of genotypes, as ``0|1``, to rows of `rows`: first and second allele, ploidy, whether phase is told.

    A file of a thousand people has a handful of different texts: each is taken apart once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, int, int, bool]] = []

    def __missing__(self, text: str) -> int:
        bare = text.lstrip("/|")  # VCF 4.4 may write the phase of the first allele too
        if not _GENOTYPE.fullmatch(bare):
            raise ValueError("a genotype that is not made of numbers of alleles")
        alleles = [MISSING if allele == "." else int(allele) for allele in bare.replace("|", "/").split("/")]
        # One dot may stand for a genotype of any ploidy: none of the two is known.
        ploidy = 2 if alleles == [MISSING] else len(alleles)
        first, second = [*alleles, MISSING][:2]
        # A missing allele counts as the reference (docs/variants.md).
        told = ploidy == 1 or "/" not in bare or max(first, 0) == max(second, 0)
        self.rows.append((first, second, ploidy, told))
        self[text] = len(self.rows) - 1
        return self[text]
