"""A new shape of a given mesh, by its Jacobians: proportions change, colors stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from guidance.errors import InputError
from guidance.schedule import Schedule
from guidance.tasks.mesh.mode import MeshJob, ShadedMode

if TYPE_CHECKING:
    from guidance.generators.mesh.param.base import MeshGenerator
    from guidance.types import Terms


class Deform(ShadedMode):
    """After TextDeformer (Gao et al., arXiv 2304.13348); `guide tune` scales the deformation."""

    crop_scale: ClassVar = (0.8, 1.3)
    distance: ClassVar = 3.4
    takes_scenes: ClassVar = True

    edge_length: float = Field(default=0.1, gt=0, le=2)
    """Longer edges are split before the run; in radii."""
    symmetric: bool = False
    """Moves both halves by their mean."""
    rigidity: Schedule = Schedule.parse(0.3)
    """Weight of 0.5 |J - I|^2, the deviation of the Jacobians from the identity."""
    normal_consistency: Schedule = Schedule.parse(1.0)
    """Weight of similar normals of adjacent faces."""

    def generator(self, job: MeshJob) -> MeshGenerator:
        from guidance.generators.mesh.jacobians import Clay, DeformedMesh

        assert job.mesh is not None
        check_textureless(self, job)
        inside = None if job.region is None else job.region.faces
        clay = Clay(self.edge_length, self.symmetric, self.shading())
        return DeformedMesh(job.mesh, job.seeds, clay, inside=inside)

    def regularizers(self) -> Terms:
        from guidance.losses.normal_consistency import NormalConsistency
        from guidance.losses.rigidity import Rigidity

        return self.rigidity * Rigidity() + self.normal_consistency * NormalConsistency()


def check_textureless(mode: ShadedMode, job: MeshJob) -> None:
    """Raises InputError for textureless views of a mesh that has no colors anyway."""
    if not mode.textureless.is_zero and job.mesh is not None and job.mesh.colors is None:
        raise InputError(
            f"--textureless: {job.name} has no colors, so every view is grey; remove it"
        )
