"""Which test sites of a data set lie in what pre-training has read.

Pre-training reads bases, never labels; whether that helps a site is seen where sites that it has read are compared with
those that it has not (:mod:`genebert.report.tables.sites_read`).
"""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from genebert.corpus.groups import Groups
from genebert.files import write_json
from genebert.report.card.coverage import CoverageInputs, shown_in_training
from genebert.report.card.leakage import covered_bases, read_examples

logger = logging.getLogger(__name__)


def sites_read(test: str | Path, regions: pd.DataFrame, groups: Groups, region_bp: int | None = None) -> dict[str, Any]:
    """Return the sites, examples of label 1 with a place, that share a base with what training samples show.

    Parameters
    ----------
    test : path
        Parquet file of the test examples, see :func:`genebert.report.card.leakage.read_examples`.
    regions : DataFrame [n_regions]
        Columns chrom, start, end (0-based half-open).
    groups : Groups
        Which regions pre-training uses.
    region_bp : int, optional
        Models are shown only this many bases in the middle of each region.

    Returns
    -------
    dict
        ``regions``: ``number`` and distinct ``bases`` of what training samples show, and `region_bp`. ``n_test``: the
        examples. ``read`` and ``others``: numbers of rows of the sites; both empty where sites have no place.

    Raises
    ------
    InputError
        See :func:`genebert.report.card.leakage.read_examples`.
    """
    frame = read_examples(test)
    shown, about = shown_in_training(regions, groups, region_bp)
    sites = frame[frame["placed"] & (frame["label"] == 1)]
    is_read = covered_bases(sites, shown) > 0
    return {
        "regions": about,
        "n_test": len(frame),
        "read": sites.index[is_read].tolist(),
        "others": sites.index[~is_read].tolist(),
    }


def write_sites_read(name: str, test: str | Path, inputs: CoverageInputs, out: str | Path) -> None:
    """Write what :func:`sites_read` says of a data set (task/data set) as JSON; raises as that."""
    found = sites_read(test, inputs.regions(), Groups.load(inputs.corpus), inputs.region_bp)
    write_json(out, {"data_set": name, **found})
    logger.info("%s: %d sites lie in what was read, %d do not", name, len(found["read"]), len(found["others"]))
