"""Built-in meshes: sphere, cube, torus, cone and cylinder."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from guidance.errors import InputError
from guidance.geometry.subdivision import subdivide
from guidance.meshes import Mesh

#: The longest edge of a primitive, in radii: 2,000 to 10,000 triangles each.
EDGE_LENGTH = 0.1


def _cube(make: Any) -> Any:
    return make.box((1, 1, 1))


def _torus(make: Any) -> Any:
    return make.torus(major_radius=1.0, minor_radius=0.42, major_sections=64, minor_sections=32)


def _cone(make: Any) -> Any:
    return make.cone(radius=1.0, height=2.0, sections=48)


def _cylinder(make: Any) -> Any:
    return make.cylinder(radius=1.0, height=2.0, sections=48)


#: Made by functions of trimesh, whose import takes half a second, or None for the sphere.
PRIMITIVES: dict[str, Callable[[Any], Any] | None] = {
    "sphere": None,
    "cube": _cube,
    "torus": _torus,
    "cone": _cone,
    "cylinder": _cylinder,
}


def primitive(name: str) -> Mesh:
    """A closed built-in mesh of radius 1 around the origin, with its axis along y, without colors.

    Raises:
        InputError: the name is unknown.
    """
    if name not in PRIMITIVES:
        raise InputError(
            f"mesh {name!r} is neither a file nor a built-in shape; use a mesh file or "
            f"{', '.join(PRIMITIVES)}"
        )
    make = PRIMITIVES[name]
    if make is None:
        return _icosphere(4)  # 5,120 triangles of nearly equal size
    import trimesh

    shape = make(trimesh.creation)
    shape.merge_vertices()
    # The axis of trimesh's shapes is z; here it is y.
    x, y, z = torch.tensor(shape.vertices - shape.bounds.mean(0), dtype=torch.float32).unbind(1)
    vertices = torch.stack([x, z, -y], 1)
    vertices = vertices / vertices.norm(dim=-1).max()
    return subdivide(Mesh(vertices, torch.tensor(shape.faces, dtype=torch.long)), EDGE_LENGTH)


def _icosphere(levels: int) -> Mesh:
    """The sphere of radius 1 from an icosahedron whose triangles are cut into four, repeatedly."""
    golden = (1 + math.sqrt(5)) / 2
    signs = [(-1.0, golden), (1.0, golden), (-1.0, -golden), (1.0, -golden)]
    corners = [(a, 0.0, b) for a, b in signs] + [(0.0, b, a) for a, b in signs]
    corners += [(b, a, 0.0) for a, b in signs]
    vertices = F.normalize(torch.tensor(corners, dtype=torch.float64), dim=1)
    edge = 2 / math.sqrt(1 + golden**2)
    near = (torch.cdist(vertices, vertices) - edge).abs() < 1e-6
    faces = torch.combinations(torch.arange(12), 3)
    a, b, c = faces.unbind(1)
    faces = faces[near[a, b] & near[b, c] & near[c, a]]
    inwards = torch.linalg.det(vertices[faces]) < 0
    faces[inwards] = faces[inwards].flip(1)
    for _ in range(levels):
        sides = torch.stack([faces, faces.roll(-1, 1)], -1).sort(-1).values.flatten(0, 1)
        edges, owners = torch.unique(sides, dim=0, return_inverse=True)
        ab, bc, ca = (len(vertices) + owners.view(-1, 3)).unbind(1)
        a, b, c = faces.unbind(1)
        parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        faces = torch.cat([torch.stack(corners_of, 1) for corners_of in parts])
        vertices = F.normalize(torch.cat([vertices, vertices[edges].sum(1)]), dim=1)
    return Mesh(vertices.float(), faces)


def octahedron() -> Mesh:
    """Eight triangles with vertices at distance 1 along the axes, for tests."""
    corners = torch.cat([torch.eye(3), -torch.eye(3)])
    faces = [(x, y, z) for x in (0, 3) for y in (1, 4) for z in (2, 5)]
    outwards = [f if sum(i > 2 for i in f) % 2 == 0 else (f[0], f[2], f[1]) for f in faces]
    return Mesh(corners, torch.tensor(outwards))
