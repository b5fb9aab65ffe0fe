"""The toy training in processes of their own, for tests: ``other_processes.py MODE FOLDER``.

``forked``: 4, 2 and 1 processes as `torchrun` would start them train in folders named after their number; then in
``killed`` two processes one after the other, each killed a little after a checkpoint; their exit codes are printed.
``torchrun``: started by it; all processes train in ``all``, and then in ``failing``, where the last dies in step 4.

Forks import the libraries only once.
"""

import multiprocessing
import os
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

from toy_training import TRAINING, run, toy_objective

from genebert.training.objectives.genebert import GeneBERTObjective

FORK = multiprocessing.get_context("fork")
IN_PIECES = replace(TRAINING, micro_batch=2)


def join(folder: Path, rank: int, size: int, port: int) -> None:
    """Train as one of several processes that meet at a port, without the agent of `torchrun`."""
    os.environ |= {
        "RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "toy", "TORCHELASTIC_USE_AGENT_STORE": "False",
    }  # fmt: skip
    run(folder, IN_PIECES)


def several(folder: Path, size: int) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    ranks = [FORK.Process(target=join, args=(folder, rank, size, port)) for rank in range(size)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert not any(rank.exitcode for rank in ranks)


def kill(folder: Path, delay: float) -> None:
    process = FORK.Process(target=run, args=(folder, IN_PIECES))
    process.start()
    deadline = time.monotonic() + 60
    while process.is_alive() and time.monotonic() < deadline:
        if any((folder / "checkpoints").glob("*/*.pt")):
            time.sleep(delay)
            process.kill()
            break
        time.sleep(0.002)
    process.join()
    print(process.exitcode)


def forked(folder: Path) -> None:
    toy_objective().floors()  # what floors import
    for size in (4, 2, 1):
        several(folder / str(size), size)
    for delay in (0.0, 0.1):
        kill(folder / "killed", delay)


def torchrun(folder: Path) -> None:
    rank, size, port = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
    run(folder / "all", IN_PIECES)
    if rank == size - 1:
        real = GeneBERTObjective.draw
        GeneBERTObjective.draw = lambda self, step: sys.exit(3) if step == 4 else real(self, step)
    join(folder / "failing", rank, size, port + 1)


torch.set_num_threads(1)
{"forked": forked, "torchrun": torchrun}[sys.argv[1]](Path(sys.argv[2]))
