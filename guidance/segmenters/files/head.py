"""A small network that compares each pixel of an image with a text, on features of an encoder."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

#: Channels of the feature maps of the mini encoders, from fine to coarse.
WIDTHS = (96, 192, 192, 384)
#: Channels of a pixel, of fine details, and of an encoder's texts.
WIDTH, DETAIL, TEXT = 32, 16, 256
WORD = re.compile(r"[a-z]+")


class RegionHead(nn.Module):
    """Logits of pixels for texts: the inner product of a vector of the pixel and one of the text.

    Feature maps are merged from coarse to fine, and with a few filters on the image itself at full
    resolution. The vector of a text is a linear map of its embedding, plus a learned vector for
    each known word in it: the embeddings of an encoder of objects hardly differ between parts.

    Source: the pyramid is that of FPN (arXiv 1612.03144), the inner product that of LSeg (arXiv
    2201.03546). The table of known words is an addition.

    Args:
        words: the known words, in lower case.
    """

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self.words = {word: index + 1 for index, word in enumerate(words)}  # 0: no word
        self.laterals = nn.ModuleList(nn.Conv2d(each, WIDTH, 1) for each in WIDTHS)
        self.merges = nn.ModuleList(_separable(WIDTH, WIDTH) for _ in WIDTHS[1:])
        self.detail = nn.Sequential(
            nn.Conv2d(3, DETAIL, 3, padding=1), nn.SiLU(), _separable(DETAIL, DETAIL)
        )
        self.pixels = nn.Sequential(
            _separable(WIDTH + DETAIL, WIDTH), _separable(WIDTH, WIDTH), nn.Conv2d(WIDTH, WIDTH, 1)
        )
        self.texts = nn.Linear(TEXT, WIDTH + 1)
        self.known = nn.Embedding(len(words) + 1, WIDTH + 1, padding_idx=0)
        nn.init.normal_(self.known.weight, std=0.3)
        with torch.no_grad():
            self.known.weight[0] = 0
            self.texts.bias[-1] = -2  # most pixels are outside
        self.register_buffer("text_mean", torch.zeros(TEXT))
        self.text_mean: Float[Tensor, "d"]

    def features(
        self, images: Float[Tensor, "b 3 h w"], maps: Sequence[Float[Tensor, "b _ _ _"]]
    ) -> Float[Tensor, "b d h w"]:
        """Vectors of pixels, of images in [0, 1] and the feature maps of their encoder."""
        merged = self.laterals[-1](maps[-1])
        merged = merged + merged.mean((2, 3), keepdim=True)
        for level in range(len(WIDTHS) - 2, -1, -1):
            finer = self.laterals[level](maps[level])
            merged = self.merges[level](finer + _enlarged(merged, finer.shape[-2:]))
        detail = self.detail(2 * images - 1)
        found: Tensor = self.pixels(torch.cat([_enlarged(merged, images.shape[-2:]), detail], 1))
        return found

    def queries(
        self, embeddings: Float[Tensor, "k t"], known: Int[Tensor, "k m"]
    ) -> Float[Tensor, "k d"]:
        """Vectors of texts from their embeddings and the numbers of their known words."""
        # Embeddings of parts differ little from their mean, so they are scaled.
        found: Tensor = self.texts(4 * (embeddings - self.text_mean)) + self.known(known).sum(1)
        return found

    def word_numbers(self, texts: Sequence[str]) -> Int[Tensor, "k m"]:
        """The numbers of the known words of each text, 0 in place of others."""
        rows = [
            [self.words[word] for word in WORD.findall(text.lower()) if word in self.words]
            for text in texts
        ]
        longest = max(1, *(len(row) for row in rows))
        return torch.tensor([row + [0] * (longest - len(row)) for row in rows])

    @staticmethod
    def logits(
        pixels: Float[Tensor, "b d h w"], queries: Float[Tensor, "b k dd"]
    ) -> Float[Tensor, "b k h w"]:
        """Logits of pixels; the last number of a text's vector is its bias."""
        return (
            torch.einsum("bdhw,bkd->bkhw", pixels, queries[..., :-1]) + queries[..., -1, None, None]
        )


def _enlarged(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Maps of strided convolutions at a finer size: number i lies at i times the stride.

    A convolution of stride s, kernel 3 and padding 1 reads its result number i around the input
    s i, not in the middle of the s inputs that it stands for.
    """
    stride = [round(fine / coarse) for fine, coarse in zip(size, maps.shape[-2:], strict=True)]
    padded = F.pad(maps, (0, 1, 0, 1), mode="replicate")
    whole = [s * coarse + 1 for s, coarse in zip(stride, maps.shape[-2:], strict=True)]
    fine = F.interpolate(padded, tuple(whole), mode="bilinear", align_corners=True)
    return fine[..., : size[0], : size[1]]


def _separable(width_in: int, width_out: int) -> nn.Sequential:
    """A 3x3 convolution of each channel and one across channels."""
    return nn.Sequential(
        nn.Conv2d(width_in, width_in, 3, padding=1, groups=width_in),
        nn.Conv2d(width_in, width_out, 1),
        nn.SiLU(),
    )
