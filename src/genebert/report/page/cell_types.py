"""Whether anything specific to cell types is in the 2D modality, and gets into the sequence encoder by it.

Two lines of the summary, from the extended table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from genebert.errors import InputError
from genebert.evaluation.cell_types import SPECIFIC
from genebert.files import read_json
from genebert.report.cell_accessibility.words import COMPOSITION, PLAIN, REGION, SEQUENCE
from genebert.report.page.summary import BADGES, Line, ends, signed
from genebert.report.page.verdicts import verdict_of
from genebert.report.tables.blocks import number
from genebert.report.text import NOTHING

CLAIM = "The region x TF matrix holds what is specific to cell types"
WHERE = "its title: across cell types"
HEADS = ("Known by", "Pearson of the cell-specific part", "95 %", f"Beyond {COMPOSITION}", "95 % of that", "Verdict")
FIXED = "a region's row of the matrix is the same in every cell: its regions differ between cells, the matrix does not"
LEARNT = "Pre-training with the matrix teaches the sequence encoder what is specific to cell types"
OURS, OTHER = (SEQUENCE.format(name) for name in ("genebert", "dnabert"))
PAIR_HEADS = ("Known by", "than", "Pearson of the cell-specific part, difference", "95 %", "Verdict")
MATRIX = ("composition-motifs", "motifs", "motif-trees")  # the first of them that there is, is judged
RULES = (
    "Whether the matrix holds what is specific to cell types is judged by held-out regions: the part of their "
    "accessibility in each type that their mean over types does not tell is predicted from motif rows and composition, "
    "and from composition alone. It holds if the gain in Pearson's correlation lies above 0 with its whole 95 % "
    "interval over blocks of regions, and does not hold if that lies below.",
    f"Whether pre-training with the matrix teaches it is judged likewise by the same part, predicted from {OURS} less "
    f"{OTHER}, frozen states of both; where a model has several pre-trainings the interval holds their error too.",
)  # fmt: skip


def cell_type_lines(paths: Sequence[str]) -> list[Line]:
    """Return the lines of the summary, none where the run goes without the table.

    The second is there where the table compares GeneBERT's states with those of masked k-mers alone.

    Parameters
    ----------
    paths : list of str
        ``cell_accessibility.json``, or nothing.

    Raises
    ------
    InputError
        A file without the rows of the table.
    """
    return [line for path in paths for line in _lines(read_json(path), path)]


def _lines(about: Mapping[str, Any], path: str) -> list[Line]:
    line = _of_matrix(about, path)
    pairs = about.get("between", [])
    judged = next((pair for pair in pairs if (pair["row"], pair["than"]) == (OURS, OTHER)), None)
    return [line] if judged is None else [line, _of_training(judged, pairs, about["rows"])]


def _of_training(judged: Mapping[str, Any], pairs: Sequence[Mapping[str, Any]], rows: Mapping[str, Any]) -> Line:
    """Return the line on what the sequence encoder learns by the matrix."""
    ours, other = (rows[name][SPECIFIC] for name in (OURS, OTHER))
    interval = _interval(judged, "gain_low", "gain_high")
    verdict = verdict_of(interval, None)
    found = (
        f"Pearson of the cell-specific part {_number(ours['value'])} from {OURS}, {_number(other['value'])} from "
        f"{OTHER}: {_signed(judged['gain'])} ({ends(interval)}); pre-trainings: "
        f"{len(ours.get('pretrainings', [0]))} and {len(other.get('pretrainings', [0]))}"
    )
    plain = PLAIN[SEQUENCE]
    beside = next((pair for pair in pairs if (pair["row"], pair["than"]) == (OURS, plain)), None)
    simple = f"{plain} {_number(rows[plain][SPECIFIC]['value'])}" if beside else NOTHING
    why = "frozen states, read by a linear map, of regions that pre-training holds out"
    if beside:
        of_it = ends(_interval(beside, "gain_low", "gain_high"))
        why += f"; beyond {plain}, counted: {_signed(beside['gain'])} ({of_it})"
    details = []
    for pair in pairs:
        gain = _interval(pair, "gain_low", "gain_high")
        details.append([pair["row"], pair["than"], _signed(pair["gain"]), ends(gain), verdict_of(gain, None)])
    head = ("cell-types-learnt", LEARNT, WHERE, "no number", found)
    return Line(*head, verdict, BADGES[verdict], simple, why, PAIR_HEADS, details)


def _of_matrix(about: Mapping[str, Any], path: str) -> Line:
    try:
        rows = {name: row[SPECIFIC] for name, row in about["rows"].items() if SPECIFIC in row}
        name = next(one for one in MATRIX if one in rows)
        base = rows[COMPOSITION]
        details = [_details(one, row) for one, row in rows.items()]
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise InputError(f"{path}: has no rows of composition and motifs; expected what predict_accessibility writes"
                         ) from error  # fmt: skip
    judged = rows[name]
    interval = _interval(judged, "gain_low", "gain_high")
    verdict = verdict_of(interval, None)
    found = (
        f"Pearson of the cell-specific part {_number(judged['value'])} from {name}: {_signed(judged['gain'])} beyond "
        f"{COMPOSITION} ({ends(interval)}), mean over {len(about['cell_types'])} types"
    )
    encoded = [one for one in rows if one.startswith(REGION.format(""))]
    if encoded:
        found += "; " + ", ".join(f"{one} {_number(rows[one]['value'])}" for one in encoded)
    simple = f"{COMPOSITION} {_number(base['value'])}"
    return Line("cell-types", CLAIM, WHERE, "no number", found, verdict, BADGES[verdict], simple, FIXED, HEADS, details)


def _number(value: float | None) -> str:
    return NOTHING if value is None else number(value)


def _signed(value: float | None) -> str:
    return NOTHING if value is None else signed(value)


def _interval(row: Mapping[str, Any], low: str, high: str) -> tuple[float, float] | None:
    return None if row.get(low) is None else (row[low], row[high])


def _details(name: str, row: Mapping[str, Any]) -> list[str]:
    gain = _interval(row, "gain_low", "gain_high")
    said = verdict_of(gain, None) if gain else NOTHING
    return [name, _number(row["value"]), ends(_interval(row, "low", "high")), _signed(row.get("gain")),
            ends(gain), said]  # fmt: skip
