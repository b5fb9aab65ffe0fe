"""One pre-training job from the files of a run, in this process or in several that `torchrun` starts."""

import json
import logging
import os
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from genebert.errors import InputError
from genebert.files import at_work_alone, write_json
from genebert.joblog import loading, logged

logger = logging.getLogger(__name__)
PORT = 29500  # where the processes of several nodes meet


@dataclass(frozen=True)
class PretrainJob:
    """What a job needs to know; written as JSON for the processes that `torchrun` starts."""

    model: dict  # full settings, with `training`
    data: dict[str, str]  # name to folder of the run: those of :func:`genebert.settings.models.reads`
    weights: list[str]  # files of initial weights, hashed into the model's record
    region_bp: int | None
    regions_per_sample: int
    seed: int
    checkpoints: str
    output: str
    threads: int  # of each process
    log: str  # further processes write into ``{log}.rank{n}``
    device: str = "auto"
    objective: str = "genebert"  # a name of :data:`genebert.training.objective.OBJECTIVES`


def run(job: PretrainJob) -> None:
    """Train in this process, which may be one of several."""
    with loading():
        import torch

        from genebert.settings.training import TrainingSettings
        from genebert.training.loop import pretrain
        from genebert.training.objective import OBJECTIVES
        from genebert.training.parallel import processes

        module = import_module(OBJECTIVES[job.objective])

    torch.set_num_threads(job.threads)
    training = TrainingSettings(**job.model["training"])
    with processes(job.device) as (ranks, device):
        objective = module.build(job, training, ranks, device)
        pretrain(objective, training, job.seed, job.checkpoints, job.output)


def launch(job: PretrainJob, processes: int, nodes: int) -> None:
    """Train in `processes` processes on each of `nodes` nodes; with one of each, in this process.

    Raises
    ------
    InputError
        A process ended with an error; `torchrun` then ends all others.
    """
    with at_work_alone(job.checkpoints):
        if processes * nodes == 1:
            run(job)
        else:
            _launch(job, processes, nodes)


def _launch(job: PretrainJob, processes: int, nodes: int) -> None:
    spec = Path(job.checkpoints) / "job.json"
    write_json(spec, asdict(job))
    command = [sys.executable, "-m", "torch.distributed.run"]
    command += ["--nnodes", str(nodes), "--nproc-per-node", str(processes)]
    if nodes == 1:
        command += ["--standalone"]
    else:
        # This runs on the first of the job's nodes.
        host = f"{socket.gethostname()}:{PORT}"
        command = ["srun", "--nodes", str(nodes), "--ntasks-per-node", "1", *command]
        command += ["--rdzv-backend", "c10d", "--rdzv-id", Path(job.output).name, "--rdzv-endpoint", host]
    command += ["-m", "genebert.training.job", str(spec)]
    logger.info("starting %d processes on %d nodes", processes, nodes)
    # Conda environments do not hold the package.
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": str(job.threads)}
    status = subprocess.run(command, env=environment, check=False).returncode
    spec.unlink(missing_ok=True)
    if status:
        raise InputError(
            f"pre-training: a process ended with status {status}; the reason is in {job.log} or {job.log}.rank*"
        )


def main() -> None:
    """Run one of several processes; `torchrun` calls this."""
    job = PretrainJob(**json.loads(Path(sys.argv[1]).read_text()))
    rank = int(os.environ["RANK"])
    with logged(job.log if rank == 0 else f"{job.log}.rank{rank}", mode="a" if rank == 0 else "w"):
        run(job)


if __name__ == "__main__":
    main()
