"""Shapes of clothes that a run can start with: a skirt, a helmet, a hat as offsets of vertices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.generators.mesh.param.figure import ANKLE, HIP, Figure

#: From the points of a body, with what earlier shapes did, to where they are in clothes.
Shape = Callable[[Figure], Float[Tensor, "m 3"]]
#: Center of the head, and of the legs: distance from the middle at the hip and at the ankle.
HEAD_CENTER = (0.0, 1.69, 0.045)
LEG_X, LEG_X_BELOW = 0.1, 0.13
#: Height at which the legs part.
CROTCH = 0.86


def _step(low: float, high: float, values: Tensor) -> Tensor:
    """0 below, 1 above, and smooth between."""
    share = ((values - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)


def _inflated(amounts: Mapping[str, float]) -> Shape:
    """Moves parts along their normals, by meters for each."""

    def shape(f: Figure) -> Tensor:
        total = torch.zeros_like(f.x)
        for parts, amount in amounts.items():
            total = total + amount * f.share(parts)
        return f.place + total[:, None] * f.normal

    return shape


@dataclass(frozen=True)
class _Skirt:
    """A skirt from a height in meters down to a share of the leg: each leg becomes half of it."""

    length: float
    flare: float  # growth of its radius, relative to its length
    waist: float = 1.04

    def share(self, f: Figure) -> Tensor:
        """1 for points of the skirt; smooth at the waist."""
        low = HIP - self.length * (HIP - ANKLE)
        own = f.share("hips legs belly") * _step(self.waist + 0.02, self.waist - 0.05, f.y)
        return own * (f.y > low)

    def __call__(self, f: Figure) -> Tensor:
        down = (self.waist - f.y).clamp_min(0)
        wide, deep = 0.17 + self.flare * down, 0.125 + 0.9 * self.flare * down
        side = torch.where(f.x < 0, -1.0, 1.0)
        # Around the trunk.
        angle = torch.hypot(f.x / wide, (f.z - 0.005) / deep).clamp_min(1e-6)
        grown = (1 / angle).clamp_min(1)
        trunk = torch.stack([f.x * grown, f.y, (f.z - 0.005) * grown + 0.005], 1)
        # Around a leg: its outer three quarters are the half of the ellipse, the rest is between.
        axis = LEG_X + (LEG_X_BELOW - LEG_X) * ((HIP - f.y) / (HIP - ANKLE)).clamp(0, 1)
        turn = torch.atan2(f.z + 0.005, side * f.x - axis)
        outer = (turn / (0.72 * pi)).clamp(-1, 1) * pi / 2
        inner = 1 - 2 * ((turn.abs() / pi - 0.72) / 0.28).clamp(0, 1)
        inside = turn.abs() > 0.72 * pi
        x = torch.where(inside, 0.002, wide * outer.cos() + 0.002)
        z = torch.where(inside, deep * turn.sign() * (inner + 1) / 2, deep * outer.sin())
        leg = torch.stack([side * x, f.y, z + 0.005], 1)
        over = _step(CROTCH + 0.05, CROTCH + 0.01, f.y)[:, None]
        worn = trunk + over * (leg - trunk)
        found: Tensor = f.place + self.share(f)[:, None] * (worn - f.place)
        return found


def _helmet(
    x: float, y: float, z: float, center: tuple[float, float, float] = HEAD_CENTER
) -> Shape:
    """An ellipsoid around the head, with these radii in meters."""

    def shape(f: Figure) -> Tensor:
        middle, radii = f.place.new_tensor(center), f.place.new_tensor((x, y, z))
        away = (f.place - middle) / radii
        on = away / away.norm(dim=1, keepdim=True).clamp_min(1e-6) * radii + middle
        own = f.share("head neck") * _step(1.55, 1.6, f.y)
        found: Tensor = f.place + own[:, None] * (on - f.place)
        return found

    return shape


def _hat(
    profile: tuple[tuple[float, float, float], ...],
    line: float = 1.715,
) -> Shape:
    """A hat by its outline from the brow up to the top.

    Args:
        profile: (share of the way up the head, radius relative to that of the head, height above
            the line in meters).
        line: height of the hat's lower edge.
    """
    shares, radii, heights = (torch.tensor(each) for each in zip(*profile, strict=True))

    def at(values: Tensor, share: Tensor) -> Tensor:
        place = torch.searchsorted(shares.contiguous(), share.contiguous()).clamp(
            1, len(shares) - 1
        )
        low, high = shares[place - 1], shares[place]
        mixed = ((share - low) / (high - low)).clamp(0, 1)
        found: Tensor = values[place - 1] + mixed * (values[place] - values[place - 1])
        return found

    def shape(f: Figure) -> Tensor:
        x, z = f.x, f.z - HEAD_CENTER[2]
        flat = torch.hypot(x, z).clamp_min(1e-6)
        up = torch.atan2(f.y - line, flat) / (pi / 2)
        share = up.clamp(0, 1)
        radius, height = at(radii, share), at(heights, share)
        oval = torch.stack([0.082 * x / flat, 0.1 * z / flat], 1)
        place = torch.stack(
            [oval[:, 0] * radius, line + height, oval[:, 1] * radius + HEAD_CENTER[2]], 1
        )
        own = f.share("scalp") * (up > 0)
        return f.place + own[:, None] * (place - f.place)

    return shape


def _pack(depth: float) -> Shape:
    """A box on the back."""

    def shape(f: Figure) -> Tensor:
        inside = _step(0.16, 0.12, f.x.abs()) * _step(1.06, 1.11, f.y) * _step(1.52, 1.47, f.y)
        own = inside * f.share("torso") * _step(0.1, -0.3, f.front)
        back = torch.stack([f.x, f.y, torch.full_like(f.z, -0.09 - depth)], 1)
        return f.place + own[:, None] * (back - f.place)

    return shape


def _cape(length: float, depth: float) -> Shape:
    """A sheet behind the back and the legs."""

    def shape(f: Figure) -> Tensor:
        down = (1.5 - f.y).clamp_min(0)
        low = HIP - length * (HIP - ANKLE)
        behind = _step(0.1, -0.25, f.front) * f.share("torso hips legs") * (f.y > low)
        behind = behind * _step(1.52, 1.44, f.y)
        wide = 1 + 0.55 * _step(CROTCH + 0.1, CROTCH - 0.1, f.y)
        x = f.x * wide
        sheet = torch.stack([x, f.y, -0.1 - depth * down], 1)
        return f.place + behind[:, None] * (sheet - f.place)

    return shape


def _pauldrons(f: Figure) -> Tensor:
    """Round plates on the shoulders."""
    near = torch.exp(-(((f.x.abs() - 0.2) / 0.07) ** 2) - ((f.y - 1.48) / 0.09) ** 2)
    own = 0.04 * near * f.share("torso upper_arms")
    return f.place + own[:, None] * f.normal


#: Each shape by its name.
SHAPES: dict[str, Shape] = {
    "loose": _inflated({"torso": 0.012, "hips": 0.012, "arms": 0.012, "legs": 0.012}),
    "jacket": _inflated({"torso": 0.018, "arms": 0.014, "hips": 0.01}),
    "trousers": _inflated({"hips": 0.008, "legs": 0.018}),
    "puffy": _inflated(
        {"torso": 0.035, "hips": 0.03, "arms": 0.03, "legs": 0.035, "feet": 0.015, "hands": 0.004}
    ),
    "armor": _inflated(
        {"torso": 0.022, "arms": 0.014, "thighs": 0.014, "shins": 0.02, "hips": 0.012}
    ),
    "pauldrons": _pauldrons,
    "boots": _inflated({"shins": 0.012, "feet": 0.008}),
    "wig": _inflated({"scalp": 0.055}),
    "skirt": _Skirt(0.45, 0.25),
    "tunic": _Skirt(0.33, 0.2),
    "short_skirt": _Skirt(0.3, 0.35),
    "coat": _Skirt(0.47, 0.14, 1.1),
    "dress": _Skirt(0.47, 0.3),
    "gown": _Skirt(0.93, 0.3),
    "robe": _Skirt(0.9, 0.16, 1.1),
    "helmet": _helmet(0.15, 0.165, 0.155, (0.0, 1.7, 0.045)),
    "bucket_helmet": _helmet(0.105, 0.15, 0.125, (0.0, 1.69, 0.045)),
    "hard_hat": _hat(
        (
            (0.0, 1.45, 0.0),
            (0.12, 1.5, 0.008),
            (0.14, 1.22, 0.015),
            (0.5, 1.15, 0.08),
            (0.8, 0.8, 0.125),
            (1.0, 0.0, 0.14),
        )
    ),
    "toque": _hat(
        (
            (0.0, 1.1, 0.0),
            (0.3, 1.12, 0.08),
            (0.34, 1.5, 0.1),
            (0.6, 1.65, 0.2),
            (0.8, 1.3, 0.245),
            (1.0, 0.0, 0.25),
        )
    ),
    "cone_hat": _hat(
        (
            (0.0, 2.1, 0.0),
            (0.14, 2.1, 0.006),
            (0.16, 1.15, 0.02),
            (0.6, 0.65, 0.2),
            (1.0, 0.0, 0.42),
        )
    ),
    "wide_hat": _hat(
        (
            (0.0, 2.1, 0.0),
            (0.14, 2.1, 0.008),
            (0.16, 1.12, 0.02),
            (0.6, 1.0, 0.11),
            (0.8, 0.8, 0.13),
            (1.0, 0.0, 0.115),
        )
    ),
    "tricorn": _hat(
        (
            (0.0, 1.75, 0.06),
            (0.14, 1.8, 0.075),
            (0.17, 1.1, 0.03),
            (0.6, 1.0, 0.1),
            (1.0, 0.0, 0.12),
        )
    ),
    "peaked_cap": _hat(
        (
            (0.0, 1.7, -0.008),
            (0.13, 1.7, 0.0),
            (0.15, 1.08, 0.012),
            (0.3, 1.1, 0.05),
            (0.42, 1.4, 0.085),
            (0.6, 1.3, 0.105),
            (1.0, 0.0, 0.11),
        )
    ),
    "crown": _hat(
        ((0.0, 1.1, 0.0), (0.5, 1.25, 0.09), (0.52, 1.1, 0.09), (0.6, 1.0, 0.05), (1.0, 0.0, 0.05))
    ),
    "pointed_cap": _hat(
        ((0.0, 1.12, 0.0), (0.12, 1.2, 0.03), (0.2, 1.1, 0.035), (0.6, 0.7, 0.15), (1.0, 0.0, 0.27))
    ),
    "pack": _pack(0.13),
    "cape": _cape(0.7, 0.1),
}


def worn(figure: Figure, names: tuple[str, ...]) -> Float[Tensor, "m 3"]:
    """Offsets of the points in clothes of these shapes, one over the other."""
    dressed = figure
    for name in names:
        dressed = dressed.moved(SHAPES[name](dressed))
    return dressed.place - figure.place


def of_skirts(figure: Figure, names: tuple[str, ...]) -> Float[Tensor, "m"] | None:
    """1 for the points of skirts among these shapes; None without any."""
    shares = [shape.share(figure) for name in names if isinstance(shape := SHAPES[name], _Skirt)]
    return torch.stack(shares).amax(0) if shares else None
