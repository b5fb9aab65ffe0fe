"""Settings as classes: a field holds type, range, default and meaning of one key, and nothing else repeats them.

A block of the configuration is a :class:`Block`: a frozen dataclass whose fields are made by :func:`key`. From it
follow the check of the merged configuration and its sentences (:func:`problems`), the check of values given to the
class itself, the completed configuration (:func:`complete`) and, in :mod:`genebert.settings.reference`, the
configuration file, its JSON Schema and its reference page. No library does this lighter: every cluster job parses the
Snakefile again, entries of ``config/models.yaml`` are blocks of which any part may be missing, and messages are whole
sentences.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, get_args, get_origin, get_type_hints

from genebert.errors import InputError
from genebert.settings.rules import Rule, alternatives, block_of, fits, is_block, unwrapped, with_rule, words, wrong
from genebert.settings.sentences import dotted, show, suggest

Where = tuple[str | int, ...]


class Problem(NamedTuple):
    """What is wrong at a place; texts about unknown and missing keys are `whole`: they name it themselves."""

    where: Where
    text: str
    whole: bool = False

    def __str__(self) -> str:
        return self.text if self.whole or not self.where else f"{dotted(self.where)}: {self.text}"


def key(default: Any = MISSING, doc: str = "", *, more: str = "", internal: bool = False, grid: bool = False) -> Any:
    """Return the field of one key, which must be given where it has no default.

    Its meaning is `doc`, one line of ``config/config.yaml``, and `more` on the reference page. The workflow sets
    `internal` fields, no key of the configuration; a `grid` maps other keys of its block to lists of values to try.
    """
    about = {"doc": doc, "more": more, "internal": internal, "grid": grid}
    if isinstance(default, dict | list | Block):
        return field(default_factory=lambda: copy.deepcopy(default), metadata=about)
    return field(default=default, metadata=about)


class Block:
    """A block of keys: the base of frozen dataclasses; an InputError says all that is wrong when one is made."""

    block: ClassVar[str] = ""  # where it stands in the configuration, for messages

    def __post_init__(self) -> None:
        for name, (hint, _) in hints(type(self)).items():
            object.__setattr__(self, name, _built(hint, getattr(self, name)))
        found = list(_block_problems(type(self), plain(self), tuple(self.block.split(".")), _Way(internal=True)))
        if found:
            raise InputError("\n".join(map(str, found)))

    def check(self) -> Iterator[str]:
        """Say what is wrong with values that are each allowed: ``key: what``."""
        yield from ()

    @classmethod
    def check_part(cls, value: Mapping, where: Where) -> Iterator[Problem]:
        """Say what is wrong with a block at `where`, of which keys may be missing."""
        yield from ()


@cache
def hints(cls: type[Block], *, internal: bool = True) -> dict[str, tuple[Any, Field]]:
    """Return type hint and field of each key, in their order; only the configuration's own without `internal` ones."""
    types = get_type_hints(cls, include_extras=True)
    return {one.name: (types[one.name], one) for one in fields(cls) if internal or not one.metadata["internal"]}


def default_of(one: Field) -> Any:
    """Return a field's default as plain values; MISSING where the key must be given."""
    value = one.default_factory() if one.default_factory is not MISSING else one.default
    return value if value is MISSING else plain(value)


def plain(value: Any) -> Any:
    """Return settings as dicts and lists, as in YAML."""
    if isinstance(value, Block):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _built(hint: Any, value: Any) -> Any:
    """Return a value as its field keeps it: blocks as objects, lists of fixed length as tuples."""
    hint, rule = unwrapped(hint)
    if (block := block_of(hint)) and isinstance(value, Mapping) and not rule.partial:
        unknown = [name for name in value if name not in hints(block)]
        if unknown:
            raise InputError(f"unknown key {block.block}.{unknown[0]}; {suggest(str(unknown[0]), hints(block))}")
        return block(**value)
    is_tuple = any(get_origin(unwrapped(one)[0]) is tuple for one in alternatives(hint))
    return tuple(value) if is_tuple and isinstance(value, list) else value


# ---------------------------------------------------------------------------------------------------------- checking


@dataclass(frozen=True)
class _Way:
    """How to check: `partial` blocks may lack keys, `internal` keys are allowed, `names` are all keys of the whole."""

    partial: bool = False
    internal: bool = False
    names: tuple[str, ...] = ()


def problems(
    hint: Any, value: Any, where: Where = (), *, partial: bool = False, names: tuple[str, ...] = ()
) -> Iterator[Problem]:
    """Check a value at `where`, as read from YAML, against a hint of blocks, lists, mappings or plain values.

    `partial`: blocks may lack keys, at any depth. `names`: all keys there are, dotted, for what an unknown one meant.
    """
    yield from _problems(hint, value, where, _Way(partial, False, names))


def _problems(hint: Any, value: Any, where: Where, way: _Way) -> Iterator[Problem]:
    bare, rule = unwrapped(hint)
    if len(alternatives(bare)) > 1:
        yield from _union_problems(hint, value, where, way)
    elif get_origin(bare) in (dict, list, tuple):
        yield from _container_problems(hint, value, where, way)
    elif is_block(bare) and isinstance(value, Mapping):
        yield from _block_problems(bare, value, where, replace(way, partial=way.partial or rule.partial))
    elif is_block(bare) or not fits(bare, rule, value):
        yield Problem(where, wrong(hint, value))


def _union_problems(hint: Any, value: Any, where: Where, way: _Way) -> Iterator[Problem]:
    bare, rule = unwrapped(hint)
    members = [with_rule(member, rule) for member in alternatives(bare)]
    found = [list(_problems(member, value, where, way)) for member in members]
    if all(found):
        # What is wrong in a list of any length, a mapping or a block, is told there; else the whole is wrong.
        kind = list if isinstance(value, list) else dict if isinstance(value, Mapping) else None
        kinds = [dict if is_block(one) else get_origin(one) for one, _ in map(unwrapped, members)]
        alike = [one for one, known in zip(found, kinds, strict=True) if known is kind]
        yield from alike[0] if kind and alike else [Problem(where, wrong(hint, value))]


def _container_problems(hint: Any, value: Any, where: Where, way: _Way) -> Iterator[Problem]:
    bare, rule = unwrapped(hint)
    kind, inner = get_origin(bare), get_args(bare)
    wanted = Mapping if kind is dict else list
    if not isinstance(value, wanted) or len(value) < max(rule.least, rule.some):
        yield Problem(where, wrong(hint, value))
    elif kind is dict:
        for name, item in value.items():
            if any(_problems(inner[0], name, where, way)):
                text = f"a key below {dotted(where)} is named {show(name)}, expected {words(inner[0])}"
                yield Problem(where, text, whole=True)
            elif inner[1] is not Any:
                yield from _problems(inner[1], item, (*where, name), way)
    elif kind is tuple and len(value) != len(inner):
        yield Problem(where, wrong(hint, value))
    else:
        types = inner if kind is tuple else inner * len(value)
        found = [one for i, item in enumerate(value) for one in _problems(types[i], item, (*where, i), way)]
        yield from found
        twice = [item for i, item in enumerate(value) if item in value[:i]]
        if rule.unique and twice and not found:
            yield Problem(where, f"found {show(twice[0])} twice, expected no repeats")


def _block_problems(cls: type[Block], value: Mapping, where: Where, way: _Way) -> Iterator[Problem]:
    known = hints(cls, internal=way.internal)
    prefix = f"{dotted(where)}." if where else ""
    found: list[Problem] = []
    for name in value:
        if name not in known:
            meant = _meant(cls, str(name), known, prefix, way)
            found.append(Problem((*where, str(name)), f"unknown key {prefix}{name}; {meant}", whole=True))
    for name, (hint, one) in known.items():
        if name not in value:
            if not way.partial and default_of(one) is MISSING:
                text = f"missing key {prefix}{name}; expected {words(hint)}"
                found.append(Problem((*where, name), text, whole=True))
        elif one.metadata["grid"] and isinstance(value[name], Mapping):
            found += _grid_problems(cls, value[name], (*where, name), way)
        else:
            found += _problems(hint, value[name], (*where, name), way)
    found += [] if found else cls.check_part(value, where)
    if not found and not way.partial:
        for text in _unchecked(cls, value).check():
            place, _, what = text.partition(": ")
            found.append(Problem((*where, *place.split(".")), what))
    yield from found


def _meant(cls: type[Block], name: str, known: Mapping, prefix: str, way: _Way) -> str:
    """Say which key was probably meant: one of the block, else one of that name below it, else anywhere."""
    below = [f"{prefix}{other}" for other in key_names(cls) if other.rpartition(".")[2] == name]
    if not below and prefix[:-1] in way.names:
        below = [other for other in way.names if other.rpartition(".")[2] == name]
    return suggest(name, known, prefix, below)


def _unchecked(cls: type[Block], value: Mapping) -> Block:
    """Return a block of values that are each known to be allowed."""
    block = object.__new__(cls)
    for name, (hint, one) in hints(cls).items():
        given = value[name] if name in value else default_of(one)
        inner = unwrapped(hint)[0]
        object.__setattr__(block, name, _unchecked(inner, given) if is_block(inner) else given)
    return block


def _grid_problems(cls: type[Block], value: Mapping, where: Where, way: _Way) -> Iterator[Problem]:
    """Check lists of values to try: each is one of its key."""
    known = {name: hint for name, (hint, one) in hints(cls).items() if not one.metadata["grid"]}
    for name, values in value.items():
        if name not in known:
            prefix = f"{dotted(where)}."
            text = f"unknown key {prefix}{name}; {suggest(str(name), known, prefix)}"
            yield Problem((*where, name), text, whole=True)
        else:
            choice = Annotated[list[known[name]], Rule(some=True, unique=True)]
            yield from _problems(choice, values, (*where, name), way)


@cache
def key_names(cls: type[Block]) -> tuple[str, ...]:
    """Return the dotted names of all keys, those of blocks below free names left out."""
    found = []
    for name, (hint, _) in hints(cls, internal=False).items():
        found.append(name)
        inner = block_of(unwrapped(hint)[0])
        found += [f"{name}.{below}" for below in key_names(inner)] if inner else []
    return tuple(found)


def without_removed(hint: Any, value: Any) -> Any:
    """Return a value without the entries that are null in mappings of free names, the way to remove one by an overlay.

    Snakemake lays an overlay's blocks over those below and can only add to them. Mappings of values of any kind, such
    as the arguments of an encoder, may hold null.
    """
    bare = unwrapped(hint)[0]
    if not isinstance(value, Mapping):
        return value
    if is_block(bare):
        inner = {name: pair[0] for name, pair in hints(bare).items()}
    elif get_origin(bare) is dict and get_args(bare)[1] is not Any:
        value = {name: item for name, item in value.items() if item is not None}
        inner = dict.fromkeys(value, get_args(bare)[1])
    else:
        return value
    return {name: without_removed(inner.get(name, Any), item) for name, item in value.items()}


def complete(hint: Any, value: Any, *, partial: bool = False) -> Any:
    """Return a checked value with the defaults of all keys that are missing in its blocks, those in parts left out."""
    bare, rule = unwrapped(hint)
    if (block := block_of(bare)) and isinstance(value, Mapping):
        partial = partial or rule.partial
        return {
            name: complete(inner, value[name] if name in value else default_of(one), partial=partial)
            for name, (inner, one) in hints(block, internal=False).items()
            if name in value or not partial
        }
    if get_origin(bare) is dict and get_args(bare)[1] is not Any:
        return {name: complete(get_args(bare)[1], item, partial=partial) for name, item in value.items()}
    return plain(value)
