"""Drawings of motions: a figure of capsules, in frames of a video or tiles of a contact sheet."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.media.contact_sheet import TILE, contact_sheet
from guidance.media.pixels import Frame
from guidance.motion.motion import Motion

Array = Any
PARENTS = canonical().parents
#: Radii in meters of the bones that end at a joint, and the sizes of the head and the hands.
RADII = {"hip": 0.075, "knee": 0.065, "ankle": 0.05, "foot": 0.04, "spine1": 0.1, "spine2": 0.1,
         "spine3": 0.11, "neck": 0.05, "collar": 0.06, "head": 0.045, "shoulder": 0.055,
         "elbow": 0.042, "wrist": 0.035}  # fmt: skip
HEAD, HAND = 0.105, 0.045
#: Colors of the left side, the right side and the trunk.
LEFT, RIGHT, TRUNK = (66, 121, 189), (214, 110, 62), (110, 110, 118)
GROUND, PAPER = (214, 214, 220), (250, 250, 250)
YAW_DEG, PITCH_DEG = 35.0, 8.0
SPAN = 2.3  # meters in the height of an image
SMOOTH = 2  # drawn larger and reduced


def draw_pose(
    joints: Array, size: int = TILE, yaw_deg: float = YAW_DEG, center: Array | None = None
) -> Frame:
    """An image `[size, size, 3]` of one pose, seen from the front and from the left by `yaw_deg`.

    Args:
        joints: positions `[22, 3]` in meters.
        center: the point on the ground in the middle of the image; by default below the pelvis.
    """
    from PIL import Image, ImageDraw

    joints = np.asarray(joints, float)
    center = joints[0] * [1, 0, 1] if center is None else np.asarray(center, float)
    scale = size * SMOOTH / SPAN
    image = Image.new("RGB", (size * SMOOTH, size * SMOOTH), PAPER)
    pen = ImageDraw.Draw(image)

    def project(points: Array) -> Array:
        x, y, z = np.moveaxis(_turned(points - center, yaw_deg), -1, 0)
        return np.stack([size * SMOOTH / 2 + x * scale, size * SMOOTH * 0.93 - y * scale, z], -1)

    _floor(pen, project, center)
    head = joints[NAMES.index("head")]
    up = head - joints[NAMES.index("neck")]
    crown = head + 0.09 * up / max(float(np.linalg.norm(up)), 1e-6)
    parts: list[tuple[Array, Array, float, tuple[int, int, int]]] = [(head, crown, HEAD, TRUNK)]
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            continue
        part = NAMES[joint].split("_")[-1]
        parts.append((joints[parent], joints[joint], RADII[part], _color(NAMES[joint])))
        if part == "wrist":
            way = joints[joint] - joints[parent]
            tip = joints[joint] + 0.09 * way / max(float(np.linalg.norm(way)), 1e-6)
            parts.append((joints[joint], tip, HAND, _color(NAMES[joint])))
    drawn = [(project(np.stack([a, b])), radius, color) for a, b, radius, color in parts]
    for (start, end), radius, color in sorted(drawn, key=lambda part: part[0][:, 2].mean()):
        depth = float(np.clip(1 + 0.25 * (start[2] + end[2]) / 2, 0.7, 1.2))
        _capsule(pen, start, end, radius * scale, tuple(min(255, int(c * depth)) for c in color))
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))


def _turned(points: Array, yaw_deg: float) -> Array:
    """Points in the axes of the camera: right, up, and towards it."""
    yaw, pitch = math.radians(yaw_deg), math.radians(PITCH_DEG)
    x, y, z = np.moveaxis(points, -1, 0)
    right = x * math.cos(yaw) - z * math.sin(yaw)
    near = x * math.sin(yaw) + z * math.cos(yaw)
    up = y * math.cos(pitch) - near * math.sin(pitch)
    return np.stack([right, up, y * math.sin(pitch) + near * math.cos(pitch)], -1)


def _floor(pen: Any, project: Any, center: Array) -> None:
    """A grid of half a meter on the ground, fixed in the world."""
    first = np.floor(center / 0.5) * 0.5
    for step in range(-3, 5):
        for ends in (
            [[step * 0.5, 0, -1.5], [step * 0.5, 0, 2]],
            [[-1.5, 0, step * 0.5], [2, 0, step * 0.5]],
        ):
            points = project(first * [1, 0, 1] + np.array(ends))
            pen.line([tuple(p[:2]) for p in points], fill=GROUND, width=SMOOTH)


def _capsule(pen: Any, start: Array, end: Array, radius: float, color: tuple[int, ...]) -> None:
    edge = tuple(int(c * 0.6) for c in color)
    for grow, fill in ((SMOOTH, edge), (0, color)):
        r = radius + grow
        for x, y, _ in (start, end):
            pen.ellipse([x - r, y - r, x + r, y + r], fill=fill)
        side = np.array([start[1] - end[1], end[0] - start[0]])
        length = float(np.linalg.norm(side))
        if length > 1e-6:
            side = side / length * r
            corners = [start[:2] + side, end[:2] + side, end[:2] - side, start[:2] - side]
            pen.polygon([tuple(c) for c in corners], fill=fill)


def _color(name: str) -> tuple[int, int, int]:
    return LEFT if name.startswith("left") else RIGHT if name.startswith("right") else TRUNK


def motion_sheet(motion: Motion, tiles: int = 8, yaw_deg: float = YAW_DEG) -> bytes:
    """A PNG of a motion at equal intervals of time, each tile with its time in seconds."""
    at = np.linspace(0, motion.num_frames - 1, min(tiles, motion.num_frames)).round().astype(int)
    joints = motion.joints().numpy()
    images = [draw_pose(joints[frame], yaw_deg=yaw_deg) for frame in at]
    captions = [f"{frame / motion.fps:.2f} s" for frame in at]
    return contact_sheet(images, captions, columns=min(4, len(images)))


def motion_frames(motion: Motion, size: int = 320, yaw_deg: float = YAW_DEG) -> list[Frame]:
    """The frames of a video; the camera follows the person smoothly."""
    joints = motion.joints().numpy()
    window = int(motion.fps) | 1
    ground = np.pad(joints[:, 0] * [1, 0, 1], ((window // 2, window // 2), (0, 0)), "edge")
    kernel = np.ones(window) / window
    centers = np.stack([np.convolve(column, kernel, "valid") for column in ground.T], -1)
    return [
        draw_pose(pose, size, yaw_deg, center) for pose, center in zip(joints, centers, strict=True)
    ]
