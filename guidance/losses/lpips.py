"""LPIPS distance to a reference image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.towers.perceptual import Perceptual, load_perceptual
from guidance.errors import InputError
from guidance.losses.images.batches import batches, over_white, sample_sums
from guidance.media.read_image import load_image
from guidance.options import Options as BaseOptions
from guidance.outputs import Images
from guidance.types import Loss, StepContext

#: Added to the squared length of a feature vector. All channels may be 0 after a ReLU, where the
#: length has no derivative; the squared length of other vectors is about 1e10 times as large.
SOFT = 1e-20


class Lpips(Loss):
    """LPIPS: distance between unit feature vectors of a network, weighted by channel.

        sum over maps of  mean over positions of  sum_c w_c (y_c / |y| - y'_c / |y'|)^2

    It is 0 for the reference itself, 0.1 for a slightly damaged image and about 0.7 for an
    unrelated one. Only views that show the whole image are compared; transparent images are
    composited over white. The reference is resized to the size of the images. Differentiable in
    image and alpha; the network is frozen.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric"
    (2018, arXiv 1801.03924), version 0.1 of the linear layers. Deviations: images are in [0, 1],
    and the gradient is 0 instead of NaN where all channels of a position are 0.

    Args:
        reference: an image file, or images [n, v, 3, h, w]; by default the images before the
            first step.
        backbone: "alex", "vgg", or a `Perceptual` network.

    Raises:
        InputError: an unknown network; an image that cannot be read; images that are too small for
            the network, or of another size or number than the reference.
        MissingWeights: the network's weights are not on this machine.
    """

    class Options(BaseOptions):
        """Options of "lpips"."""

        reference: Path | None = None
        """The image to resemble; without one, the image before the first step."""
        backbone: Literal["alex", "vgg"] = "alex"
        """The network of LPIPS: "alex" is faster, "vgg" keeps more texture. Needs the extra
        [lpips], and once `guide models fetch lpips-alex`."""

    name = "lpips"

    def __init__(
        self,
        reference: str | Path | Float[Tensor, "n v 3 h w"] | None = None,
        backbone: str | Perceptual = "alex",
    ) -> None:
        super().__init__()
        if isinstance(reference, str | Path):
            reference = load_image(Path(reference), "reference")[None, None]
        self.reference, self.backbone = reference, backbone
        self._loaded: Perceptual | None = None

    def prepare(self, start: Images) -> None:
        """Loads the network, and computes the feature maps of the reference."""
        start = start.whole()
        device, size = start.image.device, start.image.shape[-2:]
        network = self.backbone
        if isinstance(network, str):
            network = load_perceptual(network, device)
        if min(size) < network.min_size:
            raise InputError(
                f"Lpips: expected images of at least {network.min_size} pixels per side, got "
                f"{size[0]} x {size[1]}; use a larger size"
            )
        reference = start.over() if self.reference is None else self.reference.to(start.image)
        images = reference.detach().flatten(0, 1)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bilinear", antialias=True)
        self._loaded, self._size = network, size
        with torch.no_grad():
            maps = [network.maps(image[None]) for image in images]
        self._targets = [_unit(torch.cat(stage)) for stage in zip(*maps, strict=True)]

    def parts(
        self, rendering: Images, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of images."""
        if self._loaded is None:
            self.prepare(rendering)
        assert self._loaded is not None
        rendering = rendering.whole()
        image = rendering.image
        n, v, _, *size = image.shape
        expected = len(self._targets[0])
        if tuple(size) != tuple(self._size) or expected not in (1, n * v):
            raise InputError(
                f"Lpips: expected {expected} images of {list(self._size)} like the reference, got "
                f"{n} x {v} of {size}"
            )
        for batch in batches(n * v, micro_batch):
            distances = self._distances(over_white(rendering, batch), batch, self._loaded)
            yield sample_sums(distances.to(image) / v, batch, image)

    def _distances(
        self, images: Float[Tensor, "b 3 h w"], batch: slice, network: Perceptual
    ) -> Float[Tensor, "b"]:
        total = images.new_zeros(len(images))
        for index, maps in enumerate(network.maps(images)):
            target = self._targets[index]
            target = target if len(target) == 1 else target[batch]
            square = (_unit(maps) - target).square()
            if network.weights is None:
                total = total + square.mean((1, 2, 3))
            else:
                weights = network.weights[index].to(square).view(-1, 1, 1)
                total = total + (square * weights).sum(1).mean((1, 2))
        return total

    @classmethod
    def tiny_from_encoder(cls, encoder: Encoder) -> Lpips:
        """A small instance for the contract tests, with an encoder's feature maps."""
        return cls(backbone=Perceptual(encoder.image_maps))


def _unit(maps: Float[Tensor, "b c rows columns"]) -> Float[Tensor, "b c rows columns"]:
    """The feature vector of each position, normalized to length 1."""
    return maps / (maps.square().sum(1, keepdim=True) + SOFT).sqrt()
