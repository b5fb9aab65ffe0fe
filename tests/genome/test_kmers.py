import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genebert.errors import InputError
from genebert.genome import kmers
from genebert.genome.bases import encode


@pytest.mark.parametrize(("k", "size"), [(3, 69), (4, 261), (5, 1029), (6, 4101)])
def test_vocabulary_is_dnaberts(k, size):
    tokens = kmers.vocabulary(k)
    assert len(tokens) == size
    assert tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert tokens[5] == "A" * k
    assert tokens[6] == "A" * (k - 1) + "T"
    assert tokens[-1] == "G" * k


@given(st.text(alphabet="ACGTNacgtn", max_size=40), st.integers(3, 6))
def test_ids_are_places_in_the_vocabulary(sequence, k):
    place = {token: i for i, token in enumerate(kmers.vocabulary(k))}
    words = kmers.kmer_sentence(sequence.upper(), k).split()
    assert len(words) == max(len(sequence) - k + 1, 0)
    assert kmers.kmer_ids(encode(sequence), k).tolist() == [place.get(word, kmers.UNK) for word in words]


def test_ids_of_many_sequences_at_once():
    codes = np.array(list(itertools.product(range(5), repeat=4)), dtype=np.uint8)
    assert np.array_equal(kmers.kmer_ids(codes, 3), np.stack([kmers.kmer_ids(row, 3) for row in codes]))
    assert kmers.kmer_ids(codes, 5).shape == (625, 0)
    for k in (3, 5):
        assert kmers.kmer_ids(codes, k).dtype == np.int64
        short = kmers.kmer_ids(codes, k, np.int16)
        assert short.dtype == np.int16 and np.array_equal(short, kmers.kmer_ids(codes, k))


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_reverse_complements(k):
    tokens, turned = kmers.vocabulary(k), kmers.reverse_complements(k)
    opposite = str.maketrans("ACGT", "TGCA")
    assert turned.dtype == np.int16
    assert turned[:5].tolist() == list(range(5)) and len(turned) == len(tokens)
    assert [tokens[i] for i in turned[5:]] == [token.translate(opposite)[::-1] for token in tokens[5:]]


@pytest.mark.parametrize(("k", "longest"), [(3, 512), (6, 515)])
def test_positions_of_a_model(k, longest):
    kmers.check_length(longest, k, 512, "x")
    words = rf"^x has {longest + 1} bases, 513 tokens; expected at most 512, .* \({longest} bases\)$"
    with pytest.raises(InputError, match=words):
        kmers.check_length(longest + 1, k, 512, "x")


@given(st.text(alphabet="ACGTN", min_size=6, max_size=60))
def test_sentence_round_trip(sequence):
    assert kmers.sentence_to_sequence(kmers.kmer_sentence(sequence, 6), "here") == sequence


@pytest.mark.parametrize("sentence", ["", "ACGTAC GTACGT", "ACGTAC CGTACGA"])
def test_broken_sentence(sentence):
    with pytest.raises(InputError, match=r"table\.tsv: .* not a list of overlapping k-mers"):
        kmers.sentence_to_sequence(sentence, "table.tsv")


@pytest.mark.parametrize(("k", "positions"), [(3, 512), (6, 2048)])
def test_transformers_loads_the_tokenizer(tmp_path, k, positions):
    from transformers import AutoTokenizer

    kmers.save_tokenizer(tmp_path, k, positions)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    sequence = "ACGTTNACGGATTCA"
    ids = tokenizer(kmers.kmer_sentence(sequence, k))["input_ids"]
    assert ids == [kmers.CLS, *kmers.kmer_ids(encode(sequence), k), kmers.SEP]
    assert ids.count(kmers.UNK) == k  # only the k-mers with the N
    assert tokenizer.model_max_length == positions
    assert kmers.vocabulary_k(tmp_path) == k


def test_foreign_vocabulary(tmp_path):
    with pytest.raises(InputError, match=r"vocab\.txt: cannot be read"):
        kmers.vocabulary_k(tmp_path)
    tokens = kmers.vocabulary(3)
    for wrong in ([*tokens, "extra"], [*tokens, "AAA"], tokens[:-1], ["AAA"], []):
        (tmp_path / "vocab.txt").write_text("\n".join(wrong))
        with pytest.raises(InputError, match="not DNABERT's vocabulary"):
            kmers.vocabulary_k(tmp_path)
    for k in (2, 7):
        (tmp_path / "vocab.txt").write_text("\n".join(kmers.vocabulary(k)))
        with pytest.raises(InputError, match=rf"found {4**k + 5} tokens, expected .* for k = 3 to 6"):
            kmers.vocabulary_k(tmp_path)


def test_a_vocabulary_in_another_order(tmp_path):
    """As many tokens, and the same ones: ids would mean other k-mers."""
    tokens = kmers.vocabulary(3)
    tokens[7], tokens[8] = tokens[8], tokens[7]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens))
    with pytest.raises(InputError, match=r"vocab\.txt: not DNABERT's vocabulary \(token 7 is 'AAG', expected 'AAC'\)"):
        kmers.vocabulary_k(tmp_path)
