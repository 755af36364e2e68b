"""A sphere made of eight octants, which unfolds into one square of UV coordinates.

    octahedron |x| + |y| + |z| = 1   ->   sphere: each coordinate t becomes sin(pi/2 t)
                                     ->   square: the upper half is a diamond in the center, the
                                          four lower faces are folded out to the corners

The UV coordinates use the whole square, and they are continuous except at four seams from the lower
pole to the equator.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Int
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import Mesh

#: The margin at the border of the square, as a share of its side: maps are padded there, so that
#: filtering does not mix in texels of the opposite side.
MARGIN = 1 / 64
#: More segments give more than 400,000 vertices, with which a step takes seconds.
MAX_SEGMENTS = 316


def octasphere(segments: int) -> Mesh:
    """A sphere of radius 1 with UV coordinates: 4 s^2 + 2 vertices, 8 s^2 triangles.

    The edges have a length of pi / 2 / s, and up to 1.5 times that at the centers of octants. The
    mesh is exactly symmetric in all three coordinate planes.

    Args:
        segments: s, the number of segments of each edge of the octahedron.

    Raises:
        InputError: fewer than one segment, or too many.

    Source: the octahedral map of Praun and Hoppe 2003, "Spherical Parametrization and Remeshing",
    with y upwards. Deviation: positions on the sphere use the sine instead of normalization, so the
    areas of triangles differ by a factor of 1.8 instead of 5.2.
    """
    if not 1 <= segments <= MAX_SEGMENTS:
        raise InputError(f"octasphere: expected 1 to {MAX_SEGMENTS} segments, got {segments}")
    signs = torch.tensor([(x, y, z) for x in (1, -1) for y in (1, -1) for z in (1, -1)])
    corners, triangles = _octant(segments)
    # [octant, corner, 3], integers with |x| + |y| + |z| = segments.
    positions = corners * signs[:, None]
    unfolded = positions[..., [0, 2]]
    outside = (segments - corners[:, [2, 0]]) * signs[:, None, [0, 2]]
    unfolded = torch.where((signs[:, 1] < 0)[:, None, None], outside, unfolded)
    vertices, faces = _joined(positions, triangles)
    square, face_uv = _joined(unfolded, triangles)
    # An odd number of reflections inverts the orientation.
    mirrored = (signs.prod(1) < 0).repeat_interleave(len(triangles))[:, None]
    faces = torch.where(mirrored, faces.flip(1), faces)
    face_uv = torch.where(mirrored, face_uv.flip(1), face_uv)
    on_sphere = torch.sin(math.pi / 2 * vertices.double() / segments)
    on_sphere = on_sphere / on_sphere.norm(dim=1, keepdim=True)
    uv = 0.5 + (0.5 - MARGIN) * square.double() / segments
    return Mesh(on_sphere.float(), faces, uv=uv.float(), face_uv=face_uv)


def _octant(segments: int) -> tuple[Int[Tensor, "c 3"], Int[Tensor, "g 3"]]:
    """Points and triangles of the octahedron face with positive coordinates, oriented outwards."""
    corners = [
        (x, y, segments - x - y) for x in range(segments + 1) for y in range(segments + 1 - x)
    ]
    index = {corner: i for i, corner in enumerate(corners)}
    triangles = []
    for x, y, z in corners:
        if z > 0:
            triangles.append([(x, y, z), (x + 1, y, z - 1), (x, y + 1, z - 1)])
        if z > 1:
            triangles.append([(x + 1, y, z - 1), (x + 1, y + 1, z - 2), (x, y + 1, z - 1)])
    return torch.tensor(corners), torch.tensor([[index[c] for c in t] for t in triangles])


def _joined(
    points: Int[Tensor, "o c k"], triangles: Int[Tensor, "g 3"]
) -> tuple[Int[Tensor, "p k"], Int[Tensor, "f 3"]]:
    """The distinct points of all octants, and their triangles."""
    unique, index = torch.unique(points.flatten(0, 1), dim=0, return_inverse=True)
    return unique, index.view(points.shape[:2])[:, triangles].flatten(0, 1)
