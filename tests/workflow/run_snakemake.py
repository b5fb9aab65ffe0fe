"""Running the real Snakemake in tests."""

import os
import re
import subprocess
import sys
from pathlib import Path

SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))
DEMO = ("--configfile", "config/demo.yaml")
TINY = (*DEMO, "tests/config/tiny.yaml")


def snakemake(root, *arguments, cwd=None, **environment):
    return subprocess.run(
        [SNAKEMAKE, *arguments],
        cwd=cwd or root,
        env={**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(root / ".snakemake/cache"), **environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def jobs(done):
    """Return rule and wildcards of the jobs that a dry-run plans or a run starts."""
    assert done.returncode == 0, done.stdout + done.stderr
    found = []
    # Those of a group stand further to the right.
    for block in re.split(r"^ *\[.*\d\d:\d\d:\d\d.*\]", done.stdout + done.stderr, flags=re.MULTILINE):
        rule = re.search(r"^ *(?:local)?(?:rule|checkpoint) (\w+):$", block, flags=re.MULTILINE)
        if rule:
            values = re.search(r"^ +wildcards: (.*)$", block, flags=re.MULTILINE)
            pairs = values[1].split(", ") if values else []
            found.append((rule[1], dict(pair.split("=", 1) for pair in pairs)))
    return found


def counts(done):
    """Return rule -> number of jobs, targets left out."""
    names = [rule for rule, _ in jobs(done)]
    targets = {"all", "table1", "table2", "table4", "table6", "learning_curves", "corpus"}
    return {name: names.count(name) for name in names if name not in targets}
