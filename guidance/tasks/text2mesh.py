"""Meshes from words: a given mesh is painted, and may move, until its views fit the words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from guidance.errors import InputError
from guidance.tasks.base import Task

if TYPE_CHECKING:
    from guidance.generators.jacobians import DeformedMesh
    from guidance.generators.mesh import MeshGenerator
    from guidance.generators.texture import TexturedMesh
    from guidance.meshes import Mesh
    from guidance.rendering.cameras import Orbit
    from guidance.runs.plan import Plan
    from guidance.tasks.mesh_views import Aim
    from guidance.types import Terms


#: Options that only some modes have: what they are in each of these if nothing is given.
ONLY_OF: dict[str, dict[str, Any]] = {
    "paint": {"stylize": "field"},
    "frequency": {"stylize": 0.7},
    "max_displacement": {"stylize": 0.05},
    "edge_length": {"stylize": 0.08, "deform": 0.1},
    "ambient": {"stylize": 0.6, "deform": 0.6},
    "ambient_jitter": {"stylize": 0.0, "deform": 0.0},
    "textureless": {"stylize": 0.0, "deform": 0.0},
    "laplacian": {"stylize": 0.1},
    "normal_consistency": {"stylize": 1.0, "deform": 1.0},
    "rigidity": {"deform": 0.3},
    "finest": {"texture": 32},
    "texels": {"texture": 256},
    "map_size": {"texture": 1024},
    "relief": {"texture": 0.5},
    "environment": {"texture": "studio"},
    "unwrap": {"texture": False},
}
#: How much of a view a crop shows, a side; by eye.
SCALE = {"stylize": (0.5, 1.1), "texture": (0.8, 1.5), "deform": (0.8, 1.3)}
#: How far the cameras are, in radii: a mesh that grows needs room.
DISTANCE = {"stylize": 3.0, "texture": 3.0, "deform": 3.4}


class TextToMesh(Task):
    """Meshes from words.

    `guide run text2mesh --mesh cow.obj --prompt "a zebra"` stylizes a mesh after Text2Mesh
    (Michel et al., arXiv 2112.03221): colours, and displacements along the normals. With
    `--mode texture` it paints maps of a material instead, after Paint-it (Youwang et al., arXiv
    2312.11360), and the shape stays. With `--mode deform` the shape as a whole changes, after
    TextDeformer (Gao et al., arXiv 2304.13348), and `guide tune` dials how much.
    """

    PRESETS: ClassVar = {
        "draft": {"steps": 60, "views": 3, "crops": 6},
        "normal": {"steps": 150, "views": 4, "crops": 8},
        "best": {"steps": 400, "views": 6, "crops": 18, "resolution": 224},
    }
    #: One prompt on the sphere, the whole command, with the embedded models. Those of textures and
    #: deformations are processor time, a texture's "best" reckoned from 20 of its steps.
    PRESET_MINUTES: ClassVar = {
        "draft": "10 seconds on two cores; of one core, a texture 24, a deformation 11; not "
        "measured on a GPU",
        "normal": "15 seconds on two cores; of one core, a texture 31 to 44, a deformation 20; not "
        "measured on a GPU",
        "best": "44 seconds on two cores; of one core, a texture 4 minutes, a deformation 72 "
        "seconds; not measured on a GPU",
    }

    mode: Literal["stylize", "texture", "deform"] = "stylize"
    """"stylize" paints and moves vertices, "texture" makes maps, "deform" changes the shape."""
    mesh: str = "sphere"
    """A file (OBJ, PLY, STL, GLB, OFF), or sphere, cube, torus, cone or cylinder."""
    paint: Literal["field", "vertices"] | None = None
    """Colours from a smooth function of the place, or for each vertex by itself (field)."""
    frequency: float | None = Field(default=None, gt=0, le=20)
    """Of a field's features, in waves per radius (0.7): higher gives finer patterns."""
    max_displacement: float | None = Field(default=None, ge=0, lt=1)
    """How far the surface may move along its normals, in radii (0.05); 0 keeps the shape."""
    edge_length: float | None = Field(default=None, gt=0, le=2)
    """Longer edges are split before the run; in radii (0.08; 0.1 for "deform")."""
    symmetric: bool = False
    """Paints and moves the left half like the right one; "deform" moves both by their mean."""
    ambient: float | None = Field(default=None, ge=0, le=1)
    """Light that comes from everywhere (0.6); the rest comes from near the camera."""
    finest: int | None = Field(default=None, ge=1, le=128)
    """Cells along the mesh that a texture is painted in, a power of two (32)."""
    texels: int | None = Field(default=None, ge=16, le=2048)
    """Pixels a side of a texture's maps during the run (256)."""
    map_size: int | None = Field(default=None, ge=16, le=4096)
    """Pixels a side of a texture's maps in the files (1024)."""
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
    """Random crops in each step, dealt out to the views."""
    view_words: bool = False
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
    textureless: float | None = Field(default=None, ge=0, le=1)
    """Share of the views that show the shape in plain grey, so that it has to fit by itself (0)."""
    backgrounds: str = "solid,checker,noise,blur"
    """What crops show behind the mesh, drawn anew each time; "none" is white."""
    formats: str = "glb,obj"
    """What the mesh is written as: glb and any of obj, ply, stl."""
    laplacian: float | str | None = None
    """Weight of smooth displacements (0.1)."""
    normal_consistency: float | str | None = None
    """Weight of neighbouring faces that look the same way (1)."""
    rigidity: float | str | None = None
    """Weight of what a deformation costs, 0.5 |J - I|^2 (0.3)."""

    def build(self) -> Plan:
        from guidance.geometry.exports import parse_formats, printing_note
        from guidance.geometry.mesh_io import LoadedMesh, load_mesh
        from guidance.rendering.normals import show_normals
        from guidance.runs.plan import Plan
        from guidance.tasks.mesh_views import aim_of

        self._refuse_ignored()
        loaded = load_mesh(self.mesh)
        generator: MeshGenerator | TexturedMesh | DeformedMesh
        if self.mode != "stylize":
            make = self._textured if self.mode == "texture" else self._deformed
            generator = make(loaded.mesh)
            loaded = LoadedMesh(loaded.mesh, (*loaded.notes, *generator.notes))
        else:
            generator = self._stylized(loaded.mesh)
        aim = aim_of(self, loaded.mesh, self.front, self.anchor)
        notes = (*(f"{self.mesh}: {note}" for note in loaded.notes), *aim.notes)
        generator.formats = parse_formats(self.formats, maps=self.mode == "texture")
        if "stl" in generator.formats:
            notes = (*notes, printing_note(generator.get_buffer("faces")))
        orbit = self._orbit(self.resolution, aim)
        n, sheet = generator.num_samples, self._orbit(max(self.resolution, 256), aim)
        return Plan(
            generator,
            self._losses(),
            self.settings(),
            self.sample_prompts,
            views=orbit,
            turntable=lambda views: sheet.ring(n, views),
            normals=show_normals,
            notes=notes,
        )

    def _stylized(self, mesh: Mesh) -> MeshGenerator:
        from guidance.generators.mesh import MeshGenerator, Surface
        from guidance.rendering.rasterize import Shading

        own = ("paint", "frequency", "max_displacement", "edge_length")
        surface = Surface(
            **{name: self._value(name) for name in own},
            symmetric=self.symmetric,
            shading=Shading(ambient=self._value("ambient")),
        )
        return MeshGenerator(mesh, self.sample_seeds, surface)

    def _textured(self, mesh: Mesh) -> TexturedMesh:
        from guidance.generators.texture import Maps, TexturedMesh

        own = ("finest", "texels", "relief", "environment", "unwrap")
        maps = Maps(
            **{name: self._value(name) for name in own},
            exported=self._value("map_size"),
            symmetric=self.symmetric,
        )
        return TexturedMesh(mesh, self.sample_seeds, maps)

    def _deformed(self, mesh: Mesh) -> DeformedMesh:
        from guidance.generators.jacobians import Clay, DeformedMesh
        from guidance.rendering.rasterize import Shading

        if self.textureless and mesh.colors is None:
            raise InputError("textureless: the mesh has no colours, so all is grey; leave it out")
        shading = Shading(ambient=self._value("ambient"))
        clay = Clay(self._value("edge_length"), self.symmetric, shading)
        return DeformedMesh(mesh, self.sample_seeds, clay)

    def _value(self, name: str) -> Any:
        """What was given for an option of some modes, or its default in this one."""
        given = getattr(self, name)
        return ONLY_OF[name][self.mode] if given is None else given

    def _refuse_ignored(self) -> None:
        """Raises InputError for options that were given and would do nothing."""
        for name, modes in ONLY_OF.items():
            value = getattr(self, name)
            if value is not None and value is not False and self.mode not in modes:
                raise InputError(
                    f"{name}: {self.mode} has none; leave it out, or use --mode "
                    f"{' or '.join(modes)}"
                )
        if self.paint == "vertices" and self.frequency is not None:
            raise InputError("frequency: is of --paint field; vertices have none, leave it out")
        if self.max_displacement == 0 and self.textureless:
            raise InputError("textureless: without displacements the shape stays; leave it out")
        for name in ("laplacian", "normal_consistency"):
            if self.max_displacement == 0 and getattr(self, name) is not None:
                raise InputError(f"{name}: without displacements nothing is smoothed; leave it out")

    def _orbit(self, resolution: int, aim: Aim) -> Orbit:
        from guidance.rendering.cameras import Orbit
        from guidance.rendering.variety import Variety

        shaded = self.mode in ONLY_OF["ambient_jitter"]
        variety = Variety(
            self.fov_jitter,
            self.strength_jitter,
            self._value("ambient_jitter") if shaded else 0.0,
            self._value("textureless") if shaded else 0.0,
        )
        return Orbit(
            num_views=self.views,
            size=(resolution, resolution),
            radius=DISTANCE[self.mode],
            light_jitter=self.light_jitter,
            offset=self.offset,
            device=self.torch_device(),
            front_deg=aim.front_deg,
            anchors=aim.anchors,
            variety=variety,
        )

    def _losses(self) -> Terms:
        from guidance.augment import Augment
        from guidance.losses.mesh import Laplacian, NormalConsistency, Rigidity
        from guidance.types import Terms

        behind = tuple(kind.strip() for kind in self.backgrounds.split(","))
        augment = Augment(crops=self.crops, scale=SCALE[self.mode], backgrounds=behind)
        losses = Terms.of(self.clip(augment, view_words=self.view_words))
        if self.mode == "stylize" and self._value("max_displacement"):
            losses = losses + self._value("laplacian") * Laplacian()
            losses = losses + self._value("normal_consistency") * NormalConsistency()
        if self.mode == "deform":
            losses = losses + self._value("rigidity") * Rigidity()
            losses = losses + self._value("normal_consistency") * NormalConsistency()
        return losses
