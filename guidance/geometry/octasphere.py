"""A sphere whose triangles keep to the eight octants, so that it unfolds into one square.

    flat octahedron |x| + |y| + |z| = 1   ->   sphere: each coordinate t becomes sin(pi/2 t)
                                          ->   square: the upper half is a diamond in its middle,
                                               the four lower faces are folded out to its corners

The whole square is used, and what touches on the sphere touches in the square, but for four
cuts from the lower pole to the equator.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Int
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import Mesh

#: What the square leaves free at its border, as a share of its side: maps are padded there, so that
#: nothing from the opposite side comes in.
MARGIN = 1 / 64
#: More segments make more than the 400,000 vertices that take seconds a step.
MOST_SEGMENTS = 316


def octasphere(segments: int) -> Mesh:
    """A sphere of radius 1 with texture coordinates: 4 s^2 + 2 vertices, 8 s^2 triangles.

    Edges are pi / 2 / s long, or up to 1.5 times as long in the middles of octants. The mesh is its
    own mirror image in all three coordinate planes, to the bit.

    Args:
        segments: of each edge of the octahedron.

    Raises:
        InputError: fewer than one segment, or too many.

    Source: the square is the octahedral map of Praun and Hoppe 2003, "Spherical Parametrization and
    Remeshing", with y upwards. Deviation: places on the sphere are spread by the sine instead of
    divided by their length, which would make areas differ by a factor of 5.2: here it is 1.8.
    """
    if not 1 <= segments <= MOST_SEGMENTS:
        raise InputError(f"octasphere: expected 1 to {MOST_SEGMENTS} segments, got {segments}")
    signs = torch.tensor([(x, y, z) for x in (1, -1) for y in (1, -1) for z in (1, -1)])
    corners, triangles = _octant(segments)
    # [octant, corner, 3], whole numbers with |x| + |y| + |z| = segments.
    places = corners * signs[:, None]
    unfolded = places[..., [0, 2]]
    outside = (segments - corners[:, [2, 0]]) * signs[:, None, [0, 2]]
    unfolded = torch.where((signs[:, 1] < 0)[:, None, None], outside, unfolded)
    vertices, faces = _joined(places, triangles)
    square, face_uv = _joined(unfolded, triangles)
    # An odd number of mirrors turns a face's corners round.
    turned = (signs.prod(1) < 0).repeat_interleave(len(triangles))[:, None]
    faces = torch.where(turned, faces.flip(1), faces)
    face_uv = torch.where(turned, face_uv.flip(1), face_uv)
    around = torch.sin(math.pi / 2 * vertices.double() / segments)
    around = around / around.norm(dim=1, keepdim=True)
    uv = 0.5 + (0.5 - MARGIN) * square.double() / segments
    return Mesh(around.float(), faces, uv=uv.float(), face_uv=face_uv)


def _octant(segments: int) -> tuple[Int[Tensor, "c 3"], Int[Tensor, "g 3"]]:
    """Corners of the triangles that a face with all coordinates above 0 is cut into; outwards."""
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
    """Points that octants share, once each, and the triangles of all octants."""
    unique, index = torch.unique(points.flatten(0, 1), dim=0, return_inverse=True)
    return unique, index.view(points.shape[:2])[:, triangles].flatten(0, 1)
