"""Meshes from prompts: colors, textures and shapes follow the gradient of a frozen model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from guidance.config.fields import Camera
from guidance.config.fields import MeshMode as Mode
from guidance.errors import InputError
from guidance.options import NamesFile
from guidance.prompts import Prompt
from guidance.tasks.base import Task
from guidance.tasks.mesh.mode import MeshJob, MeshMode, ShadedMode
from guidance.tasks.mesh.region import MeshRegion

if TYPE_CHECKING:
    from guidance.augment import Augment
    from guidance.generators.mesh.param.base import MeshGenerator
    from guidance.localize.front import CameraAim
    from guidance.localize.localizer import Localizer
    from guidance.meshes import Mesh
    from guidance.rendering.cameras.orbit import Orbit
    from guidance.rendering.cameras.sampling.setup import CameraOptions
    from guidance.runs.plan import Plan
    from guidance.tasks.mesh.region import Selected
    from guidance.tasks.mesh.scene_file import Scene

#: Meshes that need no file; those of `guidance.geometry.primitives`.
BUILT_IN = ("sphere", "cube", "torus", "cone", "cylinder")
#: Pixels per side of turntables, at least.
TURNTABLE = 256


class TextToMesh(Task):
    """Meshes that match prompts, after Text2Mesh (Michel et al., arXiv 2112.03221).

    `guide run text2mesh --mesh cow.obj --prompt "a cow with zebra stripes"` paints a mesh and moves
    its surface a little. Other modes make texture maps, change the shape as a whole, or generate a
    mesh from the prompt alone.
    """

    FLAT: ClassVar = False
    PRESETS: ClassVar = {
        "draft": {"steps": 60, "crops": 6},
        "normal": {"steps": 150, "crops": 8},
        "best": {"steps": 400, "crops": 18},
    }
    #: One prompt on the sphere, the whole command, with the embedded models. Textures, deformations
    #: and generated meshes in processor time; "best" of a texture extrapolated from 20 steps.
    PRESET_MINUTES: ClassVar = {
        "draft": "10 seconds on two cores; of one core, a texture takes 24, a deformation 11, a "
        "generated mesh 17",
        "normal": "15 seconds on two cores; of one core, a texture takes 31 to 44, a deformation "
        "20, a generated mesh 31",
        "best": "44 seconds on two cores; of one core, a texture takes 4 minutes, a deformation 72 "
        "seconds, a generated mesh 111",
    }

    mode: Mode = Field(default="stylize")  # type: ignore[assignment]
    """What is optimized."""
    mesh: Annotated[str, NamesFile(apart_from=BUILT_IN)] = "sphere"
    """A file (OBJ, PLY, STL, GLB, OFF), or sphere, cube, torus, cone or cylinder."""
    up: Literal["y", "z"] = "y"
    """The axis of the file that points upwards; results have y up, in the units of the file."""
    scene: Path | None = None
    """A file with several meshes and their prompts, in place of --mesh: docs/meshes.md."""
    region: tuple[MeshRegion, ...] = ()
    """What may change: a mask over the UV square, "box:,60%,,,," or "words:the head"."""
    segmenter: str = "encoders"
    """What finds --region words:...: "encoders" are those of the loss, which know whole objects;
    "mini" knows parts of persons and of cows; see docs/regions.md."""
    cameras: Camera = Field(default="orbit")  # type: ignore[assignment]
    """Where the views are rendered from."""
    crops: int = Field(default=8, ge=1, le=1024)
    """Random crops per step for encoders, distributed among the views; a denoiser gets a fifth, and
    at least one of each view."""
    backgrounds: str = "solid,checker,noise,blur"
    """Random backgrounds of the crops; "none" is white."""
    view_prompts: bool = False
    """Adds "front view", "side view" ... to the prompt of each view."""
    formats: str = "glb,obj"
    """Formats of the files: glb and any of obj, ply, stl. With texture maps, ply has the base color
    at each vertex; stl has no color."""

    def _starting_prompts(self) -> tuple[Prompt, ...]:
        if self.scene is None:
            return super()._starting_prompts()
        from guidance.tasks.mesh.scene_file import read_scene

        return (read_scene(self.scene).prompt,) * self.samples

    @property
    def mesh_mode(self) -> MeshMode:
        """The options of the mode."""
        assert isinstance(self.mode, MeshMode)
        return self.mode

    @property
    def camera_options(self) -> CameraOptions:
        """The options of the cameras."""
        from guidance.rendering.cameras.sampling.setup import CameraOptions

        assert isinstance(self.cameras, CameraOptions)
        return self.cameras

    def build(self) -> Plan:
        from guidance.geometry.io.export import parse_formats, printing_note
        from guidance.localize.front import CameraAim
        from guidance.rendering.normals import show_normals
        from guidance.runs.artifacts.contact_sheet import ContactSheet
        from guidance.runs.artifacts.given_files import GivenFiles
        from guidance.runs.artifacts.turntable import Turntable
        from guidance.runs.plan import Plan

        generator: MeshGenerator
        region, aim = None, CameraAim()
        if self.scene is not None:
            from guidance.generators.mesh.assembly import views_of_parts
            from guidance.tasks.mesh.scene import scene_generator, scene_losses

            scene = self._checked_scene(self.scene)
            generator, notes = scene_generator(scene, self.mesh_mode, self.sample_seeds)
            aim = CameraAim(float(self.camera_options.front))
            context = self.loss_context(self._augment(), view_prompts=self.view_prompts)
            losses = scene_losses(scene, self.losses, context, self.style)
        else:
            mesh, notes = self._mesh()
            region, aim = self._region(mesh), self._aim(mesh)
            seeds = self.sample_seeds
            generator = self.mesh_mode.generator(MeshJob(mesh, self.mesh, seeds, region))
            notes = (*notes, *(f"{self.mesh}: {note}" for note in generator.notes), *aim.notes)
            losses = self.losses(self.loss_context(self._augment(), view_prompts=self.view_prompts))
        generator.formats = parse_formats(self.formats)
        if "stl" in generator.formats:
            notes = (*notes, printing_note(generator.faces_at_start()))
        views = self._rig(self.camera_options.resolution, aim)
        ring = self._rig(max(self.camera_options.resolution, TURNTABLE), aim).ring
        n = generator.num_samples
        return Plan(
            generator,
            losses + self.mesh_mode.regularizers(),
            self.settings(),
            self.sample_prompts,
            views=views if self.scene is None else views_of_parts(views, len(scene.parts)),
            artifacts=(
                GivenFiles(() if region is None else region.files),
                Turntable(lambda views: ring(n, views), show_normals),
                ContactSheet(lambda views: ring(n, views)),
            ),
            notes=notes if region is None else (*notes, *region.notes),
        )

    def _checked_scene(self, path: Path) -> Scene:
        """The scene in a file. Raises InputError for options that contradict it."""
        from guidance.tasks.mesh.scene_file import read_scene

        options = self.camera_options
        contradictions = {
            "--prompt": (self.prompt, "the file contains the prompts"),
            "--mesh": (self.mesh != "sphere", "the file names the meshes"),
            "--up": (self.up != "y", "give the axis of each part in the file, as up: z"),
            "--at": (self.keyframes, "the prompts of a scene do not change"),
            "--region": (self.region, "all of a scene may change"),
            "--anchor": (options.anchor != "none", "the cameras of a scene go all around"),
            "--front auto": (options.front == "auto", "give the front of a scene in degrees"),
            "--loss": (self.denoisers, "scenes are compared by encoders; use clip"),
        }
        for flag, (given, reason) in contradictions.items():
            if given:
                raise InputError(f"{flag} with --scene: {reason}")
        return read_scene(path)

    def _mesh(self) -> tuple[Mesh | None, tuple[str, ...]]:
        """The mesh to change, if the mode takes one, with notes on repairs."""
        from guidance.geometry.io.files import load_mesh

        mode = self.mesh_mode
        if not mode.takes_mesh:
            options = {"mesh": self.mesh != "sphere", "up": self.up != "y", "region": self.region}
            for flag in (f"--{name}" for name, given in options.items() if given):
                raise InputError(
                    f"{flag}: --mode {mode.kind()} creates a mesh from the prompt alone; "
                    f"remove {flag}"
                )
            return None, ()
        # The maps of a mesh stay outside a region.
        loaded = load_mesh(self.mesh, maps=mode.changes_texels and bool(self.region), up=self.up)
        return loaded.mesh, tuple(f"{self.mesh}: {note}" for note in loaded.notes)

    def _region(self, mesh: Mesh | None) -> Selected | None:
        """What may change of the mesh, if not all of it."""
        if not self.region or mesh is None:
            return None
        from guidance.tasks.mesh.region import select

        by_texels = self.mesh_mode.changes_texels
        return select(self.region, mesh, self.mesh, self._localizer(), by_texels=by_texels)

    def _localizer(self) -> Localizer:
        """The encoders that find parts and sides of a mesh: those of the losses."""
        from guidance.localize.localizer import Localizer
        from guidance.losses.text.options import TextOptions

        options = [each.options for each in self.loss]
        found = next((each for each in options if isinstance(each, TextOptions)), TextOptions())
        device = self.torch_device()
        return Localizer(found.encoders(), found.templates.wordings, device, self.segmenter)

    def _aim(self, mesh: Mesh | None) -> CameraAim:
        """Where the front of the mesh is, and which view the cameras gather around."""
        from guidance.localize.front import CameraAim, find_aim
        from guidance.rendering.cameras.sampling.anchor import Anchor

        options, prompts = self.camera_options, self.styled_prompts
        if options.front != "auto" and options.anchor != "auto":
            gathered = () if options.anchor == "none" else (Anchor(options.anchor),) * len(prompts)
            return CameraAim(options.front, gathered)
        if mesh is None:
            raise InputError(
                f"--front auto, --anchor auto: --mode {self.mode.kind()} has no mesh to render "
                "before the run; give degrees"
            )
        return find_aim(mesh, options.front, options.anchor, prompts, self._localizer())

    def _augment(self) -> Augment:
        """How crops of the views are made."""
        from guidance.augment import Augment

        behind = tuple(kind.strip() for kind in self.backgrounds.split(","))
        return Augment(crops=self.crops, scale=self.mesh_mode.crop_scale, backgrounds=behind)

    def _rig(self, resolution: int, aim: CameraAim) -> Orbit:
        """The cameras of the run: random, fixed, or in a ring."""
        from guidance.rendering.cameras.orbit import Orbit
        from guidance.rendering.cameras.sampling.setup import CameraSetup

        mode, kind = self.mesh_mode, self.cameras.component
        setup = CameraSetup(
            resolution,
            mode.distance,
            front_deg=aim.front_deg,
            anchors=aim.anchors,
            device=self.torch_device(),
        )
        if isinstance(mode, ShadedMode):
            setup = replace(setup, ambient_jitter=mode.ambient_jitter, textureless=mode.textureless)
        assert kind is not None and issubclass(kind, Orbit)
        return kind.from_options(self.cameras, setup)
