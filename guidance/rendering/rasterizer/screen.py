"""Positions of triangles on the screen: orientation, edge functions, and values at pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor


@dataclass(frozen=True)
class Centers:
    """Centers of pixels in [-1, 1]^2, with y up; x and y broadcast against each other."""

    x: Float[Tensor, "..."]
    y: Float[Tensor, "..."]

    @classmethod
    def of(
        cls, columns: Int[Tensor, "..."], rows: Int[Tensor, "..."], height: int, width: int
    ) -> Centers:
        """The centers of some pixels of an image."""
        return cls((columns + 0.5) * (2 / width) - 1, 1 - (rows + 0.5) * (2 / height))

    @classmethod
    def of_image(cls, image: Shaped[Tensor, "b h w"]) -> Centers:
        """The centers of all pixels of an image."""
        height, width = image.shape[1:]
        columns = torch.arange(width, device=image.device)
        rows = torch.arange(height, device=image.device)[:, None]
        return cls.of(columns, rows, height, width)


def edge_functions(corners: Float[Tensor, "*m 3 4"], centers: Centers) -> Float[Tensor, "*m 3"]:
    """The edge functions e_i of each triangle at the center of its pixel."""
    depth = corners[..., 3]
    qx = corners[..., 0] - centers.x[..., None] * depth
    qy = corners[..., 1] - centers.y[..., None] * depth
    return qx.roll(-1, -1) * qy.roll(-2, -1) - qy.roll(-1, -1) * qx.roll(-2, -1)


def orientation(corners: Float[Tensor, "*k 3 4"]) -> Int[Tensor, "*k"]:
    """1 for front faces (counterclockwise in the image), -1 for back faces.

    The sign of det(v_0, v_1, v_2) in (x, y, w), valid in front of the camera and behind it. It is
    computed relative to the first vertex to avoid cancellation, since triangles are small.
    """
    first, others = corners[..., :1, :], corners[..., 1:, :]
    q = first[..., 3:] * others[..., :2] - first[..., :2] * others[..., 3:]
    cross = q[..., 0, 0] * q[..., 1, 1] - q[..., 0, 1] * q[..., 1, 0]
    return torch.where(cross * first[..., 0, 3] >= 0, 1, -1)


def on_screen(clip: Float[Tensor, "*k 4"], height: int, width: int) -> Float[Tensor, "*k 2"]:
    """Positions in pixels; the center of the first pixel is at (0.5, 0.5)."""
    x, y, _, w = clip.unbind(-1)
    w = torch.where(w > 0, w, 1)  # the result is not used for vertices behind the camera
    return torch.stack([(x / w + 1) * (width / 2), (1 - y / w) * (height / 2)], -1)


def numbered(
    counts: Int[Tensor, "f"], total: int, chunk: int
) -> Iterator[tuple[Int[Tensor, "m"], Int[Tensor, "m"]]]:
    """Numbers the items of many owners: the owner of each item, and its number there.

    Args:
        counts: how many items each owner has.
        total: their sum, which the host has to know; reading it is a wait on a GPU.
        chunk: yields at most so many items at a time; at least one chunk, which may be empty.
    """
    ends = counts.cumsum(0)
    for start in range(0, max(1, total), chunk):
        index = torch.arange(start, min(start + chunk, total), device=counts.device)
        owners = torch.searchsorted(ends, index, right=True)
        yield owners, index - (ends - counts)[owners]


def at_corners(
    values: Float[Tensor, "a p c"], faces: Int[Tensor, "f 3"], triangles: Int[Tensor, "b h w"]
) -> Float[Tensor, "b h w 3 c"]:
    """Values at the three corners of the face at each pixel; arbitrary for background.

    Background pixels read the faces in turn. If all of them read one face, a GPU would add up
    their gradients of zero one after the other.
    """
    if not len(faces):
        return values.new_zeros(*triangles.shape, 3, values.shape[-1])
    turn = torch.arange(triangles.numel(), device=triangles.device).view_as(triangles) % len(faces)
    index = faces[torch.where(triangles >= 0, triangles.long(), turn)].long()
    images = torch.arange(len(triangles), device=triangles.device)
    sets = images // (len(triangles) // len(values))
    return values[sets[:, None, None, None], index]
