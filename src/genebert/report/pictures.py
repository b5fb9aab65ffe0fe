"""Pictures as svg and png; the same numbers give the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from genebert.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Letters as outlines, and ids of the svg from a fixed word instead of a random one.
STYLE = {"svg.hashsalt": "genebert", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9,
         "axes.spines.top": False, "axes.spines.right": False}  # fmt: skip


@contextmanager
def picture(folder: str | Path, name: str, title: str, width: float, height: float) -> Iterator["Figure"]:
    """Yield a figure with its title alone (size in inches); write it as ``name.svg`` and ``name.png`` into `folder`."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # The user's own matplotlibrc must not change the bytes.
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=10, x=0.01, ha="left")
        yield figure
        for suffix, options in (("svg", {"metadata": {"Date": None}}), ("png", {"dpi": 150})):
            with atomic_path(Path(folder) / f"{name}.{suffix}") as temporary:
                figure.savefig(temporary, format=suffix, **options)
