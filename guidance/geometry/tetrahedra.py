"""Isosurfaces of signed distances by marching tetrahedra on a regular grid.

    distances at the grid's vertices -> edges between inside and outside -> a vertex on each
                                     -> one or two triangles in each tetrahedron that is cut

Which edges are cut is discrete. The position of the surface on them is differentiable in the
distances and in the positions of the grid's vertices, so an optimization can change the topology of
the surface.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.errors import InputError

#: The edges of a tetrahedron, as pairs of its corners.
EDGES = tuple(combinations(range(4), 2))
#: More cells per side give grids with more than ten million edges.
MAX_CELLS = 80


@dataclass(frozen=True)
class TetrahedralGrid:
    """A cube divided into congruent tetrahedra; vertices are corners and centers of cubic cells.

    Each tetrahedron has an edge between the centers of two cells and an edge of the face that they
    share. The tetrahedra do not fill the cube at its sides; distances must be positive there
    (`border`).

    Source: the body-centered cubic lattice, as in Labelle and Shewchuk 2007, "Isosurface Stuffing".
    """

    places: Float[Tensor, "p 3"]  # corners of the cells, ordered by x, y and z, then their centers
    edges: Int[Tensor, "e 2"]  # each edge once
    tetrahedra: Int[Tensor, "t 4"]  # right-handed
    tetrahedron_edges: Int[Tensor, "t 6"]  # indices of the edges, in the order of `EDGES`
    border: Bool[Tensor, "p"]  # vertices that are not surrounded by tetrahedra
    cells: int  # per side
    half: float  # half the side of the cube

    @property
    def spacing(self) -> float:
        """The side of a cell."""
        return 2 * self.half / self.cells

    @classmethod
    def of(cls, cells: int, half: float) -> TetrahedralGrid:
        """A cube around the origin, symmetric in all three coordinate planes.

        Args:
            cells: per side, at least 2.
            half: half the side of the cube.

        Raises:
            InputError: too few or too many cells.
        """
        if not 2 <= cells <= MAX_CELLS:
            raise InputError(f"TetrahedralGrid: expected 2 to {MAX_CELLS} cells, got {cells}")
        corners, centers = _lattice(cells + 1), _lattice(cells)
        places = torch.cat([corners - cells / 2, centers + 0.5 - cells / 2])
        tetrahedra = torch.cat([_across(axis, cells) for axis in range(3)])
        a, b, c, d = (places[corner] for corner in tetrahedra.unbind(1))
        handed = (torch.linalg.cross(b - a, c - a) * (d - a)).sum(1)
        tetrahedra = torch.where(handed[:, None] > 0, tetrahedra, tetrahedra[:, [1, 0, 2, 3]])
        pairs = torch.stack([tetrahedra[:, list(edge)] for edge in EDGES], 1).sort(-1).values
        keys, which = torch.unique(pairs[..., 0] * len(places) + pairs[..., 1], return_inverse=True)
        edges = torch.stack([keys // len(places), keys % len(places)], 1)
        # The centers of the outermost cells, like their corners, are not surrounded by tetrahedra.
        outermost = (cells - 1) / 2 - 1e-6
        border = places.abs().amax(1) >= outermost
        scaled = 2 * half / cells * places
        return cls(scaled.float(), edges, tetrahedra, which, border, cells, half)

    def to(self, device: torch.device) -> TetrahedralGrid:
        """A copy on another device."""
        names = ("places", "edges", "tetrahedra", "tetrahedron_edges", "border")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def mirrored(self) -> Int[Tensor, "p"]:
        """The index of each vertex's mirror image in the plane x = 0."""
        corners, centers = self.cells + 1, self.cells
        first = torch.arange(corners**3).view(corners, corners, corners).flip(0).flatten()
        second = torch.arange(centers**3).view(centers, centers, centers).flip(0).flatten()
        return torch.cat([first, corners**3 + second])


def march(
    grid: TetrahedralGrid, distances: Float[Tensor, "p"], places: Float[Tensor, "p 3"]
) -> tuple[Float[Tensor, "q 3"], Int[Tensor, "f 3"]]:
    """The isosurface at distance 0, oriented outwards; closed if the border distances are positive.

    On an edge from a to b with distances s_a < 0 <= s_b, its vertex is at
    (s_b a - s_a b) / (s_b - s_a).

    Args:
        distances: at the vertices of the grid, negative inside.
        places: positions of the vertices, `grid.places` or deformed ones.

    Returns:
        Vertices, differentiable in distances and places, and faces; both can be empty.

    Source: Doi and Koide 1991, "An Efficient Method of Triangulating Equi-Valued Surfaces by Using
    Tetrahedral Cells"; Shen et al., DMTet (arXiv 2111.04276) for its use with gradients.
    """
    with torch.no_grad():
        inside = distances < 0
        ends = inside[grid.edges]
        cut = ends[:, 0] != ends[:, 1]
        code = (inside[grid.tetrahedra] * inside.new_tensor([1, 2, 4, 8], dtype=torch.long)).sum(1)
        some = (code > 0) & (code < 15)
        number = cut.cumsum(0) - 1
        tables = TRIANGLES.to(code.device)[code[some]]  # [t, 2, 3] edges of each tetrahedron
        around = number[grid.tetrahedron_edges[some]]
        faces = around[:, None].expand(-1, 2, -1).gather(2, tables.clamp_min(0))
        faces = faces[tables[..., 0] >= 0]
        edges = grid.edges[cut]
    (first, second), values = edges.unbind(1), distances[edges]
    share = values[:, :1] / (values[:, :1] - values[:, 1:])
    start, stop = places.index_select(0, first), places.index_select(0, second)
    return start + share * (stop - start), faces


def _lattice(side: int) -> Float[Tensor, "p 3"]:
    line = torch.arange(side).double()
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).view(-1, 3)


def _across(axis: int, cells: int) -> Int[Tensor, "t 4"]:
    """The four tetrahedra around each face between two cells that are neighbors along an axis."""
    corner = torch.arange((cells + 1) ** 3).view(cells + 1, cells + 1, cells + 1)
    center = (cells + 1) ** 3 + torch.arange(cells**3).view(cells, cells, cells)
    corner, center = corner.movedim(axis, 0)[1:-1], center.movedim(axis, 0)
    low, high = center[:-1], center[1:]
    around = [corner[:, :-1, :-1], corner[:, 1:, :-1], corner[:, 1:, 1:], corner[:, :-1, 1:]]
    pairs = zip(around, [*around[1:], around[0]], strict=True)
    return torch.cat([torch.stack([low, high, *pair], -1).view(-1, 4) for pair in pairs])


def _table() -> Int[Tensor, "16 2 3"]:
    """For each set of inside corners (bit i for corner i), up to two triangles of cut edges.

    The triangles are oriented outwards; -1 for none.
    """
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    midpoints = torch.stack([corners[list(edge)].mean(0) for edge in EDGES])
    table = torch.full((16, 2, 3), -1)
    for code in range(1, 15):
        inside = [i for i in range(4) if code >> i & 1]
        outside = [i for i in range(4) if i not in inside]
        if len(inside) == 2:
            # In the order around the quadrangle, where consecutive edges share a corner.
            (a, b), (c, d) = inside, outside
            around = [EDGES.index(tuple(sorted(e))) for e in ((a, c), (a, d), (b, d), (b, c))]
            triangles = [around[:3], [around[0], *around[2:]]]
        else:
            triangles = [[k for k, (i, j) in enumerate(EDGES) if (i in inside) != (j in inside)]]
        out = corners[outside].mean(0) - corners[inside].mean(0)
        for place, triangle in enumerate(triangles):
            p, q, r = midpoints[triangle]
            is_outward = float(torch.linalg.cross(q - p, r - p) @ out) > 0
            table[code, place] = torch.tensor(triangle if is_outward else triangle[::-1])
    return table


TRIANGLES = _table()
