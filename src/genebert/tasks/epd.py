"""What the Eukaryotic Promoter Database gives: promoter positions, TATA flags, and the TATA matrix behind them."""

from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import read_lines
from genebert.genome.bed import data_lines
from genebert.genome.builds import BUILD_LENGTHS, assembly
from genebert.genome.chromosomes import WHOLE, normalise_chromosome, refseq_chromosome
from genebert.genome.intervals import check_bounds

# TATA-box weights of Bucher 1990 (J Mol Biol 212:563, Table 3, as on EPD's page of promoter elements); rows A, C, G, T.
TATA_WEIGHTS = np.array([
    [-1.02, -3.05, 0.00, -4.61, 0.00, 0.00, 0.00, 0.00, -0.01, -0.94, -0.54, -0.48, -0.48, -0.74, -0.62],
    [-0.28, -2.06, -5.22, -3.49, -5.17, -4.63, -4.12, -3.74, -1.13, -0.05, 0.00, -0.05, -0.11, -0.28, -0.40],
    [0.00, -2.74, -4.28, -4.61, -3.77, -4.73, -2.65, -1.50, 0.00, 0.00, -0.09, 0.00, 0.00, 0.00, 0.00],
    [-1.68, 0.00, -2.28, 0.00, -2.34, -0.52, -3.65, -0.37, -1.40, -0.97, -1.40, -0.82, -0.66, -0.54, -0.61],
])  # fmt: skip
TATA_WIDTH = TATA_WEIGHTS.shape[1]
# Printed as -8.16; the weights are rounded too, and five of EPD's own TATA promoters come to -8.17.
TATA_CUTOFF = -8.175
FORMS = (
    "EPDnew BED (eight columns, thick block inside the window), SGA with an NC_ accession and 1-based TSS, or "
    "a six-column BED of single bases"
)


def _promoter(fields: list[str]) -> tuple[str, str, int, str] | None:
    """Return (name, chromosome, 0-based TSS, strand) of one line of any of the three forms, or None."""
    if len(fields) >= 6 and fields[1] == "TSS":  # SGA: sequence, feature, 1-based position, strand, counts, name
        chrom, _ = refseq_chromosome(fields[0]) or (None, None)
        if chrom and WHOLE.fullmatch(fields[2]) and int(fields[2]) > 0 and fields[3] in ("+", "-"):
            return fields[5], chrom, int(fields[2]) - 1, fields[3]
    elif len(fields) >= 6 and fields[5] in ("+", "-") and WHOLE.fullmatch(fields[1]) and WHOLE.fullmatch(fields[2]):
        chrom, start, end = normalise_chromosome(fields[0]), int(fields[1]), int(fields[2])
        if len(fields) >= 8 and WHOLE.fullmatch(fields[6]) and WHOLE.fullmatch(fields[7]):
            thick_start, thick_end = int(fields[6]), int(fields[7])
            if start <= thick_start < thick_end <= end:
                return fields[3], chrom, thick_start if fields[5] == "+" else thick_end - 1, fields[5]
        elif len(fields) == 6 and end == start + 1:
            return fields[3], chrom, start, fields[5]
    return None


def _check_places(lines: pd.Series, path: str | Path, build: str | None) -> None:
    """Refuse windows of BED that begin before 0 or end before their start, and accessions of another build."""
    fields = [[*line.split(), "", ""][:3] for line in lines]
    table = pd.DataFrame(fields, columns=["chrom", "start", "end"], index=lines.index)
    whole = table[["start", "end"]].apply(lambda column: column.str.fullmatch(r"-?[0-9]{1,18}")).all(axis=1)
    check_bounds(table[whole].astype({"start": np.int64, "end": np.int64}), path, "line")
    known = assembly(build or "")
    for number, name in table["chrom"].drop_duplicates().items() if known in BUILD_LENGTHS else ():
        chrom, found = refseq_chromosome(name) or (None, known)
        if found != known:
            raise InputError(f"{path}: line {number}: {name} is {chrom} of {found}, but the genome is {build}")


def read_promoters(path: str | Path, build: str | None = None) -> pd.DataFrame:
    """Read promoter positions; the form is recognised by the content of each line.

    EPDnew's BED (space-separated, the thick block begins at the TSS), EPD's SGA (1-based TSS, RefSeq accession), or a
    BED of single bases with six columns (docs/facts.md 4).

    Parameters
    ----------
    path : path
    build : str, optional
        That of the genome in use; the versions of accessions must be those of hg19 or hg38 if it is one of these.

    Returns
    -------
    DataFrame
        Columns name, chrom, tss (int64, 0-based position of the first transcribed base), strand.

    Raises
    ------
    InputError
        A line has none of the three forms or lies nowhere, an accession of another build, or there is no line.
    """
    lines = data_lines(path, f"promoter; expected {FORMS}")
    _check_places(lines, path, build)
    rows = [_promoter(line.split()) for line in lines]
    if None in rows:
        wrong = rows.index(None)
        line = lines.iloc[wrong].strip()[:80]
        raise InputError(f"{path}: line {lines.index[wrong]}: {line!r} is not a promoter; expected {FORMS}")
    return pd.DataFrame(rows, columns=["name", "chrom", "tss", "strand"])


def read_tata_flags(path: str | Path) -> pd.Series:
    """Return the TATA-box flag (bool) by promoter name, of EPD's ``promoter_motifs.txt``.

    Raises
    ------
    InputError
        No column ``TATA-box``, or a value other than 0 and 1.
    """
    lines = [(number, line.split()) for number, line in enumerate(read_lines(path), 1) if line.strip()]
    header = lines[0][1] if lines else []
    if not header or header[0].lstrip("#") != "Name" or "TATA-box" not in header:
        raise InputError(
            f"{path}: first line is {' '.join(header)[:60]!r}, expected #Name TATA-box Inr CCAAT-box GC-box"
        )
    column = header.index("TATA-box")
    flags = {}
    for number, fields in lines[1:]:
        if len(fields) != len(header) or fields[column] not in ("0", "1"):
            raise InputError(f"{path}: line {number}: {' '.join(fields)[:60]!r}; expected a name and flags of 0 or 1")
        flags[fields[0]] = fields[column] == "1"
    return pd.Series(flags, dtype=bool)


def tata_scores(codes: np.ndarray) -> np.ndarray:
    """Score every window of sequences (uint8 [n, length]) with Bucher's TATA-box matrix.

    Returns
    -------
    float64 [n, length - 14]
        0 is the consensus; at least -8.16 counts as a TATA box. Windows with N score below any cut-off.
    """
    weights = np.vstack([TATA_WEIGHTS, np.full(TATA_WIDTH, -100.0)])
    starts = codes.shape[1] - TATA_WIDTH + 1
    scores = np.zeros((len(codes), starts))
    for i in range(TATA_WIDTH):
        scores += weights[codes[:, i : i + starts], i]
    return scores
