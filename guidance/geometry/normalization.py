"""Meshes moved and scaled into the unit sphere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Normalization:
    """The translation and scale that fit a mesh into the unit sphere, and their inverse.

    The center is that of the bounding box; the radius is the distance of the farthest vertex from
    it.
    """

    center: tuple[float, float, float]
    radius: float

    @classmethod
    def of(cls, vertices: Float[Tensor, "p 3"]) -> Normalization:
        """The normalization of vertices that do not all coincide."""
        positions = vertices.detach().double().cpu()
        center = (positions.amin(0) + positions.amax(0)) / 2
        x, y, z = center.tolist()
        return cls((x, y, z), float((positions - center).norm(dim=-1).max()))

    def apply(self, vertices: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k 3"]:
        """From the units of the file to radii."""
        return (vertices - vertices.new_tensor(self.center)) / self.radius

    def undo(self, vertices: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k 3"]:
        """From radii to the units of the file."""
        return vertices * self.radius + vertices.new_tensor(self.center)


def fit_unit_sphere(vertices: Float[Tensor, "n p 3"]) -> Float[Tensor, "n p 3"]:
    """Each mesh translated and scaled so that it just fits into the unit sphere; differentiable.

    The result does not change with the translation and the scale of the input, so their gradient is
    zero and an optimizer changes the shape only. The gradient passes through the mean and the
    standard deviation, to which every vertex contributes, and not through the outermost vertices.
    Meshes without vertices are returned unchanged. The vertices of a mesh must not all coincide.
    """
    if not vertices.shape[1]:
        return vertices
    mean = vertices.mean(1, keepdim=True)
    moved = vertices - mean
    spread = moved.square().sum(-1, keepdim=True).mean(1, keepdim=True).sqrt()
    unit = moved / spread
    with torch.no_grad():
        center = (unit.amin(1, keepdim=True) + unit.amax(1, keepdim=True)) / 2
        radius = (unit - center).norm(dim=-1, keepdim=True).amax(1, keepdim=True)
    placed: Float[Tensor, "n p 3"] = (unit - center) / radius
    return placed
