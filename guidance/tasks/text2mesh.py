"""Meshes from words: one is painted, moved or grown until its views fit the words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from guidance.tasks.base import Task
from guidance.tasks.mesh.region import parse_mesh_region

if TYPE_CHECKING:
    from guidance.localize.front import Aim
    from guidance.meshes import Mesh
    from guidance.rendering.cameras.orbit import Orbit
    from guidance.runs.plan import Plan
    from guidance.tasks.mesh.region import Selected
    from guidance.views import Cameras


class TextToMesh(Task):
    """Meshes from words.

    `guide run text2mesh --mesh cow.obj --prompt "a zebra"` stylizes a mesh after Text2Mesh
    (Michel et al., arXiv 2112.03221): colours, and displacements along the normals. With
    `--mode texture` it paints maps of a material instead, after Paint-it (Youwang et al., arXiv
    2312.11360), and the shape stays. With `--mode deform` the shape as a whole changes, after
    TextDeformer (Gao et al., arXiv 2304.13348), and `guide tune` dials how much. With `--mode
    generate` there is no mesh to begin with: a sphere grows and is painted, after CLIP-Mesh (Khalid
    et al., arXiv 2203.13333), or with `--surface grid` a surface whose topology may change, after
    DMTet (Shen et al., arXiv 2111.04276).
    """

    PRESETS: ClassVar = {
        "draft": {"steps": 60, "views": 3, "crops": 6},
        "normal": {"steps": 150, "views": 4, "crops": 8},
        "best": {"steps": 400, "views": 6, "crops": 18, "resolution": 224},
    }
    #: One prompt on the sphere, the whole command, with the embedded models. Those of textures,
    #: deformations and generated meshes are processor time, a texture's "best" reckoned from 20 of
    #: its steps.
    PRESET_MINUTES: ClassVar = {
        "draft": "10 seconds on two cores; of one core, a texture 24, a deformation 11, a mesh from "
        "words alone 17; not measured on a GPU",
        "normal": "15 seconds on two cores; of one core, a texture 31 to 44, a deformation 20, a "
        "mesh from words alone 31; not measured on a GPU",
        "best": "44 seconds on two cores; of one core, a texture 4 minutes, a deformation 72 "
        "seconds, a mesh from words alone 111; not measured on a GPU",
    }

    mode: Literal["stylize", "texture", "deform", "generate"] = "stylize"
    """"stylize" paints and moves vertices, "texture" makes maps, "deform" changes the shape,
    "generate" makes a mesh from words alone."""
    surface: Literal["sphere", "grid"] | None = None
    """What "generate" grows: a sphere with a map, or a grid's surface, which may part (sphere)."""
    mesh: str = "sphere"
    """A file (OBJ, PLY, STL, GLB, OFF), or sphere, cube, torus, cone or cylinder."""
    scene: Path | None = None
    """Several meshes, each with its words, and words for the whole: a file, see docs/meshes.md."""
    region: list[str] = Field(default=[])
    """What may change: a mask over the texture square, "box:,60%,,,," or "words:the head"."""
    paint: Literal["field", "vertices"] | None = None
    """Colours from a smooth function of the place, or for each vertex by itself (field)."""
    frequency: float | None = Field(default=None, gt=0, le=20)
    """Of a field's features, in waves per radius (0.7): higher gives finer patterns."""
    max_displacement: float | None = Field(default=None, ge=0, lt=1)
    """How far the surface may move along its normals, in radii (0.05); 0 keeps the shape."""
    edge_length: float | None = Field(default=None, gt=0, le=2)
    """Longer edges are split before the run; in radii (0.08; 0.1 for "deform", a sphere's 0.05)."""
    deform_by: Literal["jacobians", "normals"] | None = None
    """What "deform" moves: "jacobians" may change all proportions, "normals" carve and keep them
    (jacobians)."""
    reach: float | None = Field(default=None, ge=0, le=2)
    """How far around a vertex of a growing sphere the surface moves along, in radii (0.15)."""
    cells: int | None = Field(default=None, ge=6, le=80)
    """Cells a side of the grid that a surface is found in (24)."""
    symmetric: bool = False
    """Paints and moves the left half like the right one; "deform" moves both by their mean."""
    asymmetric: bool = False
    """Lets the halves of a generated mesh differ, which are alike otherwise."""
    ambient: float | None = Field(default=None, ge=0, le=1)
    """Light from everywhere (0.6; 0.4 for "generate"); the rest comes from near the camera."""
    finest: int | None = Field(default=None, ge=1, le=128)
    """Cells along the mesh that maps are painted in, a power of two (32)."""
    texels: int | None = Field(default=None, ge=16, le=2048)
    """Pixels a side of a texture's maps during the run (256)."""
    map_size: int | None = Field(default=None, ge=16, le=4096)
    """Pixels a side of the maps in the files (1024)."""
    relief: float | None = Field(default=None, ge=0, le=2)
    """Steepest slope of a texture's normal map (0.5); 0 leaves the surface smooth."""
    environment: Literal["studio", "sky", "sunset"] | None = None
    """The light that a texture is looked at in (studio)."""
    unwrap: bool | None = None
    """Makes new texture coordinates even where the mesh has its own."""
    views: int = Field(default=4, ge=1, le=64)
    """Cameras around the mesh in each step."""
    resolution: int = Field(default=112, ge=16, le=1024)
    """Pixels a side of each view."""
    crops: int = Field(default=8, ge=1, le=1024)
    """Random crops in each step, dealt out to the views; a denoiser sees a fifth, at least one of
    each view."""
    view_prompts: bool = False
    """Adds "front view", "side view" ... to the prompt of each view."""
    offset: float = Field(default=0.1, ge=0, le=1)
    """How far the mesh may leave the middle of a view, in halves of it (CLIP-Mesh)."""
    front: float | str = 0.0
    """Which way the mesh looks, in degrees (0 is +z, 90 is +x), or "auto": the encoder finds it."""
    anchor: float | str = "none"
    """Cameras gather around this azimuth from the front, or around the best view ("auto")."""
    fov_jitter: float = Field(default=0.0, ge=0, le=30)
    """The angle of view is 45 degrees plus or minus this; the mesh keeps its size in the views."""
    light_jitter: float = Field(default=0.4, ge=0, le=2)
    """How far the light wanders: 1 is up to 45 degrees."""
    strength_jitter: float = Field(default=0.0, ge=0, le=1)
    """How much of its strength the light may lack in a view."""
    ambient_jitter: float | None = Field(default=None, ge=0, le=1)
    """The light from everywhere is `ambient` plus or minus this (0)."""
    textureless: float | str | None = None
    """Share of the views that show the shape in plain grey, so that it has to fit by itself (0; all
    of the first 30% and then a quarter for "generate")."""
    bare: Literal["grey", "normals"] | None = None
    """What textureless views show: the shape in grey, or in the colours of its normals (grey)."""
    backgrounds: str = "solid,checker,noise,blur"
    """What crops show behind the mesh, drawn anew each time; "none" is white."""
    formats: str = "glb,obj"
    """What the mesh is written as: glb and any of obj, ply, stl. Of maps, ply has the base colour at
    each vertex, stl nothing."""
    laplacian: float | str | None = None
    """Weight of smooth displacements (0.1)."""
    normal_consistency: float | str | None = None
    """Weight of neighbouring faces that look the same way (1; "1 -> 0.1" for "generate", "3 -> 0.3"
    for its grid)."""
    rigidity: float | str | None = None
    """Weight of what a deformation costs, 0.5 |J - I|^2 (0.3)."""
    eikonal: float | str | None = None
    """Weight of a grid's distances that rise by 1 a unit of length (0.3)."""

    @field_validator("region")
    @classmethod
    def _check_regions(cls, regions: list[str]) -> list[str]:
        for region in regions:
            parse_mesh_region(region)
        return regions

    @property
    def picture_regions(self) -> list[str]:
        """None: here, regions are parts of the mesh."""
        return []

    def _starting_prompts(self) -> tuple[str, ...]:
        if self.scene is None:
            return super()._starting_prompts()
        from guidance.tasks.mesh.scene_file import read_scene

        return (read_scene(self.scene).prompt,) * self.samples

    def build(self) -> Plan:
        from guidance.geometry.io.export import parse_formats, printing_note
        from guidance.geometry.io.files import load_mesh
        from guidance.localize.front import aim_of
        from guidance.rendering.normals import show_normals
        from guidance.runs.artifacts.contact_sheet import ContactSheet
        from guidance.runs.artifacts.given_files import GivenFiles
        from guidance.runs.artifacts.turntable import Turntable
        from guidance.runs.plan import Plan
        from guidance.tasks.mesh.mesh_modes import faces_of, losses, made, refuse_ignored

        refuse_ignored(self)
        if self.scene is not None:
            from guidance.tasks.mesh.scene import scene_plan

            return scene_plan(self)
        textured = self.mode == "texture"
        # Only within a region something of its maps is left.
        loaded = load_mesh(self.mesh, maps=textured and bool(self.region))
        part = self._part(loaded.mesh)
        generator = made(self, loaded.mesh, part)
        aim = aim_of(self, loaded.mesh, self.front, self.anchor)
        notes = (*loaded.notes, *generator.notes)
        notes = (*(f"{self.mesh}: {note}" for note in notes), *aim.notes)
        generator.formats = parse_formats(self.formats)
        if "stl" in generator.formats:
            notes = (*notes, printing_note(faces_of(generator)))
        orbit = self.orbit(self.resolution, aim)
        n, sheet = generator.num_samples, self.orbit(max(self.resolution, 256), aim)

        def ring(views: int) -> Cameras:
            return sheet.ring(n, views)

        return Plan(
            generator,
            losses(self),
            self.settings(),
            self.sample_prompts,
            views=orbit,
            artifacts=(
                GivenFiles(() if part is None else part.files),
                Turntable(ring, show_normals),
                ContactSheet(ring),
            ),
            notes=notes if part is None else (*notes, *part.notes),
        )

    def _part(self, mesh: Mesh) -> Selected | None:
        """What may change of the mesh, if not all of it."""
        if not self.region:
            return None
        from guidance.tasks.mesh.region import select

        return select(self, mesh, self.mesh, by_texels=self.mode == "texture")

    def orbit(self, resolution: int, aim: Aim) -> Orbit:
        """Cameras of this task: random ones, fixed ones, or a ring."""
        from guidance.rendering.cameras.orbit import Orbit
        from guidance.tasks.mesh.mesh_modes import DISTANCE, variety

        return Orbit(
            num_views=self.views,
            size=(resolution, resolution),
            radius=DISTANCE[self.mode],
            light_jitter=self.light_jitter,
            offset=self.offset,
            device=self.torch_device(),
            front_deg=aim.front_deg,
            anchors=aim.anchors,
            variety=variety(self),
        )
