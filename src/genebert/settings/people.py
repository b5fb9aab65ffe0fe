"""Settings of data sets of people: how their table is read, and which variants are looked at."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from genebert.settings.fields import Block, key
from genebert.settings.rules import Rule, Text
from genebert.settings.variants import VariantSettings

KIND = "person"  # of tasks on people
VARIANT = re.compile(r"(?P<chrom>[^:]+):(?P<position>\d+):(?P<ref>[ACGT]+):(?P<alt>[ACGT]+)")
Variant = Annotated[
    str, Rule(pattern=VARIANT.pattern, expected="chromosome:position:REF:ALT, such as chr10:43582056:C:T")
]


@dataclass(frozen=True)
class PeopleVariantSettings(VariantSettings):
    """Records and genotypes of a set of people."""

    block = "tasks.disease.variants"


@dataclass(frozen=True)
class PeopleSettings(Block):
    """How people, their status and their alleles are read."""

    block = "tasks.disease"

    sample: Text = key("sample_id", "column of `phenotypes` with the VCF's names of samples")
    status: Text = key("status", "column with 1 (case) or 0 (control); NA or nothing: not known, left out")
    sex: Text | None = key("sex", "column with M or F; NA or nothing: not known; null: there is none")
    family: Text | None = key(None, "column with a name for each family, whose people stay in one fold; null: none")
    variants: PeopleVariantSettings = key(
        PeopleVariantSettings(), "records and genotypes that cannot be taken as they are"
    )
    snps: dict[Annotated[str, Rule(some=True, expected="the name of a variant")], Variant] | Literal["effects"] = key(
        {},
        "risk variants, name -> chromosome:position:REF:ALT, or effects: those of that file, the largest "
        "weight first; `one-snp` has the first",
    )

    def check(self) -> Iterator[str]:
        """No column is two things."""
        names = [one for one in (self.sample, self.status, self.sex, self.family) if one is not None]
        if len(set(names)) < len(names):
            yield f"sample, status, sex and family: found {', '.join(names)}, expected a column each"
