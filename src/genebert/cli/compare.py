"""Whether rows of a run's tables differ: any two of them, by the intervals of the page (docs/report.md)."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.report.page.claims import Pair
from genebert.report.page.summary import ends, mean_sd, signed
from genebert.report.page.verdicts import AllFits, Measured, measure, read_fits
from genebert.report.tables.kinds.base import Shown, value_at
from genebert.report.tables.kinds.registry import SHOWN
from genebert.report.text import NOTHING, text_table
from genebert.run.models import SEEDED
from genebert.settings.sentences import suggest

HIGHER, LOWER, OPEN = "higher", "lower", "cannot be told"
HEADS = ("data set", "metric", "", "than", "ours", "other", "difference", "95 %", "seeds", "verdict")


def _fits(folder: Path, names: Sequence[str]) -> tuple[list[str], AllFits]:
    """Return the data sets (task/data set) with scores of all `names`, and the fits of these, all their seeds."""
    places: dict[str, dict[str, list[str]]] = {}
    for path in sorted(folder.glob("*/*/*")):
        name = path.name.partition(SEEDED)[0]
        if path.is_dir() and any(path.glob("seed*.json")):
            places.setdefault("/".join(path.parts[-3:-1]), {}).setdefault(name, []).append(path.name)
    if not places:
        raise InputError(f"{folder}: found no score files, expected those of a run (results/RUN)")
    known = sorted({name for had in places.values() for name in had})
    for name in names:
        if name not in known:
            raise InputError(f"{folder}: no scores of {name}; {suggest(name, known)}")
    shared = [dataset for dataset, had in places.items() if all(name in had for name in names)]
    if not shared:
        raise InputError(f"{folder}: no data set with scores of all of {', '.join(names)}; expected at least one")
    fitted_as = {dataset: {name: places[dataset][name] for name in names} for dataset in shared}
    fits = ((dataset, fit) for dataset, rows in fitted_as.items() for names_of in rows.values() for fit in names_of)
    paths = [path for dataset, fit in fits for path in sorted((folder / dataset / fit).glob("seed*.json"))]
    return shared, read_fits(paths, fitted_as)


def _metric(fits: AllFits, dataset: str, name: str) -> tuple[Shown, str]:
    """Return the kind of a data set and its headline metric, the last of its tables."""
    score = fits[dataset, name].scores[0]
    for shown in reversed(SHOWN):
        headline = list(shown.metrics)[-1]
        if value_at(score, shown.metrics[headline].place) is not None:
            return shown, headline
    raise InputError(f"{fits[dataset, name].paths[0]}: has none of the headline metrics of tables; expected one")


def _said(one: Measured) -> str:
    """Return a difference in a word: one only where its whole interval lies on one side of 0."""
    if one.interval is None:
        return OPEN
    return HIGHER if one.interval[0] > 0 else LOWER if one.interval[1] < 0 else OPEN


def compare(results: str | Path, ours: str, others: Sequence[str]) -> list[dict[str, Any]]:
    """Compare a row of a run's tables with others, on every data set that has scores of all.

    Parameters
    ----------
    results : path
        ``results/{run}``.
    ours, others : str, list of str
        Models and baselines by the names they are fitted under.

    Returns
    -------
    list of dict
        dataset, metric, ours, other, verdict (higher, lower, cannot be told), and the numbers of
        :class:`~genebert.report.page.verdicts.Measured`.

    Raises
    ------
    InputError
        No run, or a row or data set without scores.
    """
    found = []
    datasets, fits = _fits(Path(results) / "scores", [ours, *others])
    for dataset in datasets:
        for name in (ours, *others):
            if why := fits[dataset, name].unavailable:
                raise InputError(f"{results}: {name} on {dataset} cannot be had: {why}")
        shown, metric = _metric(fits, dataset, ours)
        for other in others:
            one = measure(Pair(dataset, ours, other, dataset), fits, shown, shown.metrics[metric].place)
            numbers = {key: value for key, value in asdict(one).items() if key not in ("pair", "verdict", "missing")}
            heading = shown.metrics[metric].heading
            found.append(
                {"dataset": dataset, "metric": heading, "row": ours, "than": other, "said": _said(one), **numbers}
            )
    return found


def render_comparisons(found: Sequence[dict[str, Any]]) -> str:
    """Return comparisons as a table for people."""
    rows = [HEADS]
    for one in found:
        seeds = ", ".join(map(str, one["seeds"])) or NOTHING
        several = f" of {one['pretrainings']} pre-trainings" if one["pretrainings"] > 1 else ""
        rows.append(
            (one["dataset"], one["metric"], one["row"], one["than"], mean_sd(one["ours"]), mean_sd(one["other"]),
             signed(one["difference"]), ends(one["interval"]), seeds + several, one["said"])
        )  # fmt: skip
    return "\n".join(text_table(rows, "llllrrrrll"))
