"""Finer shape of a given mesh, by turning its normals: details change, proportions stay."""

from __future__ import annotations

from typing import ClassVar

from guidance.generators.mesh.normals import NormalDeformedMesh
from guidance.losses.normal_consistency import NormalConsistency
from guidance.schedule import Schedule
from guidance.tasks.mesh.mode import MeshJob, NormalWeight, ShadedMode
from guidance.types import Terms


class DeformNormals(NormalDeformedMesh.Options, ShadedMode):
    """After Geometry in Style (Dinh et al., arXiv 2503.23241); `guide tune` scales it."""

    crop_scale: ClassVar = (0.8, 1.3)
    distance: ClassVar = 3.4
    takes_scenes: ClassVar = True

    normal_consistency: NormalWeight = Schedule.parse(1.0)

    def generator(self, job: MeshJob) -> NormalDeformedMesh:
        assert job.mesh is not None
        self.check_textureless(job)
        return NormalDeformedMesh(job.mesh, job.seeds, self, inside=job.inside)

    def regularizers(self) -> Terms:
        return Terms.of(NormalConsistency()).scaled(self.normal_consistency)
