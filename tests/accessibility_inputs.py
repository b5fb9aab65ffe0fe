"""Small single-cell ATAC inputs in every accepted form, and the genome they lie on."""

import gzip
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp
from rds2py.lib_rds_parser import write_rds

from genebert.accessibility.build import build_accessibility
from genebert.genome.fasta import prepare_genome
from genebert.settings.data import AccessibilitySettings

# Eight peaks in file order. Of the genome below: chr1 has 2,000 bases, N at [1000, 1200); chr2 and chr3 have 1,000.
PEAKS = ["chr2-100-200", "chr1-500-600", "chr1-100-300", "chr1-900-1010", "chr1-990-1050", "chr3-10-20", "chr1-700-800",
         "chr1-600-650"]  # fmt: skip
TYPES = ["B", "A", "B", "A", "B", "C", "NA", "A", "B"]
COUNTS = np.zeros((8, 9), dtype=int)
for _peak, _cell, _count in [
    (0, 0, 2), (0, 1, 1), (0, 6, 9), (1, 1, 3), (1, 3, 1), (2, 0, 1), (2, 2, 1), (2, 4, 1), (2, 7, 5), (3, 8, 1),
    (4, 1, 2), (5, 0, 7), (6, 6, 4), (7, 5, 1),
]:  # fmt: skip
    COUNTS[_peak, _cell] = _count
CELLS = [f"cell{i}" for i in range(9)]
CHROMOSOMES = ["chr1", "chr2"]
# Kept: chr1-100-300, 500-600, 600-650 (only type C), 900-1010 (10 of 110 are N), chr2-100-200. Dropped: chr3; 990-1050
# (50 of 60 are N); 700-800 (counts only in the cell without a type).
KEPT = ["chr1-100-300", "chr1-500-600", "chr1-600-650", "chr1-900-1010", "chr2-100-200"]
SUMS = {"A": [5, 4, 0, 0, 1], "B": [3, 0, 0, 1, 2], "C": [0, 0, 1, 0, 0]}


def make_genome(folder):
    """Write the toy genome into `folder`."""
    rng = np.random.default_rng(0)
    text = ""
    for name, length in (("chr1", 2000), ("chr2", 1000), ("chr3", 1000)):
        bases = rng.choice(list("ACGTacgt"), length)
        if name == "chr1":
            bases[1000:1200] = "N"
        text += f">{name}\n" + "\n".join("".join(bases[i : i + 70]) for i in range(0, length, 70)) + "\n"
    (folder / "source.fa").write_text(text)
    prepare_genome(folder / "source.fa", folder / "genome.fa", "toy", ["chr1", "chr2", "chr3"])
    return folder


@dataclass(frozen=True)
class MatrixInputs:
    """Where the data lie; paths, so that tests may change the files."""

    format: str
    matrix: Path | None = None
    assay: str = "peaks"
    peaks: Path | None = None
    cells: Path | None = None
    barcodes: Path | None = None
    beds: dict[str, Path] = field(default_factory=dict)


def settings_of(inputs, **settings):
    """Return the settings of the stage for some inputs."""
    paths = {name: None if path is None else str(path) for name, path in vars(inputs).items() if name != "beds"}
    beds = {name: str(path) for name, path in inputs.beds.items()}
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    return AccessibilitySettings(**paths, beds=beds, **settings)


def run(toy, out, inputs, chromosomes=CHROMOSOMES, build="toy", **settings):
    settings = settings_of(inputs, **{"max_n_fraction": 0.1, **settings})
    summary = build_accessibility(settings, toy / "genome.fa", build, chromosomes, out)
    assert json.loads((out / "summary.json").read_text()) == summary
    return summary, anndata.read_h5ad(out / "pseudobulk.h5ad"), anndata.read_h5ad(out / "accessible.h5ad")


def write_tables(folder, names=PEAKS, cells=CELLS, types=TYPES):
    (folder / "peaks.txt").write_text("\n".join(names) + "\n")
    pd.DataFrame({"cell": cells, "sex": "F", "cell_type": types}).to_csv(folder / "cells.tsv", sep="\t", index=False)
    return folder / "peaks.txt", folder / "cells.tsv"


def mtx_inputs(folder, counts=COUNTS, field="integer", **tables):
    peaks, cells = write_tables(folder, **tables)
    scipy.io.mmwrite(folder / "m.mtx", sp.coo_array(counts), field=field, symmetry="general")
    return MatrixInputs("mtx", folder / "m.mtx", peaks=peaks, cells=cells)


def strings(values):
    return {"type": "string", "data": list(values)}


def rds_matrix(counts=COUNTS, rows=PEAKS, columns=CELLS, **changed):
    matrix = sp.csc_array(counts.astype(float))
    names = [{"type": "null"} if n is None else strings(n) for n in (rows, columns)]
    slots = {"i": matrix.indices.astype(np.int32), "p": matrix.indptr.astype(np.int32), "x": matrix.data,
             "Dim": np.array(matrix.shape, dtype=np.int32), "Dimnames": {"type": "vector", "data": names}}  # fmt: skip
    return {"type": "S4", "class_name": "dgCMatrix", "package_name": "Matrix", "attributes": slots | changed}


def rds_inputs(folder, robject=None, name="m.RDS", **tables):
    _, cells = write_tables(folder, **tables)
    write_rds(robject or rds_matrix(), str(folder / name))
    return MatrixInputs("dgcmatrix", folder / name, cells=cells)


def numbers(values, kind=None, **attributes):
    """Return an R vector of numbers: integers, doubles or logicals, None is NA; attributes are lists of strings."""
    kind = kind or ("double" if any(isinstance(value, float) for value in values) else "integer")
    missing = np.nan if kind == "double" else -(2**31)
    data = np.array([missing if value is None else value for value in values], "f8" if kind == "double" else "i4")
    about = {name: strings(value) for name, value in attributes.items()}
    return {"type": kind, "data": data, "attributes": about}


def factor(values, levels):
    return numbers([None if v is None else levels.index(v) + 1 for v in values], levels=levels, **{"class": ["factor"]})


def seurat_inputs(folder, slot="counts", classes="Assay", assay="peaks", matrix=None, types=None, cells=CELLS[::-1]):
    # The rows of meta.data are in another order than the columns of the matrix, and the types are a factor.
    types = types or factor([None if t == "NA" else t for t in TYPES[::-1]], ["A", "B", "C"])
    frame = {"type": "vector", "data": [np.arange(float(len(cells))), types],
             "attributes": {"names": strings(["depth", "cell_type"]), "class": strings(["data.frame"]),
                            "row.names": strings(cells)}}  # fmt: skip
    slots = {slot: matrix or rds_matrix()}
    kept = {"type": "S4", "class_name": classes, "package_name": "SeuratObject", "attributes": slots}
    slots = {
        "assays": {"type": "vector", "data": [kept], "attributes": {"names": strings([assay])}},
        "meta.data": frame,
    }
    whole = {"type": "S4", "class_name": "Seurat", "package_name": "SeuratObject", "attributes": slots}
    write_rds(whole, str(folder / "s.RDS"))
    return MatrixInputs("seurat", folder / "s.RDS")


def h5ad_inputs(folder, x=None, layers=None, var=None, uns=None, cell_type="cell_type", types=None, cells=CELLS):
    kinds = pd.Categorical([t if t != "NA" else None for t in TYPES], categories=pd.Index(list("ABC"), dtype=object))
    obs = pd.DataFrame({cell_type: kinds if types is None else types}, index=pd.Index(cells, dtype=object))
    var = pd.DataFrame(index=pd.Index(PEAKS, dtype=object)) if var is None else var
    data = anndata.AnnData(sp.csr_array(COUNTS.T) if x is None else x, obs, var, uns or {}, layers=layers)
    data.write_h5ad(folder / "m.h5ad")
    return MatrixInputs("h5ad", folder / "m.h5ad")


def gzipped(path, twice=False):
    data = gzip.compress(path.read_bytes())
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(data) if twice else data)
    return path.with_name(path.name + ".gz")


def transposed(folder):
    inputs = mtx_inputs(folder)
    scipy.io.mmwrite(folder / "t.mtx", sp.coo_array(COUNTS.T), field="real", symmetry="general")
    return replace(inputs, matrix=folder / "t.mtx")


def packed(folder, pack):
    inputs = rds_inputs(folder)
    (folder / "p.RDS").write_bytes(pack(gzip.decompress(inputs.matrix.read_bytes())))
    return replace(inputs, matrix=folder / "p.RDS")


def renamed_peaks(folder):
    """BED (gzip, header lines, further columns) with names that lack the prefix."""
    inputs = mtx_inputs(folder)
    lines = ["track name=x", "# note"] + [
        re.sub(r"chr(.)-(\d+)-(\d+)", r"\1\t\2\t\3\tpeak 'a' #1\t.", p) for p in PEAKS
    ]
    (folder / "p.bed").write_text("\n".join(lines) + "\n")
    return replace(inputs, peaks=gzipped(folder / "p.bed"))


def var_columns(folder):
    table = pd.DataFrame([name.removeprefix("chr").split("-") for name in PEAKS], columns=["seqnames", "start", "end"])
    table = table.astype({"start": "int64", "end": "int64"})
    table["seqnames"] = pd.Categorical(table["seqnames"].to_numpy(dtype=object))
    table["seqnames"] = table["seqnames"].cat.rename_categories(pd.Index(["1", "2", "3"], dtype=object))
    return h5ad_inputs(folder, var=table.set_index(pd.Index([f"peak{i}" for i in range(8)], dtype=object)))
