"""What a motion has to keep to: constraints of all samples as losses, and how exactly they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.losses.joint_position import JointPosition
from guidance.losses.key_pose import KeyPose
from guidance.losses.look_at import HEAD, LookAt
from guidance.losses.loop_closure import LoopClosure
from guidance.losses.mirror_symmetry import MirrorSymmetry
from guidance.losses.motion.base import horizontal
from guidance.losses.motion.targets import PointTarget, Polyline, PoseTarget, Solid
from guidance.losses.obstacle import Obstacle, body_points, clearance
from guidance.losses.root_path import RootPath, nearest
from guidance.motion.output import MotionOutput
from guidance.types import Terms

#: Weights of the constraints; chosen by measurement, see benchmarks/results/text2motion.json.
WEIGHTS = {"at": 30.0, "look_at": 3.0, "keyframe": 1.0, "path": 30.0, "obstacle": 200.0,
           "loop": 0.3, "mirror": 1.0}  # fmt: skip
#: Distance that the optimization keeps from obstacles, in meters.
MARGIN = 0.03
PARENTS = canonical().parents
#: How far up the chain of a joint a constraint may move joints freely.
CHAIN = 3


@dataclass(frozen=True)
class Rules:
    """The constraints, one entry a sample where they differ in time."""

    at: tuple[tuple[PointTarget, ...], ...] = ()
    look_at: tuple[tuple[PointTarget, ...], ...] = ()
    keyframes: tuple[tuple[PoseTarget, ...], ...] = ()
    paths: tuple[Polyline | None, ...] = ()
    solids: tuple[Solid, ...] = ()
    loop: bool = False
    mirror: bool = False

    def losses(self) -> Terms:
        """The weighted losses of all constraints that there are."""
        terms = Terms()
        if any(self.at):
            terms = terms + WEIGHTS["at"] * JointPosition(self.at)
        if any(self.look_at):
            terms = terms + WEIGHTS["look_at"] * LookAt(self.look_at)
        if any(self.keyframes):
            terms = terms + WEIGHTS["keyframe"] * KeyPose(self.keyframes)
        if any(path is not None for path in self.paths):
            terms = terms + WEIGHTS["path"] * RootPath(self.paths)
        if self.solids:
            terms = terms + WEIGHTS["obstacle"] * Obstacle(self.solids, MARGIN)
        if self.loop:
            terms = terms + WEIGHTS["loop"] * LoopClosure()
        if self.mirror:
            terms = terms + WEIGHTS["mirror"] * MirrorSymmetry()
        return terms

    def free_joints(self) -> tuple[bool, ...]:
        """The joints that constraints may turn beyond the trust region."""
        free = [bool(self.mirror)] * len(NAMES)
        for targets in (*self.at, *self.look_at):
            for target in targets:
                joint = target.joint
                for _ in range(CHAIN):
                    joint = PARENTS[joint] if target.joint != HEAD else joint
                    if joint > 0:
                        free[joint] = True
                if target.joint == HEAD:
                    for name in ("neck", "head", "spine3"):
                        free[NAMES.index(name)] = True
        for poses in self.keyframes:
            for pose in poses:
                for joint in pose.joints:
                    free[joint] = True
        return tuple(free)

    def measured(self, output: MotionOutput, sample: int) -> dict[str, Any]:
        """The largest error of each kind of constraint in a motion."""
        found: dict[str, Any] = {}
        count = output.frames[sample]
        joints, world = output.joints[sample, :count], output.world[sample, :count]
        if self.at and self.at[sample]:
            found["at_error_cm"] = max(
                100
                * float(
                    (joints[t.span.frames, t.joint] - joints.new_tensor(t.point)).norm(dim=-1).max()
                )
                for t in self.at[sample]
            )
        if self.look_at and self.look_at[sample]:
            found["look_at_error_deg"] = max(
                _gaze_error(joints, world, target) for target in self.look_at[sample]
            )
        if self.keyframes and self.keyframes[sample]:
            found["keyframe_error_deg"] = max(
                _pose_error(output, sample, target) for target in self.keyframes[sample]
            )
        if self.paths and (path := self.paths[sample]) is not None:
            place = horizontal(joints[:, 0])
            found["path_error_cm"] = 100 * float((place - nearest(place, path)).norm(dim=-1).max())
        if self.solids:
            points = body_points(joints)
            least = min(float(clearance(points, solid).min()) for solid in self.solids)
            found["obstacle_depth_cm"] = max(0.0, -100 * least)
        if self.loop:
            only = MotionOutput.of_motions([output.motion(sample)], output.skeleton)
            found["loop_gap_deg"] = _loop_gap(only)
        if self.mirror:
            only = MotionOutput.of_motions([output.motion(sample)], output.skeleton)
            rms = float(MirrorSymmetry().of_motions(only)[0]) ** 0.5
            found["mirror_error_deg"] = float(torch.rad2deg(torch.tensor(rms / 2**0.5)))
        return {name: round(value, 3) for name, value in found.items()}


def _gaze_error(joints: torch.Tensor, world: torch.Tensor, target: PointTarget) -> float:
    eyes = joints[target.span.frames, HEAD]
    way = F.normalize(eyes.new_tensor(target.point) - eyes, dim=-1)
    cosine = (world[target.span.frames, HEAD, :, 2] * way).sum(-1).clamp(-1, 1)
    return float(torch.rad2deg(cosine.acos().max()))


def _pose_error(output: MotionOutput, sample: int, target: PoseTarget) -> float:
    joints = list(target.joints)
    return _angle(output.rotations[sample, target.frame, joints], target.rotations[joints])


def _loop_gap(output: MotionOutput) -> float:
    return _angle(output.rotations[0, -1, 1:], output.rotations[0, 0, 1:])


def _angle(first: torch.Tensor, second: torch.Tensor) -> float:
    """The largest angle between rotations in degrees."""
    chord = (first - second.to(first)).square().sum((-1, -2)).sqrt() / 8**0.5
    return float(torch.rad2deg(2 * chord.clamp(max=1).asin().max()))
