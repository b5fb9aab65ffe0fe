"""Table 2's block of sites that pre-training has read."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from table_inputs import check_latex, render, score, shown, unavailable, write_score

from genebert.errors import InputError
from genebert.report.tables.render import Read

SET = "tfbs/CTCF_K562"
ROWS = {SET: {"pwm": ["pwm"], "genebert": ["genebert", "genebert@43"], "cnn": ["cnn"]}}
LABEL = np.repeat([1, 0], 40)
SITES = {
    "data_set": SET, "n_test": 80, "read": list(range(20)), "others": list(range(20, 40)),
    "regions": {"number": 4032, "bases": 407_232, "region_bp": 101},
}  # fmt: skip


@pytest.fixture
def paper(root):
    return root / "config" / "paper" / "table2.tsv"


@pytest.fixture
def sites(tmp_path):
    def write(**changes):
        path = tmp_path / "sites_read.json"
        path.write_text(json.dumps(SITES | changes))
        return Read(sites=[path])

    return write


@pytest.fixture
def predicted():
    """Model -> scores of the test examples, one array a seed; GeneBERT's are higher at sites that it has read."""
    rng = np.random.default_rng(0)
    found = {name: [rng.normal(size=80) + LABEL for _ in range(2)] for name in ("genebert", "genebert@43")}
    for scores in found.values():
        for one in scores:
            one[:20] += 2
    return found | {"pwm": [np.linspace(0, 1, 80)] * 2}


@pytest.fixture
def scores(tmp_path, predicted):
    paths = [write_score(tmp_path, unavailable("cnn", 0, "lost", SET))]
    for name, fits in predicted.items():
        for seed, values in enumerate(fits):
            record = {"model_record": {"seed": 43 if "@" in name else 42}} if name != "pwm" else {}
            path = write_score(tmp_path, score(name, seed, 0.9, SET, deterministic=name == "pwm", **record))
            pd.DataFrame({"label": LABEL, "score": values}).to_parquet(path.with_suffix(".parquet"))
            paths.append(path)
    return paths


def test_both_parts_against_all_negatives(tmp_path, paper, scores, sites, predicted):
    blocks, text, csv = render(tmp_path, paper, scores, ROWS, 2, read=sites())
    assert [block.name for block in blocks] == ["main", "further", "sites-read"]
    block = blocks[-1]
    assert shown(block, "Model") == ["pwm", "genebert"]  # what cannot be had has no sites
    assert shown(block, "Sites", "Sites that were read") == ["20", "20"]
    assert shown(block, "Sites", "Other sites") == ["20", "20"]
    fits = [one for name in ("genebert", "genebert@43") for one in predicted[name]]
    negative = np.arange(40, 80)
    aucs = {}
    for part in ("read", "others"):
        rows = np.append(SITES[part], negative)
        aucs[part] = [roc_auc_score(LABEL[rows], one[rows]) for one in fits]
    csv = csv[csv["dataset"] == SET].set_index("model")
    row = csv.loc["genebert"]
    for part, values in aucs.items():
        assert row[f"auc_{part}_mean"] == pytest.approx(np.mean(values))
        assert row[f"auc_{part}_sd"] == pytest.approx(np.std(values, ddof=1))
    assert row["auc_read_difference"] == pytest.approx(np.mean(aucs["read"]) - np.mean(aucs["others"]))
    assert 0 < row["auc_read_low"] < row["auc_read_difference"] < row["auc_read_high"]
    assert shown(block, "AUC", "Other sites")[0] == "0.000 ± 0.000"  # ranked the wrong way
    assert pd.isna(csv.loc["cnn", "auc_read_difference"])
    assert "4,032 regions, the middle 101 bases of each, 407,232 different bases" in text["md"]
    check_latex(text["tex"])


def test_nothing_to_tell_apart(tmp_path, paper, scores, sites):
    assert len(render(tmp_path, paper, scores, ROWS, 2, read=sites(read=[], others=[]))[0]) == 2
    blocks, _, csv = render(tmp_path, paper, scores, ROWS, 2, read=sites(read=[], others=list(range(40))))
    assert shown(blocks[-1], "Sites", "Sites that were read") == ["0", "0"]
    assert shown(blocks[-1], "95 %") == shown(blocks[-1], "Difference") == ["-", "-"]
    assert csv["n_others"].dropna().tolist() == [40, 40]
    assert "n_others" not in render(tmp_path, paper, scores, ROWS, 2)[2]


def test_few_sites_have_no_interval(tmp_path, paper, scores, sites):
    few = sites(read=list(range(19)), others=list(range(19, 40)))
    blocks, text, _ = render(tmp_path, paper, scores, ROWS, 2, read=few)
    assert set(shown(blocks[-1], "95 %")) == {"-"} and "-" not in shown(blocks[-1], "Difference")
    assert "none with fewer than 20 sites in a part" in text["md"]


@pytest.mark.parametrize(
    "changes",
    [
        {"read": None},
        {"others": [100]},
        {"others": [-5]},
        {"others": [3]},
        {"read": ["1"]},
        {"regions": {}},
        {"data_set": 1},
    ],
)
def test_a_file_that_does_not_say_it(tmp_path, paper, scores, sites, changes):
    with pytest.raises(
        InputError, match=r"sites_read\.json: does not say which sites were read; expected what the rule"
    ):
        render(tmp_path, paper, scores, ROWS, 2, read=sites(**changes))


def test_a_data_set_of_another_table_is_left_out(tmp_path, paper, scores, sites):
    assert len(render(tmp_path, paper, scores, ROWS, 2, read=sites(data_set="tfbs/other"))[0]) == 2


def test_predictions_that_do_not_fit(tmp_path, paper, scores, sites):
    with pytest.raises(InputError, match=r"parquet: 80 predictions are not of the 81 test examples of tfbs/CTCF_K562"):
        render(tmp_path, paper, scores, ROWS, 2, read=sites(n_test=81))
    with pytest.raises(InputError, match=r"parquet: 80 predictions are not of the 80 .* sites where they have them"):
        render(tmp_path, paper, scores, ROWS, 2, read=sites(read=[70]))
    path = scores[-1].with_suffix(".parquet")
    table = pd.read_parquet(path)
    for column, value, sentence in (
        ("score", np.nan, r"pwm-1\.parquet: 1 of 80 scores are not finite"),
        ("label", 1, r"labels are not those of .*pwm-0\.json; expected one test set"),
    ):
        table.assign(**{column: table[column].where(table.index != 60, value)}).to_parquet(path)
        with pytest.raises(InputError, match=sentence):
            render(tmp_path, paper, scores, ROWS, 2, read=sites())
    path.unlink()
    with pytest.raises(InputError, match=r"pwm-1\.parquet: cannot be read \(no such file\)"):
        render(tmp_path, paper, scores, ROWS, 2, read=sites())
