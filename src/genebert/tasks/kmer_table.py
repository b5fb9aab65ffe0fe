"""DNABERT's form of a labelled data set: k-mer sentences with their labels."""

from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import read_lines
from genebert.genome.kmers import sentence_to_sequence


def read_kmer_tsv(path: str | Path) -> tuple[pd.DataFrame, int]:
    """Read DNABERT's fine-tuning form: header ``sequence label``, then k-mers separated by spaces, tab, 0 or 1.

    White space is taken as it comes: the public file has CRLF line ends and two spaces in its header.

    Returns
    -------
    examples : DataFrame
        Columns sequence (upper-case), label (int8).
    k : int

    Raises
    ------
    InputError
        Missing header, label other than 0 and 1, k-mers that do not overlap, changing k or length, or letters other
        than A, C, G, T.
    """
    lines = read_lines(path)
    if not lines or lines[0].split() != ["sequence", "label"]:
        raise InputError(f"{path}: first line is {(lines or [''])[0][:60]!r}, expected the header sequence, tab, label")
    sequences, labels, k = [], [], 0
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        sentence, *label = line.strip().rsplit(None, 1)
        if label not in (["0"], ["1"]):
            raise InputError(f"{where}: label is {(label or [''])[0][:20]!r}, expected 0 or 1")
        sequence, width = sentence_to_sequence(sentence, where).upper(), len(sentence.split(None, 1)[0])
        k = k or width
        if width != k or (sequences and len(sequence) != len(sequences[0])):
            raise InputError(
                f"{where}: {len(sequence)} bases in {width}-mers, expected {len(sequences[0])} bases in {k}-mers as in "
                "the lines before"
            )
        if odd := "".join(sorted(set(sequence) - set("ACGT"))):
            raise InputError(f"{where}: sequence has the letters {odd!r}, expected only A, C, G, T")
        sequences.append(sequence)
        labels.append(int(label[0]))
    if not sequences:
        raise InputError(f"{path}: holds no example after its header")
    return pd.DataFrame({"sequence": sequences, "label": np.array(labels, dtype=np.int8)}), k
