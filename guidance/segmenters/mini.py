"""The embedded segmenter: a small head on the feature maps of an embedded encoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders import Encoder, load_encoder
from guidance.models.foreign.places import PACKAGED
from guidance.segmenters.files.head import RegionHead

FOLDER = PACKAGED / "mini_regions"
#: The image is read at about `SIDE` x `SIDE` pixels; its sides are multiples of `STEP`.
SIDE, STEP, SHORTEST = 128, 16, 48


class MiniSegmenter:
    """Parts of drawn persons and of simple meshes, and objects of the kind of pictograms.

    Args:
        head: the trained head.
        encoder: the encoder whose feature maps and texts it was trained with.
    """

    name = "mini"

    def __init__(self, head: RegionHead, encoder: Encoder) -> None:
        self.head, self.encoder = head, encoder

    @torch.no_grad()
    def probabilities(
        self, image: Float[Tensor, "3 h w"], texts: Sequence[str]
    ) -> Float[Tensor, "k h w"]:
        """See `Segmenter.probabilities`; computed at about 128 x 128 pixels, then enlarged."""
        device = self.head.text_mean.device
        small = resized(image.float().to(device)[None])
        pixels = self.head.features(small, self.encoder.image_maps(small))
        embeddings = self.encoder.encode_text(list(texts)).to(device)
        queries = self.head.queries(embeddings, self.head.word_numbers(texts).to(device))
        logits = self.head.logits(pixels, queries[None])
        whole = F.interpolate(logits, image.shape[-2:], mode="bilinear", align_corners=False)
        return whole[0].sigmoid().to(image.device)


def resized(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 hh ww"]:
    """Images at the size that the head was trained with, in about the same proportions."""
    height, width = images.shape[-2:]
    scale = SIDE / (height * width) ** 0.5
    sides = [max(SHORTEST, STEP * round(side * scale / STEP)) for side in (height, width)]
    sides = [min(side, 4 * SIDE) for side in sides]
    return F.interpolate(images, tuple(sides), mode="bilinear", antialias=True).clamp(0, 1)


@cache
def load_mini(device: str = "cpu") -> MiniSegmenter:
    """The embedded segmenter, frozen."""
    from safetensors.torch import load_file

    card = json.loads((FOLDER / "guidance.json").read_text(encoding="utf-8"))
    head = RegionHead(card["words"])
    stored = load_file(FOLDER / "model.safetensors")
    head.load_state_dict({name: tensor.float() for name, tensor in stored.items()})
    head = head.eval().requires_grad_(False).to(device)
    return MiniSegmenter(head, load_encoder(card["encoder"], device))
