"""Attention among tokens of rows that differ in length, without padding.

Rows of a batch hardly ever have the same length. On a GPU the kernels that take a mask of padding are so slow that a
step of 8 samples of 4,100 to 5,100 tokens is 1.5 times as fast where all rows are joined to one, in which each token
attends to those of its own row (docs/pretraining.md). A CPU has no kernel for that: it pads, and masks.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ROWS = "rows"  # the implementation's name in a configuration of transformers


def _attend(
    module: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None,
    rows: tuple[torch.Tensor, int] | None = None, **more: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """Attend to all tokens of the same row; without `rows` as ``sdpa``: [rows, tokens, heads, width]."""
    if rows is None:
        return sdpa_attention_forward(module, query, key, value, mask, **more)
    offsets, longest = rows

    def split(joined: torch.Tensor) -> torch.Tensor:
        values = joined[0].transpose(0, 1)
        return torch.nested.nested_tensor_from_jagged(values, offsets, min_seqlen=1, max_seqlen=longest).transpose(1, 2)

    found = functional.scaled_dot_product_attention(
        split(query), split(key), split(value), dropout_p=more["dropout"], scale=more["scaling"]
    )
    return found.transpose(1, 2).values()[None], None


AttentionInterface.register(ROWS, _attend)
AttentionMaskInterface.register(ROWS, sdpa_mask)


def encode_joined(bert: nn.Module, ids: torch.Tensor, segments: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """Return the last hidden states of padded rows, 0 for padding, of a BERT whose attention is `ROWS`.

    Parameters
    ----------
    ids, segments : int64 [rows, tokens]
    shown : bool [rows, tokens]
        Which tokens are no padding; each row has some.

    Returns
    -------
    float [rows, tokens, hidden]
    """
    lengths = shown.sum(1)
    places = shown.flatten().nonzero()[:, 0]
    offsets = functional.pad(lengths.cumsum(0), (1, 0))
    joined = bert(
        ids.flatten()[places][None],
        token_type_ids=segments.flatten()[places][None],
        position_ids=(places % ids.shape[1])[None],
        rows=(offsets, ids.shape[1]),
    ).last_hidden_state[0]
    return joined.new_zeros(ids.numel(), joined.shape[1]).index_copy(0, places, joined).view(*ids.shape, -1)
