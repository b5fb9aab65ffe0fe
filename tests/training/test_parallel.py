import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_loop import TRAINING, contents, run

from genebert.errors import InputError
from genebert.training.parallel import ALONE, Ranks

SCRIPT = Path(__file__).with_name("several_processes.py")


def torchrun(processes, folder, micro, **environment):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.run(
        [*command, str(SCRIPT), str(folder), str(micro)],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


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


# With two samples a process, the four ranks contrast in one pass; masks and dropout are the same everywhere.
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_give_what_one_gives(alone, tmp_path, processes):
    done = torchrun(processes, tmp_path, 2)
    assert done.returncode == 0, done.stderr
    expected, found = lines(alone), lines(tmp_path)
    assert [line.keys() for line in found] == [line.keys() for line in expected]
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=2e-3, abs=2e-4)
    for name in ("model.safetensors", "region_encoder.safetensors"):
        one, several = (load_file(folder / "model" / name) for folder in (alone, tmp_path))
        assert one.keys() == several.keys()
        for key, tensor in one.items():
            # twelve steps of Adam, whose first ones are as large as the learning rate whatever the gradient
            assert torch.allclose(tensor.float(), several[key].float(), atol=2e-3), key
    # the first line of metrics is nearly free of that
    assert found[0]["loss"] == pytest.approx(expected[0]["loss"], rel=1e-4)


def test_one_process_of_torchrun_is_the_plain_run(alone, tmp_path):
    assert torchrun(1, tmp_path, 2).returncode == 0
    assert contents(tmp_path / "model") == contents(alone / "model")


def test_a_failing_process_ends_the_job(tmp_path):
    began = time.monotonic()
    done = torchrun(2, tmp_path, 2, FAILING_RANK="1")
    assert done.returncode != 0
    assert time.monotonic() - began < 120
    assert not (tmp_path / "model").exists()
    # and what it left is resumed by one process
    assert list((tmp_path / "checkpoints").glob("*/step*.pt"))
    run(tmp_path, replace(TRAINING, micro_batch=2))


def test_shares():
    assert ALONE.share(5) == range(5)
    assert [list(Ranks(rank, 2).share(4)) for rank in (0, 1)] == [[0, 1], [2, 3]]
    with pytest.raises(InputError, match=r"training\.batch: found 5, expected a multiple of the 2 processes"):
        Ranks(0, 2).share(5)
