"""The files of an avatar: GLB with skin and animation, VRM, and the texture map."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from guidance.body.body import Body
from guidance.body.export.glb import Appearance, write_body_glb
from guidance.body.export.vrm import Meta, write_vrm
from guidance.errors import InputError
from guidance.generators.mesh.param.dressed_body import keeps_materials, with_map
from guidance.media.write_image import save_png
from guidance.motion.motion import Motion

GLB, VRM, TEXTURE = "avatar.glb", "avatar.vrm", "texture.png"


def missing_for_vrm(body: Body) -> str | None:
    """Why a body cannot be written as VRM, or None."""
    try:
        write_vrm(body)
    except InputError as error:
        return str(error)
    return None


def write_avatar(
    folder: Path,
    body: Body,
    motion: Motion | None,
    texture: Float[Tensor, "3 h w"],
    shape: tuple[Float[Tensor, "1 k"] | None, Float[Tensor, "p 3"]],
    *,
    vrm: bool,
) -> list[Path]:
    """Writes avatar.glb, avatar.vrm and texture.png.

    Args:
        motion: the animation of the GLB.
        shape: coefficients and offsets of the vertices.
        vrm: whether the body has the bones of VRM.
    """
    betas, offsets = shape
    if keeps_materials(body):
        body, appearance = with_map(body, texture), Appearance(betas, offsets)
    else:
        appearance = Appearance(betas, offsets, texture)
    files = [save_png(folder / TEXTURE, texture)]
    motions = [] if motion is None else [motion]
    (folder / GLB).write_bytes(write_body_glb(body, motions, appearance))
    files.append(folder / GLB)
    if vrm:
        (folder / VRM).write_bytes(write_vrm(body, Meta(name=body.name), appearance))
        files.append(folder / VRM)
    return files
