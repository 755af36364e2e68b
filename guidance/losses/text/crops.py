"""What the losses that look through encoders share: loading them, and showing them crops."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.augment import Augment, Crops, Part
from guidance.encoders.base import Encoder
from guidance.types import Rendering


def frozen(encoders: Sequence[str | Encoder], device: torch.device) -> tuple[Encoder, ...]:
    """The encoders themselves, or by name, on the device and without weight gradients."""
    loaded = (
        _load(encoder, device) if isinstance(encoder, str) else encoder.to(device)
        for encoder in encoders
    )
    return tuple(encoder.requires_grad_(False).eval() for encoder in loaded)


def _load(name: str, device: torch.device) -> Encoder:
    from guidance.encoders import load_encoder  # brings open_clip along, which takes seconds

    return load_encoder(name, device)


def embed(
    encoder: Encoder, augment: Augment, rendering: Rendering, crops: Crops, part: Part
) -> Float[Tensor, "s v k d"]:
    """Unit vectors of one part's crops, in at least float32."""
    vectors = encoder.encode_image(augment.apply(rendering, crops, part))
    vectors = vectors.to(torch.promote_types(vectors.dtype, torch.float32))
    s, v, k = crops.homographies[part.place].shape[:3]
    return F.normalize(vectors, dim=-1).view(s, v, k, -1)


def sample_means(values: Float[Tensor, "s v k"], crops: Crops, part: Part) -> Float[Tensor, "n"]:
    """One part's share of each sample's mean over views and crops; 0 for samples not in it."""
    n, v, k = crops.shape
    means = values.sum((1, 2)) / (v * k)
    start, stop, _ = part.samples.indices(n)
    return F.pad(means, (start, n - stop))
