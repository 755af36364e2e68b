"""Constraints of a motion as users write them, parsed once.

Points are x, y, z in meters: x to the left of the person at the start, y up, z forward; the person
starts at x = z = 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from guidance.body.joint_names import NAMES
from guidance.errors import InputError
from guidance.parsed import Parsed
from guidance.tasks.motion.times import TimeSpan

if TYPE_CHECKING:
    from guidance.losses.motion.targets import PointTarget, Solid

Point = tuple[float, float, float]
#: Farthest coordinate of a point, in meters.
FAR = 1000.0
#: What people call some joints.
JOINTS = {name: index for index, name in enumerate(NAMES)} | {
    "hips": 0,
    **{f"{side}_hand": NAMES.index(f"{side}_wrist") for side in ("left", "right")},
    **{f"{side}_toe": NAMES.index(f"{side}_foot") for side in ("left", "right")},
}
_NUMBER = re.compile(r"\s*[+-]?(\d{1,9}(\.\d{0,9})?|\.\d{1,9})\s*")


def numbers(text: str, count: int, where: str, example: str) -> tuple[float, ...]:
    """That many numbers separated by commas. Raises InputError for anything else."""
    parts = text.split(",")
    if len(parts) != count or not all(_NUMBER.fullmatch(part) for part in parts):
        raise InputError(f"{where}: expected {count} numbers such as {example}, got {text!r:.60}")
    found = tuple(float(part) for part in parts)
    if max(abs(value) for value in found) > FAR:
        raise InputError(f"{where}: {text!r:.60}: numbers are meters, up to {FAR:g}")
    return found


def _point(text: str, where: str) -> Point:
    x, y, z = numbers(text, 3, where, "0.4,1.2,0.3")
    return (x, y, z)


def _written(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


@dataclass(frozen=True)
class At(Parsed):
    """A joint at a point: "1.0s:right_hand=0.4,1.2,0.3"."""

    time: TimeSpan
    joint: str
    point: Point

    @classmethod
    def parse(cls, text: str) -> At:
        time, colon, rest = str(text).partition(":")
        joint, equals, point = rest.partition("=")
        joint = joint.strip().lower().replace(" ", "_").replace("-", "_")
        if not colon or not equals:
            raise InputError(
                f"at {text!r:.60}: expected time:joint=x,y,z, e.g. 1.0s:right_hand=0.4,1.2,0.3"
            )
        if joint not in JOINTS:
            raise InputError(
                f"at {text!r:.60}: no joint {joint!r:.30}; choose from {', '.join(JOINTS)}"
            )
        return cls(
            TimeSpan.parse(time, f"at {text!r:.60}"), joint, _point(point, f"at {text!r:.60}")
        )

    def written(self) -> str:
        return f"{self.time}:{self.joint}={_written(self.point)}"

    def target(self, count: int, fps: float) -> PointTarget:
        """The target in a motion of `count` frames. Raises InputError for times after its end."""
        from guidance.losses.motion.targets import PointTarget

        span = self.time.span(count, fps, f"at {self.written()}")
        return PointTarget(JOINTS[self.joint], self.point, span)


@dataclass(frozen=True)
class Gaze(Parsed):
    """A point that the head looks at: "1s-2s:0,1.5,2"."""

    time: TimeSpan
    point: Point

    @classmethod
    def parse(cls, text: str) -> Gaze:
        where = f"look_at {text!r:.60}"
        time, colon, point = str(text).partition(":")
        if not colon:
            raise InputError(f"{where}: expected time:x,y,z, e.g. 1s-2s:0,1.5,2")
        return cls(TimeSpan.parse(time, where), _point(point, where))

    def written(self) -> str:
        return f"{self.time}:{_written(self.point)}"

    def target(self, count: int, fps: float) -> PointTarget:
        """The target in a motion of `count` frames. Raises InputError for times after its end."""
        from guidance.losses.motion.targets import PointTarget

        span = self.time.span(count, fps, f"look_at {self.written()}")
        return PointTarget(NAMES.index("head"), self.point, span)


@dataclass(frozen=True)
class ObstacleText(Parsed):
    """A solid to stay out of: "sphere:x,y,z,radius" or "box:x,y,z,width,height,depth"."""

    kind: str
    values: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> ObstacleText:
        where = f"obstacle {text!r:.60}"
        kind, _, rest = str(text).partition(":")
        kind = kind.strip().lower()
        if kind not in ("sphere", "box"):
            raise InputError(
                f"{where}: expected sphere:x,y,z,radius or box:x,y,z,width,height,depth"
            )
        example = "0.3,1,0.5,0.2" if kind == "sphere" else "0.3,0.5,1,0.6,1,0.4"
        values = numbers(rest, 4 if kind == "sphere" else 6, where, example)
        if min(values[3:]) <= 0:
            raise InputError(f"{where}: sizes are above 0")
        return cls(kind, values)

    def written(self) -> str:
        return f"{self.kind}:{_written(self.values)}"

    def solid(self) -> Solid:
        """The solid in meters."""
        from guidance.losses.motion.targets import Solid

        x, y, z, *size = self.values
        if self.kind == "sphere":
            return Solid((x, y, z), (size[0], size[0], size[0]), True)
        return Solid((x, y, z), (size[0] / 2, size[1] / 2, size[2] / 2), False)


@dataclass(frozen=True)
class KeyPoseFile(Parsed):
    """A pose in a file at a time: "pose.json@50%"."""

    path: str
    time: TimeSpan

    @classmethod
    def parse(cls, text: str) -> KeyPoseFile:
        where = f"keyframe {text!r:.60}"
        path, at, time = str(text).rpartition("@")
        if not at or not path:
            raise InputError(f"{where}: expected a file and a time, e.g. pose.json@50%")
        span = TimeSpan.parse(time, where)
        if span.start != span.end:
            raise InputError(f"{where}: expected one time, e.g. 50% or 1.5s")
        return cls(path, span)

    def written(self) -> str:
        return f"{self.path}@{self.time}"

    @classmethod
    def names_file(cls, text: str) -> bool:
        return True


@dataclass(frozen=True)
class RouteFile(Parsed):
    """A drawing of a path, and its length: "circle.svg" or "circle.svg:6m"."""

    path: str
    meters: float | None

    @classmethod
    def parse(cls, text: str) -> RouteFile:
        found = re.fullmatch(r"(.+?)(?::(\d{1,4}(?:\.\d{1,4})?)\s*m)?", str(text), re.S)
        if found is None:
            raise InputError(
                f"path {text!r:.60}: expected a file, e.g. circle.svg or circle.svg:6m"
            )
        meters = float(found[2]) if found[2] else None
        if meters is not None and not 0.2 <= meters <= 500:
            raise InputError(f"path {text!r:.60}: a path is 0.2 to 500 meters long")
        return cls(found[1], meters)

    def written(self) -> str:
        return self.path if self.meters is None else f"{self.path}:{self.meters:g}m"

    @classmethod
    def names_file(cls, text: str) -> bool:
        return True
