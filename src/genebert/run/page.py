"""What the report page of a run is made from: files for its rule, and what its script is told."""

from types import SimpleNamespace
from typing import Any

from genebert.methods.registry import METHODS, baselines
from genebert.paper import TITLES
from genebert.run.cell_accessibility import cell_accessibility_files
from genebert.run.figure2 import why_no_figure2
from genebert.run.learning_curves import learning_curve_files
from genebert.run.models import is_trained
from genebert.run.run import Run
from genebert.run.together import expanded


def page_inputs(run: Run) -> dict[str, list[str]]:
    """Return the files of the run that the page is made from; what is asked for but cannot be had is left out."""
    tables = run.tables()
    files = [path for table in tables for path in run.table_files(table)]
    scores = [path for table in tables for path in run.table_scores(SimpleNamespace(table=table))]
    models, all_models = (
        sorted({run.models.canonical[name] for name in run.shown_models(ablations=ablations)})
        for ablations in (False, True)
    )
    return {
        "scores": list(dict.fromkeys(scores)),
        "tables": [path for path in files if path.endswith(".html")],
        "tables_csv": [path for path in files if path.endswith(".csv")],
        "card": run.stage("corpus", "card.json", "card.md", "regions_per_type.svg", "sharing.svg"),
        "training": [path for path in run.curve_files() if path.endswith(".svg")],
        "learning": [path for path in learning_curve_files(run) if path.endswith((".svg", ".csv"))],
        "figure2": run.figure2_files(),
        "cell_types": [path for path in cell_accessibility_files(run) if path.endswith(".json")],
        "models": [path for name in models for path in run.stage(f"models/{name}", "model.json", "metrics.jsonl")],
        "ablations": [f"{run.results}/models/{name}/model.json" for name in all_models if name not in models],
    }


def page_facts(run: Run) -> dict[str, Any]:
    """Return the fields of :class:`genebert.report.page.build.PageRun` that follow from the configuration."""
    canonical, resolved = run.models.canonical, run.models.resolved
    return {
        # What rules ask a cluster for changes no result, and so must not make the page again.
        "config": {key: value for key, value in run.config.items() if key != "resources"},
        "absent": {number: why for number in TITLES if (why := _why_no_table(run, f"table{number}"))},
        "simple": [name for name in baselines() if not METHODS[name].torch],
        "fitted_as": _fitted_as(run),
        "trained": {name: canonical[name] for name in run.models.names if is_trained(resolved[name])},
        "without_figure2": why_no_figure2(run),
    }


def _fitted_as(run: Run) -> dict[str, dict[str, list[str]]]:
    """Return, for each data set of the tables, the rows whose fits have other names, or several, and those names."""
    found: dict[str, dict[str, list[str]]] = {}
    for table in run.tables():
        for name, rows in run.table_rows(SimpleNamespace(table=table)).items():
            found.setdefault(name, {}).update({row: fits for row, fits in rows.items() if fits != [row]})
    return {name: rows for name, rows in found.items() if rows}


def _why_no_table(run: Run, table: str) -> str:
    """Return why the run goes without a table, nothing where it has it."""
    if run.rows.get(table):
        return ""
    if table not in run.rows:
        return "the workflow does not make it"
    rows = {name: models for name, models in run.config["tables"][table].items() if models}
    if not rows:
        return "the configuration asks for no row of it"
    reasons = {name: run.absent[name] for name in expanded(rows, run.sets) if name in run.absent}
    if not reasons:
        return f"the configuration has no data set of {', '.join(rows)}"
    return "; ".join(f"{name}: {why}" for name, why in reasons.items())
