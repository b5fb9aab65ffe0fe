import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genebert.batches import SPAN_OFFSETS, SampleEncoder, mask_kmers
from genebert.corpus import Draw
from genebert.genome import RegionSequences, decode
from genebert.kmers import CLS, MASK, PAD, SEP, SPECIALS, UNK, kmer_ids, vocabulary

CPU = torch.device("cpu")


def toy_sequences(lengths, seed=0, n_share=0.02):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    codes = rng.integers(0, 4, offsets[-1]).astype(np.uint8)
    codes[rng.random(len(codes)) < n_share] = 4
    return RegionSequences(codes, offsets, "toy")


def draw_of(regions):
    regions = np.asarray(regions, dtype=np.int64)
    n = len(regions)
    return Draw(regions, np.zeros(n, np.int64), np.zeros(n, np.int64), np.arange(n))


def reference(sequences, regions, k):
    """Token and segment ids of one sample, written out."""
    half = len(regions) // 2
    ids, segments = [CLS], [0]
    for part, which in ((regions[:half], 0), (regions[half:], 1)):
        for region in part:
            kmers = kmer_ids(np.asarray(sequences[region]), k).tolist()
            ids += kmers
            segments += [which] * len(kmers)
        ids.append(SEP)
        segments.append(which)
    return ids, segments


@given(
    lengths=st.lists(st.integers(0, 40), min_size=12, max_size=20),
    k=st.integers(3, 6),
    seed=st.integers(0, 1000),
    size=st.sampled_from([2, 4, 10]),
)
def test_tokens_equal_the_reference_and_no_kmer_crosses_a_border(lengths, k, seed, size):
    sequences = toy_sequences(lengths, seed)
    regions = np.random.default_rng(seed).integers(0, len(lengths), (5, size))
    motifs = np.random.default_rng(1).normal(size=(len(lengths), 7)).astype(np.float16)
    batch = SampleEncoder(sequences, motifs, k, 10_000, CPU).encode(draw_of(regions))
    for i, row in enumerate(regions):
        ids, segments = reference(sequences, row, k)
        n = len(ids)
        assert batch.lengths[i] == n
        assert batch.ids[i, :n].tolist() == ids
        assert batch.segments[i, :n].tolist() == segments
        assert (batch.ids[i, n:] == PAD).all()
        # rows of the matrix follow the regions shown
        assert np.array_equal(batch.motifs[i].numpy(), motifs[row].astype(np.float32))
    assert batch.shortened == 0


@given(lengths=st.lists(st.integers(0, 80), min_size=4, max_size=4), room=st.integers(4, 200))
def test_long_samples_are_cropped_to_a_common_central_length(lengths, room):
    k = 3
    sequences = toy_sequences(lengths, n_share=0)
    batch = SampleEncoder(sequences, None, k, room, CPU).encode(draw_of([[0, 1, 2, 3]]))
    n = [max(length - k + 1, 0) for length in lengths]
    assert int(batch.lengths[0]) == batch.ids.shape[1] <= max(room, 3)
    assert batch.shortened == int(sum(n) + 3 > room)
    ids = batch.ids[0].tolist()
    shown = [[], []]
    part = 0
    for token in ids[1:]:
        if token == SEP:
            part += 1
        else:
            shown[part].append(token)
    cap = max(c for c in range(81) if sum(min(x, c) for x in n) + 3 <= max(room, 3))
    for part, members in enumerate(((0, 1), (2, 3))):
        expected = []
        for region in members:
            start = (n[region] - min(n[region], cap)) // 2
            expected += kmer_ids(np.asarray(sequences[region]), k).tolist()[start : start + min(n[region], cap)]
        assert shown[part] == expected


def test_tokens_spell_the_sequence():
    sequences = toy_sequences([20, 30], n_share=0)
    batch = SampleEncoder(sequences, None, 6, 512, CPU).encode(draw_of([[0, 1]]))
    words = [vocabulary(6)[i] for i in batch.ids[0].tolist()]
    first = words[1 : words.index("[SEP]")]
    assert first[0] + "".join(word[-1] for word in first[1:]) == decode(np.asarray(sequences[0]))


def masked(rate, k=6, shape=(64, 2000), seed=0):
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(len(SPECIALS), len(SPECIALS) + 4**k, shape, generator=rng)
    ids[:, 0], ids[:, 700], ids[:, -1] = CLS, SEP, SEP
    ids[:, 300:310] = UNK
    out, chosen = mask_kmers(ids, k, rate, len(SPECIALS) + 4**k, rng)
    return ids, out, chosen


@pytest.mark.parametrize("rate", [0.15, 0.20])
def test_share_of_masked_kmers(rate):
    _, _, chosen = masked(rate)
    # overlapping spans: 1 - (1 - p/k)^k, not p
    expected = 1 - (1 - rate / 6) ** 6
    assert abs(chosen[:, 20:280].float().mean() - expected) < 0.005


def test_fate_of_masked_kmers():
    ids, out, chosen = masked(0.2)
    n = chosen.sum()
    to_mask = (out == MASK) & chosen
    changed = (out != ids) & chosen & ~to_mask
    assert abs(to_mask.sum() / n - 0.8) < 0.01
    # a random token is the same one, or [MASK], only twice in 4,101 times
    assert abs(changed.sum() / n - 0.1) < 0.01
    assert torch.equal(out[~chosen], ids[~chosen])
    # random tokens come from the whole vocabulary
    assert (out[changed] < len(SPECIALS)).sum() < 0.01 * changed.sum()
    expected = 4101 * (1 - np.exp(-int(changed.sum()) / 4101))
    assert abs(len(out[changed].unique()) / expected - 1) < 0.05


def test_special_tokens_are_never_chosen():
    ids, _, chosen = masked(0.9)
    assert chosen[:, 1:300].any()
    assert not chosen[ids < len(SPECIALS)].any()


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_spans_are_contiguous_and_as_wide_as_dnaberts(k):
    """At a low rate spans hardly overlap: runs of chosen tokens have length k (or more, where two meet)."""
    _, _, chosen = masked(0.004 * k, k=k)
    runs = []
    for row in chosen[:, 310:700].numpy():
        edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(int), [0]))))
        inside = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a > k and b < len(row) - k]
        runs += [b - a for a, b in inside]
    assert min(runs) == k
    assert np.mean(np.array(runs) == k) > 0.9
    assert len(SPAN_OFFSETS[k]) == k


def test_short_input_and_nothing_to_mask():
    rng = torch.Generator().manual_seed(0)
    ids = torch.tensor([[CLS, SEP, SEP]])
    out, chosen = mask_kmers(ids, 6, 0.9, 4101, rng)
    assert torch.equal(out, ids)
    assert not chosen.any()
