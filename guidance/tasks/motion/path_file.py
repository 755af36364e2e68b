"""Paths over the ground from SVG files, seen from above: up in the drawing is forward."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.losses.motion.targets import Polyline

Array = Any
MAX_BYTES, MAX_SEGMENTS = 2**20, 2000
#: Points of each curved segment.
POINTS = 48
SHAPES = ("path", "circle", "ellipse", "polyline", "polygon", "line", "rect")


def read_path(file: Path) -> Float[Tensor, "p 2"]:
    """The first shape of an SVG file: x (to the left) and z (forward) of points along it.

    It starts at 0; its length is that of the drawing.

    Raises:
        InputError: the file cannot be read, or has no path.
    """
    refuse_special_file(file)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"{file}: is larger than {MAX_BYTES // 2**20} MiB")
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from None
    if b"<!ENTITY" in content:
        raise InputError(f"{file}: has entities, which are not read")
    try:
        tree = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{file}: is not an SVG file ({error!s:.80})") from None
    for element in tree.iter():
        if str(element.tag).rpartition("}")[2] in SHAPES:
            points = _points(element, file)
            return torch.from_numpy((points - points[0]) * [-1.0, -1.0]).float()
    raise InputError(f"{file}: has no path; draw one, e.g. <path d='M 0 0 C 0 -2 2 -2 2 0'/>")


def _points(element: ElementTree.Element, file: Path) -> Array:
    import svgelements

    name = element.tag.rpartition("}")[2]
    kinds = {"circle": "Circle", "ellipse": "Ellipse", "polyline": "Polyline", "rect": "Rect",
             "polygon": "Polygon", "line": "SimpleLine"}  # fmt: skip
    values = {key: value for key, value in element.attrib.items() if len(value) < 256_000}
    try:
        if name == "path":
            path = svgelements.Path(values.get("d", ""))
        else:
            path = svgelements.Path(getattr(svgelements, kinds[name])(values))
        segments = [each for each in path if not isinstance(each, svgelements.Move)]
        if len(segments) > MAX_SEGMENTS:
            raise InputError(f"{file}: the path has more than {MAX_SEGMENTS:,} segments")
        found = [complex(path.first_point)] if segments else []
        for segment in segments:
            count = 1 if isinstance(segment, svgelements.Line | svgelements.Close) else POINTS
            found += [complex(segment.point(part / count)) for part in range(1, count + 1)]
    except (
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        KeyError,
        ZeroDivisionError,
    ) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: has a path that cannot be read ({error!s:.80})") from None
    points = np.array([[each.real, each.imag] for each in found], float).reshape(-1, 2)
    if len(points):
        moved = np.r_[True, np.linalg.norm(np.diff(points, axis=0), axis=1) > 1e-9]
        points = points[moved]
    if len(points) < 2 or not np.isfinite(points).all() or np.abs(points).max() > 1e9:
        raise InputError(f"{file}: the path has no length")
    return points


def length_of(points: Float[Tensor, "p 2"]) -> float:
    """The length of a polyline."""
    return float((points[1:] - points[:-1]).norm(dim=1).sum())


def scaled(points: Float[Tensor, "p 2"], meters: float) -> Polyline:
    """The path with that length in meters."""
    return Polyline(points * (meters / length_of(points)))
