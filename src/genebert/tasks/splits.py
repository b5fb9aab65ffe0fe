"""What all tasks share: splits, examples with their places, protection of the test set, and the data card."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.examples import SPLITS, Examples
from genebert.files import atomic_path, read_json, write_json
from genebert.genome.bases import decode
from genebert.genome.chromosomes import normalise_chromosome
from genebert.genome.fasta import Genome
from genebert.genome.intervals import overlapping
from genebert.tasks.windows import gc_counts

logger = logging.getLogger(__name__)
COLUMN_TYPES = {
    "sequence": "str", "label": "int8", "source": "str", "chrom": "string", "start": "Int64", "end": "Int64",
    "strand": "string", "parent": "string",
}  # fmt: skip


def stratified_split(strata: np.ndarray, test_fraction: float, valid_fraction: float, seed: int) -> np.ndarray:
    """Return train, valid or test for every example (str [n]), each stratum by itself, in sorted order.

    Parameters
    ----------
    strata : array [n]
        Examples with equal values are one stratum (label, or label and kind).
    test_fraction : float
        Share of each stratum, rounded to whole examples.
    valid_fraction : float
        Share of what is left after the test examples are taken.
    """
    rng = np.random.default_rng(seed)
    split = np.full(len(strata), "train", dtype="<U5")
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        n_test = round(test_fraction * len(members))
        n_valid = round(valid_fraction * (len(members) - n_test))
        split[members[:n_test]] = "test"
        split[members[n_test : n_test + n_valid]] = "valid"
    return split


def missing_lists(settings: Any) -> Iterator[str]:
    """Say if a split by chromosome lacks one of its lists."""
    if settings.split == "chromosome" and not (settings.test_chromosomes and settings.valid_chromosomes):
        yield "split: found chromosome, but no test_chromosomes or no valid_chromosomes; expected both"


def chromosome_split(
    chroms: Sequence[str] | pd.Series,
    test_chromosomes: Sequence[str],
    valid_chromosomes: Sequence[str],
    chromosomes: Sequence[str],
    where: str,
) -> np.ndarray:
    """Return the split (str [n]) of every example by its chromosome (docs/facts.md 21).

    Parameters
    ----------
    chroms : str [n]
        Normalised names.
    test_chromosomes, valid_chromosomes : sequence of str
        All others are for training.
    chromosomes : sequence of str
        All that the run has.
    where : str
        Prefix of the two keys in messages, such as ``tasks.tfbs``.

    Raises
    ------
    InputError
        A list names a chromosome that the run lacks, the two share one, or they leave none for training.
    """
    test, valid = ([normalise_chromosome(one) for one in given] for given in (test_chromosomes, valid_chromosomes))
    for name, given in (("test", test), ("valid", valid)):
        for chrom in given:
            if chrom not in chromosomes:
                expected = f"expected chromosomes of the run: {', '.join(chromosomes)}"
                raise InputError(f"{where}.{name}_chromosomes: found {chrom}, {expected}")
    if both := sorted({*test} & {*valid}):
        raise InputError(f"{where}.valid_chromosomes: {both[0]} is a test chromosome too, expected others")
    if {*test, *valid} >= {*chromosomes}:
        raise InputError(
            f"{where}.test_chromosomes: with valid_chromosomes they are all {len(chromosomes)} chromosomes of the run, "
            "expected at least one left for training"
        )
    return np.select([np.isin(chroms, test), np.isin(chroms, valid)], ["test", "valid"], "train")


def place_split(
    places: pd.DataFrame, test_fraction: float, valid_fraction: float, gap_bp: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Split examples by their place: the last of each chromosome are for testing, those before them for validation.

    Parameters
    ----------
    places : DataFrame
        Columns chrom, start, end of the examples.
    test_fraction : float
        Of the examples of each chromosome.
    valid_fraction : float
        Of what is left.
    gap_bp : int
        Bases between two splits that both have examples; an example that touches them is in none.

    Returns
    -------
    split : str [n]
        Nothing for an example in a gap.
    parts : DataFrame
        Columns chrom, start, end, split: what each split may lie in.
    """
    split, rows = np.full(len(places), "", dtype="<U5"), []
    for chrom, members in sorted(places.groupby("chrom").indices.items()):
        start, end = (places[name].to_numpy()[members] for name in ("start", "end"))
        n_test = round(test_fraction * len(members))
        n_valid = round(valid_fraction * (len(members) - n_test))
        # Where the parts begin; without an example of its own a part begins behind the last one.
        begins = np.append(np.sort(start), end.max())[[0, len(start) - n_test - n_valid, len(start) - n_test]]
        gaps = gap_bp * np.array([n_valid + n_test > 0, n_test > 0])
        ends = np.append(begins[1:] - gaps, end.max())
        for name, first, last in zip(SPLITS, [0, *begins[1:]], ends, strict=True):
            rows.append((chrom, int(first), int(max(first, last)), name))
            split[members[(start >= first) & (end <= last)]] = name
    return split, pd.DataFrame(rows, columns=["chrom", "start", "end", "split"])


def list_problems(settings: dict[str, Any], chromosomes: Sequence[str], where: str) -> Iterator[str]:
    """Say at the plan what :func:`chromosome_split` would refuse in a job."""
    if settings["split"] == "chromosome":
        try:
            chromosome_split([], settings["test_chromosomes"], settings["valid_chromosomes"], chromosomes, where)
        except InputError as error:
            yield str(error)


def on_chromosomes(places: pd.DataFrame, chromosomes: Sequence[str], where: str | Path, what: str) -> pd.DataFrame:
    """Return the rows on some of the chromosomes; refuse a file, `where`, that has none."""
    kept = places[places["chrom"].isin(chromosomes)]
    if kept.empty:
        raise InputError(
            f"{where}: none of its {len(places)} {what} lies on {', '.join(chromosomes)}; it has "
            f"{', '.join(sorted(places['chrom'].unique())[:5])}"
        )
    return kept


def place_names(places: pd.DataFrame) -> list[str]:
    """Return ``chrom:start-end`` of every row: the form of the column `parent`."""
    columns = (places[name].to_numpy().tolist() for name in ("chrom", "start", "end"))
    return [f"{chrom}:{start}-{end}" for chrom, start, end in zip(*columns, strict=True)]


def make_examples(codes: np.ndarray, label: int, source: np.ndarray | str, **columns: object) -> pd.DataFrame:
    """Return examples of one label from base codes (uint8 [n, length]); `columns` as :func:`write_task` wants them."""
    return pd.DataFrame({"sequence": [decode(row) for row in codes], "label": label, "source": source, **columns})


def protect_test(sequences: pd.Series, split: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
    """Find the examples to drop so that no sequence is in two splits; the test set is left as it is.

    Returns
    -------
    keep : bool [n]
    removed : dict
        Numbers of examples: ``train_in_test``, ``valid_in_test``, ``train_in_valid``.
    """
    in_test = sequences.isin(sequences[split == "test"]).to_numpy()
    in_valid = sequences.isin(sequences[(split == "valid") & ~in_test]).to_numpy()
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


def write_task(
    examples: pd.DataFrame, split: np.ndarray, folder: str | Path, made: dict[str, Any], genome: Genome | None = None
) -> dict[str, Any]:
    """Write ``train.parquet``, ``valid.parquet``, ``test.parquet`` and ``card.json`` of a two-class task.

    Parameters
    ----------
    examples : DataFrame
        Columns sequence (upper-case), label (0/1), source; chrom, start, end, strand where the sequence has a place
        in the genome, else missing; parent, the place (:func:`place_names`) of a positive, for that positive and for
        the negative made from it or matched to it. Where sequence is missing, the place alone is stored, and its bases
        are read from `genome`, here and whenever the task is used.
    split : array of str [n]
        From :func:`stratified_split` or any other rule.
    made : dict
        What the task itself adds to the card: settings, files, counts.
    genome : Genome, optional
        For examples without a sequence.

    Returns
    -------
    dict
        The card. Its ``test_overlapping_train`` counts the test examples that share a base of the genome with a
        training example, and is missing (None) where test examples have no places.

    Raises
    ------
    InputError
        A split would lack a class.
    """
    folder = Path(folder)
    bases = Examples(examples, str(folder), genome)
    sequences = bases.digests()
    keep, removed = protect_test(sequences, split)
    frame = examples.reindex(columns=list(COLUMN_TYPES)).astype(COLUMN_TYPES).assign(split=split)[keep]
    parts = {name: frame[frame["split"] == name].drop(columns="split").reset_index(drop=True) for name in SPLITS}
    for name, part in parts.items():
        positives = int(part["label"].sum())
        if positives in (0, len(part)):
            raise InputError(
                f"{folder}: {name} would hold {positives} positives and {len(part) - positives} negatives of "
                f"{len(examples)} examples in all; expected both classes (more data or other fractions)"
            )
    n_gc = np.concatenate([gc_counts(codes) for codes, _ in bases.blocks()])
    gc = (n_gc / bases.lengths)[keep]
    placed = parts["test"]["start"].notna().any()
    card = {
        **made,
        "kind": "two-class",
        "counts": _counts(frame, "label"),
        "class_balance": {name: round(float((part["label"] == 1).mean()), 4) for name, part in parts.items()},
        "sources": _counts(frame, "source"),
        "sequence_length": [int(bases.lengths.min()), int(bases.lengths.max())],
        "gc_content": {str(label): round(float(gc[frame["label"] == label].mean()), 4) for label in (0, 1)},
        "duplicates": {
            "repeated_sequences": int(sequences.duplicated().sum()),
            "sequences_with_both_labels": int((examples["label"].groupby(sequences.to_numpy()).nunique() > 1).sum()),
        },
        "removed_because_also_elsewhere": removed,
        "test_overlapping_train": int(overlapping(parts["test"], parts["train"]).sum()) if placed else None,
    }
    for name, part in parts.items():
        with atomic_path(folder / f"{name}.parquet") as temporary:
            part.to_parquet(temporary, index=False)
    write_json(folder / "card.json", card)
    logger.info("%s: %s", folder, ", ".join(f"{name} {len(part)}" for name, part in parts.items()))
    return read_json(folder / "card.json")
