"""What every script needs: the package on the path (conda environments do not hold it) and the job's log."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from genebert.joblog import logged

__all__ = ["logged"]
