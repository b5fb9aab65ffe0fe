"""What was run, in numbers: data, models, what simple baselines reach, what a score costs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from genebert.files import read_json
from genebert.report.curves import read_metrics
from genebert.report.page.benchmarks import read_benchmark
from genebert.report.page.claims import GENEBERT
from genebert.report.page.fits import AllFits
from genebert.report.page.pictures import Cost
from genebert.report.page.summary import signed
from genebert.report.page.verdicts import best_of
from genebert.report.tables.blocks import number, with_sd
from genebert.report.tables.kinds.base import Shown
from genebert.report.tables.kinds.registry import shown_of
from genebert.report.tables.paper import metrics_of
from genebert.report.text import NOTHING, count
from genebert.settings.models import REGRESSION

# First letters of the names of models -> heading.
GROUPS = {"from-scratch": "The same network, not pre-trained", "dnabert": "DNABERT", "genebert": "GeneBERT"}
OURS = "-conv"  # in the names of models with filters over bases, which the paper's have not
COST_TABLES = (1, 2, 3, 4)  # one for each task
MODEL_HEADS = ("Model", "Sequence encoder", "Region encoder", "Losses", "Steps", "Batch", "Samples seen", "Starts from")


def headline(paper: pd.DataFrame) -> tuple[Shown, str]:
    """Return the kind of a table and the name of its last metric, by which models are compared."""
    metrics = metrics_of(paper)
    return shown_of(metrics), metrics[-1]


def data_facts(card: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what the data card says of the size of a run: what, this run, the paper."""
    named = {"cell_types": "cell types", "regions": "accessible regions", "bases_of_regions": "bases of all regions",
             "region_cell_type_pairs": "(region, cell type) pairs"}  # fmt: skip
    facts = [
        (label, count(card["paper"][key]["run"]), count(card["paper"][key]["paper"])) for key, label in named.items()
    ]
    steps = card["steps"]
    genome = card["genome"]
    chromosomes = genome["chromosomes"]
    named_ones = ", ".join(chromosomes) if len(chromosomes) < 9 else f"{chromosomes[0]} to {chromosomes[-1]}"
    return [
        *facts,
        ("samples for pre-training", count(steps["groups"]), NOTHING),
        ("samples for its validation", count(steps["validation_groups"]), NOTHING),
        ("genome", f"{genome['build']}: {named_ones}", genome["paper"]["of"]),
        ("motifs", f"{count(card['motifs']['motifs'])} ({card['motifs']['release']})", "JASPAR 2018"),
    ]


def model_rows(paths: Iterable[str | Path]) -> list[list[str]]:
    """Return a row of text for each ``model.json``, in the columns of MODEL_HEADS."""
    rows = []
    for path in map(Path, paths):
        about = read_json(path)
        settings, training = about["settings"], about["training"]
        losses = [name.upper() for name in ("mgm", "ngsp", "srm") if settings["losses"].get(name)]
        encoder = settings["sequence_encoder"]
        size = f"{encoder['layers']} layers of {encoder['hidden']}, {settings['k']}-mers"
        if filters := encoder.get("convolution"):
            size += f", {filters['filters']} filters of {filters['width']} bases"
        regressed = settings["losses"].get("srm") == REGRESSION
        region = settings["region_encoder"]["name"] if "SRM" in losses and not regressed else NOTHING
        losses = [f"{name} ({REGRESSION})" if name == "SRM" and regressed else name for name in losses]
        starts = about.get("initial_weights", {}).values()
        weights = [one.get("id") or one.get("name") or "random weights" for one in starts]
        steps = training["steps"] if losses else 0
        rows.append([
            path.parent.name, size, region, " + ".join(losses) or NOTHING, count(steps), count(training["batch"]),
            count(about.get("samples_seen", 0) if steps else 0), ", ".join(dict.fromkeys(weights)) or NOTHING,
        ])  # fmt: skip
    return rows


def end_of_training(folder: str | Path) -> str:
    """Return what a model's pre-training ended with, in a sentence."""
    last = read_metrics(Path(folder) / "metrics.jsonl")[-1]
    names = ("mgm", "mgm_accuracy", "ngsp", "ngsp_accuracy", "srm", "srm_accuracy")
    parts = []
    for name in names:
        both = [f"{last[key]:.3f} in {what}" for key, what in ((name, "training"), (f"valid_{name}", "validation"))
                if key in last]  # fmt: skip
        if both:
            parts.append(f"{name.upper().replace('_', ' ')} {' and '.join(both)}")
    return f"At step {last['step']:,}: {'; '.join(parts)}."


def baseline_rows(papers: Mapping[int, pd.DataFrame], fits: AllFits, simple: Sequence[str]) -> list[list[str]]:
    """Return a row of text for each data set with scores: data set, metric, the best simple baseline, the best of each
    group of models, GeneBERT's difference to the baseline, and the paper's GeneBERT.
    """
    rows, seen = [], set()
    for paper in papers.values():
        shown, name = headline(paper)
        place = shown.metrics[name].place
        for dataset in dict.fromkeys(where for where, _ in fits):
            reported = paper[paper["dataset"] == dataset]
            if reported.empty or (dataset, place) in seen:
                continue
            seen.add((dataset, place))
            models = [model for where, model in fits if where == dataset]
            networks = [one for one in models if OURS not in one]
            groups = [simple, *([one for one in networks if one.startswith(first)] for first in GROUPS)]
            best = [best_of(dataset, fits, group, place) for group in groups]
            values = [f"{one['model']} {with_sd(one['mean'], one['sd'])}" if one else NOTHING for one in best]
            gain = best[-1]["mean"] - best[0]["mean"] if best[0] and best[-1] else None
            theirs = reported.loc[reported["model"] == GENEBERT, name].dropna()
            told = number(theirs.max()) if len(theirs) else NOTHING
            rows.append([dataset, shown.metrics[name].heading, *values, signed(gain), told])
    return rows


def cost_panels(
    papers: Mapping[int, pd.DataFrame], fits: AllFits, simple: Sequence[str], trained: Mapping[str, str],
    benchmarks: str | Path,
) -> list[tuple[str, str, list[Cost]]]:  # fmt: skip
    """Return what :func:`genebert.report.page.pictures.cost_figure` draws: the first data set of each task.

    Parameters
    ----------
    papers : dict
        Table number -> what the paper reports.
    fits : dict
        From :func:`genebert.report.page.verdicts.read_fits`.
    simple : list of str
        Methods that are no networks.
    trained : dict
        Model that is pre-trained in this run -> the folder that it is trained in; those without a benchmark file are
        left out, as their cost is not known.
    benchmarks : path
        ``results/{run}/benchmark``.
    """
    panels = []
    for table in COST_TABLES:
        if table not in papers:
            continue
        shown, name = headline(papers[table])
        dataset = next((where for where, _ in fits if where in set(papers[table]["dataset"])), None)
        costs = []
        for (where, model), one in fits.items():
            if where != dataset or not one.scores or any("seconds" not in score for score in one.scores):
                continue
            seconds = median(score["seconds"] for score in one.scores)
            if model in trained:
                path = Path(benchmarks) / "pretrain" / f"{trained[model]}.tsv"
                if not path.is_file():
                    continue
                seconds += read_benchmark(path)["s"]
            kind = "baseline" if model in simple else "pre-trained" if model in trained else "network"
            values = one.values(shown.metrics[name].place)
            costs.append(Cost(model, kind, max(seconds, 0.1), sum(values) / len(values)))
        if costs:
            panels.append((dataset, shown.metrics[name].heading, costs))
    return panels
