"""The block `methods`: settings of baselines, checked at the plan and handed to their fits."""

from types import SimpleNamespace

import pytest
from config_inputs import CONFIG, ROOT, problems, run_of

from genebert.methods.base import Method
from genebert.methods.registry import METHODS, find_method
from genebert.run.run import Run
from genebert.settings.load import from_text, merge

SPLICING = {"tasks": {"splicing": {"set": {"table": "table.txt", "split": "gene"}}}}
SMALL = {"spliceai-400": {"epochs": 6, "batch": None}, "splice-trees": {"ratio": 10}}


def asked(method: str, task: str = "splicing", dataset: str = "set") -> SimpleNamespace:
    return SimpleNamespace(method=method, task=task, dataset=dataset)


@pytest.mark.parametrize(
    ("methods", "line"),
    [
        ({"spliceai-40": {}}, "config: methods: unknown baseline spliceai-40; did you mean spliceai-"),
        ({"genebert": {"epochs": 3}}, "config: methods: unknown baseline genebert; expected "),
        ({"finetune": {}}, "config: methods: unknown baseline finetune; expected "),
        ({"spliceai-400": {"epoch": 3}}, "unknown key methods.spliceai-400.epoch; did you mean methods.spliceai-"),
        ({"spliceai-400": {"context": 80}}, "unknown key methods.spliceai-400.context; "),
        ({"spliceai-80": {"epochs": 0}}, "config: methods.spliceai-80.epochs: found 0, expected a whole number"),
        ({"spliceai-80": {"learning_rate": "2e-3"}}, ".learning_rate: found '2e-3', expected a number"),
        ({"cnn": {"width": 10}}, "config: methods.cnn.width: found 10, expected an odd number"),
        ({"splice-pwm": 3}, "config: methods.splice-pwm: found 3, expected a block of keys"),
        ({"kmer-logreg": {"penalty": 1}}, "config: methods.kmer-logreg: found penalty, expected nothing: it has no"),
        ({"pwm": {"release": "JASPAR2020"}}, "methods.pwm: found release, expected nothing: it has no"),
    ],
)  # fmt: skip
def test_what_is_wrong(methods, line):
    (found,) = problems(SPLICING | {"methods": methods})
    assert line in found


def test_all_is_right():
    assert not problems({"methods": {}}) and not problems(SPLICING | {"methods": SMALL | {"kmer-logreg": {}}})
    assert not problems({"methods": {"spliceai-400": None}})  # an overlay's way to remove an entry


def test_fits_get_their_own_settings():
    run = run_of(SPLICING | {"methods": SMALL})
    for name in ("spliceai-400", "splice-trees"):
        assert run.fit_job(asked(name))["options"] == SMALL[name]
    assert run.fit_job(asked("spliceai-80"))["options"] == {}
    assert run_of(SPLICING).fit_job(asked("spliceai-400"))["options"] == {}
    pwm = run.fit_job(asked("pwm", "tfbs", "CTCF_AoAF_CTCF_UW"))
    assert pwm["options"] == {"release": "JASPAR2018"}


def test_points_of_a_learning_curve_get_them_too():
    curve = {"promoter/prom-core": {"models": ["cnn", "genebert"], "finetune": {"epochs": 7}}}
    run = run_of({"methods": {"cnn": {"epochs": 3}}, "learning_curves": curve})
    part = asked("cnn", "promoter", "prom-core")
    assert run.fit_part_job(part)["options"] == run.fit_job(part)["options"] == {"epochs": 3}
    assert run.fit_part_job(asked("genebert", "promoter", "prom-core"))["options"]["epochs"] == 7


def test_the_command_line_gives_numbers():
    """Snakemake hands over what stands in a block of --config as text."""
    given = {"methods": {"spliceai-400": {"epochs": "6", "learning_rate": "0.002", "precision": "float32"}}}
    run = Run(merge(merge(CONFIG, SPLICING), given), ROOT / "config", given=given)
    expected = {"epochs": 6, "learning_rate": 0.002, "precision": "float32"}
    assert run.fit_job(asked("spliceai-400"))["options"] == expected
    assert from_text(dict[str, dict], given)["methods"] is not given["methods"]


@pytest.mark.parametrize("name", [name for name in METHODS if "model" not in METHODS[name].needs])
def test_the_registry_names_the_class_that_the_method_takes(name):
    """All that a method takes is a setting of the configuration, or given by the workflow."""
    found = find_method(name).Settings
    if METHODS[name].settings:
        assert found is METHODS[name].settings
    else:
        assert found is Method.Settings or "jaspar" in METHODS[name].needs
