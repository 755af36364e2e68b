"""A body with a texture map: what an avatar starts from, and its materials with a new map."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.body.body import Body
from guidance.geometry.io.maps import png_of, without_unused
from guidance.geometry.unwrap import with_uv
from guidance.media.srgb import linear_to_srgb, srgb_to_linear
from guidance.meshes import GivenMaterials, Mesh
from guidance.rendering.bake import bake
from guidance.rendering.shading import GREY

SURFACE = "pbrMetallicRoughness"
BASE = "baseColorTexture"


def body_with_uv(body: Body) -> tuple[Body, tuple[str, ...]]:
    """The body with UV coordinates of one map, and notes on what was replaced.

    The UV coordinates of a body are kept, unless its faces share several maps.
    """
    several = body.uv is not None and body.base_color is None and body.colors is not None
    mesh = Mesh(body.template, body.faces, uv=body.uv, face_uv=body.face_uv)
    found, notes = with_uv(mesh, anew=several)
    if several:
        notes = ("it has several texture maps; they are replaced by one with new UV coordinates",)
    if found.uv is body.uv:
        return body, notes
    return replace(body, uv=found.uv, face_uv=found.face_uv, base_color=None), notes


def base_map(body: Body, size: int) -> Float[Tensor, "3 h w"]:
    """The colors that an avatar starts from, sRGB: the map of the body, or its vertex colors."""
    colors = body.colors
    if body.base_color is not None:
        colors = body.rig.vertex_colors if body.rig is not None else None
        if colors is None or bool((colors == 1).all()):
            return _square(body.base_color)
        size = body.base_color.shape[-1]
    if colors is None:
        return torch.full((3, size, size), GREY)
    mesh = Mesh(body.template, body.faces, uv=body.uv, face_uv=body.face_uv)
    baked = bake(mesh, size).interpolate(colors.float(), body.faces).T.reshape(3, size, size)
    if body.base_color is None:
        return baked
    own = torch.nn.functional.interpolate(body.base_color[None], (size, size), mode="bilinear")[0]
    return linear_to_srgb(srgb_to_linear(own) * srgb_to_linear(baked)).clamp(0, 1)


def _square(image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 s s"]:
    """A map with as many texels in both directions; UV coordinates do not depend on them."""
    height, width = image.shape[1:]
    if height == width:
        return image
    side = (max(height, width),) * 2
    enlarged: Tensor = torch.nn.functional.interpolate(image[None], side, mode="bilinear")[0]
    return enlarged


def keeps_materials(body: Body) -> bool:
    """Whether the map of the body belongs to materials of a file, which are kept."""
    return body.base_color is not None and body.rig is not None and body.rig.materials is not None


def with_map(body: Body, texture: Float[Tensor, "3 h w"]) -> Body:
    """A body from a file with another base color map; all its other maps stay."""
    assert body.rig is not None and body.rig.materials is not None
    given = body.rig.materials
    new = len(given.textures)
    materials = []
    for material in given.materials:
        surface = dict(material[SURFACE])
        surface[BASE] = {"index": new}
        materials.append(material | {SURFACE: surface})
    textures = (*given.textures, {"source": len(given.images)})
    images = (*given.images, ("image/png", png_of(texture)))
    painted = without_unused(GivenMaterials(tuple(materials), textures, images))
    rig = replace(body.rig, materials=painted, vertex_colors=None)
    return replace(body, base_color=texture, rig=rig)
