"""Whether rows of a run's tables differ: any two of them, by the intervals of the page (docs/report.md)."""

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.evaluation.scores import read_score
from genebert.report.page.claims import Pair
from genebert.report.page.fits import AllFits, Fits, read_fits
from genebert.report.page.summary import ends, mean_sd, seeds_of, signed
from genebert.report.page.verdicts import ABSENT, Measured, measure
from genebert.report.tables.kinds.base import Score, Shown, pretraining_of
from genebert.report.tables.kinds.base_classes import BASE_CLASSES
from genebert.report.tables.kinds.person import PERSON
from genebert.report.tables.kinds.two_class import TWO_CLASS
from genebert.report.tables.values import check_test_set
from genebert.report.text import text_table
from genebert.run.models import SEEDED
from genebert.settings.models import REGRESSION
from genebert.settings.sentences import suggest

HIGHER, LOWER, OPEN = "higher", "lower", "cannot be told"
HEADS = ("data set", "metric", "", "than", "ours", "other", "difference", "95 %", "seeds", "verdict")


def _fitted(folder: Path) -> dict[str, list[str]]:
    """Return task/data set -> names that have score files there."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected that of a run's scores (results/RUN)")
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*/*/*")):
        if any(path.glob("*.json")):
            found.setdefault("/".join(path.parts[-3:-1]), []).append(path.name)
    if not found:
        raise InputError(f"{folder}: found no score files, expected those of a run (results/RUN)")
    return found


def _score_files(folder: Path) -> list[Path]:
    """Return the score files of a fit: of one that could not be had once, and then could, those of its seeds."""
    return sorted(folder.glob("seed*.json")) or sorted(folder.glob("*.json"))


def _way(score: Score) -> dict[str, Any]:
    """Return what all fits of one row have in common: data, pre-training but for its seed, fine-tuning.

    Left out is what the machine decides, or a search on validation: all settings of methods that are no networks.
    """
    settings, record = score.get("settings", {}), score.get("model_record") or {}
    searched = settings if "model_sha256" not in score else {"device", "precision_used", *settings.get("grid", ())}
    network = deepcopy(record.get("settings", {}))
    if weights := network.get("sequence_encoder", {}).get("weights"):
        network["sequence_encoder"]["weights"] = Path(weights).name.partition(SEEDED)[0]
    losses = network.get("losses", {})
    if losses.get("srm") in (None, REGRESSION):
        for key in ("contrast", "negatives"):  # nothing is contrasted
            losses.pop(key, None)
    data = score.get("data_sha256", {})
    return {
        "data_sha256": {split: data.get(split) for split in ("train", "valid")},  # the test set is checked between rows
        "settings": {key: value for key, value in settings.items() if key not in searched},
        "model_record.settings": network,
        "model_record.training": record.get("training"),
    }


def _names_of(row: str, folder: Path, names: Sequence[str]) -> list[str]:
    """Return under which of the `names` a row is fitted on the data set of a folder, the run's own seed first.

    A further seed of pre-training that an equal entry names has that entry's name, though the entry itself is fitted
    under the row's.
    """
    own = [name for name in names if name.partition(SEEDED)[0] == row]
    if row not in own:
        expected = "expected those of the run's own seed of pre-training too"
        raise InputError(f"{folder}: found scores of {', '.join(own)} and none of {row}; {expected}")
    others = [name for name in names if SEEDED in name and name.partition(SEEDED)[0] not in names]
    if others:
        way = _way(read_score(_score_files(folder / row)[0]))
        seeds = {name.partition(SEEDED)[2] for name in own}
        for name in others:
            score = read_score(_score_files(folder / name)[0])
            if name.partition(SEEDED)[2] not in seeds and "model_sha256" in score and _way(score) == way:
                own.append(name)
    return sorted(own, key=lambda name: (name != row, name))


def _check_one_way(one: Fits) -> None:
    """Make sure that fits are of one configuration: files of an earlier one may still lie there."""
    ways = [_way(score) for score in one.scores]
    models: dict[int | None, tuple[Any, Path]] = {}
    for score, way, path in zip(one.scores, ways, one.paths, strict=True):
        differing = [key for key, value in way.items() if value != ways[0][key]]
        weights, first = models.setdefault(pretraining_of(score), (score.get("model_sha256"), path))
        if weights != score.get("model_sha256"):
            differing.append("model_sha256")
        if differing:
            where = first if differing == ["model_sha256"] else one.paths[0]
            raise InputError(
                f"{path}: {', '.join(differing)} differ from those of {where}; expected the fits of one configuration, "
                "so take away what is left of an earlier one"
            )


def _fits(folder: Path, names: Sequence[str]) -> tuple[list[str], AllFits]:
    """Return the data sets (task/data set) with scores of all `names`, and the fits of these, all their seeds."""
    fitted = _fitted(folder)
    known = sorted({name.partition(SEEDED)[0] for had in fitted.values() for name in had})
    for name in names:
        row = name.partition(SEEDED)[0]
        if name != row and row in known:
            raise InputError(f"found {name}, expected {row}: a row is compared with all its seeds of pre-training")
        if name not in known:
            expected = "a row whose settings equal another's is fitted under that one's name"
            raise InputError(f"{folder}: no scores of {name}; {suggest(name, known)} ({expected})")
    rows = {dataset: {name.partition(SEEDED)[0] for name in had} for dataset, had in fitted.items()}
    shared = [dataset for dataset, had in rows.items() if had.issuperset(names)]
    if not shared:
        raise InputError(f"{folder}: no data set with scores of all of {', '.join(names)}; expected at least one")
    fitted_as = {
        dataset: {name: _names_of(name, folder / dataset, fitted[dataset]) for name in names} for dataset in shared
    }
    folders = [folder / dataset / fit for dataset, rows in fitted_as.items() for fits in rows.values() for fit in fits]
    fits = read_fits([path for one in folders for path in _score_files(one)], fitted_as)
    for dataset in shared:
        for name in names:
            if (dataset, name) not in fits:
                where = folder / dataset / name
                raise InputError(f"{where}: its score files are of another model or data set, expected those of {name}")
            _check_one_way(fits[dataset, name])
    return shared, fits


def _kind(fits: AllFits, dataset: str, names: Sequence[str]) -> Shown:
    """Return the kind of a data set; an InputError where rows were not scored on the same test examples."""
    keys: set[str] = set()
    tested: dict[str, tuple[str, Path]] = {}
    for one in (fits[dataset, name] for name in names):
        for score, path in zip(one.scores, one.paths, strict=True):
            check_test_set(dataset, score, path, tested)
            keys.update(score["metrics"])
    return BASE_CLASSES if "top_k" in keys else PERSON if "n_folds" in keys else TWO_CLASS


def _said(one: Measured) -> str:
    """Return a difference in a word: one only where its whole interval lies on one side of 0."""
    if one.verdict == ABSENT:
        return one.why
    if one.interval is None:
        return OPEN
    return HIGHER if one.interval[0] > 0 else LOWER if one.interval[1] < 0 else OPEN


def _plain(value: Any) -> Any:
    """Return a value for JSON, which has no NaN."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def compare(results: str | Path, ours: str, others: Sequence[str]) -> list[tuple[str, Measured]]:
    """Compare a row of a run's tables with others, on every data set that has scores of all.

    Parameters
    ----------
    results : path
        ``results/{run}``.
    ours, others : str, list of str
        Models and baselines by the names they are fitted under.

    Returns
    -------
    list of (str, Measured)
        Heading of the metric, the last of the data set's tables, and the comparison.

    Raises
    ------
    InputError
        No run, a row without scores, rows that were tested on different examples, or files that cannot be read.
    """
    others = list(dict.fromkeys(others))
    if ours in others:
        raise InputError(f"found {ours} twice, expected two rows")
    found = []
    datasets, fits = _fits(Path(results) / "scores", [ours, *others])
    for dataset in datasets:
        shown = _kind(fits, dataset, [ours, *others])
        metric = list(shown.metrics.values())[-1]
        for other in others:
            found.append((metric.heading, measure(Pair(dataset, ours, other, dataset), fits, shown, metric.place)))
    return found


def as_dicts(found: Sequence[tuple[str, Measured]]) -> list[dict[str, Any]]:
    """Return comparisons with all their numbers, as JSON has them."""
    return [
        {
            "dataset": one.pair.dataset,
            "metric": metric,
            "row": one.pair.ours,
            "than": one.pair.other,
            "said": _said(one),
        }
        | {key: _plain(value) for key, value in asdict(one).items() if key not in ("pair", "verdict", "why", "missing")}
        for metric, one in found
    ]


def render_comparisons(found: Sequence[tuple[str, Measured]]) -> str:
    """Return comparisons as a table for people."""
    rows = [HEADS]
    for metric, one in found:
        rows.append(
            (one.pair.dataset, metric, one.pair.ours, one.pair.other, mean_sd(one.ours), mean_sd(one.other),
             signed(one.difference), ends(one.interval), seeds_of(one), _said(one))
        )  # fmt: skip
    return "\n".join(text_table(rows, "llllrrrrll"))
