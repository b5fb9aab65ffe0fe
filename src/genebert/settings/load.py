"""Reading YAML, laying overlays over a configuration, placeholders in it, and texts of the command line."""

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml

from genebert.errors import InputError
from genebert.files import read_text
from genebert.settings.fields import hints, problems
from genebert.settings.rules import alternatives, is_block, unwrapped, with_rule
from genebert.settings.sentences import show

PLACEHOLDER = "{data}"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # libyaml where PyYAML was built with it
    """YAML with keys that occur twice refused; PyYAML keeps the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key} occurs twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_yaml(path: str | Path) -> dict:
    """Read a YAML file of keys and values; an InputError if it is none, or repeats a key."""
    text = read_text(path)
    try:
        value = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:  # the 13th month; a list as a key
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else f"{path}"
        raise InputError(f"{where}: not valid YAML ({getattr(error, 'problem', None) or error})") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: found {show(value)}, expected keys and values")
    return value


def read_settings(texts: Iterable[str]) -> dict:
    """Return what ``KEY=VALUE`` says, read as by Snakemake's ``--config``; for :func:`from_text`.

    Snakemake's own reader is not called: the command `genebert` is installed without it too.
    """
    given: dict = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not (sign and key.isidentifier()):
            raise InputError(f"--config: found {text}, expected KEY=VALUE as for snakemake")
        given = merge(given, {key: _as_snakemake(value)})
    return given


def _as_snakemake(text: str) -> Any:
    """Return a number, a truth value, or YAML whose scalars are text; what is none of them is text."""
    for read in (int, float, {"True": True, "False": False}.__getitem__, _base_yaml):
        try:
            return read(text)
        except (ValueError, KeyError, yaml.YAMLError):
            pass
    return text


def _base_yaml(text: str) -> Any:
    return yaml.load(text, yaml.BaseLoader)


def merge(base: Mapping, overlay: Mapping) -> dict:
    """Return `base` with `overlay` laid over it as Snakemake does: blocks are merged, all else is replaced."""
    merged = copy.deepcopy(dict(base))
    for key, value in overlay.items():
        if isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def shared(given: Mapping, config: Mapping) -> dict:
    """Return what of `given` stands in `config` with the same value, blocks looked through."""
    found = {}
    for key, value in given.items():
        if isinstance(value, Mapping) and isinstance(config.get(key), Mapping):
            found[key] = shared(value, config[key])
        elif key in config and config[key] == value:
            found[key] = value
    return found


def expand(value: Any, data: str) -> Any:
    """Return a value with ``{data}`` replaced by a folder, in all texts of it."""
    if isinstance(value, str):
        return value.replace(PLACEHOLDER, data.rstrip("/") if value.startswith(PLACEHOLDER + "/") else data)
    if isinstance(value, Mapping):
        return {key: expand(item, data) for key, item in value.items()}
    return [expand(item, data) for item in value] if isinstance(value, list) else value


def from_text(hint: Any, value: Any) -> Any:
    """Return a value in which texts that are none for their key are read as YAML: a number, true, false or null.

    Snakemake hands over all that stands inside a block of ``--config`` as text.
    """
    bare, rule = unwrapped(hint)
    if isinstance(value, str):
        return _scalar(hint, value)
    if not isinstance(value, Mapping | list):
        return value
    wanted = (dict,) if isinstance(value, Mapping) else (list, tuple)
    members = (unwrapped(with_rule(member, rule))[0] for member in alternatives(bare))
    bare = next((one for one in members if is_block(one) or get_origin(one) in wanted), Any)
    if isinstance(value, list):
        inner = get_args(bare) or (Any,)
        return [from_text(inner[min(i, len(inner) - 1)], item) for i, item in enumerate(value)]
    if is_block(bare):
        known = hints(bare, internal=False)
        return {name: from_text(known[name][0] if name in known else Any, item) for name, item in value.items()}
    return {name: from_text((get_args(bare) or (Any, Any))[1], item) for name, item in value.items()}


def _scalar(hint: Any, text: str) -> Any:
    """Return what a text is to its key: itself, or what YAML reads in it if that is no text."""
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if read is None:
        return text if any(problems(hint, None)) else None
    fits_as_text = hint is not Any and not any(problems(hint, text))
    return read if isinstance(read, bool | int | float) and not fits_as_text else text
