"""Which part of a mesh may change: boxes, masks over its texture square, and chosen faces."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.meshes import Mesh

#: A face lies in a mask if all points of a grid with this many steps along its edges do.
STEPS = 6


@dataclass(frozen=True)
class Box:
    """All places between two corners, in the units of the mesh."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def holds(self, places: Float[Tensor, "*k 3"]) -> Bool[Tensor, "*k"]:
        """Which places lie in it, its sides included."""
        low, high = (places.new_tensor(corner) for corner in (self.low, self.high))
        return ((places >= low) & (places <= high)).all(-1)


@dataclass(frozen=True)
class Selection:
    """What may change: all that lies in one of the boxes or masks, or is chosen.

    Where a surface is made of vertices, a face lies inside only if all of it does, and a vertex may
    change only if all its faces lie inside: so faces outside keep all their corners. Texels of maps
    go by their own places.
    """

    boxes: tuple[Box, ...] = ()
    masks: tuple[Float[Tensor, "_ _"], ...] = ()  # over the texture square; 1 may change, 0 stays
    chosen: Bool[Tensor, "f"] | None = None

    def faces(self, mesh: Mesh) -> Bool[Tensor, "f"]:
        """The faces that lie inside as a whole."""
        inside = torch.zeros(len(mesh.faces), dtype=torch.bool)
        corners = mesh.faces.cpu().long()
        for box in self.boxes:
            inside |= box.holds(mesh.vertices.cpu())[corners].all(1)
        for mask in self.masks:
            assert mesh.uv is not None and mesh.face_uv is not None
            inside |= _white(mask, mesh.uv.cpu()[mesh.face_uv.cpu().long()])
        return inside if self.chosen is None else inside | self.chosen.cpu()

    def texels(
        self, triangle: Int[Tensor, "h w"], places: Float[Tensor, "h w 3"]
    ) -> Float[Tensor, "h w"]:
        """How far each texel of a map may change: 1 inside, 0 outside, between at soft masks.

        A texel in the black of a mask stays, at whatever size the mask is.

        Args:
            triangle: the face that each texel belongs to.
            places: of the texels, in the units of the mesh.
        """
        inside = torch.zeros(triangle.shape)
        for box in self.boxes:
            inside[box.holds(places)] = 1.0
        for mask in self.masks:
            soft = F.interpolate(mask[None, None], triangle.shape, mode="bilinear", antialias=True)
            near = F.interpolate(mask[None, None], triangle.shape, mode="nearest-exact")
            inside = inside.maximum(torch.where(near > 0, soft.clamp(0, 1), 0.0)[0, 0])
        if self.chosen is not None:
            inside[self.chosen[triangle.long()]] = 1.0
        return inside


def free_vertices(
    faces: Int[Tensor, "f 3"], inside: Bool[Tensor, "f"], num_vertices: int
) -> Bool[Tensor, "p"]:
    """The vertices all of whose faces lie inside; those without a face stay."""
    free = torch.zeros(num_vertices, dtype=torch.bool, device=faces.device)
    free[faces[inside].long()] = True
    free[faces[~inside].long()] = False
    return free


def _white(mask: Float[Tensor, "h w"], corners: Float[Tensor, "f 3 2"]) -> Bool[Tensor, "f"]:
    """Whether the mask is more white than black all over each face; beyond the square it repeats.

    Points on a face's sides are asked a little inside of it, so that one may end with the white.
    """
    rows = [(i, j, STEPS - i - j) for i in range(STEPS + 1) for j in range(STEPS + 1 - i)]
    weights = (torch.tensor(rows).to(corners) / STEPS) * 0.98 + 0.02 / 3
    points = (weights @ corners) % 1.0
    size = points.new_tensor([mask.shape[1], mask.shape[0]])
    column, row = (points * size).long().minimum(size.long() - 1).unbind(-1)
    return (mask[row, column] > 0.5).all(1)
