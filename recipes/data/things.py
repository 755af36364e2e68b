"""Trees, toys, food and a house as solids; each instance is slightly different."""

from __future__ import annotations

import numpy as np
import trimesh

from recipes.data.parts import (
    BLACK,
    BROWN,
    DARK_GREEN,
    GREEN,
    ORANGE,
    RED,
    WHITE,
    YELLOW,
    Part,
    Random,
    around,
    ball,
    box,
    joined,
    lathe,
    leaf,
    plain,
    rod,
    two,
)


def evergreen_tree(random: Random) -> list[Part]:
    tiers = [lathe((0, y), (r, y), (0.1, y + 0.85), (0, y + 0.9))
             for y, r in ((-0.7, 0.85), (-0.2, 0.68), (0.3, 0.5))]  # fmt: skip
    trunk = rod((0, -1.2, 0), (0, -0.6, 0), 0.16, 0.16)
    return [Part(joined(tiers), plain(DARK_GREEN, random)), Part(trunk, plain(BROWN, random))]


def deciduous_tree(random: Random) -> list[Part]:
    crown = [ball((0, 0.5, 0), 0.75)]
    for i in range(6):
        angle = 1.05 * i + random.uniform(-0.3, 0.3)
        crown.append(ball((0.45 * np.cos(angle), random.uniform(0.1, 0.75),
                           0.45 * np.sin(angle)), 0.45))  # fmt: skip
    trunk = rod((0, -1.2, 0), (0, 0, 0), 0.2, 0.16)
    return [Part(joined(crown), plain(GREEN, random)), Part(trunk, plain(BROWN, random))]


def cactus(random: Random) -> list[Part]:
    parts = [rod((0, -1.1, 0), (0, 0.9, 0), 0.32, 0.3)]
    for side, low in ((1, random.uniform(-0.4, 0)), (-1, random.uniform(-0.4, 0.2))):
        parts.append(rod((0, low, 0), (0.7 * side, low, 0), 0.2, 0.2))
        parts.append(rod((0.7 * side, low, 0), (0.7 * side, low + 0.7, 0), 0.2, 0.18))
    ribs = two(lambda p: np.abs(np.sin(14 * p[:, 0])) < 0.2, GREEN, DARK_GREEN, random)
    return [Part(joined(parts), ribs)]


def snowman(random: Random) -> list[Part]:
    body = joined([ball((0, -0.7, 0), 0.65), ball((0, 0.15, 0), 0.48), ball((0, 0.8, 0), 0.34)])
    coal = [ball((0.12 * s, 0.88, 0.3), 0.055) for s in (-1, 1)]
    coal += [ball((0, y, 0.47), 0.06) for y in (0.0, 0.25)]
    nose = rod((0, 0.78, 0.3), (0, 0.76, 0.6), 0.07, 0.02)
    hat = joined([lathe((0, 1.05), (0.4, 1.05), (0.4, 1.1), (0, 1.1)),
                  lathe((0, 1.1), (0.25, 1.1), (0.25, 1.42), (0, 1.42))])  # fmt: skip
    return [Part(body, plain(WHITE, random)), Part(joined(coal), plain(BLACK, random)),
            Part(nose, plain(ORANGE, random)), Part(hat, plain(BLACK, random))]  # fmt: skip


def ice_cream(random: Random) -> list[Part]:
    cone = lathe((0, -1.3), (0.5, 0.1), (0, 0.12))

    def waffle(place: np.ndarray) -> np.ndarray:
        u, v = 8 * around(place), 14 * place[:, 1]
        return (np.abs(np.sin((u + v) / 2)) < 0.2) | (np.abs(np.sin((u - v) / 2)) < 0.2)

    scoop = [ball((0, 0.35, 0), (0.56, 0.5, 0.56)), ball((0, 0.08, 0), (0.6, 0.14, 0.6))]
    flavour = ((250, 175, 195), (245, 230, 190), (115, 70, 45))[int(random.integers(3))]
    return [Part(cone, two(waffle, (225, 165, 90), (185, 120, 55), random)),
            Part(joined(scoop), plain(flavour, random))]  # fmt: skip


def doughnut(random: Random) -> list[Part]:
    ring = trimesh.creation.torus(0.65, 0.34, 48, 24)
    ring.vertices = ring.vertices[:, [1, 2, 0]]
    icing = ((245, 140, 185), (105, 60, 40), (250, 240, 235))[int(random.integers(3))]
    spread = random.uniform(-0.02, 0.06)

    def iced(place: np.ndarray) -> np.ndarray:
        return place[:, 1] > spread + 0.05 * np.sin(7 * around(place))

    return [Part(ring, two(iced, (205, 145, 80), icing, random))]


def rocket(random: Random) -> list[Part]:
    body = lathe((0, -0.8), (0.35, -0.8), (0.42, 0), (0.3, 0.7), (0, 1.3))
    skin = two(lambda p: p[:, 1] > 0.7, (235, 235, 240), RED, random)
    fins = [leaf((0, -0.5, 0), 2.1 * i, 2.4, 0.95, 0.24) for i in range(3)]
    window = ball((0, 0.3, 0.33), (0.17, 0.17, 0.1))
    flame = lathe((0, -1.35), (0.22, -0.85), (0, -0.75))
    return [Part(body, skin), Part(joined(fins), plain(RED, random)),
            Part(window, plain((90, 170, 230), random)),
            Part(flame, plain(ORANGE, random))]  # fmt: skip


def house(random: Random) -> list[Part]:
    walls = box((0, -0.3, 0), (1.4, 1, 1.2))
    ends = [(x, y, z) for z in (-0.68, 0.68) for x, y in ((-0.85, 0.2), (0.85, 0.2), (0, 0.95))]
    roof = trimesh.convex.convex_hull(np.array(ends))
    roof.unmerge_vertices()
    door = box((0, -0.52, 0.6), (0.32, 0.55, 0.04))
    windows = [box((0.45 * s, -0.2, z), (0.28, 0.28, 0.04)) for s in (-1, 1) for z in (-0.6, 0.6)]
    wall = ((245, 225, 185), (235, 235, 235), (240, 200, 140))[int(random.integers(3))]
    return [Part(walls, plain(wall, random)), Part(roof, plain((190, 65, 45), random)),
            Part(door, plain(BROWN, random)),
            Part(joined(windows), plain((120, 190, 235), random))]  # fmt: skip


def bell(random: Random) -> list[Part]:
    body = lathe((0.75, -0.8), (0.85, -0.75), (0.6, -0.3), (0.5, 0.4), (0.25, 0.75), (0, 0.8))
    rest = joined([ball((0, -0.85, 0), 0.2), ball((0, 0.88, 0), 0.14)])
    return [Part(body, plain((240, 190, 50), random)),
            Part(rest, plain((190, 135, 30), random))]  # fmt: skip


def egg(random: Random) -> list[Part]:
    shell = ((245, 240, 230), (225, 180, 140))[int(random.integers(2))]
    body = lathe((0, -1), (0.5, -0.85), (0.78, -0.25), (0.6, 0.5), (0, 1.1))
    return [Part(body, plain(shell, random))]


def basketball(random: Random) -> list[Part]:
    def seams(p: np.ndarray) -> np.ndarray:
        curved = np.abs(np.abs(p[:, 0]) - 0.45 - 0.35 * p[:, 1] ** 2)
        return (np.abs(p[:, 1]) < 0.035) | (np.abs(p[:, 0]) < 0.035) | (curved < 0.035)

    return [Part(ball(), two(seams, (230, 120, 40), BLACK, random))]


def cake(random: Random) -> list[Part]:
    tiers = joined([lathe((0, -0.6), (0.95, -0.6), (0.95, 0), (0, 0)),
                    lathe((0, 0), (0.62, 0), (0.62, 0.45), (0, 0.45))])  # fmt: skip
    icing = ((250, 190, 205), (250, 245, 235), (120, 70, 45))[int(random.integers(3))]

    def drips(place: np.ndarray) -> np.ndarray:
        level = np.where(place[:, 1] < 0.01, place[:, 1] + 0.22, place[:, 1] - 0.22)
        return level > 0.07 * np.sin(9 * around(place))

    candles = [rod((0.35 * np.cos(a), 0.45, 0.35 * np.sin(a)),
                   (0.35 * np.cos(a), 0.8, 0.35 * np.sin(a)), 0.045, 0.045)
               for a in np.arange(5) * 1.26]  # fmt: skip
    flames = [ball((0.35 * np.cos(a), 0.92, 0.35 * np.sin(a)), (0.05, 0.09, 0.05))
              for a in np.arange(5) * 1.26]  # fmt: skip
    return [Part(tiers, two(drips, (235, 190, 130), icing, random)),
            Part(joined(candles), plain((120, 190, 240), random)),
            Part(joined(flames), plain(YELLOW, random))]  # fmt: skip


def top_hat(random: Random) -> list[Part]:
    body = joined([lathe((0, -0.7), (1, -0.72), (1, -0.62), (0, -0.62)),
                   lathe((0, -0.62), (0.58, -0.62), (0.66, 0.7), (0, 0.7))])  # fmt: skip
    band = two(lambda p: (p[:, 1] > -0.6) & (p[:, 1] < -0.35), BLACK, RED, random)
    return [Part(body, band)]


def wrapped_gift(random: Random) -> list[Part]:
    paper = (RED, (60, 120, 215), (245, 190, 60), (90, 175, 90))[int(random.integers(4))]
    ribbon = (YELLOW, WHITE, RED)[int(random.integers(3))] if paper != RED else YELLOW

    def crossed(p: np.ndarray) -> np.ndarray:
        return (np.abs(p[:, 0]) < 0.13) | (np.abs(p[:, 2]) < 0.13)

    bow = [leaf((0, 0.7, 0), 1.57 * i, 0.9, 0.6, 0.2) for i in range(4)]
    return [Part(box((0, 0, 0), (1.4, 1.4, 1.4)), two(crossed, paper, ribbon, random)),
            Part(joined(bow), plain(ribbon, random))]  # fmt: skip


def drum(random: Random) -> list[Part]:
    body = lathe((0, -0.55), (0.85, -0.55), (0.85, 0.55), (0, 0.55))

    def look(place: np.ndarray) -> np.ndarray:
        side = np.hypot(place[:, 0], place[:, 2]) > 0.8
        zigzag = np.abs(place[:, 1] - 0.4 * (np.abs((around(place) * 8 / np.pi) % 2 - 1) * 2 - 1))
        rims = np.abs(place[:, 1]) > 0.45
        return ~side | (rims | (zigzag < 0.08))

    return [Part(body, two(look, RED, (250, 235, 200), random))]


def balloon(random: Random) -> list[Part]:
    body = lathe((0, -1), (0.4, -0.75), (0.8, 0.1), (0.6, 0.75), (0, 0.95))
    knot = lathe((0.12, -1.12), (0, -0.98))
    string = rod((0, -1.1, 0), (0.1, -1.9, 0.05), 0.015, 0.015)
    skin = (RED, (60, 120, 215), YELLOW)[int(random.integers(3))]
    paint = plain(skin, random)
    return [Part(joined([body, knot]), paint), Part(string, plain((120, 120, 120), random))]


def potted_plant(random: Random) -> list[Part]:
    pot = lathe((0, -1), (0.42, -1), (0.6, -0.3), (0.66, -0.25), (0.66, -0.12), (0, -0.12))
    leaves = [leaf((0, -0.15, 0), 2.4 * i, 0.15 + 0.11 * i, 1.15, 0.2) for i in range(8)]
    return [Part(pot, plain((195, 100, 60), random)),
            Part(joined(leaves), plain(GREEN, random))]  # fmt: skip


def cup(random: Random) -> list[Part]:
    wall = lathe((0, -0.7), (0.6, -0.7), (0.68, 0.6), (0.58, 0.6), (0.55, 0.4), (0, 0.4))
    handle = trimesh.creation.torus(0.34, 0.09, 32, 16)
    handle.apply_translation((0.75, 0, 0))
    color = (WHITE, RED, (70, 130, 200))[int(random.integers(3))]

    def coffee(place: np.ndarray) -> np.ndarray:
        inside = np.hypot(place[:, 0], place[:, 2]) < 0.545
        return inside & (place[:, 1] > 0.35) & (place[:, 1] < 0.45)

    return [Part(wall, two(coffee, color, (95, 60, 35), random)),
            Part(handle, plain(color, random))]  # fmt: skip
