"""Count matrices in R's files: dgCMatrix and Seurat objects.

RDS files must be parsed whole; R's own limit of 2^31 - 1 non-zeros a dgCMatrix (32-bit `i` and `p`, double `x`) holds
for them. Larger atlases come as several matrices, as Matrix Market or as AnnData.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from genebert.accessibility.blocks import BLOCK_BYTES, Block, CountMatrix, compressed_blocks
from genebert.accessibility.cells import align_cells, as_types, read_cells, require_column
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
        handle.seek(0)
        unpack = next((opener for start, opener in _PACKED.items() if magic.startswith(start)), None)
        if unpack is None and magic != _VERSION_2:
            return _parse_rds(path, path)
        with tempfile.NamedTemporaryFile(suffix=".RDS") as inner:
            try:
                with unpack(handle) if unpack else contextlib.nullcontext(handle) as unpacked:
                    head = unpacked.read(14)
                    if head.startswith(_VERSION_2):
                        # Version 3 differs in its header, which names the encoding, and in what it may hold besides.
                        head = b"X\n\0\0\0\3" + head[6:10] + b"\0\3\5\0\0\0\0\5UTF-8"
                    inner.write(head)
                    shutil.copyfileobj(unpacked, inner, BLOCK_BYTES)
            except lzma.LZMAError as error:
                raise InputError(f"{path}: xz data damaged ({error}); fetch the file again") from error
            inner.flush()
            return _parse_rds(inner.name, path)


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


def _labels(node) -> list[str]:
    """Values of an R vector as strings; a factor gives its labels, a missing value ``NA``."""
    if node.get_rtype() == "string":
        return list(node.get_string_arr())
    values = pd.Series(np.asarray(node.get_numeric_data()))
    missing = values.isna() | (values == np.iinfo(np.int32).min)
    if "levels" in node.get_attribute_names():
        levels = np.array(["NA", *node.load_attribute_by_name("levels").get_string_arr()], dtype=object)
        return levels[values.where(~missing, 0).astype(np.int64)].tolist()
    return values.map("{:g}".format).where(~missing, "NA").tolist()


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
        key = "cell" if "cell" in table.columns else table.columns[0]
        table = align_cells(table, key, found.column_names, str(cells), str(matrix))
    if len(table) != columns:
        raise InputError(f"{cells}: {len(table)} cells, but {matrix} is {rows} x {columns}; expected {columns} cells")
    return CountMatrix(str(matrix), regions, as_types(table[group_by]), len(found.i), found.blocks)


def read_seurat(matrix: str | Path, assay: str, group_by: str, names: str = "0-based") -> CountMatrix:
    """Read the counts of one assay, and the cells' types from ``meta.data``, of a Seurat object (docs/facts.md 1).

    Works on objects of SeuratObject 3 and 4 (class Assay, or Signac's ChromatinAssay), gzipped once or twice. `names`
    as in :func:`read_dgcmatrix`.

    Raises
    ------
    InputError
        No Seurat object, no such assay, no slot ``counts``, or no column `group_by` in ``meta.data``.
    """
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
    where = f"{matrix} (meta.data)"
    frame = root.load_attribute_by_name("meta.data")
    columns = frame.load_attribute_by_name("names").get_string_arr()
    require_column(columns, group_by, where)
    found = _dgcmatrix(node.load_attribute_by_name("counts"), matrix, f"slot counts of assay {assay!r}")
    if found.row_names is None:
        raise InputError(f"{matrix}: assay {assay!r} has no row names; expected chrom-start-end names")
    table = pd.DataFrame({"type": _labels(frame.load_vec_element(columns.index(group_by)))})
    row_names = _names(frame.load_attribute_by_name("row.names"))
    if row_names is not None and found.column_names is not None:
        table = align_cells(table.assign(name=row_names), "name", found.column_names, where, str(matrix))
    if len(table) != found.shape[1]:
        raise InputError(f"{where}: {len(table)} cells, but assay {assay!r} has {found.shape[1]}; expected as many")
    regions = parse_region_names(found.row_names, str(matrix), names)
    return CountMatrix(str(matrix), regions, as_types(table["type"]), len(found.i), found.blocks)
