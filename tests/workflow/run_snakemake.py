"""Running the real Snakemake in tests."""

import gc
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))
DEMO = ("--configfile", "config/demo.yaml")
TINY = (*DEMO, "tests/config/tiny.yaml")


# Plans are made by children of a process that has loaded Snakemake: of their 2.5 s, that takes 1.5.
PLANNERS = multiprocessing.get_context("forkserver")
PLANNERS.set_forkserver_preload(["snakemake.cli", "snakemake_executor_plugin_slurm", "sqlmodel", "pandas"])
DRY = ("-n", "--lint")  # what starts no job
SECONDS = 500  # that a run may take


def snakemake(root, *arguments, cwd=None, **environment):
    """Run a command of Snakemake; returns a `CompletedProcess` with text."""
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(root / ".snakemake/cache"), **environment,
    }  # fmt: skip
    command = [SNAKEMAKE, *map(str, arguments)]
    if not set(DRY) & set(command):
        return subprocess.run(
            command, cwd=cwd or root, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("stdout", "stderr")]
        planner = PLANNERS.Process(target=_plan, args=(command, str(cwd or root), environment, files))
        planner.start()
        planner.join(SECONDS)
        if planner.exitcode is None:
            planner.kill()
            raise subprocess.TimeoutExpired(command, SECONDS)
        return subprocess.CompletedProcess(command, planner.exitcode, *(file.read_text() for file in files))


def _plan(command, cwd, environment, files):
    """Do in this process what the program `snakemake` does, with its own environment, folder and output."""
    gc.freeze()
    for stream, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = command
    from snakemake.cli import main

    main()


def jobs(done):
    """Return rule and wildcards of the jobs that a dry-run plans or a run starts."""
    assert done.returncode == 0, done.stdout + done.stderr
    found = []
    # Jobs of a group stand indented below it.
    for line in (done.stdout + done.stderr).splitlines():
        if rule := re.match(r" *(?:local)?(?:rule|checkpoint) (\w+):$", line):
            found.append((rule[1], {}))
        elif values := re.match(r" +wildcards: (.*)$", line):
            found[-1][1].update(pair.split("=", 1) for pair in values[1].split(", "))
    return found


def counts(done):
    """Return rule -> number of jobs, targets left out."""
    names = [rule for rule, _ in jobs(done)]
    targets = {"all", *(f"table{number}" for number in range(1, 9)), "learning_curves", "corpus"}
    return {name: names.count(name) for name in names if name not in targets}
