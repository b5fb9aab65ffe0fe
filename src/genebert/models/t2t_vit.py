"""T2T-ViT: tokens-to-token vision transformer (Yuan et al. 2021, arXiv 2101.11986), its form with performers.

Tensors have the names and shapes of the published checkpoints, so that those load.
"""

import math
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import nn
from torch.amp import is_autocast_available

# Table 7 name -> sizes of the published models (docs/facts.md 7).
T2T_SIZES = {
    "t2t-vit-14": {"embed_dim": 384, "depth": 14, "num_heads": 6},
    "t2t-vit-24": {"embed_dim": 512, "depth": 24, "num_heads": 8},
}
# The three soft splits shrink the image by 4, 2 and 2.
SHRINKAGE = 16
MLP_RATIO = 3
DROPOUT = 0.1  # of the performers
_FIRST = "tokens_to_token.attention1."


class TokenPerformer(nn.Module):
    """One narrow transformer layer whose attention costs time and memory in proportion to the tokens.

    The softmax kernel exp(q . k) is estimated with m positive random features ``exp(w_i . x - |x|^2 / 2) / sqrt(m)``
    (Performer, arXiv 2009.14794, lemma 1), w with orthogonal rows and fixed. Queries are not scaled, and the values
    take the place of the layer's input in the residual, because the layer changes the width.

    Parameters
    ----------
    in_dim, dim : int
        Width of the tokens that come in and go out.
    features : int
        m.
    """

    def __init__(self, in_dim: int, dim: int, features: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(in_dim)
        self.kqv = nn.Linear(in_dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(DROPOUT)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim), nn.Dropout(DROPOUT))
        self.w = nn.Parameter(torch.empty(features, dim), requires_grad=False)
        nn.init.orthogonal_(self.w, gain=math.sqrt(features))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the random features [batch, tokens, m] of x [batch, tokens, dim]."""
        exponent = x @ self.w.T - x.square().sum(-1, keepdim=True) / 2
        return exponent.exp() / math.sqrt(len(self.w))

    def attend(self, key: torch.Tensor, query: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """Return the mean of `value` weighted with the estimated kernel; all are [batch, tokens, dim]."""
        # Sums of thousands of exponentials: bfloat16 would lose them. (The meta device knows no autocast.)
        device = value.device.type
        with torch.autocast(device, enabled=False) if is_autocast_available(device) else nullcontext():
            key, query, value = self.features(key.float()), self.features(query.float()), value.float()
            weighted = query @ (key.transpose(1, 2) @ value)
            total = query @ key.sum(1)[..., None]
            return weighted / (total + 1e-8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return tokens [batch, tokens, dim] of tokens [batch, tokens, in_dim]."""
        key, query, value = self.kqv(self.norm1(x)).chunk(3, dim=-1)
        x = value + self.dropout(self.proj(self.attend(key, query, value)))
        return x + self.mlp(self.norm2(x))


class TokensToToken(nn.Module):
    """Soft splits: overlapping patches become tokens, a performer mixes them, and they are laid out as an image again.

    Tokens are `embed_dim` wide when they come out, and `token_dim` between.
    """

    def __init__(self, in_chans: int, embed_dim: int, token_dim: int):
        super().__init__()
        self.attention1 = TokenPerformer(in_chans * 7 * 7, token_dim, token_dim // 2)
        self.attention2 = TokenPerformer(token_dim * 3 * 3, token_dim, token_dim // 2)
        self.project = nn.Linear(token_dim * 3 * 3, embed_dim)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return tokens [batch, (size / 16)^2, embed_dim] of images [batch, in_chans, size, size]."""
        tokens = F.unfold(image, kernel_size=7, stride=4, padding=2).transpose(1, 2)
        for attention in (self.attention1, self.attention2):
            tokens = attention(tokens)
            edge = math.isqrt(tokens.shape[1])
            image = tokens.transpose(1, 2).unflatten(2, (edge, edge))
            tokens = F.unfold(image, kernel_size=3, stride=2, padding=1).transpose(1, 2)
        return self.project(tokens)


def sinusoids(rows: int, width: int) -> torch.Tensor:
    """Return the fixed position table float32 [rows, width] of "Attention is all you need", section 3.5."""
    column = torch.arange(width)
    angle = torch.arange(rows, dtype=torch.float64)[:, None] / 10000.0 ** (2 * (column // 2) / width).double()
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()


class T2TViT(nn.Module):
    """T2T-ViT with performers in the tokens-to-token module.

    The attention of the blocks is scaled by the root of a head's width, as in the training of the published weights.

    Parameters
    ----------
    embed_dim, depth, num_heads : int
        Of the transformer; T2T_SIZES has those of the published models.
    img_size : int
        Edge of the square image, a multiple of 16.
    num_classes : int
        0: no head, the output is the class token after the last normalisation.
    token_dim : int
        Width within the tokens-to-token module.
    """

    def __init__(
        self,
        embed_dim: int,
        depth: int,
        num_heads: int,
        *,
        img_size: int = 224,
        in_chans: int = 3,
        num_classes: int = 1000,
        token_dim: int = 64,
    ):
        super().__init__()
        if img_size % SHRINKAGE:
            raise ValueError(f"img_size: found {img_size}, expected a multiple of {SHRINKAGE}")
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim: found {embed_dim}, expected a multiple of num_heads, {num_heads}")
        self.num_features = embed_dim
        self.tokens_to_token = TokensToToken(in_chans, embed_dim, token_dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        positions = sinusoids((img_size // SHRINKAGE) ** 2 + 1, embed_dim)[None]
        self.pos_embed = nn.Parameter(positions, requires_grad=False)
        # timm's own norm has another epsilon.
        blocks = (Block(embed_dim, num_heads, MLP_RATIO, norm_layer=nn.LayerNorm) for _ in range(depth))
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, num_classes) if num_classes else nn.Identity()
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return features [batch, embed_dim] or logits [batch, num_classes] of images [batch, in_chans, size, size]."""
        tokens = self.tokens_to_token(image)
        tokens = torch.cat((self.cls_token.expand(len(tokens), -1, -1), tokens), dim=1) + self.pos_embed
        return self.head(self.norm(self.blocks(tokens))[:, 0])


def sum_colours(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors of a one-channel T2T-ViT that does with a grey image what `state` does with it three times.

    A soft split of three equal channels gives each patch three times in a row. Its normalised values are those of the
    single patch; scale and shift differ by colour, so they move into the linear layer that follows, and its columns are
    summed over colours: ``W' = sum_c W_c diag(g_c)``, ``bias' = bias + sum_c W_c b_c``, g' = 1, b' = 0.
    """
    weight, scale, shift = (state[_FIRST + name] for name in ("kqv.weight", "norm1.weight", "norm1.bias"))
    patch = len(scale) // 3
    return state | {
        _FIRST + "kqv.weight": (weight * scale).unflatten(1, (3, patch)).sum(1),
        _FIRST + "kqv.bias": state[_FIRST + "kqv.bias"] + weight @ shift,
        _FIRST + "norm1.weight": scale.new_ones(patch),
        _FIRST + "norm1.bias": scale.new_zeros(patch),
    }
