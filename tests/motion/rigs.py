"""A person's rig with axes of its own, and files of it."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.motion.files.bvh import WRITTEN
from guidance.motion.files.rig import Recording, Rig
from guidance.motion.motion import Motion
from guidance.motion.rotations import from_euler, from_rotation_vectors

PARENTS = canonical().parents
MIXAMO = tuple(
    f"mixamorig:{name.rpartition('_')[0].capitalize()}{WRITTEN[name.rpartition('_')[2]]}"
    for name in NAMES
)


def random_motion(frames: int = 5, seed: int = 0, amount: float = 0.4) -> Motion:
    """Random rotations that change smoothly, and a root that moves."""
    import torch

    generator = np.random.default_rng(seed)
    ends = generator.normal(size=(2, 22, 3)) * amount
    part = np.linspace(0, 1, frames)[:, None, None]
    vectors = ends[0] * (1 - part) + ends[1] * part
    root = np.array([0, 0.93, 0]) + np.linspace(0, 1, frames)[:, None] * [0.3, -0.1, 1.0]
    return Motion(
        torch.from_numpy(from_rotation_vectors(vectors)).float(), torch.from_numpy(root).float()
    )


def recording(
    motion: Motion,
    scale: float = 1.0,
    turn_deg: float = 0.0,
    a_pose_deg: float = 0.0,
    seed: int = 1,
) -> Recording:
    """The motion on a rig of another size, with random axes, that rests turned and in an A-pose."""
    skeleton = canonical()
    rest = np.tile(np.eye(3), (22, 1, 1))
    for joint, name in enumerate(NAMES):
        if PARENTS[joint] >= 0:
            rest[joint] = rest[PARENTS[joint]]
        if name.endswith("shoulder"):
            sign = -1 if name.startswith("left") else 1
            rest[joint] = from_euler("Z", np.array([sign * a_pose_deg]))
    offsets = skeleton.offsets().double().numpy()
    places = np.zeros((22, 3))
    places[0] = offsets[0]
    for joint in range(1, 22):
        places[joint] = places[PARENTS[joint]] + rest[PARENTS[joint]] @ offsets[joint]
    world, positions = (
        values.numpy() for values in skeleton.pose(motion.rotations.double(), motion.root.double())
    )
    axes = Rotation.random(22, rng=np.random.default_rng(seed)).as_matrix()
    turn = from_euler("Y", np.array([turn_deg]))
    rig = Rig(MIXAMO, PARENTS, turn @ rest @ axes, scale * places @ turn.T)
    # The world rotation of a bone, and then its own axes; at rest, they are turned by `rest`.
    return Recording(rig, turn @ world @ axes, scale * positions @ turn.T, "random")


def glb(nodes: list[dict[str, Any]], tracks: list[dict[str, Any]], **more: Any) -> bytes:
    """A binary glTF with one animation; tracks have node, path, times, values, interpolation."""
    binary, views, accessors, samplers, channels = b"", [], [], [], []
    for track in tracks:
        indices = []
        for array in (track["times"], track["values"]):
            values = np.asarray(array, "<f4")
            kind = "SCALAR" if values.ndim == 1 else f"VEC{values.shape[1]}"
            views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": values.nbytes})
            accessors.append({"bufferView": len(views) - 1, "componentType": 5126,
                              "count": len(values), "type": kind})  # fmt: skip
            indices.append(len(accessors) - 1)
            binary += values.tobytes()
        samplers.append({"input": indices[0], "output": indices[1],
                         "interpolation": track.get("interpolation", "LINEAR")})  # fmt: skip
        target = {"node": track["node"], "path": track["path"]}
        channels.append({"sampler": len(samplers) - 1, "target": target})
    document = {
        "asset": {"version": "2.0"}, "nodes": nodes, "bufferViews": views, "accessors": accessors,
        "buffers": [{"byteLength": len(binary)}],
        "animations": [{"name": "test", "samplers": samplers, "channels": channels}],
    } | more  # fmt: skip
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text
    body += struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body
