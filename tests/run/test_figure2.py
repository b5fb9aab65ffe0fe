"""Figure 2 in a run: its models, its files, and what stops at the plan."""

import pytest
from config_inputs import problems, run_of

from genebert.errors import InputError
from genebert.models.embedding import EmbedJob
from genebert.run.figure2 import embed_job, figure2_inputs
from genebert.settings.figure2 import Figure2Settings

SMALL = {"model": {"sequence_encoder": {"weights": None}}, "models": {"dnabert": {"training": {"steps": 5}}}}


def figure2(**keys):
    return {"figure2": keys}


def test_what_it_is_made_from():
    run = run_of({})
    assert run.figure2_models() == {"uni_modal": "mgm-ngsp", "multi_modal": "mgm-ngsp-srm"}
    assert run.figure2_files() == [f"results/paper/figures/figure2.{form}" for form in ("svg", "png", "csv", "json")]
    inputs = figure2_inputs(run)
    assert inputs["uni_modal"] == "results/paper/embeddings/mgm-ngsp.npz"
    assert inputs["multi_modal"] == "results/paper/embeddings/genebert.npz" and inputs["sequences"] == run.sequences
    assert EmbedJob(**embed_job(run)) == EmbedJob(10, 200, 16, "own", 42, 515)
    assert {"mgm-ngsp", "mgm-ngsp-srm"} <= set(run.shown_models())
    assert "results/paper/figures/pretrain/mgm-ngsp.svg" in run.curve_files()


def test_models_with_equal_settings_are_embedded_once():
    overlay = figure2(uni_modal="mine", multi_modal="genebert-frozen") | {"models": {"mine": {"of": "mgm"}}}
    inputs = figure2_inputs(run_of(overlay))
    assert inputs["uni_modal"].endswith("/mgm.npz") and inputs["multi_modal"].endswith("/genebert.npz")
    assert run_of(overlay).figure2_models() == {"uni_modal": "mine", "multi_modal": "genebert-frozen"}


def test_an_untrained_model_has_embeddings_too():
    assert figure2_inputs(run_of(figure2(uni_modal="from-scratch")))["uni_modal"].endswith("/from-scratch.npz")


@pytest.mark.parametrize(
    ("overlay", "sentence"),
    [
        (figure2(uni_modal=None), "figure2.uni_modal: found null, expected two models that can be had"),
        (
            {"unavailable": {"mgm-ngsp": "no GPU", "mgm-ngsp-srm": "no time"}},
            "figure2.uni_modal: found 'mgm-ngsp', expected two models that can be had; mgm-ngsp: no GPU; mgm-ngsp-srm: "
            "no time",
        ),
        (
            {"unavailable": {"mgm-ngsp-srm": "no GPU"}},
            "figure2.multi_modal: found 'mgm-ngsp-srm', expected two models that can be had; mgm-ngsp-srm: no GPU",
        ),
    ],
)
def test_a_run_goes_without(overlay, sentence):
    run = run_of(overlay)
    assert run.figure2_files() == [] and "mgm-ngsp" not in run.shown_models()
    with pytest.raises(InputError) as caught:
        figure2_inputs(run)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        (figure2(uni_modal="mgm-nsgp"), "config: figure2.uni_modal: unknown model mgm-nsgp; did you mean mgm-ngsp?"),
        (figure2(multi_modal="genbert"), "config: figure2.multi_modal: unknown model genbert; did you mean genebert?"),
        (
            figure2(uni_modal="genebert-2e-4"),
            "model genebert-2e-4: figure2.uni_modal: found the same model as multi_modal, mgm-ngsp-srm; expected "
            "another one",
        ),
        (
            figure2(samples=10),
            "config: figure2.neighbours: found 15, expected fewer than figure2.samples, 10",
        ),
        (
            figure2(samples=20, cell_types=3),
            "config: figure2.perplexity: found 30.0, expected at most 20, a third of the samples in all",
        ),
        (
            figure2(cell_types=21),
            "config: figure2.cell_types: found 21, expected a whole number of at least 2 and at most 20",
        ),
        (figure2(pooling="max"), "config: figure2.pooling: found 'max', expected one of own, regions, mean, cls"),
        (figure2(perplexty=5), "config: unknown key figure2.perplexty; did you mean figure2.perplexity?"),
    ],
)
def test_what_is_wrong_stops_at_the_plan(overlay, line):
    assert problems(overlay) == [line]


def test_its_models_are_checked_as_those_of_tables():
    steps = {"models": {"mgm-ngsp": {"training": {"steps": 0}, "sequence_encoder": {"weights": None}}}}
    (line,) = problems(steps)
    assert line.startswith("model mgm-ngsp: training.steps: found 0, and no sequence_encoder.weights")
    shown = {"tables": {"table5": {"promoter": ["mgm"]}}}
    assert problems(steps | shown | figure2(uni_modal=None)) == []
    assert problems(steps | {"unavailable": {"mgm-ngsp": "not trained"}}) == []


def test_settings_of_a_job_are_those_of_the_configuration():
    assert Figure2Settings(**run_of({}).config["figure2"]) == Figure2Settings()
    with pytest.raises(InputError, match=r"figure2\.samples: found 2, expected a whole number of at least 3"):
        Figure2Settings(samples=2, neighbours=1, perplexity=1)
