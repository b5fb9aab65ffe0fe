"""Attention by the kernel that is fastest where it runs; the tokens of rows that differ in length see their own row.

Measured as whole steps (docs/pretraining.md):

* GPU. Kernels that take a mask of padding are slow, and rows of a batch hardly ever have the same length. Joined to one
  row, in which each token attends to those of its own, they take two thirds of the time.
* CPU, bfloat16, training. torch's fused kernel is slow backwards in short rows, and where there is dropout of attention
  it is none: matrix products and a softmax, as written down in Hugging Face's BERT, take 0.6 to 0.75 of the time.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.models.bert.modeling_bert import eager_attention_forward

ATTENTION = "genebert"  # the implementation's name in a configuration of transformers
# Tokens a row from which on the fused kernel of a CPU is faster in bfloat16: both took the same with about 400.
FUSED_FROM = 400


def _attend(
    module: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None,
    rows: tuple[torch.Tensor, int] | None = None, **more: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """Return states [rows, tokens, heads, width]; `rows`: offsets of joined rows, and the most tokens of one."""
    if rows is not None:
        return _attend_joined(query, key, value, *rows, **more), None
    # Not by whether there are gradients: gradient caching wants the same dropout with and without.
    trains = module.training and query.dtype == torch.bfloat16 and query.device.type == "cpu"
    if trains and (more["dropout"] > 0 or query.shape[2] < FUSED_FROM):
        if mask is not None:
            mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, torch.finfo(query.dtype).min)
        return eager_attention_forward(module, query, key, value, mask, **more)[0], None
    return sdpa_attention_forward(module, query, key, value, mask, **more)


def _attend_joined(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, offsets: torch.Tensor, longest: int,
    *, dropout: float, scaling: float, **_: Any,
) -> torch.Tensor:  # fmt: skip
    def split(joined: torch.Tensor) -> torch.Tensor:
        values = joined[0].transpose(0, 1)
        return torch.nested.nested_tensor_from_jagged(values, offsets, min_seqlen=1, max_seqlen=longest).transpose(1, 2)

    found = functional.scaled_dot_product_attention(
        split(query), split(key), split(value), dropout_p=dropout, scale=scaling
    )
    return found.transpose(1, 2).values()[None]


AttentionInterface.register(ATTENTION, _attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def encode_joined(
    bert: nn.Module,
    ids: torch.Tensor,
    segments: torch.Tensor,
    shown: torch.Tensor,
    owners: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the last hidden states of padded rows, 0 for padding, of a BERT whose attention is :data:`ATTENTION`.

    Parameters
    ----------
    ids, segments : int64 [rows, tokens]
    shown : bool [rows, tokens]
        Which tokens are no padding; each row has some.
    owners : int64 [rows, tokens], optional
        For a BERT with a convolution, which has borders where they change; each row begins with a negative one.

    Returns
    -------
    float [rows, tokens, hidden]
    """
    lengths = shown.sum(1)
    places = shown.flatten().nonzero()[:, 0]
    offsets = functional.pad(lengths.cumsum(0), (1, 0))
    more = {} if owners is None else {"owners": owners.flatten()[places][None]}
    joined = bert(
        ids.flatten()[places][None],
        token_type_ids=segments.flatten()[places][None],
        position_ids=(places % ids.shape[1])[None],
        rows=(offsets, ids.shape[1]),
        **more,
    ).last_hidden_state[0]
    return joined.new_zeros(ids.numel(), joined.shape[1]).index_copy(0, places, joined).view(*ids.shape, -1)
