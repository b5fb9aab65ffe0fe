"""Test sets of other data sets: train on cell A, test on cell B (docs/facts.md 29)."""

import logging
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.examples import read_table
from genebert.genome.intervals import overlapping, parse_region_names

PLACE = ["chrom", "start", "end"]
logger = logging.getLogger(__name__)


class Transfer(NamedTuple):
    """A foreign test set.

    Attributes
    ----------
    table : DataFrame
        Columns sequence, label.
    left_out : int
        Examples that are not in `table` because the model may have seen their place.
    """

    table: pd.DataFrame
    left_out: int


def _parent_places(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return chrom, start, end of the parents, missing where an example has none."""
    if "parent" not in table:
        raise InputError(f"{where}: has no column 'parent'; found {list(table)}, expected files of this version")
    parents = table["parent"].dropna()
    return parse_region_names(parents.tolist(), where).set_index(parents.index).reindex(table.index)


def transfer_tables(tables: dict[str, pd.DataFrame], folders: dict[str, str | Path]) -> dict[str, Transfer]:
    """Return the test sets of other data sets without what a model fitted on `tables` has seen.

    Cells share most of their peaks. An example is left out if its place, or that of the positive that it was made from
    or matched to, overlaps such a place of a training or validation example, or if its sequence is the same; and with
    it the others of the same positive.

    Parameters
    ----------
    tables : dict
        ``train`` and ``valid`` -> the examples fitted on.
    folders : dict
        Name of the other data set -> its task folder.

    Raises
    ------
    InputError
        Examples have no places.

    Notes
    -----
    A test set of which nothing of both classes is left is not among the results, and the log says so.
    """
    fitted = pd.concat([tables["train"], tables["valid"]], ignore_index=True)
    seen = pd.concat([fitted[PLACE], _parent_places(fitted, "transfer: the training examples")]).dropna()
    if seen.empty:
        raise InputError("transfer: the training examples have no places in a genome; expected chrom, start and end")
    result = {}
    for name, folder in folders.items():
        path = Path(folder) / "test.parquet"
        test, _ = read_table(path)
        known = overlapping(test, seen) | overlapping(_parent_places(test, str(path)), seen)
        known |= test["sequence"].isin(fitted["sequence"]).to_numpy()
        known |= test["parent"].isin(test.loc[known, "parent"].dropna()).to_numpy(bool)
        left = test[~known]
        if left["label"].nunique() < 2:
            logger.warning(
                "%s: only %d of %d test examples lie outside the training places, not of both classes; not tested "
                "(split: chromosome keeps them apart)", folder, len(left), len(test),
            )  # fmt: skip
            continue
        result[name] = Transfer(left.reset_index(drop=True), int(known.sum()))
    return result
