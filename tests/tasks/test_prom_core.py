"""DNABERT's own form of prom-core: its k-mer table, read and made into a task, and what the public file shows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genebert.errors import InputError
from genebert.genome.bases import decode, encode
from genebert.genome.kmers import kmer_sentence
from genebert.tasks.base import Sources
from genebert.tasks.core_promoters import has_tata_box
from genebert.tasks.epd import TATA_CUTOFF, tata_scores
from genebert.tasks.kmer_table import read_kmer_tsv
from genebert.tasks.promoter import TASK


def write(path, text):
    path.write_text(text)
    return path


def read(folder):
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "valid", "test")}


def tsv(rows, k=6):
    return "sequence\tlabel\n" + "".join(f"{kmer_sentence(sequence, k)}\t{label}\n" for sequence, label in rows)


@given(st.lists(st.tuples(st.text("ACGT", min_size=20, max_size=20), st.integers(0, 1)), min_size=1), st.integers(3, 6))
def test_kmer_table_round_trip(tmp_path_factory, rows, k):
    path = tmp_path_factory.getbasetemp() / "round_trip.tsv"
    write(path, tsv(rows, k))
    examples, found = read_kmer_tsv(path)
    assert found == k
    assert list(zip(examples["sequence"], examples["label"], strict=True)) == rows


def test_kmer_table_becomes_a_task(tmp_path):
    rng = np.random.default_rng(5)
    rows = [(decode(rng.integers(0, 4, 70)), i % 2) for i in range(200)]
    path = write(tmp_path / "ready.tsv", tsv(rows))
    settings = {"source": "kmer-tsv"}
    card = TASK.build(settings, Sources({"path": path}, None, ["chr20"], 42), tmp_path / "out")
    assert card["k"] == 6
    assert card["counts"] == {"train": {"0": 81, "1": 81}, "valid": {"0": 9, "1": 9}, "test": {"0": 10, "1": 10}}
    tables = read(tmp_path / "out")
    assert dict(zip(pd.concat(tables.values())["sequence"], pd.concat(tables.values())["label"], strict=True)) == dict(
        rows
    )
    assert tables["test"]["chrom"].isna().all()
    again = TASK.build(settings, Sources({"path": path}, None, ["chr20"], 1), tmp_path / "again")
    assert again["counts"] == card["counts"]
    assert set(read(tmp_path / "again")["test"]["sequence"]) != set(tables["test"]["sequence"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\tb\n", "first line is 'a\\\\tb', expected the header"),
        ("sequence\tlabel\n", "holds no example"),
        ("sequence\tlabel\nACGTAC CGTACG\t2\n", "line 2: label is '2', expected 0 or 1"),
        ("sequence\tlabel\nACGTAC CGTACG\n", "line 2: label is 'CGTACG', expected 0 or 1"),
        ("sequence\tlabel\nACGTAC TTTTTT\t1\n", "line 2: .* is not a list of overlapping k-mers"),
        ("sequence\tlabel\nACGTAC CGTACN\t1\n", "line 2: sequence has the letters 'N', expected only A, C, G, T"),
        ("sequence\tlabel\nACGTAC CGTACG\t1\nACGTAC\t0\n", "line 3: 6 bases in 6-mers, expected 7 bases in 6-mers"),
        ("sequence\tlabel\nACGTAC CGTACG\t1\nACGTA CGTAC GTACG\t0\n", "line 3: 7 bases in 5-mers, expected 7"),
    ],
)  # fmt: skip
def test_kmer_table_that_is_wrong(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as error:
        read_kmer_tsv(write(tmp_path / "bad.tsv", text))
    assert "\n" not in str(error.value)


# ---- real data


@pytest.fixture(scope="module")
def dnabert(shared_data):
    return read_kmer_tsv(shared_data / "promoters" / "dnabert_prom_core_test.tsv")


@pytest.fixture(scope="module")
def deepromoter(shared_data):
    return (shared_data / "promoters" / "deepromoter_hs_TATA_300bp.txt").read_text().upper().split()


@pytest.mark.shared
def test_dnaberts_test_split(dnabert):
    examples, k = dnabert
    assert k == 6
    assert len(examples) == 5919
    assert examples["label"].sum() == 2915
    assert set(examples["sequence"].str.len()) == {70}
    assert examples["sequence"].duplicated().sum() == 2


@pytest.mark.shared
def test_deepromoters_tata_promoters_at_offset_216(dnabert, deepromoter):
    examples, _ = dnabert
    positives = set(examples.loc[examples["label"] == 1, "sequence"])
    assert len(deepromoter) == 2929
    assert sum(parent[216:286] in positives for parent in deepromoter) == 296
    # Any other offset is a neighbouring start site upstream, each time at another distance, without a TATA box.
    row = {sequence: i for i, sequence in enumerate(examples["sequence"])}
    others = [
        (offset, row[parent[offset : offset + 70]])
        for parent in deepromoter
        for offset in range(231)
        if offset != 216 and parent[offset : offset + 70] in positives
    ]
    assert len(others) == len({offset for offset, _ in others}) == 10
    assert all(offset < 216 and number >= 613 for offset, number in others)


@pytest.mark.shared
def test_tata_rule_reproduces_epds_flags_and_dnaberts_negatives(dnabert, deepromoter):
    """The first 613 rows of the public file are its TATA part: 10 % of 2 x 3,065."""
    assert has_tata_box(np.array([encode(parent) for parent in deepromoter])).all()
    examples, _ = dnabert
    codes = np.array([encode(sequence) for sequence in examples["sequence"]])
    tata_part, label = np.arange(len(codes)) < 613, examples["label"].to_numpy()
    at_place = tata_scores(codes[:, 1:16])[:, 0] >= TATA_CUTOFF
    assert (tata_part & (label == 0)).sum() == 309
    assert at_place[tata_part & (label == 0)].all()
    assert at_place[~tata_part].mean() < 0.01
    window = (tata_scores(codes[:, :19]) >= TATA_CUTOFF).any(axis=1)  # starts TSS-33..TSS-29 are inside the 70 bases
    assert window[tata_part & (label == 1)].mean() > 0.93
    assert window[~tata_part & (label == 1)].mean() < 0.001
