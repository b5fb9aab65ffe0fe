"""Whether rows of a run's tables, or lines of its learning curves, differ, by the intervals of the page."""

import math
import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.evaluation.scores import read_score
from genebert.report.page.claims import Pair
from genebert.report.page.fits import AllFits, Fits, fits_of
from genebert.report.page.summary import ends, mean_sd, seeds_of, signed
from genebert.report.page.verdicts import ABSENT, Measured, measure
from genebert.report.tables.kinds.base import Score, Shown, pretraining_of
from genebert.report.tables.kinds.base_classes import BASE_CLASSES
from genebert.report.tables.kinds.person import PERSON
from genebert.report.tables.kinds.two_class import TWO_CLASS
from genebert.report.tables.values import Data, check_data
from genebert.report.text import text_table
from genebert.run.models import SEEDED
from genebert.settings.models import REGRESSION
from genebert.settings.sentences import suggest

HIGHER, LOWER, OPEN = "higher", "lower", "cannot be told"
HEADS = ("data set", "metric", "", "than", "ours", "other", "difference", "95 %", "seeds", "verdict")


class ScoreFiles:
    """Fits of a run: those of its tables, or with `labels` those of its learning curves with so many examples."""

    def __init__(self, results: Path, labels: int | None) -> None:
        self.folder = results / ("scores" if labels is None else "learning_curves")
        self.labels = labels
        self.stem = "" if labels is None else f"n{labels}_"
        if not self.folder.is_dir():
            kept = self.folder.name.replace("_", " ")
            raise InputError(f"{self.folder}: no such folder, expected that of a run's {kept} (results/RUN)")
        self.names: dict[str, list[str]] = {}  # task/data set -> names that have score files there
        for path in sorted(self.folder.glob("*/*/*")):
            if self.of(path):
                self.names.setdefault("/".join(path.parts[-3:-1]), []).append(path.name)
        if not self.names:
            raise InputError(f"{self.folder}: found no score files{self._expected()}")
        self.read = cache(read_score)  # each file once, though several checks ask for it

    def of(self, folder: Path) -> list[Path]:
        """Return the score files of a fit: of one that could not be had once, and then could, those of its seeds."""
        found = sorted(folder.glob(f"{self.stem}seed*.json"))
        return found if found or self.stem else sorted(folder.glob("*.json"))

    def check(self, path: Path) -> None:
        """Make sure that a score file is of the fit that its place names."""
        score = self.read(path)
        place = dict(zip(("task", "dataset", "model"), path.parts[-4:-1], strict=True))
        if "unavailable" not in score:
            place |= {} if self.labels is None else {"n_train": self.labels}
            place |= {"seed": int(number)} if (number := path.stem.rpartition("seed")[2]).isdigit() else {}
        for key, expected in place.items():
            if score.get(key) != expected:
                raise InputError(f"{path}: found {key} {score.get(key)!r}, expected {expected!r} as its place says")

    def _expected(self) -> str:
        """Return what is missing, for a sentence."""
        if self.labels is None:
            return ", expected those of a run (results/RUN)"
        names = (path.name for path in self.folder.glob("*/*/*/n*_seed*.json"))
        sizes = sorted({int(found[1]) for name in names if (found := re.match(r"n(\d+)_", name))})
        return f" of {self.labels} labels, expected one of {', '.join(map(str, sizes)) or 'its sizes'}"


def _way(score: Score) -> dict[str, Any]:
    """Return what all fits of one row have in common: pre-training but for its seed, and fine-tuning.

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
    return {
        "settings": {key: value for key, value in settings.items() if key not in searched},
        "model_record.settings": network,
        "model_record.training": record.get("training"),
    }


def _names_of(row: str, dataset: str, fitted: ScoreFiles) -> list[str]:
    """Return under which names a row is fitted on a data set, the run's own seed first.

    A further seed of pre-training that an equal entry names has that entry's name, though the entry itself is fitted
    under the row's.
    """
    names, folder = fitted.names[dataset], fitted.folder / dataset
    own = [name for name in names if name.partition(SEEDED)[0] == row]
    there = {row, *(path.name for path in folder.iterdir() if path.name.partition(SEEDED)[0] == row)}
    if missing := sorted(there - set(own)):
        expected = "expected those of all its seeds of pre-training"
        raise InputError(f"{folder}: found scores of {', '.join(own)} and none of {', '.join(missing)}; {expected}")
    others = [name for name in names if SEEDED in name and name.partition(SEEDED)[0] not in names]
    if others:
        way = _way(fitted.read(fitted.of(folder / row)[0]))
        seeds = {name.partition(SEEDED)[2] for name in own}
        for name in others:
            score = fitted.read(fitted.of(folder / name)[0])
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


def _check_pretrainings(folder: Path, names: Sequence[str], fitted: ScoreFiles) -> None:
    """Make sure that of the pre-trainings behind a row all can be had, or none."""
    absent = {name: all("unavailable" in fitted.read(path) for path in fitted.of(folder / name)) for name in names}
    if any(absent.values()) and not all(absent.values()):
        without, rest = ([name for name in names if absent[name] == there] for there in (True, False))
        raise InputError(
            f"{folder}: {', '.join(without)} cannot be had, {', '.join(rest)} can; expected all pre-trainings or none"
        )


def _fits(fitted: ScoreFiles, ours: str, others: Sequence[str]) -> tuple[list[tuple[str, str]], AllFits]:
    """Return which data sets (task/data set) and others can be compared, and the fits of these, all their seeds."""
    folder, names = fitted.folder, [ours, *others]
    known = sorted({name.partition(SEEDED)[0] for had in fitted.names.values() for name in had})
    for name in names:
        row = name.partition(SEEDED)[0]
        if name != row and row in known:
            raise InputError(f"found {name}, expected {row}: a row is compared with all its seeds of pre-training")
        if name not in known:
            expected = "a row whose settings equal another's is fitted under that one's name"
            raise InputError(f"{folder}: no scores of {name}; {suggest(name, known)} ({expected})")
    rows = {dataset: {name.partition(SEEDED)[0] for name in had} for dataset, had in fitted.names.items()}
    pairs = [(dataset, other) for dataset, had in rows.items() for other in others if {ours, other} <= had]
    compared = {other for _, other in pairs}
    for other in others:
        if other not in compared:
            raise InputError(f"{folder}: no data set with scores of both {ours} and {other}; expected at least one")
    wanted = {dataset: [ours, *(other for there, other in pairs if there == dataset)] for dataset, _ in pairs}
    fitted_as = {dataset: {name: _names_of(name, dataset, fitted) for name in own} for dataset, own in wanted.items()}
    paths = []
    for dataset, own in fitted_as.items():
        for names_of_row in own.values():
            for path in (path for name in names_of_row for path in fitted.of(folder / dataset / name)):
                fitted.check(path)
                paths.append(path)
            _check_pretrainings(folder / dataset, names_of_row, fitted)
    fits = fits_of(((fitted.read(path), path) for path in paths), fitted_as)
    for dataset, own in wanted.items():
        for name in own:
            _check_one_way(fits[dataset, name])
    return pairs, fits


def _kind(fits: AllFits, pair: Pair) -> Shown:
    """Return the kind of a data set; an InputError where fits are not of the same examples."""
    keys: set[str] = set()
    data: Data = {}
    for one in (fits[pair.dataset, name] for name in (pair.ours, pair.other)):
        for score, path in zip(one.scores, one.paths, strict=True):
            check_data(pair.dataset, score, path, data)
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


def compare(
    results: str | Path, ours: str, others: Sequence[str], labels: int | None = None
) -> list[tuple[str, Measured]]:
    """Compare a row of a run's tables with others, each on every data set that has scores of both.

    Parameters
    ----------
    results : path
        ``results/{run}``.
    ours, others : str, list of str
        Models and baselines by the names they are fitted under.
    labels : int, optional
        Compare fits with so many labelled training examples, those of the run's learning curves. Each seed draws its
        own, the same for all models, so that the error over seeds holds that of the draw.

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
    pairs, fits = _fits(ScoreFiles(Path(results), labels), ours, others)
    found = []
    for dataset, other in pairs:
        pair = Pair(dataset, ours, other, dataset if labels is None else f"{dataset}, {labels:,} labels")
        shown = _kind(fits, pair)
        metric = list(shown.metrics.values())[-1]
        found.append((metric.heading, measure(pair, fits, shown, metric.place)))
    return found


def as_dicts(found: Sequence[tuple[str, Measured]], labels: int | None = None) -> list[dict[str, Any]]:
    """Return comparisons with all their numbers, as JSON has them; `labels` is that of :func:`compare`."""
    return [
        {
            "dataset": one.pair.dataset,
            "labels": labels,
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
            (one.pair.label, metric, one.pair.ours, one.pair.other, mean_sd(one.ours), mean_sd(one.other),
             signed(one.difference), ends(one.interval), seeds_of(one), _said(one))
        )  # fmt: skip
    return "\n".join(text_table(rows, "llllrrrrll"))
