"""Scenes for the tests of the renderer."""

from __future__ import annotations

from functools import cache

import torch
import trimesh
from torch import Tensor

from guidance.meshes import MeshScene
from guidance.rendering.cameras.orbit import Orbit

#: Subdivisions of an icosahedron: 80, 1,280 and 20,480 triangles.
SUBDIVISIONS = (1, 3, 5)
#: The backends that run on the CPU: numba and the reference.
BACKENDS = ("cpu", "torch")


@cache
def sphere(subdivisions: int) -> tuple[Tensor, Tensor]:
    """Vertices and faces of a sphere of radius 1; not to be changed."""
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions)
    return torch.tensor(mesh.vertices, dtype=torch.float32), torch.tensor(mesh.faces)


def egg(subdivisions: int, num_samples: int = 2) -> MeshScene:
    """Spheres, each less regular than the one before."""
    vertices, faces = sphere(subdivisions)
    stretch = torch.tensor([0.2, -0.3, 0.1]) * torch.arange(num_samples)[:, None, None]
    return MeshScene(vertices * (1 + stretch), faces, vertices)


def random_triangles(
    kind: str, seed: int = 0, num_pictures: int = 3, count: int = 80
) -> tuple[Tensor, Tensor]:
    """Clip coordinates `[b, p, 4]` and faces, many of them hidden or partly out of the image.

    Args:
        kind: "any"; "behind", where two thirds of them reach behind the camera; "thin", where they
            are a hundred times as long as wide.
    """
    draw = torch.Generator().manual_seed(seed)
    places = torch.rand(num_pictures, count, 3, generator=draw) * 3 - 1.5
    w = torch.rand(num_pictures, count, 1, generator=draw) * 2 + 0.5
    clip = torch.cat([places, 1.5 * w - 1.75 if kind == "behind" else w], -1)
    faces = torch.randint(count, (count, 3), generator=draw)
    if kind == "thin":
        a, b = clip[:, faces[:, 0]], clip[:, faces[:, 1]]
        middle = a + 0.4 * (b - a) + 0.02 * torch.randn(a.shape, generator=draw)
        clip, faces = torch.stack([a, b, middle], 2).flatten(1, 2), torch.arange(3 * count)
    return clip, faces.view(-1, 3)


def sheet(cells: int, reach: float = 1.5) -> tuple[Tensor, Tensor]:
    """Vertices of a square in the plane z = 0, seen anticlockwise from +z; `2 cells^2` faces."""
    line = torch.linspace(-reach, reach, cells + 1)
    y, x = torch.meshgrid(line, line, indexing="ij")
    index = torch.arange((cells + 1) ** 2).view(cells + 1, cells + 1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = torch.cat([torch.stack([a, b, c], -1), torch.stack([a, c, d], -1)]).view(-1, 3)
    return torch.stack([x.flatten(), y.flatten(), torch.zeros(len(index) ** 2)], -1), faces


def flat(vertices: Tensor, depth: float = 0.0) -> Tensor:
    """Clip coordinates `[1, p, 4]` of a camera without perspective: x and y are the image's."""
    x, y, z = vertices.unbind(-1)
    return torch.stack([x, y, z + depth, torch.ones_like(x)], -1)[None]


def in_pixels(places: list[tuple[float, float]], height: int, width: int) -> Tensor:
    """Vertices `[p, 3]` for `flat` at columns and rows, (0, 0) the image's upper left corner."""
    return torch.tensor([[2 * x / width - 1, 1 - 2 * y / height, 0.0] for x, y in places])


def orbit(num_views: int = 3, size: tuple[int, int] = (48, 64)) -> Orbit:
    """Cameras that see objects off the middle."""
    return Orbit(num_views=num_views, size=size, offset=0.3)


def colors_of(scene: MeshScene, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(scene.vertices.shape, generator=draw)


def cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.cosine_similarity(a.double().flatten(), b.double().flatten(), dim=0))
