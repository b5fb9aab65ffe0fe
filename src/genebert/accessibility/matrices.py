"""Readers of peaks x cells count matrices: Matrix Market and AnnData here, R's files in `r_objects`.

All give a :class:`~genebert.accessibility.blocks.CountMatrix`, whose entries come in blocks, so that text and HDF5
files of any size are never held whole.
"""

import codecs
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from scipy.io import mmread

from genebert.accessibility.blocks import (
    BLOCK_BYTES,
    BLOCK_ENTRIES,
    Block,
    CountMatrix,
    check_compressed,
    compressed_blocks,
    read_ahead,
    read_by_library,
)
from genebert.accessibility.cells import align_cells, as_types, cell_column, read_barcodes, read_cells, require_column
from genebert.accessibility.r_objects import read_dgcmatrix, read_seurat
from genebert.errors import InputError
from genebert.files import open_bytes
from genebert.genome.bed import read_peaks
from genebert.genome.chromosomes import normalise_chromosome
from genebert.genome.intervals import parse_region_names
from genebert.settings.data import AccessibilitySettings

logger = logging.getLogger(__name__)


def read_matrix(settings: AccessibilitySettings) -> CountMatrix:
    """Open the matrix of any format but ``bed``."""
    if settings.format == "mtx":
        return read_mtx(
            settings.matrix, settings.peaks, settings.cells, settings.group_by, settings.barcodes, settings.names
        )
    if settings.format == "dgcmatrix":
        return read_dgcmatrix(settings.matrix, settings.cells, settings.group_by, settings.peaks, settings.names)
    if settings.format == "seurat":
        return read_seurat(settings.matrix, settings.assay, settings.group_by, settings.names)
    return read_h5ad(settings.matrix, settings.group_by, settings.names)


def _mtx_header(handle: BinaryIO, path: str | Path) -> tuple[bytes, int, int, int, int]:
    """Return banner, rows, columns, entries and the number of lines read."""
    banner = handle.readline().removeprefix(codecs.BOM_UTF8)
    if banner.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path}: is text in UTF-16; expected a Matrix Market file in ASCII or UTF-8")
    if not re.match(rb"%%MatrixMarket\s+matrix\s+coordinate\s+(integer|real|pattern)\s+general\s*$", banner, re.I):
        shown = banner[:60].decode(errors="replace").strip()
        raise InputError(
            f"{path}: begins with {shown!r}; expected a Matrix Market file, "
            "'%%MatrixMarket matrix coordinate integer general'"
        )
    line, number = handle.readline(), 2
    while line.startswith(b"%") or (line and not line.strip()):
        line, number = handle.readline(), number + 1
    sizes = line.split()
    if len(sizes) != 3 or not all(size.isdigit() and len(size) <= 18 for size in sizes):
        raise InputError(f"{path}: line {number} is {line[:60]!r}; expected numbers of rows, columns and entries")
    return (banner.strip(), *map(int, sizes), number)


def _whole_lines(handle: BinaryIO) -> Iterator[bytes]:
    """Yield pieces of whole lines, without the last newline; pieces of white space only are left out."""
    while text := handle.read(BLOCK_BYTES):
        if piece := (text + handle.readline()).rstrip():
            yield piece


_VALUE = rb"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)"
_ODD_LINE = {
    fields: re.compile(
        rb"^(?![ \t\r]*$|[ \t]*\d+[ \t]+\d+%s[ \t\r]*$).+" % (rb"[ \t]+" + _VALUE if fields == 3 else b""), re.M | re.I
    )
    for fields in (2, 3)
}


def _odd_line(piece: bytes, fields: int) -> tuple[int, str] | None:
    """Return number and text of the first line that is more than an entry: the parser reads 1,7 as 1, and goes on."""
    others = piece.translate(None, b"0123456789\r\n")
    if len(others) == others.count(b" ") == (piece.count(b"\n") + 1) * (fields - 1):
        return None  # whole numbers between single blanks, as nearly all files: a tenth of the time that the rest takes
    found = _ODD_LINE[fields].search(piece)
    return found and (piece.count(b"\n", 0, found.start()) + 1, found[0].decode(errors="replace").strip())


def _mtx_blocks(path: str | Path, transposed: bool) -> Iterator[Block]:
    """Yield the entries of a Matrix Market file; each piece of lines is parsed by SciPy's own fast reader."""
    with open_bytes(path) as handle:
        banner, rows, columns, entries, before = _mtx_header(handle, path)
        # Counts are parsed as real numbers: as integers, the parser would cut 2.5 to 2 without a word.
        banner = re.sub(rb"(?i)integer", b"real", banner)
        seen, fields = 0, 2 if b"pattern" in banner.lower() else 3
        for piece in read_ahead(_whole_lines(handle)):
            lines = piece.count(b"\n") + 1
            try:
                block = mmread(io.BytesIO(b"%s\n%d %d %d\n%s\n" % (banner, rows, columns, lines, piece)))
            except (ValueError, OverflowError) as error:
                # The parser counts lines from its own two header lines.
                number, _, reason = str(error).removeprefix("Line ").partition(": ")
                reason = f"line {int(number) - 2 + before + seen}: {reason}" if number.isdigit() else str(error)
                raise InputError(f"{path}: not a valid Matrix Market entry ({reason})") from error
            if odd := _odd_line(piece, fields):
                expected = "row and column" if fields == 2 else "row, column and a number"
                raise InputError(
                    f"{path}: line {before + seen + odd[0]} is {odd[1][:60]!r}; expected {expected}, and nothing else"
                )
            seen += lines
            row, column = block.coords
            yield (column, row, block.data) if transposed else (row, column, block.data)
    if seen != entries:
        raise InputError(f"{path}: holds {seen} entries, but its header announces {entries}; is the file cut short?")


def read_mtx(
    matrix: str | Path,
    peaks: str | Path,
    cells: str | Path,
    group_by: str,
    barcodes: str | Path | None = None,
    names: str = "0-based",
) -> CountMatrix:
    """Open a Matrix Market file, plain or gzip, peaks x cells or cells x peaks.

    Which of the two is told by its shape; a square matrix is taken as peaks x cells. The table of cells is in the order
    of the matrix; with `barcodes`, the names of its cells, it is joined to them as to the column names of a dgCMatrix.
    `names` says how names of regions count (:func:`genebert.genome.intervals.parse_region_names`).

    Raises
    ------
    InputError
        The matrix and its peaks or cells differ in number; no column `group_by`; not such a file.
    """
    regions, table = read_peaks(peaks, names), read_cells(cells)
    require_column(list(table.columns), group_by, str(cells))
    if barcodes is not None:
        table = align_cells(table, cell_column(table), read_barcodes(barcodes), str(cells), str(barcodes))
        cells = barcodes
    with open_bytes(matrix) as handle:
        _, rows, columns, entries, _ = _mtx_header(handle, matrix)
    shape = (len(regions), len(table))
    transposed = (rows, columns) != shape
    if shape not in ((rows, columns), (columns, rows)):
        for n_peaks, n_cells in ((rows, columns), (columns, rows)):
            if n_peaks == len(regions):
                raise InputError(
                    f"{cells}: {len(table)} cells, but {matrix} is {rows} x {columns}; expected {n_cells} cells"
                )
            if n_cells == len(table):
                raise InputError(
                    f"{peaks}: {len(regions)} peaks, but {matrix} is {rows} x {columns}; expected {n_peaks} peaks"
                )
        raise InputError(
            f"{matrix}: is {rows} x {columns}; expected {len(regions)} peaks ({peaks}) x {len(table)} cells ({cells})"
        )
    return CountMatrix(
        str(matrix), regions, as_types(table[group_by]), entries, lambda: _mtx_blocks(matrix, transposed)
    )


def _var_regions(var: pd.DataFrame, path: str | Path, counting: str) -> pd.DataFrame:
    """Regions of the variables: from columns chrom, start and end (or their usual other names), else from the names."""
    lower = {str(column).lower(): column for column in var.columns}
    usual = ("chrom", "chr", "chromosome", "seqnames", "seqname"), ("start", "chromstart"), ("end", "chromend")
    found = [next((lower[name] for name in names if name in lower), None) for names in usual]
    if None in found:
        return parse_region_names(var.index.astype(str).tolist(), f"{path} (var names)", counting)
    chroms = var[found[0]].astype(str).map(normalise_chromosome)
    try:
        start, end = (var[column].astype(np.int64).to_numpy() for column in found[1:])
        cut = (var[found[1:]].astype(np.float64).to_numpy() % 1 != 0).any(axis=1)
        if cut.any():
            raise ValueError(f"found {var[found[1:]][cut].iloc[0].tolist()}")
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: var columns {found[1]}, {found[2]} must hold whole numbers ({error})") from error
    regions = pd.DataFrame({"chrom": chroms.to_numpy(), "start": start, "end": end})
    logger.info("%s: regions are var columns %s, 0-based", path, ", ".join(found))
    _compare_names(var, regions, path, counting)
    return regions


def _compare_names(var: pd.DataFrame, regions: pd.DataFrame, path: str | Path, counting: str) -> None:
    """Refuse columns that say another place than the names do: of a GRanges they are counted from 1."""
    try:
        named = parse_region_names(var.index.astype(str).tolist(), path, counting)
    except InputError:
        return  # names of another kind
    differs = (named["start"].to_numpy() != regions["start"].to_numpy()) | (named["end"] != regions["end"]).to_numpy()
    if differs.any():
        row = int(differs.argmax())
        shown = "{chrom}:{start}-{end}".format(**regions.iloc[row])
        raise InputError(
            f"{path}: the var columns of {var.index[row]} say {shown} (0-based), expected the same place in both; are "
            "the columns counted from 1, as those of a GRanges? Then subtract 1 from the starts, or drop the columns"
        )


def _stated_builds(var: pd.DataFrame, uns: Mapping) -> list[str]:
    keys = {"genome", "genome_build", "build", "assembly", "reference", "reference_genome"}
    stated = [str(value) for column in var.columns if str(column).lower() in keys for value in var[column].unique()]
    return stated + [str(value) for key, value in uns.items() if str(key).lower() in keys and np.ndim(value) == 0]


def read_h5ad(matrix: str | Path, group_by: str, names: str = "0-based") -> CountMatrix:
    """Open an AnnData file (cells x peaks): layer ``counts`` if there is one, else X; types from ``obs[group_by]``.

    `names` as in :func:`read_mtx`; columns of starts and ends are 0-based.

    Raises
    ------
    InputError
        Not an AnnData file, no column `group_by`, or variables that are no regions.
    """
    import h5py
    from anndata.io import read_elem, sparse_dataset

    with read_by_library(matrix, "AnnData file"), h5py.File(matrix, "r") as file, warnings.catch_warnings():
        # Files of anndata before 0.8 are read as well as later ones.
        warnings.filterwarnings("ignore", message=".*written without encoding metadata")
        obs, var = read_elem(file["obs"]), read_elem(file["var"])
        uns = read_elem(file["uns"]) if "uns" in file else {}
        key = "layers/counts" if "layers/counts" in file else "X"
        counts = file[key]
        is_sparse = isinstance(counts, h5py.Group)
        layout = sparse_dataset(counts).format if is_sparse else "dense"
        shape = tuple(map(int, sparse_dataset(counts).shape if is_sparse else counts.shape))
        if shape != (len(obs), len(var)):
            found = " x ".join(map(str, shape))
            raise InputError(f"{matrix}: {key} is {found}; expected {len(obs)} cells x {len(var)} peaks")
        if is_sparse:
            n_major = shape[0] if layout == "csr" else shape[1]
            check_compressed(f"{matrix} ({key})", n_major, counts["indptr"][:], counts["indices"], counts["data"])
        elif counts.dtype.kind not in "iufb":
            raise InputError(f"{matrix}: {key} holds values of type {counts.dtype}; expected counts")
        entries = len(counts["data"]) if is_sparse else counts.size
    require_column(list(obs.columns), group_by, f"{matrix} (obs)")

    def blocks() -> Iterator[Block]:
        with read_by_library(matrix, "AnnData file"), h5py.File(matrix, "r") as file:
            counts = file[key]
            if layout == "dense":
                step = max(1, BLOCK_ENTRIES // max(1, shape[1]))
                for first in range(0, shape[0], step):
                    piece = counts[first : first + step]
                    cells, peaks = np.nonzero(piece)
                    yield peaks, cells + first, piece[cells, peaks]
                return
            for minor, major, values in compressed_blocks(counts["indptr"][:], counts["indices"], counts["data"]):
                yield (minor, major, values) if layout == "csr" else (major, minor, values)

    regions = _var_regions(var, matrix, names)
    return CountMatrix(str(matrix), regions, as_types(obs[group_by]), entries, blocks, _stated_builds(var, uns))
