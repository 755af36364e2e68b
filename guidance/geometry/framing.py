"""Meshes that fill their images, whatever they have grown to."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def framed(vertices: Float[Tensor, "n p 3"]) -> Float[Tensor, "n p 3"]:
    """Meshes moved and scaled so that they just fit into the unit sphere, as they are judged.

    Shifts of the whole and its scale have no gradient, so steps are about the shape alone. That is
    taken out by mean and spread, in which every vertex has a say, instead of by the outermost ones.
    Meshes without vertices stay so; those whose vertices are all at one place do not fit.
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
