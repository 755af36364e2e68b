"""Solid things seen from all sides: meshes and primitives with colors, patterns, decals.

A small numba z-buffer draws them. Names and looks come from two tables, so that a caption such as
"golden teapot" or "cow with zebra stripes" is true by construction.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import trimesh

from recipes.data import colors
from recipes.data.pool import SIDE, Pool

FINE = 2 * SIDE  # pixels per side before averaging
#: Places [m, 3] and the faces [m] on which they are -> colors [m, 3] in 0..255.
Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]
FILES = {"cow": "spot.obj", "monkey head": "suzanne.obj", "teapot": "teapot.obj"}
PRIMITIVES: dict[str, Callable[[], trimesh.Trimesh]] = {
    "sphere": lambda: trimesh.creation.icosphere(subdivisions=4),
    "cube": lambda: trimesh.creation.box((1.3, 1.3, 1.3)),
    "cone": lambda: trimesh.creation.cone(0.8, 1.6, sections=64),
    "cylinder": lambda: trimesh.creation.cylinder(0.6, 1.5, sections=64),
    "torus": lambda: trimesh.creation.torus(0.7, 0.28, 48, 24),
    "capsule": lambda: trimesh.creation.capsule(0.9, 0.5),
}
# The axis of symmetry of trimesh's primitives is z; y is up here.
UPRIGHT = ("cone", "cylinder", "capsule")
ALSO = {"sphere": "ball", "cube": "box", "torus": "donut shape", "monkey head": "monkey"}
MATERIALS = {  # base color, share of it that is a reflection, how narrow the highlight is
    "golden": ((212, 160, 40), 0.75, 12),
    "silver": ((170, 175, 182), 0.8, 14),
    "shiny black": ((28, 28, 32), 0.5, 60),
}
LOOKS = ("plain", "striped", "dotted", "checkered", "zebra", "leopard", "material", "wooden")
_LOOKS_AND_NOUNS = """
cow monkey head teapot sphere ball cube box cone cylinder torus donut shape capsule golden silver
shiny metal metallic wooden wood striped dotted checkered zebra leopard stripes spots dots checks
polka rainbow marble stone brick 3D with and of a on made
"""
WORDS = tuple(_LOOKS_AND_NOUNS.split())


@numba.njit(cache=True)
def _fill(corners: np.ndarray, depth: np.ndarray, owner: np.ndarray, weights: np.ndarray) -> None:
    """Nearest triangle of each pixel. `corners [f, 3, 3]` are x, y in pixels and depth."""
    side = depth.shape[0]
    for f in range(corners.shape[0]):
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners[f, 0], corners[f, 1], corners[f, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        left, right = max(0, int(min(ax, bx, cx))), min(side - 1, int(max(ax, bx, cx)) + 1)
        low, high = max(0, int(min(ay, by, cy))), min(side - 1, int(max(ay, by, cy)) + 1)
        for row in range(low, high + 1):
            for column in range(left, right + 1):
                x, y = column + 0.5, row + 0.5
                u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                w = 1 - u - v
                if u < 0 or v < 0 or w < 0:
                    continue
                z = u * az + v * bz + w * cz
                if z > depth[row, column]:
                    depth[row, column] = z
                    owner[row, column] = f
                    weights[row, column, 0], weights[row, column, 1] = u, v
                    weights[row, column, 2] = w


def _view(random: np.random.Generator, angles: tuple[float, float] | None) -> np.ndarray:
    """A rotation `[3, 3]` to camera axes (x right, y up, z to the viewer).

    `angles` are azimuth and elevation in degrees; by default any, mostly from the side.
    """
    if angles is None:
        angles = random.uniform(0, 360), random.uniform(-15, 45)
    azimuth, elevation = np.radians(angles)
    roll = random.normal(0, 0.08)
    ca, sa, ce, se = np.cos(azimuth), np.sin(azimuth), np.cos(elevation), np.sin(elevation)
    cr, sr = np.cos(roll), np.sin(roll)
    turn = np.array([[ca, 0, -sa], [0, 1, 0], [sa, 0, ca]])
    tilt = np.array([[1, 0, 0], [0, ce, -se], [0, se, ce]])
    return np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]]) @ tilt @ turn


def _surface(
    look: str,
    color: np.ndarray,
    second: np.ndarray,
    place: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """Colors `[m, 3]` of points `place [m, 3]` in the object's own axes."""
    pitch = random.uniform(7, 14)
    shifted = place * pitch + random.uniform(0, 6, 3)
    if look == "striped":
        mix = np.sin(shifted @ _direction(random)) > 0
    elif look == "dotted":
        mix = np.cos(shifted).sum(1) > 0.9
    elif look == "checkered":
        mix = np.sin(shifted * 0.8).prod(1) > 0
    elif look == "zebra":
        bend = 1.2 * np.sin(2.1 * place[:, [1, 2, 0]] + random.uniform(0, 6, 3)).sum(1)
        mix = np.sin(1.4 * shifted @ _direction(random) + 1.5 * bend) > 0
    elif look == "leopard":
        mix = np.sin(1.3 * shifted + np.sin(1.1 * shifted[:, [2, 0, 1]])).sum(1) > 0.9
    elif look == "wooden":
        ring = np.hypot(*(place[:, [0, 2]] * pitch * 1.5).T) + 0.8 * np.sin(3 * place[:, 1])
        mix = 0.5 + 0.5 * np.sin(3 * ring)
    else:
        mix = np.zeros(len(place))
    mix = np.asarray(mix, np.float64)[:, None]
    return (1 - mix) * color + mix * second


def _direction(random: np.random.Generator) -> np.ndarray:
    vector = random.normal(size=3)
    return vector / np.linalg.norm(vector)


def _decal(picture: np.ndarray, place: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """A drawing wrapped around the y axis, twice, over the color `ground`."""
    unit = place / np.linalg.norm(place, axis=1, keepdims=True)
    u = (np.arctan2(unit[:, 0], unit[:, 2]) / np.pi + 1) % 1
    v = 0.5 - np.arcsin(np.clip(unit[:, 1], -1, 1)) / 2.2
    inside = np.clip((np.stack([v, u], 1) * SIDE).astype(int), 0, SIDE - 1)
    rgba = picture[inside[:, 0], inside[:, 1]].astype(np.float64)
    alpha = rgba[:, 3:] / 255
    return rgba[:, :3] * alpha + ground * (1 - alpha)


class Studio:
    """Meshes, each centered in a ball of radius one, and the camera."""

    def __init__(self) -> None:
        self.meshes: dict[str, tuple[np.ndarray, np.ndarray, bool]] = {}

    @classmethod
    def furnished(cls, folder: Path) -> Studio:
        """With the primitives and the `FILES`, which lie in the folder."""
        studio = cls()
        for noun, build in PRIMITIVES.items():
            mesh = build()
            corners = mesh.vertices[:, [1, 2, 0]] if noun in UPRIGHT else mesh.vertices
            studio.add(noun, np.asarray(corners), np.asarray(mesh.faces))
        for noun, file in FILES.items():
            mesh = trimesh.load(folder / file, force="mesh", process=True)
            studio.add(noun, np.asarray(mesh.vertices), np.asarray(mesh.faces))
        return studio

    def add(
        self, noun: str, vertices: np.ndarray, faces: np.ndarray, *, merge: bool = True
    ) -> tuple[np.ndarray, float]:
        """Keeps a mesh under a name; returns the center and the radius that it had.

        `merge` joins vertices at one place, by which what is shaded smoothly has no seams.
        """
        center = (vertices.max(0) + vertices.min(0)) / 2
        radius = float(np.linalg.norm(vertices - center, axis=1).max())
        mesh = trimesh.Trimesh((vertices - center) / radius, faces, process=merge)
        smooth = noun not in ("cube", "cone", "cylinder")
        self.meshes[noun] = (np.asarray(mesh.vertices), np.asarray(mesh.faces), smooth)
        return center, radius

    def draw(
        self,
        noun: str,
        paint: Paint,
        gloss: tuple[float, float],
        random: np.random.Generator,
        angles: tuple[float, float] | None = None,
    ) -> np.ndarray:
        """One image `uint8 [96, 96, 4]`; `paint` colors points in the object's own axes.

        `gloss` is how strong the highlight is and how narrow, `angles` the azimuth and the
        elevation of the camera in degrees, any by default.
        """
        vertices, faces, smooth = self.meshes[noun]

        def of_points(f: np.ndarray, w: np.ndarray) -> np.ndarray:
            return paint((vertices[faces[f]] * w[:, :, None]).sum(1), f)

        return drawn(vertices, faces, of_points, random, gloss=gloss, angles=angles, smooth=smooth)


def drawn(
    vertices: np.ndarray,
    faces: np.ndarray,
    paint: Callable[[np.ndarray, np.ndarray], np.ndarray],
    random: np.random.Generator,
    *,
    gloss: tuple[float, float],
    angles: tuple[float, float] | None = None,
    smooth: bool = True,
    near: float = 1.0,
) -> np.ndarray:
    """One image `uint8 [96, 96, 4]` of a mesh; what is at most 1 from the origin fills it.

    `paint` colors points by their faces `[m]` and their weights of the corners `[m, 3]`. `near`
    scales the depth that perspective sees: less for a part of a large mesh.
    """
    view = _view(random, angles)
    seen = vertices @ view.T
    perspective = 1 / (1 - near * seen[:, 2:] / random.uniform(4, 8))
    flat = np.stack([seen[:, 0], -seen[:, 1]], 1) * perspective * 0.42 * FINE + FINE / 2
    corners = np.concatenate([flat, seen[:, 2:] * perspective], 1)[faces]
    depth = np.full((FINE, FINE), -1e9)
    owner = np.full((FINE, FINE), -1)
    weights = np.zeros((FINE, FINE, 3))
    _fill(corners, depth, owner, weights)
    covered = owner >= 0
    f, w = owner[covered], weights[covered]
    edges = seen[faces]
    face_normals = np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])
    normals = face_normals[f]
    if smooth:
        summed = np.zeros_like(vertices)
        np.add.at(summed, faces.ravel(), np.repeat(face_normals, 3, 0))
        normals = (summed[faces[f]] * w[:, :, None]).sum(1)
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
    normals[normals[:, 2] < 0] *= -1

    light = np.array([random.uniform(-0.8, 0.8), random.uniform(0.2, 1), random.uniform(0.5, 1)])
    light = light / np.linalg.norm(light)
    ambient = random.uniform(0.35, 0.6)
    diffuse = ambient + (1.05 - ambient) * np.clip(normals @ light, 0, 1)
    half = light + np.array([0, 0, 1.0])
    highlight = np.clip(normals @ (half / np.linalg.norm(half)), 0, 1) ** gloss[1]
    color = paint(f, w) * diffuse[:, None] + 255 * gloss[0] * highlight[:, None]
    fine = np.zeros((FINE, FINE, 4))
    fine[covered, :3] = np.clip(color, 0, 255)
    fine[covered, 3] = 255
    blocks = fine.reshape(SIDE, 2, SIDE, 2, 4)
    alpha = blocks[..., 3:].sum((1, 3))
    rgb = blocks[..., :3].sum((1, 3)) / (alpha / 255).clip(1e-6)
    return np.concatenate([rgb, alpha / 4], -1).astype(np.uint8)


def _said(look: str, first: str, second: str, noun: str) -> list[str]:
    """Captions of a look on a noun, the fullest first."""
    nouns = [noun, *([ALSO[noun]] if noun in ALSO else [])]
    forms = {
        "plain": ["{c} {n}", "{n} that is {c}", "{n}"],
        "striped": ["{c} and {d} striped {n}", "{c} {n} with {d} stripes", "striped {n}"],
        "dotted": ["{c} {n} with {d} dots", "{c} and {d} dotted {n}", "dotted {n}"],
        "checkered": ["{c} and {d} checkered {n}", "{n} with {c} and {d} checks", "checkered {n}"],
        "zebra": ["{n} with zebra stripes", "zebra striped {n}", "black and white striped {n}"],
        "leopard": ["{n} with leopard spots", "leopard {n}", "spotted {n}"],
        "wooden": ["wooden {n}", "{n} made of wood", "brown wooden {n}"],
        "material": ["{c} {n}", "shiny {c} {n}", "{c} metal {n}"],
    }[look]
    return [form.format(c=first, d=second, n=n) for n in nouns for form in forms]


def make(folder: Path, drawings: Pool, count: int, seed: int) -> Pool:
    """`count` renders; a sixth are drawings wrapped around a sphere under their own names.

    `folder` holds the files of `FILES`. `drawings` must not contain held-out ones.
    """
    random = np.random.default_rng(seed)
    studio = Studio.furnished(folder)
    pictures = np.empty((count, SIDE, SIDE, 4), np.uint8)
    captions = []
    for k in range(count):
        if random.random() < 1 / 6:
            i = int(random.integers(len(drawings.captions)))
            ground = colors.paint(str(random.choice(colors.NAMES)), random)
            paint = _decal_painter(drawings.pictures[i], ground)
            pictures[k] = studio.draw("sphere", paint, (0.15, 20.0), random)
            name = drawings.captions[i][0]
            captions.append([f"{name} on a ball", name, name, f"ball with an image of a {name}"])
            continue
        noun = str(random.choice(list(studio.meshes)))
        look = str(random.choice(LOOKS, p=(0.4, 0.13, 0.1, 0.1, 0.07, 0.05, 0.1, 0.05)))
        names = [str(c) for c in random.choice(colors.NAMES, 2, replace=False)]
        first, second = (colors.paint(c, random) for c in names)
        gloss = (random.uniform(0, 0.35), random.uniform(8, 40))
        if look == "material":
            names[0] = str(random.choice(list(MATERIALS)))
            base, share, narrow = MATERIALS[names[0]]
            first, gloss = np.array(base, float), (share, float(narrow))
        elif look == "zebra":
            first, second = np.array([240.0] * 3), np.array([25.0] * 3)
        elif look == "leopard":
            first, second = np.array([225.0, 170, 85]), np.array([60.0, 38, 20])
        elif look == "wooden":
            first, second = np.array([176.0, 122, 70]), np.array([122.0, 78, 40])
        paint = _painter(look, first, second, random)
        pictures[k] = studio.draw(noun, paint, gloss, random)
        captions.append(_said(look, names[0], names[1], noun))
    return Pool("meshes", pictures, captions)


def _painter(
    look: str, first: np.ndarray, second: np.ndarray, random: np.random.Generator
) -> Paint:
    return lambda place, _: _surface(look, first, second, place, random)


def _decal_painter(picture: np.ndarray, ground: np.ndarray) -> Paint:
    return lambda place, _: _decal(picture, place, ground)
