import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_training import TRAINING, contents, run

from genebert.errors import InputError
from genebert.training.parallel import ALONE, Ranks

SCRIPT = Path(__file__).with_name("other_processes.py")


def start(*command):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, *map(str, command)]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=300, check=False)


def lines(folder):
    return [json.loads(line) for line in (folder / "model/metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One process, the batch of eight in pieces of two: the contrast takes two passes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("alone")
    run(folder, replace(TRAINING, micro_batch=2))
    torch.set_num_threads(before)
    return folder


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The same training by four, two and one processes, and by two that were killed."""
    folder = tmp_path_factory.mktemp("together")
    done = start(SCRIPT, "forked", folder)
    assert done.returncode == 0, done.stderr
    (folder / "killed/exits").write_text(done.stdout)
    return folder


# With two samples a process, the four ranks contrast in one pass; masks and dropout are the same everywhere.
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_give_what_one_gives(alone, together, processes):
    several = together / str(processes)
    expected, found = lines(alone), lines(several)
    assert [line.keys() for line in found] == [line.keys() for line in expected]
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=2e-3, abs=2e-4)
    for name in ("model.safetensors", "region_encoder.safetensors"):
        one, other = (load_file(folder / "model" / name) for folder in (alone, several))
        assert one.keys() == other.keys()
        for key, tensor in one.items():
            # twelve steps of Adam, whose first ones are as large as the learning rate whatever the gradient
            assert torch.allclose(tensor.float(), other[key].float(), atol=2e-3), key
    # the first line of metrics is nearly free of that
    assert found[0]["loss"] == pytest.approx(expected[0]["loss"], rel=1e-4)


def test_a_group_of_one_process_is_the_plain_run(alone, together):
    assert contents(together / "1/model") == contents(alone / "model")


def test_sigkill_at_a_random_moment(alone, together):
    assert str(-signal.SIGKILL) in (together / "killed/exits").read_text().split()
    run(together / "killed", replace(TRAINING, micro_batch=2))
    assert contents(together / "killed/model") == contents(alone / "model")


@pytest.mark.slow
def test_torchrun_and_a_failing_process_that_ends_the_job(together, tmp_path):
    began = time.monotonic()
    done = start("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, SCRIPT, "torchrun", tmp_path)
    assert time.monotonic() - began < 120
    assert contents(tmp_path / "all/model") == contents(together / "2/model")
    assert done.returncode != 0
    assert not (tmp_path / "failing/model").exists()
    # and what it left is resumed by one process
    assert list((tmp_path / "failing/checkpoints").glob("*/step*.pt"))
    run(tmp_path / "failing", replace(TRAINING, micro_batch=2))


def test_shares():
    assert ALONE.share(5) == range(5)
    assert [list(Ranks(rank, 2).share(4)) for rank in (0, 1)] == [[0, 1], [2, 3]]
    with pytest.raises(InputError, match=r"training\.batch: found 5, expected a multiple of the 2 processes"):
        Ranks(0, 2).share(5)
