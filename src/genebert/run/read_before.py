"""What a table is told of data that pre-training has read before."""

from collections.abc import Iterator
from typing import Any

from genebert.evaluation.site_labels import KIND as BASES
from genebert.run.run import TRANSFER_TABLE, Run
from genebert.settings.models import reads

BINDING = "tfbs"  # the task whose test sites are told apart by it


def table_read(run: Run, wildcards: Any) -> dict[str, list[str]]:
    """Return the files of a table that say what pre-training in this run has read of its data sets.

    ``coverage`` is of splice sites, ``sites_read`` of binding sites, which come with the ``predictions`` of every row.
    """
    names = list(_read_sets(run, wildcards.table))
    spliced = [name for name in names if run.tasks[name.partition("/")[0]].kind == BASES]
    shows_sites = wildcards.table != TRANSFER_TABLE  # its data sets stand in Table 2
    bound = [name for name in names if shows_sites and name.partition("/")[0] == BINDING]
    scores = [path.removesuffix(".json") for path in run.table_scores(wildcards)] if bound else []
    return {
        "coverage": run.stage("corpus/coverage", *(f"{name}.json" for name in spliced)),
        "sites_read": run.stage("corpus/sites_read", *(f"{name}.json" for name in bound)),
        "predictions": [f"{path}.parquet" for path in scores if not path.endswith("/unavailable")],
    }


def _read_sets(run: Run, table: str) -> Iterator[str]:
    """Yield the data sets of a table that show a model which has read anything in this run."""
    for name, methods in run.rows[table].items():
        own = (method for method in methods if method in run.models.names)
        if any(reads(run.models.resolved[one]) and not run.reason_of_absence(name, one) for one in own):
            yield name
