"""What scripts need: the package on the path (conda environments do not hold it), and how jobs begin and end."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from genebert.joblog import loading, logged

__all__ = ["loading", "logged"]
