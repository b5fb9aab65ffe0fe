"""The files that each rule asks for, as the run tells them."""

from types import SimpleNamespace

import pytest
from config_inputs import ROOT, run_of

from genebert.errors import InputError
from genebert.models.folders import weights_file
from genebert.run.learning_curves import learning_curve_rows
from genebert.run.models import is_trained
from genebert.run.run import read_run
from genebert.settings.models import reads

NO_WEIGHTS = {
    "model": {"sequence_encoder": {"weights": None}, "region_encoder": {"weights": None}},
    "models": {"dnabert": {"training": {"steps": 5}}},
}


def asked(**values: str) -> SimpleNamespace:
    return SimpleNamespace(**values)


@pytest.mark.parametrize(
    ("model", "files"),
    [
        ("genebert", {"weights", "sequences", "corpus", "motifs"}),
        ("mgm", {"weights", "sequences", "corpus"}),
        ("mgm-ngsp", {"weights", "sequences", "corpus"}),
        ("dnabert", {"weights"}),
        ("from-scratch", {"weights"}),
        ("no-losses", {"weights"}),
    ],
)
def test_a_model_waits_for_what_its_losses_read(model, files):
    run = run_of({})
    found = run.pretrain_inputs(asked(model=model))
    assert set(found) == files
    assert {"weights", *reads(run.models.resolve(model))} == files
    dnabert = [f"resources/dnabert6/{name}" for name in ("config.json", "vocab.txt", "pytorch_model.bin")]
    expected = {"genebert": [*dnabert, "resources/swin-t-224/model.safetensors"], "from-scratch": [], "no-losses": []}
    assert found["weights"] == expected.get(model, dnabert)
    assert run_of(NO_WEIGHTS).pretrain_inputs(asked(model="genebert"))["weights"] == []


def test_a_model_that_starts_from_another_waits_for_it():
    run = run_of({"models": {"later": {"sequence_encoder": {"weights": "model:mgm"}}}})
    assert "results/paper/models/mgm/model.safetensors" in run.pretrain_inputs(asked(model="later"))["weights"]
    settings = run.pretrain_model(asked(model="later"))
    assert settings["sequence_encoder"]["weights"] == "results/paper/models/mgm"


def test_a_model_may_read_another_form_of_the_matrix():
    run = run_of({})
    assert run.pretrain_inputs(asked(model="genebert"))["motifs"][0] == "results/paper/motifs/matrix.npy"
    assert run.pretrain_inputs(asked(model="paper-literal"))["motifs"][0] == "results/paper/motifs/binary/matrix.npy"
    binary = run_of({"motifs": {"matrix": "binary"}})
    assert binary.pretrain_inputs(asked(model="paper-literal"))["motifs"] == binary.motifs


def test_what_a_method_is_made_from():
    run = run_of({})
    place = {"task": "tfbs", "dataset": "CTCF_AoAF_CTCF_UW"}
    pwm, cnn, model = (asked(method=name, **place) for name in ("pwm", "cnn", "genebert-2e-4"))
    assert set(run.fit_inputs(pwm)) == {"data", "jaspar", "transfer"}
    assert set(run.fit_inputs(cnn)) == {"data", "transfer"}
    assert run.fit_inputs(model)["model"][0] == "results/paper/models/genebert/config.json"
    job = run.fit_job(model)
    assert (job["method"], job["name"], job["seeds"]) == ("finetune", "genebert-2e-4", [0, 1, 2, 3, 4])
    assert job["options"]["learning_rate"] == 2e-4
    assert job["files"] == {"model": "results/paper/models/genebert"}
    assert len(job["transfer"]) == 6 and "CTCF_AoAF_CTCF_UW" not in job["transfer"]
    assert run.fit_job(pwm)["files"] == {"jaspar": "resources/jaspar/JASPAR2018.matrix_id.txt"}
    assert [run.fit_gpu(one) for one in (pwm, cnn, model)] == [0, 0, 1]


def test_the_index_of_simulated_people_is_declared():
    """Else it would not travel with them to where jobs run; one's own genotypes may have one of either kind."""
    people = asked(task="disease", dataset="HSCR-RET", method="polygenic")
    run = run_of({})
    vcf = run.task_inputs(people)["vcf"]
    assert run.task_inputs(people)["index"] == f"{vcf}.tbi" and run.fit_inputs(people)["index"] == [f"{vcf}.tbi"]
    assert "index" not in run.fit_job(people)["files"]
    own = run_of({"tasks": {"disease": {"HSCR-RET": {"vcf": "mine.vcf.gz"}}}})
    assert "index" not in own.task_inputs(people) | own.fit_inputs(people)


def test_a_task_stands_for_curves_of_its_first_data_sets():
    own = {"models": ["cnn"], "sizes": [5, 6]}
    run = run_of({"learning_curves": {"promoter/prom-core": None, "tfbs": {"first": 2}, "tfbs/CTCF_AoAF_CTCF_UW": own}})
    first = list(run.sets["tfbs"])[:2]
    assert list(run.curves) == [*(f"tfbs/{one}" for one in first), "tfbs/CTCF_AoAF_CTCF_UW"]
    lines = list(learning_curve_rows(run, asked(task="tfbs", dataset=first[1])))
    assert lines[:3] == ["pwm", "kmer-logreg", "boosted-trees"]
    job = run.fit_part_job(asked(task="tfbs", dataset=first[1], method="motif-l1"))
    assert job["sizes"] == [50, 100, 200, 500, 1000, 2000] and job["options"] == {"release": "JASPAR2018"}
    # a data set's own key counts before its task's
    both = run_of({"learning_curves": {f"tfbs/{first[0]}": own}})
    assert both.fit_part_job(asked(task="tfbs", dataset=first[0], method="cnn"))["sizes"] == [5, 6]
    # none where the task has no data sets
    without = {"tasks": {"tfbs": {"data_sets": [], "transfer": []}}}
    assert list(run_of(without).curves) == ["promoter/prom-core"]


def test_a_point_of_a_learning_curve_has_the_curves_settings():
    run = run_of({"learning_curves": {"promoter/prom-core": {"finetune": {"epochs": 7}, "sizes": [10, 20]}}})
    job = run.fit_part_job(asked(task="promoter", dataset="prom-core", method="genebert"))
    assert job["sizes"] == [10, 20]
    assert (job["options"]["epochs"], job["options"]["patience"], job["options"]["batch"]) == (7, 10, 32)
    assert "transfer" not in job
    assert "sizes" not in run.fit_job(asked(task="promoter", dataset="prom-core", method="genebert"))


def test_classifiers_are_kept_where_the_configuration_says_so():
    assert run_of({}).kept_classifiers("") == {}
    kept = run_of({"finetune": {"keep_classifiers": True}}).kept_classifiers("")
    assert kept == {"classifiers": "results/paper/classifiers/{task}/{dataset}/{method}"}


def test_raw_files():
    run = run_of(
        {
            "accessibility": {"format": "bed", "beds": {"a": "a.bed"}, "blacklist": "{data}/b.bed"},
            "unavailable": {"promoter/prom-core": "withdrawn"},
            "tasks": {"tfbs": {"data_sets": [], "transfer": []}},
        }
    )
    assert run.raw_files() == {
        "blacklist": "resources/b.bed", "peaks of a": "a.bed", "genome": "resources/hg19/hg19.fa.gz",
        "motifs": "resources/jaspar/JASPAR2018.matrix_id.txt",
    }  # fmt: skip
    assert run.matrix_files() == {"beds": ["a.bed"], "blacklist": "resources/b.bed"}


@pytest.mark.parametrize(
    ("form", "also"), [("mtx", {"cells", "peaks", "barcodes"}), ("dgcmatrix", {"cells", "peaks"}), ("h5ad", set())]
)
def test_a_job_waits_for_every_file_that_its_format_reads(form, also):
    given = {name: f"data/{name}" for name in ("matrix", "cells", "peaks")}
    given |= {"barcodes": "data/barcodes"} if form == "mtx" else {}
    run = run_of({"accessibility": {"format": form, **given}})
    assert run.matrix_files() == {name: f"data/{name}" for name in {"matrix", *also}}


def test_models_of_tables_without_a_data_set_are_not_shown():
    rows = {"table1": {"promoter/prom-core": ["cnn"]}, "table2": {"tfbs": ["cnn"]}, "table6": {"tfbs": ["mgm"]}}
    rows["table3"] = {"disease/HSCR-RET": ["sex"], "disease/HSCR-RET-Long": ["sex"]}
    rows = {"tables": rows, "figure2": {"uni_modal": None}}
    run = run_of(rows)
    assert run.rows["table4"] == {} and run.shown_models() == ["mgm"]
    with_set = run_of(rows | {"tasks": {"splicing": {"a": {"table": "a.txt"}}}})
    assert {with_set.models.canonical[name] for name in with_set.shown_models()} == {
        "from-scratch", "dnabert", "genebert", "mgm",
    }  # fmt: skip


def test_a_table_without_rows_says_so():
    run = run_of({"tasks": {"tfbs": {"data_sets": [], "transfer": []}}})
    assert run.rows["table2"] == {}
    with pytest.raises(InputError, match="table2: tables and tasks have no data set for it"):
        run.table_scores(asked(table="table2"))
    with pytest.raises(InputError, match="table4: tables and tasks have no data set for it"):
        run_of({}).table_scores(asked(table="table4"))


def test_an_unknown_set_of_files():
    with pytest.raises(InputError, match="unknown set papers"):
        run_of({"retrieve": ["papers"]})


@pytest.mark.parametrize(
    "names", [("model.safetensors",), ("pytorch_model.bin",), ("model.safetensors", "pytorch_model.bin")]
)
def test_a_folder_of_weights_with_either_file(names, tmp_path):
    """Of both, the one that is loaded."""
    for name in names:
        (tmp_path / name).touch()
    run = run_of({"model": {"sequence_encoder": {"weights": str(tmp_path)}}})
    expected = [f"{tmp_path}/{name}" for name in ("config.json", "vocab.txt", names[0])]
    assert run.pretrain_inputs(asked(model="dnabert"))["weights"] == expected
    assert weights_file(tmp_path).name == names[0]


def test_a_folder_without_weights(tmp_path):
    run = run_of({"model": {"sequence_encoder": {"weights": str(tmp_path)}}})
    with pytest.raises(InputError, match=r"holds no weights; expected model\.safetensors or pytorch_model\.bin$"):
        run.pretrain_inputs(asked(model="dnabert"))


def test_a_download_beside_which_another_file_lies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "resources/dnabert6"
    folder.mkdir(parents=True)
    run = run_of({})
    assert run.pretrain_inputs(asked(model="dnabert"))["weights"][2] == "resources/dnabert6/pytorch_model.bin"
    (folder / "model.safetensors").touch()  # what the loader takes
    assert run.pretrain_inputs(asked(model="dnabert"))["weights"][2] == "resources/dnabert6/model.safetensors"


def test_the_overlay_for_own_data_trains_as_many_models_as_its_page_says():
    run = read_run(ROOT / "config", [ROOT / "config/examples/own-data.yaml"])
    models, shown = run.models, run.shown_models(ablations=True)
    trained = {models.canonical[name] for name in shown if is_trained(models.resolved[models.canonical[name]])}
    assert trained == {"dnabert", "genebert", "genebert-conv-regression"}
    assert "three models of 1.0 to 1.5 million parameters" in " ".join((ROOT / "docs/own-data.md").read_text().split())
