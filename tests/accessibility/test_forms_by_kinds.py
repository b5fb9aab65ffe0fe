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
    factor,
    gzipped,
    h5ad_inputs,
    mtx_inputs,
    numbers,
    rds_inputs,
    rds_matrix,
    settings_of,
    seurat_inputs,
    strings,
)

from genebert.accessibility import matrices, repeats
from genebert.accessibility.matrices import read_matrix
from genebert.accessibility.pseudobulk import pseudobulk_from_matrix
from genebert.errors import InputError

SPARSE = ("mtx", "dgcmatrix", "seurat", "h5ad-csr", "h5ad-csc")
FORMATS = (*SPARSE, "h5ad-dense")
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
        ("2 10 3", "Column index out of bounds"), ("2 x 3", "Invalid integer value"), ("2 2", "not a valid"),
    ],
)  # fmt: skip
def test_damaged_lines(tmp_path, line, sentence):
    inputs = write("mtx", tmp_path)
    lines = inputs.matrix.read_text().split("\n")
    inputs.matrix.write_text("\n".join([*lines[:5], line, *lines[6:]]))
    with pytest.raises(InputError, match=rf"m.mtx: not a valid Matrix Market entry \(line 6: .*{sentence}|{sentence}"):
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
    np.testing.assert_array_equal(np.concatenate([block[1] for block in found]), cells)
    np.testing.assert_array_equal(np.concatenate([block[0] for block in found]), peaks)


# --- labels, and cells without one -----------------------------------------------------------------------------------


def objects(labels):
    # anndata does not write the strings that pandas makes of these by itself.
    return pd.Series(labels, CELLS[: len(labels)], dtype=object)


def categories(labels):
    known = pd.Index([label for label in labels if label is not None], dtype=object)
    return pd.Categorical(objects(labels), categories=known)


DAY, SECONDS = 18_059, 1_560_333_600  # 2019-06-12, and ten o'clock of it
FACTOR = factor(["a", "b", None], ["b", "a"])
LABELS = {
    # What R has, what pandas has, and the types of the three cells.
    "integers": (numbers([20190612, 20190613, None]), [20190612, 20190613, None], ["20190612", "20190613", None]),
    "doubles": (numbers([1000001.0, 1000002.0, None]), [1000001.0, 1000002.0, None], ["1000001", "1000002", None]),
    "large doubles": (numbers([2.0**53, 2.0**53 - 1, 0.0]), [2.0**53, 2.0**53 - 1, 0.0],
                      ["9007199254740992", "9007199254740991", "0"]),
    "fractions": (numbers([0.1, 1.5, 0.1000001]), [0.1, 1.5, 0.1000001], ["0.1", "1.5", "0.1000001"]),
    "factor": (FACTOR, categories(["a", "b", None]), ["a", "b", None]),
    "factor of numbers": (factor(["1000001", "1000002", None], ["1000002", "1000001"]),
                          pd.Categorical([1000001, 1000002, None]), ["1000001", "1000002", None]),
    "strings": (strings(["007", "7", " T cell"]), objects(["007", "7", " T cell"]), ["007", "7", "T cell"]),
}  # fmt: skip
R_LABELS = {
    "booleans": (numbers([True, False, True], "boolean"), ["TRUE", "FALSE", "TRUE"]),
    "dates": (numbers([float(DAY), DAY + 1.0, None], **{"class": ["Date"]}), ["2019-06-12", "2019-06-13", None]),
    "dates as integers": (numbers([DAY, DAY + 1, None], **{"class": ["Date"]}), ["2019-06-12", "2019-06-13", None]),
    "times": (numbers([float(SECONDS), SECONDS + 1.0, None], **{"class": ["POSIXct", "POSIXt"]}),
              ["2019-06-12 10:00:00+00:00", "2019-06-12 10:00:01+00:00", None]),
    "integer64": ({"type": "double", "data": np.array([2**60 + 1, 2**60 + 2, -(2**63)]).view(float),
                   "attributes": {"class": strings(["integer64"])}},
                  ["1152921504606846977", "1152921504606846978", None]),
}  # fmt: skip
PANDAS_LABELS = {
    "booleans": (np.array([True, False, True]), ["True", "False", "True"]),
    "booleans with gaps": (pd.array([True, False, None], "boolean"), ["True", "False", None]),
    "integers with gaps": (pd.array([2**60 + 1, 2**60 + 2, None], "Int64"),
                           ["1152921504606846977", "1152921504606846978", None]),
    "float32": (np.array([0.1, 16777215, np.nan], np.float32), ["0.1", "16777215", None]),
}  # fmt: skip


def types_in(form, folder, in_r, in_pandas, in_table):
    """The types of a matrix of the first cells, as many as `in_table` has."""
    n = len(in_table)
    first = {"cells": CELLS[:n]}
    if form == "seurat":
        inputs = seurat_inputs(folder, matrix=rds_matrix(COUNTS[:, :n], columns=CELLS[:n]), types=in_r, **first)
    elif form == "dgcmatrix":
        inputs = rds_inputs(folder, rds_matrix(COUNTS[:, :n], columns=CELLS[:n]), types=in_table, **first)
    elif form == "mtx":
        inputs = mtx_inputs(folder, COUNTS[:, :n], types=in_table, **first)
    else:
        x = {"h5ad-csr": sp.csr_array, "h5ad-csc": sp.csc_array, "h5ad-dense": np.asarray}[form](COUNTS.T[:n])
        inputs = h5ad_inputs(folder, x, types=in_pandas, **first)
    return read_matrix(settings_of(inputs)).cell_types.tolist()


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("form", FORMATS)
def test_labels_keep_all_digits(tmp_path, form, labels):
    in_r, in_pandas, expected = LABELS[labels]
    assert types_in(form, tmp_path, in_r, in_pandas, expected) == expected


@pytest.mark.parametrize("labels", R_LABELS)
def test_labels_of_r(tmp_path, labels):
    vector, expected = R_LABELS[labels]
    assert types_in("seurat", tmp_path, vector, None, expected) == expected


def test_missing_booleans_of_r(tmp_path):
    # The library that makes these files writes a missing one as TRUE; R's is the least integer.
    inputs = seurat_inputs(tmp_path, types=numbers([True, False] * 4 + [True], "boolean"), cells=CELLS)
    data = gzip.decompress(inputs.matrix.read_bytes())
    written = np.array([10, 9, *[1, 0] * 4, 1], ">i4")
    assert data.count(written.tobytes()) == 1
    missing = np.concatenate([written[:-1], np.array([-(2**31)])]).astype(">i4")
    inputs.matrix.write_bytes(data.replace(written.tobytes(), missing.tobytes()))
    assert read_matrix(settings_of(inputs)).cell_types.tolist() == ["TRUE", "FALSE"] * 4 + [None]


@pytest.mark.parametrize("labels", PANDAS_LABELS)
def test_labels_of_pandas(tmp_path, labels):
    values, expected = PANDAS_LABELS[labels]
    assert types_in("h5ad-csr", tmp_path, None, values, expected) == expected


@pytest.mark.parametrize(
    "missing", [[None, "", " ", "NA", "NaN", "nan"], ["None", "<NA>", "N/A", "n/a", "null", "NULL"]]
)
@pytest.mark.parametrize("as_factor", [False, True])
@pytest.mark.parametrize("form", FORMATS)
def test_every_spelling_of_missing(tmp_path, form, as_factor, missing):
    labels = ["A", *missing, "Nan cells"]
    in_r = strings("NA" if label is None else label for label in labels)
    in_pandas = objects(labels)
    if as_factor:
        in_r = factor(labels, [label for label in labels if label is not None])
        in_pandas = categories(labels)
    in_table = ["" if label is None else label for label in labels]
    assert types_in(form, tmp_path, in_r, in_pandas, in_table) == ["A", *[None] * 6, "Nan cells"]


def test_labels_that_are_a_list(tmp_path):
    with pytest.raises(InputError, match=r"s.RDS \(meta.data, cell_type\): is of R type vector; expected strings"):
        types_in("seurat", tmp_path, {"type": "vector", "data": [strings("a")] * 3}, None, "ABC")


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
