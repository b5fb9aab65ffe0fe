"""A few hundred cases of `tests/long/fuzz.py`, and that it sees every way in which a reader can fail."""

import os
import time
from pathlib import Path

import fuzz
import fuzz_mutations as m
import pytest
from fuzz_text import Reader

from genebert.errors import InputError
from genebert.files import read_text


def test_every_reader_gives_a_right_result_or_one_sentence():
    outcomes = list(fuzz.run(range(8 * len(fuzz.READERS)), processes=1))
    assert len(outcomes) == 8 * len(fuzz.READERS)
    assert not [f"case {one.number}: {one.detail}" for one in outcomes if one.kind == fuzz.FAILED]
    table = fuzz.counts(outcomes)
    assert table.keys() == {reader.name for reader in fuzz.READERS}
    assert all(table[name][fuzz.RIGHT] + table[name][fuzz.REFUSED] for name in table)


def test_a_case_is_always_the_same():
    assert fuzz.case_of(0) == fuzz.case_of(0)
    assert len({fuzz.case_of(number)[1].files["x.bed"] for number in range(0, 280, len(fuzz.READERS))}) > 5


def good(folder: Path, out: Path) -> str:
    return read_text(folder / "x.txt").strip()


def bad_if_changed(failure):
    """A reader that does its work, and on another file than the seed something else."""

    def read(folder: Path, out: Path) -> str:
        text = (folder / "x.txt").read_bytes()
        return "a" if text == b"a\n" else failure(folder, out)

    return read


def half_written(folder: Path, out: Path) -> None:
    (out / "half").write_text("x")
    raise InputError("x.txt: bad")


def refuse(message: str):
    def read(folder: Path, out: Path) -> None:
        raise InputError(message)

    return read


def too_much(folder: Path, out: Path) -> int:
    return len(bytearray(2 * fuzz.MEMORY))


def double(draw, data: bytes) -> bytes:
    return data * 2


@pytest.mark.parametrize(
    ("failure", "kind", "detail"),
    [
        (lambda folder, out: 1 / 0, fuzz.FAILED, "ZeroDivisionError"),
        (lambda folder, out: os.abort(), fuzz.FAILED, "the process died (-6)"),
        (lambda folder, out: os._exit(0), fuzz.FAILED, "the process died (0)"),
        (lambda folder, out: time.sleep(60), fuzz.FAILED, "more than 1 s"),
        (too_much, fuzz.FAILED, "MemoryError"),
        (half_written, fuzz.FAILED, "left behind out/half (x.txt: bad)"),
        (refuse("x.txt: bad\nand more"), fuzz.FAILED, "message of 2 lines"),
        (refuse(""), fuzz.FAILED, "message of 1 lines and 0 letters"),
        (lambda folder, out: "b", fuzz.FAILED, "wrong value: 'b'; expected 'aa'"),
        (refuse("x.txt: bad"), fuzz.REFUSED, "x.txt: bad"),
        (lambda folder, out: "aa", fuzz.RIGHT, "aa"),
    ],
)
def test_failures_are_seen(monkeypatch, failure, kind, detail):
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    monkeypatch.setattr(fuzz, "HEAVY", ())
    reader = Reader("toy", lambda: [{"x.txt": b"a\n"}], ("x.txt",), bad_if_changed(failure), (double,), same=(),
                    gzip=False, expected=lambda folder: "aa")  # fmt: skip
    # The second case shows that a new process goes on after one that is gone.
    first, second = fuzz.run([0, 1], [reader], processes=1)
    assert first.kind == second.kind == kind and detail in first.detail and detail in second.detail


def test_a_change_that_means_nothing_must_not_change_the_value(monkeypatch):
    monkeypatch.setattr(fuzz, "HEAVY", ())
    whole = Reader("toy", lambda: [{"x.txt": b"a\nb\n"}], ("x.txt",), good)
    assert {fuzz.case_of(number, [whole])[1].must for number in range(30)} == {
        fuzz.SAME, fuzz.SAME_OR_REFUSED, fuzz.ANY,
    }  # fmt: skip
    raw = Reader("raw", whole.seeds, whole.target, lambda folder, out: (folder / "x.txt").read_bytes())
    numbers = [number for number in range(30) if fuzz.case_of(number, [whole])[1].must == fuzz.SAME]
    assert {one.kind for one in fuzz.run(numbers, [whole], 1)} == {fuzz.RIGHT}
    assert {one.kind for one in fuzz.run(numbers, [raw], 1)} == {fuzz.FAILED}


def test_damaged_gzip_data_are_gzip_data_that_differ():
    reader = Reader("toy", lambda: [{"x.txt": b"a\nb\n"}], ("x.txt",), good, (m.damaged_gzip,), same=())
    cases = [fuzz.case_of(number, [reader])[1] for number in range(20)]
    assert len({case.files["x.txt"] for case in cases}) > 10
