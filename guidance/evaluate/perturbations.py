"""Small image perturbations that reveal adversarial scores.

An image that is optimized against a model can raise its score by high-frequency detail. A blur,
JPEG compression or a shift by one pixel removes such detail, and the score falls.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.media.pixels import from_uint8, to_uint8
from guidance.media.read_image import read_image
from guidance.media.write_image import encode_jpeg

#: Standard deviation of the blur: one pixel, or 1% of the shorter side if that is larger.
BLUR_PIXELS, BLUR_SHARE = 1.0, 0.01
JPEG_QUALITY = 50

Views = Float[Tensor, "v 3 h w"]


def blur(images: Views) -> Views:
    """Images after a Gaussian blur; the borders are replicated."""
    from kornia.filters import gaussian_blur2d

    sigma = max(BLUR_PIXELS, BLUR_SHARE * min(images.shape[-2:]))
    side = 2 * math.ceil(3 * sigma) + 1
    blurred: Views = gaussian_blur2d(images, side, (sigma, sigma), "replicate")
    return blurred.clamp(0, 1)


def jpeg(images: Views) -> Views:
    """Images after JPEG compression of quality 50."""
    found = []
    for image in images:
        content = encode_jpeg(to_uint8(image), JPEG_QUALITY)
        found.append(from_uint8(read_image(content, "JPEG", ("JPEG",))[..., :3]))
    return torch.stack(found).to(images)


def shift(images: Views) -> Views:
    """Images shifted by one pixel to the right and down; the borders are replicated."""
    return F.pad(images, (1, 0, 1, 0), mode="replicate")[..., :-1, :-1]


PERTURBATIONS: dict[str, Callable[[Views], Views]] = {
    "blur": blur,
    "jpeg": jpeg,
    "shift": shift,
}
