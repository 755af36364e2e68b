"""The visible surface points of a body, which costumes paint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from guidance.generators.mesh.param.body_parts import PARTS
from recipes.data.colors import PALETTE

Array = np.ndarray
Color = tuple[int, int, int]
#: Colors besides those of `recipes.data.colors`.
MORE: dict[str, Color] = {
    "silver": (178, 184, 192), "gold": (222, 172, 55), "bronze": (160, 110, 60),
    "navy": (32, 42, 88), "teal": (30, 140, 140), "ivory": (236, 228, 205),
    "sand": (214, 186, 128), "olive": (96, 104, 58), "dark gray": (70, 72, 78),
    "dark brown": (74, 48, 30), "dark red": (140, 22, 30), "dark green": (38, 84, 46),
    "light gray": (196, 199, 204), "light green": (140, 210, 110), "moss": (122, 152, 96),
    "pale": (238, 224, 216), "sky": (120, 190, 240), "wood": (176, 122, 70), "lime": (190, 220, 40),
}  # fmt: skip
SKINS: tuple[Color, ...] = ((232, 196, 170), (204, 158, 133), (160, 112, 82), (98, 66, 48))
HAIRS: tuple[Color, ...] = (
    (56, 41, 31), (28, 26, 28), (120, 78, 44), (214, 178, 104), (170, 72, 36), (150, 150, 150),
)  # fmt: skip
#: What the map of the embedded body shows, by its colors: see `recipes.body_paint`.
KINDS = ("suit", "skin", "hair", "shoes", "white", "lips", "iris")
MAP = np.array(
    [(107, 120, 138), (204, 158, 133), (56, 41, 31), (51, 51, 56), (240, 240, 235), (178, 112, 99),
     (51, 36, 26)]
)  # fmt: skip
SHOULDER, WRIST, HIP, ANKLE, NECK = 0.184, 0.712, 0.969, 0.081, 1.559  # meters, of the T-pose


@dataclass
class Canvas:
    """`m` surface points in the T-pose of the embedded body, and the colors that they get.

    `place [m, 3]` is in meters, y up, facing +z. `front [m]` is the z component of the normal.
    """

    place: Array
    front: Array
    part: Array  # int [m], index in `PARTS`
    kind: Array  # int [m], index in `KINDS`
    random: np.random.Generator
    color: Array  # float [m, 3] in [0, 255]

    @classmethod
    def of(
        cls, place: Array, front: Array, part: Array, kind: Array, random: np.random.Generator
    ) -> Canvas:
        """With skin, hair and a face, and nothing else."""
        canvas = cls(place, front, part, kind, random, np.zeros((len(place), 3)))
        skin, hair = (np.array(each[random.integers(len(each))]) for each in (SKINS, HAIRS))
        canvas.color[:] = skin + random.normal(0, 6, 3)
        canvas.put(hair, canvas.of_kind("hair"))
        # At the seams of the map, texels between two kinds look like lips.
        canvas.kind = np.where(
            canvas.of_kind("lips") & ((canvas.y > 1.66) | (canvas.y < 1.6) | (front < 0)),
            KINDS.index("skin"), canvas.kind,
        )  # fmt: skip
        canvas.put(0.75 * skin + (50, 0, 0), canvas.of_kind("lips"))
        canvas.put("white", canvas.of_kind("white"))
        canvas.put((45, 32, 25), canvas.of_kind("iris"))
        return canvas

    @property
    def x(self) -> Array:
        return self.place[:, 0]

    @property
    def y(self) -> Array:
        return self.place[:, 1]

    @property
    def z(self) -> Array:
        return self.place[:, 2]

    @property
    def arm(self) -> Array:
        """0 at the shoulder, 1 at the wrist."""
        return (np.abs(self.x) - SHOULDER) / (WRIST - SHOULDER)

    @property
    def leg(self) -> Array:
        """0 at the hip, 1 at the ankle."""
        return (HIP - self.y) / (HIP - ANKLE)

    @property
    def trunk(self) -> Array:
        """0 at the hip, 1 at the neck."""
        return (self.y - HIP) / (NECK - HIP)

    def at(self, parts: str) -> Array:
        """Whether a point is on one of the parts, separated by spaces; "arms" etc. are several."""
        groups = {
            "torso": "chest belly", "arms": "upper_arms forearms", "legs": "thighs shins",
            "head": "face scalp", "clothed": "chest belly hips upper_arms forearms thighs shins",
            "all": " ".join(PARTS),
        }  # fmt: skip
        names = " ".join(groups.get(each, each) for each in parts.split()).split()
        return np.isin(self.part, [PARTS.index(name) for name in names])

    def of_kind(self, kind: str) -> Array:
        """Whether the embedded map has this kind here."""
        return self.kind == KINDS.index(kind)

    def put(self, color: str | Array | Color, where: Array | str) -> None:
        """Colors points; a color by name varies a little."""
        inside = self.at(where) if isinstance(where, str) else where
        self.color[inside] = self.shade(color) if isinstance(color, str) else color

    def shade(self, name: str) -> Array:
        """A color of a name."""
        typical = np.array(MORE.get(name) or PALETTE[name], float)
        found: Array = np.clip(typical + self.random.normal(0, 9, 3), 0, 255)
        return found

    def any_of(self, *names: str) -> str:
        """One of several colors by name."""
        return str(self.random.choice(names))

    def disc(self, x: float, y: float, radius: float, *, front: bool = True) -> Array:
        """Points of the front, or of the back, within a circle."""
        side = self.front > 0.05 if front else self.front < -0.05
        return side & (np.hypot(self.x - x, self.y - y) < radius)

    def box(self, x: tuple[float, float], y: tuple[float, float], *, front: bool = True) -> Array:
        """Points of the front, or of the back, within a rectangle."""
        side = self.front > 0.05 if front else self.front < -0.05
        return side & (self.x > x[0]) & (self.x < x[1]) & (self.y > y[0]) & (self.y < y[1])

    def stripes(self, pitch: float, *, width: float = 0.5) -> Array:
        """Bands around the trunk, the legs and the arms; `pitch` in meters."""
        along = np.where(self.at("arms"), np.abs(self.x), self.y)
        return (along / pitch) % 1 < width

    def spots(self, pitch: float, radius: float) -> Array:
        """Dots on a hexagonal lattice over front and back; both in meters."""
        row = np.floor(self.y / pitch)
        u = (self.x / pitch + 0.5 * (row % 2)) % 1 - 0.5
        v = (self.y / pitch) % 1 - 0.5
        return np.hypot(u, v) * pitch < radius

    def noise(self, pitch: float) -> Array:
        """A smooth random field over the body, about -1 to 1."""
        waves = self.random.normal(0, 1 / pitch, (3, 4))
        found: Array = np.sin(self.place @ waves + self.random.uniform(0, 6, 4)).mean(1)
        return found * 1.6
