"""The rotation closest to a matrix, differentiable."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Lower bound of the sum of two singular values, relative to the largest, to avoid dividing by 0:
#: if both are 0, the rotation about the third axis is not determined.
MIN_SUM = 1e-6


def nearest_rotation(matrices: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3 3"]:
    """The rotation R with the largest trace of R^T M: the Procrustes solution, no reflection.

    For M = sum of w b a^T, R minimizes the sum of w |R a - b|^2. Differentiable once, also for
    equal singular values, where the derivative of the decomposition itself does not exist: with
    M = U S V^T and R = U V^T, the differential of R is U W V^T, where W is antisymmetric and
    W_ij = (D - D^T)_ij / (s_i + s_j) for D = U^T dM V.
    """
    result: Tensor = _NearestRotation.apply(matrices)  # type: ignore[no-untyped-call]
    return result


class _NearestRotation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrices: Tensor) -> Tensor:
        u, s, v = torch.linalg.svd(matrices)
        # A reflection is turned into a rotation along the direction of the smallest singular value.
        sign = torch.linalg.det(u @ v).sign()
        flip = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], -1)
        u, s = u * flip[..., None, :], s * flip
        ctx.save_for_backward(u, s, v)
        rotation: Tensor = u @ v
        return rotation

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        u, s, v = ctx.saved_tensors
        inner = u.mT @ grad_output @ v.mT
        sums = s[..., :, None] + s[..., None, :]
        sums = torch.maximum(sums, MIN_SUM * s[..., :1, None]).clamp_min(torch.finfo(s.dtype).tiny)
        grad_input: Tensor = u @ ((inner - inner.mT) / sums) @ v
        return grad_input
