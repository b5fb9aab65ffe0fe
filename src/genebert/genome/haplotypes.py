"""Personal sequences: the distinct haplotypes of people in a window, and who has which.

Which alleles are put in, and how, follows `bcftools consensus -H 1` and `-H 2`; what it leaves open (haploid people,
variants at the window's borders) is in docs/variants.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from genebert.errors import InputError
from genebert.genome.bases import encode
from genebert.genome.fasta import Genome
from genebert.genome.genotypes import YES, Genotypes


@dataclass(frozen=True)
class Haplotypes:
    """The sequences of people in one window."""

    sequences: list[np.ndarray]  # uint8 base codes, each different, in the order in which `index` first names them
    index: np.ndarray  # int32 [n_samples, 2] into `sequences`
    haploid: np.ndarray  # bool [n_samples]; one allele at all variants of the window: the second haplotype is the first
    counts: dict[str, int]  # variants, carried; skipped (alleles on haplotypes that overlap one that was put in)


class _Variant(NamedTuple):
    """A variant as it is put in: bases of [low, high) give way to `bases`."""

    start: int  # of REF, with the base before an insertion or deletion
    low: int
    high: int
    bases: np.ndarray
    longer: bool  # an insertion

    def within(self, start: int, end: int) -> tuple[int, int, np.ndarray] | None:
        """Return the part that lies in a window, or None.

        Each base of the genome owns the new base that takes its place, the last one all further ones; where there are
        fewer new bases, the last ones of the genome own none. An insertion belongs to the base before it. So the
        sequences of adjacent windows, end to end, are that of the window that both make up.
        """
        if self.low == self.high:
            return (self.low, self.high, self.bases) if start < self.low <= end else None
        if self.high <= start or self.low >= end:
            return None
        bases = self.bases[: end - self.low] if self.high > end else self.bases
        return max(self.low, start), min(self.high, end), bases[max(0, start - self.low) :]


def _variant(start: int, ref: str, alt: str) -> _Variant:
    """Return how an allele is put in: insertions and deletions keep the base that both alleles begin with."""
    kept = int(len(ref) != len(alt) and ref[0] == alt[0])
    return _Variant(start, start + kept, start + len(ref), encode(alt[kept:]), len(alt) > len(ref))


def _rows(genotypes: Genotypes, chrom: str, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of sites that matter in a window, and which of them share a base with it.

    What is skipped depends on what was put in before: so all that overlaps, or overlaps what overlaps, is looked at.
    """
    sites = genotypes.sites
    rows = np.flatnonzero((sites["chrom"] == chrom).to_numpy())
    starts, ends = (sites[name].to_numpy()[rows] for name in ("start", "end"))
    within = (starts < end) & (ends > start)
    reached = np.concatenate(([-1], np.maximum.accumulate(ends)))[:-1]
    chain = np.cumsum(starts >= reached)
    used = np.isin(chain, chain[within]) & (starts < end)
    return rows[used], within[used]


def _taken(variants: list[_Variant]) -> np.ndarray:
    """Say which of the variants of one haplotype, sorted by place, are put in (bool [n]), by bcftools consensus' rule.

    The first of those that overlap is. An insertion or deletion may keep a base that another variant ends with, unless
    that is an insertion.
    """
    taken, frozen, after_insertion = np.zeros(len(variants), dtype=bool), -1, False
    for i, one in enumerate(variants):
        keeps_base = one.low > one.start
        if one.start > frozen or (one.start == frozen and keeps_base and not after_insertion):
            taken[i], frozen, after_insertion = True, one.high - 1, one.longer
    return taken


def _sequence(reference: np.ndarray, start: int, variants: list[_Variant]) -> np.ndarray:
    """Return the bases of a window that begins at `start` with variants, sorted by place, that do not overlap."""
    pieces, at, end = [], start, start + len(reference)
    for one in variants:
        if part := one.within(start, end):
            low, high, bases = part
            pieces += [reference[at - start : low - start], bases]
            at = high
    return np.concatenate([*pieces, reference[at - start :]])


def put_in(reference: np.ndarray, start: int, variants: Iterable[tuple[int, str, str]]) -> np.ndarray:
    """Return the bases of a window with some variants.

    Parameters
    ----------
    reference : uint8 [length]
        Base codes of the window, which begins at `start`.
    variants : iterable of (int, str, str)
        Start (0-based), reference and alternative of each, normalised and sorted by place. Of those that overlap the
        first is put in; of one that reaches over a border of the window, what lies within (docs/variants.md).
    """
    made = [_variant(*one) for one in variants]
    return _sequence(reference, start, [one for one, use in zip(made, _taken(made), strict=True) if use])


def _check_window(genotypes: Genotypes, chrom: str, start: int, end: int) -> None:
    """Refuse a window of which it is not known who carries what."""
    regions = genotypes.regions
    inside = (regions["chrom"] == chrom) & (regions["start"] <= start) & (regions["end"] >= end)
    if not 0 <= start < end or not inside.any():
        raise InputError(
            f"window {chrom}:{start}-{end}: lies in none of the {len(regions)} regions whose genotypes were read, "
            "expected one of them or a part of one"
        )


def haplotypes(genotypes: Genotypes, window: tuple[str, int, int], genome: Genome) -> Haplotypes:
    """Return the distinct sequences of a window, and which two of them each person has.

    Sequences are made once for each different set of alleles, not for each person.

    Parameters
    ----------
    window : tuple of str, int, int
        Chromosome, start, end (0-based half-open), within the regions that were read.

    Returns
    -------
    Haplotypes
        Of a window without variants: the reference alone. Missing alleles give the reference. A genotype of one allele
        stands on both haplotypes.

    Raises
    ------
    InputError
        The window is not one that was read; or a deletion that people carry is as long as the window, or nothing is
        left of it.
    """
    chrom, start, end = window
    _check_window(genotypes, chrom, start, end)
    reference = genome.codes(chrom, start, end)
    rows, within = _rows(genotypes, chrom, start, end)
    sites = genotypes.sites.iloc[rows]
    variants = [_variant(*one) for one in sites[["start", "ref", "alt"]].itertuples(index=False)]
    calls = genotypes.calls[rows] == YES
    calls[:, :, 1] |= calls[:, :, 0] & genotypes.haploid[rows]
    people = len(genotypes.samples)
    # One row a haplotype; those of a person follow each other.
    packed = np.packbits(calls.reshape(len(rows), 2 * people).T, axis=1)
    sets, of_set = _distinct(packed)
    carriers = np.bincount(of_set)
    found: dict[bytes, int] = {}
    number, skipped = np.zeros(len(sets), dtype=np.int32), 0
    for i, bits in enumerate(np.unpackbits(packed[sets], axis=1, count=len(rows))):
        here = np.flatnonzero(bits)
        carried = [variants[j] for j in here]
        taken = _taken(carried)
        skipped += int((~taken & within[here]).sum() * carriers[i])
        sequence = _sequence(reference, start, [one for one, use in zip(carried, taken, strict=True) if use])
        _check_length([variants[j] for j in here[taken & within[here]]], sequence, window, int(carriers[i]))
        number[i] = found.setdefault(sequence.tobytes(), len(found))
    haploid = genotypes.haploid[rows[within]]
    return Haplotypes(
        [np.frombuffer(sequence, dtype=np.uint8) for sequence in found],
        number[of_set].reshape(people, 2),
        haploid.all(axis=0) if len(haploid) else np.zeros(people, dtype=bool),
        {"variants": int(within.sum()), "carried": int(calls[within].any(axis=(1, 2)).sum()), "skipped": skipped},
    )


def _distinct(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each different one, in their order (int64 [n_distinct]), and the number of each row's."""
    if not packed.size:
        return np.arange(min(1, len(packed))), np.zeros(len(packed), dtype=np.int64)
    keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse.ravel()]


def _check_length(variants: list[_Variant], sequence: np.ndarray, window: tuple[str, int, int], carriers: int) -> None:
    """Refuse a window that is not longer than a deletion in it."""
    chrom, start, end = window
    longest = max((one.high - one.low - len(one.bases) for one in variants if one.within(start, end)), default=0)
    if longest >= end - start or not len(sequence):
        what = f"a deletion of {longest} bases" if longest >= end - start else "deletions that leave no base of it"
        raise InputError(
            f"window {chrom}:{start}-{end}: {carriers} haplotypes have {what}, expected windows longer than any "
            f"deletion, this one has {end - start} bases"
        )
