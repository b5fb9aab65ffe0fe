"""What a model is fitted and scored on: a task folder, part of its training examples, test sets of other cells."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from genebert.evaluation.examples import read_about, read_splits, training_subset
from genebert.evaluation.transfer import Transfer, transfer_tables
from genebert.files import sha256


@dataclass(frozen=True)
class TaskInputs:
    """See :func:`read_inputs`.

    Attributes
    ----------
    tables : dict
        ``train``, ``valid``, ``test`` -> DataFrame with columns sequence and label; train holds the part asked for.
    foreign : dict
        Other data set -> its test set.
    is_part : bool
        Not all training examples are in `tables`.
    record : dict
        For the score file: data_set, data_sha256, n_train and, with foreign test sets, transfer_sha256.
    """

    tables: dict[str, pd.DataFrame]
    foreign: dict[str, Transfer]
    is_part: bool
    record: dict[str, Any]


def read_inputs(
    folder: str | Path, seed: int, n_train: int | None = None, transfer: dict[str, str | Path] | None = None
) -> TaskInputs:
    """Read what a model is fitted and scored on.

    Parameters
    ----------
    folder : path
        Holds train, valid and test.parquet, and card.json.
    seed : int
        Of the choice of `n_train` examples.
    n_train : int, optional
        Keep so many of the training examples, see :func:`genebert.evaluation.examples.training_subset`.
    transfer : dict, optional
        Other data set of the task -> its folder, see :func:`genebert.evaluation.transfer.transfer_tables`.

    Raises
    ------
    InputError
        Unreadable tables, or no such number of training examples.
    """
    tables, hashes = read_splits(folder)
    n_all = len(tables["train"])
    # What is left out of foreign test sets does not depend on n_train: all points of a learning curve see the same.
    foreign = transfer_tables(tables, transfer) if transfer else {}
    tables["train"] = training_subset(tables["train"], n_train, seed)
    n = len(tables["train"])
    record = {"data_set": read_about(folder), "data_sha256": hashes, "n_train": n}
    if foreign:
        record["transfer_sha256"] = {name: sha256(Path(transfer[name]) / "test.parquet") for name in foreign}
    return TaskInputs(tables, foreign, n < n_all, record)
