"""What a change makes real Snakemake do again in a finished run: the smallest part that it concerns."""

import json
import shutil

import pandas as pd
import pytest
import yaml
from run_snakemake import TINY, counts, jobs, snakemake

pytestmark = pytest.mark.workflow

A549, BE2 = "CTCF_A549_CTCF_UT-A", "CTCF_BE(2)-C_CTCF_UW"


def changed(root, folder, overlay, *more):
    """Run with YAML laid over the finished run's configuration."""
    return snakemake(root, "--cores", "2", "--directory", str(folder), *TINY, str(overlay), *more)


BOTH = {"promoter", "tfbs"}


@pytest.mark.parametrize(
    ("overlay", "tasks", "planned"),
    [
        ("finetune: {tfbs: {epochs: 2}}", {"tfbs"}, {"fit": 2, "table": 2, "transfer": 1}),
        (
            "finetune: {promoter: {batch: 8}}", {"promoter"},
            {"fit": 2, "fit_part": 1, "learning_curve": 1, "table": 4},
        ),
        # the curve has a number of epochs of its own
        ("finetune: {promoter: {epochs: 2}}", {"promoter"}, {"fit": 2, "table": 4}),
        (
            "models: {genebert: {finetune: {learning_rate: 0.1}}}", BOTH | {"disease"},
            # and the rows of the ablations, which are not fine-tuned at that rate, are no longer the same fit
            {"fit": 5, "fit_part": 1, "learning_curve": 1, "table": 7, "transfer": 1},
        ),
        ("tasks: {tfbs: {transfer: []}}", {"tfbs"}, {"fit": 8, "table": 2, "transfer": 1}),
        (
            "learning_curves: {promoter/prom-core: {sizes: [30, 100, 200]}}", {"promoter"},
            {"fit_part": 2, "learning_curve": 1},
        ),
        # the same pre-trained model at another rate: no training
        (
            "tables: {table1: {promoter/prom-core: [dnabert, dnabert-2e-4]}}", {"promoter"},
            {"fit": 1, "table": 1},
        ),
        # no model without the matching loss is trained again, nor what is made of it fitted
        (
            "motifs: {pseudocount: 2.0}", BOTH | {"disease", "splicing"},
            {"motifs": 1, "pretrain": 1, "curves": 1, "card": 1, "fit": 5, "fit_part": 1, "learning_curve": 1,
             "table": 8, "transfer": 1, "embed": 1, "figure2": 1, "embed_regions": 1, "predict_accessibility": 1},
        ),
        # lambda of one model: that model alone, which no other row is any more
        (
            "models: {lambda-0.5: {losses: {srm_weight: 0.6}}}", {"promoter"},
            {"pretrain": 1, "fit": 1, "table": 1},
        ),
        ("finetune: {splicing: {epochs: 2}}", {"splicing"}, {"fit": 1, "table": 1}),
        ("cohort: {population: european}", {"disease"}, {"cohort": 1, "task": 2, "fit": 3, "table": 1}),
        ("methods: {splice-pwm: {ratio: 50}}", {"splicing"}, {"fit": 1, "table": 1}),
        ("resources: {fit: {mem_mb: 1000}}", set(), {}),
    ],
)  # fmt: skip
def test_a_changed_key(root, finished, tmp_path, overlay, tasks, planned):
    (tmp_path / "overlay.yaml").write_text(overlay)
    done = changed(root, finished, tmp_path / "overlay.yaml", "-n", "--", "all")
    # The page shows all of it, but not what rules ask a cluster for.
    assert counts(done) == planned | ({"report": 1} if planned else {})
    assert {values["task"] for _, values in jobs(done) if "task" in values} == tasks


@pytest.mark.slow
def test_a_comment_makes_nothing_again(root, tmp_path):
    """In a script, a rule's file, the configuration or an overlay; with the triggers that the profile sets."""
    checkout, folder = tmp_path / "checkout", tmp_path / "run"
    for name in ("config", "rules", "workflow", "envs", "src", "docs"):
        shutil.copytree(root / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(root / "Snakefile", checkout)
    triggers = yaml.safe_load((root / "slurm/config.yaml").read_text())["rerun-triggers"]
    overlays = [str(checkout / "config/demo.yaml"), str(root / "tests/config/tiny.yaml")]
    command = ["--snakefile", str(checkout / "Snakefile"), "--directory", str(folder), "--cores", "2"]
    command += ["--rerun-triggers", *triggers, "--configfile", *overlays, "--", "results/tiny/genome/genome.fa"]
    done = snakemake(root, *command)
    assert done.returncode == 0 and {"simulate", "genome"} <= set(counts(done)), done.stderr
    edited = (
        "workflow/scripts/genome.py",
        "rules/sequences.smk",
        "config/config.yaml",
        "config/demo.yaml",
        "Snakefile",
    )
    for name in edited:
        with (checkout / name).open("a") as handle:
            handle.write("\n# another remark\n")
    done = snakemake(root, "-n", *command)
    assert "Nothing to be done" in done.stdout + done.stderr
    # what is no comment does
    config = checkout / "config/demo.yaml"
    config.write_text(config.read_text().replace("build: toy", "build: other"))
    assert counts(snakemake(root, "-n", *command)) == {"genome": 1}


def table2(folder):
    tables = folder / "results/tiny/tables"
    return pd.read_csv(tables / "table2.csv", index_col=["dataset", "model"]), (tables / "table2.md").read_text()


@pytest.mark.slow
def test_score_files_and_reasons_become_rows(root, finished, tmp_path):
    """The table follows a score file that changes, and says what cannot be had, and why."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    file = folder / f"results/tiny/scores/tfbs/{BE2}/kmer-logreg/seed0.json"
    score = json.loads(file.read_text())
    auc, score["metrics"]["roc_auc"] = score["metrics"]["roc_auc"], 0.123
    file.write_text(json.dumps(score))
    overlay = tmp_path / "overlay.yaml"
    rows = "tables: {table2: {tfbs: [kmer-logreg, genebert]}}\n"
    overlay.write_text(rows)
    done = changed(root, folder, overlay, "--", "table2")
    assert counts(done) == {"table": 1}
    table, text = table2(folder)
    assert table.loc[(f"tfbs/{BE2}", "kmer-logreg"), "auc_mean"] == 0.123
    assert "0.123" in text

    reasons = f"unavailable: {{genebert: the weights need a login, tfbs/{A549}: withdrawn by its authors}}\n"
    overlay.write_text(rows + reasons)
    done = changed(root, folder, overlay, "--", "table2")
    # The one row that is left is fitted again: not tested on the other set any more.
    assert counts(done) == {"unavailable": 3, "fit": 1, "table": 1}
    table, text = table2(folder)
    assert table.loc[(f"tfbs/{BE2}", "kmer-logreg"), "auc_mean"] == auc
    assert "transfer" not in json.loads(file.read_text())
    reasons = {(A549, "kmer-logreg"): "withdrawn by its authors"}
    reasons |= dict.fromkeys([(A549, "genebert"), (BE2, "genebert")], "the weights need a login")
    for (name, model), reason in reasons.items():
        row = table.loc[(f"tfbs/{name}", model)]
        assert row["n_seeds"] == 0 and pd.isna(row["auc_mean"]) and "unavailable" in row["remark"], row
        found = json.loads((folder / f"results/tiny/scores/tfbs/{name}/{model}/unavailable.json").read_text())
        assert found == {"task": "tfbs", "dataset": name, "model": model, "seed": 0, "unavailable": reason}
        assert reason in text
    # what was not asked for stayed
    other = "results/tiny/tables/table6.csv"
    assert (folder / other).read_bytes() == (finished / other).read_bytes()
