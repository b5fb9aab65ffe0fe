"""Plain tables, numbers in words and the templates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from genebert.report.text import count, fill, percent, text_table


def test_columns_are_padded():
    rows = [("name", "n", "what"), ("a", "10,000", ""), ("longer", "7", "x y")]
    assert text_table(rows, "lrl") == ["name         n  what", "a       10,000", "longer       7  x y"]


@given(st.lists(st.tuples(*[st.text("ab .", max_size=4)] * 3), min_size=1, max_size=5))
def test_cells_stand_where_their_column_is(rows):
    lines = text_table(rows, "lrl")
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    for line, row in zip(lines, rows, strict=True):
        line = line.ljust(first + second + 4 + len(row[2]))
        assert line[:first].rstrip() == row[0].rstrip()
        assert line[first + 2 :][:second] == row[1].rjust(second)
        assert line[first + second + 4 :] == row[2]


def test_every_row_has_as_many_cells_as_there_are_columns():
    with pytest.raises(ValueError, match="zip"):
        text_table([("a", "b"), ("c",)], "lr")
    with pytest.raises(ValueError, match="zip"):
        text_table([("a", "b")], "l")


def test_numbers_in_words():
    assert [count(1234.56), count(1234.56, 1), count(0), count(None)] == ["1,235", "1,234.6", "0", "-"]
    assert [percent(0.1234), percent(0.1234, 2), percent(0), percent(None)] == ["12.3 %", "12.34 %", "0.0 %", "-"]


def test_a_value_that_a_template_lacks_is_an_error():
    with pytest.raises(UndefinedError, match="card"):
        fill("card.md")
