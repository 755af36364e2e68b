"""Inversion: the latents of a frozen network whose image is nearest to a given one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError, InputWarning
from guidance.generators.image.inverted import InvertedImages
from guidance.generators.image.tuned import TunedImages
from guidance.generators.image.param.latents import draw_latents
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.losses.content import Content
from guidance.losses.lpips import Lpips
from guidance.losses.noise_correlation import NoiseCorrelation
from guidance.losses.pixel_distance import PixelDistance
from guidance.media.read_image import load_image
from guidance.media.resize import resized
from guidance.stylegan import StyleGAN, load_stylegan
from guidance.stylegan.latents import Latents
from guidance.tasks.stylegan.kept import FeatureDistance, typical_distance
from guidance.types import Terms

#: Candidates to start from: the mean w, and samples of the network; and their seeds.
CANDIDATES, FIRST_SEED, BATCH = 64, 2**41, 16
#: The share of the steps that fit the latents; the others fit the features.
LATENT_STEPS = 0.7
#: A side of feature maps that are changed, as a share of that of the image, and at most.
RESIDUAL_SHARE, RESIDUAL_MOST = 0.5, 64
#: Learning rate of feature maps, in their standard deviations.
FEATURE_RATE = 0.05
#: Of the correlation of noise maps, as in the projector of StyleGAN2, whose images are in [-1, 1].
NOISE_WEIGHT = 1e5
#: As in the projector of StyleGAN2: the rate rises in the first 5% and falls in the last quarter.
RATE = "0.05 -> 1 @ 0.05 -> 1 @ 0.75 -> 0.02 cosine"
#: An image is reported as unlike those of the network if its latents alone leave this share of the
#: mean distance of two samples of the network. Measured on the embedded network with 100 steps: its
#: own samples leave 0.00, one that is moved sideways by a quarter 0.86, colored noise 0.90.
UNLIKE = 0.5

Distance = Literal["features", "lpips"]


@dataclass(frozen=True)
class Inversion:
    """The latents of an image, and how far the network's image is from it."""

    network: StyleGAN  # whose images they are: a copy with other weights after tuning
    latents: Latents  # of one sample, with an addition to one layer
    target: Float[Tensor, "1 3 h w"]  # the image in the size of the network
    image: Float[Tensor, "1 3 h w"]  # the network's image
    latents_rms: float  # of pixels, by the latents alone
    rms: float  # of pixels, with the addition
    latents_distance: float  # of features, by the latents alone: 1 is that of two samples
    distance: float  # of features, with the addition
    steps: int
    tuning_steps: int = 0

    @property
    def is_unlike(self) -> bool:
        """Whether the latents alone are far from the image; see `UNLIKE`."""
        return self.latents_distance > UNLIKE

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, one line each."""
        found = [
            f"inverted in {self.steps} steps: pixels differ by {self.rms:.3f} rms, features by "
            f"{self.distance:.2f} of the distance of two samples of the network (by the latents "
            f"alone: {self.latents_rms:.3f} and {self.latents_distance:.2f})"
        ]
        if self.tuning_steps:
            found.append(
                f"a copy of the network was tuned for this image in {self.tuning_steps} steps: its "
                "weights are no longer those of the network"
            )
        if self.is_unlike:
            found.append(
                "the latents alone do not reach this image: it is probably not framed or lit as "
                "the images that the network was trained on, so edits may fail; crop and align it "
                "as they are"
            )
        return tuple(found)


def invert(
    network: str | Path | StyleGAN,
    image: str | Path | Float[Tensor, "3 h w"],
    *,
    steps: int = 300,
    distance: Distance = "features",
    encoder: str | Encoder = "mini-people",
    residual: bool = True,
    noise: bool = False,
    tuning_steps: int = 0,
    device: str | torch.device = "cpu",
) -> Inversion:
    """The latents W+ of an image, and a change of one feature map for what they do not reach.

    The weights of the network stay as they are, unless `tuning_steps` are given: then a copy of the
    network is tuned after the latents, see `TunedImages`, and no feature map is changed. The
    latents start at the mean w or at one of 64 samples, whichever is nearest to the image.

    Args:
        network: a network, or its name; see `guidance.stylegan.load_stylegan`.
        image: a file, or an image in [0, 1]; the middle square is used.
        steps: optimizer updates, 70% of them of the latents.
        distance: "features" of the encoder, or "lpips"; pixels are always compared as well.
        encoder: whose feature maps are compared, also in the report.
        residual: whether to fit a feature map after the latents.
        noise: whether to fit the noise maps of the network with the latents.
        tuning_steps: further updates, of the weights of a copy of the network.
        device: where the network is loaded, if it is given by name.

    Raises:
        InputError: an image that cannot be read, or an unknown network.
        MissingWeights: weights are not on this machine.
    """
    if not isinstance(network, StyleGAN):
        network = load_stylegan(str(network), device)
    if steps < 2:
        raise InputError(f"invert: expected at least 2 steps, got {steps}")
    target = as_target(image, network.synthesis.resolution).to(network.device)
    features = FeatureDistance(encoder, network.device)
    fit = _Fit(network, target, features, distance)
    residual = residual and not tuning_steps
    first = max(1, round(LATENT_STEPS * steps)) if residual else steps
    latents = fit.run(InvertedImages(network, fit.start(), noise=noise), first)
    before = fit.errors(network, latents)
    if residual:
        latents = fit.run(_residual(network, latents), steps - first)
    if tuning_steps:
        network = fit.tuned(latents, tuning_steps)
    after = fit.errors(network, latents)
    with torch.no_grad():
        made = latents.images(network.synthesis)
    return Inversion(
        network,
        latents,
        target,
        made,
        latents_rms=before[0],
        rms=after[0],
        latents_distance=before[1],
        distance=after[1],
        steps=steps,
        tuning_steps=tuning_steps,
    )


def as_target(
    image: str | Path | Float[Tensor, "3 h w"], side: int
) -> Float[Tensor, "1 3 rows columns"]:
    """The middle square of an image, resized to a number of pixels per side, in 8 bits.

    Raises:
        InputError: a file that cannot be read.
    """
    name = "" if isinstance(image, Tensor) else f" {image}"
    pixels = image if isinstance(image, Tensor) else load_image(Path(image), "image")
    height, width = pixels.shape[1:]
    least = min(height, width)
    if max(height, width) - least > 1:
        warnings.warn(
            f"image{name}: the middle {least} x {least} of {width} x {height} pixels are used, "
            "since the network makes square images",
            InputWarning,
            stacklevel=2,
        )
    top, left = (height - least) // 2, (width - least) // 2
    small = resized(pixels[:, top : top + least, left : left + least], (side, side))
    return ((small * 255).round() / 255)[None]


def residual_layer(network: StyleGAN) -> int:
    """The last convolution whose maps are small enough to be changed."""
    most = min(RESIDUAL_MOST, max(4, int(RESIDUAL_SHARE * network.synthesis.resolution)))
    layers = network.synthesis.layers
    fitting = [i for i, x in enumerate(layers) if x.kind == "conv" and x.resolution <= most]
    # StyleGAN3 has margins, so that its first layers may already be larger.
    return fitting[-1] if fitting else next(i for i, x in enumerate(layers) if x.kind == "conv")


def _residual(network: StyleGAN, latents: Latents) -> InvertedImages:
    """The generator whose parameter is a change of one feature map."""
    layer = residual_layer(network)
    with torch.no_grad():
        after = network.synthesis.activations(latents.styles, [layer + 1])[layer + 1]
    rate = FEATURE_RATE * float(after.features.std())
    return InvertedImages(network, latents, residual=layer, learning_rate=rate)


class _Fit:
    """An image, and how others are compared with it."""

    def __init__(
        self,
        network: StyleGAN,
        target: Float[Tensor, "1 3 h w"],
        features: FeatureDistance,
        distance: Distance,
    ) -> None:
        self.network, self.target, self.features = network, target, features
        self.distance = distance
        self.unit = typical_distance(features, network)
        self.maps = features.maps(target)

    def start(self) -> Latents:
        """The nearest of the mean w and samples of the network, by features."""
        synthesis = self.network.synthesis
        best, least = None, float("inf")
        for first in range(0, CANDIDATES, BATCH):
            ws = draw_latents(
                self.network, tuple(range(FIRST_SEED + first, FIRST_SEED + first + BATCH))
            )
            if first == 0:
                ws = torch.cat([draw_latents(self.network, (0,), 0.0), ws])
            with torch.no_grad():
                latents = Latents.of(synthesis, ws)
                maps = self.features.maps(latents.images(synthesis))
            apart = self.features.between(
                maps, [x.expand_as(y) for x, y in zip(self.maps, maps, strict=True)]
            )
            index = int(apart.argmin())
            if float(apart[index]) < least:
                best, least = latents.select(index), float(apart[index])
        assert best is not None
        return best

    def run(self, generator: InvertedImages, steps: int) -> Latents:
        """Fits the parameters of a generator."""
        settings = Settings(
            steps=max(1, steps), learning_rate=RATE, device=str(self.network.device)
        )
        losses = self._losses()
        if generator.residual is None and generator.noise:
            losses = losses + NOISE_WEIGHT * NoiseCorrelation()
        optimize(generator, losses, settings, quiet=True)
        return generator.latents().detach()

    def tuned(self, latents: Latents, steps: int) -> StyleGAN:
        """A copy of the network whose image of the latents is closer."""
        generator = TunedImages(self.network, latents)
        settings = Settings(steps=steps, device=str(self.network.device))
        optimize(generator, self._losses(), settings, quiet=True)
        return generator.network.frozen()

    def _losses(self) -> Terms:
        reference = self.target[:, None]
        features = (
            Lpips(reference)
            if self.distance == "lpips"
            else Content(encoder=self.features.encoder, reference=reference)
        )
        return features + 2.0 * PixelDistance(reference)

    @torch.no_grad()
    def errors(self, network: StyleGAN, latents: Latents) -> tuple[float, float]:
        """The rms of pixels, and the distance of features: 1 is that of two samples."""
        image = latents.images(network.synthesis)
        rms = float((image - self.target).square().mean().sqrt())
        apart = self.features.between(self.features.maps(image), self.maps)
        return rms, float(apart) / self.unit
