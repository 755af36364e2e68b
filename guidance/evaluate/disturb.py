"""Small changes that a person hardly sees: what falls under them was not a picture of the thing.

A picture that was optimized against a model can please it by detail of single pixels. Such detail
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
    """Pictures behind a Gaussian, their edges repeated outwards."""
    sigma = max(BLUR_PIXELS, BLUR_SHARE * min(pictures.shape[-2:]))
    reach = math.ceil(3 * sigma)
    places = torch.arange(-reach, reach + 1, dtype=pictures.dtype, device=pictures.device)
    weights = torch.exp(-places.square() / (2 * sigma**2))
    weights = (weights / weights.sum()).expand(3, 1, 1, -1)
    padded = F.pad(pictures, (reach,) * 4, mode="replicate")
    rows = F.conv2d(padded, weights, groups=3)
    return F.conv2d(rows, weights.mT, groups=3).clamp(0, 1)


def jpeg(pictures: Pictures) -> Pictures:
    """Pictures after a JPEG file of quality 50."""
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
    """Pictures moved by one pixel to the right and down, the first row and column repeated."""
    return F.pad(pictures, (1, 0, 1, 0), mode="replicate")[..., :-1, :-1]


DISTURBANCES: dict[str, Callable[[Pictures], Pictures]] = {
    "blur": blurred,
    "jpeg": jpeg,
    "shift": shifted,
}
