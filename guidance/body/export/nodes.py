"""The nodes of an exported body, and their transforms over time.

Transforms are 4 x 4 matrices for column vectors, in numpy and float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from guidance.body.body import Body
from guidance.body.limits import quaternions
from guidance.motion.motion import Motion

Array = Any
#: Differences of rotations that are no motion: beyond the precision of float32.
STILL = 1e-6


@dataclass(frozen=True)
class Node:
    """A node, its place in the T-pose in meters, and its transform in the file."""

    name: str
    parent: int  # -1 for a root; parents come before their children
    joint: int  # the joint of the body that it is, or -1
    bind: Array  # [4, 4], in the T-pose of the body
    local: Array  # [4, 4], relative to the parent


@dataclass(frozen=True)
class Nodes:
    """All nodes, and the transform from the body to the scene of the file."""

    nodes: tuple[Node, ...]
    to_scene: Array  # [4, 4]

    def of_joints(self, count: int) -> list[int]:
        """The node of each joint."""
        places = {node.joint: index for index, node in enumerate(self.nodes)}
        return [places[joint] for joint in range(count)]


def nodes_of(body: Body, joints: Float[Tensor, "j 3"], *, t_pose: bool = False) -> Nodes:
    """The nodes of a body.

    Args:
        joints: positions in the T-pose.
        t_pose: places the nodes of a rig in the T-pose, in meters; else they are as in its file.
    """
    found: list[Node] = []
    if body.rig is None:
        for joint, (name, parent) in enumerate(zip(body.names, body.parents, strict=True)):
            bind, local = np.eye(4), np.eye(4)
            bind[:3, 3] = joints[joint].double().numpy()
            local[:3, 3] = bind[:3, 3] - (0 if parent < 0 else found[parent].bind[:3, 3])
            found.append(Node(name, parent, joint, bind, local))
        return Nodes(tuple(found), np.eye(4))
    for node in body.rig.nodes:
        bind, local = node.bind.double().numpy(), node.local.double().numpy()
        if t_pose:
            local = bind if node.parent < 0 else np.linalg.inv(found[node.parent].bind) @ bind
        found.append(Node(node.name, node.parent, node.joint, bind, local))
    to_scene = np.eye(4) if t_pose else np.linalg.inv(body.rig.to_body.double().numpy())
    return Nodes(tuple(found), to_scene)


@dataclass(frozen=True)
class Track:
    """The values of a node over time."""

    node: int
    path: str  # "rotation" or "translation"
    values: Array  # quaternions (x, y, z, w), or positions


def tracks_of(
    body: Body, nodes: Nodes, motion: Motion, betas: Float[Tensor, "1 k"] | None
) -> list[Track]:
    """The nodes that a motion rotates, and the translation of the pelvis."""
    double = body.to(torch.zeros((), dtype=torch.float64))
    coefficients = None if betas is None else betas.double()
    rotations = motion.rotations.double()
    root = double.placed(motion.root.double(), coefficients)
    joints = double.shaped(coefficients)[1][0].numpy()
    turned, placed = (values.numpy() for values in double.joints(rotations, root, coefficients))
    moved = np.tile(np.eye(4), (len(root), len(joints), 1, 1))
    moved[..., :3, :3] = turned
    moved[..., :3, 3] = placed - (turned @ joints[..., None])[..., 0]
    worlds: list[Array] = []
    tracks: list[Track] = []
    for index, node in enumerate(nodes.nodes):
        if node.joint >= 0:
            world = nodes.to_scene @ moved[:, node.joint] @ node.bind
        elif node.parent >= 0:
            world = worlds[node.parent] @ node.local
        else:
            world = np.tile(node.local, (len(root), 1, 1))
        worlds.append(world)
        local = world if node.parent < 0 else np.linalg.inv(worlds[node.parent]) @ world
        turns = rotation_of(local)
        if np.abs(turns - rotation_of(node.local)).max() > STILL:
            tracks.append(Track(index, "rotation", _continuous(turns)))
        if node.joint == body.pelvis:
            tracks.append(Track(index, "translation", local[:, :3, 3]))
    return tracks


def scale_of(transform: Array) -> Array:
    """The scale along the axes of transforms without shear."""
    return np.linalg.norm(transform[..., :3, :3], axis=-2)


def rotation_of(transform: Array) -> Array:
    """The quaternions (x, y, z, w) of transforms without shear, with w >= 0."""
    rotation = transform[..., :3, :3] / scale_of(transform)[..., None, :]
    return quaternions(torch.from_numpy(rotation)).numpy()[..., [1, 2, 3, 0]]


def _continuous(turns: Array) -> Array:
    """The same rotations with signs that make successive quaternions close to each other."""
    flips = np.where((turns[1:] * turns[:-1]).sum(-1) < 0, -1.0, 1.0)
    return turns * np.concatenate([[1.0], np.cumprod(flips)])[:, None]
