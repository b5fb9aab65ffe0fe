"""Accessibility: where regions lie: beyond an end, counted from 1, or all on the blacklist."""

from dataclasses import replace

import pandas as pd
import pytest
from accessibility_inputs import (
    KEPT,
    PEAKS,
    MatrixInputs,
    h5ad_inputs,
    make_genome,
    mtx_inputs,
    rds_inputs,
    rds_matrix,
    run,
    seurat_inputs,
    write_tables,
)

from genebert.errors import InputError


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A folder with the toy genome."""
    return make_genome(tmp_path_factory.mktemp("toy"))


def test_a_blacklist_that_leaves_nothing_is_named(toy, tmp_path):
    (tmp_path / "all.bed").write_text("chr1\t0\t2000\nchr2\t0\t1000\n")
    with pytest.raises(InputError, match=r"no region is left of 6 .* overlapping the blacklist all\.bed"):
        run(toy, tmp_path, mtx_inputs(tmp_path), blacklist=tmp_path / "all.bed")


def over_the_end(folder, form):
    """One region in eight ends 39 bases beyond chr1, in every form of the matrix."""
    peaks = [*PEAKS[:-1], "chr1-1900-2039"]
    if form == "bed":
        (folder / "A.bed").write_text("".join(peak.replace("-", "\t") + "\n" for peak in peaks))
        return MatrixInputs("bed", beds={"A": folder / "A.bed"})
    if form == "h5ad":
        return h5ad_inputs(folder, var=pd.DataFrame(index=pd.Index(peaks, dtype=object)))
    if form == "dgcmatrix":
        return rds_inputs(folder, rds_matrix(rows=peaks))
    return mtx_inputs(folder, names=peaks)


@pytest.mark.parametrize("form", ["mtx", "dgcmatrix", "h5ad", "bed"])
def test_a_region_over_the_end_is_dropped_and_counted(toy, tmp_path, form, caplog):
    (tmp_path / "black.bed").write_text("chr1\t1990\t2005\n")
    summary, bulk, _ = run(toy, tmp_path, over_the_end(tmp_path, form), blacklist=tmp_path / "black.bed")
    assert "chr1-1900-2039" not in bulk.var_names
    steps = {step["step"]: step["dropped"] for step in summary["dropped_regions"]}
    assert (steps["beyond_end"], steps["blacklist"]) == (1, 0)
    assert "regions on the run's chromosomes end beyond these, by up to 39 bases" in caplog.text
    assert "black.bed: 1 of 1 regions on the run's chromosomes end beyond these, by up to 5 bases" in caplog.text
    # Where chr1 is not used, nothing is dropped for it.
    steps = run(toy, tmp_path, over_the_end(tmp_path, form), ["chr2"])[0]["dropped_regions"]
    assert steps[1]["dropped"] == 0


def test_a_region_may_end_with_its_chromosome_and_no_base_later(toy, tmp_path, caplog):
    peaks = [PEAKS[0], "chr1-1890-2000", *PEAKS[2:-1], "chr2-900-1001"]
    summary, bulk, _ = run(toy, tmp_path, mtx_inputs(tmp_path, names=peaks))
    assert bulk.var_names.tolist() == ["chr1-100-300", "chr1-900-1010", "chr1-1890-2000", "chr2-100-200"]
    assert summary["dropped_regions"][1]["dropped"] == 1
    # Type C is open in the last region only.
    assert [message for message in caplog.messages if "cell type" in message] == [
        f"{tmp_path}/m.mtx: cell type 'C' has no accessible region left"
    ]


@pytest.mark.parametrize("form", ["mtx", "dgcmatrix", "dgcmatrix without names", "seurat", "h5ad"])
def test_names_counted_from_1(toy, tmp_path, form, caplog):
    caplog.set_level("INFO")
    made = {
        "mtx": mtx_inputs, "dgcmatrix": rds_inputs, "seurat": seurat_inputs, "h5ad": h5ad_inputs,
        "dgcmatrix without names": lambda folder: replace(
            rds_inputs(folder, rds_matrix(rows=None)), peaks=write_tables(folder)[0]
        ),
    }  # fmt: skip
    _, bulk, _ = run(toy, tmp_path, made[form](tmp_path), names="1-based")
    moved = [f"{chrom}-{int(start) - 1}-{end}" for chrom, start, end in (name.split("-") for name in KEPT)]
    assert bulk.var_names.tolist() == moved
    assert "names of regions are read as 1-based (accessibility.names)" in caplog.text


@pytest.mark.parametrize(("start", "found"), [(100.5, r"found \[100\.5, 200\.0\]"), (float("nan"), "non-finite")])
def test_starts_of_h5ad_are_whole_numbers(toy, tmp_path, start, found):
    places = pd.DataFrame([peak.split("-") for peak in PEAKS], columns=["chrom", "start", "end"], dtype=object)
    var = places.set_index(pd.Index(PEAKS, dtype=object)).astype({"start": float, "end": float})
    assert run(toy, tmp_path / "whole", h5ad_inputs(tmp_path, var=var.copy()))[1].n_vars == len(KEPT)
    var.iloc[0, 1] = start
    with pytest.raises(InputError, match=f"m.h5ad: var columns start, end must hold whole numbers .*{found}"):
        run(toy, tmp_path / "cut", h5ad_inputs(tmp_path, var=var))
