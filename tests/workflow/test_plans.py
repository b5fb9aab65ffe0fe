"""What real Snakemake plans for tables and learning curves: dry-runs only."""

import os
import shutil
import subprocess
import sys

import pytest
from config_inputs import CONFIG
from run_snakemake import jobs, snakemake

from genebert.methods.registry import baselines
from genebert.paper import TABLE2
from genebert.settings.load import load_yaml, merge

pytestmark = pytest.mark.workflow

TARGETS = ("table1", "table2", "table6", "learning_curves")
BE2 = "CTCF_BE(2)-C_CTCF_UW"
FEW_TABLES = "table3: {disease/HSCR-RET: null, disease/HSCR-RET-Long: null}, " + ", ".join(
    f"table{n}: {{promoter: null}}" for n in (5, 7, 8)
)
PROMOTER = ("promoter", "prom-core")
CONVOLVED = {("from-scratch-conv",), ("dnabert-conv",), ("genebert-conv",)}


def plan(root, folder, targets, overlay="{}", *configs):
    """Return the planned jobs and what was printed; `overlay` is YAML, laid over the files `configs`."""
    (folder / "overlay.yaml").write_text(overlay)
    files = ("--configfile", *configs, str(folder / "overlay.yaml"))
    done = snakemake(root, "-n", "--directory", str(folder), *files, "--", *targets)
    return jobs(done), done.stdout


def of(planned, rule, *keys):
    """Return the wildcards of a rule's jobs."""
    return {tuple(values[key] for key in keys) for name, values in planned if name == rule}


@pytest.mark.parametrize("name", ["config", "demo", "chr20"])
def test_named_targets(root, tmp_path, name):
    """Each row of Tables 1, 2 and 6 is fitted once a seed, also where two tables show it."""
    config = merge(CONFIG, {} if name == "config" else load_yaml(root / f"config/{name}.yaml"))
    planned, printed = plan(root, tmp_path, TARGETS, "{}", *([] if name == "config" else [f"config/{name}.yaml"]))
    sets = {"demo": ("CTCF_A549_CTCF_UT-A", BE2)}.get(name, TABLE2)
    places = {PROMOTER, *(("tfbs", one) for one in sets)}
    assert of(planned, "task", "task", "dataset") == places
    tables, rows = config["tables"], {}
    for key in ("promoter/prom-core", "tfbs"):
        rows[key.partition("/")[0]] = {one for table in tables.values() for one in table.get(key, ())}
    assert of(planned, "fit", "task", "dataset", "method") == {
        (*place, method) for place in places for method in rows[place[0]]
    }
    motifs = {"motif-best", "motif-l1", "motif-trees"}
    assert rows["tfbs"] - motifs == rows["promoter"] - motifs | {"pwm"} and "motif-l1" in rows["promoter"]
    assert motifs <= rows["tfbs"] & rows["promoter"] or name == "demo"
    files = [f"scores/promoter/prom-core/genebert/seed{seed}.json" for seed in config["finetune"]["seeds"]]
    assert len(files) == {"config": 5, "demo": 2, "chr20": 3}[name]
    assert all(file in printed for file in files)
    curves = {
        PROMOTER: config["learning_curves"]["promoter/prom-core"],
        ("tfbs", sets[0]): config["learning_curves"]["tfbs"],
    }
    assert of(planned, "fit_part", "task", "dataset", "method") == {
        (*place, method) for place, curve in curves.items() for method in curve["models"]
    }
    networks = ["from-scratch", "dnabert", "genebert"]
    networks += [] if name == "demo" else [*(f"{one}-conv" for one in networks), "genebert-conv-regression"]
    trained = {(one,) for one in networks} | ({("paper-literal",)} if name != "demo" else set())
    assert of(planned, "pretrain", "model") == trained
    assert of(planned, "table", "table") == {("table1",), ("table2",), ("table6",)} and of(
        planned, "transfer", "table"
    ) == {("table6",)}
    assert of(planned, "learning_curve", "task", "dataset") == set(curves)
    for suffix in ("csv", "md", "html", "tex"):
        assert all(f"results/{config['run']}/tables/table{number}.{suffix}" in printed for number in (1, 2, 6))
    assert f"results/{config['run']}/tables/table6_transfer.csv" in printed
    assert "unavailable" not in {rule for rule, _ in planned}


def test_table4_plans_what_it_needs_and_no_other_data_set(root, tmp_path):
    """Its scores, and how much of its sites pre-training has seen; neither promoters, peaks nor the data card."""
    (tmp_path / "table.txt").touch()
    overlay = f"tasks: {{splicing: {{canonical: {{table: {tmp_path}/table.txt}}}}}}"
    planned, printed = plan(root, tmp_path, ["table4"], overlay)
    assert of(planned, "task", "task", "dataset") == {("splicing", "canonical")}
    rows = {("splicing", "canonical", method) for method in CONFIG["tables"]["table4"]["splicing"]}
    assert of(planned, "fit", "task", "dataset", "method") == rows and len(rows) >= 11
    assert of(planned, "pretrain", "model") == {("from-scratch",), ("dnabert",), ("genebert",)}
    assert of(planned, "coverage", "task", "dataset") == {("splicing", "canonical")}
    assert of(planned, "table", "table") == {("table4",)}
    assert not {"card", "transfer", "fit_part", "learning_curve"} & {rule for rule, _ in planned}
    assert "results/paper/tables/table4.html" in printed and "epdnew" not in printed and "tasks/tfbs" not in printed
    # Without a model that is pre-trained here: no atlas.
    few = f"{overlay}\ntables: {{table4: {{splicing: [splice-pwm, spliceai-80]}}}}"
    planned, _ = plan(root, tmp_path, ["table4"], few)
    assert {rule for rule, _ in planned} == {"download", "genome", "task", "fit", "table", "table4"}


def test_table4_without_a_set_says_so_and_all_goes_without(root, tmp_path):
    done = snakemake(root, "-n", "--directory", str(tmp_path), "--", "table4")
    assert done.returncode == 1
    assert "table4: tables and tasks have no data set for it; expected some" in done.stdout + done.stderr
    planned, printed = plan(root, tmp_path, ["all"])
    assert of(planned, "table", "table") == {(f"table{n}",) for n in (1, 2, 3, 5, 6, 7, 8)}
    assert "tables/table4" not in printed


def test_the_papers_plan_is_a_small_one(root, tmp_path):
    """All seeds of a method on a data set are one job, and rows with equal settings too."""
    planned, _ = plan(root, tmp_path, ["all"], "{}")
    assert len(planned) < 370


def test_parentheses_in_a_path(root, tmp_path):
    target = f"results/paper/scores/tfbs/{BE2}/genebert/seed0.json"
    planned, printed = plan(root, tmp_path, [target])
    assert of(planned, "fit", "dataset", "method") == {(BE2, "genebert")}
    assert "input: resources/tfbs/wgEncodeAwgTfbsUwBe2cCtcfUniPk.narrowPeak.gz" in printed
    # of the other sets, those of Table 6 are made for their tests
    assert of(planned, "task", "dataset") == {(name,) for name in TABLE2[2:]}


def test_a_model_that_cannot_be_had(root, tmp_path):
    """Nor is anything made of it by another name; its rows get a file that says so."""
    overlay = (
        "unavailable: {dnabert: no network}\n"
        f"tables: {{table1: {{promoter/prom-core: [genebert, dnabert-2e-4]}}, {FEW_TABLES}}}\n"
        "learning_curves: {tfbs: null, tfbs/CTCF_A549_CTCF_UW: {models: [dnabert], sizes: [10, 20], finetune: {}}}\n"
    )
    planned, _ = plan(root, tmp_path, ["all"], overlay)
    assert of(planned, "unavailable", "task", "dataset", "method") == {
        (*PROMOTER, "dnabert-2e-4"),
        *(("tfbs", one, name) for one in TABLE2 for name in ("dnabert", "dnabert-2e-4")),
    }  # fmt: skip
    simple, predicting = {(name,) for name in baselines("two-class")}, ("genebert-conv-regression",)
    own = {("paper-literal",), predicting}
    for rule in ("fit", "fit_part"):
        of_tables = {("from-scratch-2e-4",), ("genebert-2e-4",), ("paper-literal",)}
        others = of_tables if rule == "fit" else {("genebert-conv-last",), ("genebert-conv-regression-last",)}
        others |= CONVOLVED | {predicting}
        assert of(planned, rule, "method") - simple == {("from-scratch",), ("genebert",)} | others
    assert of(planned, "table", "table") == {("table1",), ("table2",), ("table6",)}
    figure2 = ("mgm-ngsp",)
    trained = {("genebert",), *own, figure2} | CONVOLVED - {("from-scratch-conv",)}
    assert of(planned, "pretrain", "model") == trained | {("from-scratch",), ("from-scratch-conv",)}
    assert of(planned, "curves", "model") == trained
    assert of(planned, "learning_curve", "task", "dataset") == {PROMOTER}


def test_data_sets_that_cannot_be_had(root, tmp_path):
    """Neither made nor downloaded, and no other set's models are tested on them."""
    overlay = f"unavailable: {{tfbs/{BE2}: withdrawn, promoter/prom-core: withdrawn}}\nlearning_curves: {{tfbs: null}}"
    overlay += f"\ntables: {{{FEW_TABLES}}}"
    planned, printed = plan(root, tmp_path, ["all"], overlay)
    rows = CONFIG["tables"]["table1"]["promoter/prom-core"]
    assert of(planned, "unavailable", "task", "dataset", "method") == {
        *((*PROMOTER, method) for method in rows),
        *(("tfbs", BE2, method) for method in CONFIG["tables"]["table2"]["tfbs"]),
    }
    assert of(planned, "task", "dataset") == {(name,) for name in TABLE2[:8]}
    assert all(values.get("dataset") not in (BE2, "prom-core") for rule, values in planned if rule != "unavailable")
    assert "Be2c" not in printed and "epdnew" not in printed
    assert f"tasks/tfbs/{BE2}" not in printed
    assert not {"learning_curve", "fit_part"} & {rule for rule, _ in planned}
    assert of(planned, "table", "table") == {("table1",), ("table2",), ("table6",)}


def test_a_model_that_starts_from_another(root, tmp_path):
    """That one is trained first, under the name it is trained by, also where no table shows it."""
    overlay = "ablation_steps: 80\n"
    overlay += (
        "models: {later: {sequence_encoder: {weights: 'model:mgm'}}}\ntables: {table1: {promoter/prom-core: [later]}}"
    )
    (tmp_path / "overlay.yaml").write_text(overlay)
    files = ("--configfile", "config/demo.yaml", str(tmp_path / "overlay.yaml"))
    done = snakemake(root, "-n", "--directory", str(tmp_path), *files, "--", "table1")
    assert of(jobs(done), "pretrain", "model") == {("later",), ("dnabert",)}
    (inputs,) = (
        block.split("input: ")[1].split("\n")[0]
        for block in done.stdout.split("rule pretrain:")[1:]
        if "model=later" in block.split("rule ")[0]
    )
    assert "results/demo/models/dnabert/model.safetensors" in inputs


def test_equal_models_are_trained_once(root, tmp_path):
    """Of as many steps `dnabert` is `mgm`; `dnabert-2e-4` is the same one, fine-tuned at another rate."""
    overlay = "ablation_steps: 80\ntables: {table1: {promoter/prom-core: [mgm, dnabert, dnabert-2e-4]}}"
    planned, _ = plan(root, tmp_path, ["table1"], overlay, "config/demo.yaml")
    assert of(planned, "pretrain", "model") == {("dnabert",)}
    # the row `mgm` is the fit of `dnabert`
    assert of(planned, "fit", "method") == {("dnabert",), ("dnabert-2e-4",)}


def test_the_headline_model_is_trained_and_fine_tuned_once(root, tmp_path):
    """It stands in Tables 1, 5, 7 and 8 under five names."""
    planned, _ = plan(root, tmp_path, ["table1", "table5", "table7", "table8"])
    trained = [values["model"] for rule, values in planned if rule == "pretrain"]
    assert trained.count("genebert") == 1 and len(trained) == len(set(trained))
    assert not {"mgm-ngsp-srm", "swin-t-224", "batch-128", "lambda-0.5", "no-losses"} & set(trained)
    fitted = [values["method"] for rule, values in planned if rule == "fit"]
    assert len(fitted) == len(set(fitted)) and "swin-t-224" not in fitted
    tables = {name: CONFIG["tables"][name] for name in ("table1", "table5", "table7", "table8")}
    rows = {row for table in tables.values() for names in table.values() for row in names}
    assert len(fitted) == len(rows) - len({"mgm-ngsp-srm", "swin-t-224", "batch-128", "lambda-0.5", "no-losses"})
    # with steps of their own the ablations have a headline model of their own, once
    planned, _ = plan(root, tmp_path, ["table1", "table5", "table7", "table8"], "ablation_steps: 1000")
    again = [values["model"] for rule, values in planned if rule == "pretrain"]
    assert sorted(again) == sorted([*trained, "mgm-ngsp-srm"])


def test_one_table_plans_nothing_of_the_others(root, tmp_path):
    planned, _ = plan(root, tmp_path, ["table5"])
    assert of(planned, "table", "table") == {("table5",)} and of(planned, "task", "dataset") == {("prom-core",)}
    assert of(planned, "pretrain", "model") == {
        (one,) for one in ("from-scratch", "dnabert", "mgm", "mgm-ngsp", "genebert")
    }
    assert not {"card", "curves", "fit_part", "learning_curve", "transfer"} & {rule for rule, _ in planned}


def test_extended_tables_are_no_part_of_all(root, tmp_path):
    planned, _ = plan(root, tmp_path, ["extended"])
    assert of(planned, "table", "table") == {("table1_extended",), ("table5_extended",), ("table8_extended",)}
    assert of(planned, "motifs_form", "form") == {("binary",)}
    planned, printed = plan(root, tmp_path, ["all"])
    assert "table5_extended" not in printed and not of(planned, "motifs_form", "form") - {("binary",)}
    planned, _ = plan(root, tmp_path, ["ablations"])
    assert of(planned, "table", "table") == {("table5",), ("table7",), ("table8",)}


def test_an_untrained_model_waits_for_its_weights_only(root, tmp_path):
    """Nor does a model without the matching loss wait for the motif matrix."""
    planned, _ = plan(root, tmp_path, ["results/paper/models/dnabert/config.json"])
    assert {rule for rule, _ in planned} == {"download", "pretrain"}
    planned, _ = plan(root, tmp_path, ["results/paper/models/mgm/config.json"])
    assert {"sequences", "groups"} <= {rule for rule, _ in planned}
    assert not {"motifs", "jaspar"} & {rule for rule, _ in planned}


# ---------------------------------------------------------------------------------------------- what stops a plan


def test_numbers_in_blocks_of_the_command_line(root, tmp_path):
    """Snakemake hands them over as text."""
    common = ("-n", "--directory", str(tmp_path), "--configfile", "config/demo.yaml")
    taken = snakemake(root, *common, "--config", "accessibility={min_cells: 7, blacklist: null}", "--", "corpus")
    assert taken.returncode == 0, taken.stderr
    refused = snakemake(root, *common, "--config", "accessibility={min_cells: 0}", "--", "corpus")
    assert refused.returncode == 1
    assert "accessibility.min_cells: found 0, expected a whole number of at least 1" in refused.stdout


def test_a_key_that_stands_twice_in_an_overlay(root, tmp_path):
    (tmp_path / "mine.yaml").write_text("run: a\nrun: b\n")
    done = snakemake(root, "-n", "--directory", str(tmp_path), "--configfile", str(tmp_path / "mine.yaml"))
    assert done.returncode == 1
    assert "mine.yaml, line 2: not valid YAML (the key run occurs twice)" in done.stdout


def test_weights_as_transformers_writes_them_today(root, tmp_path):
    for name in ("config.json", "vocab.txt", "model.safetensors"):
        (tmp_path / name).touch()
    target = "results/demo/models/genebert/config.json"
    planned, printed = plan(root, tmp_path, [target], "model: {sequence_encoder: {weights: .}}", "config/demo.yaml")
    assert ("genebert",) in of(planned, "pretrain", "model")
    assert "./model.safetensors" in printed


def test_an_environment_below_a_folder_with_a_space(root, tmp_path):
    """Each job would end with an empty log."""
    place = tmp_path / "my project"
    place.mkdir()
    (place / "python").symlink_to(sys.executable)
    command = [place / "python", "-m", "snakemake", "-n", "--directory", tmp_path, "--configfile", "config/demo.yaml"]
    packages = os.pathsep.join(filter(None, sys.path))
    environment = os.environ | {"PYTHONPATH": packages, "XDG_CACHE_HOME": str(root / ".snakemake/cache")}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"Python at {place}/python: found ' ' in the path, which Snakemake's jobs cannot take" in done.stdout


def test_make_below_a_folder_with_a_space(root, tmp_path):
    """Said before anything is installed; an environment elsewhere is fine."""
    place = tmp_path / "my project"
    place.mkdir()
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(root / name, place)
    # Under `make test` the inner make would say which folder it enters.
    clean = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    options = {"cwd": place, "env": clean, "capture_output": True, "text": True}
    done = subprocess.run(["make", "-n", "demo"], **options, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{place}/.venv: found a space in the path" in done.stderr
    elsewhere = ["make", "-n", "demo", f"VENV={tmp_path}/venv"]
    done = subprocess.run(elsewhere, **options, check=True)
    assert f"{tmp_path}/venv/bin/python workflow/progress.py" in done.stdout
