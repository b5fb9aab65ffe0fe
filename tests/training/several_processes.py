"""Started by `torchrun` in tests: the toy training of test_loop, on this process's share of each batch."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

import test_loop

from genebert.training import loop

folder, micro = Path(sys.argv[1]), int(sys.argv[2])
failing = os.environ.get("FAILING_RANK")
if failing == os.environ["RANK"]:
    real = loop.compute

    def dying(model, pieces, regions, step, *rest, **more):
        if step == 4:
            sys.exit(3)
        return real(model, pieces, regions, step, *rest, **more)

    loop.compute = dying
torch.set_num_threads(1)
test_loop.run(folder, replace(test_loop.TRAINING, micro_batch=micro or None))
