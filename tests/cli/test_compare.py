"""`genebert compare`: whether two rows of a run differ."""

import json

import pytest
from page_inputs import PROMOTER, predictions, write_fit
from table_inputs import unavailable

from genebert.cli.compare import HIGHER, LOWER, OPEN, compare, render_comparisons
from genebert.cli.main import main


@pytest.fixture
def results(tmp_path):
    """A run with a clear winner, pre-trained twice, a loser and one that is as good as the loser."""
    folder = tmp_path / "results/toy"
    for name, shift, before in (("a", 2.0, 42), ("a@43", 2.1, 43), ("b", 0.5, 42), ("c", 0.5, 42)):
        for seed in range(3):
            table = predictions(shift, seed, 400)
            write_fit(folder, name, seed, table, deterministic=False, model_record={"seed": before})
    for seed in range(3):
        write_fit(folder, "a", seed, predictions(1.0, seed), "tfbs/CTCF", deterministic=False)
    return folder


def test_differences_are_told_by_their_intervals(results):
    one, other = compare(results, "a", ["b", "c"])
    assert (one["dataset"], one["metric"], one["said"]) == (PROMOTER, "AUC", HIGHER)
    assert one["interval"][0] > 0 and one["difference"] == pytest.approx(one["ours"][0] - one["other"][0])
    assert one["pretrainings"] == 2 and other["than"] == "c"
    assert compare(results, "b", ["a"])[0]["said"] == LOWER
    (same,) = compare(results, "b", ["c"])
    assert same["said"] == OPEN and same["difference"] == 0


def test_the_command_prints_a_line_a_data_set(results, capsys):
    assert main(["compare", str(results), "a", "b", "c"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].split()[0] == "data" and lines[1].endswith("0, 1, 2 of 2 pre-trainings  higher")
    assert main(["compare", str(results), "a", "b", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["row"] == "a" and one["than"] == "b"
    assert render_comparisons([one]).splitlines()[1] == lines[1]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a", "d"], "no scores of d; did you mean a or b or c?"),
        (["a@43", "b"], "no scores of a@43"),
    ],
)
def test_rows_that_are_not_there(results, capsys, names, said):
    assert main(["compare", str(results), *names]) == 1
    assert said in capsys.readouterr().err


def test_a_run_that_is_not_there_and_rows_without_a_common_data_set(results, capsys):
    assert main(["compare", str(results / "nothing"), "a", "b"]) == 1
    assert "found no score files, expected those of a run (results/RUN)" in capsys.readouterr().err
    write_fit(results, "e", 0, predictions(1.0, 0), "tfbs/REST")
    assert main(["compare", str(results), "a", "e"]) == 1
    assert "no data set with scores of all of a, e" in capsys.readouterr().err


def test_a_row_that_cannot_be_had(results, capsys):
    folder = results / f"scores/{PROMOTER}/f"
    folder.mkdir()
    (folder / "seed0.json").write_text(json.dumps(unavailable("f", 0, "no weights")))
    assert main(["compare", str(results), "a", "f"]) == 1
    assert "f on promoter/prom-core cannot be had: no weights" in capsys.readouterr().err
