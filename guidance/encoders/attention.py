"""Self-attention of frozen towers, without the slow path of `nn.MultiheadAttention`."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class FrozenAttention(nn.Module):
    """The self-attention of an `nn.MultiheadAttention` whose weights do not change any more.

    With frozen weights in bfloat16 and more than one picture, torch's module runs its projections
    as batched products on copies of the weights, about 3 times slower on a CPU than one product
    over all tokens, which is what this does. It takes the place of the module in open_clip's
    blocks: the same arguments, the same result up to rounding (1e-5 in float32).
    """

    def __init__(self, stock: nn.MultiheadAttention) -> None:
        super().__init__()
        self.heads = stock.num_heads
        self.in_weight = stock.in_proj_weight
        self.in_bias = stock.in_proj_bias
        self.out = stock.out_proj

    def forward(
        self,
        query: Float[Tensor, "b t c"],
        key: Float[Tensor, "b t c"],
        value: Float[Tensor, "b t c"],
        need_weights: bool = False,
        attn_mask: Float[Tensor, "..."] | None = None,
    ) -> tuple[Float[Tensor, "b t c"], None]:
        """Attention of the tokens among themselves; the mask is added to the logits."""
        assert query is key and key is value and not need_weights, "self-attention only"
        b, t, c = query.shape
        projected = F.linear(query, self.in_weight, self.in_bias)
        q, k, v = projected.view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
        return self.out(mixed.transpose(1, 2).reshape(b, t, c)), None


def speed_up_attention(tower: nn.Module) -> int:
    """Replaces the self-attention of open_clip's residual blocks; returns how many there were.

    Towers of timm have scaled dot-product attention already and are left as they are, and so are
    attentional poolers, whose queries are not the tokens.
    """
    from open_clip.transformer import ResidualAttentionBlock

    replaced = 0
    for block in tower.modules():
        if not isinstance(block, ResidualAttentionBlock) or hasattr(block, "ln_1_kv"):
            continue
        stock = block.attn
        if stock.batch_first and stock.bias_k is None and not stock.add_zero_attn:
            block.attn = FrozenAttention(stock)
            replaced += 1
    return replaced
