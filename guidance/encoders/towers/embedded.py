"""The embedded image-text models without open_clip and timm, whose import takes 0.6 s.

Weights, tensor names and results are those of open_clip's CLIP. Models of users are built by
open_clip, also those whose configuration names the same towers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from guidance.encoders.towers.mini_judge import CHANNELS, AttentionPool, JudgeTower
from guidance.encoders.towers.mini_tower import MINI, MiniTower


class _ImageTower(nn.Module):
    """A network and what makes vectors of its output."""

    def __init__(self, config: Mapping[str, Any], embed_dim: int) -> None:
        super().__init__()
        self.image_size = (config["image_size"], config["image_size"])
        head: OrderedDict[str, nn.Module] = OrderedDict()
        self.trunk: MiniTower | JudgeTower
        if config["timm_model_name"] == "guidance_mini_judge":
            self.trunk = JudgeTower()
            head["pool"] = AttentionPool(CHANNELS[-1], embed_dim)
        else:
            self.trunk = MiniTower(**MINI)
            head["proj"] = nn.Linear(self.trunk.num_features, embed_dim, bias=False)
        self.head = nn.Sequential(head)

    def forward_intermediates(
        self, images: Float[Tensor, "b 3 h w"], intermediates_only: bool = True
    ) -> dict[str, Any]:
        """Part of open_clip's interface: the maps of the network."""
        return {"image_intermediates": self.trunk.forward_intermediates(images)}

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        vectors: Tensor = self.head(self.trunk(images))
        return vectors


class _Block(nn.Module):
    """Attention and a perceptron, each after a norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        layers = {"c_fc": nn.Linear(width, 4 * width), "gelu": nn.GELU()}
        self.mlp = nn.Sequential(OrderedDict(layers, c_proj=nn.Linear(4 * width, width)))

    def forward(
        self, x: Float[Tensor, "b t c"], mask: Float[Tensor, "t t"]
    ) -> Float[Tensor, "b t c"]:
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class _Transformer(nn.Module):
    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))


class EmbeddedClip(nn.Module):
    """An image tower and a causal text transformer, with the interface of open_clip's CLIP.

    Args:
        config: open_clip's `model_cfg` of an embedded model.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        text = config["text_cfg"]
        width, length = text["width"], text["context_length"]
        self.vocab_size: int = text["vocab_size"]
        self.visual = _ImageTower(config["vision_cfg"], config["embed_dim"])
        self.transformer = _Transformer(width, text["layers"], text["heads"])
        self.token_embedding = nn.Embedding(self.vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(length, width))
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, config["embed_dim"]))
        self.logit_scale = nn.Parameter(torch.empty(()))

    def encode_text(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        """Vectors of texts: the output at the end of the text, which has the greatest number."""
        # Attention is causal, so what follows the ends changes nothing.
        length = int(tokens.argmax(-1).max()) + 1
        tokens = tokens[:, :length]
        x = self.token_embedding(tokens) + self.positional_embedding[:length]
        mask = torch.full((length, length), -torch.inf, device=x.device).triu(1)
        for block in self.transformer.resblocks:
            x = block(x, mask)
        ends = torch.arange(len(x), device=x.device), tokens.argmax(-1)
        vectors: Tensor = self.ln_final(x)[ends] @ self.text_projection
        return vectors
