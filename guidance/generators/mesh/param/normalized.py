"""A mesh prepared for a run: centered, of radius 1, subdivided, and fixed outside a region."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.normalization import Normalization
from guidance.geometry.selection import free_vertices
from guidance.geometry.subdivision import subdivide_within
from guidance.geometry.topology import unique_edges
from guidance.meshes import Mesh

#: Displacements grow from 0 at the border of a region to their full size over this distance, in
#: radii, but at most over half of the largest distance to the border.
RAMP = 0.15


@dataclass(frozen=True)
class NormalizedMesh:
    """A mesh as generators use it, and the transform back to the units of its file."""

    mesh: Mesh  # centered, of radius 1, with its long edges split
    given: Float[Tensor, "p 3"]  # the same vertices in the file's units, in float64
    free: Bool[Tensor, "p"] | None  # the vertices that may change; None for all
    normalization: Normalization

    @classmethod
    def of(cls, mesh: Mesh, edge_length: float, inside: Bool[Tensor, "f"] | None) -> NormalizedMesh:
        """Normalizes a mesh, and splits the long edges of the faces `inside`, or of all faces.

        Raises:
            InputError: the edge length requires too many vertices; every vertex belongs to a face
                outside.
        """
        normalization = Normalization.of(mesh.vertices)
        unit = normalization.apply(mesh.vertices.double()).float()
        everywhere = torch.ones(len(mesh.faces), dtype=torch.bool)
        made, within = subdivide_within(
            replace(mesh, vertices=unit, material=None),
            edge_length,
            everywhere if inside is None else inside,
        )
        free = None
        if inside is not None:
            free = free_vertices(made.faces, within, len(made.vertices))
            if not bool(free.any()):
                raise InputError(
                    "region: every vertex in it also belongs to a face outside, so nothing can "
                    "change; use a larger region or a finer mesh"
                )
        new = normalization.undo(made.vertices[len(unit) :].double())
        given = torch.cat([mesh.vertices.double(), new])
        return cls(made, given, free, normalization)

    def exported(self, colors: Float[Tensor, "p 3"] | None) -> Mesh:
        """The mesh in the file's units, with its UV coordinates and given materials.

        Args:
            colors: of the vertices.
        """
        return replace(self.mesh, vertices=self.given, faces=self.mesh.faces.long(), colors=colors)

    def reach(self) -> Float[Tensor, "p 1"]:
        """The factor on the displacement of each vertex: 0 outside, 1 inside, a ramp between."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import dijkstra

        count = len(self.mesh.vertices)
        if self.free is None:
            return torch.ones(count, 1)
        start, stop = unique_edges(self.mesh.faces.long()).unbind(1)
        lengths = (self.mesh.vertices[start] - self.mesh.vertices[stop]).norm(dim=1).double()
        links = coo_array((lengths.numpy(), (start.numpy(), stop.numpy())), shape=(count, count))
        held = (~self.free).nonzero()[:, 0].numpy()
        away = dijkstra(links.tocsr(), directed=False, indices=held, min_only=True)
        far = torch.from_numpy(away)
        reached = far[far.isfinite()]  # parts without any fixed vertex are not reached
        width = max(min(RAMP, float(reached.max()) / 2), 1e-12) if len(reached) else 1.0
        share = (far / width).clamp(0, 1)
        return (share * share * (3 - 2 * share)).float()[:, None]
