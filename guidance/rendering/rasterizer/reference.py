"""The reference backend: plain torch, slow and readable, on any device.

The CPU backend computes the same. Let p = (x, y) in [-1, 1]^2 be the center of a pixel and
(x_i, y_i, z_i, w_i) the clip coordinates of a triangle. With q_i = (x_i - x w_i, y_i - y w_i), the
vertices relative to p, the edge functions e_0 = q_1 x q_2, e_1 = q_2 x q_0 and e_2 = q_0 x q_1 all
have the sign of the triangle's determinant if and only if p is covered by the part of the triangle
in front of the camera. Nothing is divided by w, so nothing needs clipping. The perspective-correct
barycentric coordinates are e_i / (e_0 + e_1 + e_2), and the depth is the sum of e_i z_i divided by
the sum of e_i w_i.

All shapes are known in advance, but for two numbers that the host must read: how many pixels the
bounding boxes of the faces have, and how many pixels the silhouettes cross. On a GPU, where reading
is a wait, they are read together.

Source: Olano and Greer 1997, Triangle Scan Conversion using 2D Homogeneous Coordinates.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.rendering.rasterizer.backend import Backend, Fragments
from guidance.rendering.rasterizer.screen import (
    Centers,
    at_corners,
    edge_functions,
    numbered,
    on_screen,
    orientation,
)
from guidance.rendering.rasterizer.silhouettes import antialias, count_crossings
from guidance.transfers import constant, is_queued

#: Shorter normals have no direction (vertex normals are areas, in squared units of length).
NO_NORMAL = 1e-12
#: Pixels of bounding boxes that are processed at once: about 500 MB of intermediate tensors.
CHUNK = 1 << 22
NO_FACE = torch.iinfo(torch.int64).max


def visible(
    clip: Float[Tensor, "b p 4"], faces: Int[Tensor, "f 3"], height: int, width: int
) -> tuple[Int[Tensor, "b h w"], Float[Tensor, "b h w"], int | None]:
    """The nearest face and its depth at each pixel; on a GPU also the number of crossings.

    Among faces at the same depth, front faces (counterclockwise) win, then the lowest index.
    """
    batch, count = len(clip), len(faces)
    corners = clip[:, faces.long()].flatten(0, 1)  # [b f, 3, 4]
    facing = orientation(corners)
    first, across, counts = _boxes(corners, height, width)
    nearest = torch.full((batch * height * width,), NO_FACE, device=clip.device)
    total, crossings = counts.sum(), None
    if is_queued(clip.device):
        both = torch.stack([total, count_crossings(clip, faces, height, width)])
        total, crossings = both.tolist()
    for owners, within in numbered(counts, int(total), CHUNK):
        span = across[owners]
        columns = first[owners, 0] + within % span
        rows = first[owners, 1] + within // span
        centers = Centers.of(columns, rows, height, width)
        covered, depth = _depth(corners[owners], facing[owners], centers)
        # Nearest first, then front faces, then the lowest index, all packed into one integer: the
        # bit patterns of positive floats are ordered like their values.
        bits = (depth + 2).view(torch.int32).long()
        keys = (bits << 32) | ((facing[owners] < 0).long() << 31) | owners % count
        place = (owners // count * height + rows) * width + columns
        nearest.scatter_reduce_(0, place, torch.where(covered, keys, NO_FACE), "amin")
    triangles = torch.where(nearest == NO_FACE, -1, nearest & 0x7FFFFFFF)
    triangles = triangles.int().view(batch, height, width)
    return triangles, _depth_map(clip, faces, triangles), crossings


def barycentrics(fragments: Fragments) -> Float[Tensor, "b h w 3"]:
    """Perspective-correct barycentric coordinates of each pixel's center, 0 for background."""
    corners = at_corners(fragments.clip_vertices, fragments.faces, fragments.triangles)
    edges = edge_functions(corners, Centers.of_image(fragments.triangles))
    total = edges.sum(-1, keepdim=True)
    covered = (fragments.triangles >= 0)[..., None]
    weights = edges / torch.where(covered & (total != 0), total, 1)
    return torch.where(covered, weights.clamp(0, 1), 0)  # slivers are rounded


def interpolate(
    fragments: Fragments, attributes: Float[Tensor, "a p c"]
) -> Float[Tensor, "b h w c"]:
    """Vertex attributes at each pixel, 0 for background."""
    corners = at_corners(attributes, fragments.faces, fragments.triangles)  # [b, h, w, 3, c]
    values = (fragments.barycentrics[..., None] * corners).sum(-2)
    return torch.where((fragments.triangles >= 0)[..., None], values, 0)


def vertex_normals(
    vertices: Float[Tensor, "n p 3"], faces: Int[Tensor, "f 3"]
) -> Float[Tensor, "n p 3"]:
    """Area-weighted unit normals of the vertices, zero where there is no direction."""
    index = faces.long()
    rows = vertices.transpose(0, 1)  # [p, n, 3]: gathering and adding contiguous rows is faster
    a, b, c = (rows.index_select(0, corner) for corner in index.unbind(1))
    weighted = torch.linalg.cross(b - a, c - a)
    sums = torch.zeros_like(rows)
    for corner in index.unbind(1):
        sums = sums.index_add(0, corner, weighted)
    return _unit(sums).transpose(0, 1)


def lambert(  # noqa: PLR0917  (the interface is positional)
    fragments: Fragments,
    normals: Float[Tensor, "n p 3"],
    colors: Float[Tensor, "n p 3"],
    lights: Float[Tensor, "b 3"],
    ambient: float | Float[Tensor, "b"],
    two_sided: bool,
) -> Float[Tensor, "b h w 4"]:
    """Shaded color and coverage at each pixel."""
    values = interpolate(fragments, torch.cat([normals, colors], -1))
    normal, color = _unit(values[..., :3]), values[..., 3:]
    clip = fragments.clip_vertices.detach()
    facing = orientation(at_corners(clip, fragments.faces, fragments.triangles))
    if not two_sided:
        facing = facing.clamp_min(0)
    diffuse = ((normal * lights[:, None, None]).sum(-1) * facing).clamp_min(0)
    if isinstance(ambient, Tensor):
        ambient = ambient[:, None, None]
    brightness = ambient + (1 - ambient) * diffuse
    covered = (fragments.triangles >= 0)[..., None].to(color)
    return torch.cat([color * brightness[..., None], covered], -1)


def _unit(vectors: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k 3"]:
    """Unit vectors; zero, without gradient, for vectors too short to have a direction."""
    squared = vectors.square().sum(-1, keepdim=True)
    enough = squared > NO_NORMAL**2
    return torch.where(enough, vectors * torch.where(enough, squared, 1).rsqrt(), 0)


def _boxes(
    corners: Float[Tensor, "f 3 4"], height: int, width: int
) -> tuple[Int[Tensor, "f 2"], Int[Tensor, "f"], Int[Tensor, "f"]]:
    """First column and row of the bounding box of each face, its width, and its pixels."""
    position = on_screen(corners, height, width)
    behind = (corners[..., 3] <= 0).any(1, keepdim=True)
    size = constant((width, height), position.device, position.dtype)
    low = torch.where(behind, 0, (position.amin(1) - 0.5).ceil().clamp_min(0))
    high = torch.where(behind, size - 1, (position.amax(1) - 0.5).floor().minimum(size - 1))
    across, down = (high - low + 1).clamp_min(0).long().unbind(1)
    return low.long(), across, across * down


def _depth(
    corners: Float[Tensor, "*m 3 4"], facing: Int[Tensor, "*m"], centers: Centers
) -> tuple[Bool[Tensor, "*m"], Float[Tensor, "*m"]]:
    """Whether faces cover pixels in front of the camera, and their depth there."""
    edges = edge_functions(corners, centers) * facing[..., None]
    area = (edges * corners[..., 3]).sum(-1)
    depth = (edges * corners[..., 2]).sum(-1) / area
    return (edges >= 0).all(-1) & (area > 0) & (depth >= -1) & (depth < 1), depth


def _depth_map(
    clip: Float[Tensor, "b p 4"], faces: Int[Tensor, "f 3"], triangles: Int[Tensor, "b h w"]
) -> Float[Tensor, "b h w"]:
    """The depth of the given face at each pixel, 1 for background."""
    corners = at_corners(clip, faces, triangles)
    depth = _depth(corners, orientation(corners), Centers.of_image(triangles))[1]
    return torch.where(triangles >= 0, depth, 1)


BACKEND = Backend("torch", visible, barycentrics, interpolate, vertex_normals, lambert, antialias)
