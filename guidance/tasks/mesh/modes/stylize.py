"""Colors and small displacements of a given mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from guidance.schedule import Schedule
from guidance.tasks.mesh.mode import MeshJob, ShadedMode

if TYPE_CHECKING:
    from guidance.generators.mesh.param.base import MeshGenerator
    from guidance.types import Terms


class StylizeMesh(ShadedMode):
    """After Text2Mesh (Michel et al., arXiv 2112.03221)."""

    crop_scale: ClassVar = (0.5, 1.1)
    takes_scenes: ClassVar = True

    paint: Literal["field", "vertices"] = "field"
    """Colors from a smooth function of the position, or for each vertex separately."""
    frequency: float = Field(default=0.7, gt=0, le=20)
    """Of the features of --paint field, in waves per radius: higher gives finer patterns."""
    max_displacement: float = Field(default=0.05, ge=0, lt=1)
    """How far the surface may move along its normals, in radii; 0 keeps the shape."""
    edge_length: float = Field(default=0.08, gt=0, le=2)
    """Longer edges are split before the run; in radii."""
    symmetric: bool = False
    """Paints and moves the left half like the right half."""
    laplacian: Schedule = Schedule.parse(0.1)
    """Weight of smooth displacements."""
    normal_consistency: Schedule = Schedule.parse(1.0)
    """Weight of similar normals of adjacent faces."""

    def generator(self, job: MeshJob) -> MeshGenerator:
        from guidance.generators.mesh.stylized import StylizedMesh, Surface

        assert job.mesh is not None
        surface = Surface(
            paint=self.paint,
            frequency=self.frequency,
            max_displacement=self.max_displacement,
            edge_length=self.edge_length,
            symmetric=self.symmetric,
            shading=self.shading(),
        )
        inside = None if job.region is None else job.region.faces
        return StylizedMesh(job.mesh, job.seeds, surface, inside=inside)

    def regularizers(self) -> Terms:
        from guidance.losses.laplacian import Laplacian
        from guidance.losses.normal_consistency import NormalConsistency
        from guidance.types import Terms

        if not self.max_displacement:  # nothing moves
            return Terms()
        return self.laplacian * Laplacian() + self.normal_consistency * NormalConsistency()
