"""What follows from the classes of settings: the configuration file, its JSON Schema and its reference page."""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from types import MappingProxyType, NoneType
from typing import Any, Literal, get_args, get_origin

import yaml

from genebert.settings.fields import Block, complete, default_of, hints
from genebert.settings.rules import alternatives, block_of, is_block, unwrapped, words

WIDTH, COMMENT = 120, 41  # of a line, and where its comment begins
_TYPES = {bool: "boolean", str: "string", int: "integer", float: "number", NoneType: "null"}
_LIMITS = {"at_least": "minimum", "above": "exclusiveMinimum", "at_most": "maximum", "below": "exclusiveMaximum"}


def _flow(value: Any) -> str:
    """Return a value on one line of YAML."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).removesuffix("...\n").strip()


# --------------------------------------------------------------------------------------------- the configuration file


def _yaml_lines(name: str, hint: Any, value: Any, doc: str, indent: str) -> Iterator[str]:
    bare, rule = unwrapped(hint)
    nested = isinstance(value, dict) and value and not rule.partial
    if isinstance(value, dict) and not indent:
        yield ""
    text = f"{indent}{name}:" if nested else f"{indent}{name}: {_flow(value)}"
    if len(text) < COMMENT and len(doc) + COMMENT + 2 <= WIDTH:
        yield f"{text:<{COMMENT}}# {doc}" if doc else text
    else:
        yield from textwrap.wrap(doc, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        # Names have hyphens: broken there, a name would be two words.
        unbroken = {"break_long_words": False, "break_on_hyphens": False}
        yield from textwrap.wrap(text, WIDTH, subsequent_indent=f"{indent}  ", **unbroken)
    if nested:
        yield from _yaml_block(bare, value, f"{indent}  ")


def _yaml_block(bare: Any, block: dict, indent: str) -> Iterator[str]:
    fields = hints(bare) if is_block(bare) else {}
    inner = Any if is_block(bare) else get_args(bare)[1]
    for name, value in block.items():
        hint, one = fields.get(name, (inner, None))
        if value != {} or not unwrapped(hint)[1].partial or one is None:
            yield from _yaml_lines(name, hint, value, one.metadata["doc"] if one else "", indent)


def to_yaml(cls: type[Block]) -> str:
    """Return all keys with their defaults and meanings, as ``config/config.yaml`` holds them."""
    return "\n".join(_yaml_block(cls, complete(cls, {}), "")) + "\n"


# ---------------------------------------------------------------------------------------------------------- the schema


def to_schema(hint: Any, *, partial: bool = False) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a type hint, for editors."""
    bare, rule = unwrapped(hint)
    members = alternatives(bare)
    if len(members) > 1:
        return {"anyOf": [to_schema(member) for member in members]}
    schema: dict[str, Any] = {"description": rule.expected} if rule.expected else {}
    if bare is Any:
        return schema
    if is_block(bare):
        return schema | _block_schema(bare, partial or rule.partial)
    kind, inner = get_origin(bare), get_args(bare)
    if kind is Literal:
        return schema | {"enum": list(inner)}
    if kind is dict:
        removed = {"type": "null"}  # by an overlay
        return schema | {"type": "object", "additionalProperties": {"anyOf": [to_schema(inner[1]), removed]}}
    if kind is tuple:
        return schema | {"type": "array", "prefixItems": [to_schema(one) for one in inner], "minItems": len(inner)}
    if kind is list:
        least = max(rule.least, rule.some)
        return schema | {"type": "array", "items": to_schema(inner[0]), "minItems": least, "uniqueItems": rule.unique}
    schema |= {"type": _TYPES[bare]} | ({"pattern": f"^{rule.pattern}$"} if rule.pattern else {})
    return schema | {word: getattr(rule, name) for name, word in _LIMITS.items() if getattr(rule, name) is not None}


def _block_schema(cls: type[Block], partial: bool) -> dict[str, Any]:
    properties, required = {}, []
    for name, (hint, one) in hints(cls, internal=False).items():
        about = {"description": " ".join(filter(None, (one.metadata["doc"], one.metadata["more"])))}
        default = default_of(one)
        if default is MISSING:
            required += [] if partial else [name]
        elif not partial:
            about["default"] = default
        properties[name] = to_schema(hint, partial=partial) | about
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


# ------------------------------------------------------------------------------------------------------------ the page


# Blocks that stand at several places -> the one with the table; of one that adds to another, that holds what is added.
ONCE = {
    "FinetuneSettings": "finetune.default.",
    "TaggerSettings": "finetune.splicing.",
    "ModelEntry": "model.",
    "RuleResources": "resources.default.",
}


def to_markdown(cls: type[Block], further: Mapping[str, type[Block]] = MappingProxyType({})) -> str:
    """Return the tables of a reference page: key, what it may be, default, meaning; one table a block.

    `further` blocks, by their titles, come last: those that the class names by no type.
    """
    tables = [*_tables(cls, "")]
    for title, block in further.items():
        tables += _tables(block, f"{title}.")
    return "\n".join(tables)


def _cell(text: str) -> str:
    parts = text.replace("|", "\\|").split("`")  # every other one is code, which Markdown shows as it is
    return "`".join(part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(parts))


def _tables(cls: type[Block], prefix: str) -> Iterator[str]:
    yield from (f"## {prefix[:-1] or 'The top'}", "", cls.__doc__.split("\n")[0], "")
    yield from ("| key | may be | default | meaning |", "| --- | --- | --- | --- |")
    below = []
    shown_before = [hints(one) for one in cls.__bases__ if one.__name__ in ONCE]
    for name, (hint, one) in hints(cls, internal=False).items():
        if any(name in keys for keys in shown_before):
            continue
        bare, rule = unwrapped(hint)
        inner = _inner_block(bare)
        value = default_of(one)
        shown = "" if value is MISSING else f"`{_flow(value)}`"
        if inner:
            below.append((inner, f"{prefix}{name}.NAME." if get_origin(bare) is dict else f"{prefix}{name}."))
            # What differs for a part has no table of its own.
            shown = shown if rule.partial or (not is_block(bare) and len(shown) < 60) else "below"
        meaning = ". ".join(filter(None, (one.metadata["doc"], one.metadata["more"])))
        yield f"| `{name}` | {_cell(words(hint))} | {_cell(shown)} | {_cell(meaning)} |"
    yield ""
    for inner, where in below:
        if ONCE.get(inner.__name__, where) == where:
            yield from _tables(inner, where)


def _inner_block(bare: Any) -> type[Block] | None:
    return block_of(unwrapped(get_args(bare)[1])[0] if get_origin(bare) is dict else bare)
