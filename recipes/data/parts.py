"""The parts of solid objects: surfaces of revolution, ellipsoids, rods, leaves, and colors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh
from scipy.interpolate import PchipInterpolator

Random = np.random.Generator
Paint = Callable[[np.ndarray], np.ndarray]  # places [m, 3] -> colors [m, 3] in 0..255
# y is up; what is called front looks along +z.
GREEN, DARK_GREEN, BROWN, RED = (70, 160, 60), (30, 110, 50), (120, 75, 40), (215, 40, 40)
WHITE, BLACK, YELLOW, ORANGE = (245, 245, 242), (35, 35, 38), (250, 205, 60), (240, 140, 30)


@dataclass
class Part:
    """A piece of a thing and its colors."""

    mesh: trimesh.Trimesh
    paint: Paint


def plain(color: tuple[int, int, int], random: Random) -> Paint:
    """One color, slightly varied."""
    tint = np.clip(np.array(color) + random.normal(0, 9, 3), 0, 255)
    return lambda place: np.broadcast_to(tint, place.shape)


def two(
    mask: Callable[[np.ndarray], np.ndarray],
    first: tuple[int, int, int],
    second: tuple[int, int, int],
    random: Random,
) -> Paint:
    """The second color where `mask` of the places holds, else the first."""
    a, b = plain(first, random), plain(second, random)
    return lambda place: np.where(mask(place)[:, None], b(place), a(place))


def around(place: np.ndarray) -> np.ndarray:
    """The angle about the y axis, in radians."""
    return np.arctan2(place[:, 0], place[:, 2])


def lathe(*outline: tuple[float, float]) -> trimesh.Trimesh:
    """The solid of revolution about y of an outline of (radius, height), smoothed by a spline."""
    points = np.array(outline, float)
    along = np.concatenate([[0], np.hypot(*np.diff(points, axis=0).T).cumsum()])
    fine = PchipInterpolator(along, points)(np.linspace(0, along[-1], 40))
    mesh = trimesh.creation.revolve(fine.clip(min=[0, -9]), sections=48)
    mesh.vertices = mesh.vertices[:, [1, 2, 0]]
    return mesh


def ball(
    at: tuple[float, float, float] = (0, 0, 0),
    radii: tuple[float, float, float] | float = 1.0,
) -> trimesh.Trimesh:
    """An ellipsoid."""
    mesh = trimesh.creation.icosphere(subdivisions=4)
    mesh.vertices = mesh.vertices * np.asarray(radii) + np.asarray(at)
    return mesh


def rod(
    start: tuple[float, float, float], end: tuple[float, float, float], first: float, last: float
) -> trimesh.Trimesh:
    """A round stick from `start` to `end` with these radii, rounded at both ends."""
    from_, to = np.array(start, float), np.array(end, float)
    length = float(np.linalg.norm(to - from_))
    mesh = lathe((0, -first), (first, 0), (last, length), (0, length + last))
    turn = trimesh.geometry.align_vectors((0, 1, 0), (to - from_) / length)
    mesh.apply_transform(turn)
    mesh.apply_translation(from_)
    return mesh


def leaf(
    root: tuple[float, float, float], angle: float, lean: float, length: float, width: float
) -> trimesh.Trimesh:
    """A pointed blade from `root`, leaning by `lean` radians from upright towards `angle`."""
    blade = lathe((0, 0), (1, 0.35), (0, 1))
    blade.vertices *= np.array([width, length, 0.3 * width])
    lift = blade.vertices[:, 1] / length
    blade.vertices[:, 2] += 0.25 * length * lift**2  # its tip bends outward
    for turn, axis in ((lean, (1, 0, 0)), (angle, (0, 1, 0))):
        blade.apply_transform(trimesh.transformations.rotation_matrix(turn, axis))
    blade.apply_translation(root)
    return blade


def joined(meshes: list[trimesh.Trimesh]) -> trimesh.Trimesh:
    """Several meshes as one."""
    return trimesh.util.concatenate(meshes)


def box(at: tuple[float, float, float], size: tuple[float, float, float]) -> trimesh.Trimesh:
    """A box with flat sides."""
    mesh = trimesh.creation.box(size)
    mesh.apply_translation(at)
    mesh.unmerge_vertices()
    return mesh
