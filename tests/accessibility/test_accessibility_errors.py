"""Accessibility: the sentence for every kind of bad input."""

import gzip
import lzma
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from accessibility_inputs import (
    CELLS,
    COUNTS,
    PEAKS,
    TYPES,
    MatrixInputs,
    gzipped,
    h5ad_inputs,
    make_genome,
    mtx_inputs,
    packed,
    rds_inputs,
    rds_matrix,
    run,
    seurat_inputs,
    strings,
    write_tables,
)

from genebert.errors import InputError
from genebert.genome.builds import check_build
from genebert.genome.intervals import parse_region_names


def edited(inputs, name, change):
    path = getattr(inputs, name)
    path.write_text(change(path.read_text()))
    return inputs


def cut(inputs, name="matrix", share=0.5):
    path = getattr(inputs, name)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return inputs


def other_bytes(inputs):
    inputs.matrix.write_bytes(b"\xff" + b"x" * 80)
    return inputs


def counts_with(value):
    counts = COUNTS.astype(float)
    counts[1, 1] = value
    return counts


def bed(folder, text):
    (folder / "x.bed").write_text(text)
    return MatrixInputs("bed", beds={"A": folder / "x.bed"})


def rda(folder):
    (folder / "m.RDS").write_bytes(gzip.compress(b"RDX3\nX\n\0\0\0\3"))
    return replace(rds_inputs(folder, name="o.RDS"), matrix=folder / "m.RDS")


def wrong_index(folder):
    inputs = h5ad_inputs(folder)
    with h5py.File(inputs.matrix, "r+") as file:
        file["X/indices"][3] = 99
    return inputs


def text_file(folder, kind, name="m.x"):
    (folder / name).write_text("chr1\t1\t2\n")
    return MatrixInputs(kind, folder / name, cells=write_tables(folder)[1])


data_frame = {"type": "vector", "data": [np.arange(3.0)],
              "attributes": {"names": strings(["a"]), "class": strings(["data.frame"])}}  # fmt: skip

BAD = {
    "unknown format": (lambda f: MatrixInputs("loom"),
                       "accessibility.format: found 'loom', expected one of mtx, dgcmatrix"),
    "no matrix": (lambda f: MatrixInputs("mtx"),
                  "accessibility.matrix: found null, but accessibility.format mtx needs it"),
    "no file": (lambda f: replace(mtx_inputs(f), matrix=f / "gone.mtx"), r"gone.mtx: cannot be read \(No such file"),
    "fewer peaks": (lambda f: mtx_inputs(f, names=PEAKS[:-1]), "peaks.txt: 7 peaks, but .* 8 x 9; expected 8 peaks"),
    "fewer cells": (lambda f: mtx_inputs(f, cells=CELLS[1:], types=TYPES[1:]), "cells.tsv: 8 cells, but .* expected 9"),
    "neither": (lambda f: mtx_inputs(f, COUNTS[1:, 2:]), r"is 7 x 7; expected 8 peaks \(.*\) x 9 cells"),
    "group column": (lambda f: edited(mtx_inputs(f), "cells", lambda t: t.replace("cell_type", "CellType")),
                     "no column 'cell_type' to group cells by; nearest: CellType, cell; its columns are cell, sex"),
    "empty cells": (lambda f: edited(mtx_inputs(f), "cells", lambda t: ""), "cells.tsv: empty; expected a table of"),
    "header only": (lambda f: edited(mtx_inputs(f), "cells", lambda t: t.split("\n")[0]), "has a header but no row"),
    "no type": (lambda f: edited(mtx_inputs(f), "cells", lambda t: re.sub(r"\t[ABC]\n", "\t\n", t)), "no cell has a"),
    "bad name": (lambda f: mtx_inputs(f, names=[*PEAKS[:-1], "chr1-x-5"]), r"'chr1-x-5' \(row 8\); expected chrom"),
    "twice": (lambda f: mtx_inputs(f, names=[*PEAKS[:-1], "chr1_500_600"]), "chr1-500-600 comes more than once"),
    "beyond": (lambda f: mtx_inputs(f, names=[*PEAKS[:-1], "chr1-1000-3001"]),
               "chr1:1000-3001 ends beyond chr1, which is 2000 bases long in toy .*another genome build"),
    "two beyond": (lambda f: mtx_inputs(f, names=[*PEAKS[:-2], "chr1-1990-2001", "chr2-990-1002"]),
                   r"ends beyond chr[12], .* \(2 of 8 regions do, by up to 2 bases\)"),
    "empty region": (lambda f: mtx_inputs(f, names=[*PEAKS[:-1], "chr1-50-50"]), "row 8: region 50-50 is empty"),
    "no chromosome left": (lambda f: mtx_inputs(f, names=[f"chrU{i}-5-9" for i in range(8)]),
                           r"no region is left of 8 .* \(input: chrU0, chrU1, chrU2, chrU3, chrU4 \.\.\.\)"),
    "negative": (lambda f: mtx_inputs(f, counts_with(-2)), "the value -2, which is negative; expected raw counts"),
    "fraction": (lambda f: mtx_inputs(f, counts_with(0.5), "real"), "value 0.5, which is not a whole number"),
    "lying header": (lambda f: edited(mtx_inputs(f, counts_with(1.5), "real"), "matrix",
                                      lambda t: t.replace("real", "integer")), "value 1.5, which is not a whole"),
    "not finite": (lambda f: rds_inputs(f, rds_matrix(counts_with(np.nan))), "value nan, which is not finite"),
    "infinite": (lambda f: h5ad_inputs(f, sp.csr_array(counts_with(np.inf).T)), "value inf, which is not finite"),
    "mtx gz cut": (lambda f: (lambda i: cut(replace(i, matrix=gzipped(i.matrix))))(mtx_inputs(f)),
                   "m.mtx.gz: gzip data cut short or damaged"),
    "mtx cut at a line": (lambda f: edited(mtx_inputs(f), "matrix", lambda t: "\n".join(t.split("\n")[:-3]) + "\n"),
                          "holds 12 entries, but its header announces 14; is the file cut short"),
    "mtx row": (lambda f: edited(mtx_inputs(f), "matrix", lambda t: re.sub(r"\n8 6 1", "\n9 6 1", t)),
                r"not a valid Matrix Market entry \(line 1[0-9]: Row index out of bounds\)"),
    "dense mtx": (lambda f: edited(mtx_inputs(f), "matrix", lambda t: t.replace("coordinate", "array")),
                  "begins with '%%MatrixMarket matrix array .*expected a Matrix Market file"),
    "mtx of other bytes": (lambda f: other_bytes(mtx_inputs(f)),
                           f"m.mtx: begins with '\ufffd{'x' * 59}'; expected a Matrix Market file"),
    "mtx of endless size": (lambda f: edited(mtx_inputs(f), "matrix", lambda t: t.replace("8 9 ", f"{'9' * 5000} 9 ")),
                            "expected numbers of rows"),
    "mtx of 18 digits": (lambda f: edited(mtx_inputs(f), "matrix", lambda t: t.replace("8 9 ", f"{'9' * 18} 9 ")),
                         f"peaks.txt: 8 peaks, but .* is {'9' * 18} x 9"),
    "mtx of 19 digits": (lambda f: edited(mtx_inputs(f), "matrix", lambda t: t.replace("8 9 ", f"{'9' * 19} 9 ")),
                         "expected numbers of rows"),
    "mtx sizes": (lambda f: edited(mtx_inputs(f), "matrix", lambda t: t.replace("8 9 14", "%\n\n%\n8 9")),
                  r"line \d is b'8 9.n'; expected numbers"),
    "mtx ends early": (lambda f: edited(mtx_inputs(f), "matrix", lambda t: t.split("\n")[0] + "\n%\n"),
                       "line [34] is b''; expected numbers"),
    "empty bed": (lambda f: bed(f, "# nothing\n"), "x.bed: holds no region; expected lines of chrom, start and end"),
    "bed columns": (lambda f: bed(f, "\nchr1\t5\n"), "line 2: 2 columns, expected chrom, start and end"),
    "bed later columns": (lambda f: bed(f, "chr1\t5\t9\nchr1\t5\n"), "line 2: end is '', expected a whole number"),
    "bed word": (lambda f: bed(f, "chr1\t5\t9\nchr1\t5\t9.5\n"), "line 2: end is '9.5', expected a whole number"),
    "bed beyond": (lambda f: bed(f, "chr1\t5\t9000\n"), "x.bed: region chr1:5-9000 ends beyond chr1"),
    "bed gz cut": (lambda f: MatrixInputs("bed", beds={"A": cut(replace(
        mtx_inputs(f), matrix=gzipped(f / "peaks.txt"))).matrix}), "peaks.txt.gz: gzip data cut short"),
    "no beds": (lambda f: MatrixInputs("bed"),
                "accessibility.beds: found an empty block {}, but accessibility.format bed needs it"),
    "cells missing": (lambda f: rds_inputs(f, cells=[*CELLS[:7], "x", "y"]),
                      "2 of the 9 cells of .* are missing from its column 'cell', the first is 'cell7'"),
    "cells twice": (lambda f: rds_inputs(f, cells=["cell1", *CELLS[1:]]), "cell 'cell1' has more than one row"),
    "rds not dgCMatrix": (lambda f: rds_inputs(f, data_frame), "is of R class data.frame; expected a dgCMatrix"),
    "rds is seurat": (lambda f: replace(rds_inputs(f), matrix=seurat_inputs(f).matrix),
                      "class Seurat; .*format rather seurat"),
    "rda": (rda, "is an .rda file .*; expected an .RDS file, as saveRDS"),
    "rds is text": (lambda f: text_file(f, "dgcmatrix"), r"begins with b'chr1\\t'; expected an .RDS file"),
    "rds cut": (lambda f: cut(rds_inputs(f)), "m.RDS: (gzip data )?cut short or damaged"),
    "rds plain cut": (lambda f: cut(packed(f, bytes)), "p.RDS: cut short or damaged"),
    "rds xz cut": (lambda f: cut(packed(f, lzma.compress)), "p.RDS: gzip data cut short|p.RDS: .*damaged"),
    "rds no row names": (lambda f: rds_inputs(f, rds_matrix(rows=None)), "has no row names; expected chrom-start-end"),
    "rds peaks": (lambda f: replace(rds_inputs(f, rds_matrix(rows=None)), peaks=write_tables(f, PEAKS[1:])[0]),
                  "7 peaks, but .* is 8 x 9; expected 8"),
    "rds cells": (lambda f: rds_inputs(f, rds_matrix(columns=None), cells=CELLS[1:], types=TYPES[1:]), "8 cells, but"),
    "seurat is rds": (lambda f: replace(seurat_inputs(f), matrix=rds_inputs(f).matrix),
                      "class dgCMatrix; expected a Seurat"),
    "seurat assay": (lambda f: replace(seurat_inputs(f), assay="ATAC"), "no assay 'ATAC'; its assays are peaks"),
    "seurat v5": (lambda f: seurat_inputs(f, "layers", "Assay5"), "of R class Assay5 and has no slot counts"),
    "h5ad is text": (lambda f: text_file(f, "h5ad"), "m.x: cannot be read .*fetch .*, or is it no AnnData file"),
    "h5ad column": (lambda f: h5ad_inputs(f, cell_type="celltype"), "no column 'cell_type' .*; nearest: celltype"),
    "h5ad indices": (wrong_index, "holds an entry at peak 100, cell 2; expected 1 to 8 and 1 to 9"),
    "h5ad states hg38": (lambda f: h5ad_inputs(f, uns={"genome": "GRCh38"}), "of GRCh38 .hg38., but .* is hg19"),
}  # fmt: skip


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A folder with the toy genome."""
    return make_genome(tmp_path_factory.mktemp("toy"))


@pytest.mark.parametrize("case", BAD)
def test_bad_input(toy, tmp_path, case):
    make, sentence = BAD[case]
    inputs = make(tmp_path)
    with pytest.raises(InputError, match=sentence):
        run(toy, tmp_path / "out", inputs, build="hg19" if "states" in case else "toy")
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"binarise": "top"}, "accessibility.binarise: found 'top', expected one of any, min_fraction"),
        (
            {"binarise": "min_fraction"},
            "accessibility.min_fraction: found null, but accessibility.binarise min_fraction needs it",
        ),
        (
            {"binarise": "min_fraction", "min_fraction": 1.5},
            "accessibility.min_fraction: found 1.5, expected a number above 0 and at most 1 or null",
        ),
        (
            {"max_n_fraction": -0.1},
            "accessibility.max_n_fraction: found -0.1, expected a number of at least 0 and at most 1",
        ),
        ({"min_cells": -1}, "accessibility.min_cells: found -1, expected a whole number of at least 1"),
        ({"min_cells": 5}, "no cell type has 5 cells or more; the largest is 'B' with 4"),
        ({"binarise": "min_fraction", "min_fraction": 1.0, "min_cells": 4}, "no region is left"),
        ({"chromosomes": ["chr1", "chr9"]}, "genome.fa: has no chromosome chr9; it holds chr1, chr2, chr3"),
    ],
)
def test_bad_settings(toy, tmp_path, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        run(toy, tmp_path, mtx_inputs(tmp_path), **settings)


def test_bed_has_no_cells_to_take_a_share_of(toy, tmp_path):
    with pytest.raises(
        InputError, match=r"accessibility\.binarise: found min_fraction, but accessibility.format bed has no cells"
    ):
        run(toy, tmp_path, bed(tmp_path, "chr1\t5\t9\n"), binarise="min_fraction", min_fraction=0.5)


@pytest.mark.parametrize(
    ("stated", "build", "clash"),
    [
        ("GRCh38", "hg19", True), ("GRCh37.p13", "hg19", False), ("hs37d5", "hg19", False), ("mm10", "hg38", True),
        ("GRCh38.p14", "hg38", False), ("GRCh38.p14", "hg19", True), ("GRCh38-p13", "hg19", True),
        ("unknown", "hg19", False), ("hg38", "mine", False),
    ],
)  # fmt: skip
def test_stated_build(stated, build, clash):
    regions = parse_region_names(["chr1-5-9"], "x")
    if clash:
        with pytest.raises(InputError, match=f"states that its regions are of {stated}"):
            check_build(regions, {}, "x.h5ad", build, ["chr1"], [stated])
    else:
        check_build(regions, {}, "x.h5ad", build, ["chr1"], [stated])
