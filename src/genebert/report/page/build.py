"""From the files of a finished run to ``report.html``."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genebert.files import read_json, read_text, write_text
from genebert.paper import TITLES
from genebert.report.page import facts, provenance
from genebert.report.page.benchmarks import rule_times
from genebert.report.page.cell_types import RULES as CELL_TYPES_RULES
from genebert.report.page.cell_types import cell_type_lines
from genebert.report.page.claims import claims_of
from genebert.report.page.crate import write_crate
from genebert.report.page.figure2 import RULE as FIGURE2_RULE
from genebert.report.page.figure2 import read_figure2
from genebert.report.page.fits import AllFits, read_fits
from genebert.report.page.markdown import markdown_html, read_markdown
from genebert.report.page.pictures import Cost, cost_figure, data_uri, learning_figures, pretraining_figures
from genebert.report.page.summary import Line, counts_of, line_of
from genebert.report.page.tables import read_tables
from genebert.report.page.verdicts import RULE, judge
from genebert.report.tables.paper import read_paper
from genebert.report.text import ReportSettings, count, fill
from genebert.settings.load import load_yaml

logger = logging.getLogger(__name__)
PAGE = "report.html"
OPEN_QUESTIONS = "| question | default |"  # beginning of the table of docs/choices.md that the page repeats
CARD_PICTURES = {
    "regions_per_type": "Bars: accessible regions of each cell type; the table of cell types above has the numbers.",
    "sharing": "Heat map: which share of regions two cell types have in common; the most and least similar pairs are "
    "listed above.",
}


@dataclass(frozen=True)
class PageFiles:
    """What the page is made from; all but `papers`, `default`, `choices` and `environments` below the run's folder."""

    scores: Sequence[str]
    tables: Sequence[str]  # html
    card: str  # card.json; card.md and its pictures lie beside it
    training: Sequence[str]  # svg, a model each
    learning: Sequence[str]  # svg, with a csv of the same name beside it
    figure2: Sequence[str]  # svg and json, or nothing
    models: Sequence[str]  # model.json, with metrics.jsonl beside it
    papers: Sequence[str]  # config/paper/table{n}.tsv
    default: str  # config/config.yaml
    choices: str  # docs/choices.md
    environments: Sequence[str]  # envs/{stage}.yaml
    ablations: Sequence[str] = ()  # model.json of those that the tables of ablations alone show
    cell_types: Sequence[str] = ()  # cell_accessibility.json, or nothing


@dataclass(frozen=True)
class PageRun:
    """What the page is told of the run."""

    settings: ReportSettings
    config: Mapping[str, Any]
    absent: Mapping[int, str]  # number of a table that the run does not have -> why
    simple: Sequence[str]  # methods that are no networks
    trained: Mapping[str, str]  # model that is pre-trained here -> name of its folder
    snakemake: str  # version
    checkout: str  # folder of the workflow
    rule: str = "report"  # whose own benchmark is left out
    fitted_as: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # data set -> row -> name of its fit
    without_figure2: str = ""  # why the run has no Figure 2


def write_page(folder: str | Path, files: PageFiles, run: PageRun) -> dict[str, Any]:
    """Write ``report.html`` and ``ro-crate-metadata.json`` into a run's folder.

    The same files give the same bytes: no date of making stands in them. Benchmark files are shown in one section,
    ``#time``, and nowhere else.

    Parameters
    ----------
    folder : path
        ``results/{run}``.
    files : PageFiles
    run : PageRun

    Returns
    -------
    dict
        What the template was filled with.

    Raises
    ------
    InputError
        Files that are not what the rules of this workflow write.
    """
    folder = Path(folder)
    papers = {int(Path(path).stem.removeprefix("table")): read_paper(path) for path in files.papers}
    fits, figure2 = read_fits(files.scores, run.fitted_as), read_figure2(files.figure2, run.without_figure2)
    of_cell_types = cell_type_lines(files.cell_types)
    lines = [*_lines(papers, fits, run.simple), figure2.line, *of_cell_types]
    made_by = provenance.revision(run.checkout)
    values = {
        "settings": run.settings,
        "lines": lines,
        "counts": counts_of(lines),
        "of_its_own": run.settings.notes or run.settings.scale != load_yaml(files.default)["scale"],
        "rule": (*RULE, FIGURE2_RULE, *(CELL_TYPES_RULES[line.name] for line in of_cell_types)),
        "tables": _tables(files.tables, run.absent),
        "figure2": figure2,
        "baselines": facts.baseline_rows(papers, fits, run.simple),
        "groups": facts.GROUPS.values(),
        "models": facts.model_rows(files.models),
        "ablations": facts.model_rows(files.ablations),
        "model_heads": facts.MODEL_HEADS,
        **_figures(folder, files),
        **_card(files.card),
        **_times(folder, run.rule),
        **_costs(facts.cost_panels(papers, fits, run.simple, run.trained, folder / "benchmark")),
        **_provenance(folder, files, run, fits, made_by),
        "choices": markdown_html(_open_questions(files.choices), {}),
    }
    write_text(folder / PAGE, fill("page.html", **values))
    size = (folder / PAGE).stat().st_size
    logger.info("%s: %.2f MB, %d claims, %d tables", PAGE, size / 1e6, len(lines), len(files.tables))
    about = {"name": f"GeneBERT run {run.settings.run}", "description": f"Scale: {run.settings.scale}"}
    listed = {folder / PAGE, *map(Path, [*files.scores, *files.tables, *files.training, *files.learning]),
              *map(Path, [files.card, *files.cell_types, *files.figure2, *files.models, *files.ablations])}  # fmt: skip
    listed |= {path.with_suffix(".csv") for path in map(Path, [*files.tables, *files.learning])}
    write_crate(folder, listed, about, made_by)
    return values


def _lines(papers: Mapping, fits: AllFits, simple: Sequence[str]) -> list[Line]:
    lines = []
    for claim in claims_of(papers):
        shown, metric = facts.headline(papers[claim.table])
        lines.append(line_of(judge(claim, fits, shown, metric, simple)))
    return lines


def _tables(paths: Sequence[str], absent: Mapping[int, str]) -> list[dict[str, Any]]:
    """Return number, title, form of the matrix, rectangles and, for a table that is not there, the reason."""
    found = read_tables(paths)
    return [
        {
            "number": number,
            "title": TITLES[number],
            "form": _form(found[number][0].title, TITLES[number]) if number in found else "",
            "parts": found.get(number, []),
            "reason": "" if number in found else absent.get(number, "the run has no file of it"),
        }
        for number in sorted({*TITLES, *found})
    ]


def _form(caption: str, title: str) -> str:
    """Return what a caption says after its title, in brackets: the form of the matrix that models of the table saw."""
    return caption.partition(f". {title}")[2].strip().removeprefix("(").removesuffix(")")


def _figures(folder: Path, files: PageFiles) -> dict[str, Any]:
    models = {Path(path).parent.name: Path(path).parent for path in files.models}
    return {
        "training": pretraining_figures(files.training, lambda name: facts.end_of_training(models[name])),
        "learning": learning_figures(files.learning, folder / "figures" / "learning_curves"),
    }


def _card(path: str | Path) -> dict[str, Any]:
    """Return the data card in both forms: its numbers and the whole of it as HTML."""
    card, beside = read_json(path), Path(path).parent
    pictures = {f"{name}.png": (data_uri(beside / f"{name}.svg"), alt) for name, alt in CARD_PICTURES.items()}
    return {
        "facts": facts.data_facts(card),
        "card": read_markdown(beside / "card.md", pictures, level=1),
        "inputs": [(name, one["file"], count(one["bytes"]), one["sha256"]) for name, one in card["inputs"].items()],
    }


def _times(folder: Path, rule: str) -> dict[str, Any]:
    times = rule_times(folder / "benchmark", rule)
    rows = [
        [one.rule, count(one.jobs), count(one.seconds, 1), count(one.longest, 1), count(one.cpu_seconds, 1),
         count(one.max_rss)]
        for one in times
    ]  # fmt: skip
    return {"times": times, "time_rows": rows}


def _costs(panels: Sequence[tuple[str, str, Sequence[Cost]]]) -> dict[str, Any]:
    """Return the cost curve as a picture and as rows of a table."""
    rows = [
        [title, one.model, one.kind, count(one.seconds, 1), metric, f"{one.value:.3f}"]
        for title, metric, costs in panels
        for one in costs
    ]
    return {"cost": cost_figure(panels), "cost_rows": rows}


def _provenance(folder: Path, files: PageFiles, run: PageRun, fits: AllFits, made_by: dict[str, str]) -> dict[str, Any]:
    return {
        "made_by": made_by,
        "snakemake": run.snakemake,
        "config": provenance.config_text(run.config),
        "differences": provenance.differences(files.default, run.config),
        "versions": provenance.recorded_versions(fits),
        "rendering": provenance.rendering_versions(),
        "environment_rows": [
            (stage, ", ".join(pins)) for stage, pins in provenance.environments(files.environments).items()
        ],
        "weights": provenance.model_hashes(fits),
        "examples": provenance.test_hashes(fits),
        "shown_files": provenance.file_hashes(
            [*(Path(path).with_suffix(".csv") for path in files.tables), *files.figure2], folder
        ),
        "n_scores": len(files.scores),
    }


def _open_questions(path: str | Path) -> str:
    """Return the table of docs/choices.md: what the paper leaves open, and what is chosen."""
    lines = read_text(path).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(OPEN_QUESTIONS))
    table = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        table.append(line)
    return "\n".join(table) + "\n"
