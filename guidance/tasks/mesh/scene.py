"""Scenes: several meshes that are changed together, each rendered alone and all as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from guidance.errors import InputError
from guidance.prompts import Prompt
from guidance.tasks.mesh.mode import MeshJob, MeshMode
from guidance.tasks.mesh.scene_file import Scene

if TYPE_CHECKING:
    from guidance.generators.mesh.assembly import Assembly
    from guidance.losses.text.context import LossContext
    from guidance.types import Terms

#: Difference between the seeds of two parts, so that parts do not start with one pattern.
BETWEEN_SEEDS = 1_000_003


def scene_generator(
    scene: Scene, mode: MeshMode, seeds: tuple[int, ...]
) -> tuple[Assembly, tuple[str, ...]]:
    """The generator of all parts, and notes on their meshes.

    Args:
        seeds: one for each sample.

    Raises:
        InputError: a mode that cannot change several meshes, or a mesh that cannot be read.
    """
    from guidance.generators.mesh.assembly import Assembly, Part
    from guidance.generators.mesh.jacobians import DeformedMesh
    from guidance.generators.mesh.stylized import StylizedMesh
    from guidance.geometry.io.files import load_mesh

    if not mode.takes_scenes:
        raise InputError(f"--scene: --mode {mode.kind()} changes one mesh; use stylize or deform")
    parts, notes = [], []
    for index, (name, part) in enumerate(zip(scene.names(), scene.parts, strict=True)):
        loaded = load_mesh(part.mesh, up=part.up)
        own_seeds = tuple(seed + index * BETWEEN_SEEDS for seed in seeds)
        generator = mode.generator(MeshJob(loaded.mesh, name, own_seeds))
        assert isinstance(generator, StylizedMesh | DeformedMesh)
        parts.append(Part(name, generator, part.position, part.scale))
        notes += [f"{name}: {note}" for note in (*loaded.notes, *generator.notes)]
    return Assembly(parts, parts[0].generator.options.shading), tuple(notes)


def scene_losses(
    scene: Scene,
    losses: Callable[[LossContext], Terms],
    context: LossContext,
    style: Prompt | None,
) -> Terms:
    """The prompt of the whole with views of the whole, and that of each part with views of it.

    Args:
        losses: creates the losses for the prompts in a context.
        context: of the task; its prompts are replaced.
    """
    from guidance.losses.on_subject import OnSubject
    from guidance.types import Terms
    from guidance.views import WHOLE

    prompts = {WHOLE: ("whole", scene.prompt)}
    prompts |= {
        index: (name, part.prompt)
        for index, (name, part) in enumerate(zip(scene.names(), scene.parts, strict=True))
    }
    terms = Terms()
    for subject, (name, prompt) in prompts.items():
        styled = (prompt.with_style(style),) * len(context.prompts)
        for term in losses(replace(context, prompts=styled)):
            terms = terms + term.weight * OnSubject(term.loss, subject, name)
    return terms
