"""Numbers of a run on its page: models, and what is best of each kind."""

import copy
import json

from page_inputs import MODEL, PROMOTER, ROOT, predictions, write_fit

from genebert.report.page.facts import GROUPS, baseline_rows, model_rows
from genebert.report.page.fits import read_fits
from genebert.report.tables.paper import read_paper


def test_a_model_is_told_with_its_filters(tmp_path):
    with_filters = copy.deepcopy(MODEL)
    with_filters["settings"]["sequence_encoder"]["convolution"] = {"filters": 256, "width": 19}
    paths = []
    for name, model in (("genebert", MODEL), ("genebert-conv", with_filters)):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "model.json")
        paths[-1].write_text(json.dumps(model))
    plain, more = model_rows(paths)
    assert more[1] == f"{plain[1]}, 256 filters of 19 bases"
    assert plain[2:] == more[2:]


def test_a_model_with_filters_is_not_told_as_the_papers(tmp_path):
    """However good it is: the column is of GeneBERT, and the paper's network has none."""
    shifts = {"kmer-logreg": 1.0, "genebert": 0.5, "genebert-conv": 3.0, "dnabert": 0.2, "dnabert-conv": 3.0,
              "genebert-conv-regression": 3.0}  # fmt: skip
    paths = [write_fit(tmp_path, model, 0, predictions(shift, 0)) for model, shift in shifts.items()]
    papers = {1: read_paper(ROOT / "config/paper/table1.tsv")}
    (row,) = baseline_rows(papers, read_fits(paths), ["kmer-logreg"])
    assert row[0] == PROMOTER
    best = [value.split(" ")[0] for value in row[2 : 3 + len(GROUPS)]]
    assert best == ["kmer-logreg", "-", "dnabert", "genebert"]
