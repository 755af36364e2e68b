"""Preprocessing of images of any size for an image tower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError

#: Tolerance between stored means, which are rounded when they are written.
SAME = 1e-5


@dataclass(frozen=True)
class Preprocessing:
    """Resizing, cropping and normalization, from the tower's configuration."""

    size: int  # pixels per side
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str  # "bicubic" or "bilinear"
    resize_mode: str  # "shortest": crop; "squash": ignore the aspect ratio; "longest": pad
    fill: float  # grey value of the padding, in [0, 1]

    @classmethod
    def parse(cls, stored: Mapping[str, Any], where: str) -> Preprocessing:
        """Reads open_clip's keys.

        Raises:
            InputError: the images are not square, or a value is unknown.
        """
        size = stored["size"]
        sides = (size, size) if isinstance(size, int) else tuple(size)
        if sides[0] != sides[1]:
            raise InputError(f"{where}: expected square images, got {sides}")
        if stored["interpolation"] not in ("bicubic", "bilinear", "random"):
            raise InputError(f"{where}: interpolation {stored['interpolation']!r} is unknown")
        if stored["resize_mode"] not in ("shortest", "squash", "longest"):
            raise InputError(f"{where}: resize_mode {stored['resize_mode']!r} is unknown")
        bilinear = stored["interpolation"] == "bilinear"
        return cls(
            size=sides[0],
            mean=_three(stored["mean"], where),
            std=_three(stored["std"], where),
            # open_clip's "random" is for training; its evaluation transform is then bicubic.
            interpolation="bilinear" if bilinear else "bicubic",
            resize_mode=stored["resize_mode"],
            fill=stored.get("fill_color", 0) / 255,
        )

    def check_against(self, stored: Mapping[str, Any], where: str) -> None:
        """Compares with the preprocessing stored in the model card, as far as it is given.

        Raises:
            InputError: they differ; wrong preprocessing would silently degrade every score.
        """
        for key, want in stored.items():
            if key not in ("size", "mean", "std", "interpolation", "resize_mode"):
                raise InputError(f"{where}: unknown key {key!r} in preprocessing")
            have = getattr(self, key)
            if key in ("mean", "std"):
                same = all(
                    abs(a - b) < SAME for a, b in zip(have, _three(want, where), strict=True)
                )
            else:
                same = have == want
            if not same:
                raise InputError(
                    f"{where}: preprocessing {key} is {want}, but the model's configuration has "
                    f"{have}; make the two files agree"
                )

    def fit(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 size size"]:
        """Images at the tower's size, in the same range; unchanged if they have that size.

        Resizing is antialiased. As in Pillow, rows are resized before columns, and values are
        clamped to [0, 1] after each.
        """
        height, width = images.shape[-2:]
        size = self.size
        if (height, width) == (size, size):
            return images
        target = (size, size)
        if self.resize_mode != "squash":
            pick = min if self.resize_mode == "shortest" else max
            short = pick(height, width)
            # As in open_clip: "shortest" truncates the other side, "longest" rounds it.
            other = int if self.resize_mode == "shortest" else round
            target = (
                size if height == short else other(size * height / short),
                size if width == short else other(size * width / short),
            )
        resized = self._resize(self._resize(images, (height, target[1])), target)
        return self._center(resized)

    def scale_and_shift(self) -> tuple[Float[Tensor, "3 1 1"], Float[Tensor, "3 1 1"]]:
        """The normalization as `image * scale + shift`, one pass over the image."""
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return 1 / std, -mean / std

    def _resize(
        self, images: Float[Tensor, "b 3 h w"], target: tuple[int, int]
    ) -> Float[Tensor, "b 3 hh ww"]:
        resized = F.interpolate(
            images, target, mode=self.interpolation, antialias=True, align_corners=False
        )
        return resized.clamp(0, 1)

    def _center(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 size size"]:
        """Crops or pads the images around their center."""
        height, width = images.shape[-2:]
        down, right = max(0, self.size - height), max(0, self.size - width)
        if down or right:
            pad = (right // 2, right - right // 2, down // 2, down - down // 2)
            images = F.pad(images, pad, value=self.fill)
            height, width = images.shape[-2:]
        top, left = round((height - self.size) / 2), round((width - self.size) / 2)
        return images[..., top : top + self.size, left : left + self.size]


def _three(value: Any, where: str) -> tuple[float, ...]:
    values = torch.as_tensor(value, dtype=torch.float64).flatten().tolist()
    if len(values) not in (1, 3):
        raise InputError(f"{where}: expected one number or one for each of 3 channels, got {value}")
    return tuple(values * 3 if len(values) == 1 else values)
