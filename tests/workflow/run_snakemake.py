"""Running the real Snakemake in tests."""

import os
import subprocess
import sys
from pathlib import Path

SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))


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
