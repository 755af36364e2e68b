"""Topology of triangle meshes: edges and the faces at each of them.

Boundary edges (one face) and non-manifold edges (three or more) are allowed everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class EdgeSides:
    """The faces at each edge, concatenated: those of edge `e` are `faces[start[e]:start[e + 1]]`.

    `along` is 1 if the face traverses the edge from its first vertex to its second, -1 if in the
    opposite direction. In a consistently oriented mesh, the two faces of an edge have opposite
    signs.
    """

    edges: Int[Tensor, "e 2"]  # first < second, sorted
    start: Int[Tensor, "e+1"]
    faces: Int[Tensor, "s"]  # s = 3 f, less for faces that use a vertex twice
    along: Int[Tensor, "s"]

    def counts(self) -> Int[Tensor, "e"]:
        """The number of faces at each edge: 1 at a boundary, 2 inside, more if non-manifold."""
        return self.start.diff()

    def is_closed(self) -> bool:
        """Whether the mesh is watertight: two faces at each edge, with consistent orientation."""
        pairs = bool((self.counts() == 2).all())
        return pairs and bool((self.along.view(-1, 2).sum(1) == 0).all())


def edge_sides(faces: Int[Tensor, "f 3"]) -> EdgeSides:
    """The distinct edges with their faces.

    Args:
        faces: vertex indices `[f, 3]`; an edge from a vertex to itself is omitted.
    """
    walks = torch.stack([faces, faces.roll(-1, dims=1)], -1).reshape(-1, 2).long()
    owners = torch.arange(len(faces), device=faces.device).repeat_interleave(3)
    proper = walks[:, 0] != walks[:, 1]
    walks, owners = walks[proper], owners[proper]
    low, high = walks.min(1).values, walks.max(1).values
    # Sorting one integer per edge is many times faster than sorting rows.
    span = int(high.max()) + 1 if len(high) else 1
    keys, order = (low * span + high).sort(stable=True)
    unique, counts = torch.unique_consecutive(keys, return_counts=True)
    start = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    along = torch.where(walks[order, 0] < walks[order, 1], 1, -1)
    edges = torch.stack([unique // span, unique % span], 1)
    return EdgeSides(edges, start, owners[order], along)


def unique_edges(faces: Int[Tensor, "f 3"]) -> Int[Tensor, "e 2"]:
    """The distinct edges as pairs of vertices, the lower index first."""
    return edge_sides(faces).edges


def face_pairs(faces: Int[Tensor, "f 3"]) -> Int[Tensor, "q 2"]:
    """Pairs of faces that share an edge, one for each edge inside the surface.

    A non-manifold edge with k faces gives k - 1 pairs, a boundary edge none.
    """
    sides = edge_sides(faces)
    owners = torch.repeat_interleave(sides.counts())
    same = owners[1:] == owners[:-1]
    return torch.stack([sides.faces[:-1][same], sides.faces[1:][same]], 1)


def boundary_loops(faces: Int[Tensor, "f 3"]) -> int:
    """The number of holes: connected components of the boundary edges."""
    return num_holes(edge_sides(faces))


def num_holes(sides: EdgeSides) -> int:
    """The number of holes: connected components of the edges with one face."""
    boundary = sides.edges[sides.counts() == 1]
    if not len(boundary):
        return 0
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    used, compact = np.unique(boundary.cpu().numpy(), return_inverse=True)
    rows, columns = compact.reshape(-1, 2).T
    links = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(used), len(used)))
    return int(connected_components(links, directed=False)[0])
