"""Random latents of a network, its images and the spread of its styles."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.models.precision import dtype_of
from guidance.stylegan.networks.network import StyleGAN
from guidance.stylegan.networks.synthesis import Activations, Styles, Synthesis, as_images
from guidance.stylegan.parts import in_parts, samples_at_once

#: Samples from which the deviations of styles are measured; they take no image.
STATISTICS = 2000
#: Images are read at most at this side: encoders take 224 to 384 pixels.
SIDE = 256
TRUNCATION, MOST = 0.7, 10_000


def sample_ws(
    network: StyleGAN, n: int, seed: int, truncation: float = TRUNCATION
) -> Float[Tensor, "n w"]:
    """Random latents w, drawn on the CPU, on the device of the network.

    A conditional network gets labels of random classes.

    Raises:
        InputError: a number of latents out of range.
    """
    if not 1 <= n <= MOST:
        raise InputError(f"latents {n}: expected 1 to {MOST}")
    generator = torch.Generator().manual_seed(seed)
    mapping = network.mapping
    z = torch.randn(n, mapping.z_dim, generator=generator).to(network.device)
    labels = None
    if mapping.c_dim:
        classes = torch.randint(mapping.c_dim, (n,), generator=generator)
        labels = F.one_hot(classes, mapping.c_dim).float().to(network.device)
    with torch.no_grad():
        ws: Tensor = mapping(z, truncation, labels)
    return ws


def style_deviations(network: StyleGAN, seed: int = 0, n: int = STATISTICS) -> tuple[Tensor, ...]:
    """The standard deviation of each channel of each style, `[c]`, on the CPU."""
    with torch.no_grad():
        styles = network.synthesis.styles(sample_ws(network, n, seed, truncation=1.0))
    return tuple(style.std(dim=0).cpu() for style in styles)


def detached_styles(network: StyleGAN, ws: Float[Tensor, "n w"]) -> list[Tensor]:
    """Styles of latents, as new leaves that require a gradient."""
    with torch.no_grad():
        styles = network.synthesis.styles(ws)
    return [style.detach().requires_grad_() for style in styles]


def images_of(
    synthesis: Synthesis, styles: Styles, start: Activations | None = None
) -> Float[Tensor, "n 3 h w"]:
    """Images in [0, 1] at most `SIDE` pixels wide where the network can be read there.

    Samples that do not fit into memory together are rendered in parts.

    Raises:
        InputError: the network makes neither gray nor RGB images.
    """
    device = styles[0].device

    def make(part: slice) -> Tensor:
        some, before = [style[part] for style in styles], start and start.select(part)
        with torch.autocast(device.type, torch.bfloat16, enabled=_in_bf16(device)):
            return synthesis.from_styles(some, start=before, max_resolution=SIDE)

    raw = in_parts(make, len(styles[0]), at_once(synthesis, start))
    if raw.shape[1] not in (1, 3):
        raise InputError(f"the network makes images of {raw.shape[1]} channels; expected 1 or 3")
    return as_images(raw.float()).clamp(0, 1).expand(-1, 3, -1, -1)


def at_once(synthesis: Synthesis, start: Activations | None = None) -> int:
    """How many samples `images_of` renders in one part."""
    first = 0 if start is None else start.layer
    return samples_at_once(synthesis, first=first, max_resolution=SIDE)


def embeddings_of(
    synthesis: Synthesis, encoder: Encoder, styles: Styles, start: Activations | None = None
) -> Float[Tensor, "n d"]:
    """The embeddings of images, unit vectors; differentiable in the styles."""
    return encoder.encode_image(images_of(synthesis, styles, start)).float()


def _in_bf16(device: torch.device) -> bool:
    """Whether the machine multiplies faster in bfloat16, and the user has not chosen float32.

    Effects are means over many images, so that rounding does not matter.
    """
    return device.type in ("cpu", "cuda") and dtype_of("auto", device) is torch.bfloat16
