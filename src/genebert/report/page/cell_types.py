"""Whether anything specific to cell types is in the 2D modality, and is learnt by the sequence encoder.

Three lines of the summary, from the extended table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from genebert.errors import InputError
from genebert.evaluation.cell_types import SPECIFIC
from genebert.files import read_json
from genebert.report.cell_accessibility.words import COMPOSITION, KMERS, PLAIN, REGION, SEQUENCE
from genebert.report.page.summary import BADGES, Line, ends, signed
from genebert.report.page.verdicts import verdict_of
from genebert.report.tables.blocks import number
from genebert.report.text import NOTHING

CLAIM = "The region x TF matrix holds what is specific to cell types"
WHERE = "its title: across cell types"
HEADS = ("Known by", "Pearson of the cell-specific part", "95 %", f"Beyond {COMPOSITION}", "95 % of that", "Verdict")
FIXED = "a region's row of the matrix is the same in every cell: its regions differ between cells, the matrix does not"
LEARNT = "GeneBERT's pre-training teaches more of what is specific to cell types than masked k-mers do"
BEYOND = "GeneBERT's sequence encoder tells more of what is specific to cell types than counts of k-mers do"
MATRIX_LINE, LEARNT_LINE, BEYOND_LINE = "cell-types", "cell-types-learnt", "cell-types-kmers"
OURS, OTHER = (SEQUENCE.format(name) for name in ("genebert", "dnabert"))
PAIR_HEADS = ("Known by", "than", "Pearson of the cell-specific part, difference", "95 %", "Verdict")
MATRIX = ("composition-motifs", "motifs", "motif-trees")  # the first of them that there is, is judged
# Line -> the rule by which it is judged.
RULES = {
    MATRIX_LINE: "Whether the matrix holds what is specific to cell types is judged by held-out regions: the part of "
    "their accessibility in each type that their mean over types does not tell is predicted from motif rows and "
    "composition, and from composition alone. It holds if the gain in Pearson's correlation lies above 0 with its "
    "whole 95 % interval over blocks of regions, and does not hold if that lies below.",
    LEARNT_LINE: "Whether GeneBERT's pre-training teaches its sequence encoder more of that than masked k-mers do is "
    f"judged likewise, by the same part predicted from {OURS} and from {OTHER}, frozen states of both: the "
    "interval of the difference holds the error over pre-trainings too, and where both models have one it cannot be "
    "told. What differs is all that differs between the two models of the run, both losses on regions among it.",
    BEYOND_LINE: "Whether that is more than a sequence tells without any pre-training is judged likewise, against "
    f"{KMERS}: counts of the k-mers of the same bases.",
}
# Line on the sequence encoder -> its claim, and what GeneBERT's states are compared with.
COMPARED = {LEARNT_LINE: (LEARNT, OTHER), BEYOND_LINE: (BEYOND, KMERS)}


def cell_type_lines(paths: Sequence[str]) -> list[Line]:
    """Return the lines of the summary, none where the run goes without the table.

    The second and third are there where the table compares GeneBERT's states with those of masked k-mers alone, and
    with counts of k-mers.

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
    try:
        rows = {name: row[SPECIFIC] for name, row in about["rows"].items() if SPECIFIC in row}
        lines = [_of_matrix(about, rows)] if any(one in rows for one in MATRIX) else []
        pairs = about.get("between", [])
        return [*lines, *(line for name in COMPARED for line in _of_encoder(name, pairs, rows))]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: has no rows of composition; expected what predict_accessibility writes") from error


def _pair(pairs: Sequence[Mapping[str, Any]], one: str, other: str) -> dict[str, Any] | None:
    """Return by how much one row tells more than another, in whichever order the table has them."""
    for pair in pairs:
        if (pair["row"], pair["than"]) == (one, other):
            return dict(pair)
        if (pair["row"], pair["than"]) == (other, one):
            turned = {"gain": pair["gain"], "gain_low": pair["gain_high"], "gain_high": pair["gain_low"]}
            return {"row": one, "than": other} | {key: value and -value for key, value in turned.items()}
    return None


def _pretrainings(row: Mapping[str, Any]) -> int:
    return len(row.get("pretrainings", [0]))


def _of_encoder(name: str, pairs: Sequence[Mapping[str, Any]], rows: Mapping[str, Any]) -> list[Line]:
    """Return a line on what the sequence encoder learns, none where the table does not compare the two."""
    claim, other = COMPARED[name]
    if (judged := _pair(pairs, OURS, other)) is None:
        return []
    trained = [str(_pretrainings(rows[one])) for one in (OURS, other) if one not in PLAIN[SEQUENCE]]
    found = (
        f"Pearson of the cell-specific part {_number(rows[OURS]['value'])} from {OURS}, "
        f"{_number(rows[other]['value'])} from {other}: {_gained(judged)}; pre-trainings: {' and '.join(trained)}"
    )
    verdict = _said(judged, rows)
    plain = [one for one in PLAIN[SEQUENCE] if one in rows]
    simple = ", ".join(f"{one} {_number(rows[one]['value'])}" for one in plain) or NOTHING
    why = "frozen states, read by a linear map, of regions that pre-training holds out"
    for pair in filter(None, (_pair(pairs, OURS, one) for one in plain if one != other)):
        why += f"; beyond {pair['than']} {_gained(pair)}"
    details = [
        [pair["row"], pair["than"], _signed(pair["gain"]), ends(_of_gain(pair)), _said(pair, rows)]
        for pair in pairs
        if name == LEARNT_LINE or OURS in (pair["row"], pair["than"])
    ]
    head = (name, claim, WHERE, "no number", found)
    return [Line(*head, verdict, BADGES[verdict], simple, why, PAIR_HEADS, details)]


def _said(pair: Mapping[str, Any], rows: Mapping[str, Any]) -> str:
    """Return the verdict of a comparison: none where both sides have one pre-training at most."""
    several = any(_pretrainings(rows[pair[side]]) > 1 for side in ("row", "than"))
    return verdict_of(_of_gain(pair) if several else None, None)


def _of_matrix(about: Mapping[str, Any], rows: Mapping[str, Any]) -> Line:
    """Return the line on the matrix itself."""
    name = next(one for one in MATRIX if one in rows)
    base = rows[COMPOSITION]
    details = [_details(one, row) for one, row in rows.items()]
    judged = rows[name]
    interval = _of_gain(judged)
    verdict = verdict_of(interval, None)
    found = (
        f"Pearson of the cell-specific part {_number(judged['value'])} from {name}: {_signed(judged['gain'])} beyond "
        f"{COMPOSITION} ({ends(interval)}), mean over {len(about['cell_types'])} types"
    )
    encoded = [one for one in rows if one.startswith(REGION.format(""))]
    if encoded:
        found += "; " + ", ".join(f"{one} {_number(rows[one]['value'])}" for one in encoded)
    simple = f"{COMPOSITION} {_number(base['value'])}"
    return Line(MATRIX_LINE, CLAIM, WHERE, "no number", found, verdict, BADGES[verdict], simple, FIXED, HEADS, details)


def _number(value: float | None) -> str:
    return NOTHING if value is None else number(value)


def _signed(value: float | None) -> str:
    return NOTHING if value is None else signed(value)


def _interval(row: Mapping[str, Any], low: str, high: str) -> tuple[float, float] | None:
    return None if row.get(low) is None else (row[low], row[high])


def _of_gain(row: Mapping[str, Any]) -> tuple[float, float] | None:
    return _interval(row, "gain_low", "gain_high")


def _gained(row: Mapping[str, Any]) -> str:
    return f"{_signed(row['gain'])} ({ends(_of_gain(row))})"


def _details(name: str, row: Mapping[str, Any]) -> list[str]:
    gain = _of_gain(row)
    said = verdict_of(gain, None) if gain else NOTHING
    return [name, _number(row["value"]), ends(_interval(row, "low", "high")), _signed(row.get("gain")),
            ends(gain), said]  # fmt: skip
