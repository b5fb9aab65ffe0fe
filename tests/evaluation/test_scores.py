"""Score files, and the kind of task that fills them."""

import numpy as np
import pandas as pd
import pytest
from method_inputs import NAMES

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Scored
from genebert.evaluation.kinds.registry import kind_of
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.evaluation.metrics import classification_metrics, threshold_from_validation, threshold_metrics
from genebert.evaluation.scores import Outcome, read_score, write_score, write_unavailable

TWO = TwoClass({})


def noisy(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(n) % 2)
    return label, 1 / (1 + np.exp(-(label - 0.5 + rng.normal(size=n))))


def scored(label: np.ndarray, score: np.ndarray, left_out: int = 0) -> Scored:
    return Scored(Examples(pd.DataFrame({"label": label}), left_out=left_out), score)


def written(folder, **changes):
    label, score = noisy(80, 8)
    outcome = {
        "valid": scored(label, score),
        "test": scored(label[::-1], score[::-1] / 2),
        "deterministic": False,
        "record": {"settings": {"x": 1}, "data_sha256": {"test": "abc"}},
        "seconds": 1.26,
    } | changes
    return write_score(folder / "s.json", Outcome(names=NAMES, seed=3, kind=TWO, **outcome)), outcome


def test_score_file_holds_metrics_at_both_thresholds_and_the_predictions(tmp_path):
    score, outcome = written(tmp_path)
    assert score == read_score(tmp_path / "s.json")
    test_label, test_score = outcome["test"].examples.labels, outcome["test"].scores
    valid_label, valid_score = outcome["valid"].examples.labels, outcome["valid"].scores
    assert score["metrics"] == classification_metrics(test_label, test_score)
    assert score["metrics"]["collapsed"]  # halved scores stay below 0.5
    threshold = threshold_from_validation(valid_label, valid_score)
    assert score["metrics_at_validation_threshold"] == threshold_metrics(test_label, test_score, threshold)
    assert score["validation"].keys() == {"roc_auc", "auprc", "n", "n_positive"}
    assert score["validation"]["roc_auc"] == classification_metrics(valid_label, valid_score)["roc_auc"]
    assert {key: score[key] for key in ("task", "dataset", "model", "seed", "deterministic", "settings")} == {
        **NAMES, "seed": 3, "deterministic": False, "settings": {"x": 1}
    }  # fmt: skip
    table = pd.read_parquet(tmp_path / "s.parquet")
    assert table.dtypes.astype(str).to_dict() == {"label": "int8", "score": "float64"}
    assert table["score"].tolist() == test_score.tolist() and table["label"].tolist() == test_label.tolist()


def test_score_file_holds_the_wall_time_and_what_other_test_sets_gave(tmp_path):
    label, predicted = noisy(60, 9)
    score, _ = written(tmp_path)
    assert score["seconds"] == 1.3 and "transfer" not in score
    others = {"CTCF_BE(2)-C_CTCF_UW": scored(label, predicted, 7), "b": scored(1 - label, predicted)}
    score, _ = written(tmp_path, transfer=others)
    assert score == read_score(tmp_path / "s.json")
    assert list(score["transfer"]) == ["CTCF_BE(2)-C_CTCF_UW", "b"]
    found = score["transfer"]["CTCF_BE(2)-C_CTCF_UW"]
    assert found == {"metrics": classification_metrics(label, predicted), "left_out": 7}
    assert score["transfer"]["b"]["metrics"]["roc_auc"] == pytest.approx(1 - found["metrics"]["roc_auc"])
    with pytest.raises(InputError, match="60 positives and 0 negatives"):
        written(tmp_path, transfer={"b": scored(np.ones(60), predicted)})


def test_score_file_is_the_same_each_time(tmp_path):
    files = [tmp_path / "s.json", tmp_path / "s.parquet"]
    written(tmp_path)
    first = [path.read_bytes() for path in files]
    written(tmp_path)
    assert [path.read_bytes() for path in files] == first


def test_unfit_scores_leave_no_file(tmp_path):
    label, score = noisy(80, 8)
    score[4] = np.nan
    with pytest.raises(InputError, match="1 of 80 scores are not finite"):
        written(tmp_path, valid=scored(label, label.astype(float)), test=scored(label, score))
    assert not list(tmp_path.iterdir())


def test_unavailable_model(tmp_path):
    write_unavailable(tmp_path / "s.json", NAMES, 0, "weights need a login", TWO)
    assert read_score(tmp_path / "s.json") == {**NAMES, "seed": 0, "unavailable": "weights need a login"}
    table = pd.read_parquet(tmp_path / "s.parquet")
    assert len(table) == 0 and table.dtypes.astype(str).to_dict() == {"label": "int8", "score": "float64"}
    write_unavailable(tmp_path / "t.json", NAMES, 0, "weights need a login")
    assert read_score(tmp_path / "t.json") == read_score(tmp_path / "s.json")
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a score file; expected an object"),
        ('{"task": "t", "dataset": "d", "model": "m"}', "the key 'seed' is missing"),
        ('{"task": "t", "dataset": "d", "model": "m", "seed": 0}', "the key 'deterministic' is missing"),
        (
            '{"task": "t", "dataset": "d", "model": "m", "seed": 0, "deterministic": true, "metrics": {}}',
            "the key 'metrics.n' is missing",
        ),
    ],
)
def test_bad_score_file(tmp_path, text, message):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_score(tmp_path / "s.json")


# ------------------------------------------------------------------------------------------------------ kinds


def test_the_card_names_the_kind():
    assert type(kind_of({"kind": "two-class"}, "card.json")) is TwoClass
    assert type(kind_of({}, "card.json")) is TwoClass  # cards from before there were kinds
    with pytest.raises(InputError, match=r"card\.json: found the kind 'ranking', expected one of two-class"):
        kind_of({"kind": "ranking"}, "card.json")


@pytest.mark.parametrize(("labels", "message"), [([1, 1], "2 positives and 0 negatives"), ([1, 5], "label 5 found")])
def test_bad_labels_of_two_classes(labels, message):
    with pytest.raises(InputError, match=f"^here: {message}"):
        TWO.check(np.array(labels), "here")


def test_kinds_are_known_without_torch():
    """Programs that only name kinds and methods need not wait for it."""
    import subprocess
    import sys

    code = (
        "import sys, genebert.evaluation.kinds.registry, genebert.methods.registry, genebert.methods.run\n"
        "assert not {'torch', 'sklearn', 'transformers'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
