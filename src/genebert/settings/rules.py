"""What one value may be: types with ranges, the test of a value, and both in words."""

import re
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from genebert.settings.sentences import hint_for, is_number, show


@dataclass(frozen=True)
class Rule:
    """What a value must be beyond its type."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    even: bool = False
    pattern: str = ""  # regular expression of a whole text
    some: bool = False  # text, list or block must not be empty
    unique: bool = False  # no entry of a list occurs twice
    least: int = 0  # entries that a list has at least
    expected: str = ""  # words in place of those that type and range give
    partial: bool = False  # of a block: any key may be missing


Text = Annotated[str, Rule(some=True)]
FilePath = Annotated[str, Rule(some=True, expected="a path")]
_START = "that starts with a letter or digit (it becomes a folder)"
Name = Annotated[
    str, Rule(pattern=r"[A-Za-z0-9][A-Za-z0-9._-]*", expected=f"a name of letters, digits, '.', '_' and '-' {_START}")
]
DataSetName = Annotated[
    str,
    Rule(
        pattern=r"[A-Za-z0-9][A-Za-z0-9._()-]*",
        expected=f"a name of letters, digits, '.', '_', '-' and parentheses {_START}",
    ),
]
Chromosome = Annotated[
    str | int, Rule(at_least=1, pattern=r"(chr)?[A-Za-z0-9_.]+", expected="a chromosome such as chr20 or 20")
]
Count = Annotated[int, Rule(at_least=1)]
Whole = Annotated[int, Rule(at_least=0)]
Seed = Annotated[int, Rule(at_least=0, at_most=4294967295)]
Positive = Annotated[float, Rule(above=0)]
NotNegative = Annotated[float, Rule(at_least=0)]
Share = Annotated[float, Rule(at_least=0, at_most=1)]
ShareBelow1 = Annotated[float, Rule(at_least=0, below=1)]
SomeShare = Annotated[float, Rule(above=0, at_most=1)]
ProperShare = Annotated[float, Rule(above=0, below=1)]


def unwrapped(hint: Any) -> tuple[Any, Rule]:
    """Return a hint without its rule, and the rule."""
    if get_origin(hint) is Annotated:
        inner, *rules = get_args(hint)
        return inner, rules[-1]
    return hint, Rule()


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the hint itself."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def is_block(hint: Any) -> bool:
    """Say whether a hint is a class of :class:`genebert.settings.fields.Block`."""
    return isinstance(hint, type) and hasattr(hint, "check_part")


def block_of(hint: Any) -> Any:
    """Return the class of blocks that a hint is, or that is a member of its union; None where there is none."""
    return next((one for one in alternatives(hint) if is_block(one)), None)


def with_rule(member: Any, rule: Rule) -> Any:
    """Return a member of a union with the rule of the whole, unless it has its own."""
    return member if get_origin(member) is Annotated or member is NoneType else Annotated[member, rule]


def fits(hint: Any, rule: Rule, value: Any) -> bool:
    """Say whether a plain value is of its type and range."""
    if hint is Any:
        return True
    if get_origin(hint) is Literal:
        return any(value == one and type(value) is type(one) for one in get_args(hint))
    if hint is NoneType:
        return value is None
    if hint is bool:
        return isinstance(value, bool)
    if hint is str:
        right = isinstance(value, str) and (value or not rule.some)
        return bool(right and (not rule.pattern or re.fullmatch(rule.pattern, value)))
    right = is_number(value) and (hint is float or isinstance(value, int))
    return right and (
        (rule.at_least is None or value >= rule.at_least)
        and (rule.above is None or value > rule.above)
        and (rule.at_most is None or value <= rule.at_most)
        and (rule.below is None or value < rule.below)
        and not (rule.even and value % 2)
    )


def wrong(hint: Any, value: Any) -> str:
    kinds = {unwrapped(one)[0] for one in alternatives(unwrapped(hint)[0])}
    return f"found {show(value)}, expected {words(hint)}{hint_for(value, kinds)}"


_TYPES = {bool: "true or false", NoneType: "null", str: "text", int: "a whole number", float: "a number"}
_LIMITS = {"at_least": "of at least", "above": "above", "at_most": "at most", "below": "below"}


def words(hint: Any) -> str:
    """Describe in words what a hint accepts."""
    bare, rule = unwrapped(hint)
    members = alternatives(bare)
    if rule.expected:
        return rule.expected
    if len(members) > 1:
        return " or ".join(words(with_rule(member, rule)) for member in members)
    if get_origin(bare) is Literal:
        return "one of " + ", ".join("null" if one is None else str(one) for one in get_args(bare))
    if get_origin(bare) is tuple:
        return f"a list of {len(get_args(bare))}"
    if get_origin(bare) is list:
        return "a list" + " with at least one entry" * (rule.some or rule.least > 0)
    if is_block(bare) or get_origin(bare) is dict:
        return "a block of keys" + " with at least one entry" * rule.some
    text = "an even number" if rule.even else _TYPES[bare] + " that is not empty" * (bare is str and rule.some)
    limits = [(word, getattr(rule, name)) for name, word in _LIMITS.items()]
    return f"{text} {' and '.join(f'{word} {limit}' for word, limit in limits if limit is not None)}".strip()
