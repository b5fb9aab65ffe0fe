"""Hypothesis strategies that change small valid files: bytes, text, gzip, JSON, HDF5 and R objects.

A change is a function ``(draw, data) -> data``. Those of `SAME` leave the meaning of a text as it is.
"""

import contextlib
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy], Any]
Change = Callable[[Draw, bytes], bytes]

# What stands in fields that went wrong.
FIELDS = (
    "", " ", "-1", "-0", "0", "1.5", "1e5", "1e400", "2147483648", "9223372036854775808", "99999999999999999999999",
    "nan", "NaN", "NA", "None", "null", "inf", "-inf", "TRUE", "+5", "0x10", "1_000", "1,000", "５", "²", "é", "\u00a0",
    "\u2028", "\ufeff", "\x00", "\x0b", "\x1c", "'", '"', '"x', '"a\tb"', "#", "%", "chr1", "1", "X", ".", "\\", "\\N",
    "=1+1", ">", "2020-13-45", "{x}", "[x]", "*x", "&x", "!!int x", "[" * 5000, "x" * 70000, "١٢",
)  # fmt: skip
SEPARATORS = ("\t", " ", "  ", ",", ";", "|", "\t\t", "\u00a0", "")
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body>moved</body></html>\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
OTHER_FILES = (
    b"",
    b"\n",
    b" \t\n",
    b"\x00" * 512,
    PAGE,
    LFS,
    b"PK\x03\x04" + b"\x00" * 60,
    b"\x1f\x8b",
    b"{}",
    b"[]\n",
)
NUMBERS = (-1, 0, 1, 7, 99, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, -(2**63), 0.5, float("nan"), float("inf"), 1e300)
VALUES = (*NUMBERS, None, True, "", "x", "1", "é", [], {}, [1], ["x"], {"x": 1}, "x" * 70000, 2**70)


def place(draw: Draw, data: Sequence) -> int:
    """Return a place in `data`, or 0 if it is empty."""
    return draw(st.integers(0, max(0, len(data) - 1)))


def span(draw: Draw, data: bytes) -> tuple[int, int]:
    start = place(draw, data)
    return start, min(len(data), start + draw(st.sampled_from((1, 2, 8, 64, 1024))))


# Bytes.


def flip(draw: Draw, data: bytes) -> bytes:
    at = place(draw, data)
    return data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :] if data else data


def cut(draw: Draw, data: bytes) -> bytes:
    return data[: place(draw, data)]


def behead(draw: Draw, data: bytes) -> bytes:
    return data[place(draw, data) :]


def insert(draw: Draw, data: bytes) -> bytes:
    at = place(draw, data)
    return data[:at] + draw(st.binary(min_size=1, max_size=8)) + data[at:]


def remove(draw: Draw, data: bytes) -> bytes:
    start, end = span(draw, data)
    return data[:start] + data[end:]


def repeat(draw: Draw, data: bytes) -> bytes:
    start, end = span(draw, data)
    return data[:end] + data[start:end] * draw(st.sampled_from((1, 2, 100))) + data[end:]


def overwrite(draw: Draw, data: bytes) -> bytes:
    start, end = span(draw, data)
    return data[:start] + draw(st.sampled_from((b"\x00", b"\xff", b"\n", b"9"))) * (end - start) + data[end:]


def other_file(draw: Draw, data: bytes) -> bytes:
    return draw(st.sampled_from(OTHER_FILES))


BYTES: tuple[Change, ...] = (flip, cut, behead, insert, remove, repeat, overwrite, other_file)


# Text, by lines and fields.


def lines_of(data: bytes) -> list[str]:
    return data.decode("utf-8", errors="surrogateescape").split("\n")


def joined(lines: list[str]) -> bytes:
    return "\n".join(lines).encode("utf-8", errors="surrogateescape")


def separator_of(line: str) -> str:
    return next((one for one in ("\t", ",", " ") if one in line), "\t")


def on_fields(change: Callable[[Draw, list[str]], list[str]]) -> Change:
    """Return a change of the fields of one line."""

    def changed(draw: Draw, data: bytes) -> bytes:
        lines = lines_of(data)
        at = place(draw, lines)
        separator = separator_of(lines[at])
        lines[at] = separator.join(change(draw, lines[at].split(separator)))
        return joined(lines)

    changed.__name__ = change.__name__
    return changed


@on_fields
def odd_field(draw: Draw, fields: list[str]) -> list[str]:
    fields[place(draw, fields)] = draw(st.sampled_from(FIELDS))
    return fields


@on_fields
def swapped_fields(draw: Draw, fields: list[str]) -> list[str]:
    i, j = place(draw, fields), place(draw, fields)
    fields[i], fields[j] = fields[j], fields[i]
    return fields


@on_fields
def lost_field(draw: Draw, fields: list[str]) -> list[str]:
    del fields[place(draw, fields)]
    return fields


@on_fields
def further_field(draw: Draw, fields: list[str]) -> list[str]:
    fields.insert(place(draw, fields), draw(st.sampled_from(FIELDS)))
    return fields


@on_fields
def negative_field(draw: Draw, fields: list[str]) -> list[str]:
    at = place(draw, fields)
    fields[at] = "-" + fields[at]
    return fields


@on_fields
def quoted_field(draw: Draw, fields: list[str]) -> list[str]:
    at = place(draw, fields)
    fields[at] = draw(st.sampled_from(('"{}"', "'{}'", '"{}', '{}"', '""{}""'))).format(fields[at])
    return fields


def odd_column(draw: Draw, data: bytes) -> bytes:
    """One field of every line becomes the same."""
    lines, field = lines_of(data), draw(st.sampled_from(FIELDS))
    separator = separator_of(lines[-2] if len(lines) > 1 else lines[0])
    at = draw(st.integers(0, lines[0].count(separator)))
    rows = [line.split(separator) for line in lines]
    return joined([separator.join([*row[:at], field, *row[at + 1 :]]) if len(row) > at else row[0] for row in rows])


def other_separator(draw: Draw, data: bytes) -> bytes:
    lines, new = lines_of(data), draw(st.sampled_from(SEPARATORS))
    first = place(draw, lines)
    last = len(lines) if draw(st.booleans()) else first + 1
    return joined(
        [line.replace(separator_of(line), new) if first <= number < last else line for number, line in enumerate(lines)]
    )


def lost_line(draw: Draw, data: bytes) -> bytes:
    lines = lines_of(data)
    del lines[place(draw, lines)]
    return joined(lines)


def repeated_line(draw: Draw, data: bytes) -> bytes:
    lines = lines_of(data)
    at = place(draw, lines)
    return joined(lines[:at] + [lines[at]] * draw(st.sampled_from((2, 3, 500))) + lines[at + 1 :])


def odd_line(draw: Draw, data: bytes) -> bytes:
    lines = lines_of(data)
    new = ("", " ", "\t", "#", "# note", "track name=x", "%", ">", "\x00", '"', *FIELDS)
    lines.insert(place(draw, lines), draw(st.sampled_from(new)))
    return joined(lines)


def other_encoding(draw: Draw, data: bytes) -> bytes:
    text = data.decode("utf-8", errors="replace")
    return text.encode(draw(st.sampled_from(("utf-16", "utf-16-le", "utf-32", "cp500", "utf-7"))), errors="replace")


TEXT: tuple[Change, ...] = (
    odd_field, odd_field, swapped_fields, lost_field, further_field, negative_field, quoted_field, odd_column,
    other_separator, lost_line, repeated_line, odd_line, other_encoding,
)  # fmt: skip


# Changes of a text that mean nothing.


def carriage_returns(draw: Draw, data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


def byte_order_mark(draw: Draw, data: bytes) -> bytes:
    return b"\xef\xbb\xbf" + data


def blank_end(draw: Draw, data: bytes) -> bytes:
    return data.rstrip(b"\n") + b"\n" + draw(st.sampled_from((b"\n", b"\n\n\n", b" \n")))


def no_last_newline(draw: Draw, data: bytes) -> bytes:
    return data.rstrip(b"\n")


def packed(draw: Draw, data: bytes) -> bytes:
    """Gzip, in one member or in two, as bgzip and `cat` of two files make them."""
    middle = place(draw, data) if draw(st.booleans()) else 0
    parts = [data[:middle], data[middle:]] if middle else [data]
    return b"".join(gzip.compress(part, 1, mtime=0) for part in parts)


SAME: tuple[Change, ...] = (carriage_returns, byte_order_mark, blank_end, no_last_newline)


# Gzip whose bytes are damaged: its checksum tells, so that nothing but the old meaning or an error can come out.


def damaged_gzip(draw: Draw, data: bytes) -> bytes:
    whole = bytearray(gzip.compress(data, 6, mtime=0))
    where = draw(st.sampled_from(("header", "middle", "end", "cut")))
    if where == "cut":
        return bytes(whole[: draw(st.integers(3, len(whole) - 1))])
    low, high = {"header": (2, 10), "middle": (10, len(whole) - 8), "end": (len(whole) - 8, len(whole))}[where]
    whole[draw(st.integers(low, high - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(whole)


# JSON and what is like it.


def _holders(value: Any) -> list[tuple[Any, Any]]:
    """Return all (dict or list, key) below a value."""
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [(value, key) for key, _ in pairs] + [found for _, inner in pairs for found in _holders(inner)]


def odd_value(draw: Draw, value: Any) -> Any:
    """Change one value of nested dicts and lists: replaced, gone, or under another name."""
    holders = _holders(value)
    if not holders:
        return draw(st.sampled_from(VALUES))
    holder, key = holders[place(draw, holders)]
    what = draw(st.sampled_from(("value", "value", "value", "gone", "renamed")))
    if what == "value":
        holder[key] = draw(st.sampled_from(VALUES))
    elif what == "gone":
        del holder[key]
    elif isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    return value


def odd_json(draw: Draw, data: bytes) -> bytes:
    try:
        value = json.loads(data)
    except ValueError:  # after an earlier change
        return data
    return json.dumps(odd_value(draw, value)).encode()


def odd_safetensors(draw: Draw, data: bytes) -> bytes:
    """Change the header of a ``.safetensors`` file: eight bytes with its length, JSON, then the tensors."""
    size = int.from_bytes(data[:8], "little")
    header = odd_json(draw, data[8 : 8 + size])
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


# Arrays, of HDF5 and of R.


def odd_array(draw: Draw, values: np.ndarray) -> np.ndarray:
    """Change a vector: one value, its order, its length or its type."""
    what = draw(st.sampled_from(("value", "value", "value", "cut", "longer", "reversed", "type", "empty", "shape")))
    numeric = values.dtype.kind in "iufb"
    if what == "value" and values.size:
        values = values.copy()
        number = draw(st.sampled_from(NUMBERS))
        with np.errstate(all="ignore"):
            new = np.array(number).astype(values.dtype) if numeric else draw(st.sampled_from(FIELDS)).encode()
        values.flat[place(draw, values.ravel())] = new
        return values
    if what == "type" and numeric:
        with np.errstate(all="ignore"):
            return values.astype(draw(st.sampled_from(("int8", "uint8", "int64", "uint64", "float32", "float64"))))
    if what == "shape":
        return values[:, None] if values.ndim == 1 else values.ravel()
    if values.ndim == 0:
        return values[None]
    kept = draw(st.integers(0, len(values)))
    return {
        "cut": values[:kept],
        "longer": np.concatenate([values, values[:kept]]),
        "reversed": values[::-1],
    }.get(what, values[:0])


def odd_hdf5(draw: Draw, data: bytes) -> bytes:
    """Change one object of an HDF5 file: its values, its attributes, or take it away."""
    buffer = io.BytesIO(data)
    # An earlier change of bytes may have left nothing that opens, or names that cannot be written.
    with contextlib.suppress(OSError, RuntimeError, KeyError, ValueError, TypeError), h5py.File(buffer, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        if not names:
            return data
        name = names[place(draw, names)]
        node = file[name]
        what = draw(st.sampled_from(("array", "array", "array", "attribute", "gone")))
        if what == "array" and isinstance(node, h5py.Dataset):
            values, attributes = node[()], dict(node.attrs)
            new = odd_array(draw, np.asarray(values))
            del file[name]
            made = file.create_dataset(name, data=new, dtype=h5py.string_dtype() if new.dtype.kind == "O" else None)
            made.attrs.update(attributes)
        elif what == "attribute" and len(node.attrs):
            _odd_attribute(draw, node.attrs)
        else:
            del file[name]
    return buffer.getvalue()


def _odd_attribute(draw: Draw, attributes: h5py.AttributeManager) -> None:
    key = sorted(attributes)[place(draw, list(attributes))]
    if key == "shape":
        attributes[key] = np.array([draw(st.sampled_from((0, -1, 8, 9, 2**31))), 8])
    elif draw(st.booleans()):
        del attributes[key]
    else:
        words = ("", "x", "9.9.9", "array", "dict", "csr_matrix", "csc_matrix", 0, -1, 2**31)
        attributes[key] = draw(st.sampled_from(words))


def odd_r_object(draw: Draw, node: Any) -> Any:
    """Change one part of an R object in the form of rds2py's writer: nested dicts whose leaves are arrays."""
    leaves = _leaves(node)
    holder, key = leaves[place(draw, leaves)]
    old = holder[key]
    if isinstance(old, np.ndarray):
        new = odd_array(draw, old).ravel()
        # The writer knows integers and doubles.
        with np.errstate(all="ignore"):
            holder[key] = new.astype(np.int32 if new.dtype.kind in "iu" else np.float64)
    elif isinstance(old, list):
        at = place(draw, old)
        what = draw(st.sampled_from(("value", "value", "cut", "longer")))
        new = list(old)
        if what == "value" and old:
            new[at] = draw(st.sampled_from([field for field in FIELDS if "\x00" not in field]))
        else:
            new = old[:at] if what == "cut" else old + old[: at + 1]
        holder[key] = new
    elif draw(st.booleans()) and "attributes" in holder and holder is not node:
        del holder["attributes"]
    else:
        holder[key] = draw(st.sampled_from(("", "x", "dgTMatrix", "dgCMatrix", "Assay5", "Seurat")))
    return node


def _leaves(node: Mapping) -> list[tuple[dict, str]]:
    """Return (holder, key) of all arrays, lists of strings and class names."""
    found: list[tuple[dict, str]] = []
    for key, value in node.items():
        if isinstance(value, dict):
            found += _leaves(value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found += [leaf for inner in value if isinstance(inner, dict) for leaf in _leaves(inner)]
        elif isinstance(value, np.ndarray | list) or key == "class_name":
            found.append((node, key))
        if isinstance(value, list):
            found += [(value, number) for number, inner in enumerate(value) if isinstance(inner, np.ndarray)]
    return found
