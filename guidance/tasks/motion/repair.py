"""The end of a run: what the optimization has left of the errors is removed exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from guidance.body.limits import within_limits
from guidance.body.joint_names import NAMES
from guidance.body.skeleton import Skeleton
from guidance.losses.motion.targets import PointTarget, PoseTarget
from guidance.losses.root_path import nearest
from guidance.motion.cleaning import above_ground, foot_locked, reach
from guidance.motion.joining import closed
from guidance.motion.motion import Motion
from guidance.motion.output import MotionOutput
from guidance.motion.rotations import slerp
from guidance.tasks.motion.rules import Rules

Array = Any
#: Seconds over which a correction begins and ends, and rounds of all corrections.
BLEND, ROUNDS = 0.35, 3
#: Degrees between the first and the last heading of a loop that turns.
TURNED_DEG = 45.0
#: Joints whose limits are kept by clamping; the others are those of the inverse kinematics.
LIMBS = {
    NAMES.index(f"{side}_{end}"): tuple(f"{side}_{part}" for part in parts)
    for side in ("left", "right")
    for end, parts in (
        ("wrist", ("shoulder", "elbow", "wrist")),
        ("ankle", ("hip", "knee", "ankle")),
        ("foot", ("hip", "knee", "ankle")),  # moves with the ankle
    )
}  # fmt: skip


@dataclass(frozen=True)
class Repair:
    """Puts joints exactly where the constraints want them, locks feet, and keeps limits.

    Called with the output of the best state; see `guidance.generators.motion.param.base`.
    """

    rules: Rules
    foot_lock: bool = True
    #: Which feet of each sample are on the ground; by default those that are low and slow.
    contacts: tuple[Any, ...] | None = None

    def __call__(self, output: MotionOutput) -> tuple[Sequence[Motion], tuple[str, ...]]:
        motions = [
            self.repaired(output.motion(sample), sample, output.skeleton)
            for sample in range(output.num_samples)
        ]
        return motions, ()

    def repaired(self, motion: Motion, sample: int, skeleton: Skeleton) -> Motion:
        """One motion after all corrections."""
        rules = self.rules
        for _ in range(ROUNDS):
            if rules.keyframes:
                motion = with_poses(motion, rules.keyframes[sample])
            if rules.loop:
                motion = as_loop(motion)
            motion = limited(motion)
            motion = above_ground(motion, skeleton=skeleton)
            if rules.paths and (path := rules.paths[sample]) is not None:
                ground = motion.root[:, [0, 2]]
                root = motion.root.clone()
                root[:, [0, 2]] = nearest(ground, path)
                motion = replace(motion, root=root)
            if self.foot_lock:
                touching = None if self.contacts is None else self.contacts[sample]
                motion = foot_locked(motion, skeleton=skeleton, touching=touching)
            if rules.at:
                motion = with_points(motion, rules.at[sample], skeleton)
        return limited(motion)

    def first(self, motion: Motion, sample: int, skeleton: Skeleton) -> Motion:
        """The motion before the optimization: poses and limbs are put where they should be.

        The optimization then has to move the trunk only where a limb does not reach.
        """
        if self.rules.keyframes:
            motion = with_poses(motion, self.rules.keyframes[sample])
        if self.rules.at:
            limbs = [each for each in self.rules.at[sample] if each.joint in LIMBS]
            motion = limited(with_points(motion, limbs, skeleton))
        return motion


def limited(motion: Motion) -> Motion:
    """The motion with all joints within their limits."""
    return replace(motion, rotations=within_limits(motion.rotations))


def as_loop(motion: Motion) -> Motion:
    """The motion whose last pose is its first one; its heading and its place may differ."""
    ends = closed(motion)
    rotations = ends.rotations.clone()
    if _turned_deg(motion) > TURNED_DEG:
        rotations[:, 0] = motion.rotations[:, 0]
    return replace(ends, rotations=rotations)


def _turned_deg(motion: Motion) -> float:
    trace = (motion.rotations[0, 0] * motion.rotations[-1, 0]).sum()
    return float(torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos()))


def with_poses(motion: Motion, targets: Sequence[PoseTarget]) -> Motion:
    """The motion with given rotations in some frames, blended in and out."""
    rotations = motion.rotations.double().numpy().copy()
    for target in targets:
        weight = _window(len(rotations), target.frame, target.frame, motion.fps)
        for joint in target.joints:
            gap = rotations[target.frame, joint].T @ target.rotations[joint].double().numpy()
            turns = slerp(np.eye(3)[None], gap[None], weight)
            rotations[:, joint] = rotations[:, joint] @ turns
    return replace(motion, rotations=torch.from_numpy(rotations).float())


def with_points(motion: Motion, targets: Sequence[PointTarget], skeleton: Skeleton) -> Motion:
    """The motion with hands, feet and the pelvis at their points, by inverse kinematics."""
    for target in targets:
        world, joints = (
            v.numpy() for v in skeleton.pose(motion.rotations.double(), motion.root.double())
        )
        place = joints[:, target.joint]
        gap = np.array(target.point) - place
        weight = _window(len(place), target.span.first, target.span.last, motion.fps)
        held = np.clip(np.arange(len(place)), target.span.first, target.span.last)
        shift = weight[:, None] * gap[held]
        if target.joint == 0:
            moved = motion.root + torch.from_numpy(shift).float()
            motion = replace(motion, root=moved)
        elif target.joint in LIMBS:
            rotations = motion.rotations.double().numpy().copy()
            rest = skeleton.rest.double().numpy()
            chain = LIMBS[target.joint]
            end = joints[:, NAMES.index(chain[-1])]
            reach(rotations, world, joints, chain, end + shift, rest=rest)
            changed = (weight > 0)[:, None, None, None]
            rotations = np.where(changed, rotations, motion.rotations.double().numpy())
            motion = replace(motion, rotations=torch.from_numpy(rotations).float())
    return motion


def _window(count: int, first: int, last: int, fps: float) -> Array:
    """1 from one frame to another, and a smooth way to 0 before and after."""
    at = np.arange(count)
    away = np.maximum(np.maximum(first - at, at - last), 0) / (BLEND * fps)
    return np.where(away < 1, (1 + np.cos(np.pi * np.minimum(away, 1))) / 2, 0.0)
