"""The interface of the modes of `text2mesh`: what is made or changed, and how it is kept smooth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from guidance.options import Options
from guidance.schedule import Schedule

if TYPE_CHECKING:
    from guidance.generators.mesh.param.base import MeshGenerator
    from guidance.meshes import Mesh
    from guidance.rendering.shading import Shading
    from guidance.tasks.mesh.region import Selected
    from guidance.types import Terms


@dataclass(frozen=True)
class MeshJob:
    """What a mode creates its generator for."""

    mesh: Mesh | None  # None for modes that create a mesh
    name: str  # of the mesh, in messages
    seeds: tuple[int, ...]
    region: Selected | None = None  # what may change; None for everything


class MeshMode(Options):
    """Options of a mode, which create the generator and the regularizers."""

    #: The range of crop sizes, as shares of a view's side; chosen by eye.
    crop_scale: ClassVar[tuple[float, float]] = (0.8, 1.4)
    #: The distance of the cameras in radii: a mesh that grows needs room.
    distance: ClassVar[float] = 3.0
    #: Whether the mode changes a given mesh, of which a region may be selected.
    takes_mesh: ClassVar[bool] = True
    #: Whether texels change, not vertices.
    changes_texels: ClassVar[bool] = False
    #: Whether several meshes can be changed together, which needs colors at vertices.
    takes_scenes: ClassVar[bool] = False

    def generator(self, job: MeshJob) -> MeshGenerator:
        """The generator of this mode."""
        raise NotImplementedError

    def regularizers(self) -> Terms:
        """The regularizers of the mesh with their weights."""
        from guidance.types import Terms

        return Terms()


class ShadedMode(MeshMode):
    """Options of the modes whose meshes have colors at vertices, in simple light."""

    ambient: float = Field(default=0.6, ge=0, le=1)
    """Ambient light; the rest comes from near the camera."""
    ambient_jitter: float = Field(default=0.0, ge=0, le=1)
    """The ambient light varies by plus or minus this."""
    bare: Literal["grey", "normals"] = "grey"
    """Textureless views show the shape in grey, or colored by its normals."""
    textureless: Schedule = Schedule.parse(0.0)
    """Share of the views without texture, in which the shape alone has to match the prompt."""

    def shading(self) -> Shading:
        """The light of the run."""
        from guidance.rendering.shading import Shading

        return Shading(ambient=self.ambient, bare=self.bare)
