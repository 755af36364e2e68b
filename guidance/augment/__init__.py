"""Random crops of images: what keeps an image from fooling an encoder at one exact place.

A crop is one homography (crop, rotation, perspective, flip), a background where the image is
transparent, one colour matrix, and noise. All samples, views and crops are made at once, in
micro-batches of any size, and all draws belong to their sample, whatever its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.augment.backgrounds import KINDS, NUM_DRAWS, paint
from guidance.augment.color import jitter_matrices, recolor
from guidance.augment.grain import Grain
from guidance.augment.warp import shrink, square_to_quad, warp
from guidance.errors import InputError
from guidance.outputs import Images
from guidance.schedule import Schedule
from guidance.types import StepContext

__all__ = ["Augment", "Crops", "Part"]

#: A number, or a schedule such as "0.3 -> 0".
Strength = float | str

NUM_GEOMETRY = 15  # scale, aspect, centre x y, rotation, flip, whole, eight corner coordinates
COLOR = ("brightness", "contrast", "saturation", "hue_deg")
#: The least and greatest value of each strength.
LIMITS = {
    "aspect": (1.0, 4.0),
    "rotation_deg": (0.0, 180.0),
    "perspective": (0.0, 0.99),
    "flip": (0.0, 1.0),
    "whole": (0.0, 1.0),
    "brightness": (0.0, 1.0),
    "contrast": (0.0, 1.0),
    "saturation": (0.0, 1.0),
    "hue_deg": (0.0, 180.0),
    "noise": (0.0, 1.0),
}


@dataclass(frozen=True)
class Part:
    """The crops of one micro-batch."""

    samples: slice
    views: slice
    crops: slice

    @property
    def place(self) -> tuple[slice, slice, slice]:
        """The index into tensors [n, v, k, ...]."""
        return self.samples, self.views, self.crops


EVERYTHING = Part(slice(None), slice(None), slice(None))


@dataclass(frozen=True)
class Crops:
    """The draws of one step: `k` crops of each of `v` views of `n` samples, `size` a side."""

    size: int
    homographies: Float[Tensor, "n v k 3 3"]  # crop's [-1, 1]^2 to image's [-1, 1]^2
    colors: Float[Tensor, "n v k 3 4"] | None
    kinds: Int[Tensor, "n v k"]  # of backgrounds; on the CPU
    backgrounds: Float[Tensor, "n v k draws"]
    grain: Grain | None
    noise: float  # its standard deviation
    scale: float  # typical side of a crop, as a share of the image's shorter side
    sees_outside: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """n, v and k."""
        n, v, k = self.homographies.shape[:3]
        return n, v, k

    def parts(self, micro_batch: int) -> Iterator[Part]:
        """Micro-batches of at most `micro_batch` crops each, which touch few images each."""
        n, v, k = self.shape
        steps = (
            max(1, micro_batch // (v * k)),
            max(1, micro_batch // k) if micro_batch < v * k else v,
            min(k, micro_batch),
        )
        for samples in _even_slices(n, steps[0]):
            for views in _even_slices(v, steps[1]):
                for crops in _even_slices(k, steps[2]):
                    yield Part(samples, views, crops)


@dataclass(frozen=True)
class Augment:
    """How images are varied before an encoder sees them; every strength may be a schedule.

    Where an image has alpha, crops are composited over `backgrounds`. An image without alpha
    is continued by reflection where a crop reaches past its border, unless `scale` goes above 1:
    then the whole image is meant to be seen from further away, and lies on `backgrounds` too.
    """

    crops: int = 16  # of each sample in a step, dealt out evenly to its views, at least one each
    scale: tuple[Strength, Strength] = (0.6, 1.0)  # least and greatest side, in shorter sides
    aspect: Strength = 1.0  # width / height within [1 / aspect, aspect]
    rotation_deg: Strength = 8.0  # within +- this
    perspective: Strength = 0.2  # corners move by up to this share of half the half side, in [0, 1)
    flip: Strength = 0.0  # share of crops that are mirrored left to right
    whole: Strength = 0.25  # share of crops that show the whole image, upright
    brightness: Strength = 0.1
    contrast: Strength = 0.1
    saturation: Strength = 0.1
    hue_deg: Strength = 0.0
    noise: Strength = 0.0  # standard deviation
    backgrounds: tuple[str, ...] = ("solid", "checker", "noise", "blur")

    def __post_init__(self) -> None:
        self._check()

    @classmethod
    def plain(cls) -> Augment:
        """One crop of each view: the whole image as it is, over white."""
        return cls(
            crops=1,
            scale=(1.0, 1.0),
            whole=1.0,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            noise=0.0,
            backgrounds=("none",),
        )

    def draw(self, context: StepContext, rendering: Images, size: int) -> Crops:
        """Draws one step's crops of `size` pixels a side; the draws never depend on the pixels."""
        n, v, _, height, width = rendering.shape
        if len(context.seeds) != n:
            raise InputError(f"crops of {n} samples need a seed each, got {len(context.seeds)}")
        k = math.ceil(self.crops / v)
        now = self._at(context.progress)
        draws = context.uniform("augment", v, k, NUM_GEOMETRY + len(COLOR) + 2 + NUM_DRAWS)
        geometry, color, rest = torch.split(draws, [NUM_GEOMETRY, len(COLOR), 2 + NUM_DRAWS], -1)
        b, c, s, hue_deg = (now[name] for name in COLOR)
        strengths = (b, c, s, hue_deg)
        menu = torch.tensor([KINDS.index(kind) for kind in self.backgrounds])
        sees_outside = now["greatest"] > 1
        cut_out = rendering.alpha is not None or sees_outside
        grainy = now["noise"] > 0 or (cut_out and "noise" in self.backgrounds)
        like = torch.empty(0, dtype=rendering.dtype, device=rendering.device)
        return Crops(
            size=size,
            homographies=square_to_quad(_corners(geometry, now, (height, width))).to(like),
            colors=jitter_matrices(color, strengths).to(like) if any(strengths) else None,
            kinds=menu[(rest[..., 0] * len(menu)).long()],
            backgrounds=rest[..., 2:].to(like),
            grain=Grain.draw(context, size, rest[..., 1]).to(like) if grainy else None,
            noise=now["noise"],
            scale=math.sqrt(now["least"] * now["greatest"]),
            sees_outside=sees_outside,
        )

    def apply(
        self, rendering: Images, crops: Crops, part: Part = EVERYTHING
    ) -> Float[Tensor, "b 3 size size"]:
        """The crops of one part, in the order of [n, v, k], differentiable in image and alpha."""
        place = part.place
        homographies = crops.homographies[place].flatten(0, 1)
        pictures = rendering.image[place[:2]].flatten(0, 1)
        if rendering.alpha is not None:
            pictures = torch.cat([pictures, rendering.alpha[place[:2]].flatten(0, 1)], 1)
        elif crops.sees_outside:
            pictures = torch.cat([pictures, torch.ones_like(pictures[:, :1])], 1)
        cut_out = pictures.shape[1] == 4
        small = shrink(pictures, crops.size, crops.scale)
        out = warp(small, homographies, crops.size, "zeros" if cut_out else "reflection")
        grain = crops.grain.part(place) if crops.grain else None
        if cut_out:
            kinds, draws = crops.kinds[place].flatten(), crops.backgrounds[place].flatten(0, 2)
            colors, alpha = torch.split(out, [3, 1], 1)
            out = torch.addcmul(colors, 1 - alpha, paint(kinds, draws, grain, crops.size))
        noise = grain.windows().mul_(crops.noise) if grain and crops.noise else None
        if crops.colors is not None:
            return recolor(out, crops.colors[place].flatten(0, 2), noise)
        return out if noise is None else out + noise

    def _at(self, progress: float) -> dict[str, float]:
        """The strengths at this progress, by name, with the range of scale as least, greatest."""
        given = {name: getattr(self, name) for name in LIMITS}
        given |= {"least": self.scale[0], "greatest": self.scale[1]}
        return {name: Schedule.parse(value)(progress) for name, value in given.items()}

    def _check(self) -> None:
        if self.crops < 1:
            raise InputError(f"Augment.crops: expected at least 1, got {self.crops}")
        unknown = set(self.backgrounds) - set(KINDS)
        if unknown or not self.backgrounds:
            known = ", ".join(KINDS)
            raise InputError(f"Augment.backgrounds: expected some of {known}; got {unknown or ()}")
        for progress in (0.0, 1.0):
            now = self._at(progress)
            if not 0 < now["least"] <= now["greatest"]:
                raise InputError(f"Augment.scale: expected 0 < least <= greatest, got {self.scale}")
            for name, (low, high) in LIMITS.items():
                if not low <= now[name] <= high:
                    raise InputError(
                        f"Augment.{name}: expected {low:g} to {high:g}, got {now[name]:g}"
                    )


def _corners(
    draws: Float[Tensor, "n v k draws"], now: dict[str, float], picture: tuple[int, int]
) -> Float[Tensor, "n v k 4 2"]:
    """Where the corners of each crop lie in its image, whose own corners are at +-1.

    A crop smaller than the image lies inside it, a larger one holds it, before rotation and
    perspective. A whole view of an oblong image is its largest upright square somewhere.
    """
    height, width = picture
    shape = draws.new_tensor([width, height]) / min(height, width)  # in shorter sides
    signed = 2 * draws - 1
    upright = (draws[..., 6] < now["whole"])[..., None]
    side = now["least"] + draws[..., :1] * (now["greatest"] - now["least"])
    stretch = (signed[..., 1:2] * (0.5 * math.log(now["aspect"]))).exp()
    half = side * torch.cat([stretch, 1 / stretch], -1)
    if now["greatest"] <= 1:
        half = half.minimum(shape)
    half = torch.where(upright, 1.0, half)
    center = signed[..., 2:4] * (shape - half).abs()
    mirror = torch.where((draws[..., 5:6] < now["flip"]) & ~upright, -1.0, 1.0)
    angle = torch.where(upright[..., 0], 0.0, signed[..., 4] * math.radians(now["rotation_deg"]))
    square = draws.new_tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    bend = 0.5 * now["perspective"] * signed[..., 7:15].reshape(*signed.shape[:-1], 4, 2)
    corners = square + torch.where(upright[..., None], 0.0, bend)
    corners = corners * half.unsqueeze(-2)
    x, y = (corners[..., 0] * mirror), corners[..., 1]
    sine, cosine = angle.sin()[..., None], angle.cos()[..., None]
    turned = torch.stack([cosine * x - sine * y, sine * x + cosine * y], -1)
    return (turned + center.unsqueeze(-2)) / shape


def _even_slices(length: int, most: int) -> list[slice]:
    """Cuts a length into the fewest slices of at most `most`, as even as they can be."""
    count = math.ceil(length / most)
    marks = [round(i * length / count) for i in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(marks)]
