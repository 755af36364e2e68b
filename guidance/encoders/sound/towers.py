"""The towers of ImageBind for images, texts and sounds, with the names of its checkpoint.

The checkpoint holds three more modalities (depth, thermal, motion sensors), which are not built.

Source: Girdhar et al. 2023, "ImageBind: One Embedding Space To Bind Them All" (arXiv 2305.05665).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from guidance.encoders.towers.frozen import FrozenAttention

#: Heads of attention, which the tensors do not tell; the sides of a spectrogram, and the side and
#: distance of its patches.
IMAGE_HEADS, TEXT_HEADS, SOUND_HEADS = 16, 16, 12
MEL_BINS, MEL_FRAMES, MEL_PATCH, MEL_STRIDE = 128, 204, 16, 10
#: Patches of an image are this many pixels a side, of two equal frames.
FRAMES = 2


class Sizes(NamedTuple):
    """The sizes of a tower."""

    width: int
    layers: int
    positions: int


class Block(nn.Module):
    """Self-attention and two layers, each on normalized tokens and added to them."""

    def __init__(self, width: int, heads: int, bias_kv: bool) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, add_bias_kv=bias_kv, batch_first=True)
        self.norm_1, self.norm_2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width)})
        self.mlp["fc2"] = nn.Linear(4 * width, width)

    def forward(
        self, tokens: Float[Tensor, "b t c"], mask: Float[Tensor, "t t"] | None = None
    ) -> Float[Tensor, "b t c"]:
        x = self.norm_1(tokens)
        tokens = tokens + self.attn(x, x, x, need_weights=False, attn_mask=mask)[0]
        x = F.gelu(self.mlp["fc1"](self.norm_2(tokens)))
        return tokens + self.mlp["fc2"](x)  # type: ignore[no-any-return]


class ImageTower(nn.Module):
    """A vision transformer: of a first token, the output is projected."""

    def __init__(self, sizes: Sizes, patch: int, dimension: int) -> None:
        super().__init__()
        side = round((sizes.positions - 1) ** 0.5)
        self.image_size = side * patch
        # The two frames of a patch are equal, so that their kernels can be added.
        self.patches = nn.Conv2d(3, sizes.width, patch, patch, bias=False)
        self.first = nn.Parameter(torch.empty(1, 1, sizes.width))
        self.positions = nn.Parameter(torch.empty(1, sizes.positions, sizes.width))
        self.norm = nn.LayerNorm(sizes.width, eps=1e-6)
        blocks = [Block(sizes.width, IMAGE_HEADS, False) for _ in range(sizes.layers)]
        self.blocks = nn.ModuleList(blocks)
        self.head_norm = nn.LayerNorm(sizes.width, eps=1e-6)
        self.head = nn.Linear(sizes.width, dimension, bias=False)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        patches = self.patches(images).flatten(2).mT
        tokens = torch.cat([self.first.expand(len(patches), -1, -1), patches], 1)
        tokens = self.norm(tokens + self.positions)
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.head_norm(tokens[:, 0]))  # type: ignore[no-any-return]

    def freeze_attention(self) -> None:
        """Replaces the attention by the faster one for frozen weights."""
        for block in self.blocks:
            block.attn = FrozenAttention(block.attn)  # type: ignore[arg-type]


class TextTower(nn.Module):
    """A causal transformer: the output at the end of the text is projected."""

    def __init__(self, sizes: Sizes, vocabulary: int, dimension: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, sizes.width)
        self.positions = nn.Parameter(torch.empty(1, sizes.positions, sizes.width))
        blocks = [Block(sizes.width, TEXT_HEADS, False) for _ in range(sizes.layers)]
        self.blocks = nn.ModuleList(blocks)
        self.head_norm = nn.LayerNorm(sizes.width, eps=1e-6)
        self.head = nn.Linear(sizes.width, dimension, bias=False)

    def forward(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        count = tokens.shape[1]
        x = self.embedding(tokens) + self.positions[:, :count]
        mask = torch.full((count, count), -torch.inf, device=x.device, dtype=x.dtype).triu(1)
        for block in self.blocks:
            x = block(x, mask)
        end = tokens.argmax(-1)  # its token is the greatest
        return self.head(self.head_norm(x[torch.arange(len(x)), end]))  # type: ignore[no-any-return]


class SoundTower(nn.Module):
    """A vision transformer over a mel spectrogram, with overlapping patches."""

    def __init__(self, sizes: Sizes, dimension: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, sizes.width, MEL_PATCH, MEL_STRIDE, bias=False)
        self.patch_norm = nn.LayerNorm(sizes.width)
        self.first = nn.Parameter(torch.empty(1, 1, sizes.width))
        self.positions = nn.Parameter(torch.empty(1, sizes.positions, sizes.width))
        blocks = [Block(sizes.width, SOUND_HEADS, True) for _ in range(sizes.layers)]
        self.blocks = nn.ModuleList(blocks)
        self.head_norm = nn.LayerNorm(sizes.width, eps=1e-6)
        self.head = nn.Linear(sizes.width, dimension, bias=False)

    def forward(self, spectrograms: Float[Tensor, "b 1 bins frames"]) -> Float[Tensor, "b d"]:
        patches = self.patch_norm(self.patches(spectrograms).flatten(2).mT)
        tokens = torch.cat([self.first.expand(len(patches), -1, -1), patches], 1) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.head_norm(tokens[:, 0]))  # type: ignore[no-any-return]


class Towers(nn.Module):
    """The three towers, with the interface of open_clip's models."""

    def __init__(self, visual: ImageTower, text: TextTower, sound: SoundTower) -> None:
        super().__init__()
        self.visual, self.text, self.sound = visual, text, sound
        self.logit_scale = nn.Parameter(torch.empty(()))
        self.vocab_size = text.embedding.num_embeddings

    def encode_text(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        """Vectors of texts, not normalized."""
        return self.text(tokens)  # type: ignore[no-any-return]
