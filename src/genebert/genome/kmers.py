"""Overlapping k-mers in DNABERT's vocabulary order, and the tokenizer files that `transformers` loads.

The vocabulary is [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, then all k-mers in product order over A, T, C, G
(docs/facts.md 14); a k-mer with any other letter is [UNK].
"""

import itertools
import json
from pathlib import Path

import numpy as np

from genebert.errors import InputError
from genebert.files import read_text

PAD, UNK, CLS, SEP, MASK = range(5)
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ORDER = "ATCG"
# Base codes are A 0, C 1, G 2, T 3 (genome.BASES); a digit of the k-mer number is the letter's place in ORDER.
DIGIT = np.array([ORDER.index(base) for base in "ACGT"] + [0], dtype=np.int16)


def vocabulary(k: int) -> list[str]:
    """Return all tokens in the order of their ids; 69, 261, 1029, 4101 of them for k = 3, 4, 5, 6."""
    return [*SPECIALS, *map("".join, itertools.product(ORDER, repeat=k))]


def kmer_ids(codes: np.ndarray, k: int, dtype: type = np.int64) -> np.ndarray:
    """Return the token ids of all overlapping k-mers.

    Parameters
    ----------
    codes : uint8 [..., length]
        Base codes; the last axis is the sequence.
    dtype : type
        Of the result; int16 holds all ids.

    Returns
    -------
    int [..., length - k + 1]
        Empty along the last axis when the sequence is shorter than `k`.
    """
    n = codes.shape[-1] - k + 1
    if n <= 0:
        return np.empty((*codes.shape[:-1], 0), dtype=dtype)
    # Numbers of 1, 2, 4 ... letters, each made of two of those before: 4^6 fits 16 bits, four times the speed of 64.
    ids, width = DIGIT[codes], 1
    while width < k:
        step = min(width, k - width)
        last = ids[..., step:] & (4**step - 1)
        ids = (ids[..., :-step] << 2 * step) | last
        width += step
    ids = (ids + len(SPECIALS)).astype(dtype, copy=False)
    if codes.max() > 3:
        other = codes > 3
        for i in range(k):
            ids[other[..., i : i + n]] = UNK
    return ids


def reverse_complements(k: int) -> np.ndarray:
    """Return the id of each token's reverse complement (int16 [vocabulary]); special tokens stay what they are."""
    number = np.arange(4**k)
    # In ORDER A, T, C, G a base's complement differs in the last bit of its digit.
    digits = [(number >> 2 * place & 3) ^ 1 for place in range(k)]
    kmers = sum(digit << 2 * (k - 1 - place) for place, digit in enumerate(digits))
    return np.concatenate([np.arange(len(SPECIALS)), kmers + len(SPECIALS)]).astype(np.int16)


def check_length(n_bases: int, k: int, max_tokens: int, where: str) -> None:
    """Refuse a sequence that is longer than the positions of a model; [CLS] and [SEP] take two."""
    if (tokens := n_bases - k + 3) > max_tokens:
        raise InputError(
            f"{where} has {n_bases} bases, {tokens} tokens; expected at most {max_tokens}, the positions of the model "
            f"({max_tokens + k - 3} bases)"
        )


def kmer_sentence(sequence: str, k: int) -> str:
    """Return the k-mers of a DNA string separated by spaces, DNABERT's text form: all ``len - k + 1`` of them."""
    return " ".join(sequence[i : i + k] for i in range(len(sequence) - k + 1))


def sentence_to_sequence(sentence: str, where: str) -> str:
    """Return the DNA string of a k-mer sentence; refuse one in which two neighbours do not overlap by k - 1 letters."""
    kmers = sentence.split()
    sequence = kmers[0] + "".join(kmer[-1] for kmer in kmers[1:]) if kmers else ""
    if not kmers or kmer_sentence(sequence, len(kmers[0])).split() != kmers:
        raise InputError(f"{where}: {sentence[:40]!r} is not a list of overlapping k-mers separated by spaces")
    return sequence


def save_tokenizer(folder: str | Path, k: int, max_length: int) -> None:
    """Write the files from which ``transformers.AutoTokenizer`` makes a k-mer tokenizer."""
    from transformers import BertTokenizer

    vocab = Path(folder) / "vocab.txt"
    vocab.write_text("\n".join(vocabulary(k)) + "\n")
    # By default the library makes lower case, which turns every k-mer into [UNK] (docs/facts.md 15).
    BertTokenizer(vocab=str(vocab), do_lower_case=False, model_max_length=max_length).save_pretrained(folder)


def vocabulary_k(folder: str | Path) -> int:
    """Return k of a model folder's ``vocab.txt``.

    Raises
    ------
    InputError
        The vocabulary is not DNABERT's for any k (for example multimolecule/dnabert-6mer, which has other ids).
    """
    path = Path(folder) / "vocab.txt"
    tokens = read_text(path).split()
    k = len(tokens[-1]) if tokens else 0
    expected = vocabulary(k) if 3 <= k <= 6 else []
    if not expected or len(tokens) != len(expected):
        raise InputError(
            f"{path}: not DNABERT's vocabulary (found {len(tokens)} tokens, expected the five specials and all "
            f"k-mers over A, T, C, G for k = 3 to 6); first tokens: {json.dumps(tokens[:6])}"
        )
    for number, (found, own) in enumerate(zip(tokens, expected, strict=True)):
        if found != own:
            raise InputError(f"{path}: not DNABERT's vocabulary (token {number} is {found!r}, expected {own!r})")
    return k
