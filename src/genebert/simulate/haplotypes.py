"""Haplotypes of a locus: founders that grew from one ancestor, and copies of them with given alleles at some sites.

The number of founders doubles from one to all of them. In each doubling a haplotype is copied from those before, with
recombination, and variants are born on one haplotype each. As many are born in each doubling, so that as many variants
have a frequency between 1/64 and 1/32 as between 1/4 and 1/2: the spectrum of a population of constant size. Older
variants have gone through more recombination, and linkage decays with distance. People are copied from founders as in
Li and Stephens 2003 (Genetics 165:2213), and what is born last is one haplotype's own.

Variants are columns, in the order of their places; alleles are 0 (the ancestor's), 1 and, in some columns, 2.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a locus before anything is known of who carries what."""

    positions: np.ndarray  # int64 [n_columns], sorted
    double: np.ndarray  # bool [n_columns]: with a second alternative allele
    sites: np.ndarray  # int64 [n_sites], which columns are risk sites, in their order


@dataclass(frozen=True, eq=False)
class Founders:
    """The founders' alleles, and which columns change on single haplotypes of people."""

    alleles: np.ndarray  # uint8 [n_founders, n_columns]; of a site 1 is the risk allele
    own: tuple[np.ndarray, np.ndarray]  # int64 [n] each: columns whose first, second alternative is one haplotype's


def _sizes(number: int) -> list[int]:
    sizes = [2]
    while sizes[-1] < number:
        sizes.append(min(2 * sizes[-1], number))
    return sizes


def _parents(number: int, before: int, changes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw whom each new haplotype is copied from (int64 [number, n_columns]).

    `changes` (float64 [n_columns]) are the chances that the source is drawn again between the column before and this
    one.
    """
    shape = (number, len(changes))
    again = rng.random(shape) < changes
    again[:, 0] = True
    last = np.maximum.accumulate(np.where(again, np.arange(shape[1]), 0), axis=1)
    return np.take_along_axis(rng.integers(before, size=shape), last, axis=1)


def _births(columns: Columns, sizes: list[int], copies: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw in which doubling each column's first and second alternative is born (int64 [n_columns]; -1: never)."""
    levels = len(sizes)
    weights = np.ones(levels + 1)
    weights[-1] = max(1.0, np.log2(copies / sizes[-1]))  # the doublings that are left from founders to people
    first = rng.choice(levels + 1, len(columns.positions), p=weights / weights.sum())
    first[columns.double] = np.minimum(first[columns.double], levels - 1)
    return first, np.where(columns.double, rng.integers(np.minimum(first, levels - 1) + 1, levels + 1), -1)


def draw_founders(
    number: int, columns: Columns, targets: np.ndarray, per_base: float, copies: int, rng: np.random.Generator
) -> Founders:
    """Draw the founders.

    Parameters
    ----------
    number : int
        Founders, at least two.
    targets : float64 [n_sites]
        Frequencies of the risk alleles, which the founders' come near to.
    per_base : float
        4 Nr for one base.
    copies : int
        Haplotypes of people that will be copied.
    """
    sizes, every = _sizes(number), np.arange(len(columns.positions))
    first, second = _births(columns, sizes, copies, rng)
    first[columns.sites] = second[columns.sites] = -1
    distances = np.diff(columns.positions, prepend=columns.positions[:1])
    alleles, traced = np.zeros((1, len(every)), dtype=np.uint8), []
    for level, size in enumerate(sizes):
        parents = _parents(size, len(alleles), -np.expm1(-per_base / size * distances), rng)
        traced.append(parents[:, columns.sites])
        alleles = alleles[parents, every]
        for allele, births in ((1, first), (2, second)):
            born = np.flatnonzero(births == level)
            alleles[rng.integers(size, size=len(born)), born] = allele
    for i, target in enumerate(targets):
        alleles[:, columns.sites[i]] = _carriers([parents[:, i] for parents in traced], target)
    return Founders(alleles, (np.flatnonzero(first == len(sizes)), np.flatnonzero(second == len(sizes))))


def _carriers(parents: list[np.ndarray], target: float) -> np.ndarray:
    """Return which founders carry a site's risk allele (bool [n_founders]).

    They descend from one haplotype of some doubling, or are all those that do not: the choice whose frequency comes
    nearest to the target.
    """
    ancestor, clades = np.arange(len(parents[-1])), []
    for before in parents[::-1]:
        clades.append(np.unique(ancestor)[:, None] == ancestor)
        ancestor = before[ancestor]
    both = np.concatenate(clades)
    both = np.concatenate([both, ~both])
    both = both[both.any(axis=1) & ~both.all(axis=1)]
    return both[np.argmin(np.abs(both.mean(axis=1) - target))]


# --------------------------------------------------------------------------------------------------------------- copies


class Copier:
    """Copies founders so that the alleles at the sites are as asked for.

    A haplotype's class is its risk alleles, read as a binary number, the first site being the highest digit. The
    source is drawn again, from all founders, at a rate of one in `mean_bp` bases.
    """

    def __init__(self, founders: Founders, columns: Columns, mean_bp: float):
        self.founders, self.columns, self.rate = founders, columns, 1 / mean_bp
        self.places = columns.positions[columns.sites]
        self.stays = np.exp(-self.rate * np.diff(self.places))
        carries = founders.alleles[:, columns.sites].astype(bool)
        # Chances of the alleles so far and of the source: float64 [2 ** (i + 1), n_founders], for each site i.
        self.forward = [np.stack([~carries[:, 0], carries[:, 0]]) / len(carries)]
        for stay, here in zip(self.stays, carries[:, 1:].T, strict=True):
            before = self.forward[-1]
            moved = stay * before + (1 - stay) * before.mean(axis=1, keepdims=True)
            self.forward.append((moved[:, None] * np.stack([~here, here])).reshape(-1, len(carries)))

    @property
    def classes(self) -> np.ndarray:
        """The chance of each class (float64 [2 ** n_sites])."""
        return self.forward[-1].sum(axis=1)

    def copy(self, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return haplotypes of these classes (int64 [n]): alleles, uint8 [n, n_columns]."""
        sources = self._sources(classes, rng)
        alleles = np.empty((len(classes), len(self.columns.positions)), dtype=np.uint8)
        every = np.arange(alleles.shape[1])
        for row, here in enumerate(sources):
            cuts, copied = self._path(here, rng)
            alleles[row] = self.founders.alleles[copied[np.searchsorted(cuts, self.columns.positions)], every]
        for allele, born in enumerate(self.founders.own, 1):
            alleles[rng.integers(len(alleles), size=len(born)), born] = allele
        return alleles

    def _sources(self, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the founder that each haplotype is copied from at each site (int64 [n, n_sites]), from the last one."""
        rows, number, n_sites = np.arange(len(classes)), len(self.founders.alleles), len(self.places)
        sources = np.empty((len(classes), n_sites), dtype=np.int64)
        for i in range(n_sites - 1, -1, -1):
            chances = self.forward[i][classes >> (n_sites - 1 - i)]
            if i < n_sites - 1:
                after, stay = sources[:, i + 1], self.stays[i]
                same = stay * chances[rows, after]
                chances = (1 - stay) / number * chances
                chances[rows, after] += same
            total = np.cumsum(chances, axis=1)
            sources[:, i] = (rng.random((len(rows), 1)) * total[:, -1:] >= total).sum(axis=1)
        return sources

    def _path(self, here: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw where the source changes (float64 [n], sorted) and what it is between (int64 [n + 1])."""
        number, first, last = len(self.founders.alleles), self.columns.positions[0], self.columns.positions[-1]
        left = np.sort(rng.uniform(first, self.places[0], rng.poisson(self.rate * (self.places[0] - first))))
        cuts, sources = [left], [rng.integers(number, size=len(left)), here[:1]]
        for i, stay in enumerate(self.stays):
            span = self.places[i + 1] - self.places[i]
            unchanged = stay * (here[i] == here[i + 1])
            if rng.random() * (unchanged + (1 - stay) / number) < unchanged:
                continue
            # At least one change: the first within the span, then as many as there are; the last leads to the site's.
            start = -np.log1p(-rng.random() * (1 - stay)) / self.rate
            further = rng.uniform(start, span, rng.poisson(self.rate * (span - start)))
            cuts.append(self.places[i] + np.sort(np.append(start, further)))
            sources += [rng.integers(number, size=len(further)), here[i + 1 : i + 2]]
        right = np.sort(rng.uniform(self.places[-1], last, rng.poisson(self.rate * (last - self.places[-1]))))
        return np.concatenate([*cuts, right]), np.concatenate([*sources, rng.integers(number, size=len(right))])
