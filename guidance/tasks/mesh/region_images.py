"""Images of a region: highlighted on the mesh from all sides, and as a mask that can be edited."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor

from guidance.geometry.io.maps import png_of
from guidance.geometry.normalization import Normalization
from guidance.geometry.selection import Selection
from guidance.media.contact_sheet import caption_below, contact_sheet
from guidance.media.pixels import to_uint8
from guidance.meshes import Mesh, MeshScene
from guidance.rendering.bake import bake
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.shading import GREY, Shading, render_mesh

IMAGE, MASK = "region.png", "region_mask.png"
#: Texels per side of the mask where the mesh has no maps.
MASK_SIDE = 1024
VIEWS, PIXELS = 8, 256
#: The color of the region, and how much of the mesh's own color remains in it and outside.
PINK, LEFT_INSIDE, LEFT_OUTSIDE = (1.0, 0.15, 0.75), 0.12, 0.6


def region_images(
    region: Selection, faces: Bool[Tensor, "f"], mesh: Mesh, *, by_texels: bool
) -> tuple[tuple[str, bytes], ...]:
    """Files by their names: a contact sheet; and a mask, if the mesh has texture coordinates.

    Args:
        faces: those that lie inside.
        by_texels: whether texels of maps are what changes, not vertices.
    """
    files = [(IMAGE, _sheet(faces, mesh))]
    if mesh.uv is not None and mesh.face_uv is not None:
        files.append((MASK, png_of(_mask(region, faces, mesh, by_texels=by_texels))))
    return tuple(files)


def _mask(region: Selection, faces: Bool[Tensor, "f"], mesh: Mesh, *, by_texels: bool) -> Tensor:
    """White where something may change, `[1, h, w]`; used as a region, it selects the same again."""
    side = MASK_SIDE if mesh.material is None else max(mesh.material.base_color.shape[-2:])
    baked = bake(mesh, side)
    if by_texels:
        places = baked.interpolate(mesh.vertices, mesh.faces).view(side, side, 3)
        return region.texels(baked.triangle, places)[None]
    # Dilated by one texel, so that faces are white up to their corners.
    white = faces[baked.triangle].float()[None, None]
    return F.max_pool2d(white, 3, 1, 1)[0]


@torch.no_grad()
def _sheet(faces: Bool[Tensor, "f"], mesh: Mesh) -> bytes:
    corners = mesh.faces.long()
    places = Normalization.of(mesh.vertices).apply(mesh.vertices.double()).float()
    colors = torch.full_like(places, GREY) if mesh.colors is None else mesh.colors.float()
    # One color per face, so each face has vertices of its own.
    apart = torch.arange(3 * len(corners)).view(-1, 3)
    own = colors[corners].flatten(0, 1)
    pink = (1 - LEFT_INSIDE) * own.new_tensor(PINK) + LEFT_INSIDE * own
    shown = torch.where(faces.repeat_interleave(3)[:, None], pink, LEFT_OUTSIDE * own)
    vertices = places[corners].flatten(0, 1)
    scene = MeshScene(vertices[None], apart, vertices)
    cameras = Orbit(size=(PIXELS, PIXELS)).ring(1, VIEWS)
    seen = render_mesh(scene, cameras, shown[None], Shading(ambient=0.6)).over()[0]
    tiles = [to_uint8(view) for view in seen]
    return contact_sheet(tiles, caption_below("what may change", VIEWS))
