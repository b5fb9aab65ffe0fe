"""`genebert compare`: whether two rows of a run differ."""

import json
import shutil

import pytest
from page_inputs import PROMOTER, predictions, write_fit
from table_inputs import hashes, unavailable

from genebert.cli.compare import HIGHER, LOWER, OPEN, as_dicts, compare, render_comparisons
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
    one, other = as_dicts(compare(results, "a", ["b", "c", "b"]))
    assert (one["dataset"], one["metric"], one["said"]) == (PROMOTER, "AUC", HIGHER)
    assert one["interval"][0] > 0 and one["difference"] == pytest.approx(one["ours"][0] - one["other"][0])
    assert one["pretrainings"] == 2 and other["than"] == "c"
    assert as_dicts(compare(results, "b", ["a"]))[0]["said"] == LOWER
    (same,) = as_dicts(compare(results, "b", ["c"]))
    assert same["said"] == OPEN and same["difference"] == 0


def test_the_command_prints_a_line_a_data_set(results, capsys):
    assert main(["compare", str(results), "a", "b", "c"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].split()[0] == "data" and lines[1].endswith("0, 1, 2 of 2 pre-trainings  higher")
    assert main(["compare", str(results), "a", "b", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["row"] == "a" and one["than"] == "b"
    assert render_comparisons(compare(results, "a", ["b"])).splitlines()[1].split()[-1] == "higher"


def test_fits_with_few_labels(results, capsys):
    """Of the learning curves: which labels a seed draws decides here, which the error over seeds holds."""
    for name, kept in (("a", (1.5, 1.6, 1.4)), ("b", (0.2, 0.9, 1.6))):
        for seed, shift in enumerate(kept):
            write_fit(results, name, seed, predictions(shift, seed, 400), deterministic=False, n_train=50)
            for path in (results / f"scores/{PROMOTER}/{name}").glob(f"seed{seed}.*"):
                place = results / f"learning_curves/{PROMOTER}/{name}/n50_{path.name}"
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, place)
    assert main(["compare", str(results), "a", "b", "--labels", "50", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["seeds"] == [0, 1, 2] and one["difference"] > 0.1 and one["said"] == OPEN
    assert one["over_examples"][0] > 0 > one["over_seeds"][0]  # labels decide, not the test set
    assert one["labels"] == 50
    assert main(["compare", str(results), "a", "b", "--labels", "50"]) == 0
    assert f"{PROMOTER}, 50 labels " in capsys.readouterr().out
    assert main(["compare", str(results), "a", "b", "--labels", "200"]) == 1
    assert "learning_curves: found no score files of 200 labels, expected one of 50" in capsys.readouterr().err
    fit = results / f"learning_curves/{PROMOTER}/a"
    for suffix in ("json", "parquet"):
        shutil.copy(fit / f"n50_seed0.{suffix}", fit / f"n200_seed0.{suffix}")
    assert main(["compare", str(results), "a", "b", "--labels", "200"]) == 1
    assert "no scores of b" in capsys.readouterr().err
    shutil.copytree(fit, fit.with_name("c"))
    assert main(["compare", str(results), "a", "c", "--labels", "200"]) == 1
    assert "a/n200_seed0.json: found n_train 50, expected 200 as its place says" in capsys.readouterr().err
    shutil.rmtree(results / "learning_curves")
    assert main(["compare", str(results), "a", "b", "--labels", "50"]) == 1
    assert "expected that of a run's learning curves (results/RUN)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a", "d"], "no scores of d; did you mean a or b or c?"),
        (["a@43", "b"], "found a@43, expected a: a row is compared with all its seeds of pre-training"),
        (["a", "a"], "found a twice, expected two rows"),
    ],
)
def test_rows_that_are_not_there(results, capsys, names, said):
    assert main(["compare", str(results), *names]) == 1
    assert said in capsys.readouterr().err


def test_a_run_that_is_not_there_and_rows_without_a_common_data_set(results, capsys):
    assert main(["compare", str(results / "nothing"), "a", "b"]) == 1
    assert "no such folder, expected that of a run's scores (results/RUN)" in capsys.readouterr().err
    (results / "empty/scores").mkdir(parents=True)
    assert main(["compare", str(results / "empty"), "a", "b"]) == 1
    assert "found no score files, expected those of a run (results/RUN)" in capsys.readouterr().err
    write_fit(results, "e", 0, predictions(1.0, 0), "tfbs/REST")
    assert main(["compare", str(results), "a", "e"]) == 1
    assert "no data set with scores of both a and e; expected at least one" in capsys.readouterr().err


def test_a_row_that_cannot_be_had_is_said_and_the_others_are_compared(results, capsys):
    folder = results / f"scores/{PROMOTER}/f"
    folder.mkdir()
    (folder / "unavailable.json").write_text(json.dumps(unavailable("f", 0, "no weights")))
    write_fit(results, "f", 0, predictions(1.0, 0), "tfbs/CTCF")
    assert main(["compare", str(results), "a", "f"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("f cannot be had: no weights") and lines[2].split()[0] == "tfbs/CTCF"


def test_one_seed_is_json_too(results, capsys):
    write_fit(results, "e", 0, predictions(1.0, 0), "tfbs/REST")
    write_fit(results, "f", 0, predictions(0.5, 0), "tfbs/REST")
    assert main(["compare", str(results), "e", "f", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(name))
    assert one["ours"][1] is None and one["said"] == OPEN


def test_a_further_seed_that_an_equal_entry_names_is_of_the_row(results, capsys):
    """`twin` has the settings of `b`, and names a seed: it is fitted as `twin@43`, itself as `b` (Models.fits_of)."""
    way = {"deterministic": False, "model_sha256": "x"}
    for name, before, rate in (("b", 42, 1e-4), ("twin@43", 43, 1e-4), ("other@44", 44, 1e-3)):
        for seed in range(3):
            record = {"seed": before, "settings": {"losses": {}}}
            more = way | {"model_record": record, "settings": {"learning_rate": rate, "device": name}}
            write_fit(results, name, seed, predictions(0.5, seed, 400), **more)
    assert main(["compare", str(results), "a", "b", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["pretrainings"] == 2 and one["other"][0] == pytest.approx(0.5, abs=0.2)
    assert main(["compare", str(results), "a", "c"]) == 0  # rows that it does not concern are compared
    assert main(["compare", str(results), "a", "other"]) == 1
    assert "found scores of other@44 and none of other; expected those of all its" in capsys.readouterr().err


def test_what_is_left_of_an_earlier_configuration_is_not_averaged(results, capsys):
    way = {"deterministic": False, "model_sha256": "x", "model_record": {"seed": 42}}
    for seed, rate in ((0, 1e-4), (1, 1e-4), (2, 1e-3)):
        write_fit(results, "b", seed, predictions(0.5, seed, 400), settings={"learning_rate": rate}, **way)
    assert main(["compare", str(results), "a", "b"]) == 1
    error = capsys.readouterr().err
    assert "b/seed2.json: settings differ from those of" in error and "what is left of an earlier one" in error
    for seed, weights in ((0, "x"), (1, "x"), (2, "y")):
        write_fit(results, "b", seed, predictions(0.5, seed, 400), **way | {"model_sha256": weights})
    assert main(["compare", str(results), "a", "b"]) == 1
    assert "b/seed2.json: model_sha256 differ" in capsys.readouterr().err


def test_a_row_that_could_not_be_had_once(results):
    folder = results / f"scores/{PROMOTER}/b"
    before = as_dicts(compare(results, "a", ["b"]))
    (folder / "unavailable.json").write_text(json.dumps(unavailable("b", 0, "no weights")))
    assert as_dicts(compare(results, "a", ["b"])) == before


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "b/seed1.parquet").unlink(), "b/seed1.parquet: cannot be read (no such file)"),
        (lambda folder: (folder / "b/seed1.parquet").write_text("x"), "b/seed1.parquet: cannot be read ("),
        (lambda folder: (folder / "b").rename(folder / "d"), "found model 'b', expected 'd' as its place says"),
        (lambda folder: shutil.rmtree(folder / "a"), "found scores of a@43 and none of a; expected those of all its"),
        (lambda folder: changed(folder / "b/seed0.json", seed="a"), "found the seed 'a', expected a whole number"),
        (lambda folder: changed(folder / "b/seed0.json", seed=7), "found seed 7, expected 0 as its place says"),
        (lambda folder: changed(folder / "b/seed0.json", model="z"), "found model 'z', expected 'b' as its place says"),
        (lambda folder: changed(folder / "b/seed0.json", settings=[]), "found settings [], expected an object"),
        (lambda folder: changed(folder / "b/seed0.json", settings=None), "found settings None, expected an object"),
        (
            lambda folder: changed(folder / "b/seed0.json", metrics={"n": 400, "roc_auc": "x"}),
            "found metrics.roc_auc 'x', expected a number",
        ),
        (lambda folder: changed(folder / "b/seed0.json", metrics=5), "the key 'metrics.n' is missing"),
        (lambda folder: changed(folder / "a/seed0.json", metrics={"n": 9}), "a/seed0.json: has no metrics.roc_auc"),
        (lambda folder: of_other_data(folder, train="x"), "b/seed0.json: not fitted to the train examples of"),
        (lambda folder: of_other_data(folder, valid="x"), "b/seed0.json: not validated on the valid examples of"),
        (lambda folder: of_other_data(folder, test="x"), "b/seed0.json: not scored on the test examples of"),
        (lambda folder: changed(folder / "b/seed0.json", data_sha256={}), "; found no hash, expected hash of"),
    ],
)  # fmt: skip
def test_damaged_folders_are_one_sentence(results, capsys, damage, said):
    folder = results / f"scores/{PROMOTER}"
    damage(folder)
    assert main(["compare", str(results), "a", "d" if (folder / "d").exists() else "b"]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def changed(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def of_other_data(folder, **others):
    changed(folder / "b/seed0.json", data_sha256=hashes("prom-core", **others))


def test_others_are_compared_where_they_have_scores(results):
    """`b` has none of the other data set, `d` none of the first."""
    for seed in range(3):
        write_fit(results, "d", seed, predictions(1.0, seed), "tfbs/CTCF", deterministic=False)
    found = [(one["dataset"], one["than"]) for one in as_dicts(compare(results, "a", ["b", "d"]))]
    assert found == [(PROMOTER, "b"), ("tfbs/CTCF", "d")]


def test_all_pre_trainings_of_a_row_are_there(results, capsys):
    folder = results / f"scores/{PROMOTER}/a@43"
    for path in folder.glob("*.json"):
        path.write_text(json.dumps(unavailable("a@43", int(path.stem[-1]), "no memory")))
    assert main(["compare", str(results), "a", "b"]) == 1
    assert "a@43 cannot be had, a can; expected all pre-trainings or none" in capsys.readouterr().err
    for path in folder.glob("*.json"):
        path.unlink()
    assert main(["compare", str(results), "a", "b"]) == 1
    assert "found scores of a and none of a@43; expected those of all" in capsys.readouterr().err
