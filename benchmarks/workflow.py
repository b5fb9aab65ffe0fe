"""How long a user waits: the plan of the paper's run, and the demo from nothing to Table 1.

    .venv/bin/python benchmarks/workflow.py [CORES]

Prints seconds and their share of the targets: 3 s for the plan, 180 s for the demo on two cores.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SNAKEMAKE = Path(sys.executable).with_name("snakemake")


def seconds(*arguments: str) -> float:
    """Run Snakemake in an empty folder and return how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run(
            [SNAKEMAKE, "--snakefile", ROOT / "Snakefile", "--directory", folder, *arguments],
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - began


def main() -> None:
    cores = sys.argv[1] if len(sys.argv) > 1 else str(os.cpu_count())
    plan = min(seconds("-n", "--quiet", "all", "--", "all") for _ in range(3))
    print(f"plan of the paper's run: {plan:.1f} s, {plan / 3:.2f} of the target")
    demo = seconds("--cores", cores, "--configfile", str(ROOT / "config/demo.yaml"), "--", "table1")
    print(f"demo to Table 1 on {cores} cores: {demo:.0f} s, {demo / 180:.2f} of the target")


if __name__ == "__main__":
    main()
