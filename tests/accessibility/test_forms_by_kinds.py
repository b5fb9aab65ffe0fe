"""What goes wrong in matrices and tables of cells, in every format that can have it: the right value, or one sentence.

Sums of a format as such are tested in `test_accessibility`; here every kind of trouble meets every format.
"""

import gzip
import tempfile
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from accessibility_inputs import (
    CELLS,
    COUNTS,
    TYPES,
    gzipped,
    h5ad_inputs,
    mtx_inputs,
    rds_inputs,
    rds_matrix,
    settings_of,
    seurat_inputs,
)

from genebert.accessibility import matrices, repeats
from genebert.accessibility.blocks import CountMatrix
from genebert.accessibility.matrices import read_matrix
from genebert.accessibility.pseudobulk import pseudobulk_from_matrix, sum_by_cell_type
from genebert.errors import InputError

SPARSE = ("mtx", "dgcmatrix", "seurat", "h5ad-csr", "h5ad-csc")
PARTS = ("indptr", "indices", "data")


def compressed(form, counts=COUNTS):
    """Pointers, indices and counts as the format has them: by peak in h5ad-csc, else by cell."""
    matrix = (sp.csr_array if form == "h5ad-csc" else sp.csc_array)(counts)
    return {"indptr": matrix.indptr, "indices": matrix.indices, "data": matrix.data.astype(float)}


def write(form, folder, parts=None, **types):
    """Write a matrix with these pointers, indices and counts (default: COUNTS) in a compressed format."""
    parts = parts or compressed(form)
    if form in ("dgcmatrix", "seurat"):
        matrix = rds_matrix(p=parts["indptr"], i=parts["indices"], x=parts["data"])
        return rds_inputs(folder, matrix) if form == "dgcmatrix" else seurat_inputs(folder, matrix=matrix, **types)
    if form == "mtx":
        inputs = mtx_inputs(folder)
        cells = np.repeat(np.arange(len(CELLS)), np.diff(parts["indptr"]))
        lines = [f"{i + 1} {j + 1} {v:g}" for i, j, v in zip(parts["indices"], cells, parts["data"], strict=True)]
        header = ["%%MatrixMarket matrix coordinate integer general", f"8 9 {len(lines)}"]
        inputs.matrix.write_text("\n".join(header + lines) + "\n")
        return inputs
    empty = sp.csc_array if form == "h5ad-csc" else sp.csr_array
    inputs = h5ad_inputs(folder, COUNTS.T.astype(float) if form == "h5ad-dense" else empty(COUNTS.T.shape), **types)
    if form != "h5ad-dense":
        with h5py.File(inputs.matrix, "r+") as file:
            for name in PARTS:
                del file["X"][name]
                file["X"][name] = parts[name]
    return inputs


def bulk_of(inputs, **settings):
    detected = settings.get("binarise") == "min_fraction"
    return pseudobulk_from_matrix(read_matrix(settings_of(inputs, **settings)), detected=detected)


# --- damaged compressed matrices -------------------------------------------------------------------------------------


def set_entry(name, place, value):
    def change(parts):
        parts[name][place] = value

    return change


def set_part(name, change):
    return lambda parts: parts.update({name: change(parts[name])})


DAMAGES = {
    "pointers end early": (set_part("indptr", lambda p: np.minimum(p, 6)), "row pointers end at 6, but it holds 14"),
    "pointers end late": (set_entry("indptr", -1, 15), "row pointers end at 15, but it holds 14 entries"),
    "pointers begin late": (set_entry("indptr", 0, 1), "row pointers begin at 1; expected 0"),
    "pointers fall": (set_entry("indptr", 2, 13), "row pointers fall from 13 to"),
    "pointers stay, then fall": (
        set_part("indptr", lambda p: np.r_[p[:2], p[1], 13, p[4:]]), "row pointers fall from 13 to"
    ),
    "pointers negative": (set_entry("indptr", 1, -4), "row pointers fall from 0 to -4"),
    "one pointer too few": (set_part("indptr", lambda p: np.delete(p, 1)), r"has \d+ row pointers; expected \d+"),
    "index negative": (set_entry("indices", 3, -1), "an entry at .*(peak|cell) 0[,;].* expected 1 to 8 and 1 to 9"),
    "index beyond": (set_entry("indices", 3, 9), "an entry at .*(peak|cell) 10[,;].* expected 1 to 8 and 1 to 9"),
    "a value too few": (set_part("data", lambda x: x[:-1]), "holds 14 indices, but 13 values"),
    "an index too few": (set_part("indices", lambda i: i[:-1]), "row pointers end at 14, but it holds 13 entries"),
    "indices with fractions": (set_part("indices", lambda i: i + 0.5), "indices are of type float64"),
    "pointers with fractions": (set_part("indptr", lambda p: p + 0.0), "pointers are of type float64"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("form", ["dgcmatrix", "seurat", "h5ad-csr", "h5ad-csc"])
def test_damaged_compressed_matrices(tmp_path, form, damage):
    change, sentence = DAMAGES[damage]
    parts = compressed(form)
    change(parts)
    inputs = write(form, tmp_path, parts)
    with pytest.raises(InputError, match=f"^{inputs.matrix}[^;]*{sentence}.*damaged"):
        bulk_of(inputs)


@pytest.mark.parametrize("values", [np.array([b"1"] * 14), np.ones(14, complex)])
@pytest.mark.parametrize("form", ["h5ad-csr", "h5ad-csc"])
def test_values_that_are_no_numbers(tmp_path, form, values):
    with pytest.raises(InputError, match=r"m.h5ad \(X\): its values are of type .*; expected one row of numbers"):
        bulk_of(write(form, tmp_path, compressed(form) | {"data": values}))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("0 2 3", "Row index out of bounds"), ("9 2 3", "Row index out of bounds"), ("-1 2 3", "out of bounds"),
        ("2 10 3", "Column index out of bounds"), ("2 x 3", "Invalid integer value"), ("2 2", "Invalid floating-point"),
    ],
)  # fmt: skip
def test_damaged_lines(tmp_path, monkeypatch, line, sentence):
    inputs = write("mtx", tmp_path)
    lines = inputs.matrix.read_text().split("\n")
    inputs.matrix.write_text("\n".join([*lines[:5], line, *lines[6:]]))
    with pytest.raises(InputError, match=rf"m.mtx: not a valid Matrix Market entry \(line 6: .*{sentence}"):
        bulk_of(inputs)
    # Lines before the entries count, and earlier pieces.
    monkeypatch.setattr(matrices, "BLOCK_BYTES", 8)
    inputs.matrix.write_text("\n".join([lines[0], "%", "", *lines[1:5], line, *lines[6:]]))
    with pytest.raises(InputError, match=rf"m.mtx: not a valid Matrix Market entry \(line 8: .*{sentence}"):
        bulk_of(inputs)


@pytest.mark.parametrize("x", [COUNTS.T[1:], COUNTS.T.astype("S1"), COUNTS.T[0]])
def test_damaged_dense_matrices(tmp_path, x):
    inputs = write("h5ad-dense", tmp_path)
    with h5py.File(inputs.matrix, "r+") as file:
        about = dict(file["X"].attrs)
        del file["X"]
        file["X"] = x
        file["X"].attrs.update(about)
    with pytest.raises(InputError, match=r"m.h5ad: X (is (8 x 8|8); expected 9 cells x 8|holds values of type \|S1)"):
        bulk_of(inputs)


@pytest.mark.parametrize("form", ["dgcmatrix", "seurat"])
@pytest.mark.parametrize(("name", "which"), [("rows", "row"), ("columns", "column")])
def test_names_of_another_number(tmp_path, form, name, which):
    matrix = rds_matrix(**{name: [f"chr1-{i}-{i + 9}" for i in range(4)]})
    inputs = rds_inputs(tmp_path, matrix) if form == "dgcmatrix" else seurat_inputs(tmp_path, matrix=matrix)
    with pytest.raises(InputError, match=rf"RDS: .* has 4 {which} names, but \d {which}s; the file is damaged"):
        bulk_of(inputs)


# --- repeated entries ------------------------------------------------------------------------------------------------


def with_repeats(form, order):
    """COUNTS with chr1-500-600 of cell 1 (type A, 3) twice, as 1 and 2, and a repeated stored zero."""
    parts = compressed(form)
    major, minor = (1, 1)  # the same by peak and by cell
    a, b = parts["indptr"][major : major + 2]
    at = a + int(np.flatnonzero(parts["indices"][a:b] == minor)[0])
    parts["data"][at] = 1
    for index, value in ((minor, 2), (5, 0), (5, 0)):
        parts["indices"] = np.insert(parts["indices"], at, index)
        parts["data"] = np.insert(parts["data"], at, value)
    parts["indptr"][major + 1 :] += 3
    if order == "sorted":
        rows = np.repeat(np.arange(len(parts["indptr"]) - 1), np.diff(parts["indptr"]))
        sequence = np.lexsort((parts["indices"], rows))
        parts |= {name: parts[name][sequence] for name in ("indices", "data")}
    return parts


TEXT_ORDERS = [("mtx", "in any order"), ("mtx", "by peak")]


@pytest.mark.parametrize(("block", "part"), [(2, 3), (1 << 17, 1 << 25)])
@pytest.mark.parametrize(
    ("form", "order"), [*((form, order) for form in SPARSE for order in ("sorted", "row by row")), *TEXT_ORDERS]
)
def test_repeated_entries_count_once(tmp_path, monkeypatch, form, order, block, part):
    inputs = write(form, tmp_path, with_repeats(form, order))
    lines = inputs.matrix.read_text().split("\n") if form == "mtx" else []
    if order == "in any order":
        # Two entries of one cell end up far apart.
        lines[2:] = lines[2:][::3] + lines[2:][1::3] + lines[2:][2::3]
    elif order == "by peak":
        lines[2:] = sorted(lines[2:])
    if lines:
        inputs.matrix.write_text("\n".join(line for line in lines if line) + "\n")
    monkeypatch.setattr("genebert.accessibility.blocks.BLOCK_ENTRIES", block)
    monkeypatch.setattr(matrices, "BLOCK_BYTES", 8 * block)
    monkeypatch.setattr(repeats, "PART_ENTRIES", part)
    bulk = bulk_of(inputs, binarise="min_fraction", min_fraction=1.0)
    kinds = np.array(TYPES)
    for i, name in enumerate("ABC"):
        np.testing.assert_array_equal(bulk.counts[i], COUNTS[:, kinds == name].sum(axis=1))
        np.testing.assert_array_equal(bulk.detected[i], (COUNTS[:, kinds == name] > 0).sum(axis=1))


def test_what_comes_in_order_is_read_once():
    cells, peaks = np.divmod(np.arange(40), 8)
    readings = []

    def blocks():
        readings.append(1)
        for a in range(0, 40, 7):
            yield peaks[a : a + 7], cells[a : a + 7], np.ones(7, dtype=int)[: 40 - a]

    first = repeats.ways_without_repeats(40)[0]
    found = list(first(blocks))
    assert len(readings) == 1
    matrix = CountMatrix("x", pd.DataFrame(index=range(8)), pd.Series(), 40, blocks)
    sums, _ = sum_by_cell_type(matrix, np.zeros(5, int), 1, detected=True)
    assert len(readings) == 2 and sums.tolist() == [[5] * 8]
    np.testing.assert_array_equal(np.concatenate([block[1] for block in found]), cells)
    np.testing.assert_array_equal(np.concatenate([block[0] for block in found]), peaks)


# --- errors that come late -------------------------------------------------------------------------------------------


def overwrite(path, at, value=b"\xff" * 40):
    data = bytearray(path.read_bytes())
    data[at : at + len(value)] = value
    path.write_bytes(data)


@pytest.mark.parametrize("part", ["entries", "labels"])
@pytest.mark.parametrize("form", ["h5ad-csr", "h5ad-csc", "h5ad-dense"])
def test_damaged_chunks(tmp_path, form, part):
    rng = np.random.default_rng(0)
    inputs = write(form, tmp_path)
    with h5py.File(inputs.matrix, "r+") as file:
        place = {"entries": "X" if form == "h5ad-dense" else "X/data", "labels": "obs/cell_type/codes"}[part]
        values, about = file[place][:], dict(file[place].attrs)
        del file[place]
        noise = values if part == "labels" else values + rng.integers(0, 9, values.shape)
        made = file.create_dataset(place, data=noise, chunks=values.shape, compression="gzip")
        made.attrs.update(about)
        offset = made.id.get_chunk_info(0).byte_offset
    overwrite(inputs.matrix, offset + 2, b"\xff" * 8)
    with pytest.raises(InputError, match=r"m.h5ad: cannot be read \(.*\); fetch the file again, or is it no AnnData"):
        bulk_of(inputs)


@pytest.mark.parametrize("form", ["mtx", "dgcmatrix", "seurat"])
def test_damaged_gzip_data(tmp_path, form):
    inputs = write(form, tmp_path)
    if form == "mtx":
        inputs = replace(inputs, matrix=gzipped(inputs.matrix))
    size = inputs.matrix.stat().st_size
    overwrite(inputs.matrix, size - 12, b"\xff" * 8)
    with pytest.raises(InputError, match=r"(mtx.gz|RDS): .*damaged.*; fetch the file again"):
        bulk_of(inputs)


@pytest.mark.parametrize("form", ["dgcmatrix", "seurat"])
def test_r_objects_that_lack_a_part(tmp_path, form):
    matrix = rds_matrix()
    del matrix["attributes"]["Dim"]
    inputs = rds_inputs(tmp_path, matrix) if form == "dgcmatrix" else seurat_inputs(tmp_path, matrix=matrix)
    with pytest.raises(InputError, match=r"RDS: cannot be read \(Attribute not found: Dim\); fetch the file again"):
        bulk_of(inputs)


# --- temporary files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["dgcmatrix", "seurat"])
def test_a_full_temporary_folder_is_named(tmp_path, monkeypatch, form):
    inputs = write(form, tmp_path)
    inputs = replace(inputs, matrix=gzipped(inputs.matrix))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    # Every write to /dev/full fails as on a full disk, when the buffer is emptied.
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", lambda suffix: open("/dev/full", "wb"))  # noqa: PTH123, SIM115
    with pytest.raises(InputError, match=f"^TMPDIR: no room in .*/scratch to unpack {inputs.matrix} .No space left"):
        bulk_of(inputs)


@pytest.mark.parametrize("form", ["dgcmatrix", "seurat"])
def test_a_lost_temporary_folder_is_named(tmp_path, monkeypatch, form):
    inputs = write(form, tmp_path)
    inputs.matrix.write_bytes(gzip.compress(inputs.matrix.read_bytes()))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=f"^TMPDIR: no room in .*/gone to unpack {inputs.matrix}"):
        bulk_of(inputs)
