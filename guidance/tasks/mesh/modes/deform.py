"""A new shape of a given mesh, by its Jacobians: proportions change, colors stay."""

from __future__ import annotations

from typing import ClassVar

from guidance.generators.mesh.jacobians import DeformedMesh
from guidance.losses.normal_consistency import NormalConsistency
from guidance.losses.rigidity import Rigidity
from guidance.schedule import Schedule
from guidance.tasks.mesh.mode import MeshJob, NormalWeight, ShadedMode
from guidance.types import Terms


class Deform(DeformedMesh.Options, ShadedMode):
    """After TextDeformer (Gao et al., arXiv 2304.13348); `guide tune` scales the deformation."""

    crop_scale: ClassVar = (0.8, 1.3)
    distance: ClassVar = 3.4
    takes_scenes: ClassVar = True

    rigidity: Schedule = Schedule.parse(0.3)
    """Weight of 0.5 |J - I|^2, the deviation of the Jacobians from the identity."""
    normal_consistency: NormalWeight = Schedule.parse(1.0)

    def generator(self, job: MeshJob) -> DeformedMesh:
        assert job.mesh is not None
        self.check_textureless(job)
        return DeformedMesh(job.mesh, job.seeds, self, inside=job.inside)

    def regularizers(self) -> Terms:
        return self.rigidity * Rigidity() + self.normal_consistency * NormalConsistency()
