"""Micro-batches of whole images, counted sample by sample and view by view."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.outputs import Images, Rendering


def batches(count: int, micro_batch: int) -> Iterator[slice]:
    """Consecutive slices of at most `micro_batch` of `count` images."""
    for start in range(0, count, micro_batch):
        yield slice(start, min(start + micro_batch, count))


def over_white(rendering: Images, batch: slice) -> Float[Tensor, "b 3 h w"]:
    """Some of the `n * v` images, composited over white where they are transparent."""
    image = rendering.image.flatten(0, 1)[batch, None]
    alpha = None if rendering.alpha is None else rendering.alpha.flatten(0, 1)[batch, None]
    return Rendering(image, alpha).over()[:, 0]


def sample_sums(
    values: Float[Tensor, "b"], batch: slice, like: Float[Tensor, "n v 3 h w"]
) -> Float[Tensor, "n"]:
    """The values of one micro-batch, summed over the views of each sample."""
    n, v = like.shape[:2]
    samples = torch.arange(batch.start, batch.stop, device=like.device) // v
    return like.new_zeros(n).index_add(0, samples, values)
