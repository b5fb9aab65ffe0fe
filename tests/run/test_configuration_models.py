"""Named models, overlays, paths, and the reading of files."""

import copy
from types import SimpleNamespace

import pytest
from config_inputs import CONFIG, MODELS, ROOT, models_of, problems, run_of

from genebert.errors import InputError
from genebert.run.learning_curves import learning_curve_rows
from genebert.run.models import load_models
from genebert.run.run import normalised
from genebert.settings.load import load_yaml, merge

# ------------------------------------------------------------------------------------------------------------ models


def test_overlay_order():
    config = merge(CONFIG, {"model": {"k": 3, "training": {"steps": 10, "batch": 4}}})
    models = {"a": {"training": {"steps": 20}, "losses": {"srm": None}}, "b": {}}
    assert models_of(config, models).resolve("b")["training"]["steps"] == 10
    a = models_of(config, models).resolve("a")
    assert (a["k"], a["training"]["steps"], a["training"]["batch"], a["losses"]["srm"]) == (3, 20, 4, None)
    config["models"] = {"a": {"training": {"steps": 30}}, "c": {"training": {"batch": 8}}}
    a = models_of(config, models).resolve("a")
    assert (a["k"], a["training"]["steps"], a["losses"]["srm"]) == (3, 30, None)
    c = models_of(config, models).resolve("c")
    assert (c["training"]["steps"], c["training"]["batch"], c["losses"]["srm"]) == (10, 8, "infonce")


def test_further_seeds_of_pretraining_are_models_of_their_own():
    overlay = {
        "models": {
            "dnabert": {"pretrain_seeds": [43, 44], "training": {"steps": 5}},
            "genebert": {"pretrain_seeds": [43], "sequence_encoder": {"weights": "model:dnabert"}},
            "genebert-2e-4": {"pretrain_seeds": [43]},
        },
        "tables": {"table1": {"promoter/prom-core": ["cnn", "dnabert", "genebert", "genebert-2e-4"]}},
        "learning_curves": {"promoter/prom-core": {"models": ["cnn", "genebert"], "sizes": [5, 6]}, "tfbs": None},
    }
    run = run_of(overlay)
    models = run.models
    assert models.seeded("dnabert") == ["dnabert", "dnabert@43", "dnabert@44"] and models.seeded("cnn") == ["cnn"]
    assert [models.seed(name) for name in models.seeded("dnabert")] == [42, 43, 44]
    assert run.pretrain_seed(SimpleNamespace(model="dnabert@44")) == 44
    # settings are the same; what starts from another starts from that of the same seed
    assert models.resolved["dnabert@43"] == models.resolved["dnabert"]
    assert models.canonical["dnabert@43"] == "dnabert@43"
    assert models.ancestry("genebert@43") == ["genebert@43", "dnabert@43"]
    assert models.origin("genebert-2e-4@43") == "genebert@43" and models.canonical["genebert-2e-4@43"] == "genebert@43"
    assert models.finetune_settings("promoter", "genebert-2e-4@43")["learning_rate"] == 2e-4
    # a row has the fits of all
    table = SimpleNamespace(table="table1")
    rows = run.table_rows(table)["promoter/prom-core"]
    assert rows["cnn"] == ["cnn"] and rows["dnabert"] == models.seeded("dnabert")
    assert rows["genebert-2e-4"] == ["genebert-2e-4", "genebert-2e-4@43"]
    scores = "results/paper/scores/promoter/prom-core"
    assert {f"{scores}/dnabert@44/seed4.json", f"{scores}/genebert-2e-4@43/seed0.json"} <= set(run.table_scores(table))
    curve = SimpleNamespace(task="promoter", dataset="prom-core")
    assert learning_curve_rows(run, curve) == {"cnn": ["cnn"], "genebert": ["genebert", "genebert@43"]}
    assert "genebert@43" in run.shown_models() and not any("@" in path for path in run.curve_files())


def test_models_of_equal_settings_share_their_seeds():
    run = run_of({"models": {"genebert": {"pretrain_seeds": [43]}, "lambda-0.5": {"pretrain_seeds": [44]}}})
    fits = ["genebert", "genebert@43", "lambda-0.5@44"]
    for row in ("genebert", "lambda-0.5", "swin-t-224", "mgm-ngsp-srm"):
        assert run.models.fits_of("promoter", row) == fits
    assert run.models.fits_of("promoter", "genebert@43") == ["genebert@43"]
    # the budget and the page count those, also where no table has the entry that names them
    twin = run_of({"models": {"genebert": {"pretrain_seeds": [43]}, "twin": {"pretrain_seeds": [44]}}})
    assert {"genebert@43", "twin@44"} <= set(twin.shown_models()) and "twin" not in twin.shown_models()
    assert run.models.fits_of("promoter", "genebert-2e-4") == ["genebert-2e-4"]


def test_a_model_that_cannot_be_had_is_trained_with_no_seed():
    run = run_of({"models": {"genebert": {"pretrain_seeds": [43]}}, "unavailable": {"genebert": "no GPU"}})
    assert not [name for name in run.shown_models(ablations=True) if name.startswith("genebert@")]
    (line,) = problems({"models": {"genebert": {"pretrain_seeds": [43]}}, "unavailable": {"genebert@43": "diverged"}})
    assert "unavailable: unknown model or data set genebert@43" in line


@pytest.mark.parametrize(
    ("models", "problem"),
    [
        (
            {"dnabert": {"pretrain_seeds": [43]}},
            "model dnabert.pretrain_seeds: found 1, expected none: it is not trained, and its weights are the same",
        ),
        (
            {
                "genebert": {"pretrain_seeds": [43]},
                "mine": {"sequence_encoder": {"weights": "model:genebert@43"}},
            },
            "sequence_encoder.weights: found model:genebert@43, expected the model's own name",
        ),
        ({"genebert": {"pretrain_seeds": [42]}}, "model genebert.pretrain_seeds: found 42, expected others: the run's"),
        (
            {"genebert": {"pretrain_seeds": [1]}, "genebert-2e-4": {"pretrain_seeds": [1, 2]}},
            "model genebert-2e-4.pretrain_seeds: found 2, expected one of model genebert.pretrain_seeds",
        ),
        ({"genebert": {"pretrain_seeds": [1, 1]}}, "models.genebert.pretrain_seeds"),
        ({"genebert": {"pretrain_seeds": 3}}, "models.genebert.pretrain_seeds: found 3, expected a list"),
    ],
)
def test_wrong_seeds_of_pretraining_stop_the_plan(models, problem):
    assert any(problem in line for line in problems({"models": models})), problems({"models": models})


def test_resolving_changes_nothing():
    before = copy.deepcopy((CONFIG, MODELS))
    for name in MODELS:
        settings = models_of(CONFIG, MODELS).resolve(name)
        settings["training"]["betas"].append(3)
    assert before == (CONFIG, MODELS)


def test_weights_are_expanded_in_models():
    config = merge(CONFIG, {"data": "/lab/files/"})
    models = {"a": {"sequence_encoder": {"weights": "{data}/own"}}}
    assert models_of(config, models).resolve("a")["sequence_encoder"]["weights"] == "/lab/files/own"
    expanded = normalised(config)
    assert models_of(expanded, models).resolve("a") == models_of(config, models).resolve("a")


def test_arguments_of_one_region_encoder_are_not_handed_to_another():
    config = merge(CONFIG, {"model": {"region_encoder": {"arguments": {"embed_dim": 16}}}})
    models = {"same": {"region_encoder": {"arguments": {"window_size": 4}}}}
    models["other"] = {"region_encoder": {"name": "region-transformer", "weights": None, "arguments": {"heads": 2}}}
    assert models_of(config, models).resolve("same")["region_encoder"]["arguments"] == {
        "embed_dim": 16,
        "window_size": 4,
    }
    assert models_of(config, models).resolve("other")["region_encoder"]["arguments"] == {"heads": 2}
    config["models"] = {"other": {"region_encoder": {"name": "region-transformer", "arguments": {"layers": 1}}}}
    assert models_of(config, models).resolve("other")["region_encoder"]["arguments"] == {"heads": 2, "layers": 1}


def test_the_word_imagenet_becomes_the_file_of_the_encoder():
    assert models_of(CONFIG, MODELS).resolve("genebert")["region_encoder"] == {
        "name": "swin-t-224", "image": "fold", "weights": "resources/swin-t-224/model.safetensors", "arguments": {},
    }  # fmt: skip
    elsewhere = merge(CONFIG, {"data": "/lab"})
    weights = models_of(elsewhere, MODELS).resolve("t2t-vit-24")["region_encoder"]["weights"]
    assert weights == "/lab/t2t-vit-24/82.3_T2T_ViT_24.pth.tar"
    for word in ("hub", "{data}/own.safetensors", None):
        config = merge(CONFIG, {"model": {"region_encoder": {"weights": word}}})
        for name in ("genebert", "vit-b-384"):
            found = models_of(config, MODELS).resolve(name)["region_encoder"]["weights"]
            assert found == ("resources/own.safetensors" if word == "{data}/own.safetensors" else word)


@pytest.mark.parametrize("names", [["demo"], ["demo", "tiny"], ["chr20"], ["bm0828"], ["fetal-brain"]])
def test_small_overlays_ask_for_no_published_image_weights(names):
    config = CONFIG
    for name in names:
        folder = {"demo": "config", "chr20": "config", "tiny": "tests/config"}.get(name, "config/examples")
        config = merge(config, load_yaml(ROOT / folder / f"{name}.yaml"))
    for name in MODELS:
        assert models_of(config, MODELS).resolve(name)["region_encoder"]["weights"] is None


def test_an_inherited_micro_batch_is_at_most_the_batch_of_the_entry():
    config = merge(CONFIG, {"model": {"training": {"micro_batch": 32}}})
    config["models"] = {"late": {"training": {"batch": 4}}, "own": {"training": {"batch": 4, "micro_batch": 2}}}
    expected = {"batch-16": 16, "batch-32": 32, "batch-512": 32, "mgm": 32, "late": 4, "own": 2}
    assert expected == {name: models_of(config, MODELS).resolve(name)["training"]["micro_batch"] for name in expected}
    whole = merge(CONFIG, {"model": {"training": {"micro_batch": None}}})
    assert models_of(whole, MODELS).resolve("batch-16")["training"]["micro_batch"] is None


def test_unknown_model():
    with pytest.raises(InputError, match=r"^unknown model genbert; did you mean genebert\?$"):
        models_of(CONFIG, MODELS).resolve("genbert")


def test_equal_models_are_trained_once():
    models = {
        "genebert": {},
        "swin-t-224": {"region_encoder": {"name": "swin-t-224"}},
        "lambda-0.5": {"losses": {"srm_weight": 0.5}},
        "lambda-1": {"losses": {"srm_weight": 1}},
        "lambda-1.0": {"losses": {"srm_weight": 1.0}},
    }
    config = merge(CONFIG, {"models": {"late": {"losses": {"srm_weight": 1}}}})
    assert models_of(config, models).canonical == {
        "genebert": "genebert",
        "swin-t-224": "genebert",
        "lambda-0.5": "genebert",
        "lambda-1": "lambda-1",
        "lambda-1.0": "lambda-1",
        "late": "lambda-1",
    }
    # one row each of Tables 7 and 8 is the headline model
    same = {name for name, first in models_of(CONFIG, MODELS).canonical.items() if first == "genebert"}
    again = {f"genebert-{context}" for context in ("80nt", "256nt", "400nt", "2k")}  # rows of Table 4
    again |= {"genebert-2e-4", "genebert-frozen", "classifier-cls"}
    headline = {"genebert", "mgm-ngsp-srm", "swin-t-224", "batch-128", "batch-128-equal", "lambda-0.5"}
    assert same == headline | again
    assert models_of(CONFIG, MODELS).canonical["dnabert-2e-4"] == "dnabert"
    # no-losses starts from random weights, with published weights for the others too
    assert models_of(CONFIG, MODELS).canonical["no-losses"] == "from-scratch"


@pytest.mark.parametrize(
    "overlay",
    [
        {},
        {"data": "/lab", "model": {"k": 3, "training": {"batch": 4}}},
        {"models": {"genebert": {"training": {"steps": 7}}, "dnabert": {"region_encoder": {"name": "deit-s-224"}}}},
        {"models": {"genebert": {"finetune": {"epochs": 1}}}},
    ],
)
def test_an_entry_of_another_model_is_that_model(overlay):
    """Also where an overlay changes the other one."""
    config = merge(CONFIG, overlay)
    others = {"dnabert-2e-4": "dnabert", "genebert-2e-4": "genebert", "genebert-frozen": "genebert"}
    for name, origin in others.items():
        assert models_of(config, MODELS).entry(name).keys() == {"of", "finetune"}
        settings = models_of(config, MODELS).resolve(name)
        assert settings == models_of(config, MODELS).resolve(origin)
        assert settings.keys() == CONFIG["model"].keys()
        assert models_of(config, MODELS).canonical[name] == origin
    if "models" in overlay and "training" in overlay["models"]["genebert"]:
        assert models_of(config, MODELS).resolve("genebert-2e-4")["training"]["steps"] == 7


def test_an_overlay_may_change_what_an_entry_is_of():
    config = merge(CONFIG, {"models": {"genebert-2e-4": {"of": "mgm"}, "mine": {"of": "mgm-ngsp"}}})
    for name, origin in (("genebert-2e-4", "mgm"), ("mine", "mgm-ngsp")):
        assert models_of(config, MODELS).resolve(name) == models_of(config, MODELS).resolve(origin)
        assert models_of(config, MODELS).canonical[name] == origin


def test_models_of_the_tables():
    """And of Figure 2: in the order of all models, without baselines and what cannot be had."""
    rows = {"promoter/prom-core": ["cnn", "genebert-frozen", "from-scratch", "dnabert-2e-4", "genebert"]}
    risk = {"disease/HSCR-RET": ["sex"], "disease/HSCR-RET-Long": ["sex"]}
    others = {"table2": {"tfbs": ["pwm"]}, "table3": risk, "table6": {"tfbs": ["pwm"]}}
    overlay = {"tables": {"table1": rows, **others}}
    shown = ["genebert", "from-scratch", "mgm-ngsp", "mgm-ngsp-srm", "dnabert-2e-4", "genebert-frozen"]
    assert run_of(overlay).shown_models() == shown
    overlay["unavailable"] = {"genebert-frozen": "why"}
    assert run_of(overlay).shown_models() == shown[:-1]
    overlay["figure2"] = {"uni_modal": None}
    assert run_of(overlay).shown_models() == ["genebert", "from-scratch", "dnabert-2e-4"]
    overlay["figure2"] = {"uni_modal": "mgm-ngsp"}  # not drawn without the other one
    overlay["unavailable"] = {
        "dnabert": "why",
        "genebert": "why",
        "mgm-ngsp-srm": "why",
    }  # and with them what is made of them
    assert run_of(overlay).shown_models() == ["from-scratch"]


# ------------------------------------------------------------------------------------------------- paths and reading


def test_normalised():
    config = {
        "data": "../shared/data/", "a": {"b": ["{data}/x", 3, None]}, "c": "y/{data}", "d": "resources/z",
        "chromosomes": [20, "chr21", "x"], "corpus": {"holdout_chromosomes": ["X"], "region_bp": None},
    }  # fmt: skip
    expanded = normalised(config)
    assert expanded["a"] == {"b": ["../shared/data/x", 3, None]}
    assert (expanded["c"], expanded["d"]) == ("y/../shared/data/", "resources/z")
    assert config["a"]["b"][0] == "{data}/x"
    assert expanded["chromosomes"] == ["chr20", "chr21", "chrX"]
    assert expanded["corpus"] == {"holdout_chromosomes": ["chrX"], "region_bp": None}
    assert normalised(expanded) == expanded
    assert normalised(CONFIG)["genome"]["fasta"] == "resources/hg19/hg19.fa.gz"


def test_merge_leaves_its_arguments_alone():
    base, overlay = {"a": {"b": [1]}}, {"a": {"c": [2]}}
    merged = merge(base, overlay)
    merged["a"]["b"].append(3)
    merged["a"]["c"].append(3)
    assert (base, overlay) == ({"a": {"b": [1]}}, {"a": {"c": [2]}})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("models:\n  a: {}\n  a: {}\n", ", line 3: not valid YAML (the key a occurs twice)"),
        ("models: [\n", ": not valid YAML"),
        ("models: 2020-13-45\n", ": not valid YAML (month must be in 1..12"),
        ("{data}: x\n", ": not valid YAML ("),
        ("models: " + "[" * 5000, ": not valid YAML"),
        ("models:\n\ta: {}\n", ", line 2: not valid YAML"),
        ("- 1\n", ": found [1], expected keys and values"),
        ("", ": found null, expected keys and values"),
        ("models: {}\nmore: {}\n", ": found the keys models, more, expected one block named models"),
        ("models:\n", ": found the keys models, expected one block named models"),
    ],
)
def test_bad_files(tmp_path, text, sentence):
    path = tmp_path / "models.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_models(path)
    assert str(caught.value).startswith(f"{path}")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read \(No such file or directory\)"):
        load_models(tmp_path / "none.yaml")


def test_steps_of_the_ablations():
    """One key changes those of the rows of Tables 5, 7 and 8, and of no other model; an entry's own steps stay."""
    steps = {name: one["training"]["steps"] for name, one in models_of(CONFIG).resolved.items()}
    fewer = {
        name: one["training"]["steps"] for name, one in models_of(CONFIG | {"ablation_steps": 500}).resolved.items()
    }
    assert steps["mgm"] == steps["swin-b-384"] == steps["lambda-5.0"] == 120_000
    assert fewer["mgm"] == fewer["swin-b-384"] == fewer["lambda-5.0"] == fewer["mgm-ngsp-srm"] == 500
    assert fewer["genebert"] == fewer["paper-literal"] == 120_000 and fewer["no-losses"] == fewer["dnabert"] == 0
    own = merge(CONFIG, {"ablation_steps": 500, "models": {"mgm": {"training": {"steps": 7}}}})
    assert models_of(own).resolved["mgm"]["training"]["steps"] == 7


def test_batches_for_equal_samples():
    resolved = models_of(CONFIG | {"ablation_steps": 600}).resolved
    seen = {name: one["training"]["steps"] * one["training"]["batch"] for name, one in resolved.items()}
    for batch in (16, 32, 64, 128, 256, 512):
        assert seen[f"batch-{batch}-equal"] == 600 * 128 and seen[f"batch-{batch}"] == 600 * batch
    own = {"models": {"batch-512-equal": {"training": {"steps": 7}}}}
    assert models_of(merge(CONFIG, own)).resolved["batch-512-equal"]["training"]["steps"] == 7
    few = models_of(CONFIG | {"ablation_steps": 1}).resolved
    assert few["batch-512-equal"]["training"]["steps"] == 1


def test_the_form_of_the_matrix():
    """A model may read another than the run's; the run's own, by name or not, is the same model."""
    resolved = models_of(CONFIG).resolved
    assert resolved["genebert"]["matrix"] == "max_score" and resolved["paper-literal"]["matrix"] == "binary"
    binary = merge(CONFIG, {"motifs": {"matrix": "binary"}})
    assert models_of(binary).canonical["matrix-binary"] == "genebert"
    assert problems({"models": {"genebert": {"matrix": "bilinear"}}})


def test_what_is_fitted_as_another():
    models = run_of({}).models
    assert models.fits_of("promoter", "swin-t-224") == ["genebert"] == models.fits_of("promoter", "genebert")
    # the same network, fine-tuned in another way
    assert models.fits_of("promoter", "classifier-cls") == ["classifier-cls"]
    # one that cannot be had stands for itself, and nobody else is fitted as it
    gone = run_of({"unavailable": {"genebert": "no"}}).models
    assert gone.fits_of("promoter", "genebert") == ["genebert"]
    assert gone.fits_of("promoter", "batch-128") == ["mgm-ngsp-srm"]


def test_models_with_filters_over_bases():
    """Those without have no such key, as before there was one: nothing of a run is made anew for it."""
    resolved = models_of(CONFIG, MODELS).resolved
    filters = {"filters": 256, "width": 19}
    for name in ("genebert", "dnabert", "from-scratch"):
        assert "convolution" not in resolved[name]["sequence_encoder"]
        with_filters = resolved[f"{name}-conv"]["sequence_encoder"]
        assert with_filters == resolved[name]["sequence_encoder"] | {"convolution": filters}
    assert resolved["genebert-conv"]["losses"] == resolved["genebert"]["losses"]
    # No published weights know filters: they are trained here.
    assert resolved["dnabert-conv"]["training"]["steps"] == resolved["genebert"]["training"]["steps"] > 0
    assert resolved["dnabert-conv"]["losses"] == resolved["dnabert"]["losses"]
    few = merge(CONFIG, {"models": {"mine": {"sequence_encoder": {"convolution": {"filters": 8}}}}})
    assert models_of(few, MODELS).resolved["mine"]["sequence_encoder"]["convolution"] == filters | {"filters": 8}
    off = merge(CONFIG, {"models": {"genebert-conv": {"sequence_encoder": {"convolution": None}}}})
    assert models_of(off, MODELS).canonical["genebert-conv"] == "genebert"


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"filters": 256, "width": 19}, None),
        ({"filters": 8, "width": 19}, "expected 8 filters of 19 bases, as this model has, or none"),
        (None, "expected no filters, as this model has"),
    ],
)
def test_a_model_starts_from_one_with_the_same_filters_or_none(own, said):
    encoder = {"weights": "model:dnabert-conv", "convolution": own}
    found = list(models_of(merge(CONFIG, {"models": {"mine": {"sequence_encoder": encoder}}}), MODELS).start_problems())
    assert len(found) == (said is not None)
    assert said is None or found[0].endswith(f"model:dnabert-conv with 256 filters of 19 bases, {said}")
    plain = {"weights": "model:mgm", "convolution": own}
    assert not list(
        models_of(merge(CONFIG, {"models": {"mine": {"sequence_encoder": plain}}}), MODELS).start_problems()
    )


def test_models_that_differ_in_an_image_that_is_not_read_are_one():
    backbone, own = run_of({}), run_of({"model": {"region_encoder": {"name": "region-transformer", "weights": None}}})
    assert backbone.models.canonical["image-resize"] == "image-resize"
    assert own.models.canonical["image-resize"] == own.models.canonical["mgm-ngsp-srm"]
    assert own.models.resolved["paper-literal"]["region_encoder"]["image"] == "fold"
