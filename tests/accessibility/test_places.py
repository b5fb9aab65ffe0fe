"""Accessibility: where regions lie: beyond an end, counted from 1, or all on the blacklist."""

import logging
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
    warnings = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert [message for message in warnings if "cell type" in message] == [
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


def test_columns_of_h5ad_that_disagree_with_the_names(toy, tmp_path, caplog):
    """An exported GRanges has starts that are counted from 1."""
    caplog.set_level("INFO")
    places = pd.DataFrame([peak.split("-") for peak in PEAKS], columns=["seqnames", "start", "end"], dtype=object)
    var = places.set_index(pd.Index(PEAKS, dtype=object)).astype({"start": int, "end": int})
    run(toy, tmp_path / "same", h5ad_inputs(tmp_path, var=var.copy()))
    assert f"{tmp_path}/m.h5ad: regions are var columns seqnames, start, end, 0-based" in caplog.messages
    var["start"] += 1
    with pytest.raises(InputError, match=r"m\.h5ad: the var columns of chr2-100-200 say chr2:101-200 .*counted from 1"):
        run(toy, tmp_path / "other", h5ad_inputs(tmp_path, var=var))
    inputs = h5ad_inputs(tmp_path, var=var.set_index(pd.Index([f"peak{i}" for i in range(len(var))], dtype=object)))
    assert run(toy, tmp_path / "odd names", inputs)[1].n_vars == len(KEPT)


def test_a_peak_beyond_the_end_takes_no_other_with_it(toy, tmp_path):
    (tmp_path / "A.bed").write_text("chr1\t100\t200\nchr1\t1800\t1950\n")
    more = [f"chr2-{i}0-{i}5" for i in range(1, 30)]
    lines = [name.replace("-", "\t") + "\n" for name in ["chr1-1900-2010", *more]]
    (tmp_path / "B.bed").write_text("".join(lines))
    inputs = MatrixInputs("bed", beds={"A": tmp_path / "A.bed", "B": tmp_path / "B.bed"})
    summary, bulk, _ = run(toy, tmp_path / "out", inputs)
    assert bulk.var_names.tolist() == ["chr1-100-200", "chr1-1800-1950", *more]
    assert {step["step"]: step["dropped"] for step in summary["dropped_regions"]}["beyond_end"] == 1


LINES = {
    "a comma": ("1 1 2,7", r"line 4 is '1 1 2,7'; expected row, column and a number, and nothing else"),
    "a column more": ("1 1 2 9", "line 4 is '1 1 2 9'"),
    "letters": ("1 1 2abc", "line 4 is '1 1 2abc'"),
    "half a column": ("1 1.7 2", r"line 4 is '1 1\.7 2'"),
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("kind", ["integer", "real"])
def test_a_line_of_matrix_market_that_holds_more_is_refused(toy, tmp_path, line, kind):
    inputs = mtx_inputs(tmp_path)
    lines = [f"%%MatrixMarket matrix coordinate {kind} general", "8 9 3", "1 2 1", LINES[line][0], "2 1 1"]
    inputs.matrix.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=f"m.mtx: {LINES[line][1]}|not a whole number|not a valid Matrix Market entry"):
        run(toy, tmp_path / "out", inputs)


@pytest.mark.parametrize(
    "text", ["1 2 1\n1\t3 2 \n 2 1  1\n", "1 2 1.0\r\n1 3 2e0\r\n2 1 1e0\r\n", "1 2 1\n1 3 2.\n2 1 1"]
)
def test_all_ways_to_write_an_entry(toy, tmp_path, text):
    inputs = mtx_inputs(tmp_path)
    inputs.matrix.write_text("%%MatrixMarket matrix coordinate real general\n8 9 3\n" + text)
    assert run(toy, tmp_path / "out", inputs)[0]["accessible_pairs"] == 3


def test_a_matrix_in_utf_16_is_told(toy, tmp_path):
    inputs = mtx_inputs(tmp_path)
    inputs.matrix.write_text(inputs.matrix.read_text(), encoding="utf-16")
    with pytest.raises(InputError, match=r"m\.mtx: is text in UTF-16; expected a Matrix Market file in ASCII or UTF-8"):
        run(toy, tmp_path / "out", inputs)
