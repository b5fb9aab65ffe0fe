"""Learning curves: points from score files, and their picture."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Scored
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.evaluation.scores import Outcome, write_score, write_unavailable
from genebert.report import pictures
from genebert.report.learning_curve import COLOURS, collect_points, plot_learning_curve, write_learning_curve

NAMES = {"task": "tfbs", "dataset": "CTCF(A)"}


def score_file(folder, model, n_train, seed, shift=1.0, **names):
    """Write a score file with random scores, better with more examples."""
    path = folder / f"{model}-{n_train}-{seed}.json"
    rng = np.random.default_rng((n_train, seed))
    label = np.arange(60) % 2
    score = 1 / (1 + np.exp(-shift * (rng.normal(size=60) + label * np.log10(n_train))))
    scored = Scored(Examples(pd.DataFrame({"label": label})), score)
    names = {**NAMES, "model": model, **names}
    write_score(path, Outcome(names, seed, TwoClass({}), scored, scored, False, {"n_train": n_train}, 1.0))
    return path


@pytest.fixture
def paths(tmp_path):
    return [
        score_file(tmp_path, model, n, seed)
        for model in ("genebert", "from-scratch")
        for n in (20, 100, 500)
        for seed in (0, 1)
    ]


def unavailable(folder):
    path = folder / "dnabert.json"
    write_unavailable(path, {**NAMES, "model": "dnabert"}, 0, "no weights")
    return path


def texts(folder, points, notes=()):
    """Return the texts of a picture; letters are kept as text for this."""
    style = pictures.STYLE
    pictures.STYLE = style | {"svg.fonttype": "none"}
    try:
        plot_learning_curve(points, folder, "t", "a title", notes)
    finally:
        pictures.STYLE = style
    return re.findall(r"<text[^>]*>([^<]*)</text>", (folder / "t.svg").read_text())


def test_points_are_those_of_the_score_files(paths):
    points = collect_points(paths)
    assert list(points) == [
        "model", "n_train", "pretraining", "seed", "roc_auc", "auprc", "mcc", "collapsed", "unavailable",
    ]  # fmt: skip
    assert len(points) == len(paths)
    for path, row in zip(paths, points.itertuples(), strict=True):
        score = json.loads(path.read_text())
        assert (row.model, row.n_train, row.seed) == (score["model"], score["n_train"], score["seed"])
        assert (row.roc_auc, row.auprc, row.mcc) == tuple(
            score["metrics"][name] for name in ("roc_auc", "auprc", "mcc")
        )
        assert row.collapsed == score["metrics"]["collapsed"]


def test_several_pretrainings_are_one_line(tmp_path, paths):
    further = score_file(tmp_path, "genebert@43", 20, 0)
    score = json.loads(further.read_text())
    further.write_text(json.dumps(score | {"model_record": {"seed": 43}}))
    points = collect_points([*paths, further], {"genebert": ["genebert", "genebert@43"]})
    assert set(points["model"]) == {"genebert", "from-scratch"}
    same = points[(points["model"] == "genebert") & (points["n_train"] == 20) & (points["seed"] == 0)]
    assert same["pretraining"].tolist()[-1] == 43 and len(same) == 2
    both = collect_points([*paths, further], {"genebert": ["genebert", "genebert@43"], "genebert@43": ["genebert@43"]})
    assert (both["model"] == "genebert@43").sum() == 1 and len(both) == len(points) + 1
    with pytest.raises(InputError, match="genebert@43, 20 examples, seed 0 as in"):
        collect_points([*paths, further, further])


def test_written_files(paths, tmp_path):
    """A changed score file changes the values; the same files give the same bytes."""
    folders = [tmp_path / "first", tmp_path / "second", tmp_path / "third"]
    for folder in folders[:2]:
        write_learning_curve([*paths, unavailable(tmp_path)], folder, "curve", "CTCF", "run demo (toy)")
    for suffix in ("svg", "png", "csv"):
        first, second = (folder / f"curve.{suffix}" for folder in folders[:2])
        assert first.read_bytes() == second.read_bytes()
    table = pd.read_csv(folders[0] / "curve.csv")
    assert table["model"].tolist() == ["dnabert"] + ["from-scratch"] * 6 + ["genebert"] * 6
    assert table["n_train"].tolist()[1:7] == [20, 20, 100, 100, 500, 500] and np.isnan(table["n_train"][0])
    score = json.loads(paths[0].read_text())
    score["metrics"]["roc_auc"] = 0.123
    paths[0].write_text(json.dumps(score))
    write_learning_curve(paths, folders[2], "curve", "CTCF", "run demo (toy)")
    assert 0.123 in pd.read_csv(folders[2] / "curve.csv")["roc_auc"].tolist()
    assert (folders[2] / "curve.png").read_bytes() != (folders[0] / "curve.png").read_bytes()


def test_sizes_beyond_what_there_is_are_said(paths, tmp_path):
    """In the picture and in the csv file; where nothing else is asked for, in the error, with the key."""
    beyond = []
    for n in (1000, 2000):
        beyond.append(tmp_path / f"beyond{n}.json")
        write_unavailable(beyond[-1], {**NAMES, "model": "genebert", "n_train": n}, 0, "only 990 training examples")
    points = collect_points([*paths, *beyond])
    found = texts(tmp_path, points)
    assert "left out: 1,000, 2,000 (only 990 training examples)" in found
    assert not any("cannot be had" in text for text in found) and "1,000" not in found
    write_learning_curve([*paths, *beyond], tmp_path, "curve", "CTCF", "run demo (toy)")
    table = pd.read_csv(tmp_path / "curve.csv")
    last = table[table["n_train"] > 500]
    assert last["n_train"].tolist() == [1000, 2000] and last["roc_auc"].isna().all()
    assert set(last["unavailable"]) == {"only 990 training examples"}
    with pytest.raises(InputError, match=r"learning_curves: none of 2 .* \(left out: 1,000, 2,000 \(only 990"):
        plot_learning_curve(collect_points(beyond), tmp_path, "t", "a title")


def test_picture_says_what_it_shows(paths, tmp_path):
    found = texts(tmp_path, collect_points([*paths, unavailable(tmp_path)]), ["run demo (toy)"])
    assert {"a title", "run demo (toy)", "genebert", "from-scratch", "cannot be had: dnabert"} <= set(found)
    assert {"20", "100", "500", "labelled training examples", "AUC on the test set"} <= set(found)
    assert not any("crosses" in text for text in found)


def line_of_first_model(folder, low, high):
    """Return the path of the line of a model with two seeds at 10 examples; another model fixes the scale."""
    points = pd.DataFrame(
        {"model": ["a", "a", "a", "b", "b"], "n_train": [10, 10, 100, 10, 10], "seed": [0, 1, 0, 0, 1],
         "roc_auc": [low, high, 0.9, 0.65, 0.95], "auprc": 0.5, "mcc": 0.0, "collapsed": False,
         "unavailable": None}
    )  # fmt: skip
    plot_learning_curve(points, folder, "t", "a title")
    paths = re.findall(r'<path d="([^"]+)" clip-path="[^"]+" style="fill: none; stroke: ([^;"]+)', read(folder))
    (line,) = [path for path, colour in paths if colour == COLOURS[0]]
    return line


def read(folder):
    return (folder / "t.svg").read_text()


def test_lines_are_means_over_seeds(tmp_path):
    line = line_of_first_model(tmp_path, 0.7, 0.8)
    assert len(re.findall("[ML]", line)) == 2
    assert "chance" not in read(tmp_path)
    assert line_of_first_model(tmp_path, 0.72, 0.78) == line
    assert line_of_first_model(tmp_path, 0.7, 0.78) != line


def test_collapsed_seeds_are_crosses(tmp_path):
    files = [score_file(tmp_path, "m", 20, 0, shift=1e-9), score_file(tmp_path, "m", 20, 1)]
    rows = json.loads(files[0].read_text())
    rows["metrics"]["collapsed"] = True
    files[0].write_text(json.dumps(rows))
    assert "crosses: all scores of the seed on one side of 0.5" in texts(tmp_path, collect_points(files))


def test_the_legend_has_the_order_of_the_lines_right_ends(tmp_path):
    points = pd.DataFrame(
        {"model": ["a", "b", "c", "a", "b", "c"], "n_train": [10] * 3 + [100] * 3, "seed": 0,
         "roc_auc": [0.9, 0.8, 0.5, 0.6, 0.7, 0.8], "auprc": 0.5, "mcc": 0.0, "collapsed": False,
         "unavailable": None}
    )  # fmt: skip
    found = texts(tmp_path, points)
    assert [text for text in found if text in ("a", "b", "c", "chance")] == ["c", "b", "a", "chance"]


def test_bad_score_files(paths, tmp_path):
    for files in ([], [unavailable(tmp_path)]):
        with pytest.raises(InputError, match=f"none of {len(files)} score files of t holds a number"):
            plot_learning_curve(collect_points(files), tmp_path, "t", "a title")
    other = score_file(tmp_path, "other", 20, 0, dataset="CTCF(B)")
    with pytest.raises(InputError, match=r"other-20-0\.json: scores of tfbs/CTCF\(B\), but .*; expected one data set"):
        collect_points([*paths, other])
    with pytest.raises(InputError, match=r"genebert, 20 examples, seed 0 as in .*-20-0.json; expected each once"):
        collect_points([*paths, paths[0]])
    score = json.loads(paths[1].read_text())
    for change, sentence in (
        ({"n_train": None}, "has no value 'n_train'; expected a score file of a fitted model"),
        ({"metrics": {**score["metrics"], "mcc": None}}, "has no value 'mcc'"),
    ):
        paths[1].write_text(json.dumps(score | change))
        with pytest.raises(InputError, match=sentence):
            collect_points(paths)
    paths[1].write_text("{}")
    with pytest.raises(InputError, match="not a score file"):
        collect_points(paths)
