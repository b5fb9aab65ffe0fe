"""Rows joined to one, beside the same rows padded."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig, BertModel

from genebert.models.attention import ROWS, encode_joined
from genebert.models.genebert import shown_tokens


@pytest.fixture(scope="module")
def bert() -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40, initializer_range=0.5,
    )  # fmt: skip
    config._attn_implementation = ROWS
    return BertModel(config).eval()


@given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_states_and_gradients_are_those_of_padded_rows(bert, lengths, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = len(lengths), max(lengths) + seed % 3
    shown = shown_tokens(shape[1], torch.tensor(lengths))
    ids = torch.randint(5, 30, shape, generator=generator) * shown
    segments = torch.randint(0, 2, shape, generator=generator) * shown
    weights = torch.randn(*shape, 16, generator=generator) * shown[..., None]
    padded = bert(ids, attention_mask=shown, token_type_ids=segments).last_hidden_state
    joined = encode_joined(bert, ids, segments, shown)
    assert torch.allclose(joined[shown], padded[shown], atol=1e-5)
    assert not joined[~shown].any()
    parameters = list(bert.encoder.parameters()) + list(bert.embeddings.parameters())
    expected, found = (torch.autograd.grad((states * weights).sum(), parameters) for states in (padded, joined))
    for one, other in zip(expected, found, strict=True):
        assert torch.allclose(one, other, atol=1e-4 * float(one.abs().max()) + 1e-4)


def test_dropout_of_attention_is_drawn(bert):
    """It acts while training alone, on both ways to attend, and follows the seed."""
    shown = shown_tokens(12, torch.tensor([12, 7]))
    ids = torch.arange(24).view(2, 12).add(5) * shown
    config = BertConfig.from_dict(bert.config.to_dict() | {"hidden_dropout_prob": 0.0})
    config._attn_implementation = ROWS
    training = BertModel(config).train()
    training.load_state_dict(bert.state_dict())

    def states(model, seed):
        torch.manual_seed(seed)
        with torch.no_grad():
            return encode_joined(model, ids, torch.zeros_like(ids), shown)

    assert torch.equal(states(training, 1), states(training, 1))
    assert not torch.allclose(states(training, 1), states(training, 2))
    assert not torch.allclose(states(training, 1), states(bert, 1))
    assert torch.equal(states(bert, 1), states(bert, 2))
