"""How unlike a reference images look to a person, as a network that has learned it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.towers.perceptual import Perceptual, load_perceptual
from guidance.errors import InputError
from guidance.media.load import load_image
from guidance.outputs import Images, Rendering
from guidance.types import Loss, StepContext

#: Added to the squared length of a place's vector. Behind ReLUs all its channels may be 0, where a
#: plain length has no slope; other vectors are some 1e10 times as long.
SOFT = 1e-20


class Lpips(Loss):
    """LPIPS: the distance of unit vectors at each place of a network's maps, weighted by channel.

        sum over maps of  mean over places of  sum_c w_c (y_c / |y| - y'_c / |y'|)^2

    0 for the reference itself, 0.1 for a slightly damaged image, about 0.7 for another one. Of
    windows it reads those that show the whole image; where images are transparent, they lie on
    white. The reference is stretched to the images' size. Differentiable in image and alpha; the
    network is frozen.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric"
    (2018, arXiv 1801.03924), version 0.1 of its linear layers. Deviations: images in [0, 1], and
    a slope of 0 instead of NaN where all channels of a place are 0.

    Args:
        reference: an image file, or images [n, v, 3, h, w]; None: those before the first step.
        network: "alex", "vgg", or a `Perceptual` of one's own.

    Raises:
        InputError: another network; an image that cannot be read; images too small for the
            network, or of another number than the reference.
        MissingWeights: the network's weights are not on this machine.
    """

    def __init__(
        self,
        reference: str | Path | Float[Tensor, "n v 3 h w"] | None = None,
        network: str | Perceptual = "alex",
    ) -> None:
        super().__init__()
        if isinstance(reference, str | Path):
            reference = load_image(Path(reference), "reference")[None, None]
        self.reference, self.network = reference, network
        self._seen: Perceptual | None = None

    def prepare(self, start: Images) -> None:
        """Loads the network and looks at the reference once."""
        start = start.whole()
        device, size = start.image.device, start.image.shape[-2:]
        network = self.network
        if isinstance(network, str):
            network = load_perceptual(network, device)
        if min(size) < network.least:
            raise InputError(
                f"Lpips: expected images of at least {network.least} pixels a side, got "
                f"{size[0]} x {size[1]}; use a larger size"
            )
        given = start.over() if self.reference is None else self.reference.to(start.image)
        pictures = given.detach().flatten(0, 1)
        if pictures.shape[-2:] != size:
            pictures = F.interpolate(pictures, size, mode="bilinear", antialias=True)
        self._seen, self._size = network, size
        with torch.no_grad():
            maps = [network.maps(picture[None]) for picture in pictures]
        self._wanted = [_unit(torch.cat(stage)) for stage in zip(*maps, strict=True)]

    def parts(
        self, rendering: Images, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of images."""
        if self._seen is None:
            self.prepare(rendering)
        assert self._seen is not None
        rendering = rendering.whole()
        image = rendering.image
        n, v, _, *size = image.shape
        known = len(self._wanted[0])
        if tuple(size) != tuple(self._size) or known not in (1, n * v):
            raise InputError(
                f"Lpips: expected {known} images of {list(self._size)} like the reference, got "
                f"{n} x {v} of {size}"
            )
        for start in range(0, n * v, micro_batch):
            batch = slice(start, min(start + micro_batch, n * v))
            alpha = None if rendering.alpha is None else rendering.alpha.flatten(0, 1)[batch, None]
            pictures = Rendering(image.flatten(0, 1)[batch, None], alpha).over()[:, 0]
            distances = self._distances(pictures, batch, self._seen)
            places = torch.arange(batch.start, batch.stop, device=image.device) // v
            yield image.new_zeros(n).index_add(0, places, distances.to(image) / v)

    def _distances(
        self, pictures: Float[Tensor, "b 3 h w"], batch: slice, network: Perceptual
    ) -> Float[Tensor, "b"]:
        total = pictures.new_zeros(len(pictures))
        for index, maps in enumerate(network.maps(pictures)):
            wanted = self._wanted[index]
            wanted = wanted if len(wanted) == 1 else wanted[batch]
            square = (_unit(maps) - wanted).square()
            if network.weights is None:
                total = total + square.mean((1, 2, 3))
            else:
                weights = network.weights[index].to(square).view(-1, 1, 1)
                total = total + (square * weights).sum(1).mean((1, 2))
        return total

    @classmethod
    def tiny_of_pictures(cls, encoder: Encoder) -> Lpips:
        """A small instance for the contract tests, through an encoder's maps."""
        return cls(network=Perceptual(encoder.image_maps))


def _unit(maps: Float[Tensor, "b c rows columns"]) -> Float[Tensor, "b c rows columns"]:
    """The vector of channels at each place, of length 1."""
    return maps / (maps.square().sum(1, keepdim=True) + SOFT).sqrt()
