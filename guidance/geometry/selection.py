"""The editable part of a mesh: boxes, masks over its UV square, and chosen faces."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.meshes import Mesh

#: A face is inside a mask if all points of a grid with this many steps along its edges are.
STEPS = 6


@dataclass(frozen=True)
class Box:
    """An axis-aligned box, in the units of the mesh."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def holds(self, places: Float[Tensor, "*k 3"]) -> Bool[Tensor, "*k"]:
        """Whether each position is in the box, including its boundary."""
        low, high = (places.new_tensor(corner) for corner in (self.low, self.high))
        return ((places >= low) & (places <= high)).all(-1)


@dataclass(frozen=True)
class Selection:
    """The editable part of a mesh: the union of boxes, masks and chosen faces.

    A face is inside only if it is inside completely, and a vertex is free only if all its faces are
    inside; so the faces outside keep all their corners. Texels are inside by their own position.
    """

    boxes: tuple[Box, ...] = ()
    masks: tuple[Float[Tensor, "_ _"], ...] = ()  # over the UV square; 1 = inside, 0 = outside
    chosen: Bool[Tensor, "f"] | None = None

    def faces(self, mesh: Mesh) -> Bool[Tensor, "f"]:
        """The faces that are completely inside."""
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
        """A mask of the texels: 1 inside, 0 outside, in between for soft masks.

        A texel in a black area of a mask is 0, whatever the size of the mask.

        Args:
            triangle: the face of each texel.
            places: positions of the texels, in the units of the mesh.
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
    """The vertices whose faces are all inside; a vertex without a face is not free."""
    free = torch.zeros(num_vertices, dtype=torch.bool, device=faces.device)
    free[faces[inside].long()] = True
    free[faces[~inside].long()] = False
    return free


def _white(mask: Float[Tensor, "h w"], corners: Float[Tensor, "f 3 2"]) -> Bool[Tensor, "f"]:
    """Whether the mask is above 0.5 at all sampled points of each face; the mask repeats.

    Points on the edges of a face are moved slightly inwards, so that a face may end at the border
    of the white area.
    """
    rows = [(i, j, STEPS - i - j) for i in range(STEPS + 1) for j in range(STEPS + 1 - i)]
    weights = (torch.tensor(rows).to(corners) / STEPS) * 0.98 + 0.02 / 3
    points = (weights @ corners) % 1.0
    size = points.new_tensor([mask.shape[1], mask.shape[0]])
    column, row = (points * size).long().minimum(size.long() - 1).unbind(-1)
    return (mask[row, column] > 0.5).all(1)
