"""A given mesh that changes its colours and, a little, its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from guidance.types import Generator


@dataclass(frozen=True)
class Surface:
    """How a mesh is painted and moved."""

    paint: Literal["field", "vertices"] = "field"  # a small network of the place, or each vertex
    frequency: float = 0.5  # of the field: waves per radius, see `Field`
    max_displacement: float = 0.1  # along the normals, in radii (Text2Mesh: 0.1); 0 keeps the shape
    edge_length: float = 0.06  # in radii: longer edges are split before the run
    symmetric: bool = False  # paint and move the left half (x < 0) like the right one
    ambient: float = 0.6  # light that comes from everywhere; the rest from the camera's light


class MeshGenerator(Generator):
    """Colours and displacements along the normals of one mesh, for each sample its own.

    The mesh is centred and scaled to radius 1; exports undo that.

    Source: Text2Mesh (Michel et al., arXiv 2112.03221). Deviations: colours do not depend on the
    displacement network's last layers (two small fields instead of one trunk), and the mesh is
    refined to an edge length before the run.

    Args:
        mesh: triangles; its own colours are not used.
        seeds: one a sample.
        surface: see `Surface`.
        learning_rate: of Adam for the colours; the displacement moves at a third of it.
    """

    needs_cameras = True
