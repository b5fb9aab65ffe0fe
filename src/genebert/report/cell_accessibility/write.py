"""From labels and features of regions to the table of accessibility in each cell type, in all its forms."""

import itertools
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from genebert.corpus.region_blocks import LabelledRegions
from genebert.evaluation.cell_types import ACCESSIBILITY, DEVIATION, SPECIFIC
from genebert.files import write_json, write_text
from genebert.report.cell_accessibility.features import FeatureFiles, read_features
from genebert.report.cell_accessibility.numbers import Counting, measure_all
from genebert.report.cell_accessibility.words import COMPOSITION, PLAIN, SAID, TRAINING_MEAN, WORDS
from genebert.report.tables.blocks import Block, Column, number, with_sd
from genebert.report.text import NOTHING, ReportSettings, count, fill, percent
from genebert.settings.cell_accessibility import CellAccessibilitySettings

logger = logging.getLogger(__name__)
TITLE = "Extended table. Accessibility of held-out regions in each cell type"
NAME = "-cell-accessibility"  # after `table` in the ids of its html form
MEAN = "mean over types"
GAIN = ("gain", "gain_low", "gain_high")


def _number(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return NOTHING if value is None else number(value)


def _mean(entry: Mapping[str, Any] | None) -> str:
    """Return the mean over cell types, of several pre-trainings with their sd."""
    return NOTHING if entry is None or entry["value"] is None else with_sd(entry["value"], _sd(entry))


def _sd(entry: Mapping[str, Any]) -> float:
    """Return the sample standard deviation over pre-trainings, NaN of one and where one of them tells nothing."""
    return float(pd.Series(entry.get("pretrainings", {}), dtype=float).std(skipna=False))


def _trained(row: Mapping[str, Any]) -> str:
    """Return how many pre-trainings a row has, a dash for what is none."""
    entry = next(iter(row.values()))
    return count(len(entry["pretrainings"])) if "pretrainings" in entry else NOTHING


def _ends(entry: Mapping[str, Any] | None, low: str, high: str, sign: str = "") -> str:
    if entry is None or entry.get(low) is None:
        return NOTHING
    return f"{number(entry[low], sign)} to {number(entry[high], sign)}"


def _main(found: Mapping[str, Any], subtitle: str) -> Block:
    rows = found["rows"]
    names = list(rows)
    columns = [
        Column("Known by", names, number=False),
        Column("Columns", [count(found["columns"].get(name)) for name in names]),
        Column("Pre-trainings", [_trained(rows[name]) for name in names]),
        Column(found["metric"], [_mean(rows[name].get(ACCESSIBILITY)) for name in names], WORDS[ACCESSIBILITY]),
        Column("Pearson", [_mean(rows[name].get(DEVIATION)) for name in names], WORDS[DEVIATION]),
    ]
    of = [rows[name].get(SPECIFIC) for name in names]
    columns += [
        Column("Pearson", [_mean(one) for one in of], WORDS[SPECIFIC]),
        Column("95 %", [_ends(one, "low", "high") for one in of], WORDS[SPECIFIC]),
        *_gain_columns(of, f"Beyond {COMPOSITION}", WORDS[SPECIFIC]),
    ]
    return Block("main", TITLE, subtitle, columns, _notes(found))


def _gain_columns(of: Iterable[Mapping[str, Any] | None], head: str, group: str) -> list[Column]:
    gains = [one or {} for one in of]
    return [
        Column(head, [NOTHING if one.get("gain") is None else number(one["gain"], "+") for one in gains], group),
        Column("95 %", [_ends(one, "gain_low", "gain_high", "+") for one in gains], group),
    ]


def _between(found: Mapping[str, Any], subtitle: str) -> list[Block]:
    """Return how much more models tell of the cell-specific part than others and than plain features; none without."""
    if not (pairs := found["between"]):
        return []
    columns = [
        Column("Known by", [one["row"] for one in pairs], number=False),
        Column("than", [one["than"] for one in pairs], number=False),
        *_gain_columns(pairs, "Pearson, difference", WORDS[SPECIFIC]),
    ]
    return [Block("between", f"{TITLE}: models beside others and beside plain features", subtitle, columns, [])]


def _by_type(found: Mapping[str, Any], subtitle: str, target: str, metric: str) -> Block:
    """Return one column a cell type."""
    rows = {name: row[target] for name, row in found["rows"].items() if target in row}
    columns = [Column("Known by", list(rows), number=False)]
    for name in found["cell_types"]:
        columns.append(Column(name, [_number(row["types"], name) for row in rows.values()], metric))
    return Block(target, f"{TITLE}: {WORDS[target].lower()}", subtitle, columns, [], turned=True)


def _notes(found: Mapping[str, Any]) -> list[str]:
    """Return what stands below the table."""
    said = "; ".join(f"{name}: {SAID[name]}" for name in found["rows"] if name in SAID)
    specific = found["specific_share"][SPECIFIC]
    silent = [
        f"{name} with seed {seed}"
        for name, row in found["rows"].items()
        for seed, value in row.get(SPECIFIC, {}).get("pretrainings", {}).items()
        if value is None
    ]
    silent += [
        f"{name} ({WORDS[target].lower()})"
        for name, row in found["rows"].items()
        for target, entry in row.items()
        if entry["value"] is None and "pretrainings" not in entry and name != TRAINING_MEAN
    ]
    constant = [f"Constant, so without a correlation: {', '.join(silent)}."] if silent else []
    return [
        f"{count(found['train_regions'])} regions train, {count(found['valid_regions'])} choose the penalty, "
        f"{count(found['test_regions'])} held-out ones are tested, those of pre-training's validation, in blocks of "
        f"consecutive ones; {len(found['cell_types'])} cell types, means over them. Labels: {found['labels']}.",
        f"{said}. Where nothing else is said, read by ridge regression. E_seq: mean state of a region's k-mers; E_reg: "
        "vector of the encoder of the matrix.",
        "Cell-specific part: what is left of a label without what the region's mean over all types says of it on "
        f"average (fitted on training regions); {percent(specific)} of the variance of the held-out labels. The "
        "deviation from the mean alone still follows the mean: of a type with few open regions it is little else. A "
        "baseline that knows a region's labels says nothing of its deviation, which it is a part of.",
        "95 %: over blocks of held-out regions (bootstrap); of a model with several pre-trainings, whose means and sd "
        "are given, also over these, as if both errors were independent. The region x TF matrix holds a region's "
        "motifs, which are the same in all cells: what is specific there are regions, not cells.",
        *constant,
    ]  # fmt: skip


def _csv(found: Mapping[str, Any], settings: ReportSettings) -> str:
    """Return one line a row, target and cell type, one for the mean over types, and one a pair of models."""
    lines = []
    for name, targets in found["rows"].items():
        for target, entry in targets.items():
            metric = found["metric"] if target == ACCESSIBILITY else "Pearson"
            head = {"known_by": name, "columns": found["columns"].get(name), "target": target, "metric": metric}
            more = {key: entry.get(key) for key in ("low", "high", *GAIN)}
            penalties = " ".join(str(one) for one in entry["penalties"] if one is not None)
            more |= {"than": COMPOSITION if "gain" in entry else None, "penalty": penalties or None}
            several = {"pretrainings": len(entry.get("pretrainings", [])) or None, "sd": _sd(entry)}
            lines.append({"kind": "mean"} | head | {"cell_type": MEAN, "value": entry["value"]} | several | more)
            types = entry["types"].items()
            lines += [{"kind": "type"} | head | {"cell_type": one, "value": value} for one, value in types]
    for one in found["between"]:
        head = {"kind": "pair", "known_by": one["row"], "target": SPECIFIC, "metric": "Pearson", "cell_type": MEAN}
        lines.append(head | {key: one[key] for key in ("than", *GAIN)})
    frame = pd.DataFrame(lines).astype({"columns": "Int64", "pretrainings": "Int64"})
    return frame.assign(run=settings.run, scale=settings.scale).to_csv(index=False, lineterminator="\n")


def _pairs(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return each two models' states of one encoder, the later first, and each with plain features."""
    names = list(names)
    pairs = []
    for words, features in PLAIN.items():
        same = [name for name in names if name.startswith(words.format(""))]
        pairs += [(one, other) for other, one in itertools.combinations(same, 2)]
        pairs += [(one, plain) for one in same for plain in features if plain in names]
    return pairs


def write_cell_accessibility(
    labelled: str | Path,
    files: FeatureFiles,
    settings: CellAccessibilitySettings,
    given: Mapping[str, Any],
    report: ReportSettings,
    out: Iterable[str | Path],
) -> dict[str, Any]:
    """Write the table; see :func:`genebert.report.cell_accessibility.numbers.measure_all`.

    Parameters
    ----------
    labelled : path
        A file of :class:`LabelledRegions`.
    files : FeatureFiles
    settings : CellAccessibilitySettings
    given : dict
        `seed` of the run, and `region_bp`: of each region the middle, as the models read it, or None.
    report : ReportSettings
    out : iterable of path
        Each in the form that its ending names: ``.csv`` (full precision), ``.json``, ``.md``, ``.html``, ``.tex``.

    Returns
    -------
    dict
        What the json form holds.

    Raises
    ------
    InputError
        Files that are not of one run.
    """
    regions = LabelledRegions.load(labelled)
    features = read_features(settings.features, files, regions.blocks, given["region_bp"])
    counting = Counting(settings.valid_fraction, settings.resamples, given["seed"])
    found = measure_all(regions, features, counting, _pairs(features))
    subtitle = f"Run {report.run}: {report.scale}"
    main = _main(found, subtitle)
    main.notes.extend(report.notes)
    blocks = [
        main,
        *_between(found, subtitle),
        _by_type(found, subtitle, ACCESSIBILITY, found["metric"]),
        _by_type(found, subtitle, SPECIFIC, "Pearson"),
    ]
    for path in map(Path, out):
        if path.suffix == ".json":
            write_json(path, found)
        else:
            csv = path.suffix == ".csv"
            write_text(path, _csv(found, report) if csv else fill(f"table{path.suffix}", blocks=blocks, number=NAME))
    logger.info("%d rows, %d held-out regions", len(found["rows"]), found["test_regions"])
    return found
