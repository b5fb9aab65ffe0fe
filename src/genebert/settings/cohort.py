"""Settings of the simulated case-control cohort round RET (docs/facts.md 45, 46)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from genebert.settings.fields import Block, key, plain
from genebert.settings.rules import (
    Chromosome,
    Count,
    Name,
    NotNegative,
    Positive,
    ProperShare,
    Rule,
    Seed,
    Share,
    ShareBelow1,
    Text,
    Whole,
)
from genebert.settings.sentences import show

Base = Literal["A", "C", "G", "T"]
Population = Literal["chinese", "european"]
MAX_SITES = 8  # a haplotype is of one of 2 ** n classes


@dataclass(frozen=True)
class ByPopulation(Block):
    """A frequency of the risk allele."""

    block = "cohort.sites"

    chinese: ProperShare | None = key(None, "in people of Chinese ancestry")
    european: ProperShare | None = key(None, "in people of European ancestry")

    def of(self, population: str) -> float | None:
        """Return the frequency in a population, None where it is not given."""
        return getattr(self, population)


@dataclass(frozen=True)
class CohortSite(Block):
    """One risk variant, by name."""

    block = "cohort.sites"

    factor: Text = key(doc="the factor that the risk allele disturbs, as JASPAR names it")
    frequency: ByPopulation = key(doc="of the risk allele in controls")
    position: Count | None = key(
        None,
        "its base of the genome, from 1; null: within the strongest hit of the factor's matrix",
        more="Of that hit the base change that weakens it most is taken, with the risk allele as the change.",
    )
    within: tuple[Count, Count] | None = key(
        None, "where the hit is sought: first and last base, from 1; null: anywhere in the locus"
    )
    risk: Base | None = key(None, "risk allele of a site with a position")
    other: Base | None = key(None, "its other allele")
    ref: Base | None = key(None, "which of the two the genome must have there; null: either")
    case_frequency: ByPopulation = key(ByPopulation(), "the same in cases; or see the next key")
    odds_ratio: Positive | None = key(
        None, "of the risk allele between cases and controls, all else on the haplotype being equal"
    )

    def check(self) -> Iterator[str]:
        """A place or a search, alleles that belong to it, and one measure of risk."""
        sought = self.position is None
        for name in ("risk", "other"):
            if (getattr(self, name) is None) is not sought:
                expected = "null: a site without position has its alleles from the factor's hit"
                expected = expected if sought else "a base: a site with a position has both alleles"
                yield f"{name}: found {show(getattr(self, name))}, expected {expected}"
        if self.risk is not None and self.risk == self.other:
            yield f"other: found {self.other}, the same as risk, expected another base"
        if self.ref not in (None, self.risk, self.other):
            yield f"ref: found {self.ref}, expected one of the site's alleles, or null"
        if self.within is not None and not (sought and self.within[0] <= self.within[1]):
            expected = "a first base and a last one that is not before it" if sought else "null beside a position"
            yield f"within: found {show(list(self.within))}, expected {expected}"
        if any(plain(self.case_frequency).values()) is (self.odds_ratio is not None):
            yield f"odds_ratio: found {show(self.odds_ratio)}, expected either this or a case_frequency"


@dataclass(frozen=True)
class CohortFamilies(Block):
    """Pairs of relatives among the people of the cohort; the first of each is a case."""

    block = "cohort.families"

    parent_child: Whole = key(3, "pairs of a case and a parent, who is a control")
    sibs: Whole = key(2, "pairs of full sibs, both of them cases")
    duplicates: Whole = key(1, "cases that are there twice, under two names")


SITES = {
    "rs2435357": CohortSite(
        factor="SOX10",
        position=43_582_056,
        risk="T",
        other="C",
        ref="C",
        frequency=ByPopulation(0.47, 0.25),
        case_frequency=ByPopulation(0.88, 0.58),
    ),
    "rs7069590": CohortSite(
        factor="GATA2",
        within=(43_561_976, 43_571_975),
        frequency=ByPopulation(0.7, 0.7),
        odds_ratio=2.0,
    ),
    "rs2506030": CohortSite(
        factor="RARB",
        position=43_447_775,
        risk="G",
        other="A",
        frequency=ByPopulation(0.4, 0.4),
        odds_ratio=1.7,
    ),
}


@dataclass(frozen=True)
class CohortSimulationSettings(Block):
    """The simulated cohort; read only when a path below resources/simulated/cohort/ is asked for."""

    block = "cohort"

    seed: Seed = key(42, internal=True)
    population: Population = key("chinese", "whose frequencies are taken: chinese or european")
    cases: Count = key(443, "people with the disease; the number is that of the published cohort")
    controls: Count = key(493, "people without")
    male_cases: Share = key(0.8, "share of the cases that are male")
    male_controls: Share = key(0.5, "the same of the controls")
    short_segment: Share = key(0.8, "share of the cases with short-segment disease (S)")
    total_colonic: Share = key(0.05, "share with total colonic aganglionosis (TCA); all others have the long form (L)")
    chromosome: Chromosome = key("chr10", "where the locus lies, in the run's genome")
    start: Whole = key(43_400_000, "first base of the locus, from 0")
    end: Count = key(43_800_000, "the base after its last")
    element_bp: Annotated[int, Rule(at_least=2, even=True)] = key(2000, "bases of an element: the window round a site")
    sites: Annotated[dict[Name, CohortSite], Rule(some=True)] = key(
        SITES,
        "risk variants by name: places of hg19 round RET",
        more="The place of rs2506030 and the frequencies of the last two are not confirmed. rs7069590 has no place: a "
        "hit of its factor about 5.5 kb before RET stands in for it, with that hit's alleles. A place needs the "
        "risk allele beside it: T, but G has been named too (docs/facts.md 45).",
    )
    synergy: Positive = key(
        1.2, "further odds ratio of a haplotype with two or more risk alleles; 1: they only multiply"
    )
    founders: Annotated[int, Rule(at_least=2)] = key(512, "haplotypes that those of the people are copied from")
    variant_bp: Annotated[float, Rule(at_least=10)] = key(
        120.0, "mean distance between variants that are drawn; about a fifth of these die out, and are not written"
    )
    indels: ShareBelow1 = key(0.06, "share of insertions and deletions of one to five bases, about")
    multi_allelic: ShareBelow1 = key(0.01, "share of variants with two alternative alleles, about")
    recombination: NotNegative = key(
        0.2, "4 Nr for 1,000 bases, which the founders' linkage follows; squared correlations halve in some 10 kb"
    )
    copied_bp: Positive = key(50_000.0, "mean length that a person's haplotype is copied from one founder")
    families: CohortFamilies = key(CohortFamilies(), "relatives, for a check of kinship to find")

    @property
    def risk_sites(self) -> dict[str, CohortSite]:
        """The sites as blocks: values of free names are kept as they were given."""
        return {name: CohortSite(**plain(site)) for name, site in self.sites.items()}

    def check(self) -> Iterator[str]:
        """Shares of one whole, room in the locus, frequencies of the population, and enough people."""
        if self.short_segment + self.total_colonic > 1:
            found = f"found {self.total_colonic} beside short_segment {self.short_segment}"
            yield f"total_colonic: {found}, expected at most 1 together"
        if self.end - self.start < self.element_bp:
            found = f"found {self.end} beside start {self.start}"
            yield f"end: {found}, expected room for an element of {self.element_bp} bases"
        if len(self.sites) > MAX_SITES:
            yield f"sites: found {len(self.sites)}, expected at most {MAX_SITES}"
        for name, site in self.sites.items():
            given = plain(site)
            for field in ("frequency", "case_frequency"):
                needed = field == "frequency" or given.get("odds_ratio") is None
                if needed and given.get(field, {}).get(self.population) is None:
                    yield f"sites.{name}.{field}: found null for {self.population}, which is cohort.population"
        family = vars(self.families)
        first, second = sum(family.values()), family["sibs"] + family["duplicates"]
        if self.cases < first + second:
            yield f"cases: found {self.cases}, expected at least {first + second}: cohort.families has as many"
        if self.controls <= family["parent_child"]:
            found = f"found {self.controls}, expected more than the {family['parent_child']} parents"
            yield f"controls: {found} of cohort.families"
