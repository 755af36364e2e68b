"""Finer shape of a given mesh, by turning its normals: details change, proportions stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from guidance.schedule import Schedule
from guidance.tasks.mesh.mode import MeshJob, ShadedMode
from guidance.tasks.mesh.modes.deform import check_textureless

if TYPE_CHECKING:
    from guidance.generators.mesh.param.base import MeshGenerator
    from guidance.types import Terms


class DeformNormals(ShadedMode):
    """A deformation that carves the surface; `guide tune` scales it."""

    crop_scale: ClassVar = (0.8, 1.3)
    distance: ClassVar = 3.4
    takes_scenes: ClassVar = True

    edge_length: float = Field(default=0.1, gt=0, le=2)
    """Longer edges are split before the run; in radii."""
    symmetric: bool = False
    """Moves both halves by their mean."""
    normal_consistency: Schedule = Schedule.parse(1.0)
    """Weight of similar normals of adjacent faces."""

    def generator(self, job: MeshJob) -> MeshGenerator:
        from guidance.generators.mesh.jacobians import Clay
        from guidance.generators.mesh.normals import NormalDeformedMesh

        assert job.mesh is not None
        check_textureless(self, job)
        inside = None if job.region is None else job.region.faces
        clay = Clay(self.edge_length, self.symmetric, self.shading())
        return NormalDeformedMesh(job.mesh, job.seeds, clay, inside=inside)

    def regularizers(self) -> Terms:
        from guidance.losses.normal_consistency import NormalConsistency
        from guidance.types import Terms

        return Terms.of(NormalConsistency()).scaled(self.normal_consistency)
