"""How long a user waits: the plan of the paper's run, and the demo from nothing to Table 1.

    .venv/bin/python benchmarks/workflow.py [--cores 2]

Prints seconds and their share of the targets: 3 s for the plan, 180 s for the demo on two cores.
"""

import argparse
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", default="2")
    parser.add_argument("--smallest", action="store_true", help="one plan, and the demo as far as its simulated data")
    arguments = parser.parse_args()
    plan = min(seconds("-n", "--quiet", "all", "--", "all") for _ in range(1 if arguments.smallest else 3))
    print(f"plan of the paper's run: {plan:.1f} s, {plan / 3:.2f} of the target")
    target, configs = "table1", [ROOT / "config/demo.yaml"]
    if arguments.smallest:
        target, configs = "simulate", [*configs, ROOT / "tests/config/tiny.yaml"]
    demo = seconds("--cores", arguments.cores, "--configfile", *map(str, configs), "--", target)
    print(f"demo to {target} on {arguments.cores} cores: {demo:.0f} s, {demo / 180:.2f} of the target")


if __name__ == "__main__":
    main()
