"""How much of an image an edit keeps, on a scale that is that of the network."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders import load_encoder
from guidance.encoders.base import Encoder
from guidance.generators.image.param.latents import draw_latents
from guidance.losses.content import DEPTHS
from guidance.stylegan import StyleGAN
from guidance.stylegan.latents import Latents

#: Pairs of samples whose mean distance is the unit, the truncation of the samples, and their seeds.
PAIRS, TRUNCATION, FIRST_SEED = 16, 0.7, 2**40
#: Side of the images that are compared, and images that are compared at once.
SIDE, BATCH = 128, 8


class FeatureDistance:
    """Distance of images by the feature maps of an encoder.

        mean over depths and positions of  1 - cos(f(a), f(b))

    It is 0 for equal images. The maps are those of `guidance.losses.content`.

    Args:
        encoder: a name or an Encoder that gives feature maps.
        device: where it runs.
    """

    def __init__(self, encoder: str | Encoder, device: torch.device | str) -> None:
        self.encoder = load_encoder(encoder, device)

    @torch.no_grad()
    def maps(self, images: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        """The feature maps at each depth."""
        found = []
        for batch in images.split(BATCH):  # type: ignore[no-untyped-call]
            square = F.interpolate(batch, (SIDE, SIDE), mode="bilinear", antialias=True)
            maps = self.encoder.image_maps(square)
            found.append([maps[max(0, round(depth * len(maps)) - 1)] for depth in DEPTHS])
        return [torch.cat(depth) for depth in zip(*found, strict=True)]

    def between(
        self, maps: Sequence[Tensor], others: Sequence[Tensor], mask: Tensor | None = None
    ) -> Float[Tensor, "n"]:
        """The distance of images by their maps; with a mask `[1, h, w]`, or one for each image
        `[n, 1, h, w]`, where it is 0.
        """
        total = torch.zeros(len(maps[0]))
        for one, other in zip(maps, others, strict=True):
            apart = 1 - F.cosine_similarity(one.float(), other.float(), dim=1)
            if mask is None:
                total += apart.mean((1, 2)).cpu()
                continue
            size = (int(apart.shape[1]), int(apart.shape[2]))
            outside = 1 - F.adaptive_max_pool2d((mask > 0).float(), size).view(-1, *size).to(apart)
            inner = (apart * outside).sum((1, 2)) / outside.sum((1, 2)).clamp_min(1)
            total += inner.cpu()
        return total / len(maps)


class KeptShare:
    """The share of images that stays, from 1 for the same image downwards.

        1 - distance(before, after) / mean distance of two samples of the network

    It is 0 for an image that is as different as another sample of the network, and may be negative.

    Args:
        distance: of images.
        network: whose samples are the unit.
        before: the images before the edit.
    """

    def __init__(
        self, distance: FeatureDistance, network: StyleGAN, before: Float[Tensor, "n 3 h w"]
    ) -> None:
        self.distance = distance
        self.unit = typical_distance(distance, network)
        self.maps = distance.maps(before)

    def __call__(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
        return 1 - self.distance.between(self.distance.maps(images), self.maps) / self.unit


#: Typical distances of networks, since inversion, `--keep` and the report ask for the same one.
_typical: WeakKeyDictionary[StyleGAN, dict[str, float]] = WeakKeyDictionary()


def typical_distance(distance: FeatureDistance, network: StyleGAN) -> float:
    """The mean distance of two samples of a network, whose weights are frozen."""
    known = _typical.setdefault(network, {})
    if distance.encoder.name not in known:
        known[distance.encoder.name] = _mean_distance(distance, network)
    return known[distance.encoder.name]


def _mean_distance(distance: FeatureDistance, network: StyleGAN) -> float:
    seeds = tuple(range(FIRST_SEED, FIRST_SEED + 2 * PAIRS))
    maps: list[list[Tensor]] = []
    for start in range(0, 2 * PAIRS, BATCH):
        ws = draw_latents(network, seeds[start : start + BATCH], TRUNCATION)
        with torch.no_grad():
            images = Latents.of(network.synthesis, ws).images(network.synthesis)
        maps.append(distance.maps(images))
    whole = [torch.cat(depth) for depth in zip(*maps, strict=True)]
    found = distance.between([x[:PAIRS] for x in whole], [x[PAIRS:] for x in whole])
    return max(float(found.mean()), 1e-6)
