"""Zones of a body, finer than its parts, and a texture map with a color for some of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.body.body import Body
from guidance.body.skeleton import NAMES
from guidance.meshes import Mesh
from guidance.rendering.bake import bake

#: The canonical joints, without their side, that move each zone; the face is a part of the head.
_JOINTS = {
    "face": (),
    "head": ("head",),
    "neck": ("neck",),
    "chest": ("spine2", "spine3", "collar"),
    "belly": ("spine1",),
    "hips": ("pelvis",),
    "upper_arms": ("shoulder",),
    "forearms": ("elbow",),
    "hands": ("wrist",),
    "thighs": ("hip",),
    "shins": ("knee",),
    "feet": ("ankle", "foot"),
}
ZONES = tuple(_JOINTS)
#: The zones of each part.
OF_PARTS = {
    "head": ("face", "head", "neck"),
    "torso": ("chest", "belly"),
    "arms": ("upper_arms", "forearms"),
    "hands": ("hands",),
    "hips": ("hips",),
    "legs": ("thighs", "shins"),
    "feet": ("feet",),
}
#: The box of the face in that of the head: from, to, as shares of width, height and depth.
FACE = ((0.14, 0.86), (0.12, 0.66), (0.62, 1.01))


def painted(
    body: Body, base: Float[Tensor, "3 h w"], colors: Mapping[str, tuple[float, float, float]]
) -> Float[Tensor, "3 h w"]:
    """The base map with a color in some zones; the details of the map are kept faintly.

    Args:
        colors: sRGB in [0, 1] by zone.
    """
    if not colors:
        return base
    height, width = base.shape[1:]
    zones = zone_map(body, max(height, width))
    if height != width:
        raise AssertionError("maps that are not square are resized before")
    found = base.clone()
    for zone, color in colors.items():
        found[:, zones == ZONES.index(zone)] = base.new_tensor(color)[:, None]
    return found


def zone_map(body: Body, size: int) -> Int[Tensor, "s s"]:
    """The zone of each texel."""
    own = {joint: index for index, joint in enumerate(body.canonical) if joint >= 0}
    found: list[int] = []
    for joint, parent in enumerate(body.parents):
        if joint in own:
            name = NAMES[own[joint]].removeprefix("left_").removeprefix("right_")
            found.append(next(i for i, joints in enumerate(_JOINTS.values()) if name in joints))
        else:
            found.append(found[parent] if parent >= 0 else ZONES.index("hips"))
    weights = torch.zeros(len(body.template), len(ZONES))
    weights.index_add_(1, torch.tensor(found), body.weights.float())
    mesh = Mesh(body.template, body.faces, uv=body.uv, face_uv=body.face_uv)
    baked = bake(mesh, size)
    zones = baked.interpolate(weights, body.faces).argmax(1)
    head = body.template[weights[:, ZONES.index("head")] > 0.5]
    if len(head):
        low, extent = head.amin(0), (head.amax(0) - head.amin(0)).clamp_min(1e-6)
        place = (baked.interpolate(body.template, body.faces) - low) / extent
        box = torch.tensor(FACE)
        inside = ((place >= box[:, 0]) & (place <= box[:, 1])).all(1)
        zones[inside & (zones == ZONES.index("head"))] = ZONES.index("face")
    return zones.view(size, size)
