"""Small mesh files, each with a defect that breaks many tools."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from guidance.geometry.io.files import save_mesh
from guidance.geometry.primitives import octahedron
from guidance.geometry.subdivision import subdivide
from guidance.meshes import Material, Mesh

Rows = list[list[float]]


def obj(
    vertices: Tensor | Rows, faces: Tensor | list[list[int]], more: str = "", digits: int = 17
) -> str:
    """The text of an OBJ file; face indices start at 0."""
    rows = vertices.tolist() if isinstance(vertices, Tensor) else vertices
    corners = faces.tolist() if isinstance(faces, Tensor) else faces
    lines = ["v " + " ".join(f"{x:.{digits}g}" for x in row) for row in rows]
    lines += ["f " + " ".join(str(corner + 1) for corner in face) for face in corners]
    return more + "\n".join(lines) + "\n"


def ball() -> Mesh:
    """A coarse ball with triangles of similar size."""
    return subdivide(octahedron(), 0.8)


def grid(cells: int, height: Callable[[Tensor, Tensor], Tensor]) -> Mesh:
    """An open height field over the square [-1, 1]^2, which faces +z."""
    line = torch.linspace(-1, 1, cells + 1)
    y, x = torch.meshgrid(line, line, indexing="ij")
    index = torch.arange((cells + 1) ** 2).view(cells + 1, cells + 1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = torch.cat([torch.stack([a, b, c], -1), torch.stack([a, c, d], -1)]).view(-1, 3)
    return Mesh(torch.stack([x, y, height(x, y)], -1).view(-1, 3), faces)


def _ball_at(scale: float, offset: float) -> str:
    return obj(ball().vertices.double() * scale + offset, ball().faces)


def needle() -> str:
    """A box that is twenty times as long as wide."""
    corners = [[x, y, z] for x in (-1, 1) for y in (-0.05, 0.05) for z in (-0.05, 0.05)]
    sides = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    return obj(corners, sides)


def slivers() -> str:
    """A ball with some triangles of nearly no area."""
    mesh = ball()
    edge = mesh.vertices[mesh.faces[0, :2]].double()
    middle = edge.mean(0) + 1e-7 * edge[0].flip(0)
    vertices = torch.cat([mesh.vertices.double(), middle[None]])
    new = len(mesh.vertices)
    faces = torch.cat(
        [mesh.faces, torch.tensor([[int(mesh.faces[0, 0]), new, int(mesh.faces[0, 1])]])]
    )
    return obj(vertices, faces)


def crowd() -> str:
    """Sixty separate bodies."""
    one = octahedron()
    places = torch.rand(60, 1, 3, generator=torch.Generator().manual_seed(0)) * 20
    vertices = (one.vertices + places).view(-1, 3)
    faces = (one.faces + 6 * torch.arange(60)[:, None, None]).view(-1, 3)
    return obj(vertices, faces)


def torn() -> str:
    """An open sheet with a hole in the middle."""
    mesh = grid(6, lambda x, y: 0.3 * x * y)
    kept = mesh.vertices[mesh.faces].mean(1).norm(dim=-1) > 0.4
    return obj(mesh.vertices, mesh.faces[kept])


def fins() -> str:
    """Five faces that share one edge."""
    rows: Rows = [[0.0, -1, 0], [0, 1, 0]]
    rows += [[math.cos(a), 0, math.sin(a)] for a in (0.0, 1.2, 2.5, 3.7, 5.0)]
    return obj(rows, [[0, 1, 2 + fin] for fin in range(5)])


def hourglass() -> str:
    """Two balls that share a single vertex."""
    mesh = ball()
    top = int(mesh.vertices[:, 1].argmax())
    moved = mesh.vertices + torch.tensor([0.0, 2.0, 0.0])
    low = int(moved[:, 1].argmin())
    count = len(mesh.vertices)
    faces = mesh.faces + count
    faces[faces == low + count] = top
    return obj(torch.cat([mesh.vertices, moved]), torch.cat([mesh.faces, faces]))


def soup() -> str:
    """Triangles without shared vertices; every third has the opposite orientation."""
    mesh = ball()
    faces = torch.arange(3 * len(mesh.faces)).view(-1, 3)
    faces[::3] = faces[::3].flip(1)
    return obj(mesh.vertices[mesh.faces].view(-1, 3), faces)


def moebius() -> str:
    """A Moebius strip."""
    rows, faces = [], []
    for i in range(24):
        a = 2 * math.pi * i / 24
        for w in (-0.3, 0.3):
            r = 1 + w * math.cos(a / 2)
            rows.append([r * math.sin(a), w * math.sin(a / 2), r * math.cos(a)])
        here, there = (2 * i, 2 * i + 1), ((2 * i + 2) % 48, (2 * i + 3) % 48)
        there = there if i < 23 else (1, 0)
        faces += [[here[0], there[0], there[1]], [here[0], there[1], here[1]]]
    return obj(rows, faces)


def polygons() -> str:
    """A prism over a ten-pointed star; its ends are single non-convex faces."""
    star = [
        [(1.0 if i % 2 else 0.4) * math.cos(0.2 * math.pi * i), 0.0,
         (1.0 if i % 2 else 0.4) * math.sin(0.2 * math.pi * i)]
        for i in range(10)
    ]  # fmt: skip
    rows = [[x, y, z] for y in (-0.5, 0.5) for x, _, z in star]
    sides = [[i, 10 + i, 10 + (i + 1) % 10, (i + 1) % 10] for i in range(10)]
    return obj(rows, [list(range(10)), list(range(19, 9, -1)), *sides])


def far_stray() -> str:
    """A ball, and a vertex a million radii away that no face uses."""
    mesh = ball()
    return obj(torch.cat([mesh.vertices, torch.full((1, 3), 1e6)]), mesh.faces)


def crossing() -> str:
    """Two intersecting balls, the second inside out, and duplicate faces."""
    one = ball()
    other = one.vertices + torch.tensor([0.7, 0.1, 0.2])
    faces = torch.cat([one.faces, one.faces.flip(1) + len(one.vertices), one.faces[:5]])
    return obj(torch.cat([one.vertices, other]), faces)


def with_wild_uv() -> str:
    """UV coordinates outside of the unit square, overlapping, or without area."""
    mesh = ball()
    uv = ["vt -2.5 7.25", "vt 3 7.25", "vt 0.5 9", "vt 0 0"]
    lines = [f"v {x} {y} {z}" for x, y, z in mesh.vertices.tolist()] + uv
    for index, face in enumerate((mesh.faces + 1).tolist()):
        places = (4, 4, 4) if index % 4 == 0 else (1, 2, 3)
        corners = zip(face, places, strict=True)
        lines.append("f " + " ".join(f"{v}/{t}" for v, t in corners))
    return "mtllib nowhere.mtl\nusemtl gone\n" + "\n".join(lines) + "\n"


def textured_glb(path: Path) -> Path:
    """A GLB with embedded texture maps."""
    mesh = ball()
    uv = torch.rand(3 * len(mesh.faces), 2, generator=torch.Generator().manual_seed(0))
    color = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(1))
    normal = torch.tensor([0.0, 0, 1])[:, None, None].expand(3, 16, 16)
    material = Material(color, 0.5 + 0 * color[:1], 0 * color[:1], normal)
    corners = torch.arange(len(uv)).view(-1, 3)
    return save_mesh(Mesh(mesh.vertices, mesh.faces, None, uv, corners, material), path)


def coloured_ply(path: Path) -> Path:
    """Vertex colors that alternate between black and white."""
    mesh = ball()
    colors = (torch.arange(len(mesh.vertices)) % 2).float()[:, None].expand(-1, 3)
    return save_mesh(Mesh(mesh.vertices, mesh.faces, colors), path)


TEXTS: dict[str, Callable[[], str]] = {
    "one triangle": lambda: obj([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]),
    "a flat square": lambda: obj([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2, 3]]),
    "a needle": needle,
    "slivers": slivers,
    "sixty parts": crowd,
    "a hole": torn,
    "five faces at an edge": fins,
    "a shared vertex": hourglass,
    "a soup of triangles": soup,
    "one side": moebius,
    "concave polygons": polygons,
    "a far stray vertex": far_stray,
    "bodies that cross": crossing,
    "wild texture coordinates": with_wild_uv,
    "huge": lambda: _ball_at(1e12, 3e12),
    "tiny": lambda: _ball_at(1e-12, 0.0),
    "far away": lambda: _ball_at(2.0, 5e6),
}
FILES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "maps inside": (".glb", textured_glb),
    "black and white": (".ply", coloured_ply),
}


def write(name: str, folder: Path) -> Path:
    """Writes one of the meshes, and returns its path."""
    if name in TEXTS:
        path = folder / "mesh.obj"
        path.write_text(TEXTS[name]())
        return path
    suffix, make = FILES[name]
    return make(folder / f"mesh{suffix}")
