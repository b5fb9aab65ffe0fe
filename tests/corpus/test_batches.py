import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from genebert.corpus import batches, masks
from genebert.corpus.batches import SampleEncoder
from genebert.corpus.masks import SPAN_OFFSETS, mask_kmers
from genebert.corpus.order import Draw
from genebert.genome.bases import decode, reverse_complement
from genebert.genome.kmers import CLS, MASK, PAD, SEP, SPECIALS, UNK, kmer_ids, vocabulary
from genebert.genome.sequences import RegionSequences

CPU = torch.device("cpu")


def toy_sequences(lengths, seed=0, n_share=0.02):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    codes = rng.integers(0, 4, offsets[-1]).astype(np.uint8)
    codes[rng.random(len(codes)) < n_share] = 4
    return RegionSequences(codes, offsets, "toy")


def draw_of(regions, reverse=None):
    regions = np.asarray(regions, dtype=np.int64)
    n = len(regions)
    return Draw(regions, np.zeros(n, np.int64), np.arange(n), reverse)


def reference(sequences, regions, k):
    """Token ids, segment ids and regions of one sample's tokens, written out."""
    half = len(regions) // 2
    ids, segments, owners = [CLS], [0], [-1]
    for part, which in ((range(half), 0), (range(half, len(regions)), 1)):
        for number in part:
            kmers = kmer_ids(np.asarray(sequences[regions[number]]), k).tolist()
            ids += kmers
            segments += [which] * len(kmers)
            owners += [number] * len(kmers)
        ids.append(SEP)
        segments.append(which)
        owners.append(-1)
    return ids, segments, owners


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
        ids, segments, owners = reference(sequences, row, k)
        n = len(ids)
        assert batch.lengths[i] == n
        assert batch.ids[i, :n].tolist() == ids
        assert batch.segments[i, :n].tolist() == segments
        assert batch.owners[i, :n].tolist() == owners
        assert (batch.ids[i, n:] == PAD).all()
        assert (batch.owners[i, n:] == -1).all()
        # rows of the matrix follow the regions shown
        assert np.array_equal(batch.motifs[i].numpy(), motifs[row].astype(np.float32))
    assert batch.shortened == 0 and batch.first == 0


@pytest.mark.parametrize(("motifs", "size"), [(None, 200), (np.zeros((2, 7), np.float16), 228)])
@pytest.mark.parametrize(("short", "home"), [(0, "cuda"), (1, "cpu")])
def test_tables_stay_with_the_host_where_half_a_gpu_does_not_hold_them(monkeypatch, motifs, size, short, home):
    """Two bytes a base and those of the matrix; `size` of them, and free memory of twice that or a byte less."""
    places = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * size - short, 10**12))
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, place: places.append(place.type) or tensor)
    SampleEncoder(toy_sequences([60, 40]), motifs, 6, 512, torch.device("cuda"))
    assert set(places) == {home}


@given(lengths=st.lists(st.integers(0, 80), min_size=4, max_size=4), room=st.integers(4, 200))
@example(lengths=[12, 22, 2, 12], room=43)  # 40 k-mers: it just fits
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


def test_each_sample_is_cropped_by_its_own_length():
    sequences = toy_sequences([30, 5, 60, 12, 41, 2, 70, 80, 9, 9, 9, 9])
    encoder = SampleEncoder(sequences, None, 3, 60, CPU)
    rows = np.arange(12).reshape(3, 4)
    batch = encoder.encode(draw_of(rows))
    assert batch.shortened == 2
    for i, row in enumerate(rows):
        alone = encoder.encode(draw_of([row]))
        assert torch.equal(batch.ids[i, : batch.lengths[i]], alone.ids[0])


def test_a_table_made_in_pieces_is_the_whole_one(monkeypatch):
    """K-mers across the border of two pieces are there, whatever the size of a piece."""
    sequences = toy_sequences([70, 50])
    whole = SampleEncoder(sequences, None, 6, 512, CPU).encode(draw_of([[0, 1]]))
    assert whole.ids[0].tolist() == reference(sequences, [0, 1], 6)[0]
    for size in (7, 64, 119, 120):
        monkeypatch.setattr(batches, "_TABLE_BASES", size)
        assert torch.equal(SampleEncoder(sequences, None, 6, 512, CPU).encode(draw_of([[0, 1]])).ids, whole.ids), size


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
    out, chosen = mask_kmers(ids, k, rate, len(SPECIALS) + 4**k, seed)
    return ids, out, chosen


@pytest.mark.parametrize("rate", [0.15, 0.20])
def test_share_of_masked_kmers(rate):
    _, _, chosen = masked(rate, shape=(640, 2000))
    # overlapping spans: 1 - (1 - p/k)^k, not p; 27,000 centres make a standard error of 0.001
    expected = 1 - (1 - rate / 6) ** 6
    assert abs(chosen[:, 710:1980].float().mean() - expected) < 0.004


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


def test_masks_equal_a_plain_loop():
    """SplitMix64's output for the counter row * 2^32 + 2 * place, in Python's integers (docs/facts.md 16)."""

    def bits(counter):
        x = (counter * 0x9E3779B97F4A7C15 + seed) % 2**64
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
        return (x ^ x >> 31) % 2**63

    for seed in (0, 2**63 - 1):
        counters = np.random.default_rng(0).integers(0, 2**62, 99)
        assert masks._hash(torch.from_numpy(counters), seed).tolist() == [bits(int(c)) for c in counters]
    seed, rows, tokens, size, first = 2**62 + 12345, 6, 80, 4101, 9
    ids, _, _ = masked(0.15, shape=(rows, 2000))
    ids = ids[:, 680 : 680 + tokens]  # with a [SEP]
    expected = ids.tolist()
    counters = [[(first + row) * 2**32 + 2 * place for place in range(tokens)] for row in range(rows)]
    chosen = [[False] * tokens for _ in range(rows)]
    for row, place in np.ndindex(rows, tokens):
        if ids[row, place] >= len(SPECIALS) and bits(counters[row][place]) < 0.5 / 6 * 2**63:
            for near in range(max(place - 2, 0), min(place + 4, tokens)):
                chosen[row][near] = bool(ids[row, near] >= len(SPECIALS))
    for row, place in zip(*np.nonzero(chosen), strict=True):
        fate, random = divmod(bits(counters[row][place] + 1), 2**32)
        if fate < 0.8 * 2**31:
            expected[row][place] = MASK
        elif fate >= 0.9 * 2**31:
            expected[row][place] = random % size
    out, found = mask_kmers(ids, 6, 0.5, size, seed, first)
    assert found.tolist() == chosen and out.tolist() == expected
    assert 100 < found.sum() < 300 and ((out != ids) & (out != MASK)).any()


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


@pytest.mark.parametrize(("k", "after", "before"), [(3, 1, 1), (4, 2, 1), (5, 2, 2), (6, 3, 2)])
def test_spans_reach_as_far_from_their_centre_as_dnaberts(k, after, before):
    """docs/facts.md 16; a centre in the first or last place leaves the part of its span that lies inside the row."""
    _, chosen = mask_kmers(torch.full((4000, 60), 7), k, 0.006 * k, 4101, 0)
    at_start, at_end = (side.int().cumprod(1).sum(1) for side in (chosen, chosen.flip(1)))
    assert at_start[at_start > 0].min() == 1 + after
    assert at_end[at_end > 0].min() == 1 + before


def test_short_input_and_nothing_to_mask():
    ids = torch.tensor([[CLS, SEP, SEP]])
    out, chosen = mask_kmers(ids, 6, 0.9, 4101, 0)
    assert torch.equal(out, ids)
    assert not chosen.any()


@given(seed=st.integers(0, 2**63 - 1), cut=st.integers(0, 6), first=st.integers(0, 2**20))
def test_masks_do_not_depend_on_how_rows_and_lengths_are_cut(seed, cut, first):
    ids = torch.from_numpy(np.random.default_rng(0).integers(5, 4101, (6, 40)))
    whole = mask_kmers(ids, 6, 0.5, 4101, seed, first)
    parts = [
        mask_kmers(part, 6, 0.5, 4101, seed, start) for part, start in ((ids[:cut], first), (ids[cut:], first + cut))
    ]
    for i in range(2):
        assert torch.equal(whole[i], torch.cat([part[i] for part in parts]))
    padded = torch.cat([ids, torch.full((6, 9), PAD)], 1)
    masked, chosen = mask_kmers(padded, 6, 0.5, 4101, seed, first)
    assert torch.equal(masked[:, :40], whole[0])
    assert not chosen[:, 40:].any()


def test_masks_differ_between_rows_steps_and_places():
    ids = torch.full((200, 300), 77)
    share = 1 - (1 - 0.3 / 6) ** 6
    _, a = mask_kmers(ids, 6, 0.3, 4101, 1)
    _, b = mask_kmers(ids, 6, 0.3, 4101, 2)
    inner = slice(10, 290)
    for x, y in ((a, b), (a[:-1], a[1:]), (a[:, :-20], a[:, 20:])):
        both = (x & y)[:, inner].float().mean()
        assert abs(both - share**2) < 0.01  # as if independent
    # no lattice in the underlying numbers: neighbouring rows do not share centres more often than chance
    columns = np.corrcoef(a[:, inner].float().numpy())
    assert abs(columns[~np.eye(200, dtype=bool)]).mean() < 0.12


@pytest.mark.parametrize("layout", ["concatenated", "windows"])
@given(
    lengths=st.lists(st.integers(0, 40), min_size=8, max_size=8),
    k=st.integers(3, 6),
    seed=st.integers(0, 1000),
    cropped=st.booleans(),
)
def test_reverse_strand_is_the_reverse_complement(layout, lengths, k, seed, cropped):
    """Tokens of a region read backwards are those of its reverse complement read forwards, N and crops included."""
    cropped &= layout == "windows"
    if cropped:  # to 18 k-mers of an even number: of an odd one the crop lies one base to the left, on either strand
        lengths = [2 * n + (k - 1) % 2 for n in lengths]
    sequences = toy_sequences(lengths, seed)
    regions = np.arange(8).reshape(2, 4)
    reverse = np.random.default_rng(seed).random(regions.shape) < 0.5
    turned = [np.asarray(sequences[i]) for i in range(8)]
    turned = [reverse_complement(c) if back else c for c, back in zip(turned, reverse.flat, strict=True)]
    turned = RegionSequences(np.concatenate(turned), sequences.offsets, "turned")
    room = 20 if cropped else 10_000
    found = SampleEncoder(sequences, None, k, room, CPU, layout).encode(draw_of(regions, reverse))
    expected = SampleEncoder(turned, None, k, room, CPU, layout).encode(draw_of(regions))
    for name in ("ids", "segments", "lengths", "owners"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name


def test_windows_are_one_row_a_region():
    sequences = toy_sequences([30, 5, 60, 12, 41, 2])
    regions = np.array([[0, 1, 2, 3], [5, 4, 3, 2]])
    encoder = SampleEncoder(sequences, None, 6, 20, CPU, "windows")
    batch = encoder.encode(draw_of(regions), first=7)
    assert batch.first == 7 and batch.shortened == 2
    assert batch.ids.shape[0] == 8 and not batch.segments.any()
    for row, region in enumerate(regions.flatten()):
        kmers = kmer_ids(np.asarray(sequences[region]), 6)
        cut = max(0, len(kmers) - 18)
        kmers = kmers[cut // 2 : cut // 2 + 18].tolist()
        n = int(batch.lengths[row])
        assert batch.ids[row, :n].tolist() == [CLS, *kmers, SEP]
        assert (batch.ids[row, n:] == PAD).all()
