"""Examples: reading, letters and places alike, parts of a training set."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genebert.errors import InputError
from genebert.evaluation import examples as module
from genebert.evaluation.examples import Examples, read_card, read_examples, training_rows
from genebert.genome.bases import decode, encode, reverse_complement, sequence_codes
from genebert.genome.fasta import Genome, prepare_genome
from genebert.models.tokens import tokenise

TABLE = pd.DataFrame({"sequence": ["ACGT", "GGCA", "TTTTA"], "label": np.array([0, 1, 0], dtype=np.int8)})
CHROMOSOMES = ("chr1", "chr2", "chrX")


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> Genome:
    folder = tmp_path_factory.mktemp("genome")
    rng = np.random.default_rng(0)
    text = "".join(f">{chrom}\n{''.join(rng.choice(list('ACGTNacgt'), 300))}\n" for chrom in CHROMOSOMES)
    (folder / "source.fa").write_text(text)
    prepare_genome(folder / "source.fa", folder / "genome.fa", "toy", list(CHROMOSOMES))
    return Genome(folder / "genome.fa")


# ------------------------------------------------------------------------------------------------------ reading


def test_examples_are_read(tmp_path):
    TABLE.to_parquet(tmp_path / "valid.parquet")
    found = read_examples(tmp_path / "valid.parquet", name="valid")
    assert len(found) == 3 and found.name == "valid"
    assert found.labels.tolist() == [0, 1, 0] and found.lengths.tolist() == [4, 4, 5]
    codes, lengths = found.codes()
    assert [decode(row[:n]) for row, n in zip(codes, lengths, strict=True)] == TABLE["sequence"].tolist()
    assert found.codes(np.array([2, 0]))[0].tolist() == [[3, 3, 3, 3, 0], [0, 1, 2, 3, 4]]
    some = found.subset(np.array([True, False, True]))
    assert some.labels.tolist() == [0, 0] and some.table.index.tolist() == [0, 1] and some.name == "valid"
    assert read_examples(tmp_path / "valid.parquet").name == str(tmp_path / "valid.parquet")


def test_labels_may_be_lists():
    table = pd.DataFrame({"sequence": ["AC", "GT"], "label": [np.array([0, 2]), np.array([1, 1])]})
    assert Examples(table).labels.tolist() == [[0, 2], [1, 1]]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE[["sequence"]], "has no column 'label'; expected sequence and label"),
        (TABLE[["label"]], "has no column 'sequence'; expected sequence and label"),
        (TABLE.assign(sequence=["AC", None, ""]), "2 of 3 sequences are empty"),
        (TABLE.assign(sequence=None, chrom="chr1", start=[0, 1, 2], end=[5, 6, None]), "1 of 3 sequences are empty"),
        (
            TABLE.assign(sequence=["AC", None, None], chrom="chr1", start=[0, 1, 2], end=[5, 6, 7]),
            "2 of 3 examples are places without letters; expected a genome",
        ),
    ],
)
def test_bad_examples(tmp_path, table, message):
    path = tmp_path / "valid.parquet"
    table.to_parquet(path)
    with pytest.raises(InputError, match=r"valid\.parquet: .*" + message):
        read_examples(path)


def test_missing_or_broken_file(tmp_path):
    (tmp_path / "test.parquet").write_text("not parquet")
    for name in ("test", "train"):
        with pytest.raises(InputError, match=name + r"\.parquet: not a readable Parquet file"):
            read_examples(tmp_path / f"{name}.parquet")


def test_card(tmp_path):
    assert read_card(tmp_path) == {}
    (tmp_path / "card.json").write_text('{"factor": "CTCF"}')
    assert read_card(tmp_path) == {"factor": "CTCF"}


@given(st.lists(st.text("ACGTNacgt", max_size=9), max_size=6))
def test_sequence_codes(sequences):
    codes, lengths = sequence_codes(sequences)
    assert lengths.tolist() == [len(sequence) for sequence in sequences]
    for sequence, row in zip(sequences, codes, strict=True):
        padded = sequence.upper() + "N" * (codes.shape[1] - len(sequence))
        assert "".join("ACGTN"[code] for code in row) == padded


# ------------------------------------------------------------------------------------------------------ places


def fetch(genome: Genome, chrom: str, start: int, width: int, strand: str | None) -> str:
    codes = genome.codes(chrom, start, start + width)
    return decode(reverse_complement(codes) if strand == "-" else codes)


PLACES = st.lists(
    st.tuples(
        st.sampled_from(CHROMOSOMES), st.integers(0, 250), st.integers(1, 50), st.sampled_from(["+", "-", None]),
        st.booleans(),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=15)
@given(rows=PLACES, block=st.integers(1, 5))
def test_places_and_letters_give_the_same(genome, rows, block):
    frame = pd.DataFrame([row[:4] for row in rows], columns=["chrom", "start", "end", "strand"])
    frame = frame.assign(end=frame["start"] + frame["end"], label=1)
    frame = frame.astype({"chrom": "string", "start": "Int64", "end": "Int64", "strand": "string"})
    letters = [fetch(genome, *row[:4]) for row in rows]
    written = Examples(frame.assign(sequence=letters))
    mixed = [text if row[4] else None for text, row in zip(letters, rows, strict=True)]
    before, module.BLOCK = module.BLOCK, block
    try:
        for placed in (Examples(frame, genome=genome), Examples(frame.assign(sequence=mixed), genome=genome)):
            assert placed.lengths.tolist() == written.lengths.tolist() == [len(text) for text in letters]
            for one, other in ((placed.codes(), written.codes()), *zip(placed.blocks(), written.blocks(), strict=True)):
                assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
            assert placed.digests().tolist() == written.digests().tolist()
            long = np.flatnonzero(written.lengths > 2)
            if len(long):
                tokens, others = (tokenise(one.subset(long), 3, 64) for one in (placed, written))
                assert torch.equal(tokens.ids, others.ids) and torch.equal(tokens.lengths, others.lengths)
            some = np.arange(len(rows))[::-2]
            assert np.array_equal(placed.subset(some).codes()[0], written.codes(some)[0])
    finally:
        module.BLOCK = before
    same = written.digests()
    assert [[a == b for b in letters] for a in letters] == [[a == b for b in same] for a in same]


def test_overlapping_places_are_read_once(genome):
    calls = []

    class Counting:
        def codes(self, *place):
            calls.append(place)
            return genome.codes(*place)

    start = np.array([100, 110, 120, 200])
    table = pd.DataFrame({"chrom": "chr2", "start": start, "end": start + 20, "label": 0})
    codes, _ = Examples(table, genome=Counting()).codes()
    assert calls == [("chr2", 100, 140), ("chr2", 200, 220)]
    assert np.array_equal(codes[1], genome.codes("chr2", 110, 130))


def test_places_are_read_from_files(genome, tmp_path):
    table = pd.DataFrame({"chrom": ["chr1", "chrX"], "start": [5, 6], "end": [9, 14], "label": [0, 1]})
    table.to_parquet(tmp_path / "a.parquet")
    found = read_examples(tmp_path / "a.parquet", genome)
    assert found.lengths.tolist() == [4, 8]
    assert np.array_equal(found.codes()[0][1], genome.codes("chrX", 6, 14))
    outside = Examples(table.assign(end=[9, 301]), genome=genome)
    with pytest.raises(InputError, match="chrX:6-301 asked for, but chrX is 300 bases long"):
        outside.codes()
    assert np.array_equal(encode(decode(found.codes()[0][0][:4])), genome.codes("chr1", 5, 9))


# ------------------------------------------------------------------------------------------------------ flanks

FLANKED = st.lists(
    st.tuples(
        st.sampled_from(CHROMOSOMES), st.integers(-40, 330), st.integers(1, 50), st.sampled_from(["+", "-"]),
        st.integers(0, 299), st.integers(1, 200),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@given(rows=FLANKED, flank=st.integers(0, 60))
def test_flanks_and_what_lies_outside(genome, rows, flank):
    frame = pd.DataFrame(rows, columns=["chrom", "start", "end", "strand", "inside_start", "inside_end"])
    frame["label"] = 0
    frame["end"] += frame["start"]
    frame["inside_end"] += frame["inside_start"]
    whole = {chrom: dict(enumerate(genome.codes(chrom))) for chrom in CHROMOSOMES}
    for table in (frame, frame.drop(columns=["inside_start", "inside_end"])):
        if "inside_start" not in table and not flank:
            continue  # places beyond the chromosome are refused, as below
        codes, lengths = Examples(table, genome=genome).codes(flank=flank)
        assert codes.shape[1] == lengths.max() and (lengths == frame["end"] - frame["start"] + 2 * flank).all()
        for row, (found, n) in enumerate(zip(codes, lengths, strict=True)):
            one = frame.iloc[row]
            inside = range(one.inside_start, one.inside_end) if "inside_start" in table else range(300)
            places = range(one.start - flank, one.end + flank)
            expected = [whole[one.chrom].get(place, 4) if place in inside else 4 for place in places]
            expected = reverse_complement(np.array(expected, dtype=np.uint8)) if one.strand == "-" else expected
            assert found[:n].tolist() == list(expected) and (found[n:] == 4).all()


def test_flanks_of_letters_are_n():
    codes, lengths = Examples(TABLE).codes(np.array([1, 2]), flank=2)
    assert [decode(row) for row in codes] == ["NNGGCANNN", "NNTTTTANN"] and lengths.tolist() == [8, 9]


def test_only_what_lies_inside_is_read(genome):
    calls = []

    class Counting:
        lengths = genome.lengths

        def codes(self, *place):
            calls.append(place)
            return genome.codes(*place)

    table = pd.DataFrame({"chrom": "chr2", "start": [-20, 280], "end": [20, 320], "label": 0})
    codes, _ = Examples(table.assign(inside_start=10, inside_end=290), genome=Counting()).codes(flank=5)
    assert sorted(calls) == [("chr2", 10, 25), ("chr2", 275, 290)]
    assert (codes[0][:35] == 4).all() and (codes[1][15:] == 4).all()


# ------------------------------------------------------------------------------------------------------ parts


@given(st.lists(st.integers(0, 1), min_size=4, max_size=60), st.integers(0, 1000), st.data())
def test_parts_are_nested_and_in_proportion(labels, seed, data):
    labels = np.array([*labels, 0, 1])
    sizes = sorted(data.draw(st.lists(st.integers(2, len(labels)), min_size=2, max_size=4)))
    before: set[int] = set()
    for n in sizes:
        rows = training_rows(labels, n, seed)
        assert len(rows) == n and before <= set(rows.tolist())
        assert (np.diff(rows) > 0).all()
        assert len(set(labels[rows])) == 2
        assert abs(labels[rows].sum() - n * labels.mean()) <= 1
        before = set(rows.tolist())


def test_the_seed_chooses_the_part():
    labels = np.array([0, 1] * 50)
    found = [training_rows(labels, 20, seed).tolist() for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert training_rows(labels, 100, 3).tolist() == list(range(100))


@pytest.mark.parametrize("n", [-1, 0, 1, 11])
def test_bad_number(n):
    with pytest.raises(InputError, match=f"n_train: found {n}, expected 2 to 10, the number of training examples"):
        training_rows(np.array([0, 1] * 5), n, 0)
