"""The kinds of tasks that tables show."""

from collections.abc import Iterable

from genebert.report.tables.kinds.base import Shown
from genebert.report.tables.kinds.base_classes import BASE_CLASSES
from genebert.report.tables.kinds.person import PERSON
from genebert.report.tables.kinds.two_class import TWO_CLASS

SHOWN = (TWO_CLASS, BASE_CLASSES, PERSON)
# Columns of the paper's files -> heading.
PAPER_METRICS = {name: metric.heading for shown in SHOWN for name, metric in shown.metrics.items()}


def shown_of(metrics: Iterable[str]) -> Shown:
    """Return the kind whose metrics these are; they are all of one, see :mod:`genebert.report.tables.paper`."""
    wanted = set(metrics)
    return next(shown for shown in SHOWN if wanted <= set(shown.metrics))
