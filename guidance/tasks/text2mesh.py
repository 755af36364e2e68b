"""Meshes from words: a given mesh is painted, and moved a little, until its views fit the words."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from guidance.errors import InputError
from guidance.tasks.base import Task

if TYPE_CHECKING:
    from guidance.generators.mesh import MeshGenerator
    from guidance.rendering.cameras import Orbit
    from guidance.runs.plan import Plan
    from guidance.types import Terms


#: Defaults of options that only some kinds of mesh have.
FREQUENCY, LAPLACIAN, NORMAL_CONSISTENCY = 0.7, 0.1, 1.0


class TextToMesh(Task):
    """Meshes from words.

    `guide run text2mesh --mesh cow.obj --prompt "a zebra"` stylizes a mesh after Text2Mesh
    (Michel et al., arXiv 2112.03221): colours, and displacements along the normals.
    """

    PRESETS: ClassVar = {
        "draft": {"steps": 60, "views": 3, "crops": 6},
        "normal": {"steps": 150, "views": 4, "crops": 8},
        "best": {"steps": 400, "views": 6, "crops": 18, "resolution": 224},
    }
    #: One prompt on the sphere, the whole command, with the embedded models.
    PRESET_MINUTES: ClassVar = {
        "draft": "10 seconds on two cores; not measured on a GPU",
        "normal": "15 seconds on two cores; not measured on a GPU",
        "best": "44 seconds on two cores; not measured on a GPU",
    }

    mode: Literal["stylize"] = "stylize"
    """"stylize" paints the mesh and moves it along its normals."""
    mesh: str = "sphere"
    """A file (OBJ, PLY, STL, GLB, OFF), or sphere, cube, torus, cone or cylinder."""
    paint: Literal["field", "vertices"] = "field"
    """Colours from a smooth function of the place, or for each vertex by itself."""
    frequency: float | None = Field(default=None, gt=0, le=20)
    """Of a field's features, in waves per radius (0.7): higher gives finer patterns."""
    max_displacement: float = Field(default=0.05, ge=0, lt=1)
    """How far the surface may move along its normals, in radii; 0 keeps the shape."""
    edge_length: float = Field(default=0.08, gt=0, le=2)
    """Longer edges are split before the run; in radii."""
    symmetric: bool = False
    """Paints and moves the left half like the right one."""
    ambient: float = Field(default=0.6, ge=0, le=1)
    """Light that comes from everywhere; the rest comes from near the camera."""
    views: int = Field(default=4, ge=1, le=64)
    """Cameras around the mesh in each step."""
    resolution: int = Field(default=112, ge=16, le=1024)
    """Pixels a side of each view."""
    crops: int = Field(default=8, ge=1, le=1024)
    """Random crops in each step, dealt out to the views."""
    view_words: bool = False
    """Adds "front view", "side view" ... to the prompt of each view."""
    offset: float = Field(default=0.1, ge=0, le=1)
    """How far the mesh may leave the middle of a view, in halves of it (CLIP-Mesh)."""
    laplacian: float | str | None = None
    """Weight of smooth displacements (0.1)."""
    normal_consistency: float | str | None = None
    """Weight of neighbouring faces that look the same way (1)."""

    def build(self) -> Plan:
        from guidance.runs.plan import Plan

        generator, notes = self._generator()
        orbit = self._orbit(self.resolution)
        n, sheet = generator.num_samples, self._orbit(max(self.resolution, 256))
        return Plan(
            generator,
            self._losses(),
            self.settings(),
            self.sample_prompts,
            views=orbit,
            turntable=lambda views: sheet.ring(n, views),
            notes=notes,
        )

    def _generator(self) -> tuple[MeshGenerator, tuple[str, ...]]:
        from guidance.generators.mesh import MeshGenerator, Surface
        from guidance.geometry.mesh_io import load_mesh
        from guidance.rendering.rasterize import Shading

        self._refuse_ignored()
        loaded = load_mesh(self.mesh)
        surface = Surface(
            paint=self.paint,
            frequency=FREQUENCY if self.frequency is None else self.frequency,
            max_displacement=self.max_displacement,
            edge_length=self.edge_length,
            symmetric=self.symmetric,
            shading=Shading(ambient=self.ambient),
        )
        notes = tuple(f"{self.mesh}: {note}" for note in loaded.notes)
        return MeshGenerator(loaded.mesh, self.sample_seeds, surface), notes

    def _refuse_ignored(self) -> None:
        """Raises InputError for options that were given and would do nothing."""
        if self.paint == "vertices" and self.frequency is not None:
            raise InputError("frequency: is of --paint field; vertices have none, leave it out")
        for name in ("laplacian", "normal_consistency"):
            if not self.max_displacement and getattr(self, name) is not None:
                raise InputError(
                    f"{name}: without displacements nothing is smoothed; leave it out"
                )

    def _orbit(self, resolution: int) -> Orbit:
        from guidance.rendering.cameras import Orbit

        return Orbit(
            num_views=self.views,
            size=(resolution, resolution),
            offset=self.offset,
            device=self.torch_device(),
        )

    def _losses(self) -> Terms:
        from guidance.augment import Augment
        from guidance.losses.mesh import Laplacian, NormalConsistency
        from guidance.types import Terms

        augment = Augment(crops=self.crops, scale=(0.5, 1.1))
        losses = Terms.of(self.clip(augment, view_words=self.view_words))
        if self.max_displacement:
            smooth, even = self.laplacian, self.normal_consistency
            losses = losses + (LAPLACIAN if smooth is None else smooth) * Laplacian()
            losses = losses + (NORMAL_CONSISTENCY if even is None else even) * NormalConsistency()
        return losses
