"""Whether anything in the 2D modality is specific to cell types: a line of the summary, from the extended table."""

from collections.abc import Mapping, Sequence
from typing import Any

from genebert.errors import InputError
from genebert.evaluation.cell_types import SPECIFIC
from genebert.files import read_json
from genebert.report.cell_accessibility.words import COMPOSITION, REGION
from genebert.report.page.summary import BADGES, Line, ends, signed
from genebert.report.page.verdicts import verdict_of
from genebert.report.tables.blocks import number
from genebert.report.text import NOTHING

CLAIM = "The region x TF matrix holds what is specific to cell types"
WHERE = "its title: across cell types"
HEADS = ("Known by", "Pearson of the cell-specific part", "95 %", f"Beyond {COMPOSITION}", "95 % of that", "Verdict")
FIXED = "a region's row of the matrix is the same in every cell: its regions differ between cells, the matrix does not"
MATRIX = ("composition-motifs", "motifs", "motif-trees")  # the first of them that there is, is judged
RULE = (
    "Whether the matrix holds what is specific to cell types is judged by held-out regions: the part of their "
    "accessibility in each type that their mean over types does not tell is predicted from motif rows and composition, "
    "and from composition alone. It holds if the gain in Pearson's correlation lies above 0 with its whole 95 % "
    "interval over blocks of regions, and does not hold if that lies below."
)  # fmt: skip


def cell_type_lines(paths: Sequence[str]) -> list[Line]:
    """Return the line of the summary, none where the run goes without the table.

    Parameters
    ----------
    paths : list of str
        ``cell_accessibility.json``, or nothing.

    Raises
    ------
    InputError
        A file without the rows of the table.
    """
    return [_line(read_json(path), path) for path in paths]


def _line(about: Mapping[str, Any], path: str) -> Line:
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
        f"Pearson of the cell-specific part {_number(judged['value'])} from {name}: {signed(judged['gain'])} beyond "
        f"{COMPOSITION} ({ends(interval)}), mean over {len(about['cell_types'])} types"
    )
    encoded = [one for one in rows if one.startswith(REGION.format(""))]
    if encoded:
        found += "; " + ", ".join(f"{one} {_number(rows[one]['value'])}" for one in encoded)
    simple = f"{COMPOSITION} {_number(base['value'])}"
    return Line("cell-types", CLAIM, WHERE, "no number", found, verdict, BADGES[verdict], simple, FIXED, HEADS, details)


def _number(value: float | None) -> str:
    return NOTHING if value is None else number(value)


def _interval(row: Mapping[str, Any], low: str, high: str) -> tuple[float, float] | None:
    return None if row.get(low) is None else (row[low], row[high])


def _details(name: str, row: Mapping[str, Any]) -> list[str]:
    gain = _interval(row, "gain_low", "gain_high")
    said = verdict_of(gain, None) if gain else NOTHING
    return [name, _number(row["value"]), ends(_interval(row, "low", "high")), signed(row.get("gain") or float("nan")),
            ends(gain), said]  # fmt: skip
