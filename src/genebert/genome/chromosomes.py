"""Names of chromosomes; light, since the Snakefile needs them too."""

import functools
import re
from collections.abc import Iterable


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
    if bare.isdigit():
        return (0, int(bare), "")
    return (1, {"X": 0, "Y": 1, "M": 2}.get(bare, 3), bare)


def by_rank(names: Iterable[str]) -> list[str]:
    """Return the distinct chromosome names in natural order."""
    return sorted(set(names), key=chromosome_rank)


def refseq_chromosome(accession: str) -> str | None:
    """Return ``chr1`` for ``NC_000001.10``, of any build; 23 and 24 are X and Y. None: no chromosome of human."""
    match = re.fullmatch(r"NC_0000(0[1-9]|1\d|2[0-4])\.\d+", accession)
    if not match:
        return None
    return "chr" + {"23": "X", "24": "Y"}.get(match[1], match[1].lstrip("0"))
