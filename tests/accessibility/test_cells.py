"""Tables of cells: quotes, and their rows joined to the cells of a matrix."""

from dataclasses import replace

import pytest
from accessibility_inputs import (
    CELLS,
    COUNTS,
    TYPES,
    factor,
    gzipped,
    mtx_inputs,
    rds_inputs,
    rds_matrix,
    settings_of,
    seurat_inputs,
    transposed,
)

from genebert.accessibility.cells import read_cells, require_column
from genebert.accessibility.matrices import read_matrix
from genebert.errors import InputError

# What stands between the fields of a row, and what the row becomes.
TABLES = {
    "not quoted": (['c1,"3 end,A', "c2,x,A", 'c3,y",B'], [["c1", '"3 end', "A"], ["c2", "x", "A"], ["c3", 'y"', "B"]]),
    "a lone quote": (['c1,",A', "c2,x,B"], [["c1", '"', "A"], ["c2", "x", "B"]]),
    "inches": (['c1,5",A', 'c2,7",B'], [["c1", '5"', "A"], ["c2", '7"', "B"]]),
    "a word in quotes": (['c1,the "late" one,A', "c2,x,B"], [["c1", 'the "late" one', "A"], ["c2", "x", "B"]]),
    "quoted": (['"c1","x","A"', '"c2","y","B"'], [["c1", "x", "A"], ["c2", "y", "B"]]),
    "quoted where needed": (['c1,"x, y",A', 'c2,"z ""w""",B'], [["c1", "x, y", "A"], ["c2", 'z "w"', "B"]]),
    "quoted by R": ([r'"c1","3\" end","A"', '"c2","x, y","B"'], [["c1", '3" end', "A"], ["c2", "x, y", "B"]]),
    "backslashes": ([r"c1,a\b,A", "c2,x,B"], [["c1", r"a\b", "A"], ["c2", "x", "B"]]),
    "numbers": (["c1,007,1.0", "c2,8,02"], [["c1", "007", "1.0"], ["c2", "8", "02"]]),
    "one cell": (["c1,x,A"], [["c1", "x", "A"]]),
    "empty fields": (["c1,,A", "c2,x,"], [["c1", "", "A"], ["c2", "x", ""]]),
}  # fmt: skip


@pytest.mark.parametrize("form", ["mtx", "dgcmatrix"])
@pytest.mark.parametrize("name", ["cells.tsv", "cells.csv", "cells.csv.gz"])
@pytest.mark.parametrize("table", TABLES)
def test_quotes_are_letters_unless_the_table_is_quoted(tmp_path, table, name, form):
    lines, expected = TABLES[table]
    text = "\n".join(["cell,note,cell_type", *lines]) + "\n"
    if "csv" not in name:
        text = text.replace(",", "\t").replace("x\t y", "x, y")
    path = tmp_path / name.removesuffix(".gz")
    path.write_text(text)
    path = gzipped(path) if name.endswith("gz") else path
    assert read_cells(path).to_numpy().tolist() == expected
    n = len(expected)
    counts = COUNTS[:, :n]
    names, types = [row[0] for row in expected], [row[2] or None for row in expected]
    if form == "mtx":
        inputs = mtx_inputs(tmp_path, counts, cells=names, types=types)
    else:
        inputs = rds_inputs(tmp_path, rds_matrix(counts, columns=names), cells=names, types=types)
    assert read_matrix(settings_of(replace(inputs, cells=path))).cell_types.tolist() == types


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'cell,note,cell_type\nc1,"two\nlines",A\n',
            "line 2 has 2 fields, expected 3 as in the header, and no field over several lines",
        ),
        ("cell,note,cell_type\nc1,x,A\nc2,x\n", "line 3 has 2 fields, expected 3"),
        ("cell,note,cell_type\nc1,x,A\nc2,x,y,B\n", "line 3 has 4 fields, expected 3"),
        ('cell,note,cell_type\nc1,"x, y",A\nc2,"3 prime,B\n', "line 2 has 4 fields, expected 3"),
    ],
)
def test_rows_of_another_length(tmp_path, text, sentence):
    (tmp_path / "cells.csv").write_text(text)
    with pytest.raises(InputError, match=f"cells.csv: {sentence}"):
        read_cells(tmp_path / "cells.csv")


@pytest.mark.parametrize(
    ("header", "columns"),
    [("note,cell_type", ["cell", "note", "cell_type"]), ("cell,cell_type", ["row.names", "cell", "cell_type"])],
)  # fmt: skip
def test_row_names_of_r_are_the_first_column(tmp_path, header, columns):
    (tmp_path / "cells.csv").write_text(f'{header}\n"c1",x,A\n"c2",y,B\n')
    table = read_cells(tmp_path / "cells.csv")
    assert table.columns.tolist() == columns
    assert table.to_numpy().tolist() == [["c1", "x", "A"], ["c2", "y", "B"]]


def with_barcodes(inputs, names=CELLS):
    path = inputs.matrix.with_name("barcodes.tsv")
    path.write_text("\n".join(names) + "\n")
    return replace(inputs, barcodes=gzipped(path))


ORDER = [*CELLS[::-1], "other", "another"]
ORDERED_TYPES = [*TYPES[::-1], "A", "D"]
JOINED = {
    "mtx": lambda f: with_barcodes(mtx_inputs(f, cells=ORDER, types=ORDERED_TYPES)),
    "mtx-cells-x-peaks": lambda f: with_barcodes(
        replace(mtx_inputs(f, cells=ORDER, types=ORDERED_TYPES), matrix=transposed(f / "t").matrix)
    ),
    "dgcmatrix": lambda f: rds_inputs(f, cells=ORDER, types=ORDERED_TYPES),
    "seurat": lambda f: seurat_inputs(
        f, cells=ORDER, types=factor([None if t == "NA" else t for t in ORDERED_TYPES], ["A", "B", "C", "D"])
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", JOINED)
def test_cells_are_joined_by_name(tmp_path, caplog, form):
    caplog.set_level("INFO", "genebert")
    (tmp_path / "t").mkdir()
    matrix = read_matrix(settings_of(JOINED[form](tmp_path)))
    assert matrix.cell_types.tolist() == [None if name == "NA" else name for name in TYPES]
    assert len(matrix.regions) == 8
    assert caplog.text.count("2 rows left out, for cells that ") == 1


@pytest.mark.parametrize("header", ["barcode\tlibrary\tcell_type", "library\tcell\tcell_type"])
def test_names_of_cells_stand_in_the_first_column_unless_one_is_called_cell(tmp_path, header, caplog):
    caplog.set_level("INFO", "genebert")
    inputs = with_barcodes(mtx_inputs(tmp_path))
    columns = (CELLS, "x" * 9, TYPES) if header.startswith("barcode") else ("x" * 9, CELLS, TYPES)
    rows = ["\t".join(row) for row in zip(*columns, strict=True)][::-1]
    inputs.cells.write_text("\n".join([header, *rows]) + "\n")
    assert read_matrix(settings_of(inputs)).cell_types.tolist() == [None if name == "NA" else name for name in TYPES]
    assert "left out" not in caplog.text


@pytest.mark.parametrize(
    ("columns", "name", "found"),
    [
        (["depth", "cell_type_4", "cell_type_3", "cell_type_2", "cell_type"], "cell_types",
         r"; nearest: cell_type, cell_type_\d, cell_type_\d; its columns are depth, cell_type_4"),
        (["celltype_annotation_l1", "depth"], "cell_type", "; nearest: celltype_annotation_l1; its"),
        ([7, "depth"], "cell_type", "; its columns are 7, depth$"),
    ],
)  # fmt: skip
def test_the_three_nearest_columns_are_named(columns, name, found):
    with pytest.raises(InputError, match=f"^x: no column '{name}' to group cells by{found}"):
        require_column(columns, name, "x")


def test_without_barcodes_the_order_of_the_matrix_counts(tmp_path):
    inputs = mtx_inputs(tmp_path, cells=CELLS[::-1])
    assert read_matrix(settings_of(inputs)).cell_types.tolist() == [None if name == "NA" else name for name in TYPES]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([*CELLS[:8], "x"], "cells.tsv: 1 of the 9 cells of .*barcodes.tsv.gz are missing from its column 'cell'"),
        ([*CELLS[:8], "cell0"], "barcodes.tsv.gz: cell 'cell0' comes more than once"),
        (CELLS[:8], "barcodes.tsv.gz: 8 cells, but .* is 8 x 9; expected 9 cells"),
    ],
)
def test_barcodes_that_do_not_fit(tmp_path, names, sentence):
    with pytest.raises(InputError, match=sentence):
        read_matrix(settings_of(with_barcodes(mtx_inputs(tmp_path), names)))


@pytest.mark.parametrize("form", ["dgcmatrix", "seurat"])
def test_cell_names_of_a_matrix_that_are_not_unique(tmp_path, form):
    matrix = rds_matrix(columns=[*CELLS[:8], "cell0"])
    inputs = rds_inputs(tmp_path, matrix) if form == "dgcmatrix" else seurat_inputs(tmp_path, matrix=matrix)
    with pytest.raises(InputError, match=r"RDS: cell 'cell0' comes more than once; expected names that tell"):
        read_matrix(settings_of(inputs))


def test_only_matrix_market_has_barcodes_in_a_file(tmp_path):
    with pytest.raises(InputError, match=r"accessibility.barcodes: found .* but only accessibility.format mtx reads"):
        settings_of(replace(rds_inputs(tmp_path), barcodes=tmp_path / "b.tsv"))
