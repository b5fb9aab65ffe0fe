"""Rows joined to one, beside the same rows padded; and which kernel attends."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig, BertModel

from genebert.models import attention as module
from genebert.models.attention import ATTENTION, encode_joined
from genebert.models.genebert import shown_tokens


@pytest.fixture(scope="module")
def bert() -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40, initializer_range=0.5,
    )  # fmt: skip
    config._attn_implementation = ATTENTION
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
    config._attn_implementation = ATTENTION
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


def attend(module, training, dtype=torch.bfloat16, tokens=6, dropout=0.0, masked=True, seed=0):
    """Return what the states of two rows become, of which the second is padded."""
    generator = torch.Generator().manual_seed(seed)
    query, key, value = (torch.randn(2, 3, tokens, 8, generator=generator).to(dtype) for _ in range(3))
    mask = (
        shown_tokens(tokens, torch.tensor([tokens, 4]))[:, None, None].expand(2, 1, tokens, tokens) if masked else None
    )
    owner = torch.nn.Identity().train(training)
    owner.is_causal = False
    return module._attend(owner, query, key, value, mask, dropout=dropout, scaling=0.3)[0]


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2e-2), (torch.float32, 1e-6)])
def test_all_kernels_attend_to_the_same(masked, dtype, tolerance):
    plain = attend(module, False, torch.float32, masked=masked)
    for training in (True, False):
        assert torch.allclose(attend(module, training, dtype, masked=masked).float(), plain, atol=tolerance)


@pytest.mark.parametrize(
    ("training", "dtype", "tokens", "dropout", "plain"),
    [
        (True, torch.bfloat16, 6, 0.0, True),
        (True, torch.bfloat16, 399, 0.0, True),
        (True, torch.bfloat16, 400, 0.0, False),
        (True, torch.bfloat16, 400, 0.1, True),
        (True, torch.float32, 6, 0.1, False),
        (False, torch.bfloat16, 6, 0.0, False),
    ],
)
def test_which_kernel_is_taken(monkeypatch, training, dtype, tokens, dropout, plain):
    called = []
    for name in ("eager_attention_forward", "sdpa_attention_forward"):
        monkeypatch.setattr(module, name, lambda *_, name=name, **__: (called.append(name), None))
    attend(module, training, dtype, tokens, dropout)
    assert called == ["eager_attention_forward" if plain else "sdpa_attention_forward"]


def test_dropout_is_the_same_with_gradients_and_without(bert):
    """The contrast's two passes need that."""
    config = BertConfig.from_dict(bert.config.to_dict())
    config._attn_implementation = ATTENTION
    training = BertModel(config).train()
    ids = torch.arange(5, 25).view(2, 10)
    found = []
    for gradients in (True, False):
        torch.manual_seed(3)
        with torch.set_grad_enabled(gradients), torch.autocast("cpu", torch.bfloat16):
            found.append(training(ids).last_hidden_state.detach())
    assert torch.equal(*found)


def test_a_saved_configuration_does_not_name_it(bert, tmp_path):
    bert.save_pretrained(tmp_path)
    assert ATTENTION not in (tmp_path / "config.json").read_text()
