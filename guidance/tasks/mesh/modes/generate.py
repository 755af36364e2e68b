"""A mesh from the prompt alone: a sphere that changes its shape and gets a texture."""

from __future__ import annotations

from guidance.generators.mesh.sphere import SphereMesh
from guidance.losses.normal_consistency import NormalConsistency
from guidance.schedule import Schedule
from guidance.tasks.mesh.mode import GeneratedMode, MeshJob, NormalWeight
from guidance.types import Terms


class Generate(SphereMesh.Options, GeneratedMode):
    """After CLIP-Mesh (Khalid et al., arXiv 2203.13333)."""

    normal_consistency: NormalWeight = Schedule.parse("1 -> 0.1")

    def generator(self, job: MeshJob) -> SphereMesh:
        return SphereMesh(job.seeds, self)

    def regularizers(self) -> Terms:
        return Terms.of(NormalConsistency()).scaled(self.normal_consistency)
