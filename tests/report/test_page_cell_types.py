"""The line of the page on what is specific to cell types, from the extended table's numbers."""

import json
from dataclasses import replace

import pytest
from page_inputs import make_page_run

from genebert.errors import InputError
from genebert.report.page.build import write_page
from genebert.report.page.cell_types import cell_type_lines
from genebert.report.page.verdicts import FAILS, HOLDS, OPEN


def about(low, high):
    composition = {"specific": {"value": 0.078, "low": 0.056, "high": 0.098}}
    both = {"value": 0.137, "low": 0.115, "high": 0.157, "gain": 0.06, "gain_low": low, "gain_high": high}
    encoded = {"value": 0.05, "low": 0.0, "high": 0.1, "gain": -0.03, "gain_low": -0.1, "gain_high": -0.01}
    rows = {
        "training-mean": {"accessibility": {"value": 0.3}},
        "composition": composition,
        "motifs": {"specific": both | {"gain": 0.05}},
        "composition-motifs": {"specific": both},
        "E_reg of genebert": {"specific": encoded},
    }
    return {"cell_types": ["A", "B"], "rows": rows}


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.036, 0.082, HOLDS), (-0.01, 0.08, OPEN), (-0.09, -0.01, FAILS), (None, None, OPEN)]
)
def test_the_verdict_is_that_of_the_gain_over_composition(tmp_path, low, high, verdict):
    path = tmp_path / "cell_accessibility.json"
    path.write_text(json.dumps(about(low, high)))
    (line,) = cell_type_lines([str(path)])
    assert line.verdict == verdict and line.simple == "composition 0.078"
    assert "0.137 from composition-motifs: +0.060 beyond composition" in line.found
    assert "mean over 2 types; E_reg of genebert 0.050" in line.found and "the same in every cell" in line.why
    assert [row[0] for row in line.details] == ["composition", "motifs", "composition-motifs", "E_reg of genebert"]
    assert line.details[0][3:] == ["-", "-", "-"] and line.details[3][5] == FAILS
    assert all(len(row) == len(line.heads) for row in line.details)


def test_no_table_no_line():
    assert cell_type_lines([]) == []


@pytest.mark.parametrize("content", [{}, {"cell_types": [], "rows": {"composition": {"specific": {"value": 1}}}}, []])
def test_other_files_are_one_sentence(tmp_path, content):
    path = tmp_path / "cell_accessibility.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="has no rows of composition and motifs"):
        cell_type_lines([str(path)])


def test_the_page_has_the_line_its_rule_and_its_file(tmp_path):
    folder, files, run = make_page_run(tmp_path)
    path = folder / "tables/cell_accessibility.json"
    path.write_text(json.dumps(about(0.036, 0.082)))
    before = write_page(folder, files, run)
    values = write_page(folder, replace(files, cell_types=[str(path)]), run)
    assert len(values["lines"]) == len(before["lines"]) + 1 and len(values["rule"]) == len(before["rule"]) + 1
    text = (folder / "report.html").read_text()
    assert 'id="claim-cell-types"' in text and "beyond composition" in text
    assert "tables/cell_accessibility.json" in (folder / "ro-crate-metadata.json").read_text()
