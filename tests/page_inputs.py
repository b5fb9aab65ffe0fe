"""A finished run in small, for tests of its page: score files with predictions, a table, figures, a data card."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from table_inputs import score

from genebert.report.page.build import PageFiles, PageRun
from genebert.report.tables.render import render_table
from genebert.report.text import ReportSettings

ROOT = Path(__file__).resolve().parents[1]
PROMOTER = "promoter/prom-core"
SETTINGS = ReportSettings("toy", "constructed, test size", ("Nothing here was measured.",))
SVG = (
    '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">\n'
    '  <metadata><date>today</date></metadata>\n  <path d="M 1.234567 2 L 30.5 10.98765" stroke="#000"/>\n</svg>\n'
)
CARD = {
    "paper": {
        name: {"run": 5, "paper": 17}
        for name in ("cell_types", "regions", "bases_of_regions", "region_cell_type_pairs")
    },
    "steps": {"groups": 90, "validation_groups": 10},
    "genome": {"build": "toy", "chromosomes": ["chr1"], "paper": {"of": "hg19"}},
    "motifs": {"motifs": 579, "release": "JASPAR2018"},
    "inputs": {"peaks": {"file": "peaks.bed", "bytes": 1234, "sha256": "a" * 64}},
}
CARD_TEXT = """# Data card of run toy

| Cell type | Regions |
| --- | ---: |
| T <cells> | 5 |

![Accessible regions](regions_per_type.png)

## Overlap of downstream data with pre-training

See [elsewhere](facts.md); 68 of 111 promoters overlap.
"""
MODEL = {
    "settings": {
        "k": 3, "sequence_encoder": {"layers": 2, "hidden": 64}, "region_encoder": {"name": "swin-t-224"},
        "losses": {"mgm": True, "ngsp": True, "srm": "infonce"},
    },
    "training": {"steps": 100, "batch": 16}, "samples_seen": 1600, "initial_weights": {"sequence_encoder": {}},
}  # fmt: skip
METRICS = {"step": 100, "mgm": 3.9, "valid_mgm": 3.8}
BENCHMARK = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def predictions(auc_shift: float, seed: int, n: int = 200, place: int = 0) -> pd.DataFrame:
    """Return labels and scores whose classes lie so far apart; the labels are those of `place`, whatever the seed."""
    label = (np.arange(n) + place) % 2
    noise = np.random.default_rng(1000 + seed).normal(size=n)
    return pd.DataFrame({"label": label, "score": label * auc_shift + noise})


def write_fit(folder: Path, model: str, seed: int, table: pd.DataFrame, dataset: str = PROMOTER, **changes) -> Path:
    """Write a score file and its predictions below a run's folder; the AUC is that of the predictions."""
    auc = float(roc_auc_score(table["label"], table["score"]))
    value = score(model, seed, auc, dataset, validation={"roc_auc": auc}, **changes)
    path = folder / "scores" / dataset / model / f"seed{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    table.to_parquet(path.with_suffix(".parquet"), index=False)
    return path


def write(path: Path, text: str) -> str:
    """Write a text file with its folders and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def benchmark(folder: Path, name: str, seconds: float, memory: str = "512.5") -> None:
    """Write what Snakemake measures of a job; a dash for the memory of one that is too short."""
    line = f"{seconds}\t0:00:01\t{memory}\t1\t1\t1\t1\t1\t1\t{seconds / 2}\n"
    write(folder / "benchmark" / f"{name}.tsv", BENCHMARK + line)


def make_page_run(base: Path, shifts=None, seeds=(0, 1, 2)) -> tuple[Path, PageFiles, PageRun]:
    """Write a run with Table 1 alone below `base`; returns its folder and what :func:`write_page` takes.

    `shifts`: model -> how far it sets the classes apart.
    """
    folder = base / "results" / "toy"
    shifts = shifts or {"kmer-logreg": 3.0, "dnabert": 0.2, "genebert": 2.5}
    scores = [
        write_fit(folder, model, seed, predictions(shift, seed)) for model, shift in shifts.items() for seed in seeds
    ]
    paper = ROOT / "config/paper/table1.tsv"
    tables = [folder / "tables" / f"table1.{form}" for form in ("html", "csv")]
    render_table("table1", paper, scores, {PROMOTER: list(shifts)}, SETTINGS, tables)
    for name in ("regions_per_type", "sharing"):
        write(folder / f"corpus/{name}.svg", SVG)
    write(folder / "corpus/card.md", CARD_TEXT)
    curve = folder / f"figures/learning_curves/{PROMOTER}.svg"
    write(curve.with_suffix(".csv"), "model,n_train,seed,roc_auc\ngenebert,50,0,0.7\ngenebert,200,0,0.8\n")
    write(folder / "models/genebert/metrics.jsonl", json.dumps(METRICS) + "\n")
    benchmark(folder, "pretrain/genebert", 40.0)
    benchmark(folder, f"fit/{PROMOTER}/genebert", 12.0)
    benchmark(folder, "table/table1", 0.4, "-")
    files = PageFiles(
        scores=list(map(str, scores)),
        tables=[str(tables[0])],
        card=write(folder / "corpus/card.json", json.dumps(CARD)),
        training=[write(folder / "figures/pretrain/genebert.svg", SVG)],
        learning=[write(curve, SVG)],
        figure2=[],
        models=[write(folder / "models/genebert/model.json", json.dumps(MODEL))],
        papers=[str(ROOT / f"config/paper/table{number}.tsv") for number in range(1, 9)],
        default=str(ROOT / "config/config.yaml"),
        choices=str(ROOT / "docs/choices.md"),
        environments=sorted(map(str, ROOT.glob("envs/*.yaml"))),
    )
    run = PageRun(
        settings=SETTINGS,
        config={"run": "toy", "scale": SETTINGS.scale, "genome": {"fasta": f"{base}/secret/genome.fa.gz"}},
        absent={2: "tfbs/CTCF: withdrawn by its authors"},
        simple=["kmer-logreg"],
        trained={"genebert": "genebert"},
        snakemake="9.27.1",
        checkout=str(base),
        without_figure2="the run does not draw it",
    )
    return folder, files, run
