"""The colors of sampled crops: over a background, recolored, with noise."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from guidance.augment.color import recolor


def blend(
    layers: Float[Tensor, "e k c size size"],
    background: Float[Tensor, "e*k 3 size size"] | None,
    colors: Float[Tensor, "e*k 3 4"] | None,
    noise: Float[Tensor, "e*k 3 size size"] | None,
) -> Float[Tensor, "e*k 3 size size"]:
    """`matrix @ (color + (1 - alpha) * background, 1) + noise`; differentiable in the layers.

    Args:
        layers: premultiplied color, and alpha if there is a background.
        background: what transparent crops are composited over.
        colors: a matrix for each crop, see `recolor`.
        noise: is added at the end.
    """
    if background is None and colors is None:
        images = layers.flatten(0, 1)
        return images if noise is None else images + noise
    found: Tensor = _Blend.apply(layers, background, colors, noise)  # type: ignore[no-untyped-call]
    return found


class _Blend(torch.autograd.Function):
    """Both passes with few passes over the crops, whose layers `warp` stores apart."""

    @staticmethod
    def forward(
        ctx: Any,
        layers: Tensor,
        background: Tensor | None,
        colors: Tensor | None,
        noise: Tensor | None,
    ) -> Tensor:
        ctx.shape = layers.shape
        ctx.save_for_backward(background, colors)
        images = layers[:, :, :3]
        if background is not None:
            over = torch.empty_like(images, memory_format=torch.contiguous_format)
            images = torch.addcmul(
                images, 1 - layers[:, :, 3:], background.view(images.shape), out=over
            )
        images = images.flatten(0, 1)
        if colors is not None:
            return recolor(images, colors, noise)
        return images if noise is None else images + noise

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        background, colors = ctx.saved_tensors
        e, k, c, *size = ctx.shape
        grad = grad_output
        if colors is not None:
            grad = torch.bmm(colors[..., :3].mT, grad.flatten(2)).view(grad.shape)
        found = grad.new_empty(e, c, k, *size)
        found[:, :3] = grad.view(e, k, 3, *size).transpose(1, 2)
        if background is not None:
            torch.sum((grad * background).view(e, k, 3, *size), 2, out=found[:, 3]).neg_()
        return found.transpose(1, 2), None, None, None
