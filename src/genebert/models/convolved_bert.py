"""BERT over overlapping k-mers, and beside its embeddings a convolution over the bases of both strands.

This file stands alone: a model folder holds a copy of it, from which `transformers` loads the folder with
``trust_remote_code=True``. It needs torch and transformers, and knows the vocabulary by its form: five special tokens,
then all k-mers over A, T, C, G in product order.

Overlapping k-mers are 4,096 unrelated tokens: two that differ in a base have nothing in common, and a motif of 19 bases
is thousands of rows of them. A filter over bases is a motif matrix, which a few hundred examples are enough for.
"""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertModel, PreTrainedModel
from transformers import initialization as init

PAD, UNK, CLS, SEP, MASK = SPECIALS = range(5)
OUTSIDE = (PAD, CLS, SEP)  # tokens that stand for no base, between stretches of sequence
COMPLEMENT = [1, 0, 3, 2]  # of A, T, C, G, the order of the vocabulary


class ConvolvedBertConfig(BertConfig):
    """BERT's configuration, and ``convolution``: its ``filters`` and their ``width`` in bases."""

    convolution: dict | None = None


class KmerConvolution(nn.Module):
    """Filters over the bases that k-mer tokens show, on both strands, as an addition to the tokens' embeddings.

    A base is what the tokens that cover it say, in equal parts; one that no token shows, as a base in the middle of a
    masked span, is none. So nothing is read but the ids. Of both strands the larger value counts: a site lies on one of
    them, and a sum would add to it what the other strand happens to look like.

    Parameters
    ----------
    filters, width : int
        Number of filters, and bases of each.
    hidden : int
        Of the embeddings; filters are projected where their number is another.
    k : int
        Bases of a k-mer.
    """

    def __init__(self, filters: int, width: int, hidden: int, k: int):
        super().__init__()
        self.k, self.width = k, width
        self.filters = nn.Conv1d(4, filters, width)
        self.projection = nn.Identity() if filters == hidden else nn.Linear(filters, hidden, bias=False)
        self.scale = nn.Parameter(torch.ones(hidden))

    def forward(self, ids: torch.Tensor, owners: torch.Tensor | None = None) -> torch.Tensor:
        """Return what is added to the embeddings, float [rows, tokens, hidden]; 0 at tokens that stand for no base.

        Parameters
        ----------
        ids : int64 [rows, tokens]
        owners : int64 [rows, tokens], optional
            Number of the stretch of sequence that a token is of, negative for none. Without it tokens between [CLS],
            [SEP] and [PAD] are one stretch. No filter lies over the border of two.
        """
        inside, places = self.places(ids, owners)
        bases = self.bases(ids, places).to(self.filters.weight.dtype)
        weight, bias = self.filters.weight, self.filters.bias
        both = torch.cat([weight, weight[:, COMPLEMENT].flip(2)])
        # The middle of a window is the middle of its k-mer where both are odd; else both strands are half a base off.
        left = (self.width - 1) // 2
        found = F.conv1d(F.pad(bases.transpose(1, 2), (left, self.width - 1 - left)), both, bias.repeat(2))
        best = torch.maximum(*found.chunk(2, 1)).relu().transpose(1, 2)
        at = (places + self.k // 2)[..., None].expand(-1, -1, best.shape[2])
        return self.projection(best.gather(1, at)) * self.scale * inside[..., None]

    def places(self, ids: torch.Tensor, owners: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return which tokens are of a stretch (bool), and where the first base of each lies in its row (int64).

        Between stretches there is room for a k-mer and a filter, so that nothing reaches from one into another.
        """
        if owners is None:
            owners = torch.ones_like(ids)
            for token in OUTSIDE:
                owners = owners.masked_fill(ids == token, -1)
        inside = owners >= 0
        begins = inside & (owners != F.pad(owners[:, :-1], (1, 0), value=-1))
        before = (begins.cumsum(1) - 1).clamp(min=0)
        return inside, torch.arange(ids.shape[1], device=ids.device) + before * (self.k + self.width)

    def bases(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return the share of each base among those that tokens show at a place, float32 [rows, places, A T C G]."""
        code = ids.new_full((len(ids), int(places.max()) + self.k), -1).scatter_(1, places, ids - len(SPECIALS))
        known, letters = code[..., None] >= 0, torch.arange(4, device=ids.device)
        shown = torch.zeros(*code.shape, 4, device=ids.device)
        for i in range(self.k):
            letter = (code[..., None] >> 2 * (self.k - 1 - i)) & 3
            shown[:, i:] += ((letter == letters) & known)[:, : code.shape[1] - i]
        return shown / shown.sum(2, keepdim=True).clamp(min=1)


class _Convolved(PreTrainedModel):
    """What all networks with a convolution have."""

    config_class = ConvolvedBertConfig

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, KmerConvolution):
            init.ones_(module.scale)


class ConvolvedBertModel(_Convolved, BertModel):
    """BERT whose embeddings see bases too."""

    def __init__(self, config: ConvolvedBertConfig, add_pooling_layer: bool = True):
        super().__init__(config, add_pooling_layer)
        k = ((config.vocab_size - len(SPECIALS)).bit_length() - 1) // 2
        self.convolution = KmerConvolution(**config.convolution, hidden=config.hidden_size, k=k)
        self.post_init()

    def forward(
        self, input_ids: torch.Tensor | None = None, attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None, position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None, owners: torch.Tensor | None = None, **more,
    ):  # fmt: skip
        """Return what BERT returns; `owners` as in :meth:`KmerConvolution.forward`."""
        if input_ids is None or inputs_embeds is not None:
            raise ValueError("the convolution reads bases from input_ids; inputs_embeds have none")
        embeddings = self.embeddings.word_embeddings(input_ids) + self.convolution(input_ids, owners)
        more |= {"attention_mask": attention_mask, "token_type_ids": token_type_ids, "position_ids": position_ids}
        return super().forward(inputs_embeds=embeddings, **more)


class ConvolvedBertForPreTraining(_Convolved, BertForPreTraining):
    """The same with both heads of pre-training."""

    def __init__(self, config: ConvolvedBertConfig):
        super().__init__(config)
        self.bert = ConvolvedBertModel(config)
        self.post_init()


class ConvolvedBertForMaskedLM(_Convolved, BertForMaskedLM):
    """The same with the head for masked k-mers."""

    def __init__(self, config: ConvolvedBertConfig):
        super().__init__(config)
        self.bert = ConvolvedBertModel(config, add_pooling_layer=False)
        self.post_init()
