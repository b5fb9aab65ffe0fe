import os
import signal
import time
from pathlib import Path

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


def test_a_helper_that_ends_after_its_pipe_is_waited_for():
    def leaving():
        yield b"one"
        os.closerange(3, 256)
        time.sleep(0.3)
        os._exit(7)

    with pytest.raises(OSError, match="ended with status 7"):
        list(read_ahead(leaving()))


def test_the_rest_may_be_left_and_no_helper_stays():
    def endless():
        while True:
            yield b"%d" % os.getpid() + b" " * 1_000_000

    pieces = read_ahead(endless())
    helper = Path(f"/proc/{int(next(pieces))}")
    assert helper.exists()
    pieces.close()
    assert not helper.exists()
