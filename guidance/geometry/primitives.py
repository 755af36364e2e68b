"""Built-in meshes: sphere, cube, torus, cone and cylinder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from guidance.errors import InputError
from guidance.geometry.subdivision import subdivide
from guidance.meshes import Mesh

#: The longest edge of a primitive, in radii: 2,000 to 10,000 triangles each.
EDGE_LENGTH = 0.1


def _sphere(make: Any) -> Any:
    return make.icosphere(subdivisions=4)  # 5,120 triangles of nearly equal size


def _cube(make: Any) -> Any:
    return make.box((1, 1, 1))


def _torus(make: Any) -> Any:
    return make.torus(major_radius=1.0, minor_radius=0.42, major_sections=64, minor_sections=32)


def _cone(make: Any) -> Any:
    return make.cone(radius=1.0, height=2.0, sections=48)


def _cylinder(make: Any) -> Any:
    return make.cylinder(radius=1.0, height=2.0, sections=48)


PRIMITIVES: dict[str, Callable[[Any], Any]] = {
    "sphere": _sphere,
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
    import trimesh

    shape = PRIMITIVES[name](trimesh.creation)
    shape.merge_vertices()
    # The axis of trimesh's shapes is z; here it is y.
    x, y, z = torch.tensor(shape.vertices - shape.bounds.mean(0), dtype=torch.float32).unbind(1)
    vertices = torch.stack([x, z, -y], 1)
    vertices = vertices / vertices.norm(dim=-1).max()
    return subdivide(Mesh(vertices, torch.tensor(shape.faces, dtype=torch.long)), EDGE_LENGTH)


def octahedron() -> Mesh:
    """Eight triangles with vertices at distance 1 along the axes, for tests."""
    corners = torch.cat([torch.eye(3), -torch.eye(3)])
    faces = [(x, y, z) for x in (0, 3) for y in (1, 4) for z in (2, 5)]
    outwards = [f if sum(i > 2 for i in f) % 2 == 0 else (f[0], f[2], f[1]) for f in faces]
    return Mesh(corners, torch.tensor(outwards))
