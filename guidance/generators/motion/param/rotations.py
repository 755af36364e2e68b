"""Rotations as parameters."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

#: A lower bound of squared angles before a root, whose gradient at 0 is infinite.
TINY = 1e-12


def exponential(vectors: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Rotations about `vectors` by their lengths in radians (Rodrigues); smooth at 0."""
    square = vectors.square().sum(-1)[..., None, None]
    angle = square.clamp_min(TINY).sqrt()
    # sin(a) / a and (1 - cos(a)) / a^2, by sinc, which is exact at 0.
    first = torch.sinc(angle / torch.pi)
    second = 0.5 * torch.sinc(angle / (2 * torch.pi)).square()
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    identity = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    rotations: Tensor = identity + first * skew + second * (skew @ skew)
    return rotations


def within(vectors: Float[Tensor, "*b 3"], radius: Float[Tensor, "*m"]) -> Float[Tensor, "*b 3"]:
    """Vectors shortened smoothly so that none is longer than `radius`, which broadcasts."""
    length = vectors.square().sum(-1).clamp_min(TINY).sqrt()
    return vectors * (radius * torch.tanh(length / radius) / length)[..., None]


def from_six(values: Float[Tensor, "*b 6"]) -> Float[Tensor, "*b 3 3"]:
    """Rotations of two vectors, made orthonormal; they are the first two columns.

    Source: Zhou et al., On the Continuity of Rotation Representations (arXiv 1812.07035).
    """
    first = F.normalize(values[..., :3], dim=-1)
    second = values[..., 3:]
    second = F.normalize(second - (first * second).sum(-1, keepdim=True) * first, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


def as_six(matrices: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 6"]:
    """The first two columns."""
    return torch.cat([matrices[..., 0], matrices[..., 1]], -1)
