"""Count matrices in R's files: dgCMatrix and Seurat objects.

RDS files must be parsed whole; R's own limit of 2^31 - 1 non-zeros a dgCMatrix (32-bit `i` and `p`, double `x`) holds
for them. Larger atlases come as several matrices, as Matrix Market or as AnnData.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from genebert.accessibility.blocks import (
    BLOCK_BYTES,
    Block,
    CountMatrix,
    check_compressed,
    compressed_blocks,
    read_by_library,
)
from genebert.accessibility.cells import align_cells, as_types, cell_column, read_cells, require_column
from genebert.errors import InputError
from genebert.files import open_bytes
from genebert.genome.bed import read_peaks
from genebert.genome.intervals import parse_region_names

_PROBE_BYTES = 1 << 20
_VERSION_2 = b"X\n\0\0\0\2"
_PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


def _open_rds(path: str | Path):
    """Parse an RDS file and return rds2py's RdsObject.

    The parser reads plain and gzip files of version 3 of R's format, the default since R 3.6. GEO's ``.RDS.gz`` may be
    gzipped twice, R can also write bzip2 and xz, and R before 3.6 wrote version 2: these are copied first.
    """
    with open_bytes(path) as handle:
        magic = handle.read(6)
    packed = magic.startswith(tuple(_PACKED))
    if not packed and magic != _VERSION_2:
        return _parse_rds(path, path)
    try:
        with tempfile.NamedTemporaryFile(suffix=".RDS") as inner:
            for piece in _unpacked(path):
                inner.write(piece)
            inner.flush()
            return _parse_rds(inner.name, path)
    # Errors of the file itself are InputErrors.
    except OSError as error:
        folder = tempfile.tempdir or "any temporary folder"
        raise InputError(f"TMPDIR: no room in {folder} to unpack {path} ({error.strerror or error})") from error


def _unpacked(path: str | Path) -> Iterator[bytes]:
    """Yield the pieces of an RDS file packed once more, of version 2, or both, as version 3 has them."""
    with open_bytes(path) as handle:
        magic = handle.read(6)
        handle.seek(0)
        unpack = next((opener for start, opener in _PACKED.items() if magic.startswith(start)), contextlib.nullcontext)
        try:
            with unpack(handle) as unpacked:
                head = unpacked.read(14)
                if head.startswith(_VERSION_2):
                    # Version 3 differs in its header, which names the encoding, and in what it may hold besides.
                    head = b"X\n\0\0\0\3" + head[6:10] + b"\0\3\5\0\0\0\0\5UTF-8"
                yield head
                while piece := unpacked.read(BLOCK_BYTES):
                    yield piece
        except lzma.LZMAError as error:
            raise InputError(f"{path}: xz data damaged ({error}); fetch the file again") from error


def _parse_rds(file: str | Path, path: str | Path):
    # At its first import rds2py prints which optional packages it has not found.
    with contextlib.redirect_stdout(io.StringIO()):
        from rds2py.lib_rds_parser import RdsObject, RdsParserError

    # rds2py 0.10 raises an error for gzip data that end too early or are damaged, but aborts the whole process if that
    # happens in its first buffer (64 KiB); so the beginning is unpacked here first.
    with open_bytes(file) as handle:
        magic = handle.read(_PROBE_BYTES)[:5]
    if magic.startswith((b"RDX", b"RDA")):
        raise InputError(f"{path}: is an .rda file (objects with names); expected an .RDS file, as saveRDS() writes")
    if not magic.startswith(b"X\n"):
        raise InputError(f"{path}: begins with {magic!r}; expected an .RDS file in R's binary format")
    try:
        return RdsObject(str(file))
    except RdsParserError as error:
        reason = str(error).splitlines()[-1].strip(" -").replace(str(file), Path(path).name)
        raise InputError(f"{path}: cut short or damaged ({reason}); fetch the file again") from error


def _class_of(node) -> str:
    kind = node.get_rtype()
    if kind == "S4":
        return node.get_class_name()
    if kind not in ("null", "symbol", "string") and "class" in node.get_attribute_names():
        return node.load_attribute_by_name("class").get_string_arr()[0]
    return kind


def _names(node) -> list[str] | None:
    """Strings of a character vector; ``None`` for anything else (no names, or R's compact row numbers)."""
    return list(node.get_string_arr()) if node.get_rtype() == "string" else None


def _labels(node, where: str) -> pd.Series:
    """Return the values of an R vector as labels, missing where it has NA; a factor gives its levels."""
    kind = node.get_rtype()
    if kind == "string":
        return pd.Series(node.get_string_arr(), dtype=object)
    if kind not in ("boolean", "integer", "double"):
        raise InputError(f"{where}: is of R type {kind}; expected strings, numbers, TRUE and FALSE, dates or a factor")
    attributes, values = node.get_attribute_names(), pd.Series(node.get_numeric_data())
    classes = node.load_attribute_by_name("class").get_string_arr() if "class" in attributes else []
    if "integer64" in classes:  # of the package bit64: whole numbers in the place of doubles
        values = pd.Series(values.to_numpy().view(np.int64))
    missing = values.isna()
    if values.dtype.kind == "i":
        missing = values == np.iinfo(values.dtype).min
    if "levels" in attributes:
        levels = pd.Index(node.load_attribute_by_name("levels").get_string_arr(), dtype=object)
        return pd.Series(pd.Categorical.from_codes(values.where(~missing, 0) - 1, levels))
    values = values[~missing]
    if "Date" in classes:
        values = pd.to_datetime(values, unit="D").dt.date
    elif "POSIXct" in classes:
        values = pd.to_datetime(values, unit="s", utc=True)
    elif kind == "boolean":
        values = values.map({0: "FALSE", 1: "TRUE"})
    return values.astype(object).reindex(missing.index)


class _RMatrix(NamedTuple):
    row_names: list[str] | None
    column_names: list[str] | None
    shape: tuple[int, int]
    i: np.ndarray
    p: np.ndarray
    x: np.ndarray

    def blocks(self) -> Iterator[Block]:
        return compressed_blocks(self.p, self.i, self.x)


def _dgcmatrix(node, path: str | Path, what: str) -> _RMatrix:
    found = _class_of(node)
    if found != "dgCMatrix":
        hint = "; is the format rather seurat?" if found in ("Seurat", "seurat") else ""
        raise InputError(f"{path}: {what} is of R class {found}; expected a dgCMatrix{hint}")
    dimnames = node.load_attribute_by_name("Dimnames")
    rows, columns = (int(size) for size in node.load_attribute_by_name("Dim").get_numeric_data())
    row_names, column_names = (_names(dimnames.load_vec_element(number)) for number in (0, 1))
    i, p, x = (node.load_attribute_by_name(slot).get_numeric_data() for slot in "ipx")
    check_compressed(f"{path} ({what})", columns, p, i, x)
    for names, size, kind in ((row_names, rows, "row"), (column_names, columns, "column")):
        if names is not None and len(names) != size:
            raise InputError(f"{path}: {what} has {len(names)} {kind} names, but {size} {kind}s; the file is damaged")
    return _RMatrix(row_names, column_names, (rows, columns), i, p, x)


def read_dgcmatrix(
    matrix: str | Path, cells: str | Path, group_by: str, peaks: str | Path | None = None, names: str = "0-based"
) -> CountMatrix:
    """Read a peaks x cells dgCMatrix from an .RDS file (also gzipped twice).

    Row names are regions; only a matrix without row names needs `peaks`. The table of cells is joined to the column
    names by its column ``cell``, or by its first column; without column names it must be in matrix order. `names` says
    how names of regions count (:func:`genebert.genome.intervals.parse_region_names`).

    Raises
    ------
    InputError
        The file holds something else, is cut short, or its cells or peaks do not agree with the tables.
    """
    table = read_cells(cells)
    require_column(list(table.columns), group_by, str(cells))
    with read_by_library(matrix, "RDS file"):
        found = _dgcmatrix(_open_rds(matrix).get_robject(), matrix, "its object")
    rows, columns = found.shape
    if found.row_names is not None:
        regions = parse_region_names(found.row_names, str(matrix), names)
    elif peaks is None:
        raise InputError(f"{matrix}: has no row names; expected chrom-start-end names, or a file of peaks")
    else:
        regions = read_peaks(peaks, names)
    if len(regions) != rows:
        raise InputError(f"{peaks}: {len(regions)} peaks, but {matrix} is {rows} x {columns}; expected {rows} peaks")
    if found.column_names is not None:
        table = align_cells(table, cell_column(table), found.column_names, str(cells), str(matrix))
    if len(table) != columns:
        raise InputError(f"{cells}: {len(table)} cells, but {matrix} is {rows} x {columns}; expected {columns} cells")
    return CountMatrix(str(matrix), regions, as_types(table[group_by]), len(found.i), found.blocks)


def _seurat_parts(matrix: str | Path, assay: str, group_by: str) -> tuple[_RMatrix, pd.Series, list[str] | None]:
    """Return the counts of one assay, and the labels and names of the rows of ``meta.data``."""
    root = _open_rds(matrix).get_robject()
    if _class_of(root) != "Seurat" or "assays" not in root.get_attribute_names():
        raise InputError(
            f"{matrix}: holds an object of R class {_class_of(root)}; expected a Seurat object with assays"
        )
    assays = root.load_attribute_by_name("assays")
    held = assays.load_attribute_by_name("names").get_string_arr() if assays.get_rsize() else []
    if assay not in held:
        raise InputError(f"{matrix}: no assay {assay!r}; its assays are {', '.join(held) or 'none'}")
    node = assays.load_vec_element(held.index(assay))
    if node.get_rtype() != "S4" or "counts" not in node.get_attribute_names():
        raise InputError(
            f"{matrix}: assay {assay!r} is of R class {_class_of(node)} and has no slot counts; expected an Assay or "
            f"ChromatinAssay (in R: object[['{assay}']] <- as(object[['{assay}']], 'Assay'))"
        )
    frame = root.load_attribute_by_name("meta.data")
    columns = frame.load_attribute_by_name("names").get_string_arr()
    require_column(columns, group_by, f"{matrix} (meta.data)")
    found = _dgcmatrix(node.load_attribute_by_name("counts"), matrix, f"slot counts of assay {assay!r}")
    labels = _labels(frame.load_vec_element(columns.index(group_by)), f"{matrix} (meta.data, {group_by})")
    return found, labels, _names(frame.load_attribute_by_name("row.names"))


def read_seurat(matrix: str | Path, assay: str, group_by: str, names: str = "0-based") -> CountMatrix:
    """Read the counts of one assay, and the cells' types from ``meta.data``, of a Seurat object (docs/facts.md 1).

    Works on objects of SeuratObject 3 and 4 (class Assay, or Signac's ChromatinAssay), gzipped once or twice. `names`
    as in :func:`read_dgcmatrix`.

    Raises
    ------
    InputError
        No Seurat object, no such assay, no slot ``counts``, or no column `group_by` in ``meta.data``.
    """
    with read_by_library(matrix, "RDS file of a Seurat object"):
        found, labels, row_names = _seurat_parts(matrix, assay, group_by)
    where = f"{matrix} (meta.data)"
    if found.row_names is None:
        raise InputError(f"{matrix}: assay {assay!r} has no row names; expected chrom-start-end names")
    table = pd.DataFrame({"type": labels})
    if row_names is not None and found.column_names is not None:
        if len(row_names) != len(table):
            raise InputError(f"{where}: {len(row_names)} row names for {len(table)} rows; the file is damaged")
        table = align_cells(table.assign(name=row_names), "name", found.column_names, where, str(matrix))
    if len(table) != found.shape[1]:
        raise InputError(f"{where}: {len(table)} cells, but assay {assay!r} has {found.shape[1]}; expected as many")
    regions = parse_region_names(found.row_names, str(matrix), names)
    return CountMatrix(str(matrix), regions, as_types(table["type"]), len(found.i), found.blocks)
