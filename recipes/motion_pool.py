"""Augmented motions of the bank: what the encoder and the diffusion of motions are trained on.

167 clips are few, so each window is a clip that is mirrored, faster or slower, warped in time,
bent a little, done by the arms while another clip moves the legs, or followed by another clip; for
the encoder also on a body of other proportions. Everything depends on a seed only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

from guidance.body.joint_names import NAMES
from guidance.body.skeleton import Skeleton, canonical
from guidance.motion.bank import Bank, load_bank
from guidance.motion.joining import UPPER, joined, layered, repeated
from guidance.motion.motion import Motion
from guidance.motion.networks.joint_features import FPS, LONGEST, at_rate
from guidance.motion.networks.pose_features import (
    RATE,
    pose_features,
    resampled_pose,
)
from guidance.motion.rotations import from_rotation_vectors

#: Shares of windows: a clip alone, arms of another clip, another clip afterwards.
ALONE, WHILE = 0.62, 0.22
WORDS = {"left": "right", "right": "left"}
SIDED = re.compile(r"\b(left|right)\b")
LEGS = {"legs", "whole body", "left leg", "right leg"}
PARTS = (
    ("hip", "knee", "ankle", "foot"), ("spine", "neck", "head"), ("collar", "shoulder"),
    ("elbow", "wrist"),
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """An augmented motion and what it shows."""

    motion: Motion
    first: str
    second: str = ""
    relation: str = ""  # "while" or "then"
    mirrored: bool = False


def swapped(text: str) -> str:
    """The text of the mirrored motion: left and right exchanged."""
    return SIDED.sub(lambda found: WORDS[found[0]], text)


def free_arms(bank: Bank, name: str) -> bool:
    """Whether a clip moves arms, head or trunk only."""
    tags = set(bank.labels[name].tags)
    return bool(tags) and not LEGS & tags


@cache
def long_clip(name: str, mirrored: bool, seconds: float) -> Motion:
    """A clip; a loop is repeated so that it lasts some seconds."""
    bank = load_bank()
    motion, clip = bank.clips[name], bank.labels[name]
    if clip.loop:
        motion = repeated(motion, max(1, -int(-seconds // max(motion.seconds, 0.1))), loop=True)
    return motion.mirrored() if mirrored else motion


def drawn(names: list[str], random: np.random.Generator, seconds: float) -> Drawn:
    """A random motion of clips of the bank, augmented, of about some seconds."""
    bank = load_bank()
    first = names[random.integers(len(names))]
    mirrored, kind = bool(random.random() < 0.5), random.random()
    motion = long_clip(first, mirrored, 2 * seconds)
    result = Drawn(motion, first, mirrored=mirrored)
    arms = [name for name in names if free_arms(bank, name)]
    if kind > ALONE + WHILE:
        second = names[random.integers(len(names))]
        other = long_clip(second, mirrored, 2 * seconds)
        count = int(random.uniform(0.35, 0.65) * seconds * motion.fps)
        one = cut(motion, random, count)
        two = cut(other, random, int(seconds * motion.fps))
        if one.num_frames > 8 and two.num_frames > 8:
            result = Drawn(joined(one, two), first, second, "then", mirrored)
    elif kind > ALONE and not free_arms(bank, first):
        second = arms[random.integers(len(arms))]
        other = long_clip(second, mirrored, 2 * seconds)
        if other.num_frames < motion.num_frames:
            motion = cut(motion, random, other.num_frames)
        mixed = layered(motion, other, UPPER)
        result = Drawn(mixed, first, second, "while", mirrored)
    return replace(result, motion=warped(result.motion, random))


def cut(motion: Motion, random: np.random.Generator, frames: int) -> Motion:
    """A part of a motion of at most some frames, from a random place."""
    start = int(random.integers(max(1, motion.num_frames - frames + 1)))
    span = slice(start, start + frames)
    return replace(motion, rotations=motion.rotations[span], root=motion.root[span])


def warped(motion: Motion, random: np.random.Generator) -> Motion:
    """A motion of another speed, unevenly so, with joints that are bent a little and slowly."""
    speed = float(np.exp(random.uniform(-0.3, 0.3)))
    count = max(4, round((motion.num_frames - 1) / speed) + 1)
    at = np.linspace(0, 1, count)
    swing = random.uniform(-0.06, 0.06)
    times = at + swing * np.sin(2 * np.pi * at + random.uniform(0, 2 * np.pi))
    times = (times - times[0]) / (times[-1] - times[0]) * (motion.num_frames - 1)
    rotations, root = resampled_pose(
        motion.rotations, motion.root, torch.from_numpy(times.clip(0, motion.num_frames - 1))
    )
    size = np.where([name.split("_")[-1] in PARTS[0] for name in NAMES], 0.015, 0.05)
    waves = random.normal(size=(2, len(NAMES), 3)) * size[:, None]
    phase = np.sin(2 * np.pi * (at * random.uniform(0.2, 1) + random.random()))[:, None, None]
    bend = torch.from_numpy(from_rotation_vectors(waves[0] + waves[1] * phase)).float()
    rotations = torch.cat([rotations[:, :1], rotations[:, 1:] @ bend[:, 1:]], 1)
    return replace(motion, rotations=rotations, root=root)


def other_body(random: np.random.Generator) -> Skeleton:
    """The canonical skeleton with legs, trunk, shoulders and arms of other lengths."""
    skeleton = canonical()
    scale = np.exp(random.normal(size=len(PARTS)) * 0.06)
    own = {part: scale[i] for i, parts in enumerate(PARTS) for part in parts}
    offsets = skeleton.offsets()
    for joint, name in enumerate(NAMES):
        key = name.split("_")[-1].rstrip("123")
        offsets[joint] *= float(own.get(key, scale[0]))
    rest = offsets.clone()
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            rest[joint] = offsets[joint] + rest[parent]
    return Skeleton(skeleton.names, skeleton.parents, rest)


def joint_windows(names: list[str], count: int, seed: int) -> dict[str, object]:
    """Windows of positions for the encoder, with the names of their clips.

    Returns:
        `joints` float16 [n, 60, 22, 3], `lengths` [n], and the lists `first`, `second`,
        `relation` and `mirrored`.
    """
    random = np.random.default_rng(seed)
    joints, lengths, found = [], [], []
    while len(found) < count:
        sample = drawn(names, random, LONGEST / FPS)
        motion, body = sample.motion, other_body(random)
        scale = body.rest[0, 1] / canonical().rest[0, 1]
        places = at_rate(body.pose(motion.rotations, motion.root * scale)[1], motion.fps)
        longest = LONGEST if sample.relation == "then" else int(random.integers(24, LONGEST + 1))
        start = int(random.integers(max(1, len(places) - longest + 1)))
        places = places[start : start + longest]
        joints.append(_filled(places))
        lengths.append(len(places))
        found.append(sample)
    return {
        "joints": torch.stack(joints).half(),
        "lengths": torch.tensor(lengths),
        "first": [sample.first for sample in found],
        "second": [sample.second for sample in found],
        "relation": [sample.relation for sample in found],
        "mirrored": [sample.mirrored for sample in found],
    }


def _filled(places: Tensor) -> Tensor:
    return torch.cat([places, places[-1:].expand(LONGEST - len(places), -1, -1)])


def pose_windows(names: list[str], count: int, frames: int, seed: int) -> Tensor:
    """Windows for the diffusion, float16 [n, frames, 136]; velocities at the end are exact."""
    random = np.random.default_rng(seed)
    found: list[Tensor] = []
    while len(found) < count:
        motion = drawn(names, random, (frames + 4) / RATE * 1.4).motion
        total = int((motion.num_frames - 1) * RATE / motion.fps) + 1
        if total < frames + 1:
            motion, total = _held(motion, frames + 1), frames + 1
        start = int(random.integers(total - frames))
        at = (start + torch.arange(frames + 1)) * (motion.fps / RATE)
        rotations, root = resampled_pose(
            motion.rotations, motion.root, at.clamp_max(motion.num_frames - 1)
        )
        found.append(pose_features(rotations[None], root[None])[0, :frames])
    return torch.stack(found).half()


def _held(motion: Motion, frames: int) -> Motion:
    """A motion that stays in its last pose until it has some frames at `RATE`."""
    missing = int(np.ceil((frames - 1) * motion.fps / RATE)) + 1 - motion.num_frames
    return replace(
        motion,
        rotations=torch.cat([motion.rotations, motion.rotations[-1:].expand(missing, -1, -1, -1)]),
        root=torch.cat([motion.root, motion.root[-1:].expand(missing, -1)]),
    )
