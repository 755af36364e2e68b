"""A mesh from the prompt alone: the surface of signed distances on a grid, of any topology."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from guidance.schedule import Schedule
from guidance.tasks.mesh.mode import MeshJob, ShadedMode
from guidance.tasks.mesh.modes.generate import SHAPE_FIRST

if TYPE_CHECKING:
    from guidance.generators.mesh.param.base import MeshGenerator
    from guidance.types import Terms


class GenerateGrid(ShadedMode):
    """After DMTet (Shen et al., arXiv 2111.04276)."""

    takes_mesh: ClassVar = False

    ambient: float = Field(default=0.4, ge=0, le=1)
    """Ambient light; the rest comes from near the camera."""
    textureless: Schedule = SHAPE_FIRST
    """Share of the views without texture, in which the shape alone has to match the prompt."""
    cells: int = Field(default=24, ge=6, le=80)
    """Cells per side of the grid."""
    frequency: float = Field(default=0.7, gt=0, le=20)
    """Of the features of the colors, in waves per radius: higher gives finer patterns."""
    symmetric: bool = True
    """Shapes and paints the left half like the right half."""
    normal_consistency: Schedule = Schedule.parse("3 -> 0.3")
    """Weight of similar normals of adjacent faces."""
    eikonal: Schedule = Schedule.parse(0.3)
    """Weight of the eikonal equation: distances have a gradient of length 1."""

    def generator(self, job: MeshJob) -> MeshGenerator:
        from guidance.generators.mesh.dmtet import DMTet, SurfaceGrid

        grid = SurfaceGrid(
            cells=self.cells,
            frequency=self.frequency,
            symmetric=self.symmetric,
            shading=self.shading(),
        )
        return DMTet(job.seeds, grid)

    def regularizers(self) -> Terms:
        from guidance.losses.eikonal import Eikonal
        from guidance.losses.normal_consistency import NormalConsistency

        return self.normal_consistency * NormalConsistency() + self.eikonal * Eikonal()
