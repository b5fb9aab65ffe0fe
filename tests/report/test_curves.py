import json
import math
import re

import matplotlib as mpl
import pytest

from genebert.errors import InputError
from genebert.report.curves import chance_floors, plot_curves, read_metrics, write_curves

HEADINGS = ("masked k-mers (MGM)", "segment pairs (NGSP)", "sequence and matrix (SRM)", "schedule")
BEYOND = "SRM beyond composition"


def info(srm="infonce", **more):
    return {"settings": {"losses": {"srm": srm}}, "training": {"batch": 32}, **more}


def record(step, *losses, valid=False):
    """What the loop logs at a step for some of the losses."""
    values = {"step": step, "learning_rate": 1e-3 / step, "gradient_norm": 2.0, "loss": 9.0}
    for name in losses:
        measured = {name: 5 / step, f"{name}_accuracy": 1 - 1 / (step + 1)}
        if name == "srm":
            measured["temperature"] = 0.07 - step / 1e4
        values |= measured
        if valid:
            values |= {f"valid_{key}": value * 1.1 for key, value in measured.items()}
    return values


RECORDS = [record(step, "mgm", "ngsp", "srm", valid=step % 20 == 0) for step in range(10, 70, 10)]


def write(path, records):
    path.write_text("".join(f"{json.dumps(one)}\n" for one in records))
    return path


def drawn(folder, records, floors=None, name="m"):
    """Return the texts and the number of lines of each colour of a picture; letters are kept as text for this."""
    from genebert.report import pictures

    style = pictures.STYLE
    pictures.STYLE = style | {"svg.fonttype": "none"}
    try:
        plot_curves(records, folder, name, "a title", floors or {})
    finally:
        pictures.STYLE = style
    svg = (folder / f"{name}.svg").read_text()
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg), svg


def test_reading_keeps_the_last_record_of_each_step(tmp_path):
    again = {**record(20, "mgm"), "mgm": 0.5}
    path = write(tmp_path / "metrics.jsonl", [record(10, "mgm"), record(20, "mgm"), record(30, "mgm"), again])
    records = read_metrics(path)
    assert [one["step"] for one in records] == [10, 20, 30]
    assert [one["mgm"] for one in records] == [0.5, 0.5, 5 / 30]
    assert records[1] == again


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"metrics\.jsonl: holds no record, as its model was not trained \(steps: 0\); expected at least one"),
        ('{"step": 1}\n{"step": 2', r"metrics\.jsonl, line 2: not valid JSON"),
        ('{"mgm": 2.0}\n', r'metrics\.jsonl, line 1: found \{"mgm": 2\.0\}, expected an object with the key step'),
        ("[1]\n", r"metrics\.jsonl, line 1: found \[1\], expected an object with the key step"),
    ],
)
def test_bad_metrics_are_one_sentence(tmp_path, text, sentence):
    (tmp_path / "metrics.jsonl").write_text(text)
    with pytest.raises(InputError, match=sentence) as error:
        read_metrics(tmp_path / "metrics.jsonl")
    assert "\n" not in str(error.value)


def test_chance():
    floors = chance_floors(info())
    assert floors["ngsp_accuracy"] == {"chance": 0.5}
    assert floors["ngsp"]["chance"] == pytest.approx(0.6931, abs=1e-4)
    assert floors["srm"] == {"chance, 32 samples": pytest.approx(math.log(32))}
    assert floors["srm_accuracy"] == {"chance": 1 / 32}
    assert "srm" not in chance_floors(info(None))
    by_region = info(regions_per_sample=10)
    by_region["settings"]["losses"]["contrast"] = "regions"
    assert chance_floors(by_region)["srm"] == {"chance, 320 regions": pytest.approx(math.log(320))}
    assert chance_floors(by_region)["srm_accuracy"] == {"chance": 1 / 320}


def test_floors_of_the_data_come_from_the_model_record():
    floors = chance_floors(info(floors={"mgm": {"unigram entropy": 8.1}, "ngsp_accuracy": {"GC": 0.65}}))
    assert floors["mgm"] == {"unigram entropy": 8.1}
    assert floors["ngsp_accuracy"] == {"chance": 0.5, "GC": 0.65}


def test_all_panels(tmp_path):
    texts, svg = drawn(tmp_path, RECORDS, chance_floors(info(floors={"mgm": {"unigram entropy": 0.3}})))
    assert set(HEADINGS) | {"a title", "training", "validation", "unigram entropy", "chance, 32 samples"} <= set(texts)
    assert texts.count("loss (nats)") == 3
    assert {"accuracy", "retrieval accuracy", "learning rate", "temperature of SRM"} <= set(texts)
    # broken lines: one for MGM, and loss and accuracy of NGSP and SRM; each once more in the legend of its panel
    assert len(re.findall(r"stroke-dasharray", svg)) == 2 * 5


def test_what_only_validation_measures_has_a_panel(tmp_path):
    records = [
        one | ({"valid_srm_matched": 0.6, "valid_srm_swapped": 0.2} if "valid_srm" in one else {}) for one in RECORDS
    ]
    floors = chance_floors(info(floors={"srm_matched": {"dinucleotides": 0.8}}))
    assert floors["srm_matched"] == {"chance": 0.25, "dinucleotides": 0.8}
    texts, _ = drawn(tmp_path, records, floors)
    assert {BEYOND, "matched retrieval", "retrieval of swapped rows"} <= set(texts)
    assert BEYOND not in drawn(tmp_path, RECORDS, floors)[0]


def test_regression_has_a_squared_error_and_what_is_explained(tmp_path):
    records = [
        {"step": step, "learning_rate": 1e-3, "srm": 1 / step, "valid_srm": 1.0, "valid_srm_explained": -0.1 * step,
         "valid_linear_explained": 0.2, "valid_linear_explained_ctcf": 0.1}
        for step in (1, 2)
    ]  # fmt: skip
    floors = chance_floors(info("regression", floors={"linear_explained": {"dinucleotides": 0.31}}))
    assert floors["srm"] == {"mean of each score": 1.0} and "srm_accuracy" not in floors
    texts, _ = drawn(tmp_path, records, floors)
    assert {"mean squared error", "scores from states", "scores from states (own map)", "dinucleotides"} <= set(texts)
    assert texts.count("variance explained, median motif") == 2 and "retrieval accuracy" not in texts
    assert "loss (nats)" not in texts and any(text.startswith("\u2212") for text in texts)  # shares may be negative


@pytest.mark.parametrize(
    ("losses", "headings"),
    [
        (("mgm",), (0, 3)),
        (("ngsp",), (1, 3)),
        (("srm",), (2, 3)),
        (("mgm", "ngsp"), (0, 1, 3)),
    ],
)
def test_only_panels_of_what_was_recorded(tmp_path, losses, headings):
    texts, _ = drawn(tmp_path, [record(step, *losses) for step in (5, 10)], chance_floors(info()))
    assert [heading for heading in HEADINGS if heading in texts] == [HEADINGS[i] for i in headings]
    assert "training" in texts
    assert "validation" not in texts
    assert ("temperature of SRM" in texts) is ("srm" in losses)


def test_a_metric_that_only_some_records_hold(tmp_path):
    """A batch without masked k-mers logs no MGM loss; validation is rare."""
    records = [record(1, "ngsp"), record(2, "ngsp", "mgm"), record(3, "ngsp", "mgm", valid=True)]
    texts, _ = drawn(tmp_path, records)
    assert {"masked k-mers (MGM)", "validation"} <= set(texts)


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    write(model / "metrics.jsonl", RECORDS)
    (model / "model.json").write_text(json.dumps(info()))
    write_curves(model, tmp_path / "first", "m", "title")
    with mpl.rc_context({"font.size": 20, "lines.linewidth": 9, "svg.hashsalt": None}):
        write_curves(model, tmp_path / "second", "m", "title")
    write(model / "metrics.jsonl", [RECORDS[0] | {"mgm": 1.0}, *RECORDS, RECORDS[2]])  # as after a resumed run
    write_curves(model, tmp_path / "third", "m", "title")
    names = {"m.png", "m.svg"}
    for folder in ("first", "second", "third"):
        assert {path.name for path in (tmp_path / folder).iterdir()} == names
    first, second, third = (
        [(tmp_path / folder / name).read_bytes() for name in sorted(names)] for folder in ("first", "second", "third")
    )
    assert first == second == third
    write(model / "metrics.jsonl", [*RECORDS, RECORDS[2] | {"mgm": 1.0}])
    write_curves(model, tmp_path / "fourth", "m", "title")
    assert (tmp_path / "fourth" / "m.svg").read_bytes() != first[1]
    assert first[0].startswith(b"\x89PNG")
