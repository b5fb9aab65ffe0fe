"""Names of chromosomes; light, since the Snakefile needs them too."""

import functools
import re
from collections.abc import Iterable

# Numbers of up to 18 digits fit 64 bits; str.isdigit() is true of ² too, which is no number.
WHOLE = re.compile(r"[0-9]{1,18}")


@functools.cache
def normalise_chromosome(name: str) -> str:
    """Return `name` in UCSC's form: ``20`` and ``chr20`` both give ``chr20``, ``MT`` gives ``chrM``."""
    bare = re.sub(r"^chr", "", str(name).strip(), flags=re.IGNORECASE)
    if bare.upper() in {"M", "MT"}:
        return "chrM"
    return "chr" + (bare.upper() if bare.lower() in {"x", "y"} else bare)


def chromosome_rank(name: str) -> tuple[int, int, str]:
    """Sort key for chromosomes: numbered ones by number, then X, Y, M, then all others by name."""
    bare = name.removeprefix("chr")
    if WHOLE.fullmatch(bare):
        return (0, int(bare), "")
    return (1, {"X": 0, "Y": 1, "M": 2}.get(bare, 3), bare)


def by_rank(names: Iterable[str]) -> list[str]:
    """Return the distinct chromosome names in natural order."""
    return sorted(set(names), key=chromosome_rank)


# Versions of the RefSeq sequences NC_000001 to NC_000024 in hg19 (docs/facts.md 12); in hg38 each is one more.
_HG19_VERSIONS = (10, 11, 11, 11, 9, 11, 13, 10, 11, 10, 9, 11, 10, 8, 9, 9, 10, 9, 9, 10, 8, 10, 10, 9)


def refseq_chromosome(accession: str) -> tuple[str, str] | None:
    """Return chromosome and build of a RefSeq name: chr1 and hg19 for ``NC_000001.10``; 23 and 24 are X and Y.

    The build of a version that is neither of hg19 nor of hg38 is ``another build``. None: no chromosome of human.
    """
    match = re.fullmatch(r"NC_0000(0[1-9]|1\d|2[0-4])\.(\d+)", accession)
    if not match:
        return None
    number, version = int(match[1]), int(match[2])
    build = {0: "hg19", 1: "hg38"}.get(version - _HG19_VERSIONS[number - 1], "another build")
    return "chr" + {23: "X", 24: "Y"}.get(number, str(number)), build
