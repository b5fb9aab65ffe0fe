"""Messages stay one line that a terminal can show, whatever a file holds."""

import pickle

import pytest

from genebert.errors import LONGEST, InputError


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("x.tsv: found 'é', expected CTCF", "x.tsv: found 'é', expected CTCF"),
        ("x.tsv: found c\x00h\x1b[1mr\u2028, expected chr", "x.tsv: found c\\x00h\\x1b[1mr\\u2028, expected chr"),
        ("x.tsv: found \udcff\xa0\t", "x.tsv: found \\udcff\\xa0\\t"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_what_cannot_be_shown_is_written_as_python_writes_it(message, shown):
    assert str(InputError(message)) == shown
    assert str(pickle.loads(pickle.dumps(InputError(message)))) == shown


def test_the_middle_of_a_long_line_is_left_out():
    text = str(InputError("x.tsv: found " + "x" * 70_000 + ", expected chr\nshort"))
    line, short = text.split("\n")
    assert len(line) <= LONGEST and short == "short"
    assert line.startswith("x.tsv: found xxx") and " ... " in line and line.endswith("xxx, expected chr")
    assert str(InputError("x" * LONGEST)) == "x" * LONGEST
