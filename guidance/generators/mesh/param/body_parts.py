"""The parts of a body that prompts can be about, from its skinning weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.body.body import Body
from guidance.body.joint_names import NAMES
from guidance.meshes import Mesh
from guidance.rendering.bake import bake

#: The canonical joints, without their side, that move each part; the face is cut from the scalp.
_JOINTS: dict[str, tuple[str, ...]] = {
    "face": (),
    "scalp": ("head",),
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
PARTS = tuple(_JOINTS)
#: The box of the face in that of the head: from and to, as shares of width, height and depth.
FACE = ((-0.01, -0.01, 0.36), (1.01, 0.66, 1.01))
ALL = -1  # the bits of all parts


def part_weights(body: Body) -> Float[Tensor, "p k"]:
    """The share of each part in the motion of each vertex; fingers belong to the hands."""
    own = {joint: index for index, joint in enumerate(body.canonical) if joint >= 0}
    columns: list[int] = []
    for joint, parent in enumerate(body.parents):
        if joint in own:
            name = NAMES[own[joint]].removeprefix("left_").removeprefix("right_")
            columns.append(next(i for i, joints in enumerate(_JOINTS.values()) if name in joints))
        else:
            columns.append(columns[parent] if parent >= 0 else PARTS.index("hips"))
    weights = torch.zeros(len(body.template), len(PARTS))
    weights.index_add_(1, torch.tensor(columns), body.weights.float().cpu())
    scalp, face = PARTS.index("scalp"), PARTS.index("face")
    is_head = weights[:, scalp] > 0.5
    if bool(is_head.any()):
        points = body.template.cpu()
        low, high = points[is_head].amin(0), points[is_head].amax(0)
        place = (points - low) / (high - low).clamp_min(1e-6)
        box = torch.tensor(FACE)
        inside = ((place >= box[0]) & (place <= box[1])).all(1) & is_head
        weights[inside, face], weights[inside, scalp] = weights[inside, scalp], 0.0
    return weights


def part_of_faces(body: Body) -> Int[Tensor, "f"]:
    """The part of each face of the mesh."""
    return part_weights(body)[body.faces.cpu().long()].mean(1).argmax(1)


def free_vertices(
    faces: Int[Tensor, "f 3"], change: Bool[Tensor, "n f"], points: int
) -> Float[Tensor, "n p"]:
    """1 for the vertices of faces that may change, unless a face that may not has them too."""
    corners = faces.long().flatten().expand(len(change), -1)
    some, fixed = (
        torch.zeros(len(change), points, dtype=torch.bool).scatter_reduce(
            1, corners, each.repeat_interleave(3, 1), "amax"
        )
        for each in (change, ~change)
    )
    return (some & ~fixed).float()


def part_map(body: Body, size: int) -> Int[Tensor, "s s"]:
    """The part of each texel."""
    mesh = Mesh(body.template, body.faces, uv=body.uv, face_uv=body.face_uv)
    return bake(mesh, size).interpolate(part_weights(body), body.faces).argmax(1).view(size, size)


def bits(parts: Iterable[str]) -> int:
    """A set of parts as an integer, for `PosedCameras.shown`."""
    return sum(1 << PARTS.index(part) for part in parts)
