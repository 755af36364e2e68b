"""Bodies, motions and slow definitions for the tests."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from guidance.body.body import Body
from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.motion.motion import Motion


def rotation(degrees: float, axis: str) -> Tensor:
    """A rotation about x, y or z."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[i, i] = matrix[j, j] = c
    matrix[j, i], matrix[i, j] = s, -s
    return matrix


def random_rotations(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(*shape, 3, generator=generator, dtype=torch.float64) * 0.5
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*shape, 3, 3)
    return torch.linalg.matrix_exp(skew)


def small_body(points: int = 12, components: int = 3) -> Body:
    """A random body with all features: fingers, a joint above the pelvis, no spine2, pose basis."""
    g = torch.Generator().manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    skeleton = canonical()
    kept = [index for index, name in enumerate(NAMES) if name != "spine2"]
    place = {old: new + 1 for new, old in enumerate(kept)}
    parents = [-1]
    for old in kept:
        parent = skeleton.parents[old]
        parent = skeleton.parents[parent] if parent >= 0 and parent not in place else parent
        parents.append(0 if parent < 0 else place[parent])
    parents.append(place[NAMES.index("left_wrist")])
    rest = torch.cat([torch.zeros(1, 3), skeleton.rest[kept], torch.tensor([[0.9, 1.3, 0.0]])])
    count = len(parents)
    weights = random(points, count).abs()
    return Body(
        name="random",
        template=random(points, 3),
        faces=torch.tensor([[0, 1, 2]]),
        weights=weights / weights.sum(1, keepdim=True),
        rest=rest.double(),
        parents=tuple(parents),
        names=("root", *(NAMES[old] for old in kept), "finger"),
        canonical=tuple(place.get(index, -1) for index in range(22)),
        shape_basis=random(components, points, 3) * 0.1,
        joint_basis=random(components, count, 3) * 0.1,
        pose_basis=random(9 * (count - 1), points, 3) * 0.01,
    )


def slow_posed(body: Body, rotations: Tensor, root: Tensor, rest: Tensor, joints: Tensor) -> Tensor:
    """One pose, joint by joint and vertex by vertex, from the definitions."""
    world: list[Tensor] = []
    for index, parent in enumerate(canonical().parents):
        world.append(rotations[index] if parent < 0 else world[parent] @ rotations[index])
    own = {joint: index for index, joint in enumerate(body.canonical) if joint >= 0}
    turned: list[Tensor] = []
    placed: list[Tensor] = []
    for joint, parent in enumerate(body.parents):
        above = torch.eye(3).double() if parent < 0 else turned[parent]
        turned.append(world[own[joint]] if joint in own else above)
        if joint == body.canonical[0]:
            placed.append(root)
        elif parent < 0:
            placed.append(joints[joint])
        else:
            placed.append(placed[parent] + turned[parent] @ (joints[joint] - joints[parent]))
    if body.pose_basis is not None:
        features = torch.cat(
            [
                (turned[body.parents[j]].T @ turned[j] - torch.eye(3).double()).reshape(9)
                for j in range(1, len(turned))
            ]
        )
        rest = rest + sum(f * basis for f, basis in zip(features, body.pose_basis, strict=True))
    found = []
    for vertex in range(len(rest)):
        total = torch.zeros(3).double()
        for joint in range(len(turned)):
            moved = turned[joint] @ (rest[vertex] - joints[joint]) + placed[joint]
            total = total + body.weights[vertex, joint] * moved
        found.append(total)
    return torch.stack(found)


def motion(frames: int = 3) -> Motion:
    """Poses near the T-pose while the pelvis moves."""
    rotations = random_rotations(frames, 22, seed=2).float()
    rotations[0] = torch.eye(3)
    shift = torch.linspace(0, 1, frames)[:, None] * torch.tensor([0.4, -0.1, 0.2])
    return Motion(rotations, canonical().rest[0] + shift, 10.0, "test")


class Glb:
    """A GLB as the specification defines it, evaluated slowly."""

    def __init__(self, content: bytes) -> None:
        length = struct.unpack_from("<I", content, 12)[0]
        self.json: dict[str, Any] = json.loads(content[20 : 20 + length])
        self.binary = content[28 + length :]

    def packed(self) -> bytes:
        text = json.dumps(self.json).encode()
        text += b" " * (-len(text) % 4)
        total = 28 + len(text) + len(self.binary)
        header = struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<I4s", len(text), b"JSON")
        return header + text + struct.pack("<I4s", len(self.binary), b"BIN\0") + self.binary

    def array(self, index: int) -> Any:
        accessor = self.json["accessors"][index]
        view = self.json["bufferViews"][accessor["bufferView"]]
        kind = {5126: "<f4", 5121: "u1", 5123: "<u2", 5125: "<u4"}[accessor["componentType"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor["type"]]
        count = accessor["count"] * width
        values = np.frombuffer(self.binary, kind, count, view["byteOffset"])
        return values.reshape(-1, width)

    def worlds(self, frame: int | None) -> list[Any]:
        """World transforms of the nodes in a frame of the first animation; None is at rest."""
        nodes = [dict(node) for node in self.json["nodes"]]
        if frame is not None:
            animation = self.json["animations"][0]
            for channel in animation["channels"]:
                target, sampler = channel["target"], animation["samplers"][channel["sampler"]]
                nodes[target["node"]][target["path"]] = self.array(sampler["output"])[frame]
        parents = {child: n for n, node in enumerate(nodes) for child in node.get("children", [])}
        found: list[Any] = []
        for index, node in enumerate(nodes):
            x, y, z, w = (float(value) for value in node.get("rotation", (0, 0, 0, 1)))
            local = np.eye(4)
            local[:3, :3] = np.array(
                [
                    [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                    [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                    [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
                ]
            ) * np.array(node.get("scale", (1, 1, 1)))
            local[:3, 3] = node.get("translation", (0, 0, 0))
            found.append(found[parents[index]] @ local if index in parents else local)
        return found

    def skinned(self, frame: int | None) -> Any:
        """Positions of all vertices in the scene."""
        skin = self.json["skins"][0]
        inverse = self.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        worlds = self.worlds(frame)
        matrices = np.stack([worlds[joint] for joint in skin["joints"]]) @ inverse
        attributes = self.json["meshes"][0]["primitives"][0]["attributes"]
        points = self.array(attributes["POSITION"])
        joints, weights = (self.array(attributes[name]) for name in ("JOINTS_0", "WEIGHTS_0"))
        blended = (matrices[joints] * weights[..., None, None]).sum(1)
        moved = np.einsum("pij,pj->pi", blended[:, :3, :3], points)
        return moved + blended[:, :3, 3]


def split(body: Body, vertices: Tensor) -> Tensor:
    """Vertices in the order of an exported file, duplicated along UV seams."""
    assert body.face_uv is not None
    keys = torch.stack([body.faces.flatten(), body.face_uv.flatten()], 1)
    return vertices[torch.unique(keys, dim=0)[:, 0]]


def renamed(body: Body, names: dict[str, str]) -> Body:
    """The body with other names of its joints."""
    return replace(body, names=tuple(names.get(name, name) for name in body.names))
