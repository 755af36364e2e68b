"""The other way round: which place of the surface each texel of a map belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import Mesh
from guidance.rendering.rasterizer.contract import rasterize

#: Faces whose coordinates run over more repeats of the maps than this are noise.
MOST_REPEATS = 64


@dataclass(frozen=True)
class Bake:
    """A face and a place in it for every texel.

    Texels that no face covers take the place of the nearest one that is: so maps are padded, and no
    seam shows where a viewer mixes texels across a border.
    """

    triangle: Int[Tensor, "h w"]
    weights: Float[Tensor, "h w 3"]  # of the triangle's corners
    covered: float  # share of the texels that a face covers itself

    def to(self, device: torch.device) -> Bake:
        """The same on another device."""
        return replace(self, triangle=self.triangle.to(device), weights=self.weights.to(device))

    def at_corners(
        self, values: Float[Tensor, "q c"], corners: Int[Tensor, "f 3"], rows: slice = slice(None)
    ) -> Float[Tensor, "m c"]:
        """Values of corners, interpolated at the texels of some rows, row after row."""
        triangle, weights = self.triangle[rows].flatten(), self.weights[rows].flatten(0, 1)
        found = values[corners.long()[triangle]]
        return (weights[..., None] * found).sum(1)


@torch.no_grad()
def bake(mesh: Mesh, size: int) -> Bake:
    """Draws the faces, by their texture coordinates, into a square of `size` texels a side.

    On the CPU, wherever the mesh is.

    Where faces share texels, one of them is taken.

    Raises:
        InputError: the coordinates repeat the maps too often, or cover no texel.
    """
    from scipy.ndimage import distance_transform_edt

    assert mesh.uv is not None and mesh.face_uv is not None
    places, faces = _in_square(mesh.uv.cpu().double()[mesh.face_uv.cpu().long()])
    flat = torch.cat([2 * places - 1, torch.zeros_like(places)], -1).float().view(1, -1, 4)
    flat[..., 1], flat[..., 3] = -flat[..., 1], 1.0
    corners = torch.arange(3 * len(faces)).view(-1, 3)
    fragments = rasterize(flat, corners, size, size)
    found = fragments.triangles[0].long()
    empty = found < 0
    if bool(empty.all()):
        raise InputError(
            f"the texture coordinates cover none of {size} x {size} texels; use a larger map"
        )
    nearest = distance_transform_edt(empty.numpy(), return_distances=False, return_indices=True)
    row, column = torch.from_numpy(nearest).long()
    weights = fragments.barycentrics[0][row, column]
    covered = 1 - float(empty.double().mean())
    return Bake(faces[found[row, column]], weights, covered)


def _in_square(
    corners: Float[Tensor, "f 3 2"],
) -> tuple[Float[Tensor, "g 3 2"], Int[Tensor, "g"]]:
    """Faces moved into the square, where maps repeat; one at a border is there on each side."""
    low = (corners.amin(1) + 1e-6).floor()
    high = (corners.amax(1) - 1e-6).floor().maximum(low)
    if float((high - low).max()) > MOST_REPEATS:
        raise InputError(
            f"a face repeats the maps more than {MOST_REPEATS} times; unwrap the mesh anew"
        )
    pieces, owners = [], []
    for x in range(int((high - low)[:, 0].max()) + 1):
        for y in range(int((high - low)[:, 1].max()) + 1):
            step = low + corners.new_tensor([x, y])
            reached = (step <= high).all(1)
            pieces.append((corners - step[:, None])[reached])
            owners.append(reached.nonzero()[:, 0])
    return torch.cat(pieces), torch.cat(owners)
