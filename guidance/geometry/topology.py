"""What a list of triangles implies: its edges, and which faces meet at each of them.

Boundaries (edges of one face) and non-manifold edges (of three or more) are allowed everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class EdgeSides:
    """The faces at each edge, as runs of one list: those of edge `e` lie at start[e]:start[e + 1].

    `along` is 1 where the face walks from the edge's first vertex to its second, -1 where it walks
    the other way: in a mesh whose faces are oriented alike, the two faces of an edge disagree.
    """

    edges: Int[Tensor, "e 2"]  # first < second, in rising order
    start: Int[Tensor, "e+1"]
    faces: Int[Tensor, "s"]  # s = 3 f, but for faces that use a vertex twice
    along: Int[Tensor, "s"]

    def counts(self) -> Int[Tensor, "e"]:
        """How many faces meet at each edge: 1 at a boundary, 2 inside, more if non-manifold."""
        return self.start.diff()

    def is_closed(self) -> bool:
        """Whether the mesh encloses a volume: two faces at each edge, oriented alike."""
        pairs = bool((self.counts() == 2).all())
        return pairs and bool((self.along.view(-1, 2).sum(1) == 0).all())


def edge_sides(faces: Int[Tensor, "f 3"]) -> EdgeSides:
    """Each edge once, with all faces that meet there.

    Args:
        faces: indices of vertices, `[f, 3]`; an edge from a vertex to itself is left out.
    """
    walks = torch.stack([faces, faces.roll(-1, dims=1)], -1).reshape(-1, 2).long()
    owners = torch.arange(len(faces), device=faces.device).repeat_interleave(3)
    proper = walks[:, 0] != walks[:, 1]
    walks, owners = walks[proper], owners[proper]
    low, high = walks.min(1).values, walks.max(1).values
    # One number an edge sorts many times faster than rows do.
    span = int(high.max()) + 1 if len(high) else 1
    keys, order = (low * span + high).sort(stable=True)
    unique, counts = torch.unique_consecutive(keys, return_counts=True)
    start = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    along = torch.where(walks[order, 0] < walks[order, 1], 1, -1)
    edges = torch.stack([unique // span, unique % span], 1)
    return EdgeSides(edges, start, owners[order], along)


def unique_edges(faces: Int[Tensor, "f 3"]) -> Int[Tensor, "e 2"]:
    """Each edge once, as its two vertices, the lower index first."""
    return edge_sides(faces).edges


def face_pairs(faces: Int[Tensor, "f 3"]) -> Int[Tensor, "q 2"]:
    """Faces that share an edge: one pair an edge.

    Where k > 2 faces share an edge, k - 1 pairs chain them; a boundary edge gives none.
    """
    sides = edge_sides(faces)
    owners = torch.repeat_interleave(sides.counts())
    same = owners[1:] == owners[:-1]
    return torch.stack([sides.faces[:-1][same], sides.faces[1:][same]], 1)


def boundary_loops(faces: Int[Tensor, "f 3"]) -> int:
    """Number of connected rings of boundary edges: how many holes the surface has."""
    sides = edge_sides(faces)
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
