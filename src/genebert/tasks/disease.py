"""Disease risk: people, their status and their genotypes, cross-validated.

The paper describes no input for its HSCR-RET sets (docs/facts.md 9): docs/disease.md has the contract of ours. A data
set says which people are in which fold, by number; genotypes and status stay in the user's files.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.examples import SPLITS
from genebert.evaluation.people import FILES, Cohort, dosages_of, read_cohort
from genebert.files import atomic_path, read_json, write_json
from genebert.genome.chromosomes import normalise_chromosome
from genebert.genome.fasta import Genome
from genebert.genome.intervals import overlapping
from genebert.genome.kinship import kinship, related
from genebert.genome.variants import read_genotypes
from genebert.genome.vcf import is_simulated, with_records
from genebert.settings.fields import key, plain
from genebert.settings.people import KIND, PeopleSettings
from genebert.settings.rules import DataSetName, FilePath, Rule, Seed
from genebert.tasks.base import Sources, Task

logger = logging.getLogger(__name__)
SIMULATED_PEOPLE = "resources/simulated/cohort/"  # then the genome's build; the rule `cohort` writes below it
LEAST = 2  # people of each status in a fold
RELATED_BP, RELATED_WINDOW = 20_000, 1_000  # a site for the estimate of kinship so often, looked for in so many bases
RELATED_SITES = 3_000  # common SNVs that an estimate needs: with 1,000, strangers make families
COMMON = 0.05  # frequency of their rarer allele
LARGE = 0.1  # share of the people that are one family: said


@dataclass(frozen=True)
class DiseaseSettings(PeopleSettings):
    """How a set of people is made."""

    seed: Seed = key(42, internal=True)
    folds: Annotated[int, Rule(at_least=3, at_most=20)] = key(
        5, "of the cross-validation: each in turn is tested, the one after it chooses the epoch, the rest trains"
    )
    simulated: bool = key(
        False,
        "status or genotypes are simulated: tables say so",
        more="A VCF that this workflow simulated says so itself.",
    )


@dataclass(frozen=True, kw_only=True)
class DiseaseSet(DiseaseSettings):
    """A set, and what it is made from."""

    vcf: FilePath = key(doc="genotypes: VCF compressed with bgzip, or BCF, with an index beside it")
    phenotypes: FilePath = key(doc="table of people, tab-separated")
    regions: FilePath = key(doc="BED of the windows whose sequences are read")
    effects: FilePath | None = key(None, "effect sizes of variants, as the PGS Catalog writes them, for `polygenic`")


def assign_folds(status: np.ndarray, group: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold of every person (int8 [n]): groups stay together, folds have about equal cases and controls.

    The largest groups first, in random order among equals, each to the fold that lacks most of its people.

    Parameters
    ----------
    status : [n] of 0 and 1
    group : int [n]
        Equal for people who stay together.
    """
    rng = np.random.default_rng(seed)
    _, group = np.unique(group, return_inverse=True)
    counts = np.stack([np.bincount(group, status == one) for one in (0, 1)], axis=1)  # [groups, 2]
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    wanted, have = counts.sum(axis=0) / folds, np.zeros((folds, 2))
    fold = np.empty(len(counts), dtype=np.int8)
    for one in order:
        lacking = ((wanted - have) * counts[one]).sum(axis=1)
        best = np.flatnonzero(np.isclose(lacking, lacking.max()))
        fold[one] = best[rng.integers(len(best))]
        have[fold[one]] += counts[one]
    return fold[group]


def components(n: int, pairs: Iterable[tuple[int, int]]) -> np.ndarray:
    """Return a number for each of `n` people (int64 [n]), equal for those that pairs connect, also in chains."""
    parent = list(range(n))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = one = parent[parent[one]]
        return one

    for first, second in pairs:
        parent[root(first)] = root(second)
    return np.array([root(one) for one in range(n)], dtype=np.int64)


def _family_pairs(family: pd.Series) -> list[tuple[int, int]]:
    """Return pairs that connect the people of each family."""
    groups = family[family != ""].groupby(family).groups.values()
    return [(int(rows[0]), int(other)) for rows in groups for other in rows[1:]]


def _not_told(vcf: Path, sites: int) -> None:
    logger.warning(
        "%s: common variants at no more than %d places %d bases apart, too few (%d) to tell relatives from genotypes; "
        "families are those of the table", vcf, sites, RELATED_BP, RELATED_SITES,
    )  # fmt: skip


def _relatives(cohort: Cohort, vcf: Path, settings: DiseaseSettings) -> tuple[list[tuple[int, int]], dict[str, Any]]:
    """Return pairs of relatives that the genotypes tell, and what the card says of them.

    Told from variants all over the run's chromosomes, one at most in `RELATED_BP` bases: a VCF of one locus cannot tell
    them, for there everybody is like many others.
    """
    genome = cohort.genome
    windows = [
        pd.DataFrame({"chrom": chrom, "start": np.arange(0, length - RELATED_WINDOW, RELATED_BP)})
        for chrom, length in genome.lengths.items()
    ]
    places = pd.concat(windows, ignore_index=True)
    places = with_records(vcf, places.assign(end=places["start"] + RELATED_WINDOW))
    if len(places) < RELATED_SITES:
        _not_told(vcf, len(places))
        return [], {"places": len(places), "estimated": False}
    # Sites that nobody can be sure of are left out there, phase says nothing.
    reading = replace(settings.variants, unphased="first", symbolic="drop")
    spread = read_genotypes(vcf, places, genome, samples=cohort.genotypes.samples, settings=reading)
    frequency = np.nanmean(dosages_of(spread.calls), axis=0) / 2
    common = np.flatnonzero((np.minimum(frequency, 1 - frequency) >= COMMON) & (spread.sites["ref"].str.len() == 1))
    place = spread.sites[["chrom"]].assign(bin=spread.sites["start"] // RELATED_BP).iloc[common]
    rows = common[~place.duplicated().to_numpy()]
    told = {"places": len(places), "sites": len(rows), "estimated": len(rows) >= RELATED_SITES}
    if not told["estimated"]:
        _not_told(vcf, len(rows))
        return [], told
    values = {name: getattr(spread, name)[rows] for name in ("calls", "haploid", "phased")}
    found = related(kinship(replace(spread, sites=spread.sites.iloc[rows].reset_index(drop=True), **values)))
    told["pairs"] = {degree: len(pairs) for degree, pairs in found.items()}
    logger.info("%s: relatives at %d sites: %s", vcf, len(rows), told["pairs"])
    return np.concatenate(list(found.values())).tolist(), told


def _windows(cohort: Cohort, path: Path) -> dict[str, Any]:
    """Return what the card says of the windows: bases, sites, different haplotypes; all alike everywhere is refused."""
    sites = cohort.genotypes.sites
    number = np.array([
        len(cohort.haplotypes(*one).sequences)
        for one in cohort.regions[["chrom", "start", "end"]].itertuples(index=False)
    ])  # fmt: skip
    alike = int((number == 1).sum())
    if alike == len(number):
        raise InputError(
            f"{path}: nobody differs from anybody in any of the {alike} regions, expected variants that some have"
        )
    if alike:
        logger.warning("%s: in %d of %d regions nobody differs from anybody", path, alike, len(number))
    inside = overlapping(sites, cohort.regions)
    return {
        "windows": len(number),
        "bases": int((cohort.regions["end"] - cohort.regions["start"]).sum()),
        "sites": int(inside.sum()),
        "windows_all_alike": alike,
        "haplotypes": {"min": int(number.min()), "median": int(np.median(number)), "max": int(number.max())},
    }


def _frequency(dosages: np.ndarray) -> float | None:
    """Return the frequency of an alternative, None where nobody's alleles are known."""
    known = dosages[~np.isnan(dosages)]
    return round(float(known.mean()) / 2, 4) if len(known) else None


def _frequencies(cohort: Cohort) -> dict[str, dict[str, float]]:
    """Return how frequent the alternative of each listed SNP that the VCF has is among cases and controls."""
    rows = cohort.rows_of(cohort.snps)
    case = cohort.people["status"].to_numpy() == 1
    return {
        name: {
            group: _frequency(cohort.dosages[people, row]) for group, people in (("cases", case), ("controls", ~case))
        }
        for name, row in zip(cohort.snps.index, rows, strict=True)
        if row >= 0
    }


def _check_folds(sizes: list[list[int]], largest: int, people: int, path: Path) -> None:
    """Refuse folds (numbers of cases, and of controls, in each) that are too small; say where a family is large."""
    if min(map(min, sizes)) < LEAST:
        raise InputError(
            f"{path}: {sum(sizes[0])} cases and {sum(sizes[1])} controls make folds of {min(sizes[0])} cases and "
            f"{min(sizes[1])} controls at least; expected {LEAST} of each in each of the {len(sizes[0])} folds (more "
            f"people, fewer folds); the largest family or group of relatives has {largest} of the {people} people"
        )
    if largest > LARGE * people:
        logger.warning("%s: a family or group of relatives has %d of %d people", path, largest, people)


def _build(settings: DiseaseSettings, sources: Sources, folder: Path) -> dict[str, Any]:
    files, genome = sources.files, Genome(sources.genome)
    reading = {one.name: getattr(settings, one.name) for one in fields(PeopleSettings)}
    cohort = read_cohort(files, PeopleSettings(**reading), genome)
    status, family = cohort.people["status"].to_numpy(), cohort.people["family"]
    windows = _windows(cohort, files["regions"])
    pairs, related = _relatives(cohort, files["vcf"], settings)
    group = components(len(status), [*pairs, *_family_pairs(family)])
    fold = assign_folds(status, group, settings.folds, settings.seed)
    sizes = [np.bincount(fold[status == one], minlength=settings.folds).tolist() for one in (1, 0)]
    _check_folds(sizes, int(np.bincount(group).max()), len(status), files["phenotypes"])
    parts = {"test": fold == 0, "valid": fold == 1, "train": fold > 1}
    for name in SPLITS:
        people = np.flatnonzero(parts[name])
        with atomic_path(folder / f"{name}.parquet") as temporary:
            pd.DataFrame({"person": people.astype(np.int32), "fold": fold[people]}).to_parquet(temporary, index=False)
    sex = cohort.people["sex"]
    card = {
        "task": DiseaseTask.name,
        "kind": KIND,
        "people": plain(PeopleSettings(**reading)),
        "folds": settings.folds,
        "people_sha256": cohort.digest,
        "settings": {"folds": settings.folds, "simulated": settings.simulated, "seed": settings.seed},
        "files": {name: path.name for name, path in files.items()} | {"genome": genome.path.name},
        "cohort": {
            "people": len(status),
            "cases": int(status.sum()),
            "controls": int((status == 0).sum()),
            "folds": settings.folds,
            "simulated": settings.simulated or is_simulated(files["vcf"]),
            "sex_known": int(sex.notna().sum()),
            "snps": list(cohort.snps.index),
            "snps_found": _frequencies(cohort),
            **windows,
        },
        "left_out": cohort.counts,
        "sex": {"men": int((sex == 1).sum()), "women": int((sex == 0).sum())},
        "families": int((np.bincount(group) > 1).sum()),
        "people_in_families": int((np.bincount(group)[group] > 1).sum()),
        "related": related,
        "genotypes": cohort.genotypes.counts,
        "cases_in_folds": sizes[0],
        "controls_in_folds": sizes[1],
    }
    write_json(folder / "card.json", card)
    logger.info(
        "%s: %d cases and %d controls in %d folds, %d variants in %d regions", folder, card["cohort"]["cases"],
        card["cohort"]["controls"], settings.folds, windows["sites"], windows["windows"],
    )  # fmt: skip
    return read_json(folder / "card.json")


def _simulated(regions: str) -> dict[str, Any]:
    """Return a set of the simulated cohort round RET."""
    files = {
        "vcf": "cohort.vcf.gz",
        "phenotypes": "phenotypes.tsv",
        "regions": f"{regions}.bed",
        "effects": "effects.tsv",
    }
    paths = {key: f"{SIMULATED_PEOPLE}hg19/{file}" for key, file in files.items()}
    return {"family": "family_id", "snps": "effects", **paths}


class DiseaseTask(Task):
    """Disease risk of people."""

    name = "disease"
    section = dict[DataSetName, DiseaseSet]
    default: ClassVar = {"HSCR-RET": _simulated("elements"), "HSCR-RET-Long": _simulated("locus")}
    kind = KIND
    places = True
    read_again = FILES

    def files(self, settings: dict[str, Any]) -> dict[str, str]:
        """Return genotypes, the table of people, the windows, and effect sizes where there are some."""
        return {name: settings[name] for name in FILES if settings.get(name)}

    def indexes(self, settings: dict[str, Any]) -> dict[str, str]:
        """Return that of simulated genotypes; one's own may be of either kind, and the reader says if it is missing."""
        vcf = settings["vcf"]
        return {"index": f"{vcf}.tbi"} if vcf.startswith(SIMULATED_PEOPLE) else {}

    def problems(self, sets: dict[str, dict[str, Any]], chromosomes: list[str]) -> Iterator[str]:
        """Say where risk variants are to be taken from a file of effects that is not given."""
        for name, settings in sets.items():
            if settings["snps"] == "effects" and not settings["effects"]:
                yield f"tasks.disease.{name}.effects: found null, but snps: effects takes the variants of that file"

    def absences(self, sets: dict[str, dict[str, Any]], config: dict[str, Any]) -> dict[str, str]:
        """Name the sets whose people are simulated on a genome that is not the run's, or at places that it lacks."""
        here = f"{SIMULATED_PEOPLE}{config['genome']['build']}/"
        chrom = normalise_chromosome(str(config["cohort"]["chromosome"]))
        found = {}
        for name, settings in sets.items():
            if not settings["vcf"].startswith(SIMULATED_PEOPLE):
                continue
            if not settings["vcf"].startswith(here):
                found[name] = (
                    f"its people are simulated below {Path(settings['vcf']).parent}, this run's are below {here}"
                )
            elif chrom not in map(normalise_chromosome, map(str, config["chromosomes"])):
                found[name] = f"its people are simulated on {chrom} (cohort.chromosome), which this run does not have"
        return found

    def build(self, settings: dict[str, Any], sources: Sources, folder: Path) -> dict[str, Any]:
        """Write one set: which people are in which fold.

        Columns: person (number among those with genotypes and a status, in the order of the table), fold. The test
        split is fold 0, validation fold 1; a fit takes each fold in turn.

        Raises
        ------
        InputError
            Files that cannot be read as described or do not fit each other, too few people, or windows in which nobody
            differs.
        """
        made = {name: value for name, value in settings.items() if name not in FILES}
        return _build(DiseaseSettings(seed=sources.seed, **made), sources, folder)


TASK = DiseaseTask()
