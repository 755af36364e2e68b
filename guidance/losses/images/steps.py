"""Differences of neighboring pixels."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def mean_step(image: Float[Tensor, "n v c h w"], axis: int) -> Float[Tensor, "n"]:
    """The mean absolute difference of neighbors along one axis of the image."""
    found: Tensor = _MeanStep.apply(image, axis)  # type: ignore[no-untyped-call]
    return found


class _MeanStep(torch.autograd.Function):
    """Forward and backward with fewer passes over the image than torch's own operators.

    7.7 against 11 ms for both axes of 1024 x 1024 pixels, 35 against 52 ms for 2048 x 2048.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, axis: int) -> Tensor:
        step = image.diff(dim=axis)
        mean: Tensor = torch.linalg.vector_norm(step, 1, (1, 2, 3, 4)) / step[0].numel()
        ctx.axis = axis
        ctx.save_for_backward(step.sign_())
        return mean

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (signs,) = ctx.saved_tensors
        axis, count = ctx.axis, signs.shape[ctx.axis]
        share = signs * (grads[0] / signs[0].numel()).view(-1, 1, 1, 1, 1)
        shape = list(signs.shape)
        shape[axis] += 1
        found = share.new_zeros(shape)
        found.narrow(axis, 1, count).add_(share)
        found.narrow(axis, 0, count).sub_(share)
        return found, None
