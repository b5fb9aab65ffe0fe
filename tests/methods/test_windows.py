"""Windows over blocks: lengths, each base once, the bases round it, tokens, and the states of cores."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from splice_blocks import BLOCK, gene_blocks

from genebert.errors import InputError
from genebert.evaluation.kinds.base_classes import BaseClasses
from genebert.genome.kmers import CLS, SEP, kmer_ids
from genebert.methods.layouts import SHORTEST, Layout, make_layout
from genebert.methods.windows import Windows, core_states

KIND = BaseClasses({})
contexts = st.none() | st.integers(1, 1500).map(lambda n: 2 * n)


@given(contexts, st.sampled_from([64, 100, 512, 5120]), st.integers(3, 6))
def test_windows_fit_the_encoder_and_show_the_context(context, positions, k):
    layout = make_layout(context, positions, k)
    assert layout.piece - k + 3 <= positions  # [CLS], k-mers, [SEP]
    assert 0 <= layout.bases - layout.core - 2 * layout.margin < layout.pieces
    assert layout.core >= min(SHORTEST, (positions + k - 3) // 8)
    if context is None:
        assert layout.piece == positions + k - 3 and layout.margin == layout.piece // 8
    else:
        assert layout.margin == context // 2 and layout.core <= max(layout.margin, SHORTEST)
    if layout.pieces == 1:
        assert layout.border == 0 and layout.piece == layout.bases
    else:
        assert 0 < layout.border <= layout.margin and context > layout.piece - 2 * SHORTEST - layout.piece // 8


def test_the_paper_s_contexts_in_512_positions():
    """With 3-mers; a base sees the context at least, and as much again as half of it at most, or the piece."""
    found = {context: make_layout(context, 512, 3) for context in (80, 256, 400, 2000, None)}
    assert {name: (one.pieces, one.bases, one.core) for name, one in found.items()} == {
        80: (1, 120, 40), 256: (1, 384, 128), 400: (1, 512, 112), 2000: (8, 3000, 1000), None: (1, 512, 384),
    }  # fmt: skip


def test_positions_that_are_too_few():
    with pytest.raises(
        InputError, match="max_tokens: found 20, expected at least 45 for the classes of bases with k 6"
    ):
        make_layout(None, 20, 6)


@settings(deadline=None, max_examples=40)
@given(contexts, st.integers(1, 6), st.data())
def test_every_base_has_one_core_with_its_neighbours(context, n, data):
    """Labels and bases of windows, put together again, are those of the blocks; what is round them is read."""
    layout = make_layout(context, 64, 3)
    examples = gene_blocks(n, 0)
    windows = Windows(examples, BLOCK, layout)
    rows = np.arange(len(windows))
    joined = windows.joined(windows.labels[..., None].astype(float))[..., 0]
    assert np.array_equal(joined, examples.labels)
    codes = windows.codes(rows)
    assert codes.shape == (len(windows), layout.bases)
    inner = windows.joined(codes[:, layout.margin : layout.margin + layout.core, None].astype(float))[..., 0]
    assert np.array_equal(inner, examples.codes()[0])
    row = data.draw(st.integers(0, len(windows) - 1))
    block, place = divmod(row, windows.per_block)
    flank = layout.bases + BLOCK
    wide = examples.codes(np.array([block]), flank=flank)[0][0]
    start = flank + place * layout.core - layout.margin
    assert np.array_equal(codes[row], wide[start : start + layout.bases])
    some = np.array([row, 0, row])
    assert np.array_equal(windows.codes(some), codes[some])


@pytest.mark.parametrize("context", [None, 20, 300])
def test_tokens_are_those_of_the_pieces(context):
    layout = make_layout(context, 64, 3)
    windows = Windows(gene_blocks(3, 0), BLOCK, layout)
    rows = np.array([0, 2, len(windows) - 1])
    tokens, codes = windows.tokens(rows, 3), windows.codes(rows)
    ids, mask = tokens.batch(torch.tensor([1, 2]))
    assert mask is None and ids.shape == (2 * layout.pieces, layout.piece - 3 + 3)
    for number, (window, piece) in enumerate((w, p) for w in (1, 2) for p in range(layout.pieces)):
        bases = codes[window, piece * layout.inner : piece * layout.inner + layout.piece]
        assert ids[number].tolist() == [CLS, *kmer_ids(bases, 3), SEP]
    assert len(tokens.order()) == 3


def test_tokens_are_made_a_part_at_a_time(monkeypatch):
    windows = Windows(gene_blocks(3, 0), BLOCK, make_layout(300, 64, 3))
    rows = np.arange(len(windows))
    whole = windows.tokens(rows, 3)
    monkeypatch.setattr("genebert.methods.windows.AT_ONCE", 700)
    assert torch.equal(windows.tokens(rows, 3).ids, whole.ids)


def _states(windows: Windows, layout: Layout) -> torch.Tensor:
    """Return the states of cores where the last hidden state of a token is its id."""
    ids = windows.tokens(np.arange(len(windows)), 3).ids
    return core_states(ids[..., None].float(), None, KIND, 3, layout)


@pytest.mark.parametrize("context", [None, 20])
def test_the_state_of_a_base_is_the_mean_of_its_k_mers(context):
    layout = make_layout(context, 64, 3)
    windows = Windows(gene_blocks(2, 0), BLOCK, layout)
    found = _states(windows, layout)
    assert found.shape == (len(windows), layout.core, 1)
    kmers = kmer_ids(windows.codes(np.arange(len(windows))), 3).astype(float)
    m = layout.margin
    expected = np.stack([kmers[:, m + i - 2 : m + i + 1].mean(1) for i in range(layout.core)], 1)
    assert found[..., 0].numpy() == pytest.approx(expected, rel=1e-6)


def test_pieces_give_the_states_of_one_long_window_and_their_mean_over_the_context():
    """k-mers of pieces are those of the whole window, but for the border, which is left out."""
    context = 300
    layout = make_layout(context, 64, 3)
    assert layout.pieces > 3
    windows = Windows(gene_blocks(2, 0), BLOCK, layout)
    found = _states(windows, layout).numpy()
    kmers = kmer_ids(windows.codes(np.arange(len(windows))), 3).astype(float)
    bases = np.stack([kmers[:, i - 2 : i + 1].mean(1) for i in range(layout.border, layout.bases - layout.border)], 1)
    first = layout.margin - layout.border
    assert found[..., 0] == pytest.approx(bases[:, first : first + layout.core], rel=1e-5)
    around = np.stack([bases[:, i : i + 2 * first + 1].mean(1) for i in range(layout.core)], 1)
    assert found[..., 1] == pytest.approx(around, rel=1e-4)
