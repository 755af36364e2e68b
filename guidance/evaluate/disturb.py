"""Small changes that a person hardly sees: what falls under them was not an image of the thing.

An image that was optimized against a model can please it by detail of single pixels. Such detail
does not outlive a blur, a JPEG or a shift by one pixel, and the score falls with it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

#: Standard deviation of the blur: one pixel, or a hundredth of the shorter side if that is more.
BLUR_PIXELS, BLUR_SHARE = 1.0, 0.01
JPEG_QUALITY = 50

Pictures = Float[Tensor, "v 3 h w"]


def blurred(pictures: Pictures) -> Pictures:
    """Images behind a Gaussian, their edges repeated outwards."""
    from kornia.filters import gaussian_blur2d

    sigma = max(BLUR_PIXELS, BLUR_SHARE * min(pictures.shape[-2:]))
    side = 2 * math.ceil(3 * sigma) + 1
    soft: Pictures = gaussian_blur2d(pictures, side, (sigma, sigma), "replicate")
    return soft.clamp(0, 1)


def jpeg(pictures: Pictures) -> Pictures:
    """Images after a JPEG file of quality 50."""
    from PIL import Image

    found = []
    levels = (pictures.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    for picture in levels.permute(0, 2, 3, 1).cpu().numpy():
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(picture)).save(file, "JPEG", quality=JPEG_QUALITY)
        with Image.open(file, formats=["JPEG"]) as image:
            found.append(torch.from_numpy(np.array(image.convert("RGB"))))
    return torch.stack(found).permute(0, 3, 1, 2).to(pictures) / 255


def shifted(pictures: Pictures) -> Pictures:
    """Images moved by one pixel to the right and down, the first row and column repeated."""
    return F.pad(pictures, (1, 0, 1, 0), mode="replicate")[..., :-1, :-1]


DISTURBANCES: dict[str, Callable[[Pictures], Pictures]] = {
    "blur": blurred,
    "jpeg": jpeg,
    "shift": shifted,
}
