"""Labels of cells of any type, and cells without one, in every format."""

import gzip

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from accessibility_inputs import (
    CELLS,
    COUNTS,
    factor,
    h5ad_inputs,
    mtx_inputs,
    numbers,
    rds_inputs,
    rds_matrix,
    settings_of,
    seurat_inputs,
    strings,
)

from genebert.accessibility.matrices import read_matrix
from genebert.errors import InputError

FORMATS = ("mtx", "dgcmatrix", "seurat", "h5ad-csr", "h5ad-csc", "h5ad-dense")


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
