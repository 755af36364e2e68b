"""The interface of the modes of `text2mesh`: what is made or changed, and how it is kept smooth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from guidance.errors import InputError
from guidance.options import Options
from guidance.schedule import Schedule

if TYPE_CHECKING:
    import torch

    from guidance.generators.mesh.param.base import MeshGenerator
    from guidance.meshes import Mesh
    from guidance.tasks.mesh.region import Selected
    from guidance.types import Terms

Textureless = Annotated[
    Schedule,
    Field(
        description="Share of the views without texture, in which the shape alone has to match the "
        "prompt."
    ),
]
NormalWeight = Annotated[
    Schedule, Field(description="Weight of similar normals of adjacent faces.")
]


@dataclass(frozen=True)
class MeshJob:
    """What a mode creates its generator for."""

    mesh: Mesh | None  # None for modes that create a mesh
    name: str  # of the mesh, in messages
    seeds: tuple[int, ...]
    region: Selected | None = None  # what may change; None for everything

    @property
    def inside(self) -> torch.Tensor | None:
        """The faces that may change, `[f]`; None for all."""
        return None if self.region is None else self.region.faces


class MeshMode(Options):
    """Options of a mode, which create the generator and the regularizers.

    A mode derives from the options of its generator and from this class, or from one of those
    below.
    """

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

    @classmethod
    def kind(cls) -> str:
        return cls.chosen_as or cls.__module__.rpartition(".")[2]

    def generator(self, job: MeshJob) -> MeshGenerator:
        """The generator of this mode."""
        raise NotImplementedError

    def regularizers(self) -> Terms:
        """The regularizers of the mesh with their weights."""
        from guidance.types import Terms

        return Terms()


class ShadedMode(MeshMode):
    """A mode whose meshes have colors at vertices, in simple light.

    Its generator has the options `guidance.generators.mesh.param.options.ShadedOptions`.
    """

    ambient_jitter: float = Field(default=0.0, ge=0, le=1)
    """The ambient light varies by plus or minus this."""
    textureless: Textureless = Schedule.parse(0.0)

    def check_textureless(self, job: MeshJob) -> None:
        """Raises InputError for textureless views of a mesh that has no colors anyway."""
        if not self.textureless.is_zero and job.mesh is not None and job.mesh.colors is None:
            raise InputError(
                f"--textureless: {job.name} has no colors, so every view is grey; remove it"
            )


class GeneratedMode(ShadedMode):
    """A mode that makes a mesh from the prompt alone.

    The shape comes first, and keeps being optimized by itself. CLIP-Mesh (arXiv 2203.13333) omits
    the texture in half of the first half of its steps; over eight prompts, one judge then gave the
    grey mesh 0.088 instead of 0.105, and the painted mesh 0.268 instead of 0.269.
    """

    takes_mesh: ClassVar = False

    textureless: Textureless = Schedule.parse("1 -> 1 @ 0.3 -> 0.25 @ 0.3")
