"""Who gets a disease: chances of haplotypes by their risk alleles in controls and in cases, and people drawn from them.

A haplotype's class is its risk alleles (:class:`genebert.simulate.haplotypes.Copier`). The disease is rare and risks of
the two haplotypes of a person multiply, so that cases, as controls, are pairs of haplotypes drawn each by itself.
"""

from dataclasses import dataclass

import numpy as np

from genebert.errors import InputError
from genebert.settings.cohort import CohortSimulationSettings, CohortSite

ROUNDS, CLOSE = 1000, 1e-12


def class_alleles(n_sites: int) -> np.ndarray:
    """Return the risk alleles of each class (bool [2 ** n_sites, n_sites])."""
    return (np.arange(2**n_sites)[:, None] >> np.arange(n_sites)[::-1] & 1).astype(bool)


def rake(chances: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weigh alleles so that each has its target frequency, and change nothing else about how they go together.

    Parameters
    ----------
    chances : float64 [2 ** n_sites]
        Of the classes.
    targets : float64 [n_sites]
        Between 0 and 1; NaN for an allele that is not weighed.

    Returns
    -------
    chances : float64 [2 ** n_sites]
    log_odds : float64 [n_sites]
        Logarithm of the weight of each risk allele, the others being equal.

    Raises
    ------
    InputError
        No weights lead to the targets, as where two alleles never part.
    """
    carries, log_odds = class_alleles(len(targets)), np.zeros(len(targets))
    chances = chances / chances.sum()
    weighed = np.flatnonzero(~np.isnan(targets))
    for _ in range(ROUNDS):
        for i in weighed:
            target, share = targets[i], chances[carries[:, i]].sum()
            if not 0 < share < 1:
                break
            weights = (1 - target) / (1 - share), target / share
            log_odds[i] += np.log(weights[1] / weights[0])
            chances = chances * np.where(carries[:, i], weights[1], weights[0])
        if np.abs(chances @ carries - targets)[weighed].max(initial=0) < CLOSE:
            return chances, log_odds
    found = ", ".join(f"{one:g}" for one in targets[weighed])
    raise InputError(
        f"cohort.sites: found frequencies {found} that no weights of the risk alleles lead to, beside the "
        "odds ratios and the synergy; expected these nearer to 1"
    )


@dataclass(frozen=True, eq=False)
class Risk:
    """What the settings say of risk, worked out for the haplotypes of a locus."""

    controls: np.ndarray  # float64 [2 ** n_sites], chance of each class
    cases: np.ndarray  # the same
    frequency: np.ndarray  # float64 [n_sites], of the risk alleles in controls
    case_frequency: np.ndarray
    weights: np.ndarray  # float64 [n_sites], log odds ratio of each risk allele, all else on the haplotype being equal

    @property
    def alone(self) -> np.ndarray:
        """Log odds ratio of each risk allele when other sites are not looked at: the synergy adds to it."""
        odds = (share / (1 - share) for share in (self.case_frequency, self.frequency))
        return np.log(next(odds)) - np.log(next(odds))


def work_out_risk(settings: CohortSimulationSettings, sites: list[CohortSite]) -> Risk:
    """Return the risk of haplotypes; `sites` are those of the settings in the order of the locus.

    In controls the sites are independent of each other, whatever their distance: what they do is said to be, and their
    linkage is not published. In cases each allele has its weight, and two or more together have the synergy.
    """
    frequency = np.array([site.frequency.of(settings.population) for site in sites])
    carries = class_alleles(len(sites))
    controls = np.where(carries, frequency, 1 - frequency).prod(axis=1)
    given = np.log([site.odds_ratio or 1.0 for site in sites])
    synergy = np.where(carries.sum(axis=1) > 1, settings.synergy, 1.0)
    asked = [None if site.odds_ratio else site.case_frequency.of(settings.population) for site in sites]
    cases, found = rake(controls * synergy * np.exp(carries @ given), np.array(asked, dtype=np.float64))
    return Risk(controls, cases, frequency, cases @ carries, given + found)


# --------------------------------------------------------------------------------------------------------------- people


@dataclass(frozen=True, eq=False)
class People:
    """People as pairs of haplotypes, in an order that says nothing; the same haplotype may be of several relatives."""

    haplotypes: np.ndarray  # int64 [n, 2], rows of the haplotypes that were copied
    case: np.ndarray  # bool [n]
    male: np.ndarray  # bool [n]
    segment: list[str]  # S, L or TCA; NA of controls
    relatives: list[tuple[str, int, int]]  # parent_child, sibs or duplicates, and who they are


def draw_classes(settings: CohortSimulationSettings, risk: Risk, rng: np.random.Generator) -> np.ndarray:
    """Draw the class of every haplotype that is copied (int64 [n]): of cases, of controls, and of parents besides."""
    family = settings.families
    cases = settings.cases - family.sibs - family.duplicates
    controls = settings.controls - family.parent_child
    numbers = 2 * cases, 2 * controls + family.parent_child + 2 * family.sibs
    both = zip((risk.cases, risk.controls), numbers, strict=True)
    return np.concatenate([rng.choice(len(chances), number, p=chances) for chances, number in both])


def draw_people(
    settings: CohortSimulationSettings, risk: Risk, classes: np.ndarray, rng: np.random.Generator
) -> People:
    """Make people of the haplotypes of :func:`draw_classes`, and relatives of some cases.

    A parent has one haplotype of the child and one that was not passed on. Sibs have two such parents; a sib, who is a
    case too, got each parent's haplotype with a chance in proportion to its risk. No haplotype recombines between
    parent and child: of one that is 400,000 bases long 0.4 % would.
    """
    family = settings.families
    n_cases, n_controls = settings.cases - family.sibs - family.duplicates, settings.controls - family.parent_child
    pairs = np.arange(2 * (n_cases + n_controls)).reshape(-1, 2).tolist()
    cases, controls = pairs[:n_cases], pairs[n_cases:]
    left = iter(range(2 * len(pairs), len(classes)))  # haplotypes that were not passed on
    weights = (risk.cases / risk.controls)[classes]
    relatives = []
    for proband, kind in enumerate(kind for kind, number in vars(family).items() for _ in range(number)):
        own = cases[proband]
        if kind == "parent_child":
            relatives.append((kind, proband, settings.cases + len(controls)))
            controls.append([own[rng.integers(2)], next(left)])
            continue
        relatives.append((kind, proband, len(cases)))
        cases.append(own)
        if kind == "sibs":
            parents = np.array([(mine, next(left)) for mine in own])
            shares = weights[parents] / weights[parents].sum(axis=1, keepdims=True)
            cases[-1] = parents[[0, 1], (rng.random(2) >= shares[:, 0]).astype(int)].tolist()
    return _mixed(settings, np.array(cases + controls), relatives, rng)


def _mixed(
    settings: CohortSimulationSettings, pairs: np.ndarray, relatives: list[tuple], rng: np.random.Generator
) -> People:
    """Give people (cases first) a sex and cases a segment, and mix people and the two haplotypes of each."""
    n_cases, n_controls = settings.cases, settings.controls
    shares = (settings.male_cases, n_cases), (settings.male_controls, n_controls)
    male = np.concatenate([rng.permutation(np.arange(n) < round(share * n)) for share, n in shares])
    ends = np.cumsum([settings.short_segment, settings.total_colonic]) * n_cases
    segment = np.array(["S", "TCA", "L"])[np.searchsorted(np.round(ends), np.arange(n_cases), side="right")]
    segment = np.concatenate([rng.permutation(segment), np.repeat("NA", n_controls)])
    for kind, one, other in relatives:
        if kind == "duplicates":
            male[other], segment[other] = male[one], segment[one]
    order = rng.permutation(len(pairs))
    place = np.argsort(order).tolist()
    return People(
        rng.permuted(pairs[order], axis=1),
        (np.arange(len(pairs)) < n_cases)[order],
        male[order],
        segment[order].tolist(),
        [(kind, place[one], place[other]) for kind, one, other in relatives],
    )
