"""Test sets of other data sets: train on cell A, test on cell B (docs/facts.md 29)."""

import logging
from dataclasses import replace
from pathlib import Path

import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.examples import PLACE, Examples, read_examples
from genebert.evaluation.kinds.base import Kind
from genebert.genome.intervals import overlapping, parse_region_names

logger = logging.getLogger(__name__)


def _parent_places(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return chrom, start, end of the parents, missing where an example has none."""
    if "parent" not in table:
        raise InputError(f"{where}: has no column 'parent'; found {list(table)}, expected files of this version")
    parents = table["parent"].dropna()
    return parse_region_names(parents.tolist(), where).set_index(parents.index).reindex(table.index)


def foreign_tests(train: Examples, valid: Examples, folders: dict[str, str | Path], kind: Kind) -> dict[str, Examples]:
    """Return the test sets of other data sets without what a model fitted on `train` and `valid` has seen.

    Cells share most of their peaks. An example is left out if its place, or that of the positive that it was made from
    or matched to, overlaps such a place of a training or validation example, or if its sequence is the same; and with
    it the others of the same positive.

    A test set of which too little is left to have labels of the kind is not among the results; the log says so.

    Parameters
    ----------
    train, valid : Examples
        The genome of `train`, if any, is that of the others too.
    folders : dict
        Name of the other data set -> its task folder.
    kind : Kind

    Raises
    ------
    InputError
        Examples have no places.
    """
    fitted = pd.concat([train.table, valid.table], ignore_index=True)
    places = fitted.reindex(columns=PLACE)
    seen = pd.concat([places, _parent_places(fitted, "transfer: the training examples")]).dropna()
    if seen.empty:
        raise InputError("transfer: the training examples have no places in a genome; expected chrom, start and end")
    known_bases = pd.concat([train.digests(), valid.digests()])
    result = {}
    for name, folder in folders.items():
        path = Path(folder) / "test.parquet"
        test = read_examples(path, train.genome, f"transfer to {name}")
        kind.check(test.labels, str(path))
        known = overlapping(_parent_places(test.table, str(path)), seen) | overlapping(test.table, seen)
        known |= test.digests().isin(known_bases).to_numpy()
        parent = test.table["parent"]
        known |= parent.isin(parent[known].dropna()).to_numpy(bool)
        left = test.subset(~known)
        try:
            kind.check(left.labels, str(path))
        except InputError:
            logger.warning(
                "%s: only %d of %d test examples lie outside the training places, not of both classes; not tested "
                "(split: chromosome keeps them apart)", folder, len(left), len(test),
            )  # fmt: skip
            continue
        result[name] = replace(left, left_out=int(known.sum()))
    return result
