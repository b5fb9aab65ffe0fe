"""The lines of the page on what is specific to cell types, from the extended table's numbers."""

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


def lines_of(folder, found):
    """Return the lines of the summary that a file with these numbers makes."""
    path = folder / "cell_accessibility.json"
    path.write_text(json.dumps(found))
    return cell_type_lines([str(path)])


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.036, 0.082, HOLDS), (-0.01, 0.08, OPEN), (-0.09, -0.01, FAILS), (None, None, OPEN)]
)
def test_the_verdict_is_that_of_the_gain_over_composition(tmp_path, low, high, verdict):
    (line,) = lines_of(tmp_path, about(low, high))
    assert line.verdict == verdict and line.simple == "composition 0.078"
    assert "0.137 from composition-motifs: +0.060 beyond composition" in line.found
    assert "mean over 2 types; E_reg of genebert 0.050" in line.found and "the same in every cell" in line.why
    assert [row[0] for row in line.details] == ["composition", "motifs", "composition-motifs", "E_reg of genebert"]
    assert line.details[0][3:] == ["-", "-", "-"] and line.details[3][5] == FAILS
    assert all(len(row) == len(line.heads) for row in line.details)


def with_models(low=0.010, high=0.044):
    """Return the same with GeneBERT's states beside those of masked k-mers and k-mers counted."""
    found = about(0.036, 0.082)
    found["rows"] |= {
        "kmers": {"specific": {"value": 0.125}},
        "E_seq of dnabert": {"specific": {"value": 0.103, "pretrainings": {"42": 0.103}}},
        "E_seq of genebert": {"specific": {"value": 0.130, "pretrainings": {"42": 0.126, "43": 0.13, "44": 0.134}}},
    }
    gain = {"gain": 0.027, "gain_low": low, "gain_high": high}
    level = {"gain": 0.0, "gain_low": -0.008, "gain_high": 0.008}
    found["between"] = [
        {"row": "E_seq of genebert", "than": "E_seq of dnabert"} | gain,
        {"row": "E_seq of dnabert", "than": "kmers"} | {"gain": None, "gain_low": None, "gain_high": None},
        {"row": "E_seq of genebert", "than": "kmers"} | level,
        {"row": "E_seq of genebert", "than": "motifs"} | level,
    ]
    return found


@pytest.mark.parametrize(("low", "high", "verdict"), [(0.010, 0.044, HOLDS), (-0.01, 0.05, OPEN), (-0.2, -0.1, FAILS)])
def test_what_pretraining_with_the_matrix_teaches_is_judged_beside_masked_kmers(tmp_path, low, high, verdict):
    _, line, _ = lines_of(tmp_path, with_models(low, high))
    assert line.verdict == verdict and line.simple == "kmers 0.125, motifs 0.137"
    assert "0.130 from E_seq of genebert, 0.103 from E_seq of dnabert: +0.027" in line.found
    assert line.found.endswith("pre-trainings: 3 and 1")
    assert line.why.endswith("; beyond kmers 0.000 (-0.008 to +0.008); beyond motifs 0.000 (-0.008 to +0.008)")
    assert [row[:2] for row in line.details][1] == ["E_seq of dnabert", "kmers"] and line.details[1][2] == "-"
    assert all(len(row) == len(line.heads) for row in line.details)


def test_no_table_no_line():
    assert cell_type_lines([]) == []


def test_without_features_of_the_matrix_nothing_is_said_of_it(tmp_path):
    found = with_models()
    found["rows"] = {name: row for name, row in found["rows"].items() if "motifs" not in name}
    line, beyond = lines_of(tmp_path, found)
    assert line.name == "cell-types-learnt" and line.simple == beyond.simple == "kmers 0.125"
    assert "motifs" not in beyond.why


@pytest.mark.parametrize(("low", "high", "verdict"), [(0.002, 0.01, HOLDS), (-0.008, 0.018, OPEN), (-0.2, -0.1, FAILS)])
def test_whether_that_is_more_than_kmers_counted_is_a_line_of_its_own(tmp_path, low, high, verdict):
    found = with_models()
    found["between"][2] |= {"gain": 0.004, "gain_low": low, "gain_high": high}
    *_, line = lines_of(tmp_path, found)
    assert line.name == "cell-types-kmers" and line.verdict == verdict
    assert "0.130 from E_seq of genebert, 0.125 from kmers: +0.004" in line.found
    assert line.found.endswith("pre-trainings: 3") and line.why.endswith("; beyond motifs 0.000 (-0.008 to +0.008)")
    assert [row[1] for row in line.details] == ["E_seq of dnabert", "kmers", "motifs"]
    found["between"].pop(2)
    assert [line.name for line in lines_of(tmp_path, found)] == ["cell-types", "cell-types-learnt"]


def test_the_order_of_models_does_not_matter_and_single_pretrainings_tell_nothing(tmp_path):
    found = with_models()
    found["between"][0] = {"row": "E_seq of dnabert", "than": "E_seq of genebert", "gain": -0.027, "gain_low": -0.044,
                           "gain_high": -0.010}  # fmt: skip
    _, line, _ = lines_of(tmp_path, found)
    assert "dnabert: +0.027 (+0.010 to +0.044)" in line.found and line.verdict == HOLDS
    found["rows"]["E_seq of genebert"]["specific"]["pretrainings"] = {"42": 0.130}
    _, line, _ = lines_of(tmp_path, found)
    assert line.found.endswith("pre-trainings: 1 and 1") and line.verdict == OPEN


@pytest.mark.parametrize("content", [{}, {"cell_types": [], "rows": {"motifs": {"specific": {"value": 1}}}}, []])
def test_other_files_are_one_sentence(tmp_path, content):
    sentence = r"cell_accessibility\.json: has no rows of composition; expected what predict_accessibility writes$"
    with pytest.raises(InputError, match=sentence):
        lines_of(tmp_path, content)


def test_the_page_has_the_line_its_rule_and_its_file(tmp_path):
    folder, files, run = make_page_run(tmp_path)
    path = folder / "tables/cell_accessibility.json"
    path.write_text(json.dumps(about(0.036, 0.082)))
    before = write_page(folder, files, run)
    path.write_text(json.dumps(with_models()))
    both = write_page(folder, replace(files, cell_types=[str(path)]), run)
    assert len(both["lines"]) == len(before["lines"]) + 3 and len(both["rule"]) == len(before["rule"]) + 3
    path.write_text(json.dumps(about(0.036, 0.082)))
    values = write_page(folder, replace(files, cell_types=[str(path)]), run)
    assert len(values["lines"]) == len(before["lines"]) + 1 and len(values["rule"]) == len(before["rule"]) + 1
    text = (folder / "report.html").read_text()
    assert 'id="claim-cell-types"' in text and "beyond composition" in text
    assert "tables/cell_accessibility.json" in (folder / "ro-crate-metadata.json").read_text()
