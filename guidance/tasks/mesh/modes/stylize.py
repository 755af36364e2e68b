"""Colors and small displacements of a given mesh."""

from __future__ import annotations

from typing import ClassVar

from guidance.generators.mesh.stylized import StylizedMesh
from guidance.losses.laplacian import Laplacian
from guidance.losses.normal_consistency import NormalConsistency
from guidance.schedule import Schedule
from guidance.tasks.mesh.mode import MeshJob, NormalWeight, ShadedMode
from guidance.types import Terms


class StylizeMesh(StylizedMesh.Options, ShadedMode):
    """After Text2Mesh (Michel et al., arXiv 2112.03221)."""

    crop_scale: ClassVar = (0.5, 1.1)
    takes_scenes: ClassVar = True

    laplacian: Schedule = Schedule.parse(0.1)
    """Weight of smooth displacements."""
    normal_consistency: NormalWeight = Schedule.parse(1.0)

    def generator(self, job: MeshJob) -> StylizedMesh:
        assert job.mesh is not None
        return StylizedMesh(job.mesh, job.seeds, self, inside=job.inside)

    def regularizers(self) -> Terms:
        if not self.max_displacement:  # nothing moves
            return Terms()
        return self.laplacian * Laplacian() + self.normal_consistency * NormalConsistency()
