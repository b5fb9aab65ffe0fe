import os
import signal

import pytest

from genebert.accessibility.blocks import read_ahead


def test_all_pieces_in_order():
    pieces = [bytes([i]) * (i * 40_000 + 1) for i in range(12)]
    assert list(read_ahead(iter(pieces))) == pieces
    assert list(read_ahead(iter([]))) == []


def test_errors_come_where_the_pieces_are_read():
    def broken():
        yield b"one"
        raise EOFError("cut short")

    pieces = read_ahead(broken())
    assert next(pieces) == b"one"
    with pytest.raises(EOFError, match="cut short"):
        next(pieces)


def test_a_killed_helper_is_an_error():
    def killed():
        yield b"one"
        os.kill(os.getpid(), signal.SIGKILL)
        yield b"two"

    pieces = read_ahead(killed())
    assert next(pieces) == b"one"
    with pytest.raises(OSError, match="ended with status -9"):
        list(pieces)


def test_the_rest_may_be_left():
    pieces = read_ahead(iter([b"x" * 1_000_000] * 50))
    assert len(next(pieces)) == 1_000_000
    pieces.close()
