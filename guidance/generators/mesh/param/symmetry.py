"""Mirror symmetry in the plane x = 0: the left half (x < 0) follows the right half."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.transfers import constant


def fold(points: Float[Tensor, "m 3"]) -> Float[Tensor, "m 3"]:
    """The points with those of the left half mirrored to the right half."""
    return torch.cat([points[:, :1].abs(), points[:, 1:]], 1)


def mirror_indices(points: Float[Tensor, "m 3"]) -> Int[Tensor, "m"]:
    """For each point, the index of the point nearest to its mirror image."""
    from scipy.spatial import cKDTree

    positions = points.double().cpu().numpy()
    return torch.from_numpy(cKDTree(positions).query(positions * [-1.0, 1.0, 1.0])[1]).long()


def symmetrized(
    vectors: Float[Tensor, "n m 3"], mirror: Int[Tensor, "m"]
) -> Float[Tensor, "n m 3"]:
    """The mean of each vector and the mirrored vector of its mirror image."""
    signs = constant((-1.0, 1.0, 1.0), vectors.device, vectors.dtype)
    return (vectors + signs * vectors.index_select(1, mirror)) / 2
