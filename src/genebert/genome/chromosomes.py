"""Names of chromosomes; light, since the Snakefile needs them too."""

import re


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
