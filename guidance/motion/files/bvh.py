"""BVH: hierarchies of joints with Euler angles, read and written.

Source: J. Lander, Working with Motion Capture File Formats, Game Developer, January 1998.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from guidance.body.joint_names import NAMES
from guidance.body.skeleton import Skeleton, canonical
from guidance.errors import InputError
from guidance.motion.files.rig import FPS, MAX_JOINTS, Recording, Rig, check_length
from guidance.motion.motion import Motion
from guidance.motion.rotations import from_euler, resampled, resampled_points

Array = Any
#: Bytes of a file, numbers in it, and length of its hierarchy in words.
MAX_BYTES, MAX_NUMBERS, MAX_WORDS = 96 * 2**20, 12_000_000, 200_000
CHANNELS = ("Xposition", "Yposition", "Zposition", "Xrotation", "Yrotation", "Zrotation")
#: Names of the canonical joints in a file, which are those of Mixamo without prefix.
WRITTEN = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck",
    "head": "Head", "collar": "Shoulder", "shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand",
    "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase",
}  # fmt: skip
#: Ends of the last bones, in meters from their joints.
TIPS = {"head": (0.0, 0.18, 0.02), "wrist": (0.17, 0.0, 0.0), "foot": (0.0, 0.0, 0.08)}
ORDER = "ZXY"


@dataclass
class _Joint:
    name: str
    parent: int
    offset: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    channels: list[str] = field(default_factory=list)


def read_bvh(content: bytes, where: str, name: str = "") -> Recording:
    """The recording of a BVH file, resampled at 30 fps; its rest pose is that of zero angles.

    Raises:
        InputError: the file is damaged, too large, or no BVH.
    """
    if len(content) > MAX_BYTES:
        raise InputError(f"{where}: has {len(content) / 2**20:.0f} MiB; at most "
                         f"{MAX_BYTES // 2**20} are read; split it")  # fmt: skip
    text = content.decode("utf-8-sig", "replace")
    head, found, rest = text.partition("MOTION")
    if not found:
        _damaged(where, "it has no MOTION part")
    joints = _hierarchy(head, where)
    frames, seconds, numbers = _motion(rest, sum(len(j.channels) for j in joints), where)
    rotations, positions = _world(joints, numbers)
    offsets = np.array([joint.offset for joint in joints])
    at_rest = np.zeros_like(offsets)
    for index, joint in enumerate(joints):
        at_rest[index] = offsets[index] + (at_rest[joint.parent] if joint.parent >= 0 else 0)
    rig = Rig(
        tuple(joint.name for joint in joints),
        tuple(joint.parent for joint in joints),
        np.tile(np.eye(3), (len(joints), 1, 1)),
        at_rest,
    )
    times = np.arange(frames) * seconds
    at = np.arange(int(np.floor(times[-1] * FPS + 1e-3)) + 1) / FPS
    if len(at) != frames or abs(seconds * FPS - 1) > 1e-3:
        rotations = resampled(rotations, times, at)
        positions = resampled_points(positions, times, at)
    return Recording(rig, rotations, positions, name)


def _damaged(where: str, reason: str) -> NoReturn:
    raise InputError(f"{where}: is not a valid BVH ({reason}); export it again")


def _hierarchy(head: str, where: str) -> list[_Joint]:
    """The joints in the order of the file; end sites are left out."""
    words = head.split(None, MAX_WORDS)
    if len(words) > MAX_WORDS:
        _damaged(where, f"its hierarchy has more than {MAX_WORDS:,} words")
    if not words or words[0].upper() != "HIERARCHY":
        _damaged(where, "it does not start with HIERARCHY")
    joints: list[_Joint] = []
    open_joints: list[int] = []  # -1 for an end site
    next_words = iter(words[1:])
    try:
        for word in next_words:
            if word in ("ROOT", "JOINT"):
                joints.append(_Joint(_name(next_words), open_joints[-1] if open_joints else -1))
                open_joints.append(len(joints) - 1)
            elif word == "End":
                _name(next_words)
                open_joints.append(-1)
            elif word == "}":
                open_joints.pop()
            else:
                _add(joints[open_joints[-1]] if open_joints[-1] >= 0 else None, word, next_words)
    except (StopIteration, ValueError, IndexError, RuntimeError) as error:
        _damaged(where, f"its hierarchy is incomplete: {error!s:.80}".rstrip(": "))
    if open_joints or not joints or not np.isfinite([j.offset for j in joints]).all():
        _damaged(where, "its hierarchy is incomplete")
    if len(joints) > MAX_JOINTS:
        _damaged(where, f"more than {MAX_JOINTS:,} joints")
    return joints


def _add(joint: _Joint | None, word: str, words: Iterator[str]) -> None:
    """Reads an offset or channels; those of an end site (None) are left out."""
    if word == "OFFSET":
        offset = [float(next(words)) for _ in range(3)]
        if joint is not None:
            joint.offset = offset
    elif word == "CHANNELS" and joint is not None:
        names = [next(words) for _ in range(int(next(words)))]
        if not set(names) <= set(CHANNELS) or len(set(names)) != len(names):
            raise ValueError(f"unknown channels {' '.join(names):.60}")
        joint.channels = names
    else:
        raise ValueError(f"unexpected {word[:40]!r}")


def _name(words: Iterator[str]) -> str:
    """The name before the next brace, which may contain spaces."""
    parts: list[str] = []
    for word in words:
        if word == "{":
            return " ".join(parts)[:200]
        parts.append(word)
    raise ValueError("no brace")


def _motion(text: str, channels: int, where: str) -> tuple[int, float, Array]:
    """Number of frames, seconds of a frame, and the numbers `[t, channels]`."""
    lines = text.lstrip().split("\n", 2)
    try:
        frames = int(lines[0].split(":")[1])
        seconds = float(lines[1].split(":")[1])
    except (IndexError, ValueError):
        _damaged(where, "Frames or Frame Time is missing")
    if not 1e-4 <= seconds <= 10 or frames < 1 or frames * channels > MAX_NUMBERS:
        _damaged(where, f"{frames:,} frames of {seconds:g} s with {channels} channels")
    check_length((frames - 1) * seconds * FPS + 1, where)
    try:
        body = lines[2].replace(",", " ") if len(lines) > 2 else ""
        numbers = np.array(body.split(None, frames * channels)[: frames * channels], float)
    except ValueError:
        _damaged(where, "its frames contain something that is not a number")
    if len(numbers) < channels or not np.isfinite(numbers).all():
        _damaged(where, "its frames are missing, or not finite")
    # Files of interrupted exports have fewer frames than they say.
    found = len(numbers) // channels
    return found, seconds, numbers[: found * channels].reshape(found, channels)


def _world(joints: list[_Joint], numbers: Array) -> tuple[Array, Array]:
    """World rotations `[t, j, 3, 3]` and positions `[t, j, 3]`."""
    frames, at = len(numbers), 0
    rotations = np.empty((frames, len(joints), 3, 3))
    positions = np.empty((frames, len(joints), 3))
    for index, joint in enumerate(joints):
        own = numbers[:, at : at + len(joint.channels)]
        at += len(joint.channels)
        turning = [c for c, name in enumerate(joint.channels) if name.endswith("rotation")]
        order = "".join(joint.channels[c][0] for c in turning)
        rotation = from_euler(order, own[:, turning])
        place = np.tile(np.array(joint.offset), (frames, 1))
        for column, name in enumerate(joint.channels):
            if name.endswith("position"):
                place[:, "XYZ".index(name[0])] = own[:, column]
        if joint.parent < 0:
            rotations[:, index], positions[:, index] = rotation, place
        else:
            above = rotations[:, joint.parent]
            rotations[:, index] = above @ rotation
            moved = (above @ place[..., None])[..., 0]
            positions[:, index] = positions[:, joint.parent] + moved
    return rotations, positions


def write_bvh(
    motion: Motion, skeleton: Skeleton | None = None, *, t_pose: bool = False, scale: float = 100.0
) -> str:
    """A BVH file of a motion; zero angles are the T-pose, so that importers find a rest pose.

    Args:
        skeleton: of the person, by default the canonical one.
        t_pose: whether the first frame is the T-pose, as some programs expect.
        scale: units per meter; by default centimeters, the common unit of BVH.
    """
    from scipy.spatial.transform import Rotation

    skeleton = skeleton or canonical()
    rotations = motion.rotations.double().numpy()
    root = motion.root.double().numpy()
    if t_pose:
        rotations = np.concatenate([np.tile(np.eye(3), (1, len(NAMES), 1, 1)), rotations])
        root = np.concatenate([skeleton.rest[:1].double().numpy(), root])
    order = _depth_first(skeleton.parents)
    angles = (
        Rotation.from_matrix(rotations.reshape(-1, 3, 3))
        .as_euler(ORDER, degrees=True)
        .reshape(len(root), len(NAMES), 3)
    )
    angles = np.degrees(np.unwrap(np.radians(angles), axis=0))
    # The offset of the root is 0: programs disagree on whether it is added to the positions.
    lines = ["HIERARCHY"]
    _write_joint(lines, 0, skeleton, scale, 0)
    numbers = np.concatenate([root * scale, angles[:, order].reshape(len(root), -1)], 1)
    lines += ["MOTION", f"Frames: {len(root)}", f"Frame Time: {1 / motion.fps:.8f}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in numbers]
    return "\n".join(lines) + "\n"


def _depth_first(parents: tuple[int, ...], joint: int = 0) -> list[int]:
    found = [joint]
    for child, parent in enumerate(parents):
        if parent == joint:
            found += _depth_first(parents, child)
    return found


def _write_joint(
    lines: list[str], joint: int, skeleton: Skeleton, scale: float, depth: int
) -> None:
    """Adds the lines of a joint and of those below it."""
    tab, name = "\t" * depth, skeleton.names[joint]
    side, _, part = name.rpartition("_")
    offset = skeleton.offsets()[joint].tolist() if joint else (0.0, 0.0, 0.0)
    places = "6 Xposition Yposition Zposition " if joint == 0 else "3 "
    turns = " ".join(f"{axis}rotation" for axis in ORDER)
    lines += [
        f"{tab}{'JOINT' if joint else 'ROOT'} {side.capitalize()}{WRITTEN[part]}",
        f"{tab}{{",
        f"{tab}\tOFFSET {' '.join(f'{value * scale:.6f}' for value in offset)}",
        f"{tab}\tCHANNELS {places}{turns}",
    ]
    for child, parent in enumerate(skeleton.parents):
        if parent == joint:
            _write_joint(lines, child, skeleton, scale, depth + 1)
    if part in TIPS:
        sign = -1 if side == "right" else 1
        x, y, z = TIPS[part]
        tip = " ".join(f"{value * scale:.6f}" for value in (sign * x, y, z))
        lines += [f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET {tip}", f"{tab}\t}}"]
    lines.append(f"{tab}}}")
