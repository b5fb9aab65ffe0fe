"""Settings of reading variants and genotypes from a VCF."""

from dataclasses import dataclass
from typing import Literal

from genebert.settings.fields import Block, key
from genebert.settings.rules import Share


@dataclass(frozen=True)
class VariantSettings(Block):
    """What becomes of records and genotypes that cannot be taken as they are (docs/variants.md)."""

    block = "variants"

    filters: Literal["passed", "all"] = key("passed", "records taken by FILTER: passed (PASS or .), all")
    unphased: Literal["refuse", "first"] = key(
        "refuse", "heterozygous genotypes without phase: refuse, first",
        more="`first`: the allele written first is that of the first haplotype, so that chance says which lie together."
    )  # fmt: skip
    symbolic: Literal["refuse", "drop"] = key(
        "refuse", "alleles without bases (<DEL>, breakends) that people carry: refuse, drop",
        more="`drop`: their carriers get the reference there, and are counted."
    )  # fmt: skip
    max_missing: Share = key(0.1, "largest share of missing alleles; sites with more are left out")
