"""JSON Schema checks whose errors are plain sentences: the dotted key, what was found, what was expected."""

import difflib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012


def _is_number(_checker: Any, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(_checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# JSON Schema takes 3.0 for an integer, and NaN passes any range; neither is of use as a setting.
_Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer}),
)


def make_validator(schemas: dict[str, dict], name: str) -> Draft202012Validator:
    """Return a validator of one schema.

    Numbers must be finite, and whole numbers must be written as such.

    Parameters
    ----------
    schemas : dict
        File name to schema; they refer to each other by file name.
    name : str
        Which one: a file name, or ``file#/$defs/part``.
    """
    # With `$schema` in them, a reference would lead back to the standard's own notion of numbers.
    plain = {key: {k: v for k, v in schema.items() if k != "$schema"} for key, schema in schemas.items()}
    registry = Registry().with_resources([(key, DRAFT202012.create_resource(value)) for key, value in plain.items()])
    return _Validator({"$ref": name}, registry=registry)


def sentences(error: ValidationError, where: str, schemas: dict[str, dict]) -> Iterator[str]:
    """Put one error of a validator into plain words, with one sentence for each key that is unknown or missing.

    Parameters
    ----------
    error : ValidationError
    where : str
        What was checked; begins the sentence.
    schemas : dict
        As for :func:`make_validator`; unknown keys are looked for in all blocks of the first.
    """
    path = dotted(error.path)
    prefix = f"{path}." if path else ""
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        for key in (key for key in error.instance if key not in known):
            hint = suggest(str(key), known, prefix, _elsewhere(str(key), path, error.schema, schemas))
            yield f"{where}: unknown key {prefix}{key}; {hint}"
    elif error.validator == "required":
        for key in (key for key in error.validator_value if key not in error.instance):
            yield f"{where}: missing key {prefix}{key}; expected as in config/config.yaml"
    elif "propertyNames" in error.relative_schema_path:
        yield f"{where}: a key below {path} is named {show(error.instance)}, expected {_expected(error.schema)}"
    elif error.validator == "uniqueItems":
        twice = next(item for i, item in enumerate(error.instance) if item in error.instance[:i])
        yield f"{where}: {path}: found {show(twice)} twice, expected no repeats"
    else:
        hint = _hint(error.instance, error.schema)
        yield f"{where}: {path}: found {show(error.instance)}, expected {_expected(error.schema)}{hint}"


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


_TYPES = {
    "boolean": "true or false",
    "null": "null",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "a block of keys",
}
_LIMITS = {"minimum": "of at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}


def _expected(schema: dict) -> str:
    """Describe in words what a schema accepts."""
    if "x-expected" in schema:
        return schema["x-expected"]
    if "enum" in schema:
        return "one of " + ", ".join("null" if value is None else str(value) for value in schema["enum"])
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    words = _TYPES[types[0]]
    if types[0] == "array" and "maxItems" in schema:
        words += f" of {schema['maxItems']}"
    elif types[0] in ("array", "object") and ("minItems" in schema or "minProperties" in schema):
        words += " with at least one entry"
    if types[0] == "string" and "minLength" in schema:
        words += " that is not empty"
    limits = " and ".join(f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema)
    words += f" {limits}" if limits else ""
    return " or ".join([words, *(_TYPES[kind] for kind in types[1:])])


def _hint(value: Any, schema: dict) -> str:
    """Explain the ways in which YAML reads something else than was meant."""
    types = schema.get("type", [])
    if isinstance(value, str) and ("number" in types or "integer" in types):
        try:
            number = float(value)
        except ValueError:
            return ""
        if "e" in value.lower() and math.isfinite(number):
            return f" (YAML reads {value} as text: the number needs a point and a sign, such as 3.0e-5 or 1.0e+3)"
        return " (without quotes)"
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return f" (write {int(value)})"
    if isinstance(value, bool) and "boolean" not in types:
        return " (YAML reads yes, no, on and off as true and false; put text in quotes)"
    if isinstance(value, int | float) and "string" in types:
        return " (put it in quotes)"
    return ""


def _known_keys(schema: dict, schemas: dict[str, dict]) -> list[str]:
    """Return the dotted names of all keys that a schema names, those below free names left out."""

    def walk(schema: dict, prefix: str) -> Iterator[str]:
        if "$ref" in schema:
            name, _, pointer = schema["$ref"].partition("#")
            # A reference without a file name stays in its own file; the parts of all files have different names.
            targets = [schemas[name]] if name else list(schemas.values())
            for part in filter(None, pointer.split("/")):
                targets = [target[part] for target in targets if part in target]
            yield from walk(targets[0], prefix)
        elif schema.get("additionalProperties") is False:
            for key, below in schema["properties"].items():
                yield f"{prefix}{key}"
                yield from walk(below, f"{prefix}{key}.")

    return list(walk(schema, ""))


def _elsewhere(key: str, path: str, schema: dict, schemas: dict[str, dict]) -> list[str]:
    """Return where else `key` is known: below the block at `path`, or else anywhere."""

    def ending(names: list[str]) -> list[str]:
        return [name for name in names if name.rpartition(".")[2] == key]

    everywhere = _known_keys(next(iter(schemas.values())), schemas)
    below = ending(_known_keys(schema, schemas))
    return [f"{path}.{name}" if path else name for name in below] or (ending(everywhere) if path in everywhere else [])


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
    `elsewhere`; else what `difflib` finds alike; else all known names.
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
    return f"expected one of {', '.join(known)}"
