"""Accessibility: sums, formats, filters; small made-up data and BM0828."""

import bz2
import gzip
import lzma
from dataclasses import replace

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
from accessibility_inputs import (
    CELLS,
    COUNTS,
    KEPT,
    SUMS,
    TYPES,
    MatrixInputs,
    gzipped,
    h5ad_inputs,
    make_genome,
    mtx_inputs,
    packed,
    rds_inputs,
    rds_matrix,
    renamed_peaks,
    run,
    settings_of,
    seurat_inputs,
    transposed,
    var_columns,
    write_tables,
)
from hypothesis import given
from hypothesis import strategies as st

from genebert.accessibility import matrices
from genebert.accessibility.build import load_regions
from genebert.accessibility.matrices import read_matrix
from genebert.accessibility.pseudobulk import pseudobulk_from_matrix
from genebert.errors import InputError
from genebert.genome.bed import read_bed
from genebert.genome.fasta import prepare_genome
from genebert.genome.intervals import merge_overlapping, overlapping, parse_region_names, region_names


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A folder with the toy genome."""
    return make_genome(tmp_path_factory.mktemp("toy"))


def as_version_2(data):
    """The same object as R before 3.6 wrote it: no encoding in the header."""
    assert data[:6] == b"X\n\0\0\0\3" and data[14:23] == b"\0\0\0\5UTF-8"
    return b"X\n\0\0\0\2" + data[6:10] + b"\0\2\3\0" + data[23:]


def with_mark(inputs):
    inputs.matrix.write_bytes(b"\xef\xbb\xbf" + inputs.matrix.read_bytes())
    return inputs


FORMS = {
    "mtx": mtx_inputs,
    "mtx-gz": lambda f: (lambda i: replace(i, matrix=gzipped(i.matrix)))(mtx_inputs(f)),
    "mtx-byte-order-mark": lambda f: with_mark(mtx_inputs(f)),
    "mtx-cells-x-peaks": transposed,
    "mtx-bed-without-chr": renamed_peaks,
    "dgcmatrix": rds_inputs,
    "dgcmatrix-twice-gzip": lambda f: (lambda i: replace(i, matrix=gzipped(i.matrix)))(rds_inputs(f)),
    "dgcmatrix-plain": lambda f: packed(f, bytes),
    "dgcmatrix-xz": lambda f: packed(f, lzma.compress),
    "dgcmatrix-version-2": lambda f: packed(f, as_version_2),
    "dgcmatrix-version-2-gzip": lambda f: packed(f, lambda data: gzip.compress(as_version_2(data))),
    "dgcmatrix-version-2-xz": lambda f: packed(f, lambda data: lzma.compress(as_version_2(data))),
    "dgcmatrix-bzip2": lambda f: packed(f, bz2.compress),
    "dgcmatrix-no-names": lambda f: replace(
        rds_inputs(f, rds_matrix(rows=None, columns=None)), peaks=write_tables(f)[0]
    ),
    "dgcmatrix-cells-joined": lambda f: rds_inputs(
        f, cells=[*CELLS[::-1], "other"], types=[*TYPES[::-1], "A"]
    ),
    "seurat": seurat_inputs,
    "seurat-twice-gzip": lambda f: (lambda i: replace(i, matrix=gzipped(i.matrix)))(seurat_inputs(f)),
    "h5ad-csr": h5ad_inputs,
    "h5ad-csc": lambda f: h5ad_inputs(f, sp.csc_array(COUNTS.T)),
    "h5ad-dense": lambda f: h5ad_inputs(f, COUNTS.T.astype(np.float32)),
    "h5ad-layer": lambda f: h5ad_inputs(f, sp.csr_array(COUNTS.T / 7), {"counts": sp.csr_array(COUNTS.T)}),
    "h5ad-var-columns": var_columns,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same(toy, tmp_path, form):
    inputs = FORMS[form](tmp_path)
    summary, bulk, binary = run(toy, tmp_path / "out", inputs)
    for data in (bulk, binary):
        assert data.var_names.tolist() == KEPT
        assert data.obs_names.tolist() == ["A", "B", "C"]
        assert region_names(data.var.astype({"chrom": str})) == KEPT
        assert data.obs.to_dict("list") == {"n_cells": [3, 4, 1], "n_fragments": [10, 6, 1], "n_accessible": [3, 3, 1]}
        assert data.uns["genome"] == "toy"
    assert bulk.X.format == binary.X.format == "csr"
    assert (bulk.X.dtype, binary.X.dtype) == (np.int32, np.uint8)
    np.testing.assert_array_equal(bulk.X.toarray(), list(SUMS.values()))
    np.testing.assert_array_equal(binary.X.toarray(), np.array(list(SUMS.values())) > 0)
    assert summary["cell_types"]["B"] == {"cells": 4, "fragments": 6, "fragments_input": 13, "accessible_regions": 3}
    assert (summary["regions"], summary["base_pairs"], summary["accessible_pairs"]) == (5, 560, 7)
    assert summary["cells_without_type"] == 1
    steps = [(s["step"], s["dropped"], s["left"]) for s in summary["dropped_regions"]]
    assert steps == [("chromosomes", 1, 7), ("beyond_end", 0, 7), ("accessible", 1, 6), ("n_fraction", 1, 5)]
    assert summary["paper"]["regions"] == 1_000_029
    assert summary["paper"]["base_pairs"] == 504_657_456
    pd.testing.assert_frame_equal(load_regions(tmp_path / "out" / "accessible.h5ad"), parse_region_names(KEPT, "kept"))


def test_same_bytes_twice(toy, tmp_path):
    inputs = h5ad_inputs(tmp_path)
    names = ("pseudobulk.h5ad", "accessible.h5ad", "summary.json")
    first, second = (
        [(tmp_path / out / name).read_bytes() for name in names]
        for out in ("a", "b")
        if run(toy, tmp_path / out, inputs)
    )
    assert first == second


def test_filters(toy, tmp_path):
    inputs = mtx_inputs(tmp_path)
    (tmp_path / "black.bed").write_text("1\t299\t500\n2\t200\t300\nchr3\t0\t1000\n")
    summary, bulk, _ = run(toy, tmp_path, inputs, blacklist=tmp_path / "black.bed")
    # [299, 500) shares one base with 100-300 and only touches 500-600; [200, 300) only touches chr2-100-200.
    assert bulk.var_names.tolist() == KEPT[1:]
    assert summary["dropped_regions"][3] == {
        "step": "blacklist", "dropped": 1, "left": 5, "why": "overlapping the blacklist black.bed"
    }  # fmt: skip
    for limit, left in ((0.0, [0, 1, 2, 5]), (10 / 110, [0, 1, 2, 3, 5]), (0.09, [0, 1, 2, 5]), (1.0, range(6))):
        names = [*KEPT[:4], "chr1-990-1050", KEPT[4]]
        assert run(toy, tmp_path, inputs, max_n_fraction=limit)[1].var_names.tolist() == [names[i] for i in left]
    assert run(toy, tmp_path, inputs, ["chr3", "chr1"])[1].var_names.tolist() == [*KEPT[:4], "chr3-10-20"]


def test_regions_all_n_are_told(toy, tmp_path, caplog):
    names = ["chr1-1000-1100", "chr1-1-9", "chr1-1100-1200"]
    inputs = mtx_inputs(tmp_path, np.ones((3, 2), dtype=int), names=names, cells=["a", "b"], types=["A", "A"])
    assert run(toy, tmp_path, inputs)[0]["dropped_regions"][-1]["all_n"] == 2
    assert "2 accessible regions are N from end to end" in caplog.text


def test_min_cells_and_min_fraction(toy, tmp_path):
    inputs = mtx_inputs(tmp_path)
    summary, bulk, _ = run(toy, tmp_path, inputs, min_cells=3)
    assert bulk.obs_names.tolist() == ["A", "B"]
    assert summary["dropped_cell_types"] == {"C": {"cells": 1, "why": "fewer than 3 cells"}}
    assert bulk.var_names.tolist() == [name for name in KEPT if name != "chr1-600-650"]
    # chr1-100-300: 1 of 3 cells of A, 3 of 4 of B. chr1-500-600: 2 of 3 of A.
    for share, expected in ((0.75, {"B": [KEPT[0]], "C": [KEPT[2]]}), (2 / 3, {"A": [KEPT[1]], "B": [KEPT[0]]})):
        _, bulk, binary = run(toy, tmp_path, inputs, binarise="min_fraction", min_fraction=share)
        for name, regions in expected.items():
            row = binary.X.toarray()[binary.obs_names.get_loc(name)]
            assert binary.var_names[row > 0].tolist() == regions
        assert bulk.var_names.equals(binary.var_names)


def test_bed_union(toy, tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "a.bed").write_text("1\t100\t200\n1\t150\t180\n1\t300\t400\nchr2\t5\t9\n")
    (tmp_path / "b.bed").write_text("chr1\t190\t250\nchr1\t400\t450\nchr3\t1\t9\n")
    (tmp_path / "c.bed").write_text("chr1\t249\t260\nchr1\t1001\t1009\n")
    beds = {"c": gzipped(tmp_path / "c.bed"), "a": tmp_path / "a.bed", "b": gzipped(tmp_path / "b.bed")}
    summary, bulk, binary = run(toy, tmp_path, MatrixInputs("bed", beds=beds))
    # 100-200, 190-250 and 249-260 are a chain; 300-400 and 400-450 are book-ended and stay apart.
    assert bulk.var_names.tolist() == ["chr1-100-260", "chr1-300-400", "chr1-400-450", "chr2-5-9"]
    np.testing.assert_array_equal(bulk.X.toarray(), [[2, 1, 0, 1], [1, 0, 1, 0], [1, 0, 0, 0]])
    np.testing.assert_array_equal(binary.X.toarray(), [[1, 1, 0, 1], [1, 0, 1, 0], [1, 0, 0, 0]])
    assert bulk.obs["n_cells"].isna().all()
    assert summary["cell_types"]["a"] == {
        "cells": None, "fragments": 4, "fragments_input": 4, "accessible_regions": 3,
    }  # fmt: skip
    assert summary["group_by"] is None
    assert "a: 4 peaks, 3 accessible regions" in caplog.text and "fragment" not in caplog.text


@pytest.mark.parametrize(("more", "kind"), [(0, np.int32), (1, np.int64), (2**31 - 1, np.int64)])
def test_sums_beyond_int32(toy, tmp_path, more, kind):
    counts = np.array([[2**31 - 1, more], [1, 0]])
    inputs = mtx_inputs(tmp_path, counts, names=["chr1-1-9", "chr1-20-30"], cells=["a", "b"], types=["A", "A"])
    _, bulk, _ = run(toy, tmp_path, inputs)
    assert bulk.X.dtype == kind and bulk.X.toarray().tolist() == [[2**31 - 1 + more, 1]]
    assert bulk.obs["n_fragments"].tolist() == [2**31 + more]


intervals = st.lists(st.tuples(st.sampled_from(["chr2", "chr10"]), st.integers(0, 30), st.integers(1, 8)), max_size=8)


def as_regions(rows):
    return pd.DataFrame([(c, s, s + n) for c, s, n in rows], columns=["chrom", "start", "end"]).astype(
        {"chrom": str, "start": "int64", "end": "int64"}
    )


@given(intervals, intervals)
def test_intervals_equal_base_by_base_reference(rows, others):
    rows, others = as_regions(rows), as_regions(others)
    bases = [{(c, i) for i in range(s, e)} for c, s, e in rows.itertuples(index=False)]
    covered = {(c, i) for c, s, e in others.itertuples(index=False) for i in range(s, e)}
    assert overlapping(rows, others).tolist() == [bool(b & covered) for b in bases]
    # Merging: groups are the connected components of "shares a base".
    merged, group = merge_overlapping(rows)
    components: list[set] = []
    for region in bases:
        touching = [c for c in components if c & region]
        components = [c for c in components if not c & region] + [set.union(region, *touching)]
    expected = sorted((int(min(c)[0][3:]), min(c)[1], max(c)[1] + 1) for c in components)
    assert [(int(c[3:]), s, e) for c, s, e in merged.itertuples(index=False)] == expected
    for region, owner in zip(rows.itertuples(), group, strict=True):
        home = merged.iloc[owner]
        assert (home.chrom, home.start <= region.start, region.end <= home.end) == (region.chrom, True, True)


@pytest.mark.parametrize("size", [1, 7, 40, 10_000])
def test_matrix_market_in_pieces(tmp_path, monkeypatch, size):
    inputs = mtx_inputs(tmp_path)
    text = inputs.matrix.read_text()
    for ending in ("\n", "", "\n\n \n", "\r\n"):
        body = text.rstrip() + ending if ending != "\r\n" else text.replace("\n", "\r\n")
        inputs.matrix.write_bytes(body.encode())
        monkeypatch.setattr(matrices, "BLOCK_BYTES", size)
        dense = np.zeros_like(COUNTS)
        for peaks, cells, values in read_matrix(settings_of(inputs)).blocks():
            dense[peaks, cells] += values.astype(int)
        np.testing.assert_array_equal(dense, COUNTS)


@pytest.mark.parametrize(("entries", "at_once"), [(1, 1), (17, 2), (24, 3), (1 << 17, 9)])
def test_a_dense_matrix_is_read_by_cells(tmp_path, monkeypatch, entries, at_once):
    monkeypatch.setattr(matrices, "BLOCK_ENTRIES", entries)  # of eight peaks
    dense = np.zeros_like(COUNTS)
    blocks = list(read_matrix(settings_of(h5ad_inputs(tmp_path, COUNTS.T.astype(float)))).blocks())
    assert len(blocks) == -(-9 // at_once)
    for number, (peaks, cells, values) in enumerate(blocks):
        assert set(cells // at_once) == {number}
        dense[peaks, cells] += values.astype(int)
    np.testing.assert_array_equal(dense, COUNTS)


def test_numbered_clusters_and_names_of_types():
    from genebert.accessibility.cells import as_types

    cases = [
        (pd.Series([3.0, np.nan, 1.0]), ["3", None, "1"]),
        (pd.Series([3, 1]), ["3", "1"]),
        (pd.Series([b"T", b"\xff", None]), ["T", "\ufffd", None]),
        (pd.Series(pd.Categorical([2, 1, None])), ["2", "1", None]),
        (pd.Series([" T cell", "NA", ""]), ["T cell", None, None]),
    ]
    for values, expected in cases:
        assert as_types(values).tolist() == expected


# --- real data -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chr20(tmp_path_factory, shared_data):
    folder = tmp_path_factory.mktemp("chr20")
    prepare_genome(shared_data / "genome" / "chr20.fa.gz", folder / "genome.fa", "hg19", ["chr20"])
    return folder


@pytest.fixture(scope="module")
def bm0828(tmp_path_factory, shared_data):
    """The four forms of BM0828; AnnData is made of the Matrix Market form."""
    folder = shared_data / "scatac"
    cells = pd.read_csv(folder / "cells.tsv", sep="\t")
    counts = scipy.io.mmread(folder / "matrix.mtx.gz", spmatrix=False)
    names = region_names(read_bed(folder / "peaks.bed"))
    labels = pd.Index(cells["cell_type"].unique(), dtype=object)
    kinds = pd.Categorical.from_codes(labels.get_indexer(cells["cell_type"]), labels)
    obs = pd.DataFrame({"cell_type": kinds}, index=pd.Index(cells["cell"], dtype=object))
    h5ad = tmp_path_factory.mktemp("bm0828") / "m.h5ad"
    var = pd.DataFrame(index=pd.Index(names, dtype=object))
    anndata.AnnData(sp.csr_array(counts.T), obs, var).write_h5ad(h5ad)
    tables = {"peaks": folder / "peaks.bed", "cells": folder / "cells.tsv"}
    return [
        MatrixInputs("mtx", folder / "matrix.mtx.gz", **tables),
        MatrixInputs("dgcmatrix", folder / "bm0828.dgCMatrix.RDS", cells=folder / "cells.tsv"),
        MatrixInputs("seurat", folder / "bm0828.seurat.RDS"),
        MatrixInputs("h5ad", h5ad),
    ], counts, cells["cell_type"]  # fmt: skip


@pytest.mark.shared
def test_bm0828_sums_equal_the_sparse_product(bm0828):
    forms, counts, types = bm0828
    names = sorted(types.unique())
    indicator = sp.csr_array((types.to_numpy()[:, None] == np.array(names)).astype(int))
    expected = (counts @ indicator).toarray().T
    assert counts.nnz == 1_295_938
    for inputs in forms:
        bulk = pseudobulk_from_matrix(read_matrix(settings_of(inputs)))
        assert bulk.types == names
        np.testing.assert_array_equal(bulk.counts, expected)
        np.testing.assert_array_equal(bulk.n_cells, types.value_counts()[names])


@pytest.mark.shared
def test_bm0828_on_chr20(chr20, bm0828, tmp_path):
    results = [run(chr20, tmp_path / i.format, i, ["chr20"], "hg19", max_n_fraction=0.05) for i in bm0828[0]]
    files = [
        [(tmp_path / i.format / n).read_bytes() for n in ("pseudobulk.h5ad", "accessible.h5ad")] for i in bm0828[0]
    ]
    assert all(pair == files[0] for pair in files)
    summary = results[0][0]
    assert summary["input_regions"] == 35_983
    assert (summary["regions"], summary["base_pairs"], summary["accessible_pairs"]) == (1_077, 538_500, 6_556)
    assert summary["cell_types"]["HSC"] == {
        "cells": 128, "fragments": 10_793, "fragments_input": 388_547, "accessible_regions": 1_049,
    }  # fmt: skip


@pytest.mark.shared
def test_wrong_build_is_noticed(chr20, shared_data, tmp_path):
    path = shared_data / "scatac" / "pbmc10x_subset.h5ad"
    inputs = MatrixInputs("h5ad", path)
    with pytest.raises(InputError, match=r"states that its regions are of GRCh38 \(hg38\), but the genome is hg19"):
        run(chr20, tmp_path, inputs, ["chr20"], "hg19", group_by="celltype")
    # Without that column the coordinates tell, on chr18, although only chr20 is kept.
    bare = tmp_path / "bare.h5ad"
    bare.write_bytes(path.read_bytes())
    with h5py.File(bare, "r+") as file:
        columns = [c for c in file["var"].attrs["column-order"] if c != "genome"]
        del file["var"]["genome"]
        file["var"].attrs["column-order"] = columns
    with pytest.raises(InputError, match=r"ends beyond chr(18|20), .*another genome build\? They all fit hg38"):
        run(chr20, tmp_path, replace(inputs, matrix=bare), ["chr20"], "hg19", group_by="celltype")


@pytest.mark.shared
def test_real_rda_is_refused(chr20, shared_data, tmp_path):
    folder = shared_data / "scatac"
    inputs = MatrixInputs("dgcmatrix", folder / "granja2019.dgCMatrix.rda", cells=folder / "cells.tsv")
    with pytest.raises(InputError, match=r"is an \.rda file"):
        run(chr20, tmp_path, inputs, ["chr20"], "hg19")
