"""Places on a body, in the coordinates of the embedded body, so that one table suits all bodies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.body.body import Body
from guidance.body.joint_names import NAMES
from guidance.generators.mesh.param.body_parts import PARTS, part_weights

#: Landmarks of the embedded body in the T-pose, in meters: heights, and distances from the middle.
ANKLE, KNEE, HIP, SHOULDER, NECK, HEAD, TOP = 0.081, 0.537, 0.969, 1.458, 1.559, 1.66, 1.819
SHOULDER_X, ELBOW_X, WRIST_X = 0.184, 0.463, 0.712
_HEIGHTS = (
    ("ankle", ANKLE),
    ("knee", KNEE),
    ("hip", HIP),
    ("shoulder", SHOULDER),
    ("neck", NECK),
    ("head", HEAD),
)
_WIDTHS = (("shoulder", SHOULDER_X), ("elbow", ELBOW_X), ("wrist", WRIST_X))
#: Names of several parts.
_GROUPS = {
    "torso": "chest belly",
    "arms": "upper_arms forearms",
    "legs": "thighs shins",
    "head": "face scalp",
    "clothed": "chest belly hips upper_arms forearms thighs shins",
    "all": " ".join(PARTS),
}


@dataclass(frozen=True)
class Figure:
    """`m` points on the surface of a body in the T-pose, y up, facing +z, and their parts."""

    place: Float[Tensor, "m 3"]  # in meters of the embedded body, whose proportions they have
    normal: Float[Tensor, "m 3"]
    weights: Float[Tensor, "m k"]  # shares of `PARTS`

    @classmethod
    def of(cls, body: Body) -> Figure:
        """The vertices of a body."""
        points, faces = body.template.cpu().float(), body.faces.cpu().long()
        corners = points[faces]
        across = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals = torch.zeros_like(points).index_add(
            0, faces.flatten(), across.repeat_interleave(3, 0)
        )
        normals = torch.nn.functional.normalize(normals, dim=1)
        return cls(_as_embedded(body, points), normals, part_weights(body))

    def sampled(self, baked_triangle: Tensor, weights: Tensor, faces: Tensor) -> Figure:
        """Points of the faces by their barycentric coordinates."""

        def mean(values: Tensor) -> Tensor:
            return (weights[..., None] * values[faces.long()[baked_triangle]]).sum(1)

        return Figure(mean(self.place), mean(self.normal), mean(self.weights))

    @property
    def x(self) -> Float[Tensor, "m"]:
        return self.place[:, 0]

    @property
    def y(self) -> Float[Tensor, "m"]:
        return self.place[:, 1]

    @property
    def z(self) -> Float[Tensor, "m"]:
        return self.place[:, 2]

    @property
    def front(self) -> Float[Tensor, "m"]:
        """The z component of the normal: 1 in front, -1 behind."""
        return self.normal[:, 2]

    @property
    def arm(self) -> Float[Tensor, "m"]:
        """0 at the shoulder, 1 at the wrist."""
        return (self.x.abs() - SHOULDER_X) / (WRIST_X - SHOULDER_X)

    @property
    def leg(self) -> Float[Tensor, "m"]:
        """0 at the hip, 1 at the ankle."""
        return (HIP - self.y) / (HIP - ANKLE)

    @cached_property
    def part(self) -> Int[Tensor, "m"]:
        """The index in `PARTS`."""
        return self.weights.argmax(1)

    def at(self, parts: str) -> Bool[Tensor, "m"]:
        """Points on one of the parts, or groups of parts, separated by spaces."""
        names = " ".join(_GROUPS.get(each, each) for each in parts.split()).split()
        return torch.isin(self.part, torch.tensor([PARTS.index(name) for name in names]))

    def share(self, parts: str) -> Float[Tensor, "m"]:
        """The share of these parts at each point: it falls smoothly at their borders."""
        names = " ".join(_GROUPS.get(each, each) for each in parts.split()).split()
        return self.weights[:, [PARTS.index(name) for name in names]].sum(1)

    def disc(self, x: float, y: float, radius: float, *, front: bool = True) -> Bool[Tensor, "m"]:
        """Points of the front, or of the back, within a circle."""
        return self._side(front) & (torch.hypot(self.x - x, self.y - y) < radius)

    def box(
        self, x: tuple[float, float], y: tuple[float, float], *, front: bool = True
    ) -> Bool[Tensor, "m"]:
        """Points of the front, or of the back, within a rectangle."""
        inside = (self.x > x[0]) & (self.x < x[1]) & (self.y > y[0]) & (self.y < y[1])
        return self._side(front) & inside

    def stripes(self, pitch: float, width: float = 0.5) -> Bool[Tensor, "m"]:
        """Bands around the trunk, the legs and the arms; `pitch` in meters."""
        along = torch.where(self.at("arms"), self.x.abs(), self.y)
        return (along / pitch) % 1 < width

    def spots(self, pitch: float, radius: float) -> Bool[Tensor, "m"]:
        """Dots on a hexagonal lattice over front and back; both in meters."""
        row = (self.y / pitch).floor()
        u = (self.x / pitch + 0.5 * (row % 2)) % 1 - 0.5
        v = (self.y / pitch) % 1 - 0.5
        return torch.hypot(u, v) * pitch < radius

    def patches(self, pitch: float) -> Float[Tensor, "m"]:
        """An irregular field, about -1 to 1, for camouflage and dirt."""
        waves = torch.tensor([[0.9, -0.5, 0.3, 1.1], [0.7, 1.2, -0.9, 0.2], [-0.4, 0.8, 1.0, -1.1]])
        phase = torch.tensor([0.3, 1.7, 4.1, 2.6])
        return 1.6 * (self.place @ (waves / pitch) + phase).sin().mean(1)

    def _side(self, front: bool) -> Bool[Tensor, "m"]:
        return self.front > 0.05 if front else self.front < -0.05

    def moved(self, place: Float[Tensor, "m 3"]) -> Figure:
        """The same points at other places."""
        return replace(self, place=place)


def scale_of(body: Body) -> float:
    """The height of a body relative to that of the embedded one."""
    heights = body.template[:, 1]
    return max(float(heights.max() - heights.min()), 1e-6) / TOP


def _as_embedded(body: Body, points: Float[Tensor, "p 3"]) -> Float[Tensor, "p 3"]:
    """Points of the T-pose with the joints where those of the embedded body are."""
    scale = scale_of(body)
    low, high = float(points[:, 1].min()), float(points[:, 1].max())
    heights = [(low, 0.0)]
    heights += [(float(_joint(body, name)[1]), own) for name, own in _HEIGHTS if _has(body, name)]
    y = _piecewise(points[:, 1], [*heights, (high, TOP)])
    widths = [(0.0, 0.0)]
    widths += [(abs(float(_joint(body, name)[0])), x) for name, x in _WIDTHS if _has(body, name)]
    last, own = widths[-1]
    widths.append((last + scale, own + 1.0))
    x = points[:, 0].sign() * _piecewise(points[:, 0].abs(), widths)
    return torch.stack([x, y, points[:, 2] / scale], 1)


def _index(body: Body, name: str) -> int:
    full = name if name in NAMES else f"left_{name}"
    return body.canonical[NAMES.index(full)]


def _has(body: Body, name: str) -> bool:
    return _index(body, name) >= 0


def _joint(body: Body, name: str) -> Float[Tensor, "3"]:
    return body.rest[_index(body, name)].cpu()


def _piecewise(values: Float[Tensor, "p"], knots: list[tuple[float, float]]) -> Float[Tensor, "p"]:
    """Linear between knots (from, to) that increase; those that do not increase are left out."""
    kept = [knots[0]]
    for knot in knots[1:]:
        if knot[0] > kept[-1][0] + 1e-4 and knot[1] > kept[-1][1]:
            kept.append(knot)
    source, target = torch.tensor(kept).T.contiguous()
    place = torch.searchsorted(source, values.contiguous()).clamp(1, len(kept) - 1)
    share = (values - source[place - 1]) / (source[place] - source[place - 1])
    found: Tensor = target[place - 1] + share * (target[place] - target[place - 1])
    return found
