"""What each mode of text2mesh is made of: its options, its generator and its losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from guidance.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

    from guidance.augment import Augment
    from guidance.generators.mesh.dmtet import DMTet
    from guidance.generators.mesh.jacobians import DeformedMesh
    from guidance.generators.mesh.sphere import SphereMesh
    from guidance.generators.mesh.stylized import StylizedMesh
    from guidance.generators.mesh.textured import TexturedMesh
    from guidance.meshes import Mesh
    from guidance.rendering.cameras.sampling.variety import Variety
    from guidance.tasks.mesh.region import Selected
    from guidance.tasks.text2mesh import TextToMesh
    from guidance.types import Terms

    Made = StylizedMesh | TexturedMesh | DeformedMesh | SphereMesh | DMTet

GRID = "generate --surface grid"
TURNED = "deform --deform-by normals"
#: The shape comes first, and goes on being asked of by itself. CLIP-Mesh (arXiv 2203.13333) leaves
#: the texture out in half of the first half of its steps; of eight prompts, one judge then gave the
#: grey mesh 0.088 instead of 0.105, and the painted one 0.268 instead of 0.269.
SHAPE_FIRST = "1 -> 1 @ 0.3 -> 0.25 @ 0.3"


def _deforming(value: Any) -> dict[str, Any]:
    return {"deform": value, TURNED: value}


def _making(value: Any) -> dict[str, Any]:
    return {"generate": value, GRID: value}


#: Options that only some modes have: what they are in each of these if nothing is given.
ONLY_OF: dict[str, dict[str, Any]] = {
    "surface": {"generate": "sphere", GRID: "grid"},
    "deform_by": {"deform": "jacobians", TURNED: "normals"},
    "paint": {"stylize": "field"},
    "frequency": {"stylize": 0.7, GRID: 0.7},
    "max_displacement": {"stylize": 0.05},
    "edge_length": {"stylize": 0.08, **_deforming(0.1), "generate": 0.05},
    "reach": {"generate": 0.15},
    "cells": {GRID: 24},
    "symmetric": {"stylize": False, "texture": False, **_deforming(False)},
    "asymmetric": _making(False),
    "ambient": {"stylize": 0.6, **_deforming(0.6), **_making(0.4)},
    "ambient_jitter": {"stylize": 0.0, **_deforming(0.0), **_making(0.0)},
    "bare": {"stylize": "grey", **_deforming("grey"), **_making("grey")},
    "textureless": {"stylize": 0.0, **_deforming(0.0), **_making(SHAPE_FIRST)},
    "laplacian": {"stylize": 0.1},
    "normal_consistency": {
        "stylize": 1.0,
        **_deforming(1.0),
        "generate": "1 -> 0.1",
        GRID: "3 -> 0.3",
    },
    "rigidity": {"deform": 0.3},
    "eikonal": {GRID: 0.3},
    "finest": {"texture": 32, "generate": 32},
    "texels": {"texture": 256},
    "map_size": {"texture": 1024, "generate": 1024},
    "relief": {"texture": 0.5},
    "environment": {"texture": "studio"},
    "unwrap": {"texture": False},
}
#: How much of a view a crop shows, a side; by eye.
SCALE = {
    "stylize": (0.5, 1.1),
    "texture": (0.8, 1.5),
    "deform": (0.8, 1.3),
    "generate": (0.8, 1.4),
}
#: How far the cameras are, in radii: a mesh that grows needs room. Generated ones are scaled.
DISTANCE = {"stylize": 3.0, "texture": 3.0, "deform": 3.4, "generate": 3.0}


def kind_of(task: TextToMesh) -> str:
    """The mode, and what it moves or grows where there are two."""
    if task.mode == "deform" and task.deform_by == "normals":
        return TURNED
    return GRID if task.mode == "generate" and task.surface == "grid" else task.mode


def value(task: TextToMesh, name: str) -> Any:
    """What was given for an option of some modes, or its default in this one."""
    given = getattr(task, name)
    return ONLY_OF[name][kind_of(task)] if given is None else given


def has(task: TextToMesh, name: str) -> bool:
    """Whether the mode has an option."""
    return kind_of(task) in ONLY_OF[name]


def refuse_ignored(task: TextToMesh) -> None:
    """Raises InputError for options that were given and would do nothing."""
    if task.mode == "generate" and task.symmetric:
        raise InputError("symmetric: generated meshes are, but with --asymmetric; leave it out")
    for name, modes in ONLY_OF.items():
        given = getattr(task, name)
        if given is not None and given is not False and kind_of(task) not in modes:
            raise InputError(
                f"{name}: {kind_of(task)} has none; leave it out, or use --mode "
                f"{' or '.join(modes)}"
            )
    if task.mode == "generate" and task.mesh != "sphere":
        raise InputError("mesh: generate makes one from words alone; leave it out")
    if task.mode == "generate" and task.region:
        raise InputError("region: generate has no mesh yet to have one; leave it out")
    if task.mode == "generate" and "auto" in (task.front, task.anchor):
        raise InputError("front, anchor: generate has no mesh yet to look at; give degrees")
    if task.paint == "vertices" and task.frequency is not None:
        raise InputError("frequency: is of --paint field; vertices have none, leave it out")
    if task.bare is not None and not value(task, "textureless"):
        raise InputError("bare: is of textureless views, and there are none; leave it out")
    if task.max_displacement == 0 and task.textureless:
        raise InputError("textureless: without displacements the shape stays; leave it out")
    for name in ("laplacian", "normal_consistency"):
        if task.max_displacement == 0 and getattr(task, name) is not None:
            raise InputError(f"{name}: without displacements nothing is smoothed; leave it out")


def made(task: TextToMesh, mesh: Mesh, part: Selected | None) -> Made:
    """The mode's generator, of the mesh that was given.

    Args:
        part: what may change of the mesh; None for all of it.
    """
    makers: dict[str, Callable[[TextToMesh, Mesh, Selected | None], Made]] = {
        "stylize": _stylized,
        "texture": _textured,
        "deform": _deformed,
        TURNED: _deformed,
        "generate": _grown,
        GRID: _marched,
    }
    return makers[kind_of(task)](task, mesh, part)


def faces_of(generator: Made) -> Int[Tensor, "f 3"]:
    """The faces that the mesh has at the start; a grid's change, but stay closed."""
    from guidance.generators.mesh.dmtet import DMTet

    if isinstance(generator, DMTet):
        return generator.scenes().meshes[0].faces
    return generator.get_buffer("faces")


def _own(task: TextToMesh, *names: str) -> dict[str, Any]:
    return {name: value(task, name) for name in names}


def _stylized(task: TextToMesh, mesh: Mesh, part: Selected | None) -> StylizedMesh:
    from guidance.generators.mesh.stylized import StylizedMesh, Surface
    from guidance.rendering.shading import Shading

    surface = Surface(
        **_own(task, "paint", "frequency", "max_displacement", "edge_length"),
        symmetric=task.symmetric,
        shading=Shading(**_own(task, "ambient", "bare")),
    )
    inside = None if part is None else part.faces
    return StylizedMesh(mesh, task.sample_seeds, surface, inside=inside)


def _textured(task: TextToMesh, mesh: Mesh, part: Selected | None) -> TexturedMesh:
    from guidance.generators.mesh.textured import Maps, TexturedMesh
    from guidance.tasks.mesh.region import side_of_maps

    exported, region = value(task, "map_size"), None
    if part is not None:
        region = part.selection
        exported = side_of_maps(task.mesh, mesh, task.map_size) or exported
        if task.unwrap and mesh.material is not None:
            raise InputError("unwrap: outside the region the mesh's maps stay; leave one out")
    maps = Maps(
        **_own(task, "finest", "texels", "relief", "environment", "unwrap"),
        exported=exported,
        symmetric=task.symmetric,
    )
    return TexturedMesh(mesh, task.sample_seeds, maps, region=region)


def _deformed(task: TextToMesh, mesh: Mesh, part: Selected | None) -> DeformedMesh:
    from guidance.generators.mesh.jacobians import Clay, DeformedMesh
    from guidance.generators.mesh.normals import NormalDeformedMesh
    from guidance.rendering.shading import Shading

    if task.textureless and mesh.colors is None:
        raise InputError("textureless: the mesh has no colours, so all is grey; leave it out")
    shading = Shading(**_own(task, "ambient", "bare"))
    clay = Clay(value(task, "edge_length"), task.symmetric, shading)
    inside = None if part is None else part.faces
    kind = {"jacobians": DeformedMesh, "normals": NormalDeformedMesh}[value(task, "deform_by")]
    return kind(mesh, task.sample_seeds, clay, inside=inside)


def _grown(task: TextToMesh, mesh: Mesh, part: Selected | None) -> SphereMesh:
    from guidance.generators.mesh.sphere import Growth, SphereMesh
    from guidance.rendering.shading import Shading

    growth = Growth(
        **_own(task, "edge_length", "reach", "finest"),
        exported=value(task, "map_size"),
        symmetric=not task.asymmetric,
        shading=Shading(**_own(task, "ambient", "bare")),
    )
    return SphereMesh(task.sample_seeds, growth)


def _marched(task: TextToMesh, mesh: Mesh, part: Selected | None) -> DMTet:
    from guidance.generators.mesh.dmtet import DMTet, SurfaceGrid
    from guidance.rendering.shading import Shading

    grid = SurfaceGrid(
        **_own(task, "cells", "frequency"),
        symmetric=not task.asymmetric,
        shading=Shading(**_own(task, "ambient", "bare")),
    )
    return DMTet(task.sample_seeds, grid)


def variety(task: TextToMesh) -> Variety:
    """How the views of a step differ."""
    from guidance.rendering.cameras.sampling.variety import Variety

    return Variety(
        task.fov_jitter,
        task.strength_jitter,
        value(task, "ambient_jitter") if has(task, "ambient_jitter") else 0.0,
        value(task, "textureless") if has(task, "textureless") else 0.0,
    )


def losses(task: TextToMesh) -> Terms:
    """What the mode's images and meshes are measured by."""
    return task.guides(augment_of(task), view_prompts=task.view_prompts) + regularizers(task)


def augment_of(task: TextToMesh) -> Augment:
    """How views are shown to the models."""
    from guidance.augment import Augment

    behind = tuple(kind.strip() for kind in task.backgrounds.split(","))
    return Augment(crops=task.crops, scale=SCALE[task.mode], backgrounds=behind)


def regularizers(task: TextToMesh) -> Terms:
    """What the mode's meshes are measured by."""
    from guidance.losses.eikonal import Eikonal
    from guidance.losses.laplacian import Laplacian
    from guidance.losses.normal_consistency import NormalConsistency
    from guidance.losses.rigidity import Rigidity
    from guidance.types import Terms

    found = Terms()
    kinds = {
        "rigidity": Rigidity,
        "laplacian": Laplacian,
        "normal_consistency": NormalConsistency,
        "eikonal": Eikonal,
    }
    if task.mode == "stylize" and not value(task, "max_displacement"):
        return found
    for name, kind in kinds.items():
        if has(task, name):
            found = found + value(task, name) * kind()
    return found
