"""An apple, a landscape, the mask of a sky, and the frames of a boat that sails by."""

from __future__ import annotations

import numpy as np

from recipes.assets.canvas import Array, Canvas, mixed, noise


def apple(side: int = 256) -> Array:
    """A red apple with a stalk and a leaf over white."""
    canvas = Canvas(side, side)
    x, y = canvas.x, canvas.y
    canvas.paint(0.22 * canvas.inside(canvas.disc(0.5, 0.905, 0.27, 0.12), 0.1), "#404050")
    # A body of two lobes, narrower below, dented above and below.
    u, v = (x - 0.5) / 0.385, (y - 0.57) / 0.365
    u = u / (1.02 - 0.11 * v)
    angle = np.arctan2(np.abs(u), -v)
    edge = (
        1 - 0.2 * np.exp(-((angle / 0.42) ** 2)) - 0.07 * np.exp(-(((np.pi - angle) / 0.35) ** 2))
    )
    radius = np.hypot(u, v) / edge
    height = np.sqrt(np.clip(1 - radius**2, 0, 1))
    normal = (
        np.stack([u, v, height], -1)
        / np.maximum(np.linalg.norm([u, v, height], axis=0), 1e-6)[..., None]
    )
    light = np.array([-0.45, -0.6, 0.66])
    lambert = np.clip(normal @ light, 0, 1)
    skin = mixed("#8f0d1a", "#e8222e", 0.15 + 0.95 * lambert)
    streak = noise(6 * np.arctan2(u, 1.2 + v), 1.2 * v, 3, seed=3)
    skin = mixed(skin, "#f0603c", 0.25 * np.clip(streak, 0, 1) * lambert)
    half = light + np.array([0, 0, 1])
    half = half / np.linalg.norm(half)
    skin = mixed(skin, "#ffffff", 0.75 * np.clip(normal @ half, 0, 1) ** 60)
    canvas.paint(canvas.inside((radius - 1) * 0.36), skin)
    dent = canvas.disc(0.5, 0.292, 0.095, 0.42)
    shade = np.minimum(canvas.inside(dent, 0.06), canvas.inside((radius - 1) * 0.36))
    canvas.paint(0.75 * shade, "#5f0a12")
    stalk = np.abs(x - 0.5 - 0.25 * (0.3 - y) * (y < 0.3)) - 0.016 - 0.03 * np.clip(0.2 - y, 0, 1)
    stalk = np.maximum(stalk, np.maximum(0.11 - y, y - 0.30))
    canvas.paint(canvas.inside(stalk), mixed("#7a4a22", "#4a2a12", (x - 0.5) / 0.06))
    # A leaf between two arcs, from the stalk to the upper right.
    turned = canvas.turned(0.535, 0.21, -28)
    along, across = turned.x, turned.y
    length = 0.27
    bulge = 0.075 * np.sin(np.pi * np.clip(along / length, 0, 1)) ** 0.8
    leaf = np.maximum(np.abs(across) - bulge, np.maximum(-along, along - length))
    green = mixed("#2f8f2f", "#69c043", 0.5 - across / 0.1)
    green = mixed(green, "#d8f0b0", 0.6 * canvas.inside(np.abs(across) - 0.004, 0.004))
    canvas.paint(canvas.inside(leaf), green)
    return canvas.levels()


def landscape(width: int = 384, height: int = 288) -> Array:
    """A house beside a tree on a meadow, hills behind it, under a sky with clouds."""
    canvas = Canvas(width, height)
    x, y = canvas.x, canvas.y
    canvas.paint(np.ones_like(x), mixed("#3f83cf", "#cfe6f5", y / 0.62))
    sky = noise(2.2 * x + 3, 5.5 * y, 5, seed=1)
    clouds = np.clip(1.6 * (sky - 0.12), 0, 1) * np.clip(1.3 - 1.8 * y, 0, 1)
    below = noise(2.2 * x + 3.05, 5.5 * y - 0.25, 5, seed=1)
    canvas.paint(clouds, mixed("#b9c4d4", "#ffffff", 0.75 + 0.8 * (sky - below)))
    _sun(canvas, 1.12, 0.14)
    for base, rise, far, near, seed in (
        (0.50, 0.07, "#8fb0c4", "#86a9a8", 4),
        (0.58, 0.08, "#6d9a63", "#4f8447", 5),
    ):
        ridge = base - rise * noise(2.1 * x + seed, np.zeros_like(x), 3, seed=seed)
        grain = noise(22 * x, 30 * y, 3, seed=seed)
        canvas.paint(canvas.inside(ridge - y), mixed(far, near, 5 * (y - ridge) + 0.35 * grain))
    ground = 0.655 + 0.03 * np.sin(2.6 * x + 0.4)
    blades = noise(60 * x, 26 * y / (0.4 + y), 3, seed=6)
    patches = noise(4 * x, 9 * y, 3, seed=7)
    grass = mixed("#7fb53e", "#3f7f2a", 1.6 * (y - ground) + 0.3 * blades + 0.25 * patches)
    canvas.paint(canvas.inside(ground - y), grass)
    _path(canvas)
    _house(canvas)
    _tree(canvas, 0.98, 0.76, 1.0)
    for k, (u, v) in enumerate(np.random.default_rng(8).uniform((0, 0.86), (1.34, 0.99), (70, 2))):
        if abs(u - 0.50 - 0.1 * (v - 0.8)) > 0.12:
            color = ("#f4d03f", "#f5f5f0", "#e2574c")[k % 3]
            canvas.paint(canvas.inside(canvas.disc(u, v, 0.006 + 0.012 * (v - 0.85))), color)
    return canvas.levels()


def sky_mask(side: int = 128) -> Array:
    """White in the upper half, above a hill, with a soft edge."""
    canvas = Canvas(side, side, "#000000")
    horizon = 0.56 - 0.05 * np.sin(np.pi * canvas.x)
    canvas.paint(canvas.inside(canvas.y - horizon, 0.03), "#ffffff")
    return canvas.levels()[..., 0]


def boat(share: float, width: int = 192, height: int = 144) -> Array:
    """A frame of a boat that sails from left to right; `share` is the time in [0, 1]."""
    canvas = Canvas(width, height)
    x, y = canvas.x, canvas.y
    canvas.paint(np.ones_like(x), mixed("#5fa8e6", "#e3f1fa", y / 0.6))
    sky = noise(2 * x + 1, 5 * y, 4, seed=2)
    canvas.paint(np.clip(1.5 * (sky - 0.15), 0, 1) * np.clip(1.2 - 2.2 * y, 0, 1), "#ffffff")
    _sun(canvas, 1.1, 0.16)
    ridge = 0.52 - 0.09 * noise(2.5 * x, np.zeros_like(x), 3, seed=9)
    canvas.paint(canvas.inside(ridge - y), mixed("#7fae74", "#4d8a55", 6 * (y - ridge)))
    wave = noise(7 * x - 4 * share, 34 * y + 3 * share, 3, seed=10)
    water = mixed("#4f9fd8", "#174f95", 1.9 * (y - 0.57) + 0.28 * wave)
    canvas.paint(canvas.inside(0.57 - y), water)
    across = 0.30 + 0.72 * share
    rock = 4 * np.sin(2 * np.pi * 1.5 * share)
    down = 0.74 + 0.012 * np.sin(2 * np.pi * 2 * share)
    _sailboat(canvas, across, down, rock)
    return canvas.levels()


def _sailboat(canvas: Canvas, across: float, down: float, degrees: float) -> None:
    turned = canvas.turned(across, down, degrees)
    u, v = turned.x, turned.y
    mast = turned.polygon((-0.008, -0.5), (0.008, -0.5), (0.008, 0), (-0.008, 0))
    turned.paint(turned.inside(mast), "#6b4423")
    main = turned.polygon((0.02, -0.48), (0.23, -0.07), (0.02, -0.07))
    turned.paint(turned.inside(main), mixed("#ffffff", "#d9dde6", 3 * u))
    jib = turned.polygon((-0.02, -0.44), (-0.02, -0.07), (-0.18, -0.07))
    turned.paint(turned.inside(jib), mixed("#f26d4f", "#c9402c", -4 * u))
    hull = turned.polygon((-0.24, -0.04), (0.27, -0.04), (0.17, 0.07), (-0.17, 0.07))
    turned.paint(turned.inside(hull), mixed("#a5522a", "#5f2a14", 8 * (v + 0.04)))
    rail = turned.polygon((-0.25, -0.055), (0.28, -0.055), (0.265, -0.03), (-0.235, -0.03))
    turned.paint(turned.inside(rail), "#f2e3c0")


def _sun(canvas: Canvas, x: float, y: float) -> None:
    distance = canvas.disc(x, y, 0.0)
    canvas.paint(0.55 * np.exp(-((distance / 0.16) ** 2)), "#fff3c0")
    canvas.paint(canvas.inside(distance - 0.065), "#fff0a0")


def _path(canvas: Canvas) -> None:
    """From the door of the house to the lower border."""
    x, y = canvas.x, canvas.y
    depth = np.clip((y - 0.77) / 0.23, 0, 1)
    middle = 0.485 + 0.07 * depth**2
    grain = noise(40 * x, 60 * y, 3, seed=11)
    distance = np.maximum(np.abs(x - middle) - 0.035 - 0.09 * depth, 0.765 - y)
    canvas.paint(canvas.inside(distance, 0.01), mixed("#d9c39a", "#a98f62", 0.4 + 0.4 * grain))


def _house(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    canvas.paint(0.4 * canvas.inside(canvas.disc(0.56, 0.775, 0.34, 0.12), 0.05), "#1f3a18")
    front = canvas.polygon((0.33, 0.50), (0.64, 0.50), (0.64, 0.77), (0.33, 0.77))
    boards = 0.12 * (np.mod(y, 0.027) < 0.004)
    canvas.paint(canvas.inside(front), mixed("#f3e6c8", "#b79f74", boards + 0.35 * (x - 0.33)))
    side = canvas.polygon((0.64, 0.50), (0.80, 0.53), (0.80, 0.75), (0.64, 0.77))
    canvas.paint(canvas.inside(side), mixed("#bfa67c", "#8d7650", boards + 2 * (x - 0.64)))
    chimney = canvas.polygon((0.66, 0.25), (0.72, 0.25), (0.72, 0.42), (0.66, 0.42))
    canvas.paint(canvas.inside(chimney), mixed("#a04a35", "#6e2f22", 8 * (x - 0.66)))
    gable = canvas.polygon((0.72, 0.34), (0.80, 0.535), (0.64, 0.51))
    canvas.paint(canvas.inside(gable), mixed("#bfa67c", "#8d7650", boards + 2 * (x - 0.64)))
    roof = canvas.polygon((0.37, 0.335), (0.72, 0.335), (0.66, 0.515), (0.29, 0.515))
    rows = np.mod(y, 0.03) / 0.03
    tiles = 0.5 * (rows < 0.2) + 0.35 * (np.mod(x + 0.02 * np.floor(y / 0.03), 0.04) < 0.006)
    canvas.paint(canvas.inside(roof), mixed("#c8503a", "#7d2a20", 0.9 * tiles + 0.8 * (x - 0.4)))
    verge = canvas.polygon((0.71, 0.33), (0.735, 0.33), (0.83, 0.55), (0.805, 0.55))
    canvas.paint(canvas.inside(verge), "#6b241b")
    eaves = canvas.polygon((0.29, 0.512), (0.665, 0.512), (0.665, 0.53), (0.29, 0.53))
    canvas.paint(canvas.inside(eaves), "#6b241b")
    for left, top, wide, high in ((0.36, 0.57, 0.075, 0.095), (0.54, 0.57, 0.075, 0.095)):
        _window(canvas, left, top, wide, high)
    door = canvas.polygon((0.455, 0.60), (0.515, 0.60), (0.515, 0.77), (0.455, 0.77))
    canvas.paint(canvas.inside(door - 0.008), "#fbf6ea")
    canvas.paint(canvas.inside(door), mixed("#3f6f9f", "#27496c", 6 * (x - 0.455)))
    canvas.paint(canvas.inside(canvas.disc(0.505, 0.69, 0.006)), "#f0d060")


def _window(canvas: Canvas, left: float, top: float, wide: float, high: float) -> None:
    frame = canvas.polygon(
        (left, top), (left + wide, top), (left + wide, top + high), (left, top + high)
    )
    canvas.paint(canvas.inside(frame - 0.008), "#fbf6ea")
    canvas.paint(canvas.inside(frame), mixed("#cfe8f7", "#4d7395", 9 * (canvas.y - top)))
    middle = np.minimum(np.abs(canvas.x - left - wide / 2), np.abs(canvas.y - top - high / 2))
    canvas.paint(canvas.inside(np.maximum(middle - 0.004, frame)), "#fbf6ea")


def _tree(canvas: Canvas, across: float, foot: float, size: float) -> None:
    """A trunk and a crown of lumps, lit from the upper right."""
    x, y = canvas.x, canvas.y
    canvas.paint(
        0.4 * canvas.inside(canvas.disc(across - 0.03, foot, 0.24 * size, 0.16), 0.06), "#1f3a18"
    )
    trunk = np.abs(x - across) - 0.026 * size - 0.05 * np.clip(y - foot + 0.07, 0, 1)
    trunk = np.maximum(trunk, np.maximum(foot - 0.32 * size - y, y - foot - 0.01))
    bark = noise(50 * x, 12 * y, 3, seed=12)
    canvas.paint(
        canvas.inside(trunk), mixed("#8a5f3a", "#4a2f1a", 0.5 - 8 * (x - across) + 0.4 * bark)
    )
    lumps = (
        (-0.13, -0.33, 0.11),
        (0.13, -0.34, 0.11),
        (-0.07, -0.45, 0.13),
        (0.08, -0.46, 0.12),
        (0.0, -0.33, 0.13),
        (0.01, -0.56, 0.09),
    )
    leaves = noise(34 * x, 34 * y, 3, seed=13)
    for u, v, radius in lumps:
        a, b, r = across + u * size, foot + v * size, radius * size
        distance = canvas.disc(a, b, r) + 0.022 * size * leaves
        light = 0.5 + 0.45 * ((x - a) - (y - b)) / r + 0.45 * noise(40 * x, 40 * y, 2, seed=14)
        canvas.paint(canvas.inside(distance), mixed("#1f5a22", "#86bf45", light))
