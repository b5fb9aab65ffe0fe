"""Reading the labelled examples that tasks write, all or some of them."""

from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.metrics import check_predictions
from genebert.files import read_json, sha256


def check_examples(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return `table` if it holds sequences with labels of both classes.

    Raises
    ------
    InputError
        It does not.
    """
    missing = [name for name in ("sequence", "label") if name not in table]
    if missing:
        raise InputError(f"{where}: has no column {missing[0]!r}; expected sequence and label, found {list(table)}")
    empty = table["sequence"].isna() | (table["sequence"].str.len() == 0)
    if empty.any():
        raise InputError(f"{where}: {int(empty.sum())} of {len(table)} sequences are empty; expected DNA letters")
    check_predictions(table["label"].to_numpy(), np.zeros(len(table)), where)
    return table


def read_table(path: str | Path) -> tuple[pd.DataFrame, str]:
    """Read one split; return its examples (see :func:`read_splits`) and the SHA-256 of the file."""
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from error
    return check_examples(table, str(path)), sha256(path)


def read_splits(folder: str | Path) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Read the train, valid and test tables of a task.

    Returns
    -------
    tables : dict
        Split -> DataFrame with at least the columns sequence (str) and label (0, 1).
    hashes : dict
        Split -> SHA-256 of its file.

    Raises
    ------
    InputError
        A file is missing or not Parquet, lacks a column or has an empty sequence, or its labels are not of both
        classes.
    """
    tables, hashes = {}, {}
    for split in SPLITS:
        tables[split], hashes[split] = read_table(Path(folder) / f"{split}.parquet")
    return tables, hashes


def training_subset(table: pd.DataFrame, n: int | None, seed: int) -> pd.DataFrame:
    """Return `n` examples with labels in the proportions of the whole table, in its order.

    Nested: with the same seed, fewer examples are among those of more.

    Parameters
    ----------
    table : DataFrame
        Column label.
    n : int or None
        None: the table as it is.
    seed : int

    Raises
    ------
    InputError
        Fewer than one example of each label, or more than there are.
    """
    if n is None:
        return table
    label = table["label"].to_numpy()
    n_labels = len(np.unique(label))
    if not n_labels <= n <= len(table):
        raise InputError(f"n_train: found {n}, expected {n_labels} to {len(table)}, the number of training examples")
    rng = np.random.default_rng(seed)
    # The j-th of the N examples of a label stands at j / N: the first n of all labels together are in proportion.
    place = np.empty(len(table))
    for value in np.unique(label):
        members = rng.permutation(np.flatnonzero(label == value))
        place[members] = np.arange(len(members)) / len(members)
    chosen = np.sort(np.lexsort((label, place))[:n])
    return table.iloc[chosen].reset_index(drop=True)


def read_about(folder: str | Path) -> dict[str, str]:
    """Return what the card of a data set says of its factor, cell and tissue; empty where it has none."""
    path = Path(folder) / "card.json"
    card = read_json(path) if path.is_file() else {}
    return {key: card[key] for key in ("factor", "cell", "tissue") if key in card}


SPLITS = ("train", "valid", "test")
