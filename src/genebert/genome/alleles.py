"""Alleles of variants: which have bases, and the one way to write each of them."""

import re

from genebert.genome.bases import decode
from genebert.genome.fasta import Genome

SPANNING = "*"  # the allele of a haplotype whose bases there an earlier deletion has taken
_CHUNK = 64  # bases to the left that are fetched at once
_BASES = re.compile(r"[ACGTN]+")


def has_bases(allele: str) -> bool:
    """Say whether an allele (upper case) is a sequence: not ``<DEL>``, ``*``, a breakend, nor one of IUPAC codes."""
    return _BASES.fullmatch(allele) is not None


def normalise(chrom: str, start: int, ref: str, alt: str, genome: Genome) -> tuple[int, str, str]:
    """Return a variant of two different alleles as `bcftools norm` writes it: leftmost, and as short as can be.

    The rule is that of Tan et al. 2015 (Bioinformatics 31:2202): bases that both alleles end in are taken off, and one
    before them is put on where an allele has none left, until neither changes anything; then bases that both begin with
    are taken off, but for the last.

    Parameters
    ----------
    start : int
        Of the first base of `ref`, 0-based.
    ref, alt : str
        In upper case; `ref` is what `genome` has there.

    Returns
    -------
    tuple of int, str, str
        Start, reference and alternative; neither is empty. Before a chromosome's first base there is none to put on: an
        allele that begins there is followed by the base after it, as the VCF format says.
    """
    before, at = "", start  # bases of [at, start) that are still to be put on
    while ref[-1:] == alt[-1:]:
        ref, alt = ref[:-1], alt[:-1]
        if ref and alt:
            continue
        if not start:
            end = len(ref)
            after = decode(genome.codes(chrom, end, end + 1))
            return 0, ref + after, alt + after
        if not before:
            at = max(0, start - _CHUNK)
            before = decode(genome.codes(chrom, at, start))
        ref, alt, before, start = before[-1] + ref, before[-1] + alt, before[:-1], start - 1
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        ref, alt, start = ref[1:], alt[1:], start + 1
    return start, ref, alt
