"""A few kills of `make kills`, on stages of the finished run that take a second each."""

import os
import re
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def test_killed_stages_end_in_the_same_bytes(root, finished):
    command = [sys.executable, str(root / "tests/long/kills.py"), "--reference", str(finished), "--kills", "2"]
    done = subprocess.run(
        [*command, "--seed", "1759", "--rules", "genome,task"],
        env={**os.environ, "PYTHONPATH": str(root / "tests")}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^2 kills \(.*\) in 2 stages \(genome 1, task 1\): 0 with ", done.stdout, re.M)
