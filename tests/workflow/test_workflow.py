"""Real Snakemake: plans of all configs, lint, and the whole workflow at test size."""

import json
import re
import shutil
from functools import reduce

import pandas as pd
import pytest
from config_inputs import ROOT
from run_snakemake import TINY, snakemake

from genebert.settings.load import load_yaml, merge

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize("config", [None, "config/demo.yaml", "config/chr20.yaml"])
def test_plan(root, config, tmp_path):
    done = snakemake(
        root, "-n", "--directory", str(tmp_path), *(["--configfile", config] if config else []), "--", "all"
    )
    assert done.returncode == 0, done.stderr
    for rule in (
        "genome",
        "accessibility",
        "sequences",
        "motifs",
        "groups",
        "pretrain",
        "task",
        "fit",
        "table",
    ):
        assert f"\n{rule} " in done.stdout
    assert ("\nsimulate " in done.stdout) is (config == "config/demo.yaml")
    assert ("\ndownload " in done.stdout) is (config != "config/demo.yaml")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("accessibility={binarize: any}", "did you mean accessibility.binarise"),
        ("tables={table1: {promoter/prom-core: [genbert]}}", "genebert"),
        ("run=a/b", "run"),
    ],
)
def test_a_wrong_key_stops_the_run_before_anything_is_planned(root, tmp_path, change, sentence):
    done = snakemake(root, "-n", "--directory", str(tmp_path), "--config", change, "--", "all")
    assert done.returncode != 0
    assert sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


def test_lint(root, tmp_path):
    done = snakemake(root, "--lint", "--directory", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Congratulations" in done.stdout + done.stderr


def test_every_promised_file(finished):
    results = finished / "results/tiny"
    for name in (
        "accessibility/pseudobulk.h5ad", "accessibility/accessible.h5ad", "sequences/regions.npy",
        "motifs/matrix.npy", "motifs/motifs.tsv", "corpus/groups.npz", "corpus/corpus.json",
        "corpus/card.json", "corpus/card.md", "corpus/sharing.svg", "corpus/regions_per_type.png",
        "models/genebert/model.safetensors", "models/genebert/vocab.txt", "models/genebert/metrics.jsonl",
        "tasks/promoter/prom-core/train.parquet", "tasks/promoter/prom-core/card.json",
        "scores/promoter/prom-core/genebert/seed0.json", "scores/promoter/prom-core/boosted-trees/seed0.parquet",
        *(f"tables/table{number}.{suffix}" for number in range(1, 9) for suffix in ("csv", "md", "html", "tex")),
        *(f"tasks/tfbs/CTCF_BE(2)-C_CTCF_UW/{file}" for file in ("train.parquet", "test.parquet", "card.json")),
        "scores/tfbs/CTCF_BE(2)-C_CTCF_UW/genebert/seed0.parquet", "tables/table6_transfer.csv",
        *(f"figures/learning_curves/promoter/prom-core.{suffix}" for suffix in ("svg", "png", "csv")),
        *(f"figures/figure2.{suffix}" for suffix in ("svg", "png", "csv", "json")), "embeddings/genebert.npz",
        "figures/pretrain/genebert.svg", "figures/pretrain/dnabert.png",
        "corpus/coverage/splicing/canonical.json", "scores/splicing/canonical/genebert-80nt/seed0.parquet",
        *(f"tables/cell_accessibility.{suffix}" for suffix in ("csv", "md", "html", "tex", "json")),
        "cell_accessibility/regions.npz", "cell_accessibility/genebert.npz",
        "report.html", "ro-crate-metadata.json",
    ):  # fmt: skip
        assert (results / name).stat().st_size > 0, name
    assert not any(path.is_file() for path in (results / "checkpoints").rglob("*"))
    # no temporary file left; Snakemake itself leaves a time stamp in a folder that is an output
    assert not [path for path in results.rglob(".*") if path.name != ".snakemake_timestamp"]


CONFIG = reduce(merge, (load_yaml(ROOT / path) for path in ("config/config.yaml", *TINY[1:])))
NAMES = ("CTCF_A549_CTCF_UT-A", "CTCF_BE(2)-C_CTCF_UW")


def score(run, dataset, model):
    return json.loads((run / f"results/tiny/scores/{dataset}/{model}/seed0.json").read_text())


TWO_CLASSES = {"auc": "roc_auc", "precision": "precision", "mcc": "mcc", "auprc": "auprc"}
SETS = {1: ["promoter/prom-core"], 2: [f"tfbs/{name}" for name in NAMES], 4: ["splicing/canonical"]}
SETS |= {6: SETS[2]}


@pytest.mark.parametrize("number", SETS)
def test_the_tables_show_what_the_score_files_say(finished, number):
    tables = finished / "results/tiny/tables"
    text = (tables / f"table{number}.md").read_text()
    assert "tiny" in text
    assert "simulated, test size" in text
    (models,) = CONFIG["tables"][f"table{number}"].values()
    table = pd.read_csv(tables / f"table{number}.csv", index_col=["dataset", "model"])
    fitted = table[table["n_seeds"] > 0]
    assert list(fitted.index) == [(dataset, model) for dataset in SETS[number] for model in models]
    for dataset, model in fitted.index:
        metrics = score(finished, dataset, model)["metrics"]
        row = fitted.loc[(dataset, model)]
        shown = TWO_CLASSES if number != 4 else {"pr_auc": "auprc", "top_k": "top_k"}
        for column, key in shown.items():
            assert row[f"{column}_mean"] == metrics[key], (dataset, model, column)
        assert f"{metrics[next(iter(shown.values()))]:.3f}" in text


def test_table_3_shows_what_the_score_files_say(finished):
    table = pd.read_csv(finished / "results/tiny/tables/table3.csv", index_col=["dataset", "model"])
    for dataset, models in CONFIG["tables"]["table3"].items():
        for model in models:
            row, metrics = table.loc[(dataset, model)], score(finished, dataset, model)["metrics"]
            assert row["fold_auc_mean"] == metrics["roc_auc"] and row["remark"].startswith("simulated")
            assert (row["n_cases"], row["n_controls"], row["n_folds"]) == (60, 60, 3)
    assert table.loc[("disease/HSCR-RET", "genebert"), "fold_auc_paper"] == 0.562
    assert table.loc[("disease/HSCR-RET", "one-snp"), "fold_auc_mean"] > 0.7


def test_the_transfer_matrix_shows_what_the_score_files_say(finished):
    table = pd.read_csv(finished / "results/tiny/tables/table6_transfer.csv")
    table = table.set_index(["model", "trained_on", "tested_on"])
    models = CONFIG["tables"]["table6"]["tfbs"]
    assert len(table) == 4 * len(models) and table.index.is_unique
    for model in models:
        for name, other in (NAMES, NAMES[::-1]):
            found = score(finished, f"tfbs/{name}", model)
            own, foreign = (table.loc[(model, f"tfbs/{name}", f"tfbs/{tested}")] for tested in (name, other))
            assert (own["auc_mean"], own["left_out"]) == (found["metrics"]["roc_auc"], 0)
            assert list(found["transfer"]) == [other]
            entry = found["transfer"][other]
            assert foreign["auc_mean"] == entry["metrics"]["roc_auc"]
            assert foreign["left_out"] == entry["left_out"] > 0  # the cells share peaks
            test = pd.read_parquet(finished / f"results/tiny/tasks/tfbs/{other}/test.parquet")
            assert foreign["n_test"] + foreign["left_out"] == len(test)


def test_the_learning_curve_shows_what_the_score_files_say(finished):
    points = pd.read_csv(finished / "results/tiny/figures/learning_curves/promoter/prom-core.csv")
    points = points.set_index(["model", "n_train"])["roc_auc"]
    curve = CONFIG["learning_curves"]["promoter/prom-core"]
    assert set(points.index) == {(model, n) for model in curve["models"] for n in curve["sizes"]}
    folder = finished / "results/tiny/learning_curves/promoter/prom-core"
    for (model, n), auc in points.items():
        found = json.loads((folder / f"{model}/n{n}_seed0.json").read_text())
        assert (found["n_train"], found["metrics"]["roc_auc"]) == (n, auc)
        assert "transfer" not in found


def test_nothing_about_one_person_is_written(finished):
    """Names, genotypes and status stay in the cohort's files, here simulated ones."""
    cohort = finished / "resources/simulated/cohort/toy"
    people = pd.read_csv(cohort / "phenotypes.tsv", sep="\t")
    names = re.compile("|".join(rf"\b{name}\b" for name in people["sample_id"]).encode())
    written = [path for folder in ("results", "logs") for path in (finished / folder).rglob("*") if path.is_file()]
    assert len(written) > 100
    for path in written:
        text = path.read_bytes()
        assert not names.search(text) and b"\t0|1\t" not in text, path
    columns = {"tasks": {"person", "fold"}, "scores": {"score_from", "score_to", "cases", "controls"}}
    for stage, expected in columns.items():
        tables = list((finished / f"results/tiny/{stage}/disease").rglob("*.parquet"))
        assert tables and all(set(pd.read_parquet(path)) == expected for path in tables)


def test_nothing_is_left_to_do_and_the_report_can_be_made(root, finished):
    again = snakemake(root, "-n", "--cores", "2", "--directory", str(finished), *TINY, "--", "all")
    assert "Nothing to be done" in again.stdout + again.stderr
    done = snakemake(root, "--directory", str(finished), *TINY, "--report", str(finished / "report.html"), "--", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    report = (finished / "report.html").read_text()
    for words in ("Table 1", "table2.md", "from set to set", "Learning curves", "The page of run tiny"):
        assert words in report, words


@pytest.mark.slow
def test_two_processes_train_what_one_trains(root, finished, tmp_path):
    """`torchrun` from the rule; the run's data are those of `finished`."""
    overlay = tmp_path / "two.yaml"
    overlay.write_text("resources: {pretrain: {threads: 2, processes: 2}}\nmodel: {training: {micro_batch: 4}}\n")
    shutil.copytree(finished, tmp_path / "run")
    done = snakemake(
        root, "--cores", "2", "--directory", str(tmp_path / "run"), *TINY, str(overlay), "--forcerun", "pretrain",
        "--rerun-triggers", "mtime", "--", "results/tiny/models/genebert/config.json",
    )  # fmt: skip
    log = tmp_path / "run/logs/tiny/pretrain/genebert.log"
    assert done.returncode == 0, done.stderr + log.read_text()
    assert "starting 2 processes on 1 nodes" in log.read_text()
    assert "on 2 x cpu" in log.read_text()
    assert (tmp_path / "run/logs/tiny/pretrain/genebert.log.rank1").exists()
    one, two = (
        [json.loads(line) for line in (run / "results/tiny/models/genebert/metrics.jsonl").read_text().splitlines()]
        for run in (finished, tmp_path / "run")
    )
    # Masks are the same; dropout is drawn for each piece, of which there are two instead of one.
    assert two[0]["mgm"] == pytest.approx(one[0]["mgm"], rel=0.02)
    assert two[0]["srm"] == pytest.approx(one[0]["srm"], rel=0.1)


def test_several_nodes_are_asked_for(root, tmp_path):
    overlay = tmp_path / "nodes.yaml"
    overlay.write_text("resources: {pretrain: {nodes: 2, processes: 4, gpu: 4}}\n")
    done = snakemake(
        root, "-n", "--directory", str(tmp_path), "--configfile", str(overlay), "--",
        "results/paper/models/genebert/config.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plan = done.stdout[done.stdout.index("\nrule pretrain:") :]
    for word in ("mpi=srun", "nodes=2", "tasks=2", "processes=4", "gres=gpu:4", "tasks_per_gpu=0"):
        assert word in plan
    assert " gpu=" not in plan  # of all nodes together, it would be


@pytest.mark.slow
def test_the_same_run_elsewhere_gives_the_same_files(root, finished, tmp_path):
    targets = [
        f"results/tiny/{name}" for name in ("accessibility/accessible.h5ad", "corpus/groups.npz", "motifs/matrix.npy")
    ]
    done = snakemake(root, "--cores", "2", "--directory", str(tmp_path), *TINY, "--", *targets)
    assert done.returncode == 0, done.stderr
    for target in targets:
        assert (tmp_path / target).read_bytes() == (finished / target).read_bytes(), target


def test_bad_input_is_one_sentence_in_the_log_and_leaves_nothing(root, finished, tmp_path):
    """A matrix cut short: the job fails, says why, and no half-written output stays."""
    simulated = finished / "resources/simulated"
    short = tmp_path / "short.mtx.gz"
    short.write_bytes((simulated / "matrix.mtx.gz").read_bytes()[:5000])
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        f"genome: {{fasta: {simulated}/genome.fa.gz}}\n"
        f"accessibility: {{matrix: {short}, peaks: {simulated}/peaks.bed, cells: {simulated}/cells.tsv, "
        f"blacklist: {simulated}/blacklist.bed}}\n"
    )
    done = snakemake(
        root,
        "--cores",
        "1",
        "--directory",
        str(tmp_path),
        *TINY,
        str(overlay),
        "--",
        "results/tiny/accessibility/summary.json",
    )
    assert done.returncode != 0
    log = (tmp_path / "logs/tiny/accessibility/accessibility.log").read_text()
    assert "short.mtx.gz" in log
    assert "Traceback" not in log
    assert not list((tmp_path / "results/tiny").glob("accessibility/*"))


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize(("config", "regions", "types"), [("fetal-brain", 5405, 10), ("bm0828", 1073, 7)])
def test_real_data_to_the_corpus(root, shared_data, tmp_path, config, regions, types):
    """BEDs of ten cell types, and a Seurat object: real chr20 through the data half."""
    done = snakemake(
        root, "--cores", "2", "--directory", str(tmp_path), "--configfile", f"config/examples/{config}.yaml",
        "--config", f"data={shared_data}", "--", "corpus",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    info = json.loads((tmp_path / f"results/{config}/corpus/corpus.json").read_text())
    assert info["regions"] == regions
    assert len(info["cell_types"]) == types
    assert info["groups"] > 500
    assert info["groups_without_negative"] == 0
