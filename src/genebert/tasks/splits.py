"""What all tasks share: stratified seeded splits, protection of the test set, and the data card."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import atomic_path, write_json

logger = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")
COLUMNS = ("sequence", "label", "source", "chrom", "start", "end", "strand")


def stratified_split(strata: np.ndarray, test_fraction: float, valid_fraction: float, seed: int) -> np.ndarray:
    """Assign every example to train, valid or test, each stratum by itself.

    Parameters
    ----------
    strata : array [n]
        Examples with equal values are one stratum (label, or label and kind).
    test_fraction : float
        Share of each stratum, rounded to whole examples.
    valid_fraction : float
        Share of what is left after the test examples are taken.
    seed : int

    Returns
    -------
    array of str [n]
        A pure function of the arguments: strata are visited in sorted order.

    Raises
    ------
    InputError
        A fraction is not between 0 and 1.
    """
    for name, fraction in (("test_fraction", test_fraction), ("valid_fraction", valid_fraction)):
        if not 0 < fraction < 1:
            raise InputError(f"{name}: found {fraction}, expected a number between 0 and 1, both excluded")
    strata = np.asarray(strata)
    rng = np.random.default_rng(seed)
    split = np.full(len(strata), "train", dtype="<U5")
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        n_test = round(test_fraction * len(members))
        n_valid = round(valid_fraction * (len(members) - n_test))
        split[members[:n_test]] = "test"
        split[members[n_test : n_test + n_valid]] = "valid"
    return split


def protect_test(sequences: pd.Series, split: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
    """Find the examples to drop so that no sequence is in two splits; the test set is left as it is.

    Parameters
    ----------
    sequences : Series of str [n]
    split : array of str [n]

    Returns
    -------
    keep : bool [n]
    removed : dict
        Numbers of examples: ``train_in_test``, ``valid_in_test``, ``train_in_valid``.
    """
    texts = sequences.reset_index(drop=True)
    in_test = texts.isin(texts[split == "test"]).to_numpy()
    in_valid = texts.isin(texts[(split == "valid") & ~in_test]).to_numpy()
    drop = {
        "train_in_test": (split == "train") & in_test,
        "valid_in_test": (split == "valid") & in_test,
        "train_in_valid": (split == "train") & in_valid & ~in_test,
    }
    keep = ~np.logical_or.reduce(list(drop.values()))
    return keep, {name: int(mask.sum()) for name, mask in drop.items()}


def _counts(frame: pd.DataFrame, column: str) -> dict[str, dict[str, int]]:
    table = pd.crosstab(frame["split"], frame[column])
    return {split: {str(value): int(n) for value, n in table.loc[split].items() if n} for split in SPLITS}


def write_task(examples: pd.DataFrame, split: np.ndarray, folder: str | Path, made: dict[str, Any]) -> dict[str, Any]:
    """Write ``train.parquet``, ``valid.parquet``, ``test.parquet`` and ``card.json``.

    Parameters
    ----------
    examples : DataFrame
        Columns sequence (upper-case), label (0/1), source; chrom, start, end, strand where the sequence has a place
        in the genome, else missing.
    split : array of str [n]
        From :func:`stratified_split` or any other rule.
    folder : path
    made : dict
        What the task itself adds to the card: settings, files, counts.

    Returns
    -------
    dict
        The content of ``card.json``.

    Raises
    ------
    InputError
        A split would lack a class.
    """
    folder = Path(folder)
    keep, removed = protect_test(examples["sequence"], split)
    frame = examples.assign(split=split)[keep]
    for name in SPLITS:
        labels = frame.loc[frame["split"] == name, "label"]
        if labels.nunique() < 2:
            raise InputError(
                f"{folder}: {name} would hold {int((labels == 1).sum())} positives and {int((labels == 0).sum())} "
                f"negatives of {len(examples)} examples in all; expected both classes (more data or other fractions)"
            )
    sequences = examples["sequence"]
    is_gc = frame["sequence"].str.count("[GC]") / frame["sequence"].str.len()
    card = {
        **made,
        "counts": _counts(frame, "label"),
        "sources": _counts(frame, "source"),
        "sequence_length": [int(sequences.str.len().min()), int(sequences.str.len().max())],
        "gc_content": {str(label): round(float(is_gc[frame["label"] == label].mean()), 4) for label in (0, 1)},
        "duplicates": {
            "repeated_sequences": int(sequences.duplicated().sum()),
            "sequences_with_both_labels": int((examples.groupby("sequence")["label"].nunique() > 1).sum()),
        },
        "removed_because_also_elsewhere": removed,
    }
    for name in SPLITS:
        part = frame.loc[frame["split"] == name].reindex(columns=list(COLUMNS)).reset_index(drop=True)
        part = part.astype(
            {"sequence": "str", "label": "int8", "source": "str", "chrom": "string", "start": "Int64", "end": "Int64",
             "strand": "string"}
        )  # fmt: skip
        with atomic_path(folder / f"{name}.parquet") as temporary:
            part.to_parquet(temporary, index=False)
    write_json(folder / "card.json", card)
    logger.info("%s: %s", folder, ", ".join(f"{name} {int((frame['split'] == name).sum())}" for name in SPLITS))
    return card
