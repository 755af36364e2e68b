"""Views of a generator: cameras, windows or frames; and warps, which move flat images.

The letters of the shapes are those of `guidance.types`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

#: The subject of views that show all parts of a scene.
WHOLE = -1


@dataclass(frozen=True)
class Cameras:
    """Pinhole cameras, `v` for each of `n` samples, looking at a scene around the origin.

    `view` maps world to camera space (x right, y up, looking along -z); `projection` maps camera
    to OpenGL clip space, y up. `light` is the unit direction *towards* the light, in world space.
    Angles are in degrees: azimuth 0 shows the front, 90 the right side; the front is +z and the
    right side +x, unless an orbit has another front.
    """

    view: Float[Tensor, "n v 4 4"]
    projection: Float[Tensor, "n v 4 4"]
    light: Float[Tensor, "n v 3"]
    azimuth_deg: Float[Tensor, "n v"]
    elevation_deg: Float[Tensor, "n v"]
    height: int
    width: int
    strength: Float[Tensor, "n v"] | None = None  # of the light; by default 1
    ambient: Float[Tensor, "n v"] | None = None  # added to the ambient light of the shading
    textureless: Bool[Tensor, "n v"] | None = None  # views that show the shape without colors
    #: The part of a scene that a view shows alone, or `WHOLE`; by default all views show the whole.
    #: The same for all samples; the views of a subject are contiguous.
    subject: Int[Tensor, "n v"] | None = None

    def some(self, views: slice) -> Cameras:
        """A slice of the views of every sample."""
        return self.mapped(lambda values: values[:, views])

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Cameras:
        """The same cameras with a function applied to each tensor."""
        found = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **{name: change(value) for name, value in found.items()})  # type: ignore[arg-type]

    def subjects(self) -> dict[int, slice]:
        """The views of each subject."""
        if self.subject is None:
            return {WHOLE: slice(0, self.light.shape[1])}
        found, counts = torch.unique_consecutive(self.subject[0], return_counts=True)
        stops = counts.cumsum(0).tolist()
        starts = [0, *stops[:-1]]
        return {
            subject: slice(start, stop)
            for subject, start, stop in zip(found.tolist(), starts, stops, strict=True)
        }


@dataclass(frozen=True)
class Shots(Cameras):
    """Cameras of a motion: each view shows one moment of it."""

    #: Share of the duration, 0 at the first pose and 1 at the last. Required.
    at: Float[Tensor, "n v"] | None = None
    #: The last view shows the first `strip` views side by side in one image, in their order, so
    #: that it shows the course of time; 0 for no such view.
    strip: int = 0

    @classmethod
    def of(cls, cameras: Cameras, at: Float[Tensor, "n v"], strip: int = 0) -> Shots:
        """The cameras, each at one moment."""
        return cls(**vars(cameras), at=at, strip=strip)

    def some(self, views: slice) -> Shots:
        """A slice of the views of every sample; the strip is lost unless all views are kept."""
        found = super().some(views)
        assert isinstance(found, Shots)
        same = found.light.shape[1] == self.light.shape[1]
        return found if same else replace(found, strip=0)


@dataclass(frozen=True)
class Windows:
    """Windows of flat images, `v` for each of `n` samples; always on the CPU.

    Lengths are shares of the image's width and height, from its top left corner; a side of 1 is all
    of it.
    """

    left: Float[Tensor, "n v"]
    top: Float[Tensor, "n v"]
    side: Float[Tensor, "n v"]  # share of the width
    pixels: int | tuple[int, int]  # per side of each rendered window, or its height and width
    down: Float[Tensor, "n v"] | None = None  # share of the height; by default `side`

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels of each rendered window."""
        return (self.pixels, self.pixels) if isinstance(self.pixels, int) else self.pixels

    @property
    def height(self) -> Float[Tensor, "n v"]:
        """The share of the image's height."""
        return self.side if self.down is None else self.down

    def some(self, views: slice) -> Windows:
        """Some of the views of every sample."""
        left, top, side = (values[:, views] for values in (self.left, self.top, self.side))
        down = None if self.down is None else self.down[:, views]
        return replace(self, left=left, top=top, side=side, down=down)


@dataclass(frozen=True)
class Frames:
    """Frames of a video, `v` for each of `n` samples; always on the CPU."""

    index: Int[Tensor, "n v"]  # from 0

    def some(self, views: slice) -> Frames:
        """Some of the views of every sample."""
        return Frames(self.index[:, views])


#: What `Generator.forward` shows: meshes by cameras, flat images by windows, videos by frames.
View = Cameras | Windows | Frames


@dataclass(frozen=True)
class Warp:
    """An affine motion of flat images, from position x to `matrix @ (x, 1)`; on the CPU.

    Positions are in [-1, 1]^2: x to the right, y down, 0 in the center.
    """

    matrix: Float[Tensor, "n 2 3"]  # float64

    @classmethod
    def of(
        cls,
        num_samples: int,
        zoom: float = 1.0,
        pan: tuple[float, float] = (0.0, 0.0),
        rotate_deg: float = 0.0,
    ) -> Warp:
        """The same warp for all samples: rotation and zoom around the center, then translation.

        Args:
            zoom: above 1 enlarges the image.
            pan: to the right and down, in shares of the image's width and height.
            rotate_deg: counterclockwise.
        """
        angle = math.radians(rotate_deg)
        cosine, sine = zoom * math.cos(angle), zoom * math.sin(angle)
        rows = [[cosine, sine, 2 * pan[0]], [-sine, cosine, 2 * pan[1]]]
        return cls(torch.tensor(rows, dtype=torch.float64).expand(num_samples, 2, 3))

    def on(self, height: int, width: int) -> Warp:
        """The motion in positions of an image that is not square: rotation keeps its shapes.

        Positions are in [-1, 1]^2 whatever the aspect ratio, so a rotation is stretched there.
        """
        if height == width:
            return self
        matrix = self.matrix.clone()
        matrix[..., 0, 1] *= height / width
        matrix[..., 1, 0] *= width / height
        return Warp(matrix)

    def back(self) -> Float[Tensor, "n 2 3"]:
        """The matrix of the inverse motion."""
        inverse = torch.linalg.inv(self.matrix[..., :2])
        return torch.cat([inverse, -inverse @ self.matrix[..., 2:]], -1)
