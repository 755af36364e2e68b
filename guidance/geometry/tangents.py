"""Tangents of UV-mapped meshes, for normal maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def corner_tangents(
    vertices: Float[Tensor, "p 3"],
    faces: Int[Tensor, "f 3"],
    normals: Float[Tensor, "p 3"],
    uv: Float[Tensor, "q 2"],
    face_uv: Int[Tensor, "f 3"],
) -> tuple[Float[Tensor, "c 4"], Int[Tensor, "f 3"]]:
    """Unit tangents with the sign of the bitangent, and the tangent of each face corner.

    The tangent points along u, to the right of the map; `cross(normal, tangent) * sign` points to
    its top. Corners with the same vertex, UV coordinates and sign share a tangent: the tangents of
    their faces are projected to the plane of the vertex and averaged, weighted by corner angles.

    Args:
        normals: unit vertex normals.
        uv: v downwards, as in `guidance.meshes.Mesh`.

    Source: Mikkelsen 2008, "Simulation of Wrinkled Surfaces Revisited", and its reference code
    (MikkTSpace), which glTF 2.0 specifies in section 3.7.2.1. Deviation: corners at a vertex with
    the same UV coordinates are averaged even if another face separates them.
    """
    corners, corner_uv = vertices[faces.long()], uv[face_uv.long()]
    edges, steps = corners[:, 1:] - corners[:, :1], corner_uv[:, 1:] - corner_uv[:, :1]
    # With v upwards, (du, dv) = (u, -v). The derivative is
    # P_u = (dv_2 e_1 - dv_1 e_2) / determinant.
    determinant = steps[:, 1, 0] * steps[:, 0, 1] - steps[:, 0, 0] * steps[:, 1, 1]
    sign = torch.where(determinant < 0, -1.0, 1.0).to(vertices)
    along = steps[:, :1, 1] * edges[:, 1] - steps[:, 1:, 1] * edges[:, 0]
    along = along * sign[:, None]
    normal = normals[faces.long()]
    flat = along[:, None] - (along[:, None] * normal).sum(-1, keepdim=True) * normal
    flat = F.normalize(flat, dim=-1, eps=1e-20) * _angles(corners)[..., None]
    keys = torch.stack([faces.long(), face_uv.long(), (sign > 0).long()[:, None].expand(-1, 3)], -1)
    unique, index = torch.unique(keys.view(-1, 3), dim=0, return_inverse=True)
    sums = vertices.new_zeros(len(unique), 3).index_add(0, index, flat.view(-1, 3))
    shared = normals[unique[:, 0]]
    sums = sums - (sums * shared).sum(-1, keepdim=True) * shared
    tangents = torch.where(sums.norm(dim=-1, keepdim=True) > 1e-6, sums, _perpendicular(shared))
    tangents = F.normalize(tangents, dim=-1)
    signs = (2 * unique[:, 2:] - 1).to(vertices)
    return torch.cat([tangents, signs], 1), index.view(-1, 3)


def _angles(corners: Float[Tensor, "f 3 3"]) -> Float[Tensor, "f 3"]:
    ahead = F.normalize(corners.roll(-1, 1) - corners, dim=-1, eps=1e-20)
    behind = F.normalize(corners.roll(1, 1) - corners, dim=-1, eps=1e-20)
    return (ahead * behind).sum(-1).clamp(-1, 1).acos()


def _perpendicular(normals: Float[Tensor, "c 3"]) -> Float[Tensor, "c 3"]:
    """Vectors perpendicular to the normals, for corners whose UV coordinates are degenerate."""
    steep = normals[:, :1].abs() > 0.9
    axis = torch.where(steep, normals.new_tensor([0.0, 1, 0]), normals.new_tensor([1.0, 0, 0]))
    return axis - (axis * normals).sum(-1, keepdim=True) * normals
