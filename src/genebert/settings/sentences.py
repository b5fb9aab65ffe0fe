"""Words of messages about settings: what was found, and what was probably meant."""

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

MANY, FEW = 20, 5  # names that are not all listed, and how many of them are


def is_number(value: Any) -> bool:
    """Say whether a value is a finite number; YAML's NaN would pass any range, and true is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def dotted(path: Iterable[str | int]) -> str:
    """Write a path into nested blocks and lists: ``finetune.seeds[2]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def show(value: Any) -> str:
    """Write a value as in YAML, cut to one short piece."""
    if isinstance(value, Mapping):
        return "a block of keys" if value else "an empty block {}"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:56] + " ..."


def hint_for(value: Any, kinds: set) -> str:
    """Explain the ways in which YAML reads something else than was meant; `kinds`: the types that were expected."""
    if isinstance(value, str) and kinds & {int, float}:
        try:
            number = float(value)
        except ValueError:
            return ""
        if "e" in value.lower() and math.isfinite(number):
            return f" (YAML reads {value} as text: the number needs a point and a sign, such as 3.0e-5 or 1.0e+3)"
        return " (without quotes)"
    if isinstance(value, float) and value.is_integer() and int in kinds:
        return f" (write {int(value)})"
    if isinstance(value, bool) and bool not in kinds:
        return " (YAML reads yes, no, on and off as true and false; put text in quotes)"
    if isinstance(value, int | float) and str in kinds:
        return " (put it in quotes)"
    return ""


def _edit_distance(a: str, b: str) -> int:
    """Return the number of letters to insert, delete, replace or swap with their neighbour (restricted Damerau)."""
    before, row = [], list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = row, before, [i]
        for j, y in enumerate(b, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]


def suggest(name: str, known: Iterable[str], prefix: str = "", elsewhere: Iterable[str] = ()) -> str:
    """Name what was probably meant.

    All known names at the smallest edit distance, if that is 1, or 2 in a longer name; else where the same name stands
    `elsewhere`; else what `difflib` finds alike; else all known names, of many the nearest few.
    """
    known = [str(key) for key in known]
    distances = {key: _edit_distance(name.lower(), key.lower()) for key in known}
    smallest = min(distances.values(), default=9)
    near = [key for key, distance in distances.items() if distance == smallest]
    if smallest == 1 or (smallest == 2 and len(name) > 3):
        return f"did you mean {' or '.join(prefix + key for key in near)}?"
    if elsewhere:
        return f"did you mean {' or '.join(elsewhere)}?"
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {prefix}{near[0]}?"
    if len(known) <= MANY:
        return f"expected one of {', '.join(known)}"
    near = difflib.get_close_matches(name, known, n=FEW, cutoff=0.0)
    return f"expected one of {len(known)} names, of which the nearest are {', '.join(near)}"
