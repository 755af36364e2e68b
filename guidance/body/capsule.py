"""A body of capsules: a closed part for each limb, made without any data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.body.body import CANONICAL, Body
from guidance.body.joint_names import NAMES

#: The joint that moves a part, where the part ends (a joint, or a shift from the first joint), and
#: its radius in meters at both ends. Proportions by eye, for an adult.
_PARTS: tuple[tuple[str, str | tuple[float, float, float], float, float], ...] = (
    ("pelvis", "spine1", 0.13, 0.12),
    ("spine1", "spine2", 0.12, 0.12),
    ("spine2", "spine3", 0.12, 0.13),
    ("spine3", (0.0, 0.12, 0.0), 0.13, 0.11),
    ("neck", "head", 0.055, 0.055),
    ("head", (0.0, 0.13, 0.02), 0.085, 0.085),
    ("left_hip", "left_knee", 0.09, 0.06),
    ("left_knee", "left_ankle", 0.06, 0.04),
    ("left_ankle", "left_foot", 0.04, 0.035),
    ("left_foot", (0.0, 0.0, 0.06), 0.035, 0.03),
    ("left_collar", "left_shoulder", 0.06, 0.06),
    ("left_shoulder", "left_elbow", 0.055, 0.045),
    ("left_elbow", "left_wrist", 0.045, 0.032),
    ("left_wrist", (0.16, 0.0, 0.0), 0.035, 0.03),
)
#: A color for each part that is not skin: a shirt, trousers and shoes.
_SHIRT, _TROUSERS, _SHOES, _SKIN = (
    (0.36, 0.47, 0.60),
    (0.25, 0.28, 0.33),
    (0.16, 0.15, 0.15),
    (0.80, 0.62, 0.52),
)
_COLORS = {
    "pelvis": _TROUSERS,
    "hip": _TROUSERS,
    "knee": _TROUSERS,
    "ankle": _SHOES,
    "foot": _SHOES,
    "neck": _SKIN,
    "head": _SKIN,
    "wrist": _SKIN,
}
CELLS, TEXELS = 5, 16  # parts per row of the map, and texels of a part's side


@dataclass(frozen=True)
class _Part:
    vertices: Float[Tensor, "p 3"]
    faces: Int[Tensor, "f 3"]
    uv: Float[Tensor, "q 2"]
    face_uv: Int[Tensor, "f 3"]
    along: Float[Tensor, "p"]  # distance from the joint towards the end of the part, in meters


def capsule_body(segments: int = 12) -> Body:
    """A body of 24 closed parts on the canonical skeleton, of one shape.

    Args:
        segments: vertices around a part.
    """
    parts, weights, colors = [], [], []
    for joint, end, first, last in _both_sides():
        start = CANONICAL.rest[NAMES.index(joint)]
        stop = (
            CANONICAL.rest[NAMES.index(end)]
            if isinstance(end, str)
            else start + start.new_tensor(end)
        )
        part = _capsule(start, stop, (first, last), segments)
        parts.append(part)
        weights.append(_smooth_weights(part, joint, first))
        colors.append(_COLORS.get(joint.removeprefix("left_").removeprefix("right_"), _SHIRT))
    vertices, faces, uv, face_uv = _joined(parts)
    rest = CANONICAL.rest.clone()
    floor = vertices[:, 1].min()
    vertices[:, 1] -= floor
    rest[:, 1] -= floor
    return Body(
        name="capsule",
        template=vertices,
        faces=faces,
        weights=torch.cat(weights),
        rest=rest,
        parents=CANONICAL.parents,
        names=NAMES,
        canonical=tuple(range(len(NAMES))),
        uv=uv,
        face_uv=face_uv,
        base_color=_map(colors),
    )


def _both_sides() -> list[tuple[str, str | tuple[float, float, float], float, float]]:
    parts = list(_PARTS)
    for joint, end, first, last in _PARTS:
        if joint.startswith("left_"):
            if isinstance(end, str):
                other: str | tuple[float, float, float] = end.replace("left_", "right_")
            else:
                other = (-end[0], end[1], end[2])
            parts.append((joint.replace("left_", "right_"), other, first, last))
    return parts


def _capsule(
    start: Float[Tensor, "3"], stop: Float[Tensor, "3"], radii: tuple[float, float], segments: int
) -> _Part:
    """Half spheres around both ends, and a cone between them."""
    axis = stop - start
    length = float(axis.norm())
    axis = axis / length
    helper = axis.new_tensor([0.0, 0.0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0.0, 0.0])
    side = torch.linalg.cross(helper, axis)
    side = side / side.norm()
    front = torch.linalg.cross(axis, side)
    rings = max(segments // 4, 2)
    # The profile of the part as pairs (distance along the axis, distance from it).
    angles = torch.arange(1, rings + 1) * (math.pi / 2 / rings)
    low = torch.stack([-radii[0] * angles.cos(), radii[0] * angles.sin()], 1)
    middle = torch.linspace(0, 1, 5)[1:-1, None]
    low_end, high_end = low.new_tensor([0.0, radii[0]]), low.new_tensor([length, radii[1]])
    cone = low_end + middle * (high_end - low_end)
    high = torch.stack([length + radii[1] * angles.cos(), radii[1] * angles.sin()], 1).flip(0)
    profile = torch.cat([low, cone, high])
    turns = torch.arange(segments) * (2 * math.pi / segments)
    around = turns.cos()[:, None] * side + turns.sin()[:, None] * front  # [s, 3]
    ring = start + profile[:, :1, None] * axis + profile[:, 1:, None] * around  # [r, s, 3]
    poles = torch.stack([start - radii[0] * axis, stop + radii[1] * axis])
    vertices = torch.cat([ring.reshape(-1, 3), poles])
    ends = profile.new_tensor([-radii[0], length + radii[1]])
    along = torch.cat([profile[:, 0].repeat_interleave(segments), ends])
    return _Part(vertices, *_lathe(len(profile), segments), along)


def _lathe(
    rings: int, segments: int
) -> tuple[Int[Tensor, "f 3"], Float[Tensor, "q 2"], Int[Tensor, "f 3"]]:
    """The faces of a surface of revolution with a vertex at both poles, and their UV coordinates.

    The UV coordinates have a column more than the vertices, and one point for each triangle at a
    pole.
    """
    faces, face_uv = [], []
    wide = segments + 1
    for column in range(segments):
        after = (column + 1) % segments
        for row in range(rings - 1):
            a, b = row * segments + column, row * segments + after
            c, d = a + segments, b + segments
            faces += [(a, b, d), (a, d, c)]
            s, t = row * wide + column, row * wide + column + 1
            face_uv += [(s, t, t + wide), (s, t + wide, s + wide)]
        south, north = rings * segments, rings * segments + 1
        faces.append((column, south, after))
        face_uv.append((column, rings * wide + column, column + 1))
        top = (rings - 1) * segments
        faces.append((top + column, top + after, north))
        top = (rings - 1) * wide
        face_uv.append((top + column, top + column + 1, (rings + 1) * wide + column))
    v = torch.cat([torch.arange(1, rings + 1), torch.tensor([0, rings + 1])]) / (rings + 1)
    u = torch.arange(wide) / segments
    at_pole = torch.tensor([0.0] * rings + [0.5 / segments] * 2)
    uv = torch.stack([u + at_pole[:, None], v[:, None].expand(-1, wide)], -1).reshape(-1, 2)
    return torch.tensor(faces), uv.clamp(0, 1), torch.tensor(face_uv)


def _smooth_weights(part: _Part, joint: str, radius: float) -> Float[Tensor, "p 22"]:
    """Half of the parent at the joint, none of it a radius further on."""
    index = NAMES.index(joint)
    parent = CANONICAL.parents[index]
    weights = torch.zeros(len(part.vertices), len(NAMES))
    t = (part.along / (2 * radius) + 0.5).clamp(0, 1)
    own = t * t * (3 - 2 * t)
    weights[:, index] = 1.0 if parent < 0 else own
    if parent >= 0:
        weights[:, parent] = 1 - own
    return weights


def _joined(
    parts: list[_Part],
) -> tuple[Float[Tensor, "p 3"], Int[Tensor, "f 3"], Float[Tensor, "q 2"], Int[Tensor, "f 3"]]:
    """All parts, each with a cell of the map for itself."""
    vertices, faces, uv, face_uv = [], [], [], []
    points = corners = 0
    margin = 0.1
    for index, part in enumerate(parts):
        cell = torch.tensor([index % CELLS, index // CELLS])
        vertices.append(part.vertices)
        faces.append(part.faces + points)
        uv.append((part.uv * (1 - 2 * margin) + margin + cell) / CELLS)
        face_uv.append(part.face_uv + corners)
        points += len(part.vertices)
        corners += len(part.uv)
    return torch.cat(vertices), torch.cat(faces), torch.cat(uv), torch.cat(face_uv)


def _map(colors: list[tuple[float, float, float]]) -> Float[Tensor, "3 h w"]:
    """A map with a color for each cell."""
    cells = torch.tensor(colors + [_SHIRT] * (CELLS * CELLS - len(colors)))
    image = cells.reshape(CELLS, CELLS, 3).permute(2, 0, 1)
    return image.repeat_interleave(TEXELS, 1).repeat_interleave(TEXELS, 2).contiguous()
