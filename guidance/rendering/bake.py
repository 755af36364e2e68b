"""The surface point of each texel of a texture map."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import Mesh
from guidance.rendering.rasterizer.contract import rasterize

#: Faces whose UV coordinates span more repeats of the map are considered invalid.
MAX_REPEATS = 64


@dataclass(frozen=True)
class Bake:
    """A face and the barycentric coordinates in it for every texel.

    A texel that no face covers has the surface point of the nearest covered texel. This pads the
    maps, so that no seam shows where a viewer interpolates across a border.
    """

    triangle: Int[Tensor, "h w"]
    weights: Float[Tensor, "h w 3"]  # barycentric coordinates
    covered: float  # share of the texels that a face covers

    def to(self, device: torch.device) -> Bake:
        """A copy on another device."""
        return replace(self, triangle=self.triangle.to(device), weights=self.weights.to(device))

    def interpolate(
        self, values: Float[Tensor, "q c"], corners: Int[Tensor, "f 3"], rows: slice = slice(None)
    ) -> Float[Tensor, "m c"]:
        """Values of triangle corners, interpolated at the texels of some rows, row by row."""
        triangle, weights = self.triangle[rows].flatten(), self.weights[rows].flatten(0, 1)
        at_corners = values[corners.long()[triangle]]
        return (weights[..., None] * at_corners).sum(1)


@torch.no_grad()
def bake(mesh: Mesh, size: int) -> Bake:
    """Rasterizes the faces in UV space, at `size` x `size` texels; the result is on the CPU.

    Where faces overlap, a texel belongs to one of them.

    Raises:
        InputError: a face spans too many repeats of the map, or the faces cover no texel.
    """
    from scipy.ndimage import distance_transform_edt

    assert mesh.uv is not None and mesh.face_uv is not None
    positions, faces = _wrapped(mesh.uv.cpu().double()[mesh.face_uv.cpu().long()])
    clip = torch.cat([2 * positions - 1, torch.zeros_like(positions)], -1).float().view(1, -1, 4)
    clip[..., 1], clip[..., 3] = -clip[..., 1], 1.0
    corners = torch.arange(3 * len(faces)).view(-1, 3)
    fragments = rasterize(clip, corners, size, size)
    triangles = fragments.triangles[0].long()
    empty = triangles < 0
    if bool(empty.all()):
        raise InputError(
            f"the UV coordinates cover none of {size} x {size} texels; use a larger map"
        )
    nearest = distance_transform_edt(empty.numpy(), return_distances=False, return_indices=True)
    row, column = torch.from_numpy(nearest).long()
    weights = fragments.barycentrics[0][row, column]
    covered = 1 - float(empty.double().mean())
    return Bake(faces[triangles[row, column]], weights, covered)


def _wrapped(
    corners: Float[Tensor, "f 3 2"],
) -> tuple[Float[Tensor, "g 3 2"], Int[Tensor, "g"]]:
    """Faces moved into the unit square, since maps repeat, and their indices.

    A face that crosses the border is included once for each square that it reaches.
    """
    low = (corners.amin(1) + 1e-6).floor()
    high = (corners.amax(1) - 1e-6).floor().maximum(low)
    if float((high - low).max()) > MAX_REPEATS:
        raise InputError(
            f"the UV coordinates of a face span more than {MAX_REPEATS} repeats of the map; "
            "unwrap the mesh again"
        )
    pieces, owners = [], []
    for x in range(int((high - low)[:, 0].max()) + 1):
        for y in range(int((high - low)[:, 1].max()) + 1):
            square = low + corners.new_tensor([x, y])
            reached = (square <= high).all(1)
            pieces.append((corners - square[:, None])[reached])
            owners.append(reached.nonzero()[:, 0])
    return torch.cat(pieces), torch.cat(owners)
