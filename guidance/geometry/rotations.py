"""The rotation that fits a matrix best, with its gradient."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Least sum of two singular values that is divided by, as a share of the largest one: where both
#: are 0, any turn about the third axis fits as well.
LEAST = 1e-6


def nearest_rotation(matrices: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3 3"]:
    """The rotation R with the largest trace of R^T M: the Procrustes solution, never a mirror.

    For M = sum of w b a^T it is the R that minimizes the sum of w |R a - b|^2. Differentiable
    once, also where singular values are equal, which the derivative of their decomposition is not:
    with M = U S V^T and R = U V^T, the change of R is U W V^T, where W is antisymmetric and
    W_ij = (D - D^T)_ij / (s_i + s_j) for D = U^T dM V.
    """
    found: Tensor = _NearestRotation.apply(matrices)  # type: ignore[no-untyped-call]
    return found


class _NearestRotation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrices: Tensor) -> Tensor:
        u, s, v = torch.linalg.svd(matrices)
        # A mirror is turned into a rotation along the direction that costs least.
        sign = torch.linalg.det(u @ v).sign()
        flip = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], -1)
        u, s = u * flip[..., None, :], s * flip
        ctx.save_for_backward(u, s, v)
        found: Tensor = u @ v
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> Tensor:
        u, s, v = ctx.saved_tensors
        inner = u.mT @ slopes @ v.mT
        sums = s[..., :, None] + s[..., None, :]
        sums = torch.maximum(sums, LEAST * s[..., :1, None]).clamp_min(torch.finfo(s.dtype).tiny)
        found: Tensor = u @ ((inner - inner.mT) / sums) @ v
        return found
