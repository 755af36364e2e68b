"""What an edit starts from: an image, samples of the network, or a file of latents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.image.param.latents import Given, draw_latents
from guidance.media.read_image import load_image
from guidance.stylegan import StyleGAN
from guidance.stylegan.latents import Latents
from guidance.tasks.shared.photo import GivenMask
from guidance.tasks.stylegan.inversion import Distance, as_target, invert
from guidance.tasks.stylegan.latent_file import load_latents


@dataclass(frozen=True)
class Source:
    """Latents of all samples, and their images before the edit."""

    network: StyleGAN  # that makes the images: a tuned copy, or the network itself
    latents: Latents
    images: Float[Tensor, "n 3 h w"]  # the user's image, or those of the latents
    notes: tuple[str, ...] = ()

    @property
    def num_samples(self) -> int:
        return self.latents.num_samples


def from_seeds(network: StyleGAN, seeds: tuple[int, ...], truncation: float) -> Source:
    """Samples of the network."""
    return _of_latents(
        network, Latents.of(network.synthesis, draw_latents(network, seeds, truncation))
    )


def from_file(network: StyleGAN, path: Path, n: int) -> Source:
    """The latents of a file, for n samples. Raises InputError; see `load_latents`."""
    return _of_latents(network, load_latents(path, network).expand(n))


@dataclass(frozen=True)
class Inverting:
    """How the latents of an image are found; see `invert`."""

    steps: int
    distance: Distance
    encoder: str
    noise: bool = False
    tuning_steps: int = 0


def from_image(network: StyleGAN, path: Path, n: int, how: Inverting) -> Source:
    """The latents of an image, for n samples. Raises InputError; see `invert`."""
    found = invert(network, path, **vars(how))
    return Source(
        found.network, found.latents.expand(n), found.target.expand(n, -1, -1, -1), found.notes
    )


def _of_latents(network: StyleGAN, latents: Latents) -> Source:
    with torch.no_grad():
        images = latents.images(network.synthesis)
    # As they are written: unchanged pixels stay bit-identical.
    return Source(network, latents, (images * 255).round() / 255)


def given_outside(source: Source, mask: GivenMask, image: Path | None) -> Given | None:
    """The images before the edit outside a mask.

    Args:
        source: the images.
        mask: white = inside; a file is cut and resized as the image is, words are found in the
            image of each sample.
        image: of the image, whose size the mask must have; None: that of the network's images.

    Raises:
        InputError: the mask cannot be read, is of another size, or is black everywhere; the words
            describe nothing in an image.
    """
    if mask.mask is None:
        return None
    height, width = source.images.shape[2:]
    if mask.mask.words is not None:
        names = [f"the image of sample {index}" for index in range(source.num_samples)]
        found = [
            mask.read(each, name, (height, width))
            for each, name in zip(source.images.clamp(0, 1), names, strict=True)
        ]
        masks = torch.stack([each for each in found if each is not None])
        return Given(source.images, masks.to(source.images))
    if image is not None:
        height, width = load_image(image, "image").shape[1:]
    own = mask.read(None, "", (height, width))
    assert own is not None
    square = as_target(own.expand(3, -1, -1), source.images.shape[-1])[0, :1]
    return Given(source.images, square.to(source.images))
