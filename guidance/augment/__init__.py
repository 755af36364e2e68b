"""Random crops of images. They prevent images that match the prompt only at exact pixel positions.

A crop is one homography (crop, rotation, perspective, flip), a background where the image is
transparent, one color matrix, and noise. All samples, views and crops are computed at once, in
micro-batches of any size. The random draws of a sample do not depend on the other samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.augment.backgrounds import KINDS, NUM_DRAWS, paint
from guidance.augment.blend import blend
from guidance.augment.color import jitter_matrices
from guidance.augment.grain import Grain
from guidance.augment.warp import shrink, square_to_quad, warp
from guidance.errors import InputError
from guidance.outputs import Images
from guidance.schedule import Schedule
from guidance.transfers import together
from guidance.types import StepContext

__all__ = ["Augment", "Crops", "Part"]

#: A number, or a schedule such as "0.3 -> 0".
Strength = float | str

NUM_GEOMETRY = 15  # scale, aspect, center x y, rotation, flip, whole, eight corner coordinates
COLOR = ("brightness", "contrast", "saturation", "hue_deg")
#: Minimum and maximum of each strength.
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
    """The random draws of one step: `k` crops of each of `v` views of `n` samples."""

    size: int  # side of a crop in pixels
    homographies: Float[Tensor, "n v k 3 3"]  # from [-1, 1]^2 of the crop to that of the image
    colors: Float[Tensor, "n v k 3 4"] | None
    kinds: Int[Tensor, "n v k"]  # of backgrounds; on the CPU
    backgrounds: Float[Tensor, "n v k draws"]
    grain: Grain | None
    noise: float  # its standard deviation
    scale: float  # typical side of a crop, relative to the shorter side of the image
    sees_outside: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """n, v and k."""
        n, v, k = self.homographies.shape[:3]
        return n, v, k

    def parts(self, micro_batch: int) -> Iterator[Part]:
        """Micro-batches of at most `micro_batch` crops, each from as few images as possible."""
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
    """Random variations of images before an encoder; every strength can be a schedule.

    Images with alpha are composited over `backgrounds`. Where a crop extends beyond the border of
    an image without alpha, the image is reflected. If `scale` exceeds 1, crops show the whole
    image from farther away, and `backgrounds` surround it instead.

    Raises:
        InputError: a strength outside `LIMITS`, an unknown background, a scale that is not
            0 < least <= greatest, or no crops.
    """

    crops: int = 16  # per sample and step, divided evenly among its views, at least one per view
    #: Range of the side of a crop, relative to the shorter side of the image.
    scale: tuple[Strength, Strength] = (0.6, 1.0)
    aspect: Strength = 1.0  # width / height within [1 / aspect, aspect]
    rotation_deg: Strength = 8.0  # within +- this
    perspective: Strength = 0.2  # corners move by up to this share of a quarter side, in [0, 1)
    flip: Strength = 0.0  # probability of a horizontal flip
    whole: Strength = 0.25  # probability of a crop that shows the whole image, upright
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
        """One crop per view: the whole image without changes, over white."""
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
        """Draws the crops of one step, `size` pixels per side; draws do not depend on the pixels.

        Raises:
            InputError: the number of seeds differs from the number of samples.
        """
        n, v, _, height, width = rendering.shape
        if len(context.seeds) != n:
            raise InputError(
                f"Augment: expected {n} seeds, one per sample, got {len(context.seeds)}"
            )
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
        corners = _corners(geometry, now, (height, width))
        like = torch.empty(0, dtype=rendering.dtype, device=rendering.device)
        tensors = [square_to_quad(corners), rest[..., 2:]]
        tensors += [jitter_matrices(color, strengths)] if any(strengths) else []
        homographies, backgrounds, *colors = (
            one.to(like) for one in together(tensors, like.device)
        )
        return Crops(
            size=size,
            homographies=homographies,
            colors=colors[0] if colors else None,
            kinds=menu[(rest[..., 0] * len(menu)).long()],
            backgrounds=backgrounds,
            grain=Grain.draw(context, size, rest[..., 1], like) if grainy else None,
            noise=now["noise"],
            scale=math.sqrt(now["least"] * now["greatest"]),
            sees_outside=sees_outside,
        )

    def apply(
        self, rendering: Images, crops: Crops, part: Part = EVERYTHING
    ) -> Float[Tensor, "b 3 size size"]:
        """Computes the crops of one part, in the order of [n, v, k].

        Differentiable in the image and its alpha.
        """
        place = part.place
        homographies = crops.homographies[place].flatten(0, 1)
        images = rendering.image[place[:2]].flatten(0, 1)
        if rendering.alpha is not None:
            images = torch.cat([images, rendering.alpha[place[:2]].flatten(0, 1)], 1)
        elif crops.sees_outside:
            images = torch.cat([images, torch.ones_like(images[:, :1])], 1)
        cut_out = images.shape[1] == 4
        small = shrink(images, crops.size, crops.scale)
        layers = warp(small, homographies, crops.size, "zeros" if cut_out else "reflection")
        grain = crops.grain.part(place) if crops.grain else None
        background = None
        if cut_out:
            kinds, draws = crops.kinds[place].flatten(), crops.backgrounds[place].flatten(0, 2)
            background = paint(kinds, draws, grain, crops.size)
        colors = None if crops.colors is None else crops.colors[place].flatten(0, 2)
        noise = grain.windows().mul_(crops.noise) if grain and crops.noise else None
        return blend(layers, background, colors, noise)

    def _at(self, progress: float) -> dict[str, float]:
        """All strengths at a progress by name; the range of scale is `least` to `greatest`."""
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
    draws: Float[Tensor, "n v k draws"], now: dict[str, float], size: tuple[int, int]
) -> Float[Tensor, "n v k 4 2"]:
    """The corners of each crop in its image, whose own corners are at +-1.

    Before rotation and perspective, a crop smaller than the image lies inside it, and a larger
    crop contains it. A whole view of an image that is not square is its largest upright square,
    at a random position. NumPy takes a third of torch's time for so few numbers.
    """
    given = draws.numpy()
    height, width = size
    shape = np.array([width, height], given.dtype) / min(height, width)  # in shorter sides
    signed = 2 * given - 1
    upright = (given[..., 6] < now["whole"])[..., None]
    side = now["least"] + given[..., :1] * (now["greatest"] - now["least"])
    stretch = np.exp(signed[..., 1:2] * (0.5 * math.log(now["aspect"])))
    half = side * np.concatenate([stretch, 1 / stretch], -1)
    if now["greatest"] <= 1:
        half = np.minimum(half, shape)
    half[upright[..., 0]] = 1
    center = signed[..., 2:4] * abs(shape - half)
    mirror = np.where((given[..., 5:6] < now["flip"]) & ~upright, -1.0, 1.0)
    angle = np.where(upright, 0, signed[..., 4:5] * math.radians(now["rotation_deg"]))
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], given.dtype)
    bend = 0.5 * now["perspective"] * signed[..., 7:15].reshape(*given.shape[:-1], 4, 2)
    corners = (square + np.where(upright[..., None], 0, bend)) * half[..., None, :]
    x, y = corners[..., 0] * mirror, corners[..., 1]
    sine, cosine = np.sin(angle), np.cos(angle)
    corners[..., 0], corners[..., 1] = cosine * x - sine * y, sine * x + cosine * y
    return torch.from_numpy((corners + center[..., None, :]) / shape)


def _even_slices(length: int, most: int) -> list[slice]:
    """Cuts a length into the fewest slices of at most `most`, of nearly equal length."""
    count = math.ceil(length / most)
    marks = [round(i * length / count) for i in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(marks)]
