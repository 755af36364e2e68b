"""Scenes: several meshes that are painted or deformed side by side, alone and together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guidance.errors import InputError
from guidance.tasks.mesh.scene_file import Scene, read_scene

if TYPE_CHECKING:
    from guidance.generators.mesh.assembly import Part
    from guidance.runs.plan import Plan
    from guidance.tasks.text2mesh import TextToMesh
    from guidance.types import Terms
    from guidance.views import Cameras

#: Modes whose meshes are drawn by the colours of their vertices, as those of a scene are.
MODES = ("stylize", "deform")
#: From the seeds of one part to those of the next, so that parts do not begin with one pattern.
BETWEEN_SEEDS = 1_000_003


def scene_plan(task: TextToMesh) -> Plan:
    """Wires a scene: its generator, its losses, and views of the whole and of each part alone.

    Raises:
        InputError: the file cannot be read; a mesh cannot; an option would do nothing.
    """
    from guidance.generators.mesh.assembly import Assembly, of_each
    from guidance.geometry.io.export import parse_formats, printing_note
    from guidance.localize.front import Aim, parse_front
    from guidance.rendering.normals import show_normals
    from guidance.rendering.shading import Shading
    from guidance.runs.artifacts.contact_sheet import ContactSheet
    from guidance.runs.artifacts.turntable import Turntable
    from guidance.runs.plan import Plan
    from guidance.tasks.mesh.mesh_modes import regularizers, value

    refuse_ignored(task)
    assert task.scene is not None
    scene = read_scene(task.scene)
    parts, notes = _parts(task, scene)
    generator = Assembly(parts, Shading(ambient=value(task, "ambient")))
    generator.formats = parse_formats(task.formats)
    if "stl" in generator.formats:
        notes = (*notes, printing_note(generator.get_buffer("faces")))
    aim = Aim(parse_front(task.front) or 0.0)
    n, sheet = generator.num_samples, task.orbit(max(task.resolution, 256), aim)

    def ring(views: int) -> Cameras:
        return sheet.ring(n, views)

    return Plan(
        generator,
        _comparisons(task, scene) + regularizers(task),
        task.settings(),
        task.sample_prompts,
        views=of_each(task.orbit(task.resolution, aim), len(parts)),
        artifacts=(Turntable(ring, show_normals), ContactSheet(ring)),
        notes=notes,
    )


def refuse_ignored(task: TextToMesh) -> None:
    """Raises InputError for options that were given and would do nothing in a scene."""
    from guidance.tasks.shared import guides

    if task.mode not in MODES:
        raise InputError(f"mode: {task.mode} makes no scenes; use --mode {' or '.join(MODES)}")
    asked = guides.Guides.parse(task.loss)
    said = "the scene's file says it; leave it out"
    given = {
        "prompt": (bool(task.prompt), said),
        "mesh": (task.mesh != "sphere", said),
        "image_prompt": (bool(task.image_prompt), "a scene is made of words; leave it out"),
        "at": (bool(task.at), "the words of a scene stay; leave it out"),
        "region": (bool(task.region), "a scene has none; edit a mesh of it by itself"),
        "anchor": (task.anchor != "none", "the cameras of a scene go all around; leave it out"),
        "front": (task.front == "auto", "of a scene it is not looked for; give degrees"),
        "loss": (
            bool(asked.distillations),
            "scenes are compared by encoders; use cosine, spherical or logit",
        ),
    }
    for name, (ignored, reason) in given.items():
        if ignored:
            raise InputError(f"{name}: {reason}")
    guides.refuse_ignored(task, asked)


def _parts(task: TextToMesh, scene: Scene) -> tuple[list[Part], tuple[str, ...]]:
    from guidance.generators.mesh.assembly import Part
    from guidance.generators.mesh.jacobians import DeformedMesh
    from guidance.generators.mesh.stylized import StylizedMesh
    from guidance.geometry.io.files import load_mesh
    from guidance.tasks.mesh.mesh_modes import made

    parts, notes = [], []
    for index, (name, part) in enumerate(zip(scene.names(), scene.parts, strict=True)):
        loaded = load_mesh(part.mesh)
        of_its_own: dict[str, Any] = {"seed": task.seed + index * BETWEEN_SEEDS}
        generator = made(task.model_copy(update=of_its_own), loaded.mesh, None)
        assert isinstance(generator, StylizedMesh | DeformedMesh)
        parts.append(Part(name, generator, part.position, part.scale))
        notes += [f"{name}: {note}" for note in (*loaded.notes, *generator.notes)]
    return parts, tuple(notes)


def _comparisons(task: TextToMesh, scene: Scene) -> Terms:
    """The whole's words with views of the whole, and each part's with views of it alone."""
    from guidance.losses.on_subject import OnSubject
    from guidance.tasks.mesh.mesh_modes import augment_of
    from guidance.types import Terms
    from guidance.views import WHOLE

    augment = augment_of(task)
    words = {WHOLE: ("whole", scene.prompt)}
    words |= {
        index: (name, part.prompt)
        for index, (name, part) in enumerate(zip(scene.names(), scene.parts, strict=True))
    }
    terms = Terms()
    for subject, (name, prompt) in words.items():
        clip = task.clip(augment, view_prompts=task.view_prompts, prompts=[prompt] * task.samples)
        terms = terms + OnSubject(clip, subject, name)
    return terms
