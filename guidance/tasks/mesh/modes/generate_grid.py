"""A mesh from the prompt alone: the surface of signed distances on a grid, of any topology."""

from __future__ import annotations

from guidance.generators.mesh.dmtet import DMTet
from guidance.losses.eikonal import Eikonal
from guidance.losses.normal_consistency import NormalConsistency
from guidance.schedule import Schedule
from guidance.tasks.mesh.mode import GeneratedMode, MeshJob, NormalWeight
from guidance.types import Terms


class GenerateGrid(DMTet.Options, GeneratedMode):
    """After DMTet (Shen et al., arXiv 2111.04276)."""

    normal_consistency: NormalWeight = Schedule.parse("3 -> 0.3")
    eikonal: Schedule = Schedule.parse(0.3)
    """Weight of the eikonal equation: distances have a gradient of length 1."""

    def generator(self, job: MeshJob) -> DMTet:
        return DMTet(job.seeds, self)

    def regularizers(self) -> Terms:
        return self.normal_consistency * NormalConsistency() + self.eikonal * Eikonal()
