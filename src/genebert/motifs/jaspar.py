"""Motif count matrices from JASPAR, and their text form."""

import io
import re
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import atomic_path, read_text
from genebert.genome.tables import read_table

BASES = "ACGT"
METADATA = ["matrix_id", "name", "tf_class", "tf_family"]
ORDERS = {"matrix_id": attrgetter("matrix_id"), "family": attrgetter("tf_class", "tf_family", "matrix_id")}


@dataclass(frozen=True, eq=False)
class Motif:
    """One position frequency matrix.

    Attributes
    ----------
    matrix_id : str
        JASPAR matrix id with version, as in ``MA0139.1``.
    name : str
        Name of the transcription factor, as in ``CTCF``; dimers as in ``MAX::MYC``.
    counts : float64 [4, width]
        Observed bases per position, rows A, C, G, T.
    tf_class, tf_family : str
        Structural class and family (TFClass); those of a dimer's partners are joined by ``::``. Empty if unknown.
    """

    matrix_id: str
    name: str
    counts: np.ndarray
    tf_class: str = ""
    tf_family: str = ""

    @property
    def width(self) -> int:
        return self.counts.shape[1]


def load_jaspar(release: str = "JASPAR2018", order: str = "matrix_id") -> list[Motif]:
    """Return the latest version of every CORE vertebrate matrix of a JASPAR release; 579 by default (docs/facts.md 2).

    Their order is ``matrix_id``, or ``family``: by class, family and matrix id, so that similar motifs are neighbours.

    Raises
    ------
    InputError
        Unknown release or order.
    """
    import pyjaspar

    if release not in pyjaspar.jaspar_releases:
        raise InputError(
            f"motifs.release: found {release!r}, expected one of {', '.join(sorted(pyjaspar.jaspar_releases))}"
        )
    if order not in ORDERS:
        raise InputError(f"motifs.order: found {order!r}, expected one of {', '.join(ORDERS)}")
    database = pyjaspar.jaspardb(release=release)
    try:
        records = database.fetch_motifs(collection="CORE", tax_group=["vertebrates"], all_versions=False)
    finally:
        database.conn.close()
    motifs = [
        Motif(record.matrix_id, record.name, _counts(record), "::".join(record.tf_class), "::".join(record.tf_family))
        for record in records
    ]
    return sorted(motifs, key=ORDERS[order])


def _counts(record: Any) -> np.ndarray:
    """Return the counts of one of Biopython's motifs, in the order of BASES."""
    return np.array([record.counts[base] for base in BASES], dtype=np.float64)


def jaspar_text(motifs: list[Motif]) -> str:
    """Return the matrices in JASPAR's text form; counts that are not whole numbers keep all their digits."""
    lines = []
    for motif in motifs:
        lines.append(f">{motif.matrix_id}\t{motif.name}")
        for base, row in zip(BASES, motif.counts.tolist(), strict=True):
            values = " ".join(str(int(value)) if value.is_integer() else repr(value) for value in row)
            lines.append(f"{base}  [ {values} ]")
    return "\n".join(lines) + "\n"


def write_jaspar(motifs: list[Motif], path: str | Path, metadata: str | Path) -> None:
    """Write the matrices as JASPAR text, and what that form cannot hold as a table of matrix_id, name, class, family.

    The order of the matrices is the order of the columns of every motif matrix made from them.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(jaspar_text(motifs))
    table = pd.DataFrame(map(attrgetter(*METADATA), motifs), columns=METADATA)
    with atomic_path(metadata) as temporary:
        table.to_csv(temporary, sep="\t", index=False)


def read_jaspar(path: str | Path, metadata: str | Path | None = None) -> list[Motif]:
    """Read the files of :func:`write_jaspar`, or any JASPAR text.

    Raises
    ------
    InputError
        The text is malformed: a matrix without id, with rows missing, of unequal length or with negative counts, an
        empty position, an id that occurs twice; or the table lacks a matrix.
    """
    from Bio import motifs as bio_motifs

    expected = "expected JASPAR text: a line `>MA0139.1 CTCF`, then rows A, C, G and T of equal length"
    text = read_text(path)
    try:
        records = list(bio_motifs.parse(io.StringIO(text), "jaspar"))
    except Exception as error:  # Biopython raises bare exceptions of many kinds for malformed matrices
        raise InputError(f"{path}: malformed ({type(error).__name__}: {error}); {expected}") from error
    headers = sum(line.startswith(">") for line in text.split("\n"))
    if headers > len(records):  # Biopython drops an incomplete last matrix in silence
        raise InputError(f"{path}: found {headers} header lines, but {len(records)} complete matrices; {expected}")
    if not records:
        raise InputError(f"{path}: holds no matrix; {expected}")
    families = _read_metadata(metadata) if metadata is not None else {}
    motifs: dict[str, Motif] = {}
    for record in records:
        matrix_id, counts = record.matrix_id, _counts(record)
        if matrix_id is None:
            raise InputError(f"{path}: a matrix without id; {expected}")
        if matrix_id in motifs:
            raise InputError(f"{path}: matrix {matrix_id} occurs twice; ids must be unique")
        if not (np.isfinite(counts).all() and (counts >= 0).all() and (counts.sum(axis=0) > 0).all()):
            raise InputError(
                f"{path}: matrix {matrix_id} has a negative or non-finite count or a position without counts; "
                "expected counts of 0 or more"
            )
        if families and matrix_id not in families:
            raise InputError(f"{metadata}: matrix {matrix_id} of {path} is missing")
        motifs[matrix_id] = Motif(matrix_id, record.name, counts, *families.get(matrix_id, ("", "")))
    return list(motifs.values())


def _read_metadata(path: str | Path) -> dict[str, tuple[str, str]]:
    """Return class and family by matrix id."""
    table = read_table(path, ("matrix_id", "tf_class", "tf_family"))
    return {row.matrix_id: (row.tf_class, row.tf_family) for row in table.itertuples()}


def factor_motifs(motifs: list[Motif], factor: str) -> list[Motif]:
    """Return the matrices of a transcription factor, in the order of `motifs`.

    Those of its name, JASPAR's variants such as ``JUN(var.2)`` included; where there is none, those of dimers of which
    it is a partner, such as ``MAX::MYC``. Upper and lower case are the same: JASPAR writes mouse factors ``Ahr``.
    """
    partners = [re.sub(r"\(VAR\.\d+\)$", "", motif.name.upper()).split("::") for motif in motifs]
    factor = factor.upper()
    own = [motif for motif, names in zip(motifs, partners, strict=True) if names == [factor]]
    return own or [motif for motif, names in zip(motifs, partners, strict=True) if factor in names]
