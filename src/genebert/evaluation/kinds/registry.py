"""The kinds of tasks by name."""

from typing import Any

from genebert.errors import InputError
from genebert.evaluation.kinds.base import Kind
from genebert.evaluation.kinds.base_classes import BaseClasses
from genebert.evaluation.kinds.person import PersonStatus
from genebert.evaluation.kinds.two_class import TwoClass

KINDS: dict[str, type[Kind]] = {one.name: one for one in (TwoClass, BaseClasses, PersonStatus)}


def kind_of(card: dict[str, Any], where: str) -> Kind:
    """Return the kind that the card of a data set names; two-class for cards from before there were kinds.

    Raises
    ------
    InputError
        There is no such kind, or the card lacks a key that it reads.
    """
    name = card.get("kind", TwoClass.name)
    if name not in KINDS:
        raise InputError(f"{where}: found the kind {name!r}, expected one of {', '.join(KINDS)}")
    for key in KINDS[name].reads:
        if key not in card:
            raise InputError(f"{where}: has no key {key!r}, expected it beside the kind {name!r}")
    return KINDS[name](card)
